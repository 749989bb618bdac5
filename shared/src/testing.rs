//! For tests: the sample events, and stores of a dozen lines.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::access::Unverified;
use crate::call::CallEnd;
use crate::config::Environment;
use crate::handler::Handler;
use crate::http::{Answer, GatewayEvent, answer};
use crate::model::{Arrival, Outcome};
use crate::outcome::{CallbackOutcome, Handled};
use crate::publish::{Publish, PublishError};
use crate::push::PushJob;
use crate::record::{ATTRIBUTES, CALL, Item, Record};
use crate::replay::DeadLetters;
use crate::spool::{self, Spool};
use crate::store::{CallPut, EventPut, PutCall, PutEvent, StoreError};

/// Tests arrive at one time.
pub const ARRIVAL: Arrival = Arrival { milliseconds: 1_763_800_000_123 };

/// The token in every sample event; its digest is in [`environment`].
pub const TOKEN: &str = "local-stack-token-never-deploy-this-one";

/// A sample event and what the table of expectations says of it.
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

/// Every case of a function.
pub fn samples(function: &str) -> Vec<Sample> {
    let cases = ringback_cases::all().unwrap().into_iter().filter(|case| case.function() == function);
    let samples: Vec<Sample> =
        cases.map(|case| Sample { name: case.name, event: case.event, expected: case.expected }).collect();
    assert!(!samples.is_empty(), "no cases of {function}");
    samples
}

/// Plays every sample event of a function through a handler on an empty table and compares with what is expected of it.
pub fn play_recorder_samples<'a, H: Handler>(function: &str, handler: impl Fn(&'a MemoryTable) -> H) {
    let mut wrong = Vec::new();
    for sample in samples(function) {
        let table: &MemoryTable = Box::leak(Box::default());
        let handler = handler(table);
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
            wrong.extend(differences(&vendor, &table.events()[0]["vendor"], &format!("{} vendor", sample.name)));
        } else if !table.items().is_empty() {
            wrong.push(format!("{}: expected no effect, found {} items", sample.name, table.items().len()));
        }
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

/// Sends one request through a handler.
pub fn send(handler: &impl Handler, method: &str, path: &str, query: &str, body: &str) -> Handled {
    block_on(handler.handle(Unverified::new(method.into(), path.into(), query.into(), body.into()), ARRIVAL))
}

/// Plays the named sample events of a function one after the other.
pub fn play(handler: &impl Handler, function: &str, cases: &[&str]) {
    let samples = samples(function);
    for case in cases {
        let name = format!("{function}/{case}");
        let sample = samples.iter().find(|sample| sample.name == name).unwrap_or_else(|| panic!("no {name}"));
        let outcome = block_on(handler.handle(sample.request(), ARRIVAL)).outcome;
        assert!(matches!(outcome, CallbackOutcome::Recorded | CallbackOutcome::Duplicate), "{name}: {outcome:?}");
    }
}

/// Plays a story, all samples of a function whose names begin alike, in very many orders and with repeats, to two handlers of which neither knows what the
/// other has written; the call must end the same each time.
pub fn play_in_any_order<'a, H: Handler>(function: &str, story: &str, handler: impl Fn(&'a MemoryTable) -> H) {
    let prefix = format!("{function}/{story}");
    let story: Vec<Sample> = samples(function).into_iter().filter(|sample| sample.name.starts_with(&prefix)).collect();
    assert!(story.len() > 2, "{prefix} is no story");
    let random = RefCell::new(fastrand::Rng::with_seed(7));
    let play = |order: &[usize]| {
        let table: &MemoryTable = Box::leak(Box::default());
        let handlers = [handler(table), handler(table)];
        let mut ends = Vec::new();
        for &position in order {
            let handler = random.borrow_mut().choice(&handlers).unwrap();
            ends.extend(block_on(handler.handle(story[position].request(), ARRIVAL)).ended);
        }
        assert_eq!(ends, told_end(&table.call()), "{prefix} in order {order:?} is counted otherwise");
        (table.items(), order.to_vec())
    };
    let mut order: Vec<usize> = (0..story.len()).collect();
    let (told, _) = play(&order);
    for _ in 0..300 {
        random.borrow_mut().shuffle(&mut order);
        let repeated: Vec<usize> = order.iter().copied().chain(random.borrow_mut().choice(0..story.len())).collect();
        let (items, order) = play(&repeated);
        assert!(items == told, "{prefix} in order {order:?} ends differently");
    }
}

