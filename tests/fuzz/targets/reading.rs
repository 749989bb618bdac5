//! Any bytes as a request for calls, and as a batch of the records table's stream.
//!
//! The first line describes the request: a digit for who asks, and the path with its query. The rest is the
//! batch. Whatever comes: no panic, no answer above 499, and no message that SNS would refuse.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringback_fuzz::{ask_for_calls, fold};
use serde_json::{Value, json};

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let (first, batch) = text.split_once('\n').unwrap_or((&text, ""));
    fold(batch);
    let authorizer = match first.as_bytes().first() {
        Some(b'0') => json!({ "iam": { "accountId": "123456789012" } }),
        Some(b'1') => json!({ "jwt": { "claims": { "sub": "bob" } } }),
        _ => Value::Null,
    };
    let target = first.get(1..).unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    for method in ["GET", "PUT"] {
        ask_for_calls(&json!({
            "rawPath": path, "rawQueryString": query, "headers": { "accept": query },
            "requestContext": { "http": { "method": method }, "authorizer": authorizer },
        }));
    }
});
