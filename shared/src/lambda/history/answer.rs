//! The answer to a request for calls: status, headers and body of every outcome. Failures are problems as in
//! RFC 9457, and repeat nothing of what was sent.

use lambda_http::http::header::{ALLOW, ETAG, LINK, RETRY_AFTER, VARY, WWW_AUTHENTICATE};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::history::figures::{Figures, Period};
use crate::history::read::live::LiveCall;
use crate::history::read::{Cursor, Rows};
use crate::lambda::api::answer::{Answer, Problem, RETRY_SECONDS, json_body};
use crate::lambda::api::event::ApiEvent;
use crate::lambda::history::request::Refused;
use crate::lambda::history::shown::{self, ShownCall, ShownFigures, ShownUsersCall};
use crate::lambda::history::{HistoryOutcome, csv};

/// How a reader wants the answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    pub csv: bool,
    /// The tags of answers that the reader has.
    pub known: Option<String>,
    /// The path and the query of the request, for the address of the next page.
    pub query: String,
}

impl Wanted {
    pub fn by(event: &ApiEvent) -> Self {
        Self {
            csv: event.header("accept").is_some_and(prefers_csv),
            known: event.header("if-none-match").map(str::to_owned),
            query: event.query().to_owned(),
        }
    }

    fn knows(&self, tag: &str) -> bool {
        let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
        let known = self.known.as_deref().unwrap_or_default();
        known.split(',').any(|one| one.trim() == "*" || opaque(one) == opaque(tag))
    }
}

/// Whether an `Accept` header asks for CSV, and for nothing that it likes better.
fn prefers_csv(accept: &str) -> bool {
    let quality = |kind: &str| {
        let range =
            accept.split(',').find(|range| range.split(';').next().unwrap_or_default().trim() == kind)?;
        let quality = range.split(';').skip(1).find_map(|parameter| parameter.trim().strip_prefix("q="));
        Some(quality.and_then(|quality| quality.trim().parse::<f32>().ok()).unwrap_or(1.0))
    };
    let csv = quality("text/csv").unwrap_or_default();
    csv > 0.0 && csv >= quality("application/json").unwrap_or_default()
}

/// The status of every outcome.
pub fn status(outcome: &HistoryOutcome) -> u16 {
    match outcome {
        HistoryOutcome::UsersCalls(..)
        | HistoryOutcome::Unseen { .. }
        | HistoryOutcome::Calls(_)
        | HistoryOutcome::Call(_)
        | HistoryOutcome::Events(_)
        | HistoryOutcome::Live(_)
        | HistoryOutcome::Figures(_) => 200,
        HistoryOutcome::Seen => 204,
        HistoryOutcome::UnknownCall => 404,
        HistoryOutcome::Refused(refused) => match refused {
            Refused::UnknownUrl => 404,
            Refused::WrongMethod(_) => 405,
            Refused::NotAuthenticated(_) => 401,
            Refused::NotAllowed | Refused::UnusableClaim => 403,
            Refused::UnknownParameter
            | Refused::QueryTooLong
            | Refused::TooManyDays
            | Refused::UnusableParameter(_) => 400,
        },
        HistoryOutcome::Unavailable(_) => 503,
        HistoryOutcome::Panicked => 500,
    }
}

/// The answer to a request.
pub fn answer(outcome: &HistoryOutcome, wanted: &Wanted) -> Answer {
    match content(outcome, wanted.csv) {
        Some((body, next)) => found(body, next, wanted),
        None if matches!(outcome, HistoryOutcome::Seen) => Answer::new(status(outcome), None),
        None => problem(outcome),
    }
}

