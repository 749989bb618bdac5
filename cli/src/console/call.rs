//! One call: what became of it, its line of events, its people, and every callback as it came.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use ringback::call::model::{Kind, Moment, Person, SessionId};
use ringback::history::call::StoredCall;
use ringback::history::read::stays::Stay;
use ringback::history::read::{LARGEST_PAGE, Page as Part, ReadCalls, Rows, participants};
use ringback::history::rows::list_row;
use serde_json::{Map, Value};

use super::pages::{Page, Place, figure, scrolling};
use super::{Desk, calls, clock, problem, unavailable, words};

type Members = Map<String, Value>;

pub(super) async fn call(State(desk): State<Arc<Desk>>, Path(sid): Path<String>) -> Response {
    let now = clock();
    let Some(session) = SessionId::parse(&sid) else { return unknown(&sid) };
    let part = Part { limit: LARGEST_PAGE, after: None };
    let read = tokio::try_join!(desk.calls.call(&session, now), desk.calls.events(&session, &part, now));
    match read {
        Ok((Some(item), events)) => {
            let page = Page { title: "Call", place: Place::Elsewhere, refreshes: false };
            page.show(&desk, &body(&item, &events)).into_response()
        }
        Ok((None, _)) => unknown(&sid),
        Err(failure) => unavailable(&failure),
    }
}

