//! One call: what it was, what happened in it, who was in it, and every callback as it came.

use maud::{Markup, html};
use ringback::call::model::{Moment, Person, Status};
use ringback::history::call::StoredCall;
use ringback::history::read::participants::{self, OddCount, Part};
use serde_json::{Map, Value, json};

use super::{people, reasons, words};

/// Points of the timeline at most; every callback is in the list below it.
const POINTS: usize = 40;

type Item = Map<String, Value>;

/// A call and its callbacks.
pub(super) struct Story {
    pub(super) item: Item,
    pub(super) call: StoredCall,
    pub(super) events: Vec<Item>,
    /// There are more callbacks than were read.
    pub(super) more: bool,
}

struct Point {
    at: Option<Moment>,
    /// The place on the line; of what has no time, when it was received.
    order: Option<Moment>,
    class: &'static str,
    what: Markup,
}

impl Story {
    /// Everything as JSON.
    pub(super) fn json(&self) -> Value {
        json!({ "call": self.item, "events": self.events, "complete": !self.more })
    }

    fn points(&self) -> Vec<Point> {
        let point = |at, class, what| Point { at, order: at, class, what };
        let call = &self.call;
        let mut points = Vec::new();
        let told = self.events.iter().filter(|event| text(event, "callback") != "call_event");
        let told = told.filter(|event| text(event, "what") != "ended").take(POINTS);
        for event in told {
            let who: Option<Person> =
                event.get("who").and_then(|who| serde_json::from_value(who.clone()).ok());
            let what = html! {
                (text(event, "what").replace('_', " "))
                @if let Some(who) = who { " " (people::person(&who, &call.provider, call.service())) }
            };
            let at = moment(event, "at");
            let order = at.or_else(|| moment(event, "received_at"));
            points.push(Point { at, order, class: "event", what });
        }
        // The people's own events tell what happened in a room.
        let between_two = !call.is_line_group();
        if let Some(at) = call.setup_at.filter(|_| between_two) {
            points.push(point(Some(at), "begin", html! { "called" }));
        }
        if let Some(at) = call.started_at.filter(|_| between_two) {
            let what = html! {
                @if let Some(rang) = call.ring_s() { "rang " (words::seconds(rang)) ", " }
                "answered"
            };
            points.push(point(Some(at), "answered", what));
        }
        if call.status == Status::Ended {
            let what = html! {
                @if let (None, Some(rang)) = (call.started_at, call.ring_s()) {
                    "rang " (words::seconds(rang)) ", "
                }
                "ended"
                @if let Some(by) = call.released_by { " by the " (words::releaser(by).to_lowercase()) }
                @if !call.reason.is_empty() { " (" (reasons::why(&call.reason)) ")" }
            };
            points.push(point(call.ended_at, "end", what));
        }
        // Equal times stay in the order of the list; what has no time comes last.
        points.sort_by_key(|point| point.order.map_or(u64::MAX, Moment::milliseconds));
        points
    }
}

fn text<'a>(event: &'a Item, name: &str) -> &'a str {
    event.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn moment(event: &Item, name: &str) -> Option<Moment> {
    event.get(name).and_then(Value::as_u64).and_then(Moment::from_milliseconds)
}

