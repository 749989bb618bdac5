//! How moments, lengths, people and codes are written on a page.

use std::collections::BTreeMap;

use maud::{Markup, html};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use ringback::call::model::{Media, Moment, Outcome, Person, Personal, ReleaseCode, Releaser, Room, Status};
use ringback::history::read::days;

/// `2026-11-28 06:25:09`, in UTC.
pub(super) fn moment(at: Moment) -> Markup {
    let text = days::rfc3339(at).unwrap_or_default();
    let shown = text.get(..19).unwrap_or(&text).replace('T', " ");
    html! { time datetime=(text) { (shown) } }
}

/// `06:25:09`, with the whole moment behind it.
pub(super) fn time_of_day(at: Moment) -> Markup {
    let text = days::rfc3339(at).unwrap_or_default();
    html! { time datetime=(text) { (text.get(11..19).unwrap_or_default()) } }
}

/// `42 s`, `3 min 5 s`, `2 h 10 min`, `3 d 4 h`.
pub(super) fn length(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    let two = |first: u64, unit: &str, second: u64, other: &str| {
        if second == 0 { format!("{first} {unit}") } else { format!("{first} {unit} {second} {other}") }
    };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => two(minutes, "min", seconds % 60, "s"),
        3_600..86_400 => two(hours, "h", minutes % 60, "min"),
        _ => two(days, "d", hours % 24, "h"),
    }
}

/// A length that may not be known.
pub(super) fn some_length(seconds: Option<u64>) -> String {
    seconds.map_or_else(|| "–".to_owned(), length)
}

pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// A person, with a link to their calls. Names are strangers' text: isolated, so that one cannot turn the
/// direction of what stands beside it.
pub(super) fn person(provider: &str, person: &Person, service: &str) -> Markup {
    let Some(user) = person.user_id.as_ref().map(Personal::reveal) else { return html! { "?" } };
    let service = person.service_id.as_deref().unwrap_or(service);
    let url = format!("/users/{}/{}/{}", encoded(provider), encoded(service), encoded(user));
    html! { a href=(url) { bdi { (user) } } }
}

pub(super) fn people(provider: &str, people: &[Person], service: &str) -> Markup {
    html! {
        @for (place, each) in people.iter().enumerate() {
            @if place > 0 { ", " }
            (person(provider, each, service))
        }
        @if people.is_empty() { "?" }
    }
}

pub(super) fn room(provider: &str, room: &Room, service: &str) -> Markup {
    let Some(id) = room.id.as_ref().map(Personal::reveal) else { return html! { "?" } };
    let service = room.service_id.as_deref().unwrap_or(service);
    let url = format!("/rooms/{}/{}/{}", encoded(provider), encoded(service), encoded(id));
    html! { a href=(url) { bdi { (id) } } }
}

/// How a call went or stands, as a badge.
pub(super) fn state(outcome: Option<Outcome>, status: Option<Status>) -> Markup {
    let (word, kind) = match (outcome, status) {
        (Some(outcome), _) => (outcome_words(outcome), outcome.as_str()),
        (None, Some(Status::Ringing)) => ("rings", "open"),
        (None, Some(Status::Ongoing)) => ("goes on", "open"),
        (None, _) => ("unknown", "unknown"),
    };
    html! { span class=(format!("state {kind}")) { (word) } }
}

pub(super) fn outcome_words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::AnsweredElsewhere => "answered elsewhere",
        other => other.as_str(),
    }
}

pub(super) fn media(media: Option<Media>) -> &'static str {
    match media {
        Some(Media::Audio) => "audio",
        Some(Media::Video) => "video",
        None => "unknown",
    }
}

pub(super) fn released_by(by: Option<Releaser>) -> &'static str {
    match by {
        Some(Releaser::Caller) => "caller",
        Some(Releaser::Callee) => "callee",
        Some(Releaser::Participant) => "participant",
        Some(Releaser::CloudServer) => "vendor's server",
        Some(Releaser::AppServer) => "app server",
        None => "–",
    }
}

/// The one code of a call that says most, with its meaning.
pub(super) fn why(reason: &BTreeMap<String, ReleaseCode>) -> Option<String> {
    const FAMILIES: [&str; 5] =
        ["disconnect_reason", "call_result", "call_end_reason", "terminate", "rel_code"];
    let family = FAMILIES.into_iter().find(|family| reason.contains_key(*family))?;
    Some(code(family, &written(reason.get(family)?)))
}

pub(super) fn written(code: &ReleaseCode) -> String {
    match code {
        ReleaseCode::Number(number) => number.to_string(),
        ReleaseCode::Word(word) => word.reveal().to_owned(),
    }
}

/// A code with its meaning, as `1203 no answer`.
pub(super) fn code(family: &str, code: &str) -> String {
    match meaning(family, code) {
        Some(meaning) => format!("{code} {meaning}"),
        None => code.to_owned(),
    }
}

/// The codes that calls end with most often (LINE Planet, "Release reason" and its troubleshooting page).
fn meaning(family: &str, code: &str) -> Option<&'static str> {
    Some(match (family, code) {
        ("disconnect_reason", "1001") => "normal end",
        ("disconnect_reason", "1002") => "declined",
        ("disconnect_reason", "1003") => "cellular call came in",
        ("disconnect_reason", "1109") => "internal error",
        ("disconnect_reason", "1110") => "ended by the app",
        ("disconnect_reason", "1201") => "canceled by the caller",
        ("disconnect_reason", "1202") => "callee in another call",
        ("disconnect_reason", "1203") => "no answer",
        ("disconnect_reason", "1204") => "another call was coming in",
        ("disconnect_reason", "1205") => "in a call on another device",
        ("disconnect_reason", "1206") => "answered on another device",
        ("disconnect_reason", "1207") => "declined on another device",
        ("disconnect_reason", "1208") => "longest time for a call",
        ("disconnect_reason", "1301") => "network too unstable",
        ("disconnect_reason", "1302") => "push error: the phone did not ring",
        ("disconnect_reason", "1303") => "authentication failed",
        ("disconnect_reason", "1304") => "released before",
        ("disconnect_reason", "1305") => "error of LINE's server",
        ("disconnect_reason", "1308") => "network unavailable",
        ("disconnect_reason", "1309") => "device switched off",
        ("disconnect_reason", "1401") => "room full",
        ("disconnect_reason", "1402") => "alone in the room too long",
        ("disconnect_reason", "1404") => "no such room",
        ("terminate", "16") => "normal end",
        ("terminate", "17") => "busy",
        ("terminate", "18") => "no answer",
        ("terminate", "21") => "declined",
        ("terminate", "77") => "canceled",
        ("terminate", "127") => "failed",
        ("rel_code", "1") => "normal",
        ("rel_code", "2") => "canceled",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_written_with_two_units_at_most() {
        let written: Vec<String> = [0, 59, 60, 61, 3_600, 7_800, 90_000].map(length).into();
        assert_eq!(written, ["0 s", "59 s", "1 min", "1 min 1 s", "1 h", "2 h 10 min", "1 d 1 h"]);
    }

    #[test]
    fn a_name_full_of_markup_stays_text() {
        let stranger = Person::new(Some("s"), Some("<script>alert(1)</script>")).unwrap();
        let shown = person("line", &stranger, "s").into_string();
        assert!(!shown.contains("<script>"), "{shown}");
        assert!(shown.contains("&lt;script&gt;"), "{shown}");
    }
}
