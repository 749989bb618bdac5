//! Sample callbacks through the handler, with the table in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use ringback::tencent::CALLBACK;
use ringback::testing::{self, DeadTopic, MemoryTable, recorder};
use serde_json::{Value, json};

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
    let send = || {
        testing::send(
            &handler,
            "POST",
            &path,
            "sdkappid=8888888&CallbackCommand=Call.CallbackAfterStartCall",
            &body,
        )
    };
    send();
    let once = table.call();
    send();
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