pub(super) async fn json(State(desk): State<Arc<Desk>>, Path(sid): Path<String>) -> Response {
    let now = clock();
    let Some(session) = SessionId::parse(&sid) else { return unknown(&sid) };
    let (mut part, mut items) = (Part { limit: LARGEST_PAGE, after: None }, Vec::new());
    loop {
        match desk.calls.events(&session, &part, now).await {
            Ok(found) => {
                items.extend(found.rows);
                part.after = found.next;
            }
            Err(failure) => return unavailable(&failure),
        }
        if part.after.is_none() {
            break;
        }
    }
    let text = serde_json::to_string_pretty(&items).unwrap_or_default();
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

fn unknown(sid: &str) -> Response {
    let what = html! {
        p { "No record of " bdi { code { (sid) } } " is kept. It may wait in the spool, have expired, or never have come." }
    };
    problem(StatusCode::NOT_FOUND, "No such call", &what)
}

fn body(item: &Members, events: &Rows<Members>) -> Markup {
    let call = serde_json::from_value::<StoredCall>(Value::Object(item.clone())).ok();
    let sid = item.get("sid").and_then(Value::as_str).unwrap_or_default();
    html! {
        @if let Some(call) = &call { (head(call)) } @else { h1 { "Call" } p .empty { "The item of this call cannot be read." } }
        section aria-labelledby="people" {
            h2 #people { "People" }
            (people(call.as_ref(), item, &events.rows))
        }
        section aria-labelledby="callbacks" {
            h2 #callbacks { "Callbacks" }
            p .actions {
                a .button href=(format!("/calls/{}/events.json", words::encoded(sid))) { "All as JSON" }
                span .note { "In the vendor's order of time, exactly as they came." }
            }
            ol .callbacks { @for event in &events.rows { li { (callback(event)) } } }
            @if events.next.is_some() { p .note { "The first " (events.rows.len()) " are shown. The JSON has all." } }
        }
        section aria-labelledby="item" {
            h2 #item { "The record" }
            details { summary { "The call's item" } pre tabindex="0" { (pretty(item)) } }
        }
    }
}

fn head(call: &StoredCall) -> Markup {
    let row = list_row(call);
    html! {
        p .kicker {
            (call.provider) " · " @if call.kind == Kind::Group { "group" } @else { "one-to-one" } " · "
            (words::media(call.media)) " · " bdi { code { (call.sid) } }
        }
        h1 .parties {
            @if let Some(row) = &row { (calls::parties(row)) }
            " " (words::state(call.outcome, Some(call.status)))
        }
        (timeline(call))
        dl .figures {
            (figure("Rang", &words::some_length(call.ring_s()), ""))
            (figure("Talked", &words::some_length(call.duration_s), ""))
            (figure("Ended by", words::released_by(call.released_by), ""))
            (figure("Online", &call.online.map_or("–".to_owned(), |online| online.to_string()), ""))
        }
        @if !call.reason.is_empty() {
            dl .codes { @for (family, code) in &call.reason {
                dt { (family) } dd { bdi { (words::code(family, &words::written(code))) } }
            } }
        }
    }
}

/// What happened, from left to right: called, rang, talked, ended.
fn timeline(call: &StoredCall) -> Markup {
    let (setup, started, ended) = (call.setup_at, call.started_at, call.ended_at);
    let between = |from: Option<Moment>, to: Option<Moment>| {
        let (from, to) = from.zip(to)?;
        Some(to.milliseconds().checked_sub(from.milliseconds())? / 1_000)
    };
    let why = words::why(&call.reason);
    let end = match (call.has_ended(), words::released_by(call.released_by)) {
        (false, _) => None,
        (true, "–") => Some("ended".to_owned()),
        (true, by) => Some(format!("ended by {by}")),
    };
    html! {
        ol .timeline aria-label="What happened" {
            li .called { span .what { "called" } @if let Some(at) = setup { (words::time_of_day(at)) } }
            @if let Some(seconds) = between(setup, started.or(ended)) {
                li .span { span { "rang " (words::length(seconds)) } }
            }
            @if let Some(at) = started {
                li .answered { span .what { "answered" } (words::time_of_day(at)) }
                @if let Some(seconds) = between(started, ended) {
                    li .span.talk { span { "talked " (words::length(seconds)) } }
                }
            }
            @match end {
                Some(end) => li .ended {
                    span .what { (end) }
                    @if let Some(at) = ended { (words::time_of_day(at)) }
                    @if let Some(why) = &why { span .why { (why) } }
                },
                None => li .open { span .what { "goes on" } },
            }
        }
    }
}

fn people(call: Option<&StoredCall>, item: &Members, events: &[Members]) -> Markup {
    let provider = item.get("provider").and_then(Value::as_str).unwrap_or_default();
    let service = call.map_or("-", StoredCall::service);
    let row = |who: &Person, role: &str, state: &Markup, stays: &[Stay], seconds: Option<u64>| {
        html! { tr {
            td { (words::person(provider, who, service)) }
            td { (role) }
            td { (state) }
            td { @for stay in stays { div { (span_of(stay)) } } @if stays.is_empty() { "–" } }
            td .number { (words::some_length(seconds)) }
        } }
    };
    let in_group = call.is_none_or(StoredCall::is_line_group);
    let table = html! {
        table {
            thead { tr {
                @for name in ["Who", "Part", "Outcome", "Came and left"] { th scope="col" { (name) } }
                th .number scope="col" { "Talked" }
            } }
            tbody {
                @if in_group {
                    @for who in participants::of_events(events) {
                        (row(&who.person, "joined", &html! { "–" }, &who.stays, who.talk_s))
                    }
                } @else {
                    @for who in call.map(StoredCall::participants).unwrap_or_default() {
                        @let stay = who.came.map(|came| Stay {
                            came: came.milliseconds(),
                            left: who.left.filter(|left| *left >= came).map(Moment::milliseconds),
                        });
                        @let stays: Vec<Stay> = stay.into_iter().collect();
                        (row(
                            &who.person, part(who.role), &words::state(who.outcome, call.map(|call| call.status)),
                            &stays, stays.first().and_then(Stay::milliseconds).map(|length| length / 1_000),
                        ))
                    }
                }
            }
        }
    };
    let odd = participants::odd_counts(events);
    html! {
        (scrolling("People", &table))
        @for count in odd {
            p .odd {
                "The vendor counted " bdi { code { (count.online.reveal()) } } " people online"
                @if let Some(at) = count.at { " at " (words::moment(at)) } ". That is odd, and kept as it came."
            }
        }
    }
}

fn part(role: ringback::call::Role) -> &'static str {
    match role {
        ringback::call::Role::Caller => "caller",
        ringback::call::Role::Callee => "callee",
        ringback::call::Role::Joined => "joined",
    }
}

fn span_of(stay: &Stay) -> Markup {
    let moment = |at: u64| Moment::from_milliseconds(at).map(words::time_of_day).unwrap_or_default();
    html! { (moment(stay.came)) " – " @match stay.left { Some(left) => (moment(left)), None => "?" } }
}

fn callback(event: &Members) -> Markup {
    let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
    let at = event.get("at").and_then(Value::as_u64).and_then(Moment::from_milliseconds);
    let who = event.get("who").and_then(|who| who.get("user_id")).and_then(Value::as_str);
    html! {
        details {
            summary {
                @match at { Some(at) => (words::moment(at)), None => span { "no time" } }
                " " strong { bdi { (text("what")) } }
                @if let Some(who) = who { " " bdi { (who) } }
                " " span .note { (text("callback").replace('_', " ")) }
            }
            pre tabindex="0" { (pretty(event)) }
        }
    }
}

fn pretty(members: &Members) -> String {
    serde_json::to_string_pretty(members).unwrap_or_default()
}
