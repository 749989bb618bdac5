//! How fast the spool empties once the table is back: 10,000 spooled records handed to `replay` in SQS's
//! batches, to two environments side by side, and none of them lost.
//!
//! The messages are those of a table that was away for a hundred minutes: of each minute 40 one-to-one calls,
//! three LINE rooms and three Tencent group calls of ten events each, in the order in which they happened. So
//! the messages of one call are in neighbouring batches, and the environments get into each other's way. The
//! functions themselves make the messages, in front of a table that takes nothing. What the table must hold
//! in the end is what the same functions write of the same callbacks when the table is there.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use ringback_tests::control_plane::sqs_event;
use serde::Serialize;
use serde_json::{Value, json};

use crate::aws::Aws;
use crate::environments::Environments;
use crate::process::{Place, Running};
use crate::stories::{Stories, Story};
use crate::subject::Bench;
use crate::table::{Item, Usage};

/// The template lets Lambda run as many as `ReplayConcurrency` says; here there is a core for each of two.
const ENVIRONMENTS: usize = 2;
/// `BatchSize` of the template.
const BATCH: usize = 10;
const MINUTES: usize = 100;
const EVENTS_OF_A_GROUP: usize = 10;

#[derive(Clone, Debug, Default, Serialize)]
pub struct Replay {
    pub messages: usize,
    pub calls: usize,
    pub environments: usize,
    pub batch: usize,
    pub records_a_second: f64,
    /// Messages that went back to the queue.
    pub given_back: usize,
    /// Items that are missing or tell something else.
    pub lost: usize,
    /// For a record.
    pub usage: Usage,
}

pub fn run(bench: &Bench) -> Result<Replay> {
    let callbacks = callbacks(&Stories::read(&bench.cases())?, if bench.is_short { 2 } else { MINUTES });
    let [direct, away, replayed] = [Aws::start()?, Aws::start()?, Aws::start()?];
    away.table().is_away = true;
    for aws in [&direct, &away] {
        play(bench, aws, &callbacks)?;
    }
    let messages = spooled(&away)?;
    ensure!(
        messages.len() == callbacks.len(),
        "{} callbacks became {} messages",
        callbacks.len(),
        messages.len()
    );
    let batch = |messages: &[(String, String)]| {
        sqs_event(messages.iter().map(|(id, body)| (id.as_str(), body.as_str())))
    };
    let batches: Vec<String> = messages.chunks(BATCH).map(batch).collect();

    let subject = bench.function("replay", &replayed)?;
    let environments = Environments::start(bench, &replayed, &subject, ENVIRONMENTS, Place::OnAllCores)?;
    let before = environments.usage()?;
    let began = Instant::now();
    let given_back = empty(&batches, &environments)?;
    let took = began.elapsed();
    let usage = environments.usage()? - before;
    environments.must_have_recorded()?;
    let calls = direct.table().sids().len();
    Ok(Replay {
        messages: messages.len(),
        calls,
        environments: ENVIRONMENTS,
        batch: BATCH,
        records_a_second: messages.len() as f64 / took.as_secs_f64(),
        given_back,
        lost: lost(&direct, &replayed),
        usage: usage / messages.len() as f64,
    })
}

/// Which function each callback comes to, and its event.
pub(crate) fn callbacks(stories: &Stories, minutes: usize) -> Vec<(&'static str, String)> {
    let told = |story: Story| story.callbacks.into_iter().chain([story.end]);
    let mut callbacks = Vec::new();
    for minute in 0..minutes {
        let of_three = |function: &'static str, story: &dyn Fn(usize) -> Story| {
            let number = |position| minute * 3 + position;
            [0, 1, 2].map(|position| told(story(number(position))).map(move |event| (function, event)))
        };
        let events = EVENTS_OF_A_GROUP - 1;
        let mut rooms = of_three("group-call-event", &|number| stories.room.story(number, events));
        let mut group_calls =
            of_three("tencent-call-event", &|number| stories.group_call.story(number, events));
        for step in 0..EVENTS_OF_A_GROUP {
            callbacks.extend(rooms.iter_mut().filter_map(Iterator::next));
            callbacks.extend(group_calls.iter_mut().filter_map(Iterator::next));
            let one_to_one =
                |position| ("call-event", stories.one_to_one(minute * 40 + step * 4 + position).end);
            callbacks.extend((0..4).map(one_to_one));
        }
    }
    callbacks
}

