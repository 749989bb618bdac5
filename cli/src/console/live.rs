//! Rooms and calls that have not ended.

use maud::{Markup, html};
use ringback::call::model::Moment;
use ringback::history::read::live::{LISTED_HOURS, LiveCall};

use super::{layout, people, words};

pub(super) fn main(live: &[LiveCall], stale_hours: u64, now: Moment) -> Markup {
    html! {
        div.title {
            h1 { "Live" }
            (layout::freshness("/live", &words::clock(now)))
        }
        section.card data-live="live" aria-label="Live rooms and calls" {
            @if live.is_empty() { p.quiet { "Nothing is live." } } @else { (table(live)) }
        }
        p.quiet {
            "A room without an event for more than " (stale_hours) " hours is marked as silent: the event of \
             its end may be lost. After " (LISTED_HOURS) " hours it is not listed any more. LINE reports a \
             one-to-one call only when it is over, so none of them is here. "
            a href="/live.csv" { "CSV of this list" }
        }
    }
}

fn table(live: &[LiveCall]) -> Markup {
    let columns = ["Since", "Room or call", "Online", "Last event", "State"];
    let [_, room, online, last, state] = columns;
    html! {
        table.cards role="table" aria-label="Live rooms and calls" {
            thead role="rowgroup" {
                tr role="row" { @for column in columns { th role="columnheader" scope="col" { (column) } } }
            }
            tbody role="rowgroup" {
                @for each in live {
                    tr role="row" {
                        td.when role="cell" {
                            a href={ "/calls/" (people::part(&each.call.sid)) } {
                                (words::moment(each.call.at))
                            }
                            span.quiet.kind {
                                (words::kind(each.call.kind)) " " (words::media(each.call.media))
                            }
                        }
                        td.who role="cell" data-label=(room) { (people::between(&each.call)) }
                        td.number role="cell" data-label=(online) {
                            (each.call.online.map_or("–".to_owned(), |online| online.to_string()))
                        }
                        td.number role="cell" data-label=(last) { (words::about(each.quiet_s)) " ago" }
                        td role="cell" data-label=(state) {
                            @if each.stale {
                                span.badge.silent { "silent for " (words::about(each.quiet_s)) }
                            } @else {
                                (words::outcome(None, Some(each.call.status)))
                            }
                        }
                    }
                }
            }
        }
    }
}
