//! The overview: the figures of the last 24 hours, what is live, and the newest calls.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, PreEscaped, html};
use ringback::call::model::{Arrival, Moment};
use ringback::history::figures::{Figures, Period};
use ringback::history::read::Span;
use ringback::history::read::days::{HOUR_MILLISECONDS, day_of, hour_of, rfc3339};
use ringback::history::read::live::LiveCall;
use ringback::history::row::CallRow;

use super::{calls, chart, layout, people, reasons, words};

/// Hours that the overview is about; the last one is not over.
const HOURS: u64 = 24;
/// Reasons shown.
const REASONS: usize = 8;

/// Outcomes that one colour of the chart stands for, and its words.
pub(super) const GROUPS: [(&str, &[&str]); 5] = [
    ("Answered", &["answered", "answered_elsewhere"]),
    ("Missed", &["missed"]),
    ("Rejected, busy, canceled", &["rejected", "busy", "canceled"]),
    ("Failed or unknown", &["failed", "unknown"]),
    ("Not over", &["open"]),
];

/// What the overview shows.
pub(super) struct Overview {
    pub(super) now: Moment,
    pub(super) span: Span,
    pub(super) hours: Vec<Hour>,
    pub(super) live: Vec<LiveCall>,
    pub(super) newest: Vec<CallRow>,
}

/// The figures of one hour, over all services.
pub(super) struct Hour {
    begin: Moment,
    pub(super) figures: Figures,
}

impl Hour {
    pub(super) fn label(&self) -> String {
        format!("{:02}:00", hour_of(self.begin))
    }

    /// Calls by [`GROUPS`].
    pub(super) fn groups(&self) -> [i64; GROUPS.len()] {
        GROUPS.map(|(_, outcomes)| counted(&self.figures, outcomes))
    }
}

/// From the beginning of an hour until now.
pub(super) fn span(now: Arrival) -> Span {
    let hour = now.milliseconds - now.milliseconds % HOUR_MILLISECONDS;
    let moment = |at| Moment::from_milliseconds(at).unwrap_or(Moment::LATEST);
    Span { from: moment(hour - (HOURS - 1) * HOUR_MILLISECONDS), to: moment(now.milliseconds + 1) }
}

/// The figures hour by hour, also of hours without calls.
pub(super) fn hours(span: Span, found: Vec<(Period, Figures)>) -> Vec<Hour> {
    let mut sums: BTreeMap<(String, u8), Figures> = BTreeMap::new();
    // One family for each service: others say the same again in other numbers.
    let says_most =
        |reason: &String| reason.starts_with("disconnect_reason:") || reason.starts_with("call_result:");
    let service_of = |period: &Period| (period.provider.clone(), period.service.clone());
    let with_main_family = found.iter().filter(|(_, figures)| figures.reasons.keys().any(says_most));
    let with_main_family: BTreeSet<_> = with_main_family.map(|(period, _)| service_of(period)).collect();
    for (period, mut figures) in found {
        if with_main_family.contains(&service_of(&period)) {
            figures.reasons.retain(|reason, _| says_most(reason));
        }
        sums.entry((period.day, period.hour.unwrap_or_default())).or_default().add(&figures, 1);
    }
    let begins = (0..HOURS).map(|index| span.from.milliseconds() + index * HOUR_MILLISECONDS);
    let hour = |begin: Moment| {
        let figures = sums.remove(&(day_of(begin), hour_of(begin))).unwrap_or_default();
        Hour { begin, figures }
    };
    begins.filter_map(Moment::from_milliseconds).map(hour).collect()
}

fn counted(figures: &Figures, outcomes: &[&str]) -> i64 {
    outcomes.iter().filter_map(|outcome| figures.outcomes.get(*outcome)).sum()
}