type Content = ((&'static str, String), Option<Cursor>);

/// What was found, and where the next page begins.
fn content(outcome: &HistoryOutcome, as_csv: bool) -> Option<Content> {
    let either = |csv: &dyn Fn() -> String, json: &dyn Fn() -> (&'static str, String)| {
        if as_csv { ("text/csv; charset=utf-8", csv()) } else { json() }
    };
    Some(match outcome {
        HistoryOutcome::UsersCalls(Rows { rows, next }, reader) => {
            let calls = || rows.iter().map(|row| ShownUsersCall::new(row, *reader));
            let body = either(&|| csv::users_calls(rows, *reader), &|| list("calls", calls(), next.as_ref()));
            (body, next.clone())
        }
        HistoryOutcome::Calls(Rows { rows, next }) => {
            let calls = || rows.iter().map(ShownCall::new);
            let body = either(&|| csv::calls(rows), &|| list("calls", calls(), next.as_ref()));
            (body, next.clone())
        }
        HistoryOutcome::Events(Rows { rows, next }) => {
            let body = either(&|| csv::events(rows), &|| list("events", rows.iter(), next.as_ref()));
            (body, next.clone())
        }
        HistoryOutcome::Live(Rows { rows, next }) => {
            let rooms = || rows.iter().map(ShownCall::live);
            let body = either(&|| csv::live(rows), &|| list("rooms", rooms(), next.as_ref()));
            (body, next.clone())
        }
        HistoryOutcome::Figures(Rows { rows, next }) => {
            let figures = || rows.iter().map(|(period, sum)| ShownFigures::new(period, sum));
            let body = either(&|| csv::figures(rows), &|| list("figures", figures(), next.as_ref()));
            (body, next.clone())
        }
        HistoryOutcome::Unseen { unseen, seen_at } => {
            (json_body(&json!({ "unseen": unseen, "seen_at": seen_at })), None)
        }
        HistoryOutcome::Call(details) => (json_body(&shown::call_details(details)), None),
        HistoryOutcome::Seen
        | HistoryOutcome::UnknownCall
        | HistoryOutcome::Refused(_)
        | HistoryOutcome::Unavailable(_)
        | HistoryOutcome::Panicked => return None,
    })
}

/// Bytes that a live call takes in what Lambda is given: there, the body is a text in JSON.
pub fn bytes_of_live(live: &LiveCall) -> usize {
    bytes(&ShownCall::live(live))
}

/// The same of the figures of an hour or a day.
pub fn bytes_of_figures((period, sum): &(Period, Figures)) -> usize {
    bytes(&ShownFigures::new(period, sum))
}

fn bytes(shown: &impl Serialize) -> usize {
    Value::from(serde_json::to_string(shown).unwrap_or_default()).to_string().len()
}

/// A list under its name, and the cursor of the next page.
fn list<T: Serialize>(
    name: &'static str,
    rows: impl Iterator<Item = T>,
    next: Option<&Cursor>,
) -> (&'static str, String) {
    let rows: Vec<T> = rows.collect();
    json_body(&Listed { name, rows, next })
}

struct Listed<'a, T> {
    name: &'static str,
    rows: Vec<T>,
    next: Option<&'a Cursor>,
}

impl<T: Serialize> Serialize for Listed<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        members.serialize_entry(self.name, &self.rows)?;
        if let Some(next) = self.next {
            members.serialize_entry("next", &next.opaque())?;
        }
        members.end()
    }
}

/// An answer that its reader may keep, and ask about again.
fn found(body: (&'static str, String), next: Option<Cursor>, wanted: &Wanted) -> Answer {
    let tag = tag(&body.1);
    let known = wanted.knows(&tag);
    let answer = if known { Answer::new(304, None) } else { Answer::new(200, Some(body)) };
    let answer = Answer { cache: "private, no-cache", ..answer }
        .with_header(ETAG, tag)
        .with_header(VARY, "Accept, Authorization");
    match next {
        Some(next) => {
            answer.with_header(LINK, format!("<?{}>; rel=\"next\"", next_query(&wanted.query, &next)))
        }
        None => answer,
    }
}

/// What would end an address in a header, or the header.
const ENDS_ADDRESS: &AsciiSet = &CONTROLS.add(b'<').add(b'>').add(b'"').add(b' ');

/// The query of the next page: the same with another cursor. It is a relative address, because only the
/// sender knows the host and the stage.
fn next_query(query: &str, next: &Cursor) -> String {
    let others = query.split('&').filter(|piece| !piece.is_empty() && !piece.starts_with("cursor="));
    let safe = others.map(|piece| utf8_percent_encode(piece, ENDS_ADDRESS).to_string());
    safe.chain([format!("cursor={}", next.opaque())]).collect::<Vec<_>>().join("&")
}

/// A weak tag: the same rows in another order of members would be as good.
fn tag(text: &str) -> String {
    let digest = Sha256::digest(text);
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("W/\"{hex}\"")
}

fn problem(outcome: &HistoryOutcome) -> Answer {
    let detail = match outcome {
        HistoryOutcome::UnknownCall => "There is no such call.".to_owned(),
        HistoryOutcome::Refused(refused) => refused.to_string(),
        HistoryOutcome::Unavailable(_) => "The calls cannot be read now. Try again.".to_owned(),
        _ => "The function has a bug. Its log says where.".to_owned(),
    };
    let problem = Problem::new(status(outcome), outcome.code(), detail);
    let body = Problem { parameter: outcome.parameter(), ..problem }.body();
    let answer = Answer::new(status(outcome), Some(body));
    match outcome {
        HistoryOutcome::Refused(Refused::WrongMethod(route)) => answer.with_header(ALLOW, route.method()),
        HistoryOutcome::Refused(Refused::NotAuthenticated(route)) => {
            answer.with_header(WWW_AUTHENTICATE, route.scheme())
        }
        HistoryOutcome::Unavailable(_) => answer.with_header(RETRY_AFTER, RETRY_SECONDS),
        _ => answer,
    }
}
