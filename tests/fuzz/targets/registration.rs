//! Any bytes as a request to the registry of devices: the first line describes it, the rest is the body.
//!
//! The first line has a digit for the method, one for who asks, one for the kind of event, and then the path.
//! Whatever comes: no panic, no answer above 499, and no more of a token than its end in an answer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringback::lambda::devices::request::registration;
use ringback_fuzz::register;
use serde_json::{Value, json};

const METHODS: [&str; 5] = ["PUT", "GET", "DELETE", "POST", ""];

fn authorizer(digit: usize, path: &str) -> Value {
    match digit {
        0 => json!({ "iam": { "accountId": "123456789012" } }),
        1 => json!({ "jwt": { "claims": { "sub": "bob" } } }),
        // Any text as the claim.
        2 => json!({ "jwt": { "claims": { "sub": path } } }),
        _ => Value::Null,
    }
}

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let _ = registration(&text);
    let (first, body) = text.split_once('\n').unwrap_or((&text, ""));
    let digit = |position: usize| {
        first.as_bytes().get(position).map_or(0, |byte| usize::from(byte.wrapping_sub(b'0')))
    };
    let path = first.get(3..).unwrap_or_default();
    let event = json!({
        "rawPath": path, "body": body, "isBase64Encoded": digit(2) & 1 == 1,
        "requestContext": {
            "http": { "method": METHODS[digit(0) % METHODS.len()] },
            "routeKey": if digit(2) & 2 == 2 { "$default" } else { "ANY /" },
            "authorizer": authorizer(digit(1) % 4, path),
        },
    });
    register(&event);
});
