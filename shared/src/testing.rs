//! For tests: the sample events, and functions that play them.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod calls;
mod doubles;
pub mod phones;
pub mod projection;

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
use crate::lambda::outcome::OutcomeDetails;
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

/// What DynamoDB charges an item's attributes for: the bytes of names and values (DynamoDB's developer guide,
/// "Item sizes and formats").
pub fn item_bytes(attributes: &Value) -> usize {
    let members = attributes.as_object().unwrap();
    members.iter().map(|(name, value)| name.len() + value_bytes(value)).sum()
}

fn value_bytes(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 1,
        // One byte, and one for every two significant digits.
        Value::Number(number) => {
            let number = number.to_string();
            1 + number.trim_start_matches('-').trim_end_matches('0').len().div_ceil(2)
        }
        Value::String(text) => text.len(),
        Value::Array(items) => 3 + items.iter().map(|item| 1 + value_bytes(item)).sum::<usize>(),
        Value::Object(members) => 3 + members.len() + item_bytes(value),
    }
}

/// Every case of a function.
pub fn samples(function: &str) -> Vec<Sample> {
    let cases = ringback_cases::all().unwrap().into_iter().filter(|case| case.function() == function);
    let samples: Vec<Sample> =
        cases.map(|case| Sample { name: case.name, event: case.event, expected: case.expected }).collect();
    assert!(!samples.is_empty(), "no cases of {function}");
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

/// The end that a call item shows, as it is counted; empty for a call that goes on.
pub fn counted_end(call: &Value) -> Vec<CallEnd> {
    let Some(outcome) = call["outcome"].as_str() else { return Vec::new() };
    let outcome: Outcome = serde_json::from_value(outcome.into()).unwrap();
    let talk_seconds =
        if outcome == Outcome::Answered { call["duration_s"].as_u64().unwrap_or_default() } else { 0 };
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
