//! The answer to a request: status, headers and body of every outcome. Failures are problems as in
//! RFC 9457. An answer repeats nothing of a refused request, and shows a token's last characters only.

use lambda_http::http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use serde::Serialize;
use serde_json::json;

use crate::lambda::api::answer::{Answer, Problem, RETRY_SECONDS, json_body};
use crate::lambda::devices::DevicesOutcome;
use crate::lambda::devices::request::Refused;
use crate::ring::device::{Device, PushToken};

/// Characters of a token that are shown: enough to tell a user's phones apart, too few to ring one.
const SHOWN_CHARACTERS: usize = 4;

/// The status of every outcome.
pub fn status(outcome: &DevicesOutcome) -> u16 {
    match outcome {
        DevicesOutcome::Registered => 201,
        DevicesOutcome::Renewed | DevicesOutcome::Shown(_) | DevicesOutcome::Listed(_) => 200,
        DevicesOutcome::Removed => 204,
        DevicesOutcome::NotRegistered => 404,
        DevicesOutcome::Refused(refused) => match refused {
            Refused::UnknownUrl => 404,
            Refused::WrongMethod(_) => 405,
            Refused::NotAuthenticated(_) => 401,
            Refused::NotAllowed | Refused::UnusableClaim => 403,
            Refused::MissingField(_)
            | Refused::UnusableField(_)
            | Refused::UnknownField
            | Refused::NotJson
            | Refused::BodyTooLong => 400,
        },
        DevicesOutcome::Unavailable(_) => 503,
        DevicesOutcome::Panicked => 500,
    }
}

/// The answer to a request.
pub fn answer(outcome: &DevicesOutcome) -> Answer {
    let body = match outcome {
        DevicesOutcome::Removed => None,
        DevicesOutcome::Registered | DevicesOutcome::Renewed => {
            Some(json_body(&json!({ "result": outcome.code() })))
        }
        DevicesOutcome::Shown(device) => Some(json_body(&Shown::new(device))),
        DevicesOutcome::Listed(devices) => {
            let devices: Vec<_> = devices.iter().map(Shown::new).collect();
            Some(json_body(&json!({ "devices": devices })))
        }
        DevicesOutcome::NotRegistered
        | DevicesOutcome::Refused(_)
        | DevicesOutcome::Unavailable(_)
        | DevicesOutcome::Panicked => Some(problem(outcome)),
    };
    let answer = Answer::new(status(outcome), body);
    match outcome {
        DevicesOutcome::Refused(Refused::WrongMethod(route)) => answer.with_header(ALLOW, route.methods()),
        DevicesOutcome::Refused(Refused::NotAuthenticated(route)) => {
            answer.with_header(WWW_AUTHENTICATE, route.scheme())
        }
        DevicesOutcome::Unavailable(_) => answer.with_header(RETRY_AFTER, RETRY_SECONDS),
        _ => answer,
    }
}

/// A device as an answer shows it.
#[derive(Serialize)]
struct Shown<'a> {
    device: &'a str,
    platform: &'static str,
    app: &'a str,
    token_ends_with: &'a str,
    registered_at: u64,
    expires_at: u64,
}

impl<'a> Shown<'a> {
    fn new(device: &'a Device) -> Self {
        Self {
            device: device.id.as_str(),
            platform: device.address.platform.as_str(),
            app: device.address.app.as_str(),
            token_ends_with: last_characters(&device.address.token),
            registered_at: device.registered_at.milliseconds(),
            expires_at: device.expires_at.milliseconds() / 1_000,
        }
    }
}

/// The last characters of a token. A short one shows fewer, and most of it stays hidden.
fn last_characters(token: &PushToken) -> &str {
    let token = token.reveal();
    let shown = SHOWN_CHARACTERS.min(token.chars().count() / 4);
    let start = token.char_indices().rev().take(shown).last().map_or(token.len(), |(start, _)| start);
    token.get(start..).unwrap_or_default()
}

fn problem(outcome: &DevicesOutcome) -> (&'static str, String) {
    let detail = match outcome {
        DevicesOutcome::NotRegistered => "The user has no such device.".to_owned(),
        DevicesOutcome::Refused(refused) => refused.to_string(),
        DevicesOutcome::Unavailable(_) => {
            "The registry cannot be reached. Nothing is half done: try again.".to_owned()
        }
        _ => "The function has a bug. Its log says where.".to_owned(),
    };
    let problem = Problem::new(status(outcome), outcome.code(), detail);
    Problem { field: outcome.field(), ..problem }.body()
}
