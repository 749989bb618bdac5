//! Numbers, times and the terms of calls as a page writes them.

use maud::{Markup, html};
use ringback::call::model::{Kind, Media, Moment, Outcome, Releaser, Status};
use ringback::history::read::days::{day_of, rfc3339};

/// How a call went, or how far it has come: a class for its colour, and words.
pub(super) fn outcome(outcome: Option<Outcome>, status: Option<Status>) -> Markup {
    let (class, words) = match (outcome, status) {
        (Some(outcome), _) => (outcome.as_str(), outcome_words(outcome)),
        (None, Some(Status::Ringing)) => ("open", "Ringing"),
        (None, Some(Status::Ongoing)) => ("open", "Ongoing"),
        (None, _) => ("unknown", "Ended"),
    };
    html! { span class={ "outcome " (class) } { (words) } }
}

pub(super) fn outcome_words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Answered => "Answered",
        Outcome::AnsweredElsewhere => "Answered elsewhere",
        Outcome::Missed => "Missed",
        Outcome::Rejected => "Rejected",
        Outcome::Canceled => "Canceled",
        Outcome::Busy => "Busy",
        Outcome::Failed => "Failed",
        Outcome::Unknown => "Unknown",
    }
}

pub(super) fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::OneToOne => "One-to-one",
        Kind::Group => "Group",
    }
}

pub(super) fn media(media: Option<Media>) -> &'static str {
    match media {
        Some(Media::Audio) => "audio",
        Some(Media::Video) => "video",
        None => "",
    }
}

pub(super) fn releaser(releaser: Releaser) -> &'static str {
    match releaser {
        Releaser::Callee => "Callee",
        Releaser::Caller => "Caller",
        Releaser::Participant => "Participant",
        Releaser::CloudServer => "Vendor’s server",
        Releaser::AppServer => "App’s server",
    }
}

pub(super) fn provider(provider: &str) -> &str {
    match provider {
        "line" => "LINE Planet",
        "tencent" => "Tencent",
        other => other,
    }
}

/// A number with a space between thousands.
pub(super) fn number(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut written = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            written.push('\u{202f}');
        }
        written.push(digit);
    }
    if number < 0 { format!("−{written}") } else { written }
}

/// `42 s`, `3 min 05 s`, `2 h 10 min`.
pub(super) fn seconds(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

/// Seconds in their largest unit: `3 h`.
pub(super) fn about(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// The time of a day, `06:31:05`.
pub(super) fn clock(at: Moment) -> String {
    let seconds = at.milliseconds() / 1_000 % 86_400;
    format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// A moment in UTC, for people and for programs.
pub(super) fn moment(at: Moment) -> Markup {
    html! {
        time datetime=[rfc3339(at)] { span.day { (day_of(at)) } " " (clock(at)) }
    }
}
