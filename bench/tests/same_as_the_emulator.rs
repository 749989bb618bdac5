//! Whether the table in memory tells the truth: the same calls through the same functions become the same
//! items in it and in the project's emulated DynamoDB. It wants the local stack, as `make test` starts it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::path::Path;

use ringback_bench::aws::Aws;
use ringback_bench::environments::Environments;
use ringback_bench::process::{Cores, Place};
use ringback_bench::stories::{Stories, Story};
use ringback_bench::subject::{Bench, Subject};
use ringback_bench::table::Item;
use ringback_tests::stack::{built, items, variable};

/// Items by sort key, without what depends on when they arrived.
fn comparable(items: impl Iterator<Item = Item>) -> BTreeMap<String, Item> {
    let without_arrival = |mut item: Item| {
        assert!(item.remove("received_at").is_some() && item.remove("expires_at").is_some());
        (item["record"]["S"].as_str().unwrap().to_owned(), item)
    };
    items.map(without_arrival).collect()
}

/// By two environments in turns: each finds a call that the other has changed, and must go by the table's
/// refusal.
fn becomes_the_same(function: &str, story: impl Fn(&Stories) -> Story) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let bench = Bench { bootstraps: root.clone(), root, cores: Cores::shared().unwrap(), is_short: true };
    let story = story(&Stories::read(&bench.cases()).unwrap());
    let aws = Aws::start().unwrap();
    let mut subject = bench.function(function, &aws).unwrap();
    subject.program = built(function);
    let play = |subject: &Subject| {
        let mut environments = Environments::start(&bench, &aws, subject, 2, Place::OnAllCores).unwrap();
        for event in story.callbacks.iter().chain([&story.end]) {
            environments.play(event, 200).unwrap();
        }
    };
    play(&subject);
    let in_memory = comparable(aws.table().partition(&story.sid).into_values());
    // One connection for each environment, and refusals that the functions could go by.
    assert_eq!((aws.trouble(), aws.handshakes()), (None, 2));
    assert!(aws.table().usage.refused > 0.0);

    subject.environment.insert("AWS_ENDPOINT_URL", variable("AWS_ENDPOINT_URL_DYNAMODB").into());
    subject.environment.insert("RECORDS_TABLE", variable("RECORDS_TABLE").into());
    play(&subject);
    let emulated = comparable(items(&story.sid).into_iter().map(|item| item.as_object().unwrap().clone()));

    assert_eq!(in_memory.len(), story.callbacks.len() + 2);
    assert_eq!(in_memory, emulated);
}

#[test]
#[ignore = "wants the local stack"]
fn a_room_of_100_events_becomes_the_same_items_in_memory_and_in_the_emulator() {
    becomes_the_same("group-call-event", |stories| stories.room.story(0, 99));
}

#[test]
#[ignore = "wants the local stack"]
fn a_group_call_of_100_events_becomes_the_same_items_in_memory_and_in_the_emulator() {
    becomes_the_same("tencent-call-event", |stories| stories.group_call.story(0, 99));
}
