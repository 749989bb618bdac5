//! Group Call Event: a participant joined, left, timed out or changed media, or the room started or
//! ended (LINE Planet, "Group call event callback"). Every event has the room's absolute figures as
//! of `ts`.

use std::cmp::Reverse;

use crate::call::model::{Kind, Moment, Room, Status};
use crate::call::record::Record;
use crate::call::{CallFacts, Claim, Source};
use crate::door::{access::Verified, callback::Callback};
use crate::line::{self, release_reason};
use crate::text::{query::Parameters, refusal::Refusal};

pub const CALLBACK: Callback =
    Callback { route: &line::GROUP_CALL_EVENT, read: |request| read(request).map(Some) };

/// Reads what a group call event says about the participant and the room.
///
/// # Errors
/// [`Refusal::MissingField`] or [`Refusal::UnusableField`], for `sid` only.
pub fn read(request: &Verified) -> Result<Record, Refusal> {
    let parameters = request.parameters();
    let session = line::session(parameters)?;
    let at = line::moment(parameters, "ts").or_else(|| line::latest_time(parameters));
    // The 2020 sample spells `mediaType`, its table and the field `media_type`.
    let media = parameters.text("media_type").or_else(|| parameters.text("mediaType"));
    let room = Room::new(line::short_text(parameters, "svc_id"), line::short_text(parameters, "id"));
    let online = line::count(parameters, "online");
    let leaves = matches!(letter(parameters, "msc"), Some('D' | 'T'));
    let call = CallFacts {
        kind: Some(Claim::new(Source::Stated, at, Kind::Group)),
        media: line::claim(at, line::media(media)),
        room: line::claim(at, room),
        host: line::claim(at, line::person(parameters, "host_svc_id", "host_id")),
        online: online.filter(|_| !leaves).map(|online| Claim::new(Source::Stated, at, online)),
        online_left: online.filter(|_| leaves).map(|online| Claim::new(Source::Stated, at, Reverse(online))),
        app_data: line::claim(at, line::app_data(parameters)),
        reached: Some(Status::Ongoing),
        last_event: at,
        ..line::times(parameters)
    };
    let call = match letter(parameters, "sc") {
        Some('S') => with_start(call, parameters),
        Some('E') => with_end(call, parameters, at),
        _ => call,
    };
    Ok(Record {
        session,
        origin: request.route().origin(),
        what: what(parameters).to_owned(),
        who: line::person(parameters, "user_svc_id", "user_id"),
        at,
        received: line::received(parameters),
        call,
    })
}

/// Where the vendor leaves out when the room started, the event's own time says it.
fn with_start(call: CallFacts, parameters: &Parameters) -> CallFacts {
    let told_at = line::moment(parameters, "ts").map(Reverse);
    CallFacts {
        started: call.started.or(told_at.map(|moment| Claim::new(Source::Inferred, None, moment))),
        ..call
    }
}

/// Likewise the end. Only the room's end says why the room ended; the codes of every other event
/// are one participant's.
fn with_end(call: CallFacts, parameters: &Parameters, at: Option<Moment>) -> CallFacts {
    let codes = release_reason::Codes::read(parameters);
    let told_at = line::moment(parameters, "ts");
    CallFacts {
        ended: call.ended.or_else(|| told_at.map(|moment| Claim::new(Source::Inferred, None, moment))),
        released_by: line::claim(at, codes.released_by()),
        reason: line::reason(parameters, at),
        over: true,
        ..call
    }
}

/// The participant's status code; the room's own if that is missing or unknown.
fn what(parameters: &Parameters) -> &'static str {
    match (letter(parameters, "sc"), letter(parameters, "msc")) {
        (Some('S'), _) => "started",
        (Some('E'), _) => "ended",
        (_, Some('C')) => "connected",
        (_, Some('D')) => "disconnected",
        (_, Some('T')) => "timed_out",
        (_, Some('M')) => "media_changed",
        _ => "changed",
    }
}

/// A status code, which is one letter in either case.
fn letter(parameters: &Parameters, name: &str) -> Option<char> {
    let mut letters = parameters.text(name)?.trim().chars();
    let first = letters.next()?.to_ascii_uppercase();
    letters.next().is_none().then_some(first)
}
