//! What vendors' release codes mean, in a few words. The same number means different things in different
//! families, so a code is never looked up without its family.

use std::collections::BTreeMap;

use maud::{Markup, html};
use ringback::call::model::ReleaseCode;

use super::people;

/// Families, the one that says most first. What they are called is the vendors' own.
const FAMILIES: [&str; 6] =
    ["disconnect_reason", "terminate", "call_end_reason", "call_result", "rel_code_str", "rel_code"];

/// What a code means. `None` if the vendor does not say, or its own word says it.
pub(super) fn meaning(family: &str, code: &str) -> Option<&'static str> {
    let code = code.parse().ok()?;
    match family {
        "disconnect_reason" => disconnect_reason(code),
        "terminate" => terminate(code),
        "call_end_reason" => call_end_reason(code),
        _ => None,
    }
}

/// The code that says most about the end of a call, and what it means.
pub(super) fn why(reason: &BTreeMap<String, ReleaseCode>) -> Markup {
    let known = FAMILIES.into_iter().find_map(|family| reason.get_key_value(family));
    html! {
        @if let Some((family, code)) = known.or_else(|| reason.iter().next()) {
            (named(family, &shown(code)))
        }
    }
}

/// A code with its meaning and its family.
pub(super) fn named(family: &str, code: &str) -> Markup {
    html! {
        span title=(family) {
            span.code { (people::text(code)) }
            @if let Some(meaning) = meaning(family, code) { " " (meaning) }
        }
    }
}

pub(super) fn shown(code: &ReleaseCode) -> String {
    match code {
        ReleaseCode::Number(number) => number.to_string(),
        ReleaseCode::Word(word) => word.reveal().to_owned(),
    }
}

fn disconnect_reason(code: u64) -> Option<&'static str> {
    Some(match code {
        1001 => "normal end",
        1002 => "declined",
        1003 => "a cellular call came in",
        1109 | 1111 => "error in the app’s SDK",
        1110 => "ended by the app’s own code",
        1112 => "no sound from the microphone",
        1201 => "canceled by the caller",
        1202 => "callee in another call",
        1203 => "no answer",
        1204 => "another call was ringing",
        1205 => "in a call on another device",
        1206 => "answered on another device",
        1207 => "declined on another device",
        1208 => "longest call time reached",
        1301 => "network unstable",
        1302 => "PUSH_ERROR: the phone never rang",
        1303 => "not authenticated",
        1304 => "call already over",
        1305 => "error in the vendor’s servers",
        1308 => "no network",
        1309 => "device switched off",
        1310 | 1311 => "device went to sleep or logged off",
        1312 => "packets too large for the network",
        1313 => "app data not delivered to the app’s server",
        1314 => "screen locked",
        1401 => "room full",
        1402 => "alone in the room for too long",
        1404 => "no such room",
        1405 => "joined from another device",
        1501 => "access token refused",
        1502 => "unknown service or user id",
        1503 => "vendor’s maintenance",
        1504 | 1512 => "vendor too busy",
        1505 => "error in the vendor’s service",
        1506..=1510 => "vendor’s service not reached",
        1511 => "SDK version not supported",
        1601..=1607 => "browser gave no camera or microphone",
        1608..=1612 => "connection in the browser failed",
        _ => return None,
    })
}

/// Causes of Q.850.
fn terminate(code: u64) -> Option<&'static str> {
    Some(match code {
        16 => "normal end",
        17 => "busy",
        18 => "no answer",
        21 => "declined",
        77 => "canceled",
        127 => "other failure",
        _ => return None,
    })
}

fn call_end_reason(code: u64) -> Option<&'static str> {
    Some(match code {
        1000 => "canceled by the caller",
        1001 => "callee busy",
        1002 => "no answer",
        1003 => "declined",
        1004 => "ended by the caller",
        1005 => "ended by the callee",
        1010 | 1011 => "network error",
        1012 | 1013 => "device error",
        1014 | 1015 => "a cellular call came in",
        1018 | 1019 => "not authenticated",
        1020 => "PUSH_ERROR: the phone never rang",
        1021 => "error in the vendor’s servers",
        1024 => "in a call on another device",
        _ => return None,
    })
}
