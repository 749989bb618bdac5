//! The built function that reads calls, on emulated DynamoDB, in tables of these tests' own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod attacks;
mod corrections;
mod faults;
mod lists;

use std::time::{SystemTime, UNIX_EPOCH};

use ringback::history::key::UserKey;
use ringback_tests::calls::{CallTables, NEVER, answer, app_server, ask, event, put, token_of};
use ringback_tests::control_plane::Function;
use serde_json::{Value, json};

const DAY: u64 = 86_400_000;

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap()
}

fn user(id: &str) -> UserKey {
    UserKey { provider: "line".into(), service: "planetkit".into(), user: id.into() }
}

fn users_row(sid: &str, at: u64, missed: bool) -> Value {
    json!({
        "provider": "line", "sid": sid, "direction": "in", "kind": "one-to-one", "status": "ended",
        "outcome": if missed { "missed" } else { "answered" }, "missed": missed, "at": at,
        "expires_at": NEVER,
    })
}

fn call_row(sid: &str, at: u64, outcome: &str) -> Value {
    json!({
        "provider": "line", "sid": sid, "kind": "one-to-one", "status": "ended", "outcome": outcome,
        "media": "audio", "caller": { "service_id": "planetkit", "user_id": "alice" },
        "callees": [{ "service_id": "planetkit", "user_id": "bob" }], "at": at, "expires_at": NEVER,
    })
}

fn sids(list: &Value) -> Vec<String> {
    let calls = list["calls"].as_array().unwrap_or_else(|| panic!("{list}"));
    calls.iter().map(|call| call["sid"].as_str().unwrap().to_owned()).collect()
}

/// Every page of a list, one after the other.
fn pages(function: &Function, address: &str, authorizer: &Value) -> Vec<String> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    for _ in 0..100 {
        let (status, list) = ask(function, &format!("{address}{cursor}"), authorizer);
        assert_eq!(status, 200, "{list}");
        all.extend(sids(&list));
        let Some(next) = list["next"].as_str() else { return all };
        cursor = format!("&cursor={next}");
    }
    panic!("{address} does not end");
}