pub(super) fn main(shown: &Overview) -> Markup {
    let mut sum = Figures::default();
    for hour in &shown.hours {
        sum.add(&hour.figures, 1);
    }
    html! {
        div.title {
            h1 { "Last 24 hours" }
            (layout::freshness("/", &words::clock(shown.now)))
        }
        section.tiles aria-label="Figures" data-live="tiles" { (tiles(&sum, shown)) }
        div.columns {
            section.card data-live="hours" aria-labelledby="hours" {
                h2 #hours { "Outcomes by hour" }
                (by_hour(&shown.hours))
            }
            section.card data-live="reasons" aria-labelledby="reasons" {
                h2 #reasons { "Why calls ended" }
                (why(&sum))
            }
        }
        section.card data-live="newest" aria-labelledby="newest" {
            div.title { h2 #newest { "Newest calls" } a href=(list(shown.span, "")) { "All calls" } }
            (calls::table(&shown.newest, "Newest calls", false))
        }
    }
}

/// The list of the calls that the figures count.
fn list(span: Span, filter: &str) -> String {
    let from = rfc3339(span.from).unwrap_or_default();
    // As a field for times has it: without seconds.
    let from = from.get(..16).unwrap_or_default();
    format!("/calls?from={}{filter}", people::part(from))
}

fn tiles(sum: &Figures, Overview { live, span, .. }: &Overview) -> Markup {
    let missed = counted(sum, &["missed"]);
    let rate = sum.answer_rate().map_or("–".to_owned(), |rate| format!("{:.0} %", rate * 100.0));
    let silent: Vec<u64> = live.iter().filter(|live| live.stale).map(|live| live.quiet_s).collect();
    html! {
        (tile(&list(*span, ""), "Calls", &words::number(sum.calls), ""))
        (tile(&list(*span, "&outcome=answered"), "Answered", &rate, "of the calls that ended"))
        (tile(&list(*span, "&outcome=missed"), "Missed", &words::number(missed), ""))
        (tile("", "Talk", &words::number(sum.talk_s / 60), "minutes"))
        (tile("/live", "Live now", &words::number(i64::try_from(live.len()).unwrap_or(i64::MAX)), &{
            silent.iter().max().map_or(String::new(), |longest| {
                let up_to = if silent.len() > 1 { "up to " } else { "" };
                format!("{} silent for {up_to}{}", silent.len(), words::about(*longest))
            })
        }))
    }
}

fn tile(address: &str, name: &str, number: &str, detail: &str) -> Markup {
    html! {
        div.tile {
            p.name { @if address.is_empty() { (name) } @else { a href=(address) { (name) } } }
            p.number { (number) }
            p.detail { (detail) }
        }
    }
}

fn by_hour(hours: &[Hour]) -> Markup {
    let calls: i64 = hours.iter().map(|hour| hour.figures.calls).sum();
    let busiest = hours.iter().max_by_key(|hour| hour.figures.calls);
    let said = busiest.filter(|_| calls > 0).map_or("No calls in the last 24 hours.".to_owned(), |busiest| {
        let most = words::number(busiest.figures.calls);
        format!("{} calls; the busiest hour began at {}, with {most}.", words::number(calls), busiest.label())
    });
    html! {
        ul.legend {
            @for (index, (name, _)) in GROUPS.iter().enumerate() { li class={ "group" (index) } { (name) } }
            li.rate { "Answer rate" }
        }
        div.scroll tabindex="0" role="region" aria-label="Chart of outcomes by hour" {
            div.chart role="img"
                aria-label={ "Outcomes by hour. " (said) " The table below has every number." }
            {
                (PreEscaped(chart::outcomes_by_hour(hours)))
            }
        }
        details {
            summary { "The same as a table" }
            div.scroll tabindex="0" role="region" aria-label="Outcomes by hour as a table" {
                table {
                    thead {
                        tr {
                            th scope="col" { "Hour" }
                            @for (name, _) in GROUPS { th.number scope="col" { (name) } }
                            th.number scope="col" { "Answer rate" }
                        }
                    }
                    tbody {
                        @for hour in hours.iter().filter(|hour| hour.figures.calls != 0) {
                            tr {
                                th scope="row" { (hour.label()) }
                                @for count in hour.groups() { td.number { (words::number(count)) } }
                                td.number {
                                    @match hour.figures.answer_rate() {
                                        Some(rate) => { (format!("{:.0} %", rate * 100.0)) }
                                        None => "–",
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        p.links { a href="/figures.csv" { "CSV of these figures" } }
    }
}

fn why(sum: &Figures) -> Markup {
    let mut reasons: Vec<(&String, i64)> =
        sum.reasons.iter().map(|(reason, count)| (reason, *count)).collect();
    reasons.retain(|(_, count)| *count > 0);
    reasons.sort_by_key(|(reason, count)| (std::cmp::Reverse(*count), *reason));
    let most = reasons.first().map_or(1, |(_, count)| *count);
    html! {
        @if reasons.is_empty() { p.quiet { "No call has ended with a reason." } }
        ol.reasons {
            @for (reason, count) in reasons.iter().take(REASONS) {
                @let (family, code) = reason.split_once(':').unwrap_or((reason.as_str(), ""));
                li {
                    (reasons::named(family, code))
                    span.count { (words::number(*count)) }
                    svg.bar viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true" {
                        rect width="100" height="4" {}
                        rect.part width=(count * 100 / most) height="4" {}
                    }
                }
            }
        }
    }
}
