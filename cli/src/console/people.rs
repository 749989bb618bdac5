//! People and rooms on a page. Their ids are strangers' text: isolated from the text around them, cut where
//! they are long, and whole in a title.

use maud::{Markup, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ringback::call::model::{Person, Room};
use ringback::history::row::CallRow;

/// Characters of an id in a list.
const SHOWN: usize = 40;
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A part of an address.
pub(super) fn part(text: &str) -> String {
    utf8_percent_encode(text, IN_PATH).to_string()
}

/// A stranger's text.
pub(super) fn text(text: &str) -> Markup {
    let cut: String = text.chars().take(SHOWN).collect();
    html! {
        @if cut.len() < text.len() { bdi title=(text) { (cut) "…" } } @else { bdi { (text) } }
    }
}

/// A person, with a way to their calls. Where the vendor names no service, it is the call's.
pub(super) fn person(person: &Person, provider: &str, service: &str) -> Markup {
    let service = person.service_id.as_deref().unwrap_or(service);
    html! {
        @match &person.user_id {
            Some(user) => {
                a href={ "/users/" (part(provider)) "/" (part(service)) "/" (part(user.reveal())) } {
                    (text(user.reveal()))
                }
            }
            None => span.quiet { "somebody of " (text(service)) },
        }
    }
}

pub(super) fn room(room: &Room, provider: &str, service: &str) -> Markup {
    let service = room.service_id.as_deref().unwrap_or(service);
    html! {
        @match &room.id {
            Some(id) => {
                a href={ "/rooms/" (part(provider)) "/" (part(service)) "/" (part(id.reveal())) } {
                    (text(id.reveal()))
                }
            }
            None => span.quiet { "a room of " (text(service)) },
        }
    }
}

/// Caller and callees, or the room.
pub(super) fn between(row: &CallRow) -> Markup {
    let service = row.service();
    let people = |people: &[Person]| {
        html! {
            @for (index, each) in people.iter().take(3).enumerate() {
                @if index > 0 { ", " }
                (person(each, &row.provider, service))
            }
            @if people.len() > 3 { " and " (people.len() - 3) " more" }
        }
    };
    html! {
        @if let Some(caller) = &row.caller { (person(caller, &row.provider, service)) }
        @if row.caller.is_some() || !row.callees.is_empty() {
            span.arrow aria-hidden="true" { " → " }
            span.hidden { " calls " }
        }
        (people(&row.callees))
        @if let Some(named) = &row.room {
            @if row.caller.is_some() || !row.callees.is_empty() { " " }
            span.quiet { "room " }
            (room(named, &row.provider, service))
        }
    }
}
