//! The first page: the last 24 hours in figures. And the calls that go on.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use ringback::aws::Failure;
use ringback::call::model::{Arrival, Moment};
use ringback::history::figures::{Figures, Period};
use ringback::history::read::live::{LiveCall, live_calls};
use ringback::history::read::{By, Filter, Page as Part, ReadCalls, Span, days};
use ringback::history::row::CallRow;
use serde::Deserialize;

use super::chart::{self, Hour};
use super::pages::{Page, Place, figure, scrolling};
use super::{Desk, calls, clock, unavailable, words};

const HOURS: u64 = 24;
const NEWEST: u32 = 10;
/// Families whose codes say why a call ended; the others repeat them.
const WHY: [&str; 3] = ["disconnect_reason", "call_result", "call_end_reason"];
const REASONS: usize = 8;

#[derive(Debug, Deserialize)]
pub(super) struct Stillness {
    still: Option<String>,
}

/// What the first page shows.
struct Day {
    figures: Vec<(Period, Figures)>,
    live: Vec<LiveCall>,
    newest: Vec<CallRow>,
    span: Span,
}

async fn read(desk: &Desk, now: Arrival) -> Result<Option<Day>, Failure> {
    // Whole hours, this one included.
    let hour = days::HOUR_MILLISECONDS;
    let to = (now.milliseconds / hour + 1) * hour;
    let moments = Moment::from_milliseconds(to - HOURS * hour).zip(Moment::from_milliseconds(to));
    let Some((from, to)) = moments else { return Ok(None) };
    let span = Span { from, to };
    let part = Part { limit: NEWEST, after: None };
    let nothing = Filter::default();
    let (figures, live, newest) = tokio::try_join!(
        desk.calls.figures(span, By::Hour, now),
        desk.calls.live(now),
        desk.calls.calls(span, &nothing, &part, now),
    )?;
    let live = live_calls(live, desk.stale_hours, now);
    Ok(Some(Day { figures, live, newest: newest.rows, span }))
}

pub(super) async fn overview(State(desk): State<Arc<Desk>>, Query(stillness): Query<Stillness>) -> Response {
    match read(&desk, clock()).await {
        Ok(Some(day)) => {
            let page =
                Page { title: "Overview", place: Place::Overview, refreshes: stillness.still.is_none() };
            page.show(&desk, &body(&day)).into_response()
        }
        Ok(None) => super::problem(
            axum::http::StatusCode::INTERNAL_SERVER_ERROR,
            "The clock is wrong",
            &html! { p { "The clock of this machine shows no time that can be written." } },
        ),
        Err(failure) => unavailable(&failure),
    }
}

fn body(day: &Day) -> Markup {
    let mut sum = Figures::default();
    for (_, figures) in &day.figures {
        sum.add(figures, 1);
    }
    let count = |outcome: &str| sum.outcomes.get(outcome).copied().unwrap_or_default();
    let rate = sum.answer_rate().map_or("–".to_owned(), |rate| format!("{:.0} %", rate * 100.0));
    let silent: Vec<u64> = day.live.iter().filter(|live| live.stale).map(|live| live.quiet_s).collect();
    let silence = silent.iter().max().map_or(String::new(), |longest| {
        format!("{} silent, for up to {}", silent.len(), words::length(*longest))
    });
    html! {
        h1 { "The last 24 hours" }
        dl .figures {
            (figure("Calls", &sum.calls.to_string(), ""))
            (figure("Answered", &rate, &format!("{} calls", count("answered") + count("answered_elsewhere"))))
            (figure("Missed", &count("missed").to_string(), &format!("{} canceled", count("canceled"))))
            (figure("Talk", &format!("{:.0} min", sum.talk_minutes()), ""))
            (figure("Live now", &day.live.len().to_string(), &silence))
        }
        section aria-labelledby="hours" {
            h2 #hours { "Outcomes by hour" }
            (chart::outcomes(&hours(day)))
        }
        div .columns {
            section aria-labelledby="reasons" {
                h2 #reasons { "Why calls ended" }
                (reasons(&sum))
            }
            section aria-labelledby="newest" {
                h2 #newest { "Newest calls" }
                (calls::short_list(&day.newest))
                p { a href="/calls" { "All calls" } }
            }
        }
    }
}

