//! How fast the spool empties once the table is back: 10,000 spooled records handed to `replay` in SQS's batches, to two environments side by side as Lambda
//! would run several, and none of them lost.
//!
//! The messages are those of a table that was away for a hundred minutes: of each minute 40 one-to-one calls, three LINE rooms and three Tencent group calls of ten
//! events each, in the order in which they happened. So the messages of one call are in neighbouring batches, and the two environments get into each other's way.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ringback::door::access::Verified;
use ringback::call::CallFacts;
use ringback::lambda::http::GatewayEvent;
use ringback::line::{self, call_event, group_call_event};
use ringback::call::model::Arrival;
use ringback::call::record::{self, CALL, Record};
use ringback::text::refusal::Refusal;
use ringback::door::route::Route;
use ringback::lambda::settings::Environment;
use ringback::lambda::spool;
use ringback::tencent;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::aws_stub::AwsStub;
use crate::error::BenchError;
use crate::growth::Ground;
use crate::growth::stories::{GroupCalls, OneToOneCalls, Rooms, Story};
use crate::subject::{Running, Subject};
use crate::table::Table;
use crate::usage::{Printed, printed};

/// The template lets Lambda run as many as `ReplayConcurrency` says; here there is a core for each of two.
const ENVIRONMENTS: usize = 2;
/// `BatchSize` of the template.
const BATCH: usize = 10;
const MINUTES: usize = 100;
const ONE_TO_ONE_CALLS_A_MINUTE: usize = 40;
const ROOMS_A_MINUTE: usize = 3;
const GROUP_CALLS_A_MINUTE: usize = 3;
const EVENTS_OF_A_GROUP: usize = 10;
/// 2026-11-09T08:08:20Z.
const ARRIVAL_MS: u64 = 1_794_211_700_000;
const PATIENCE: Duration = Duration::from_secs(30);

/// What the run came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Replay {
    /// Messages of the spool, each a record.
    pub messages: usize,
    /// Calls that they are of.
    pub calls: usize,
    /// Environments side by side.
    pub environments: usize,
    /// Messages in a batch.
    pub batch: usize,
    /// From the first batch until the last answer.
    pub seconds: f64,
    /// Messages in a second.
    pub records_a_second: f64,
    /// The functions' CPU time for a record, in microseconds.
    pub cpu_us: f64,
    /// Requests to the table for a record.
    pub requests: f64,
    /// Write capacity units for a record.
    pub capacity: f64,
    /// Puts for a record that lost against another writer or found the item there.
    pub refused: f64,
    /// Items that stay in the table for a record.
    pub stored_items: f64,
    /// Their bytes.
    pub stored_bytes: f64,
    /// What the functions print for a record.
    pub log: Printed,
    /// Messages that went back to the queue.
    pub given_back: usize,
    /// Records without an event item, and calls that are not what their records tell.
    pub lost: usize,
}

/// The messages, and what the table must hold in the end.
#[derive(Default)]
struct Spool {
    messages: Vec<String>,
    expected: BTreeMap<String, Expected>,
}

/// What must be under one session id.
#[derive(Default)]
struct Expected {
    events: BTreeSet<String>,
    facts: CallFacts,
}

/// Empties a spool of 10,000 records.
///
/// # Errors
/// [`BenchError`] when the function does not answer, or asks for what nobody expects.
pub fn run(ground: &Ground<'_>) -> Result<Replay, BenchError> {
    let table = Arc::new(Table::new());
    let stub = AwsStub::start(Arc::clone(&table) as Arc<_>)?;
    let environment_of = |function: &str| -> Result<Environment, BenchError> {
        let variables = (ground.subject)(function, &stub)?.environment;
        Ok(Environment::new(move |name| variables.get(name)?.to_str().map(str::to_owned)))
    };
    let (of_line, of_tencent) = (environment_of("group-call-event")?, environment_of("tencent-call-event")?);
    let spool = Spool::filled(ground.events, &of_line, &of_tencent)?;
    let batches: Vec<Vec<u8>> =
        spool.messages.chunks(BATCH).enumerate().map(|(number, messages)| batch(number, messages)).collect();
    let subject = (ground.subject)("replay", &stub)?;
    let environments = started(&subject, ground)?;
    let logs: Vec<_> = (0..ENVIRONMENTS).map(|number| log_of(&subject, number)).collect();
    let printed_at_start = logs.iter().map(|log| printed(log)).collect::<Result<Vec<_>, _>>()?;

    let cpu = cpu_of(&environments)?;
    let began = Instant::now();
    let given_back = empty(&batches, &environments)?;
    let seconds = began.elapsed().as_secs_f64();
    let cpu = cpu_of(&environments)?.saturating_sub(cpu);

    let counts = table.counts();
    let trouble = stub.trouble();
    if counts.published + counts.unexpected > 0 || trouble.is_some() {
        return Err(wrong(format!("{counts:?}, {trouble:?}")));
    }
    let mut all_printed = (0, 0);
    for (log, at_start) in logs.iter().zip(printed_at_start) {
        let now = printed(log)?;
        all_printed = (all_printed.0 + now.0 - at_start.0, all_printed.1 + now.1 - at_start.1);
    }
    let (lines, bytes) = all_printed;
    let messages = spool.messages.len();
    let of_each = |all: u64| all as f64 / messages as f64;
    Ok(Replay {
        messages,
        calls: spool.expected.len(),
        environments: environments.len(),
        batch: BATCH,
        seconds,
        records_a_second: messages as f64 / seconds,
        cpu_us: cpu.as_secs_f64() * 1e6 / messages as f64,
        requests: of_each(counts.requests),
        capacity: of_each(counts.capacity),
        refused: of_each(counts.refused),
        stored_items: of_each(table.len() as u64),
        stored_bytes: of_each(table.bytes() as u64),
        log: Printed { lines: of_each(lines), bytes: of_each(bytes) },
        given_back,
        lost: spool.expected.iter().map(|(sid, expected)| expected.lost_in(&table, sid)).sum(),
    })
}

