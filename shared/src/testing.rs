//! For tests: the sample events, and functions that play them.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod doubles;

use std::cell::RefCell;
use std::path::PathBuf;

use serde_json::{Value, json};

pub use self::doubles::{DeadTable, DeadTopic, MemoryTable, MemoryTopic, Published};
use crate::aws::budget;
use crate::aws::store::{RecordStore, Store};
use crate::aws::topic::Publish;
use crate::call::CallEnd;
use crate::call::model::{Arrival, Outcome};
use crate::door::{access::Gate, callback::Callback, request::Unverified};
use crate::lambda::handler::{Handler, Recorder};
use crate::lambda::http::{Answer, GatewayEvent, answer};
use crate::lambda::outcome::{CallbackOutcome, OutcomeDetails};
use crate::lambda::settings::Environment;

/// The time of arrival in all tests.
pub const ARRIVAL: Arrival = Arrival { milliseconds: 1_763_800_000_123 };

/// The token in every sample event; its digest is in [`environment`].
pub const TOKEN: &str = "local-stack-token-never-deploy-this-one";

/// A sample event and what is expected of it.
#[derive(Debug)]
pub struct Sample {
    pub name: String,
    pub event: Value,
    pub expected: Value,
}

impl Sample {
    pub fn request(&self) -> Unverified {
        serde_json::from_value::<GatewayEvent>(self.event.clone()).unwrap().into()
    }
}