/// Each hour of the span, also those without a call.
fn hours(day: &Day) -> Vec<Hour> {
    let mut sums: BTreeMap<(&str, u8), Figures> = BTreeMap::new();
    for (period, figures) in &day.figures {
        if let Some(hour) = period.hour {
            sums.entry((&period.day, hour)).or_default().add(figures, 1);
        }
    }
    let first = day.span.from.milliseconds();
    let moments =
        (0..HOURS).filter_map(|hour| Moment::from_milliseconds(first + hour * days::HOUR_MILLISECONDS));
    moments
        .map(|moment| {
            let (date, hour) = (days::day_of(moment), days::hour_of(moment));
            let none = Figures::default();
            let figures = sums.get(&(date.as_str(), hour)).unwrap_or(&none);
            let count = |outcome: &str| figures.outcomes.get(outcome).copied().unwrap_or_default();
            let (answered, missed, open) =
                (count("answered") + count("answered_elsewhere"), count("missed"), count("open"));
            Hour {
                name: format!("{hour:02}:00"),
                answered,
                missed,
                others: figures.calls - answered - missed - open,
                open,
                rate: figures.answer_rate(),
            }
        })
        .collect()
}

fn reasons(sum: &Figures) -> Markup {
    let mut reasons: Vec<(i64, String)> = Vec::new();
    for (name, count) in &sum.reasons {
        if let Some((family, code)) = name.split_once(':').filter(|(family, _)| WHY.contains(family)) {
            reasons.push((*count, words::code(family, code)));
        }
    }
    reasons.sort_by(|a, b| (b.0, &a.1).cmp(&(a.0, &b.1)));
    let most = reasons.first().map_or(1, |(count, _)| *count).max(1);
    html! {
        @if reasons.is_empty() { p .empty { "No call has ended." } } @else {
            ol .reasons {
                @for (count, reason) in reasons.iter().take(REASONS) { li {
                    span .name { (reason) } span .count { (count) }
                    progress value=(count) max=(most) aria-hidden="true" {}
                } }
            }
        }
    }
}

pub(super) async fn live(State(desk): State<Arc<Desk>>, Query(stillness): Query<Stillness>) -> Response {
    let now = clock();
    match desk.calls.live(now).await {
        Ok(calls) => {
            let page = Page { title: "Live", place: Place::Live, refreshes: stillness.still.is_none() };
            page.show(&desk, &live_body(&live_calls(calls, desk.stale_hours, now))).into_response()
        }
        Err(failure) => unavailable(&failure),
    }
}

fn live_body(live: &[LiveCall]) -> Markup {
    let table = html! {
        table {
            thead { tr {
                @for name in ["Room or people", "State", "Since", "Last event"] { th scope="col" { (name) } }
                th .number scope="col" { "Online" }
                th scope="col" { "Call" }
            } }
            tbody { @for LiveCall { call, quiet_s, stale } in live { tr {
                td { (calls::parties(call)) }
                td { (words::state(call.outcome, Some(call.status))) }
                td { (words::moment(call.at)) }
                td {
                    @if *stale { span .state.silent { "silent for " (words::length(*quiet_s)) } }
                    @else { (words::length(*quiet_s)) " ago" }
                }
                td .number { (call.online.map_or("–".to_owned(), |online| online.to_string())) }
                td { (calls::link(call)) }
            } } }
        }
    };
    html! {
        h1 { "Live" }
        p .note {
            "Rooms and calls whose end the vendor has not told. One-to-one calls of LINE are never here: LINE tells "
            "only of their end."
        }
        @if live.is_empty() { p .empty { "Nobody is talking at the moment." } }
        @else { (scrolling("Live calls", &table)) }
    }
}
