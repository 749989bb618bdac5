//! What is left when the fault is over: plays the part of SQS for the spool, then checks every record and
//! push job.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::aws::{Channel, Message};
use super::callbacks::{self, Callback, Session, Tells};
use super::vendors::Seen;
use crate::control_plane::{Function, Reply, sqs_event};
use crate::stack::items;

const REPLAYERS: usize = 4;
const READERS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(35);

/// How the spool is replayed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Replay {
    /// Until nothing is left.
    All,
    /// This many batches, which all must fail.
    Batches(usize),
    /// Until nothing is left, by functions that are killed in the middle of every third batch or so.
    AllWhileKilled,
}

/// Hands the spool's messages to `replay` until it is empty. Returns the messages and what was wrong.
pub(super) fn replay(
    spool: &Channel,
    variables: &[(&str, &str)],
    how: Replay,
) -> (HashSet<String>, Vec<String>) {
    let spooled = Mutex::new(HashSet::new());
    let odd = Mutex::new(Vec::new());
    let batches = AtomicUsize::new(0);
    let deadline = Instant::now() + Duration::from_secs(240);
    std::thread::scope(|scope| {
        for _ in 0..REPLAYERS {
            scope.spawn(|| {
                let mut running = None;
                while Instant::now() < deadline {
                    if matches!(how, Replay::Batches(most) if batches.load(Ordering::SeqCst) >= most) {
                        return;
                    }
                    let messages = spool.receive();
                    if messages.is_empty() {
                        if spool.holds() == 0 {
                            return;
                        }
                        std::thread::sleep(Duration::from_millis(20));
                        continue;
                    }
                    batches.fetch_add(1, Ordering::SeqCst);
                    spooled.lock().unwrap().extend(messages.iter().map(|message| message.id.clone()));
                    let function = running.get_or_insert_with(|| Function::start("replay", variables));
                    let kills = matches!(how, Replay::AllWhileKilled) && fastrand::u8(..3) == 0;
                    let failed = invoke(function, &messages, kills);
                    if failed.is_none() && !kills {
                        odd.lock().unwrap().push("replay did not answer".to_owned());
                    }
                    if failed.is_none() || !function.is_running() {
                        running = None;
                    }
                    let (back, done): (Vec<_>, Vec<_>) = messages.into_iter().partition(|message| {
                        failed.as_ref().is_none_or(|failed| failed.contains(&message.id))
                    });
                    spool.delete(&done);
                    spool.give_back(&back);
                }
                odd.lock().unwrap().push("the spool was not empty in time".to_owned());
            });
        }
    });
    (spooled.into_inner().unwrap(), odd.into_inner().unwrap())
}

/// The ids of the messages that `replay` gives back; `None` when it does not say, and all of them come again.
fn invoke(function: &mut Function, messages: &[Message], kills: bool) -> Option<HashSet<String>> {
    let batch = sqs_event(messages.iter().map(|message| (message.id.as_str(), message.body.as_str())));
    let handed = function.hand_over(&batch);
    let wait = if kills { Duration::from_micros(fastrand::u64(0..40_000)) } else { PATIENCE };
    let reply = match function.reply(handed, wait) {
        Reply::Nothing => {
            function.kill();
            function.reply(handed, Duration::from_millis(20))
        }
        reply => reply,
    };
    let Reply::Response(response, _) = reply else { return None };
    let failures = response["batchItemFailures"].as_array()?;
    failures.iter().map(|failure| failure["itemIdentifier"].as_str().map(str::to_owned)).collect()
}

/// What was found and what was not.
#[derive(Debug, Default)]
pub struct Found {
    /// Event items.
    pub records: usize,
    /// Callbacks answered 200 of which there is no record or job, or one that is wrong.
    pub lost: usize,
    /// Event items beyond one for each callback.
    pub doubled: usize,
    /// Push jobs beyond one for each callback.
    pub jobs_twice: usize,
    /// What is wrong, in words.
    pub wrong: Vec<String>,
}

/// Compares the table and the push jobs with what was answered.
pub(super) fn look(
    callbacks: &[Callback],
    sessions: &[Session],
    seen: &[Vec<Seen>],
    push_jobs: &Channel,
) -> Found {
    let taken = |number: usize| seen[number].iter().any(|seen| seen.taken == Some(true));
    let mut found = Found::default();
    look_at_push_jobs(callbacks, sessions, taken, push_jobs, &mut found);

    let records: Vec<&Session> =
        sessions.iter().filter(|session| callbacks[session.callbacks[0]].function != "notify").collect();
    let each = records.len().div_ceil(READERS).max(1);
    let parts: Vec<Found> = std::thread::scope(|scope| {
        let readers: Vec<_> = records
            .chunks(each)
            .map(|sessions| {
                scope.spawn(move || {
                    let mut found = Found::default();
                    for session in sessions {
                        look_at_session(callbacks, session, taken, &mut found);
                    }
                    found
                })
            })
            .collect();
        readers.into_iter().map(|reader| reader.join().unwrap()).collect()
    });
    for part in parts {
        found.records += part.records;
        found.lost += part.lost;
        found.doubled += part.doubled;
        found.wrong.extend(part.wrong);
    }
    found
}

