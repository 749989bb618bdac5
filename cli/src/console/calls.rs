//! Lists of calls: of a span of time, of a user, of a room. And the search.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use ringback::call::model::{Arrival, Kind, Moment, Outcome, SessionId};
use ringback::history::key::UserKey;
use ringback::history::read::{Cursor, Filter, Page as Part, ReadCalls, Rows, Span, days};
use ringback::history::row::{CallRow, Direction, EndedBy, UserRow};
use ringback::lambda::history::csv as written;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::pages::{Page, Place, figure, scrolling};
use super::{Desk, clock, problem, unavailable, words};

const ROWS: u32 = 50;
/// Rows of a CSV file, which is read page by page.
const ROWS_OF_A_FILE: usize = 10_000;
const OUTCOMES: [Outcome; 8] = [
    Outcome::Answered,
    Outcome::Missed,
    Outcome::Canceled,
    Outcome::Rejected,
    Outcome::Busy,
    Outcome::Failed,
    Outcome::AnsweredElsewhere,
    Outcome::Unknown,
];

/// The fields of the form, as they came.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
    #[serde(default)]
    outcome: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    media: String,
    #[serde(default)]
    service: String,
    #[serde(default)]
    cursor: String,
}

/// What is asked for, or which field cannot be read.
struct Wanted {
    span: Span,
    filter: Filter,
    after: Option<Cursor>,
}

impl Asked {
    fn wanted(&self, now: Arrival) -> Result<Wanted, &'static str> {
        let moment = |text: &str, otherwise: u64| {
            if text.is_empty() { Moment::from_milliseconds(otherwise) } else { minute(text) }
        };
        let to = moment(&self.to, now.milliseconds + 60_000).ok_or("to")?;
        let from = moment(&self.from, to.milliseconds().saturating_sub(days::MILLISECONDS)).ok_or("from")?;
        if from >= to {
            return Err("from");
        }
        let filter = Filter {
            provider: None,
            service: Some(self.service.trim().to_owned()).filter(|service| !service.is_empty()),
            outcome: word(&self.outcome).map_err(|()| "outcome")?,
            kind: word(&self.kind).map_err(|()| "kind")?,
            media: word(&self.media).map_err(|()| "media")?,
        };
        let after = match self.cursor.as_str() {
            "" => None,
            text => Some(Cursor::parse(text).ok_or("cursor")?),
        };
        Ok(Wanted { span: Span { from, to }, filter, after })
    }

    /// The filter as a query, without the page.
    fn query(&self) -> String {
        let fields = [
            ("from", &self.from),
            ("to", &self.to),
            ("outcome", &self.outcome),
            ("kind", &self.kind),
            ("media", &self.media),
            ("service", &self.service),
        ];
        let given = fields.into_iter().filter(|(_, value)| !value.is_empty());
        let pairs: Vec<String> =
            given.map(|(name, value)| format!("{name}={}", words::encoded(value))).collect();
        pairs.join("&")
    }
}

/// A word of a list; nothing for an empty one.
fn word<T: DeserializeOwned>(text: &str) -> Result<Option<T>, ()> {
    if text.is_empty() {
        return Ok(None);
    }
    serde_json::from_value(text.into()).map(Some).map_err(|_| ())
}

/// A minute as a browser's field writes it, `2026-11-28T06:25`, in UTC.
fn minute(text: &str) -> Option<Moment> {
    let (date, time) = text.split_once('T')?;
    let mut parts = time.split(':').map(|part| part.parse::<u64>().ok());
    let (hours, minutes) = (parts.next()??, parts.next()??);
    let midnight = days::begin_of(date)?.milliseconds();
    (hours < 24 && minutes < 60)
        .then(|| Moment::from_milliseconds(midnight + (hours * 60 + minutes) * 60_000))
        .flatten()
}

fn unreadable(field: &str) -> Response {
    let what = html! {
        p { "The field " code { (field) } " cannot be read. " a href="/calls" { "Begin with an empty form" } "." }
    };
    problem(StatusCode::BAD_REQUEST, "This filter cannot be read", &what)
}

pub(super) async fn calls(State(desk): State<Arc<Desk>>, Query(asked): Query<Asked>) -> Response {
    let now = clock();
    let wanted = match asked.wanted(now) {
        Ok(wanted) => wanted,
        Err(field) => return unreadable(field),
    };
    let part = Part { limit: ROWS, after: wanted.after };
    match desk.calls.calls(wanted.span, &wanted.filter, &part, now).await {
        Ok(found) => {
            let page = Page { title: "Calls", place: Place::Calls, refreshes: false };
            page.show(&desk, &calls_body(&asked, &found)).into_response()
        }
        Err(failure) => unavailable(&failure),
    }
}

