//! The built functions do what docs/devices.openapi.yaml and docs/history.openapi.yaml say. schemathesis
//! makes up the requests from these pages: values at all bounds and beyond, fields that are missing or of
//! another type, and whole stories.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use ringback::history::key::UserKey;
use ringback_tests::calls::{CallTables, NEVER, put};
use ringback_tests::control_plane::Function;
use ringback_tests::gateway::{self, Request};
use ringback_tests::stack::{function_variables, new_devices_table};
use serde_json::{Value, json};

const CREDENTIALS: &str = "Bearer of-schemathesis";

/// Lets schemathesis try a function, with what API Gateway would say of who asks at addresses of users' own
/// and at all others. A request without credentials goes through, so that it is the function that refuses it.
fn check(description: &str, operations: usize, function: Function, is_own: fn(&str) -> bool) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let caller = move |request: &Request| {
        Ok(match request.header("authorization") {
            Some(CREDENTIALS) if is_own(&request.path) => json!({ "jwt": { "claims": { "sub": "bob" } } }),
            Some(CREDENTIALS) => json!({ "iam": { "accessKey": "local" } }),
            _ => Value::Null,
        })
    };
    let server = gateway::serve(TcpListener::bind("127.0.0.1:0").unwrap(), function, caller).unwrap();
    let checked = Command::new(root.join(".local/schemathesis/bin/schemathesis"))
        .arg("--config-file")
        .arg(root.join("tests/schemathesis.toml"))
        .arg("run")
        .arg(root.join("docs").join(description))
        .args(["--url", &format!("http://{}", server.address)])
        .args(["--header", &format!("Authorization: {CREDENTIALS}")])
        .current_dir(std::env::temp_dir())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success(), "{said}{}", String::from_utf8_lossy(&checked.stderr));
    assert!(said.contains(&format!("{operations} selected")), "not all operations were tried: {said}");
}

#[test]
fn the_registry_of_devices_keeps_to_its_description() {
    let mut variables = function_variables();
    variables.extend([("DEVICES_TABLE", new_devices_table()), ("JWT_SERVICE_ID", "planetkit".to_owned())]);
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let function = Function::start("devices", &variables);
    check("devices.openapi.yaml", 6, function, |path| !path.starts_with("/users/"));
}

/// The calls that the description's examples name, and figures of today.
fn fill(tables: &CallTables) {
    let now: u64 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap();
    let room = json!({ "service_id": "planetkit", "id": "room-1" });
    let person = json!({ "service_id": "planetkit", "user_id": "alice" });
    let users = json!({
        "provider": "line", "sid": "a-group", "direction": "in", "kind": "group", "missed": true, "at": now,
        "with": [person], "room": room, "came": [now], "left": [now + 2_000], "reason": { "rel_code": 1 },
        "expires_at": NEVER,
    });
    let call = json!({
        "provider": "line", "sid": "a-group", "kind": "group", "status": "ongoing", "media": "audio",
        "caller": person, "callees": [person], "room": room, "online": 2, "at": now, "last_event_at": now,
        "expires_at": NEVER,
    });
    let record = json!({
        "sid": "a-group", "record": "call", "provider": "line", "kind": "group", "status": "ongoing",
        "media": "audio", "facts": "[]", "received_at": now, "expires_at": NEVER,
    });
    let event = |what: &str, at: u64, online: &str| {
        json!({
            "sid": "a-group", "record": format!("event#{at:013}#d"), "provider": "line",
            "callback": "group_call_event", "what": what, "who": person, "at": at,
            "vendor": { "online": online }, "received_at": now, "expires_at": NEVER,
        })
    };
    let bob = UserKey { provider: "line".into(), service: "planetkit".into(), user: "bob".into() };
    let day =
        ringback::history::read::days::day_of(ringback::call::model::Moment::from_milliseconds(now).unwrap());
    let counters = json!({ "calls": 2, "talk_s": 90, "outcome:answered": 1, "outcome:open": 1 });
    let mut items = vec![
        tables.record(&record),
        tables.record(&event("connected", now, "1")),
        tables.record(&event("disconnected", now + 2_000, "-1")),
        tables.live_row(&call),
        tables.figures_item("services", "line#planetkit", &json!({})),
        tables.figures_item(&format!("line#planetkit#{day}#0"), "h#00#shard", &counters),
    ];
    for number in 0..60 {
        let later = |row: &Value| {
            let mut row = row.clone();
            row["at"] = json!(now - number * 1_000);
            row
        };
        items.push(tables.users_row(&bob, &later(&users)));
        items.push(tables.days_row(&later(&call)));
        items.push(tables.rooms_row(["line", "planetkit", "room-1"], &later(&call)));
    }
    put(&items);
}

#[test]
fn the_api_of_calls_keeps_to_its_description() {
    let tables = CallTables::create();
    fill(&tables);
    check("history.openapi.yaml", 10, tables.function(), |path| path.starts_with("/me/"));
}
