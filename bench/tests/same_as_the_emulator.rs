//! Whether the table in memory tells the truth: the same calls through the same functions must become the same items in it and in the project's emulated DynamoDB.
//!
//! It wants a running local stack: `python -m local exec -- cargo test --package ringback-bench -- --ignored`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ringback_bench::aws_stub::AwsStub;
use ringback_bench::catalogue::Places;
use ringback_bench::cores::Cores;
use ringback_bench::growth::stories::{GroupCalls, Rooms, Story};
use ringback_bench::subject::{Running, Subject};
use ringback_bench::table::{Item, Table};
use ringback_tests::stack::{built, items, variable};

const PATIENCE: Duration = Duration::from_secs(20);

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The function as the stack built it.
fn subject(function: &str, stub: &AwsStub) -> Subject {
    let places =
        Places { root: root().to_owned(), bootstraps: "unused".into(), scratch: root().join("target/bench/emulator") };
    Subject { program: built(function), ..places.function(function, stub).unwrap() }
}

/// By two environments in turns, so that each finds a call that the other has changed, and must go by the table's refusal.
fn play(subject: &Subject, story: &Story) {
    let environments: Vec<Running> = (0..2)
        .map(|_| {
            let mut running = subject.start(Cores::Shared).unwrap();
            running.wait_for_init(PATIENCE).unwrap();
            running
        })
        .collect();
    for (event, running) in story.callbacks.iter().chain([&story.end]).zip(environments.iter().cycle()) {
        let answer = String::from_utf8(running.invoke(event.as_bytes(), PATIENCE).unwrap().body).unwrap();
        assert!(answer.contains(r#""statusCode":200"#) && !answer.contains("deferred"), "{answer}");
    }
}

/// Items by sort key, without what depends on when they arrived.
fn comparable(items: impl Iterator<Item = Item>) -> BTreeMap<String, Item> {
    let without_arrival = |mut item: Item| {
        assert!(item.remove("received_at").is_some() && item.remove("expires_at").is_some());
        (item["record"]["S"].as_str().unwrap().to_owned(), item)
    };
    items.map(without_arrival).collect()
}

fn becomes_the_same(function: &str, story: &Story) {
    let table = Arc::new(Table::new());
    let stub = AwsStub::start(Arc::clone(&table) as Arc<_>).unwrap();
    let ours = subject(function, &stub);
    play(&ours, story);
    let ours_held = comparable(table.partition(&story.sid).into_values());
    assert_eq!(table.counts().unexpected, 0);

    let mut emulated = ours;
    emulated.environment.insert("AWS_ENDPOINT_URL".to_owned(), variable("AWS_ENDPOINT_URL_DYNAMODB").into());
    emulated.environment.insert("RECORDS_TABLE".to_owned(), variable("RECORDS_TABLE").into());
    play(&emulated, story);
    let emulator_held = comparable(items(&story.sid).into_iter().map(|item| item.as_object().unwrap().clone()));

    assert_eq!(ours_held.len(), story.callbacks.len() + 2);
    assert_eq!(ours_held, emulator_held);
}

#[test]
#[ignore = "wants the local stack"]
fn a_room_of_100_events_becomes_the_same_items_in_memory_and_in_the_emulator() {
    let rooms = Rooms::read(&root().join("events")).unwrap();
    becomes_the_same("group-call-event", &rooms.story(0, 99));
}

#[test]
#[ignore = "wants the local stack"]
fn a_group_call_of_100_events_becomes_the_same_items_in_memory_and_in_the_emulator() {
    let calls = GroupCalls::read(&root().join("events")).unwrap();
    becomes_the_same("tencent-call-event", &calls.story(0, 99));
}
