//! The HTTP API of calls, from API Gateway's event to the answer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod attacks;
mod doors;
mod lists;
mod whole_calls;

use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use ringback::history::key::UserKey;
use ringback::lambda::api::jwt::JwtUsers;
use ringback::lambda::api::log_line::log_line;
use ringback::lambda::api::{Api, HandledRequest};
use ringback::lambda::history::request::TokenUsers;
use ringback::lambda::history::{Handled, HistoryApi};
use ringback::lambda::request_line::RequestContext;
use ringback::testing::calls::MemoryCalls;
use ringback::testing::{ARRIVAL, block_on};
use serde_json::{Value, json};

const NOW: u64 = ARRIVAL.milliseconds;
const NEVER: u64 = NOW / 1_000 + 86_400;

fn event(method: &str, address: &str, authorizer: &Value) -> Value {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    json!({
        "version": "2.0", "routeKey": "ANY /{proxy+}", "rawPath": path, "rawQueryString": query,
        "headers": {},
        "requestContext": { "http": { "method": method }, "stage": "$default", "authorizer": authorizer },
    })
}

/// A request that an app server has signed.
fn signed(address: &str) -> Value {
    event("GET", address, &json!({ "iam": { "accountId": "123456789012" } }))
}

/// A request with a user's token.
fn with_token(method: &str, address: &str, claims: &Value) -> Value {
    event(method, address, &json!({ "jwt": { "claims": claims, "scopes": null } }))
}

fn bobs(method: &str, address: &str) -> Value {
    with_token(method, address, &json!({ "sub": "bob" }))
}

struct Answered {
    status: u16,
    headers: lambda_http::http::HeaderMap,
    text: String,
    line: String,
}

impl Answered {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{:?}", self.text))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    fn sids(&self) -> Vec<String> {
        let list = self.json();
        let calls = ["calls", "rooms"].iter().find_map(|name| list[name].as_array()).unwrap();
        calls.iter().map(|call| call["sid"].as_str().unwrap().to_owned()).collect()
    }
}

fn api(calls: MemoryCalls) -> HistoryApi<MemoryCalls> {
    let users = JwtUsers::new("planetkit", "sub").unwrap();
    HistoryApi::new(calls, Some(TokenUsers { users, provider: "line" }), 2)
}

fn send(api: &HistoryApi<MemoryCalls>, event: &Value) -> Answered {
    let event = serde_json::from_value(event.clone()).unwrap();
    let handled: Handled = block_on(api.handle(&event, ARRIVAL));
    let answer = handled.answer(&event);
    let context =
        RequestContext { took: std::time::Duration::ZERO, cold: false, status: answer.status, trace: None };
    let line = log_line(&handled, &context).in_metric_format(&Default::default(), ARRIVAL);
    let text = answer.body.as_ref().map(|(_, text)| text.clone()).unwrap_or_default();
    let response = ApiGatewayV2httpResponse::from(answer);
    let status = u16::try_from(response.status_code).unwrap();
    Answered { status, headers: response.headers, text, line }
}

fn user(id: &str) -> UserKey {
    UserKey { provider: "line".into(), service: "planetkit".into(), user: id.into() }
}

/// A call that came in so many minutes ago.
fn row(sid: &str, minutes_ago: u64, missed: bool) -> Value {
    let at = NOW - minutes_ago * 60_000;
    json!({
        "provider": "line", "sid": sid, "direction": "in", "kind": "one-to-one", "status": "ended",
        "outcome": if missed { "missed" } else { "answered" }, "missed": missed, "media": "audio",
        "with": [{ "service_id": "planetkit", "user_id": "alice" }], "at": at, "ended_at": at + 30_000,
        "reason": { "disconnect_reason": 1203, "terminate": "10.1.2.3" }, "expires_at": NEVER,
    })
}

fn operators_row(sid: &str, minutes_ago: u64, outcome: &str) -> Value {
    let at = NOW - minutes_ago * 60_000;
    json!({
        "provider": "line", "sid": sid, "kind": "one-to-one", "status": "ended", "outcome": outcome,
        "media": "audio", "caller": { "service_id": "planetkit", "user_id": "alice" },
        "callees": [{ "service_id": "planetkit", "user_id": "=1+1" }], "at": at, "expires_at": NEVER,
    })
}

fn live_row(sid: &str, quiet_minutes: u64) -> Value {
    json!({
        "provider": "line", "sid": sid, "kind": "group", "status": "ongoing", "online": 3,
        "room": { "service_id": "planetkit", "id": "room-1" }, "at": NOW - 86_400_000,
        "last_event_at": NOW - quiet_minutes * 60_000, "expires_at": NEVER,
    })
}

/// Bob with three calls, of which the newest and the oldest were missed, and Carol with one.
fn calls() -> MemoryCalls {
    let calls = MemoryCalls::default();
    for (sid, minutes, missed) in [("one", 10, true), ("two", 20, false), ("three", 30, true)] {
        calls.put_users_call(&user("bob"), &serde_json::from_value(row(sid, minutes, missed)).unwrap());
    }
    calls.put_users_call(&user("carol"), &serde_json::from_value(row("carols", 5, true)).unwrap());
    calls
}

fn read<T: serde::de::DeserializeOwned>(row: Value) -> T {
    serde_json::from_value(row).unwrap()
}
