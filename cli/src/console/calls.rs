//! The list of calls with its filter, and the table of calls that other pages show too.

use maud::{Markup, html};
use ringback::call::model::Status;
use ringback::history::read::{Cursor, Rows};
use ringback::history::row::CallRow;

use super::query::Asked;
use super::{people, reasons, words};

const COLUMNS: [&str; 7] = ["When", "Caller → Callee", "Outcome", "Rang", "Talked", "Ended by", "Why"];

pub(super) fn main(asked: &Asked, found: &Rows<CallRow>) -> Markup {
    html! {
        div.title { h1 { "Calls" } a href=(asked.address("/calls.csv", None)) { "CSV of this list" } }
        (asked.form())
        @if asked.from.trim().is_empty() && asked.to.trim().is_empty() { p.quiet { "Of the last 24 hours." } }
        section.card { (table(&found.rows, "Calls", found.next.is_some())) }
        (older(asked, "/calls", found.next.as_ref()))
    }
}

/// The way to the next page.
pub(super) fn older(asked: &Asked, path: &str, next: Option<&Cursor>) -> Markup {
    html! {
        @if next.is_some() || !asked.cursor.is_empty() {
            nav.paging aria-label="Parts of the list" {
                @if !asked.cursor.is_empty() { a href=(asked.address(path, None)) { "Newest" } }
                @if let Some(next) = next { a href=(asked.address(path, Some(next))) { "Older calls" } }
            }
        }
    }
}

/// Calls, one a line. On a narrow screen each is a card, so that the roles are said again: a browser forgets
/// them with the layout of a table.
pub(super) fn table(rows: &[CallRow], name: &str, goes_on: bool) -> Markup {
    html! {
        @if rows.is_empty() { (none(goes_on)) } @else {
            table.cards role="table" aria-label=(name) {
                thead role="rowgroup" {
                    tr role="row" {
                        @for column in COLUMNS { th role="columnheader" scope="col" { (column) } }
                    }
                }
                tbody role="rowgroup" { @for row in rows { (line(row)) } }
            }
        }
    }
}

/// A page without calls. With a filter, a list is read in parts that may have none.
pub(super) fn none(goes_on: bool) -> Markup {
    html! {
        p.quiet {
            @if goes_on { "None of the newest calls is one of these. There may be older ones." }
            @else { "There are no calls here." }
        }
    }
}

fn line(row: &CallRow) -> Markup {
    let [_, who, outcome, rang, talked, ended_by, why] = COLUMNS;
    // A room does not ring.
    let rang_s = row.ring_s.filter(|_| row.caller.is_some() || !row.callees.is_empty());
    let talked_s = row.talk_s.filter(|seconds| *seconds > 0);
    html! {
        tr role="row" {
            td.when role="cell" {
                a href={ "/calls/" (people::part(&row.sid)) } { (words::moment(row.at)) }
                span.quiet.kind { (words::kind(row.kind)) " " (words::media(row.media)) }
            }
            td.who role="cell" data-label=(who) { (people::between(row)) }
            td role="cell" data-label=(outcome) { (words::outcome(row.outcome, Some(row.status))) }
            td.number role="cell" data-label=(rang) { (rang_s.map(words::seconds).unwrap_or_default()) }
            td.number role="cell" data-label=(talked) { (talked_s.map(words::seconds).unwrap_or_default()) }
            td role="cell" data-label=(ended_by) {
                @if row.status == Status::Ended { (row.released_by.map(words::releaser).unwrap_or_default()) }
            }
            td.why role="cell" data-label=(why) { (reasons::why(&row.reason)) }
        }
    }
}