impl Spool {
    /// The samples as the functions' own readers read them, in environments of the functions.
    fn filled(events: &Path, of_line: &Environment, of_tencent: &Environment) -> Result<Self, BenchError> {
        let one_to_one_calls = OneToOneCalls::read(events)?;
        let (rooms, group_calls) = (Rooms::read(events)?, GroupCalls::read(events)?);
        let told = |story: Story| story.callbacks.into_iter().chain([story.end]);
        let mut spool = Self::default();
        for minute in 0..MINUTES {
            let numbers = |of_a_minute: usize| minute * of_a_minute..(minute + 1) * of_a_minute;
            let mut rooms: Vec<_> =
                numbers(ROOMS_A_MINUTE).map(|room| told(rooms.story(room, EVENTS_OF_A_GROUP - 1))).collect();
            let mut group_calls: Vec<_> = numbers(GROUP_CALLS_A_MINUTE)
                .map(|call| told(group_calls.story(call, EVENTS_OF_A_GROUP - 1)))
                .collect();
            let mut ended = numbers(ONE_TO_ONE_CALLS_A_MINUTE).map(|call| one_to_one_calls.ended(call).1);
            for _ in 0..EVENTS_OF_A_GROUP {
                for event in rooms.iter_mut().filter_map(Iterator::next) {
                    spool.take(read(&event, of_line, &line::GROUP_CALL_EVENT, group_call_event::read)?);
                }
                for event in group_calls.iter_mut().filter_map(Iterator::next) {
                    spool.take(read(&event, of_tencent, &tencent::CALL_EVENT, |verified| {
                        tencent::read(verified)?.ok_or(Refusal::NotOurs)
                    })?);
                }
                for event in ended.by_ref().take(ONE_TO_ONE_CALLS_A_MINUTE / EVENTS_OF_A_GROUP) {
                    spool.take(read(&event, of_line, &line::CALL_EVENT, call_event::read)?);
                }
            }
        }
        Ok(spool)
    }

    fn take(&mut self, record: Record) {
        self.messages.push(spool::write(&record, Arrival { milliseconds: ARRIVAL_MS }));
        let expected = self.expected.entry(record.session.as_str().to_owned()).or_default();
        expected.events.insert(record::event_key(&record));
        expected.facts = std::mem::take(&mut expected.facts).join(record.call);
    }
}

impl Expected {
    /// How much of it is not in the table.
    fn lost_in(&self, table: &Table, sid: &str) -> usize {
        let items = table.partition(sid);
        let events = self.events.iter().filter(|key| !items.contains_key(*key)).count();
        let facts = items.get(CALL).and_then(|call| call.get("facts")?.get("S")?.as_str());
        let facts: Option<CallFacts> = facts.and_then(|facts| serde_json::from_str(facts).ok());
        events + usize::from(facts.as_ref() != Some(&self.facts))
    }
}

/// Reads an event as its function does.
fn read(
    event: &str,
    environment: &Environment,
    route: &'static Route,
    read: impl FnOnce(&Verified) -> Result<Record, Refusal>,
) -> Result<Record, BenchError> {
    let gate = environment.gate(route).map_err(|error| wrong(error.to_string()))?;
    let event: GatewayEvent = serde_json::from_str(event).map_err(|error| wrong(error.to_string()))?;
    let verified = gate.admit(event.into(), Arrival { milliseconds: ARRIVAL_MS });
    verified.and_then(|verified| read(&verified)).map_err(|refusal| wrong(format!("a sample is {}", refusal.code())))
}

fn log_of(subject: &Subject, number: usize) -> PathBuf {
    subject.log.with_extension(format!("{number}.log"))
}

fn started(subject: &Subject, ground: &Ground<'_>) -> Result<Vec<Running>, BenchError> {
    (0..ENVIRONMENTS)
        .map(|number| {
            let log = log_of(subject, number);
            let mut running = Subject { log, ..subject.clone() }.start_anywhere(ground.cores)?;
            running.wait_for_init(PATIENCE)?;
            Ok(running)
        })
        .collect()
}

