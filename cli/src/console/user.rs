//! The history of one user, and the sessions of one room.

use maud::{Markup, html};
use ringback::call::model::Outcome;
use ringback::history::key::UserKey;
use ringback::history::read::Rows;
use ringback::history::row::{CallRow, Direction, EndedBy, UserRow};

use super::query::Asked;
use super::{calls, people, reasons, words};

const COLUMNS: [&str; 7] = ["When", "With", "Outcome", "Rang", "Talked", "Ended by", "Why"];

pub(super) fn path(user: &UserKey) -> String {
    format!(
        "/users/{}/{}/{}",
        people::part(&user.provider),
        people::part(&user.service),
        people::part(&user.user)
    )
}

pub(super) fn main(user: &UserKey, asked: &Asked, found: &Rows<UserRow>) -> Markup {
    let path = path(user);
    let talk: u64 = found.rows.iter().filter_map(|row| row.talk_s).sum();
    let missed = found.rows.iter().filter(|row| row.missed).count();
    let rows = found.rows.len();
    html! {
        div.title {
            h1 { bdi.wrap { (user.user) } }
            a href=(asked.address(&format!("{path}/csv"), None)) { "CSV of this list" }
        }
        p.quiet { "User of " (words::provider(&user.provider)) ", service " (people::text(&user.service)) }
        nav.choice aria-label="Which calls" {
            a href=(path) aria-current=[(!asked.missed()).then_some("true")] { "All calls" }
            a href={ (path) "?missed=true" } aria-current=[asked.missed().then_some("true")] { "Missed" }
        }
        @if rows > 0 {
            p { "On this page: calls " (rows) ", missed " (missed) ", talk " (words::seconds(talk)) "." }
        }
        section.card { (table(found)) }
        (calls::older(asked, &path, found.next.as_ref()))
    }
}

fn table(found: &Rows<UserRow>) -> Markup {
    html! {
        @if found.rows.is_empty() { (calls::none(found.next.is_some())) } @else {
            table.cards role="table" aria-label="The user’s calls" {
                thead role="rowgroup" {
                    tr role="row" {
                        @for column in COLUMNS { th role="columnheader" scope="col" { (column) } }
                    }
                }
                tbody role="rowgroup" { @for row in &found.rows { (line(row)) } }
            }
        }
    }
}

fn line(row: &UserRow) -> Markup {
    let [_, with, outcome, rang, talked, ended_by, why] = COLUMNS;
    let service = row.room.as_ref().and_then(|room| room.service_id.as_deref()).unwrap_or("-");
    html! {
        tr.missed[row.missed] role="row" {
            td.when role="cell" {
                a href={ "/calls/" (people::part(&row.sid)) } { (words::moment(row.at)) }
                span.quiet.kind {
                    (match row.direction {
                        Direction::Out => "Outgoing",
                        Direction::In => "Incoming",
                        Direction::Joined => "Joined",
                    }) " " (words::media(row.media))
                }
            }
            td.who role="cell" data-label=(with) {
                @for (index, each) in row.with.iter().take(4).enumerate() {
                    @if index > 0 { ", " } (people::person(each, &row.provider, service))
                }
                @if row.with.len() > 4 { " and " (row.with.len() - 4) " more" }
                @if let Some(room) = &row.room {
                    span.quiet { " room " }
                    (people::room(room, &row.provider, service))
                }
            }
            td role="cell" data-label=(outcome) {
                @if row.outcome.is_some() || row.status.is_some() {
                    (words::outcome(row.outcome, row.status))
                }
                @if row.missed && row.outcome != Some(Outcome::Missed) { " " span.badge.missed { "missed" } }
            }
            td.number role="cell" data-label=(rang) { (row.ring_s.map(words::seconds).unwrap_or_default()) }
            td.number role="cell" data-label=(talked) {
                (row.talk_s.filter(|talk| *talk > 0).map(words::seconds).unwrap_or_default())
            }
            td role="cell" data-label=(ended_by) {
                (match row.ended_by {
                    Some(EndedBy::Me) => "This user",
                    Some(EndedBy::Them) => "The others",
                    Some(EndedBy::Server) => "A server",
                    None => "",
                })
            }
            td.why role="cell" data-label=(why) { (reasons::why(&row.reason)) }
        }
    }
}

/// A room's sessions. `path` is the page's own.
pub(super) fn room(
    [provider, service, room]: [&str; 3],
    path: &str,
    asked: &Asked,
    found: &Rows<CallRow>,
) -> Markup {
    html! {
        div.title {
            h1 { "Room " bdi.wrap { (room) } }
            a href={ (path) "/csv" } { "CSV of this list" }
        }
        p.quiet { "Of " (words::provider(provider)) ", service " (people::text(service)) }
        section.card { (calls::table(&found.rows, "Sessions of the room", found.next.is_some())) }
        (calls::older(asked, path, found.next.as_ref()))
    }
}