pub(super) fn main(story: &Story) -> Markup {
    let call = &story.call;
    let address = format!("/calls/{}", people::part(&call.sid));
    html! {
        div.title {
            h1 { (words::kind(call.kind)) " " (words::media(call.media)) " call" }
            (words::outcome(call.outcome, Some(call.status)))
        }
        p.sid { span.quiet { "Session " } bdi { (call.sid) } " " a href=(address) { "Permalink" } }
        section.card aria-label="Summary" { (summary(story)) }
        section.card aria-labelledby="timeline" { h2 #timeline { "Timeline" } (timeline(story)) }
        section.card aria-labelledby="people" { h2 #people { "People" } (people_table(story)) }
        section.card aria-labelledby="callbacks" {
            div.title {
                h2 #callbacks { "Callbacks, as they came" }
                a href={ (address) "/json" } { "JSON of the call" }
            }
            (callbacks(story))
        }
    }
}

fn summary(story: &Story) -> Markup {
    let call = &story.call;
    let service = call.service();
    let named = |people: &[Person]| {
        html! { @for (index, each) in people.iter().enumerate() {
            @if index > 0 { ", " } (people::person(each, &call.provider, service))
        } }
    };
    let callees: Vec<Person> = call.callee.iter().chain(&call.callees).cloned().collect();
    let odd = if call.is_line_group() { participants::odd_counts(&story.events) } else { Vec::new() };
    html! {
        dl {
            (entry("Vendor", html! { (words::provider(&call.provider)) }))
            (entry("Service", people::text(service)))
            @if let Some(caller) = &call.caller { (entry("Caller", named(std::slice::from_ref(caller)))) }
            @if !callees.is_empty() { (entry("Callee", named(&callees))) }
            @if let Some(host) = &call.host { (entry("Host", named(std::slice::from_ref(host)))) }
            @if let Some(room) = &call.room { (entry("Room", people::room(room, &call.provider, service))) }
            @if let Some(at) = call.at() { (entry("When", words::moment(at))) }
            @if let Some(rang) = call.ring_s().filter(|_| !call.is_line_group()) {
                (entry("Rang", html! { (words::seconds(rang)) }))
            }
            @if let Some(talk) = call.duration_s { (entry("Talked", html! { (words::seconds(talk)) })) }
            @if let Some(by) = call.released_by { (entry("Ended by", html! { (words::releaser(by)) })) }
            @for (family, code) in &call.reason {
                (entry(family, reasons::named(family, &reasons::shown(code))))
            }
            @if let Some(online) = call.online.filter(|_| call.status != Status::Ended) {
                (entry("Online", html! { (online) }))
            }
        }
        @for OddCount { at, online, .. } in &odd {
            p.odd {
                span.badge.silent { "odd" } " The vendor counted " bdi { (online.reveal()) } " people online"
                @if let Some(at) = at { " at " (words::clock(*at)) } "."
            }
        }
    }
}

fn entry(name: &str, value: Markup) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

fn timeline(story: &Story) -> Markup {
    let points = story.points();
    let first = points.iter().find_map(|point| point.at);
    html! {
        ol.timeline {
            @for point in &points {
                li class=(point.class) {
                    span.what { (point.what) }
                    @if let Some(at) = point.at {
                        span.at {
                            (words::clock(at))
                            @if let Some(later) = first.and_then(|first| passed(first, at)) { " · +" (later) }
                        }
                    }
                }
            }
        }
        @if story.events.len() > POINTS || story.more {
            p.quiet { "The timeline shows the first " (POINTS) " events. All callbacks are below." }
        }
    }
}

fn passed(first: Moment, at: Moment) -> Option<String> {
    let milliseconds = at.milliseconds().checked_sub(first.milliseconds())?;
    (milliseconds > 0).then(|| words::seconds(milliseconds / 1_000))
}

fn people_table(story: &Story) -> Markup {
    let people = participants::participants(&story.item, &story.events);
    html! {
        @if people.is_empty() { p.quiet { "The vendor names nobody." } } @else {
            div.scroll tabindex="0" role="region" aria-label="People in the call" {
                table {
                    thead { tr {
                        th scope="col" { "Person" } th scope="col" { "Part" } th scope="col" { "Outcome" }
                        th scope="col" { "Came" } th scope="col" { "Left" } th.number scope="col" { "Talked" }
                    } }
                    tbody { @for part in &people { (participant(story, part)) } }
                }
            }
            @if story.more { p.quiet { "There may be more people: not every callback was read." } }
        }
    }
}

fn participant(story: &Story, part: &Part) -> Markup {
    let at = |at: Option<u64>| at.and_then(Moment::from_milliseconds).map(words::clock).unwrap_or_default();
    html! {
        tr {
            th scope="row" { (people::person(&part.person, &story.call.provider, story.call.service())) }
            td.word { (part.role) }
            td { @if part.outcome.is_some() { (words::outcome(part.outcome, None)) } }
            td.lines { @for stay in &part.stays { span { (at(Some(stay.came))) } } }
            td.lines { @for stay in &part.stays { span { (at(stay.left)) @if stay.left.is_none() { "–" } } } }
            td.number { (part.talk_s.map(words::seconds).unwrap_or_default()) }
        }
    }
}

fn callbacks(story: &Story) -> Markup {
    html! {
        @if story.events.is_empty() { p.quiet { "No callback is kept." } }
        @for event in &story.events {
            details {
                summary {
                    span.at { (moment(event, "at").map(words::clock).unwrap_or_default()) }
                    " " (text(event, "what").replace('_', " "))
                    " " span.quiet { (text(event, "callback")) }
                }
                (raw(event))
            }
        }
        @if story.more { p.quiet { "There are more callbacks. The JSON has them all." } }
    }
}

/// A callback's parameters, as the vendor sent them.
fn raw(event: &Item) -> Markup {
    let shown = serde_json::to_string_pretty(event.get("vendor").unwrap_or(&Value::Null)).unwrap_or_default();
    let received = moment(event, "received_at");
    html! {
        @if let Some(at) = received { p.quiet { "Received " (words::moment(at)) } }
        pre tabindex="0" role="group" aria-label="What the vendor sent" { bdi { (shown) } }
    }
}
