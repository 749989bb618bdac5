//! Firebase Cloud Messaging, HTTP v1: data messages of high priority.
//! <https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages>

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::ring::device::{Device, is_installation_id};
use crate::ring::push::{Pushed, Reply, Request, Ringing, code};

pub const ENDPOINT: &str = "https://fcm.googleapis.com";

/// The most that Google takes as data.
pub const DATA_BYTES: usize = 4_096;

#[derive(Serialize)]
struct Body<'a> {
    message: Message<'a>,
}

#[derive(Serialize)]
struct Message<'a> {
    #[serde(flatten)]
    target: Target<'a>,
    android: Android,
    data: &'a RawValue,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Target<'a> {
    Fid(&'a str),
    Token(&'a str),
}

#[derive(Serialize)]
struct Android {
    priority: &'static str,
    ttl: String,
}

/// The request that rings a device. `None` if it is larger than Google takes.
pub fn request(call: &Ringing<'_>, device: &Device, ring_seconds: u64) -> Option<Request> {
    let job = call.job.body();
    if job.len() > DATA_BYTES {
        return None;
    }
    let token = device.address.token.reveal();
    let message = Message {
        target: if is_installation_id(token) { Target::Fid(token) } else { Target::Token(token) },
        android: Android { priority: "high", ttl: format!("{ring_seconds}s") },
        data: serde_json::from_str(job).ok()?,
    };
    let path = format!("/v1/projects/{}/messages:send", device.address.app.as_str());
    let headers = vec![("content-type", "application/json".to_owned())];
    Some(Request { path, headers, body: serde_json::to_string(&Body { message }).ok()? })
}

#[derive(Default, Deserialize)]
struct Answer {
    #[serde(default)]
    error: Problem,
}

#[derive(Default, Deserialize)]
struct Problem {
    status: Option<String>,
    #[serde(default)]
    details: Vec<Detail>,
}

#[derive(Deserialize)]
struct Detail {
    #[serde(rename = "errorCode")]
    code: Option<String>,
}

/// What Google's answer means.
pub fn reply(status: u16, body: &[u8]) -> Reply {
    let Problem { status: general, details } =
        serde_json::from_slice::<Answer>(body).unwrap_or_default().error;
    let own = details.into_iter().find_map(|detail| detail.code);
    let code = code(status, own.or(general).as_deref());
    match (status, code.as_str()) {
        (200, _) => Reply::Settled(Pushed::Accepted),
        (404, "UNREGISTERED") | (403, "SENDER_ID_MISMATCH") => Reply::Settled(Pushed::Dead { since: None }),
        (401, "UNAUTHENTICATED") => Reply::RenewToken(code),
        // Another 404 is a project that Google does not know.
        (401 | 403 | 404, _) => Reply::Settled(Pushed::RefusedUs(code)),
        (429 | 500..=599, _) => Reply::SendAgain(code),
        _ => Reply::Settled(Pushed::Failed(code)),
    }
}
