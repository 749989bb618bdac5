//! Sample callbacks through the handler, with the table in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use ringback::tencent::CALLBACK;
use ringback::testing::{self, DeadTopic, MemoryTable, recorder};
use serde_json::{Value, json};

fn played(cases: &[&str]) -> Value {
    let table = MemoryTable::default();
    let handler = recorder(CALLBACK, &table, DeadTopic);
    testing::play(&handler, "tencent-call-event", cases);
    table.call()
}

#[test]
fn a_call_reported_by_both_sides_ends_in_the_same_state_in_any_order() {
    for story in ["old-one-to-one-", "old-group-", "current-one-to-one-", "current-group-"] {
        testing::play_in_any_order(CALLBACK, story);
    }
}

#[test]
fn caller_and_callee_events_make_one_answered_call() {
    let call = played(&[
        "old-one-to-one-1-caller-starts",
        "old-one-to-one-3-callee-accepts",
        "old-one-to-one-5-caller-ends",
    ]);
    assert_eq!((&call["status"], &call["outcome"]), (&json!("ended"), &json!("answered")));
    assert!(call["caller"].is_object() && call["callee"].is_object(), "{call}");
}

#[test]
fn a_group_goes_on_when_one_callee_leaves_and_ends_with_its_caller() {
    let before = played(&["old-group-1-caller-starts", "old-group-5-bob-accepts", "old-group-8-bob-ends"]);
    assert_eq!(before["status"], "ongoing");
    let after = played(&[
        "old-group-1-caller-starts",
        "old-group-8-bob-ends",
        "old-group-5-bob-accepts",
        "old-group-9-caller-ends",
    ]);
    assert_eq!((&after["status"], &after["outcome"]), (&json!("ended"), &json!("answered")));
}

#[test]
fn events_of_the_same_second_are_ordered_by_what_they_say() {
    let path = format!("/{}/tencent/call_event", testing::TOKEN);
    let body = |role: &str, event: &str| {
        let time = 1_793_600_000;
        json!({
            "CallId": "c", "UserId": role, "Role": role, "Event": event, "CallType": "single",
            "EventTime": time,
        })
        .to_string()
    };
    let events = [("caller", "start_call"), ("callee", "accept_call"), ("callee", "call_end")];
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]] {
        let table = MemoryTable::default();
        let handler = recorder(CALLBACK, &table, DeadTopic);
        for (role, event) in order.map(|position| events[position]) {
            testing::send(&handler, "POST", &path, "sdkappid=8888888&command=x", &body(role, event));
        }
        let call = table.call();
        assert_eq!((&call["status"], &call["outcome"]), (&json!("ended"), &json!("answered")), "{order:?}");
    }
}

#[test]
fn people_beyond_the_bound_are_cut_the_same_way_in_a_repeat() {
    let users: Vec<Value> =
        (0..300).map(|number| json!({ "User_Account": format!("{number:03}") })).collect();
    let body =
        json!({ "CallInfo": { "CallId": "c" }, "UserList": users, "EventTime": 1_793_600_000_000_u64 })
            .to_string();
    let path = format!("/{}/tencent/call_event", testing::TOKEN);
    let table = MemoryTable::default();
    let handler = recorder(CALLBACK, &table, DeadTopic);
    let tell = || {
        testing::send(
            &handler,
            "POST",
            &path,
            "sdkappid=8888888&CallbackCommand=Call.CallbackAfterStartCall",
            &body,
        )
    };
    tell();
    let once = table.call();
    tell();
    assert_eq!(table.call(), once);
    assert_eq!(once["callees"].as_array().unwrap().len(), 256);
}

#[test]
fn no_ids_however_odd_make_a_call_item_outgrow_dynamodb() {
    let path = format!("/{}/tencent/call_event", testing::TOKEN);
    let table = MemoryTable::default();
    let handler = recorder(CALLBACK, &table, DeadTopic);
    for odd in ["\u{1}", "\"", "\\", "é"] {
        for batch in 0..4 {
            let users: Vec<Value> = (0..64)
                .map(|number| json!({ "User_Account": format!("{batch}-{number}-{}", odd.repeat(120)) }))
                .collect();
            let body = json!({ "CallInfo": { "CallId": "c" }, "UserList": users }).to_string();
            testing::send(
                &handler,
                "POST",
                &path,
                "sdkappid=8888888&CallbackCommand=Call.CallbackAfterStartCall",
                &body,
            );
        }
    }
    let bytes = table.call().to_string().len();
    assert!((50_000..400_000).contains(&bytes), "{bytes}");
}