fn cpu_of(environments: &[Running]) -> Result<Duration, BenchError> {
    environments.iter().map(Running::cpu).sum::<std::io::Result<_>>().map_err(BenchError::io("read replay's CPU time"))
}

/// Hands out batches until there are none, and counts the messages that came back.
fn empty(batches: &[Vec<u8>], environments: &[Running]) -> Result<usize, BenchError> {
    let next = AtomicUsize::new(0);
    let work = |environment: &Running| -> Result<usize, BenchError> {
        let mut given_back = 0;
        while let Some(batch) = batches.get(next.fetch_add(1, Ordering::SeqCst)) {
            given_back += failures(&environment.invoke(batch, PATIENCE)?.body)?;
        }
        Ok(given_back)
    };
    thread::scope(|scope| {
        let workers: Vec<_> = environments.iter().map(|environment| scope.spawn(|| work(environment))).collect();
        let joined =
            workers.into_iter().map(|worker| worker.join().map_err(|_| wrong("a worker panicked".to_owned()))?);
        joined.sum()
    })
}

/// A batch as Lambda hands it over from SQS.
fn batch(number: usize, messages: &[String]) -> Vec<u8> {
    let record = |(position, body): (usize, &String)| {
        json!({
            "messageId": format!("00000000-0000-4000-8000-{:012}", number * BATCH + position), "receiptHandle": "receipt", "body": body,
            "attributes": { "ApproximateReceiveCount": "1", "SentTimestamp": ARRIVAL_MS.to_string() }, "messageAttributes": {}, "md5OfBody": "",
            "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:spool", "awsRegion": "us-east-1",
        })
    };
    json!({ "Records": messages.iter().enumerate().map(record).collect::<Vec<_>>() }).to_string().into_bytes()
}

/// How many messages a report gives back.
fn failures(report: &[u8]) -> Result<usize, BenchError> {
    let read: Value = serde_json::from_slice(report).unwrap_or_default();
    let failures = read.get("batchItemFailures").and_then(Value::as_array).map(Vec::len);
    failures.ok_or_else(|| wrong(format!("it answered {}", String::from_utf8_lossy(report))))
}

fn wrong(what: String) -> BenchError {
    BenchError::Wrong { subject: "replay".to_owned(), what }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled() -> Spool {
        let environment = || {
            Environment::new(|name| match name {
                "CALLBACK_TOKEN_SHA256" => {
                    Some("128221626c643cda6c13a4375b74d2a0086abe6df589f4f5fcdb5a036ef9329e".into())
                }
                "LINE_SERVICE_IDS" | "TENCENT_SDK_APP_IDS" => Some("any".into()),
                _ => None,
            })
        };
        let events = ringback_cases::write().unwrap();
        Spool::filled(&events, &environment(), &environment()).unwrap()
    }

    #[test]
    fn the_spool_holds_10000_different_records_of_three_kinds_of_calls() {
        let spool = filled();
        let events: usize = spool.expected.values().map(|expected| expected.events.len()).sum();
        assert_eq!((spool.messages.len(), events, spool.expected.len()), (10_000, 10_000, 4_600));
        for callback in ["call_event", "group_call_event", "tencent_call_event"] {
            let word = format!(r#""callback":"{callback}""#);
            assert!(spool.messages.iter().filter(|message| message.contains(&word)).count() >= 3_000, "{callback}");
        }
    }

    #[test]
    fn a_batch_is_as_large_as_in_the_template() {
        assert!(include_str!("../../template.yaml").contains(&format!("BatchSize: {BATCH}\n")));
    }

    #[test]
    fn an_event_that_is_not_there_and_a_call_of_other_facts_are_lost() {
        let spool = filled();
        let (sid, expected) = spool.expected.iter().find(|(_, expected)| expected.events.len() == 10).unwrap();
        let table = Table::new();
        assert_eq!(expected.lost_in(&table, sid), 11);
        let put = |record: &str, facts: &str| {
            let item = json!({ "sid": { "S": sid }, "record": { "S": record }, "facts": { "S": facts } });
            table.preload(item.as_object().unwrap()).unwrap();
        };
        for event in &expected.events {
            put(event, "");
        }
        put(CALL, &json!(CallFacts::default()).to_string());
        assert_eq!(expected.lost_in(&table, sid), 1);
        put(CALL, &json!(expected.facts).to_string());
        assert_eq!(expected.lost_in(&table, sid), 0);
    }

    #[test]
    fn a_report_says_how_many_messages_come_back_and_no_report_is_an_error() {
        assert_eq!(failures(br#"{"batchItemFailures":[]}"#).unwrap(), 0);
        assert_eq!(failures(br#"{"batchItemFailures":[{"itemIdentifier":"a"}]}"#).unwrap(), 1);
        assert!(failures(b"{}").is_err() && failures(b"").is_err());
    }
}