fn calls_body(asked: &Asked, found: &Rows<CallRow>) -> Markup {
    let query = asked.query();
    html! {
        h1 { "Calls" }
        (form(asked))
        p .actions {
            a .button href=(format!("/calls.csv?{query}")) { "Download as CSV" }
            span .note { "Newest first, of the last 24 hours unless you choose other times." }
        }
        @if found.rows.is_empty() {
            p .empty { "No call fits. Choose other times or fewer filters." }
        } @else { (scrolling("Calls", &long_list(&found.rows))) }
        @if let Some(next) = &found.next {
            p .actions { a .button rel="next" href=(format!("/calls?{query}&cursor={}", next.opaque())) { "Older calls" } }
        }
    }
}

fn form(asked: &Asked) -> Markup {
    let choices = |name: &str, label: &str, chosen: &str, words: &[(&str, &str)]| {
        html! { label { (label)
            select name=(name) {
                option value="" { "any" }
                @for (value, text) in words { option value=(value) selected[*value == chosen] { (text) } }
            }
        } }
    };
    let outcomes: Vec<(&str, &str)> =
        OUTCOMES.iter().map(|outcome| (outcome.as_str(), words::outcome_words(*outcome))).collect();
    html! {
        form .filter action="/calls" {
            label { "From" input type="datetime-local" name="from" value=(asked.from); }
            label { "To" input type="datetime-local" name="to" value=(asked.to); }
            (choices("outcome", "Outcome", &asked.outcome, &outcomes))
            (choices("kind", "Kind", &asked.kind, &[("one-to-one", "one-to-one"), ("group", "group")]))
            (choices("media", "Media", &asked.media, &[("audio", "audio"), ("video", "video")]))
            label { "Service" input name="service" value=(asked.service) maxlength="256"; }
            button { "Filter" }
        }
    }
}

/// All that fits, as a file.
pub(super) async fn csv(State(desk): State<Arc<Desk>>, Query(asked): Query<Asked>) -> Response {
    let now = clock();
    let wanted = match asked.wanted(now) {
        Ok(wanted) => wanted,
        Err(field) => return unreadable(field),
    };
    let mut part = Part { limit: ringback::history::read::LARGEST_PAGE, after: None };
    let mut rows = Vec::new();
    loop {
        let found = match desk.calls.calls(wanted.span, &wanted.filter, &part, now).await {
            Ok(found) => found,
            Err(failure) => return unavailable(&failure),
        };
        rows.extend(found.rows);
        part.after = found.next;
        if part.after.is_none() || rows.len() >= ROWS_OF_A_FILE {
            break;
        }
    }
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"calls.csv\""),
    ];
    (headers, written::calls(&rows)).into_response()
}

/// Who talks with whom, or where.
pub(super) fn parties(call: &CallRow) -> Markup {
    let (provider, service) = (call.provider.as_str(), call.service());
    html! {
        @if call.kind == Kind::Group && let Some(room) = &call.room {
            "room " (words::room(provider, room, service))
        } @else {
            @match &call.caller {
                Some(caller) => (words::person(provider, caller, service)),
                None => "?",
            }
            span .arrow { " → " }
            (words::people(provider, &call.callees, service))
        }
    }
}

pub(super) fn link(call: &CallRow) -> Markup {
    html! { a href=(format!("/calls/{}", words::encoded(&call.sid))) aria-label=(format!("Open call {}", call.sid)) {
        code { (call.sid.chars().take(8).collect::<String>()) "…" }
    } }
}

/// A list with every column.
fn long_list(calls: &[CallRow]) -> Markup {
    html! {
        table {
            thead { tr {
                @for name in ["When", "Caller → Callee", "Outcome"] { th scope="col" { (name) } }
                @for name in ["Rang", "Talked"] { th .number scope="col" { (name) } }
                @for name in ["Ended by", "Why", "Media", "Call"] { th scope="col" { (name) } }
            } }
            tbody { @for call in calls { tr {
                td { (words::moment(call.at)) }
                td { (parties(call)) }
                td { (words::state(call.outcome, Some(call.status))) }
                td .number { (words::some_length(call.ring_s)) }
                td .number { (words::some_length(call.talk_s.filter(|seconds| *seconds > 0))) }
                td { (words::released_by(call.released_by)) }
                td { (words::why(&call.reason).unwrap_or_else(|| "–".to_owned())) }
                td { (words::media(call.media)) }
                td { (link(call)) }
            } } }
        }
    }
}

