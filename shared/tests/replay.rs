//! Spool messages through the replayer, with table and dead letters in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::cell::RefCell;

use ringback::aws::Failure;
use ringback::aws::budget::REPLAY;
use ringback::aws::store::{CallPut, EventPut, RecordStore, Store};
use ringback::aws::topic::Publish;
use ringback::call::{model::SessionId, record::Item};
use ringback::history::rebuild::Rebuilder;
use ringback::lambda::handler::Handler;
use ringback::lambda::replay::{ReplayOutcome, ReplayedMessage, Replayer, report};
use ringback::lambda::sqs::Batch;
use ringback::tencent::CALLBACK;
use ringback::testing::{
    self, ARRIVAL, DeadTable, DeadTopic, MemoryTable, MemoryTopic, block_on, counted_end, environment,
    recorder,
};
use serde_json::{Value, json};

fn replayer<S: Store, P: Publish>(store: S, dead_letters: P) -> Replayer<S, P, Option<Rebuilder>> {
    Replayer::new(RecordStore::new(store, environment().retention().unwrap(), REPLAY), dead_letters, None)
}

/// The spool messages of a story when DynamoDB takes nothing, and the table when it takes
/// everything.
fn spooled(story: &str) -> (Vec<String>, MemoryTable) {
    let spool = MemoryTopic::default();
    let table = MemoryTable::default();
    let dead = recorder(CALLBACK, DeadTable, &spool);
    let live = recorder(CALLBACK, &table, DeadTopic);
    let samples = testing::samples("tencent-call-event");
    for sample in samples.iter().filter(|sample| sample.name.contains(story)) {
        block_on(dead.handle(sample.request(), ARRIVAL));
        block_on(live.handle(sample.request(), ARRIVAL));
    }
    (spool.bodies(), table)
}

fn batch(messages: &[String]) -> Batch {
    let records: Vec<Value> = messages
        .iter()
        .enumerate()
        .map(|(position, body)| {
            json!({ "messageId": position.to_string(), "body": body, "eventSource": "aws:sqs" })
        })
        .collect();
    serde_json::from_value(json!({ "Records": records })).unwrap()
}

fn failures(messages: &[ReplayedMessage]) -> usize {
    report(messages).failures.len()
}

#[test]
fn every_sample_batch_becomes_what_is_expected_of_it() {
    for sample in testing::samples("replay") {
        let (table, dead_letters) = (MemoryTable::default(), MemoryTopic::default());
        let replayer = replayer(&table, &dead_letters);
        let messages = sample.event["Records"].as_array().unwrap().len();
        let replayed =
            block_on(replayer.replay(serde_json::from_value(sample.event.clone()).unwrap(), |_| {}));
        assert_eq!(failures(&replayed), 0, "{}", sample.name);
        let recorded = sample.expected["effect"] == "record";
        assert_eq!(table.items().len(), if recorded { 2 } else { 0 }, "{}", sample.name);
        assert!(recorded || dead_letters.messages().len() == messages, "{}", sample.name);
    }
}

#[test]
fn what_is_replayed_is_what_would_have_been_stored_in_any_order_and_twice() {
    let (mut messages, expected) = spooled("/old-group-");
    assert!(messages.len() > 5);
    messages.extend(messages.clone());
    messages.reverse();
    let (table, dead_letters) = (MemoryTable::default(), MemoryTopic::default());
    let replayer = replayer(&table, &dead_letters);
    let replayed = block_on(replayer.replay(batch(&messages), |_| {}));
    assert_eq!((failures(&replayed), dead_letters.messages().len()), (0, 0));
    assert_eq!(table.items(), expected.items());
    for call in table.calls() {
        let sid = call["sid"].as_str();
        let of_call =
            replayed.iter().filter(|message| message.session.as_ref().map(SessionId::as_str) == sid);
        let ends: Vec<_> = of_call.filter_map(|message| message.ended).collect();
        assert_eq!(ends, counted_end(&call), "{sid:?}");
    }
}

/// A table that panics at one call.
struct Trap<'a> {
    table: &'a MemoryTable,
    sid: String,
}

impl Store for Trap<'_> {
    async fn put_event(&self, item: Item) -> Result<EventPut, Failure> {
        assert_ne!(item.attributes()["sid"], json!(self.sid));
        self.table.put_event(item).await
    }

    async fn put_call(&self, item: Item, expected: Option<&str>) -> Result<CallPut, Failure> {
        self.table.put_call(item, expected).await
    }
}

#[test]
fn a_message_that_panics_goes_back_alone_and_each_is_reported() {
    let (messages, _) = spooled("/old-one-to-one-1");
    let good = messages[0].clone();
    let sid = serde_json::from_str::<Value>(&good).unwrap()["sid"].as_str().unwrap().to_owned();
    let bad = good.replace(&sid, "a-trap");
    let (table, dead_letters) = (MemoryTable::default(), MemoryTopic::default());
    let trap = Trap { table: &table, sid: "a-trap".to_owned() };
    let replayer = replayer(trap, &dead_letters);
    let reported = RefCell::new(Vec::new());
    let replayed = block_on(replayer.replay(batch(&[bad, good]), |message| {
        reported.borrow_mut().push((message.outcome, message.session.is_some()))
    }));
    let back: Vec<String> = report(&replayed).failures.into_iter().map(|failure| failure.id).collect();
    assert_eq!(back, ["0"]);
    assert_eq!(
        reported.into_inner(),
        [(ReplayOutcome::Back("panicked"), false), (ReplayOutcome::Recorded, true)]
    );
    assert_eq!(table.items().len(), 2);
}

#[test]
fn a_message_that_can_never_be_written_is_put_aside_with_its_reason_and_blocks_nothing() {
    let (messages, expected) = spooled("/old-one-to-one-1");
    let good = messages[0].clone();
    let newer = good.replacen("\"version\":1", "\"version\":2", 1);
    let unknown = good.replacen("tencent_call_event", "fax_event", 1);
    let mut keyless: Value = serde_json::from_str(&good).unwrap();
    keyless["sid"] = json!("");
    let all =
        ["no json".to_owned(), String::new(), "{}".to_owned(), newer, unknown, keyless.to_string(), good];
    let (table, dead_letters) = (MemoryTable::default(), MemoryTopic::default());
    let replayer = replayer(&table, &dead_letters);
    let replayed = block_on(replayer.replay(batch(&all), |_| {}));
    assert_eq!(failures(&replayed), 0);
    let reasons: Vec<String> =
        dead_letters.messages().iter().map(|letter| letter.attributes[0].1.clone()).collect();
    assert_eq!(
        reasons,
        [
            "not_a_record",
            "not_a_record",
            "not_a_record",
            "future_version",
            "unknown_callback",
            "unusable_key"
        ]
    );
    assert_eq!(table.items(), expected.items());
}

#[test]
fn what_fails_for_now_goes_back_to_the_queue() {
    let (messages, _) = spooled("/old-one-to-one-");
    let dead_letters = MemoryTopic::default();
    let replayer = replayer(DeadTable, &dead_letters);
    let replayed = block_on(replayer.replay(batch(&messages), |_| {}));
    assert_eq!((failures(&replayed), dead_letters.messages().len()), (messages.len(), 0));
}

#[test]
fn an_event_that_is_not_a_batch_fails_so_that_nothing_is_deleted() {
    for event in ["{}", "null", "[]", r#"{"Records":7}"#, r#"{"Records":[{"body":"x"}]}"#] {
        assert!(serde_json::from_str::<Batch>(event).is_err(), "{event}");
    }
}