/// Every sample event of a function. A file without an expectation is an error, and so is the
/// reverse.
pub fn samples(function: &str) -> Vec<Sample> {
    let events = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../events");
    let read = |path: PathBuf| -> Value {
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let Value::Object(mut expected) = read(events.join("expected.json")) else {
        panic!("expected.json is not an object")
    };
    expected.retain(|name, _| name.starts_with(&format!("{function}/")));
    let mut samples = Vec::new();
    for file in std::fs::read_dir(events.join(function)).unwrap() {
        let path = file.unwrap().path();
        let name = format!("{function}/{}", path.file_stem().unwrap().to_string_lossy());
        let expected = expected.remove(&name).unwrap_or_else(|| panic!("{name} is not in expected.json"));
        samples.push(Sample { name, event: read(path), expected });
    }
    assert!(expected.is_empty(), "expected.json names events that are not there: {:?}", expected.keys());
    assert!(!samples.is_empty(), "no events for {function}");
    samples.sort_by(|a, b| a.name.cmp(&b.name));
    samples
}

/// The recorder of a callback, with a store and a topic in memory.
pub fn recorder<S: Store, P: Publish>(callback: Callback, store: S, spool: P) -> Recorder<S, P> {
    recorder_behind(environment().gate(callback.route).unwrap(), callback, store, spool)
}

/// The same behind another gate.
pub fn recorder_behind<S: Store, P: Publish>(
    gate: Gate,
    callback: Callback,
    store: S,
    spool: P,
) -> Recorder<S, P> {
    let retention = environment().retention().unwrap();
    Recorder::new(gate, callback, RecordStore::new(store, retention, budget::STORE), spool)
}

/// Plays every sample event of a callback with an empty table, and compares the result with what is
/// expected.
pub fn play_samples(callback: Callback) {
    let mut wrong = Vec::new();
    for sample in samples(&callback.route.binary()) {
        let table = MemoryTable::default();
        let handler = recorder(callback, &table, DeadTopic);
        let handled = block_on(handler.handle(sample.request(), ARRIVAL));
        wrong.extend(compare_answer(&sample, &answer(handler.gate().route(), &handled.outcome)));
        if sample.expected["effect"] == "record" {
            if (table.items().len(), table.events().len()) != (2, 1) {
                wrong.push(format!(
                    "{}: expected a call and an event, found {} items",
                    sample.name,
                    table.items().len()
                ));
                continue;
            }
            let call = sample.expected.get("call").cloned().unwrap_or_else(|| json!({}));
            wrong.extend(differences(&call, &table.call(), &format!("{} call", sample.name)));
            let vendor = sample.expected.get("vendor").cloned().unwrap_or_else(|| json!({}));
            wrong.extend(differences(
                &vendor,
                &table.events()[0]["vendor"],
                &format!("{} vendor", sample.name),
            ));
        } else if !table.items().is_empty() {
            wrong.push(format!("{}: expected no effect, found {} items", sample.name, table.items().len()));
        }
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

/// Sends one request through a handler.
pub fn send(handler: &impl Handler, method: &str, path: &str, query: &str, body: &str) -> OutcomeDetails {
    block_on(handler.handle(Unverified::new(method.into(), path.into(), query.into(), body.into()), ARRIVAL))
}

/// Plays the named sample events of a function one after the other.
pub fn play(handler: &impl Handler, function: &str, cases: &[&str]) {
    let samples = samples(function);
    for case in cases {
        let name = format!("{function}/{case}");
        let sample = samples.iter().find(|sample| sample.name == name).unwrap_or_else(|| panic!("no {name}"));
        let outcome = block_on(handler.handle(sample.request(), ARRIVAL)).outcome;
        assert!(
            matches!(outcome, CallbackOutcome::Recorded | CallbackOutcome::Duplicate),
            "{name}: {outcome:?}"
        );
    }
}

/// Plays a story (all samples whose names begin alike) in many orders and with repeats, to two
/// handlers that do not know what the other has written. The call must end the same each time.
pub fn play_in_any_order(callback: Callback, story: &str) {
    let function = callback.route.binary();
    let prefix = format!("{function}/{story}");
    let story: Vec<Sample> =
        samples(&function).into_iter().filter(|sample| sample.name.starts_with(&prefix)).collect();
    assert!(story.len() > 2, "{prefix} has fewer than three samples");
    let random = RefCell::new(fastrand::Rng::with_seed(7));
    let play = |order: &[usize]| {
        let table = MemoryTable::default();
        let handlers = [(); 2].map(|()| recorder(callback, &table, DeadTopic));
        let mut ends = Vec::new();
        for &position in order {
            let handler = random.borrow_mut().choice(&handlers).unwrap();
            ends.extend(block_on(handler.handle(story[position].request(), ARRIVAL)).ended);
        }
        // A group whose leaves arrive before its joins ends, continues and ends again; the last
        // count is the call's.
        assert_eq!(
            ends.last(),
            counted_end(&table.call()).last(),
            "{prefix} in order {order:?} is counted otherwise"
        );
        (table.items(), order.to_vec())
    };
    let mut order: Vec<usize> = (0..story.len()).collect();
    let (told, _) = play(&order);
    for _ in 0..300 {
        random.borrow_mut().shuffle(&mut order);
        let repeated: Vec<usize> =
            order.iter().copied().chain(random.borrow_mut().choice(0..story.len())).collect();
        let (items, order) = play(&repeated);
        assert!(items == told, "{prefix} in order {order:?} ends differently");
    }
}

/// The end that a call item shows, as it is counted; empty for a call that goes on.
pub fn counted_end(call: &Value) -> Vec<CallEnd> {
    let Some(outcome) = call["outcome"].as_str() else { return Vec::new() };
    let outcome: Outcome = serde_json::from_value(outcome.into()).unwrap();
    let talk_seconds = if outcome == Outcome::Answered { call["duration_s"].as_u64().unwrap() } else { 0 };
    vec![CallEnd { outcome, talk_seconds }]
}

/// Status and, where the answer must name a field, its name.
pub fn compare_answer(sample: &Sample, answer: &Answer) -> Option<String> {
    let status = &sample.expected["status"];
    if *status != answer.status {
        return Some(format!("{}: expected {status}, answered {}", sample.name, answer.status));
    }
    let field = sample.expected.get("field")?.as_str()?;
    let body = answer.body.as_deref().unwrap_or_default();
    (!body.contains(field)).then(|| format!("{}: {body} does not name {field}", sample.name))
}

/// Runs a future that only uses memory.
pub fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

/// The environment of the sample events.
pub fn environment() -> Environment {
    Environment::from_pairs(&[
        ("CALLBACK_TOKEN_SHA256", "128221626c643cda6c13a4375b74d2a0086abe6df589f4f5fcdb5a036ef9329e"),
        ("LINE_SERVICE_IDS", "linecorp.com,planetkit,planetkit-inhouse"),
        ("TENCENT_SDK_APP_IDS", "8888888,1400000001"),
        ("RETENTION_DAYS", "90"),
    ])
}

/// Where `actual` differs from `expected`. Objects are compared member by member, `null` means
/// absent, and everything else must be equal.
pub fn differences(expected: &Value, actual: &Value, path: &str) -> Vec<String> {
    match (expected, actual) {
        (Value::Null, Value::Null) => Vec::new(),
        (Value::Object(members), Value::Object(_)) => members
            .iter()
            .flat_map(|(name, value)| {
                differences(value, actual.get(name).unwrap_or(&Value::Null), &format!("{path}.{name}"))
            })
            .collect(),
        _ if expected == actual => Vec::new(),
        _ => vec![format!("{path}: expected {expected}, found {actual}")],
    }
}