/// A list for a narrow place.
pub(super) fn short_list(calls: &[CallRow]) -> Markup {
    html! {
        @if calls.is_empty() { p .empty { "No calls yet. Play some: " code { "ringback call answered" } "." } } @else {
            ul .newest { @for call in calls { li {
                span .when { (words::time_of_day(call.at)) }
                span .who { (parties(call)) }
                (words::state(call.outcome, Some(call.status)))
                (link(call))
            } } }
        }
    }
}

pub(super) async fn user(
    State(desk): State<Arc<Desk>>,
    Path((provider, service, user)): Path<(String, String, String)>,
    Query(asked): Query<Asked>,
) -> Response {
    let key = UserKey { provider, service, user };
    let part = match part(&asked) {
        Ok(part) => part,
        Err(field) => return unreadable(field),
    };
    match desk.calls.users_calls(&key, false, &part, clock()).await {
        Ok(found) => {
            let page = Page { title: &key.user, place: Place::Elsewhere, refreshes: false };
            page.show(&desk, &user_body(&key, &found)).into_response()
        }
        Err(failure) => unavailable(&failure),
    }
}

fn part(asked: &Asked) -> Result<Part, &'static str> {
    let cursor = Some(asked.cursor.as_str()).filter(|text| !text.is_empty());
    let after = cursor.map(|text| Cursor::parse(text).ok_or("cursor")).transpose()?;
    Ok(Part { limit: ROWS, after })
}

fn user_body(key: &UserKey, found: &Rows<UserRow>) -> Markup {
    let rows = &found.rows;
    let missed = rows.iter().filter(|row| row.missed).count();
    let talk: u64 = rows.iter().filter_map(|row| row.talk_s).sum();
    let table = html! {
        table {
            thead { tr {
                @for name in ["When", "Direction", "With", "Outcome"] { th scope="col" { (name) } }
                @for name in ["Rang", "Talked"] { th .number scope="col" { (name) } }
                @for name in ["Ended by", "Why", "Call"] { th scope="col" { (name) } }
            } }
            tbody { @for row in rows { tr {
                td { (words::moment(row.at)) }
                td { (direction(row.direction)) }
                td {
                    @if let Some(room) = row.room.as_ref().filter(|_| row.kind == Kind::Group) {
                        "room " (words::room(&row.provider, room, &key.service))
                    } @else { (words::people(&row.provider, &row.with, &key.service)) }
                }
                td {
                    @if row.missed { span .state.missed { "missed" } " " }
                    @if !row.missed && row.direction == Direction::Joined && row.outcome.is_none() {
                        span .state.answered { "joined" }
                    } @else if !row.missed || row.outcome != Some(Outcome::Missed) { (words::state(row.outcome, row.status)) }
                }
                td .number { (words::some_length(row.ring_s)) }
                td .number { (words::some_length(row.talk_s.filter(|seconds| *seconds > 0))) }
                td { (ended_by(row.ended_by)) }
                td { (words::why(&row.reason).unwrap_or_else(|| "–".to_owned())) }
                td { a href=(format!("/calls/{}", words::encoded(&row.sid))) aria-label=(format!("Open call {}", row.sid)) {
                    code { (row.sid.chars().take(8).collect::<String>()) "…" }
                } }
            } } }
        }
    };
    html! {
        p .kicker { "User of " (key.provider) ", service " bdi { (key.service) } }
        h1 { bdi { (key.user) } }
        @if rows.is_empty() { p .empty { "No calls of this user are kept." } } @else {
            dl .figures {
                (figure("Calls on this page", &rows.len().to_string(), ""))
                (figure("Missed", &missed.to_string(), ""))
                (figure("Talked", &words::length(talk), ""))
            }
            (scrolling("Calls of this user", &table))
        }
        (older(found.next.as_ref()))
    }
}

fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Out => "outgoing",
        Direction::In => "incoming",
        Direction::Joined => "joined",
    }
}

fn ended_by(by: Option<EndedBy>) -> &'static str {
    match by {
        Some(EndedBy::Me) => "this user",
        Some(EndedBy::Them) => "the other side",
        Some(EndedBy::Server) => "a server",
        None => "–",
    }
}

fn older(next: Option<&Cursor>) -> Markup {
    html! { @if let Some(next) = next {
        p .actions { a .button rel="next" href=(format!("?cursor={}", next.opaque())) { "Older calls" } }
    } }
}