fn look_at_push_jobs(
    callbacks: &[Callback],
    sessions: &[Session],
    taken: impl Fn(usize) -> bool,
    push_jobs: &Channel,
    found: &mut Found,
) {
    let mut jobs: HashMap<String, Vec<Value>> = HashMap::new();
    for message in push_jobs.take_all() {
        let body: Value = serde_json::from_str(&message.body).unwrap_or_default();
        jobs.entry(body["sid"].as_str().unwrap_or_default().to_owned())
            .or_default()
            .push(body["cc_param"].clone());
    }
    for callback in callbacks {
        let Tells::Push { cc_param } = &callback.tells else { continue };
        let sid = &sessions[callback.session].sid;
        let jobs = jobs.remove(sid).unwrap_or_default();
        if taken(callback.number) && jobs.is_empty() {
            found.lost += 1;
            found.wrong.push(format!("{sid}: answered 200 and no push job"));
        } else if jobs.iter().any(|job| job != cc_param.as_str()) {
            found.lost += 1;
            found.wrong.push(format!("{sid}: a push job with another cc_param"));
        }
        found.jobs_twice += jobs.len().saturating_sub(1);
    }
    for sid in jobs.keys() {
        found.wrong.push(format!("{sid}: a push job of no notify"));
    }
}

fn look_at_session(
    callbacks: &[Callback],
    session: &Session,
    taken: impl Fn(usize) -> bool,
    found: &mut Found,
) {
    let sid = &session.sid;
    let (calls, events): (Vec<Value>, Vec<Value>) =
        items(sid).into_iter().partition(|item| item["record"]["S"] == "call");
    let mut times: BTreeMap<usize, usize> = BTreeMap::new();
    for event in &events {
        let number = event["vendor"]["M"]["chaos"]["S"].as_str().and_then(|number| number.parse().ok());
        match number.filter(|number| session.callbacks.contains(number)) {
            Some(number) => *times.entry(number).or_default() += 1,
            None => {
                found.doubled += 1;
                found.wrong.push(format!("{sid}: an event item of no callback: {event}"));
            }
        }
    }
    found.records += events.len();
    for (number, times) in &times {
        if *times > 1 {
            found.doubled += times - 1;
            found.wrong.push(format!("{sid}: callback {number} has {times} event items"));
        }
    }
    // Callbacks answered 200 must show in the call item, all others may.
    let (must, may): (Vec<usize>, Vec<usize>) = session.callbacks.iter().partition(|number| taken(**number));
    for number in &must {
        if !times.contains_key(number) {
            found.lost += 1;
            found.wrong.push(format!("{sid}: callback {number} was answered 200 and has no event item"));
        }
    }
    if let Err(wrong) = is_right(callbacks, &must, &may, calls.first()) {
        found.lost += 1;
        found.wrong.push(format!("{sid}: {wrong}"));
    }
}

/// Whether the call item shows all callbacks that it must, and no others than those that it may.
fn is_right(
    callbacks: &[Callback],
    must: &[usize],
    may: &[usize],
    call: Option<&Value>,
) -> Result<(), String> {
    let Some(call) = call else {
        return if must.is_empty() { Ok(()) } else { Err("no call item".to_owned()) };
    };
    let mut nearest = None;
    for choice in 0_u32..1 << may.len() {
        let chosen = (0..).zip(may).filter(|(place, _)| choice >> place & 1 == 1).map(|(_, number)| number);
        let told: Vec<&Tells> = must.iter().chain(chosen).map(|number| &callbacks[*number].tells).collect();
        if told.is_empty() {
            continue;
        }
        let mut differences = callbacks::call(&told).into_iter().filter(|(path, expected)| {
            let got = callbacks::attribute(call, path);
            got != expected
        });
        match differences.next() {
            None => return Ok(()),
            Some((path, expected)) => {
                let got = callbacks::attribute(call, path);
                nearest = Some(format!("the call's {path} is {got} and not {expected}"));
            }
        }
    }
    let told: Vec<&Tells> = must.iter().map(|number| &callbacks[*number].tells).collect();
    Err(format!("{}; told: {told:?}", nearest.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::stack::{aws, variable};

    fn seen(taken: bool) -> Vec<Seen> {
        vec![Seen { taken: Some(taken), took: Duration::ZERO, odd: None }]
    }

    fn look_after(taken: bool, put: impl Fn(&[Callback], &[Session])) -> Found {
        let (callbacks, sessions) = callbacks::generate(30);
        put(&callbacks, &sessions);
        let seen: Vec<Vec<Seen>> = callbacks.iter().map(|_| seen(taken)).collect();
        look(&callbacks, &sessions, &seen, &Channel::create(&format!("look-{:08x}", fastrand::u32(..))))
    }

    #[test]
    fn whatever_was_answered_200_and_is_not_there_is_lost() {
        let found = look_after(true, |_, _| {});
        let calls = found.wrong.iter().filter(|wrong| wrong.contains("no call item")).count();
        let rest = found.wrong.iter().filter(|wrong| wrong.contains("answered 200 and")).count();
        assert!(calls > 10 && rest > 30, "{found:#?}");
        assert_eq!(found.lost, calls + rest);
    }

    #[test]
    fn whatever_was_refused_need_not_be_there() {
        let found = look_after(false, |_, _| {});
        assert_eq!((found.lost, found.wrong.len()), (0, 0), "{found:#?}");
    }

    #[test]
    fn an_event_that_is_there_twice_is_doubled_and_a_call_without_callbacks_is_wrong() {
        let found = look_after(false, |callbacks, sessions| {
            let callback = callbacks.iter().find(|callback| callback.function == "call-event").unwrap();
            let sid = &sessions[callback.session].sid;
            let vendor = json!({ "M": { "chaos": { "S": callback.number.to_string() } } });
            for record in ["event#0#a", "event#0#b", "call"] {
                let item = json!({
                    "sid": { "S": sid }, "record": { "S": record }, "vendor": vendor,
                    "status": { "S": "ringing" },
                });
                let put = json!({ "TableName": variable("RECORDS_TABLE"), "Item": item });
                aws("AWS_ENDPOINT_URL_DYNAMODB", "DynamoDB_20120810.PutItem", "1.0", &put);
            }
        });
        assert_eq!((found.records, found.doubled, found.lost), (2, 1, 1), "{found:#?}");
    }
}