/// The one end that a call item tells, as it is counted; none of a call that goes on.
pub fn told_end(call: &Value) -> Vec<CallEnd> {
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

/// Waits for a future that only memory is behind.
pub fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

/// The environment of the sample events.
pub fn environment() -> Environment {
    Environment::new(|name| {
        let value = match name {
            "CALLBACK_TOKEN_SHA256" => "128221626c643cda6c13a4375b74d2a0086abe6df589f4f5fcdb5a036ef9329e",
            "LINE_SERVICE_IDS" => "linecorp.com,planetkit,planetkit-inhouse",
            "TENCENT_SDK_APP_IDS" => "8888888,1400000001",
            "RETENTION_DAYS" => "90",
            _ => return None,
        };
        Some(value.to_owned())
    })
}

/// A records table in memory.
#[derive(Debug, Default)]
pub struct MemoryTable {
    items: RefCell<BTreeMap<(String, String), Item>>,
    call_puts: Cell<usize>,
}

impl MemoryTable {
    /// Every item, by partition and sort key.
    pub fn items(&self) -> BTreeMap<(String, String), Item> {
        self.items.borrow().clone()
    }

    /// How often a call item was sent, taken or refused.
    pub fn call_puts(&self) -> usize {
        self.call_puts.get()
    }

    /// Loses every item.
    pub fn clear(&self) {
        self.items.borrow_mut().clear();
    }

    /// The only call item.
    pub fn call(&self) -> Value {
        let [call] = self.calls().try_into().unwrap();
        call
    }

    /// The call items.
    pub fn calls(&self) -> Vec<Value> {
        let items = self.items();
        let calls = items.into_iter().filter(|((_, sort), _)| sort == CALL);
        calls.map(|(_, item)| Value::Object(item.attributes().clone())).collect()
    }

    /// The event items.
    pub fn events(&self) -> Vec<Value> {
        let items = self.items();
        let events = items.into_iter().filter(|((_, sort), _)| sort != CALL);
        events.map(|(_, item)| Value::Object(item.attributes().clone())).collect()
    }

    fn key(item: &Item) -> (String, String) {
        let text = |name: &str| item.attributes()[name].as_str().unwrap().to_owned();
        (text("sid"), text("record"))
    }
}

/// What the deployed functions have no right to put would not get into their table.
fn assert_permitted(item: &Item) {
    for name in item.attributes().keys() {
        assert!(ATTRIBUTES.contains(&name.as_str()), "{name} is not in record::ATTRIBUTES");
    }
}

impl PutEvent for &MemoryTable {
    async fn put_event(&self, item: &Item) -> Result<EventPut, StoreError> {
        assert_permitted(item);
        let mut items = self.items.borrow_mut();
        if items.contains_key(&MemoryTable::key(item)) {
            return Ok(EventPut::AlreadyThere);
        }
        items.insert(MemoryTable::key(item), item.clone());
        Ok(EventPut::Stored)
    }
}

impl PutCall for &MemoryTable {
    async fn put_call(&self, item: &Item, expected: Option<&str>) -> Result<CallPut, StoreError> {
        assert_permitted(item);
        let mut items = self.items.borrow_mut();
        let stored =
            items.get(&MemoryTable::key(item)).map(|item| item.attributes()["facts"].as_str().unwrap().to_owned());
        self.call_puts.set(self.call_puts.get() + 1);
        if stored.as_deref() != expected {
            return Ok(CallPut::Changed(stored));
        }
        items.insert(MemoryTable::key(item), item.clone());
        Ok(CallPut::Stored)
    }
}

/// A table that takes nothing.
#[derive(Debug)]
pub struct DeadTable;

impl PutEvent for DeadTable {
    async fn put_event(&self, _: &Item) -> Result<EventPut, StoreError> {
        Err(StoreError::TooSlow)
    }
}

impl PutCall for DeadTable {
    async fn put_call(&self, _: &Item, _: Option<&str>) -> Result<CallPut, StoreError> {
        Err(StoreError::TooSlow)
    }
}

/// A topic in memory.
#[derive(Debug, Default)]
pub struct MemoryTopic {
    jobs: RefCell<Vec<PushJob>>,
}

impl MemoryTopic {
    pub fn jobs(&self) -> Vec<PushJob> {
        self.jobs.borrow().clone()
    }
}

impl Publish for &MemoryTopic {
    async fn publish(&self, job: &PushJob) -> Result<(), PublishError> {
        self.jobs.borrow_mut().push(job.clone());
        Ok(())
    }
}

/// A topic that takes nothing.
#[derive(Debug)]
pub struct DeadTopic;

impl Spool for DeadTopic {
    async fn spool(&self, _: &Record, _: Arrival) -> Result<(), PublishError> {
        Err(PublishError::TooSlow)
    }
}

/// A spool in memory.
#[derive(Debug, Default)]
pub struct MemorySpool {
    messages: RefCell<Vec<String>>,
}

impl MemorySpool {
    pub fn messages(&self) -> Vec<String> {
        self.messages.borrow().clone()
    }
}

impl Spool for &MemorySpool {
    async fn spool(&self, record: &Record, arrival: Arrival) -> Result<(), PublishError> {
        self.messages.borrow_mut().push(spool::write(record, arrival));
        Ok(())
    }
}

/// Dead letters in memory, with their reasons.
#[derive(Debug, Default)]
pub struct MemoryDeadLetters {
    letters: RefCell<Vec<(String, &'static str)>>,
}

impl MemoryDeadLetters {
    pub fn letters(&self) -> Vec<(String, &'static str)> {
        self.letters.borrow().clone()
    }
}

impl DeadLetters for &MemoryDeadLetters {
    async fn put_aside(&self, message: &str, reason: &'static str) -> Result<(), PublishError> {
        self.letters.borrow_mut().push((message.to_owned(), reason));
        Ok(())
    }
}

impl Publish for DeadTopic {
    async fn publish(&self, _: &PushJob) -> Result<(), PublishError> {
        Err(PublishError::TooSlow)
    }
}

/// What of `expected` is not so in `actual`. An object is compared member by member, `null` means absent, everything else must be equal.
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