pub(super) async fn room(
    State(desk): State<Arc<Desk>>,
    Path((provider, service, room)): Path<(String, String, String)>,
    Query(asked): Query<Asked>,
) -> Response {
    let part = match part(&asked) {
        Ok(part) => part,
        Err(field) => return unreadable(field),
    };
    match desk.calls.rooms_calls(&provider, &service, &room, &part, clock()).await {
        Ok(found) => {
            let body = html! {
                p .kicker { "Room of " (provider) ", service " bdi { (service) } }
                h1 { bdi { (room) } }
                @if found.rows.is_empty() { p .empty { "No sessions of this room are kept." } }
                @else { (scrolling("Sessions of this room", &long_list(&found.rows))) }
                (older(found.next.as_ref()))
            };
            Page { title: &room, place: Place::Elsewhere, refreshes: false }
                .show(&desk, &body)
                .into_response()
        }
        Err(failure) => unavailable(&failure),
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Sought {
    #[serde(default)]
    q: String,
}

/// Finds a call by its session, else a user or a room of one of the services.
pub(super) async fn search(State(desk): State<Arc<Desk>>, Query(Sought { q }): Query<Sought>) -> Response {
    let (text, now) = (q.trim(), clock());
    let (one, day) = (Part { limit: 1, after: None }, days::MILLISECONDS);
    if let Some(session) = SessionId::parse(text) {
        match desk.calls.call(&session, now).await {
            Ok(Some(_)) => return to(&["calls", text]),
            Ok(None) => {}
            Err(failure) => return unavailable(&failure),
        }
    }
    // Services are those that had calls in the last days.
    let from = Moment::from_milliseconds(now.milliseconds.saturating_sub(31 * day));
    let Some((from, to_now)) = from.zip(Moment::from_milliseconds(now.milliseconds + day)) else {
        return nothing(text);
    };
    let figures = desk.calls.figures(Span { from, to: to_now }, ringback::history::read::By::Day, now).await;
    let mut services: Vec<(String, String)> = match figures {
        Ok(figures) => figures.into_iter().map(|(period, _)| (period.provider, period.service)).collect(),
        Err(failure) => return unavailable(&failure),
    };
    services.sort();
    services.dedup();
    for (provider, service) in services {
        let key = UserKey { provider: provider.clone(), service: service.clone(), user: text.to_owned() };
        match desk.calls.users_calls(&key, false, &one, now).await {
            Ok(found) if !found.rows.is_empty() => return to(&["users", &provider, &service, text]),
            Ok(_) => {}
            Err(failure) => return unavailable(&failure),
        }
        match desk.calls.rooms_calls(&provider, &service, text, &one, now).await {
            Ok(found) if !found.rows.is_empty() => return to(&["rooms", &provider, &service, text]),
            Ok(_) => {}
            Err(failure) => return unavailable(&failure),
        }
    }
    nothing(text)
}

fn to(path: &[&str]) -> Response {
    let path: String = path.iter().map(|part| format!("/{}", words::encoded(part))).collect();
    Redirect::to(&path).into_response()
}

fn nothing(text: &str) -> Response {
    let what = html! {
        p { "No call, user or room is called " bdi { strong { (text) } } "." }
        p { "A call is found by its whole session id, a user or a room by its whole id." }
    };
    problem(StatusCode::NOT_FOUND, "Nothing found", &what)
}

#[cfg(test)]
mod tests {
    use ringback::call::model::Media;

    use super::*;

    #[test]
    fn a_filter_is_read_as_the_form_sends_it() {
        let asked = Asked {
            from: "2026-11-28T06:00".into(),
            to: "2026-11-28T07:00".into(),
            outcome: "answered_elsewhere".into(),
            media: "video".into(),
            ..Asked::default()
        };
        let wanted = asked.wanted(Arrival { milliseconds: 1 }).unwrap_or_else(|field| panic!("{field}"));
        assert_eq!(wanted.span.to.milliseconds() - wanted.span.from.milliseconds(), 3_600_000);
        assert_eq!(wanted.filter.outcome, Some(Outcome::AnsweredElsewhere));
        assert_eq!(wanted.filter.media, Some(Media::Video));
        assert!(asked.query().starts_with("from=2026"));
        let wrong = |change: fn(&mut Asked)| {
            let mut asked = asked.clone();
            change(&mut asked);
            asked.wanted(Arrival { milliseconds: 1 }).err()
        };
        assert_eq!(wrong(|asked| asked.from = "2026-11-28T08:00".into()), Some("from"));
        assert_eq!(wrong(|asked| asked.to = "soon".into()), Some("to"));
        assert_eq!(wrong(|asked| asked.kind = "trio".into()), Some("kind"));
        assert_eq!(wrong(|asked| asked.cursor = "?".into()), Some("cursor"));
    }
}
