//! Any bytes as what API Gateway hands to a function, through all five functions with their stores in memory.
//!
//! An input that begins with a digit describes events line by line, so that they get past the token: the
//! function, method and flags; the path (empty for the function's own); the query; the body. A zero byte
//! separates events. Any other input is the event itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringback::door::route::Route;
use ringback_fuzz::{Share, expanded, path_to, play};
use serde_json::json;

const METHODS: [&str; 4] = ["GET", "POST", "HEAD", ""];

fn described(text: &str, share: Share) -> Option<String> {
    let mut lines = text.splitn(4, '\n');
    let flags = lines.next()?.as_bytes();
    let flag = |position: usize| flags.get(position).map_or(0, |byte| usize::from(byte.wrapping_sub(b'0')));
    let route = Route::ALL[flag(0) % Route::ALL.len()];
    let path = match lines.next()? {
        "" => path_to(route),
        path => path.to_owned(),
    };
    let method = if flags.len() < 2 { route.method } else { METHODS[flag(1) % METHODS.len()] };
    let event = json!({
        "rawPath": path, "rawQueryString": expanded(lines.next()?, share),
        "body": lines.next().map(|body| expanded(body, share)), "isBase64Encoded": flag(2) == 1,
        "requestContext": { "http": { "method": method, "sourceIp": "192.0.2.1" } },
    });
    Some(event.to_string())
}

fuzz_target!(|data: &[u8]| {
    let (text, share) = (String::from_utf8_lossy(data), Share::of(data));
    let events = if text.starts_with(|first: char| first.is_ascii_digit()) {
        text.split('\0').take(12).filter_map(|text| described(text, share)).collect()
    } else {
        vec![text.into_owned()]
    };
    play(&events, share);
});
