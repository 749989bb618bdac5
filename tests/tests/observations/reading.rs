//! What the functions of the reading side can be seen to do, in tables of their own.

use std::collections::BTreeSet;

use ringback::history::key::UserKey;
use ringback_tests::calls::{CallTables, app_server, put, token_of};
use ringback_tests::control_plane::sqs_event;
use ringback_tests::fault_proxy::Fault;
use ringback_tests::gateway::Request;
use ringback_tests::stack::{said, variable};
use serde_json::{Value, json};

use super::{Aws, Variables, requests};

/// In milliseconds, some time ago.
const SETUP: u64 = 1_793_779_620_000;
const EXPIRES: u64 = 9_999_999_999;

fn variables(aws: &Aws, tables: &CallTables) -> Variables {
    let mut variables = aws.instead_of_aws(tables.variables());
    variables.push(("CALLS_TOPIC_ARN", variable("CALLS_TOPIC_ARN")));
    variables
}

/// Everything that project can be seen to do: changes that are new, corrected, deleted, unreadable; a batch
/// that comes again; rows that are throttled; the daily sums; no table.
pub(crate) fn observed_projection() -> (String, BTreeSet<String>) {
    let (aws, tables) = (Aws::start(), CallTables::create());
    let variables = variables(&aws, &tables);
    let call = |status: &str| image("call", &[("status", status), ("kind", "one-to-one")]);
    let event = image("event#1#a", &[("callback", "group_call_event"), ("what", "connected")]);
    let new = batch(&[json!({ "NewImage": call("ringing") })]);
    let corrected = batch(&[json!({ "OldImage": call("ringing"), "NewImage": call("ended") })]);
    let deleted = batch(&[json!({ "OldImage": call("ended") })]);
    let joined = batch(&[json!({ "NewImage": event })]);
    let unreadable = batch(&[json!({ "NewImage": { "record": { "S": "call" } } })]);
    let roll_up = json!({ "roll_up": true }).to_string();
    let events = [new.clone(), new.clone(), corrected, joined.clone(), deleted, unreadable, roll_up];
    let mut printed = said("project", &variables, &events);
    aws.dynamodb.set_for(Fault::Throttles, "UpdateItem");
    printed += &said("project", &variables, &[joined]);
    aws.dynamodb.set(Fault::Refuses);
    printed += &said("project", &variables, &[new]);
    (printed, requests("project", &aws))
}

/// What replay does with a message about the rows of a call.
pub(crate) fn observed_rows_again() -> (String, BTreeSet<String>) {
    let (aws, tables) = (Aws::start(), CallTables::create());
    let call = json!({
        "sid": "s", "record": "call", "provider": "line", "kind": "one-to-one", "status": "ended",
        "received_at": SETUP, "expires_at": EXPIRES,
    });
    put(&[tables.record(&call)]);
    let message = json!({ "version": 1, "project": "s", "keys": [] }).to_string();
    let printed =
        said("replay", &variables(&aws, &tables), &[sqs_event([("1", message.as_str())].into_iter())]);
    (printed, requests("replay", &aws))
}

/// Everything that history can be seen to do: each of its routes; calls that are not there; requests that are
/// wrong; no table.
pub(crate) fn observed_history() -> (String, BTreeSet<String>) {
    let (aws, tables) = (Aws::start(), CallTables::create());
    let bob = UserKey { provider: "line".into(), service: "planetkit".into(), user: "bob".into() };
    let row = json!({
        "provider": "line", "sid": "s", "direction": "in", "kind": "one-to-one", "status": "ended",
        "outcome": "missed", "missed": true, "at": SETUP, "expires_at": EXPIRES,
    });
    put(&[tables.users_row(&bob, &row)]);
    let event = |method: &str, address: &str, authorizer: &Value| {
        let (path, query) = address.split_once('?').unwrap_or((address, ""));
        let (method, path, query) = (method.to_owned(), path.to_owned(), query.to_owned());
        Request { method, path, query, ..Request::default() }.event(authorizer).to_string()
    };
    let (server, user) = (app_server(), token_of(&json!("bob")));
    let by_server = [
        "/calls",
        "/calls/s",
        "/calls/s/events",
        "/users/planetkit/bob/calls",
        "/rooms/planetkit/standup/calls",
        "/rooms/live",
        "/stats?by=hour",
        "/stats?by=day",
        "/calls?limit=0",
        "/nowhere",
    ];
    let mut events: Vec<String> = by_server.iter().map(|address| event("GET", address, &server)).collect();
    events.extend([
        event("GET", "/me/calls", &user),
        event("GET", "/me/missed", &user),
        event("PUT", "/me/seen", &user),
        event("GET", "/me/calls", &json!({ "jwt": { "claims": {} } })),
        event("GET", "/calls", &Value::Null),
        event("POST", "/calls", &server),
    ]);
    let mut printed = said("history", &variables(&aws, &tables), &events);
    aws.dynamodb.set(Fault::Refuses);
    printed += &said("history", &variables(&aws, &tables), &events[..1]);
    (printed, requests("history", &aws))
}

/// A batch of the stream, as Lambda hands it over.
fn batch(images: &[Value]) -> String {
    let records = images.iter().enumerate().map(|(number, images)| {
        let mut change = images.clone();
        change["SequenceNumber"] = (number + 100).to_string().into();
        json!({ "eventSource": "aws:dynamodb", "dynamodb": change })
    });
    json!({ "Records": records.collect::<Vec<_>>(), "shardId": "shard-1" }).to_string()
}

/// An item, as the stream shows it.
fn image(record: &str, texts: &[(&str, &str)]) -> Value {
    let mut image = json!({
        "sid": { "S": "s" }, "record": { "S": record }, "provider": { "S": "line" },
        "who": { "M": { "service_id": { "S": "planetkit" }, "user_id": { "S": "bob" } } },
        "at": { "N": SETUP.to_string() }, "setup_at": { "N": SETUP.to_string() },
        "received_at": { "N": SETUP.to_string() }, "expires_at": { "N": EXPIRES.to_string() },
    });
    for (name, text) in texts {
        image[*name] = json!({ "S": text });
    }
    image
}