/// Plays callbacks in their order, each through its function.
pub(crate) fn play(bench: &Bench, aws: &Aws, callbacks: &[(&'static str, String)]) -> Result<()> {
    let mut functions = BTreeMap::new();
    for (function, event) in callbacks {
        if !functions.contains_key(function) {
            let subject = bench.function(function, aws)?;
            functions
                .insert(function, Environments::start(bench, aws, &subject, 1, Place::OnTheFunctionsCore)?);
        }
        let running = functions.get(function).and_then(|environments| environments.running.first());
        let (answer, _) = running.context("no environment")?.hand_over(event)?;
        ensure!(answer.get("statusCode") == Some(&json!(200)), "{function} answered {answer}");
    }
    Ok(())
}

/// The messages that were published, in that order, each with an id in the form that SQS's have.
fn spooled(aws: &Aws) -> Result<Vec<(String, String)>> {
    let message = |(number, body): (usize, &Vec<u8>)| {
        let (_, message) =
            form_urlencoded::parse(body).find(|(name, _)| name == "Message").context("no message")?;
        Ok((format!("00000000-0000-4000-8000-{number:012}"), message.into_owned()))
    };
    aws.table().published.iter().enumerate().map(message).collect()
}

/// Hands out batches until there are none, and counts the messages that come back.
fn empty(batches: &[String], environments: &Environments<'_>) -> Result<usize> {
    let next = AtomicUsize::new(0);
    let work = |running: &Running| -> Result<usize> {
        let mut given_back = 0;
        while let Some(batch) = batches.get(next.fetch_add(1, Ordering::SeqCst)) {
            given_back += failures(&running.hand_over(batch)?.0)?;
        }
        Ok(given_back)
    };
    let work = &work;
    thread::scope(|scope| {
        let start = |running| scope.spawn(move || work(running));
        let workers: Vec<_> = environments.running.iter().map(start).collect();
        workers.into_iter().map(|worker| worker.join().map_err(|_| anyhow!("a worker panicked"))?).sum()
    })
}

/// How many messages a report gives back.
fn failures(report: &Value) -> Result<usize> {
    let failures = report.get("batchItemFailures").and_then(Value::as_array);
    Ok(failures.with_context(|| format!("replay answered {report}"))?.len())
}

/// How many items of one table the other lacks or has otherwise.
fn lost(direct: &Aws, replayed: &Aws) -> usize {
    let (direct, replayed) = (direct.table(), replayed.table());
    let comparable = |mut item: Item| {
        // When it arrived, which is another time in each.
        item.remove("received_at");
        item.remove("expires_at");
        item
    };
    let of_call = |sid: String| {
        let mut is = replayed.partition(&sid);
        let must_be = direct.partition(&sid).into_iter();
        must_be.filter(|(key, item)| is.remove(key).map(comparable) != Some(comparable(item.clone()))).count()
    };
    direct.sids().into_iter().map(of_call).sum()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::path::Path;

    use super::*;
    use crate::cases::Cases;

    #[test]
    fn the_spool_holds_10000_different_callbacks_of_three_functions() {
        let stories = Stories::read(&Cases::of(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))).unwrap();
        let callbacks = callbacks(&stories, MINUTES);
        assert_eq!(callbacks.iter().collect::<HashSet<_>>().len(), 10_000);
        for (function, count) in
            [("call-event", 4_000), ("group-call-event", 3_000), ("tencent-call-event", 3_000)]
        {
            assert_eq!(callbacks.iter().filter(|(of, _)| *of == function).count(), count, "{function}");
        }
    }

    #[test]
    fn a_batch_is_as_large_as_in_the_template() {
        assert!(include_str!("../../template.yaml").contains(&format!("BatchSize: {BATCH}\n")));
    }

    #[test]
    fn an_item_that_is_missing_or_tells_something_else_is_lost() {
        let [direct, replayed] = [Aws::start().unwrap(), Aws::start().unwrap()];
        let item = |received_at: &str, facts: &str| {
            json!({
                "sid": { "S": "a" }, "record": { "S": "call" },
                "received_at": { "N": received_at }, "facts": { "S": facts },
            })
            .to_string()
        };
        direct.table().preload(&item("1", "talked")).unwrap();
        assert_eq!(lost(&direct, &replayed), 1);
        replayed.table().preload(&item("2", "rang")).unwrap();
        assert_eq!(lost(&direct, &replayed), 1);
        replayed.table().preload(&item("2", "talked")).unwrap();
        assert_eq!(lost(&direct, &replayed), 0);
    }

    #[test]
    fn a_report_says_how_many_messages_come_back_and_no_report_is_an_error() {
        assert_eq!(failures(&json!({ "batchItemFailures": [{ "itemIdentifier": "a" }] })).unwrap(), 1);
        assert!(failures(&json!({})).is_err());
    }
}
