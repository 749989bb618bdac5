//! Concurrent writers on emulated DynamoDB, with the functions' own store.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use ringback::aws::budget;
use ringback::aws::dynamodb::DynamoDb;
use ringback::call::model::Arrival;
use ringback::door::callback::Callback;
use ringback::lambda::handler::{Handler, Recorder};
use ringback::lambda::outcome::CallbackOutcome;
use ringback::lambda::settings::{Environment, RecorderSettings};
use ringback::line::group_call_event;
use ringback::tencent;
use ringback::testing::{self, DeadTopic, Sample};
use ringback_tests::stack::call_and_events;
use serde_json::Value;

const WRITERS: usize = 8;

fn recorder(callback: Callback) -> Recorder<DynamoDb, DeadTopic> {
    let settings = RecorderSettings::from_env(&Environment::from_process(), callback).unwrap();
    let table = DynamoDb::new(settings.aws.dynamodb(budget::REPLAY).client, settings.table);
    testing::recorder(callback, table, DeadTopic)
}

/// Now: the emulator deletes expired items while the tests run.
fn arrival() -> Arrival {
    let milliseconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap();
    Arrival { milliseconds }
}

/// The story with its own session id.
fn renamed(samples: &[Sample], old: &str, new: &str) -> Vec<Sample> {
    let rename = |event: &Value| serde_json::from_str(&event.to_string().replace(old, new)).unwrap();
    samples
        .iter()
        .map(|sample| Sample {
            name: sample.name.clone(),
            event: rename(&sample.event),
            expected: Value::Null,
        })
        .collect()
}

fn without_arrival(mut item: Value) -> Value {
    for name in ["received_at", "expires_at", "sid"] {
        item.as_object_mut().unwrap().remove(name);
    }
    item
}

/// Plays a story with several writers at once, each in its own order, and with one writer in the
/// original order. Both calls must be the same.
async fn written_by_many(callback: Callback, story: &str, sid_of: fn(&Value) -> String) {
    let function = callback.route.binary();
    let prefix = format!("{function}/{story}");
    let samples: Vec<Sample> =
        testing::samples(&function).into_iter().filter(|sample| sample.name.starts_with(&prefix)).collect();
    assert!(samples.len() > 2, "{prefix} has fewer than three samples");
    let sid = sid_of(&samples[0].event);

    let in_order = format!("in-order-{:016x}", fastrand::u64(..));
    let writer = recorder(callback);
    for sample in renamed(&samples, &sid, &in_order) {
        let outcome = writer.handle(sample.request(), arrival()).await.outcome;
        assert!(matches!(outcome, CallbackOutcome::Recorded | CallbackOutcome::Duplicate), "{outcome:?}");
    }
    let at_once = format!("at-once-{:016x}", fastrand::u64(..));
    let story = renamed(&samples, &sid, &at_once);
    let writers: Vec<_> = (0..WRITERS).map(|_| recorder(callback)).collect();
    join_all(writers.iter().map(async |writer| {
        let mut order: Vec<usize> = (0..story.len()).collect();
        fastrand::shuffle(&mut order);
        for position in order {
            let outcome = writer.handle(story[position].request(), arrival()).await.outcome;
            assert!(matches!(outcome, CallbackOutcome::Recorded | CallbackOutcome::Duplicate), "{outcome:?}");
        }
    }))
    .await;

    let (call, events) = call_and_events(&in_order);
    let (call_at_once, events_at_once) = call_and_events(&at_once);
    assert_eq!(events_at_once.len(), events.len(), "{prefix}: every event once");
    assert_eq!(without_arrival(call_at_once), without_arrival(call), "{prefix}");
}

#[tokio::test]
async fn a_room_written_by_many_at_once_is_the_same_room() {
    let sid = |event: &Value| {
        let query = event["rawQueryString"].as_str().unwrap();
        query.split('&').find_map(|piece| piece.strip_prefix("sid=")).unwrap().to_owned()
    };
    written_by_many(group_call_event::CALLBACK, "standup-", sid).await;
}

#[tokio::test]
async fn a_tencent_call_written_by_many_at_once_is_the_same_call() {
    let sid = |event: &Value| {
        let body: Value = serde_json::from_str(event["body"].as_str().unwrap()).unwrap();
        let call_id = [&body["CallId"], &body["CallInfo"]["CallId"]].into_iter().find_map(Value::as_str);
        call_id.unwrap().to_owned()
    };
    for story in ["old-one-to-one-", "old-group-", "current-group-"] {
        written_by_many(tencent::CALLBACK, story, sid).await;
    }
}
