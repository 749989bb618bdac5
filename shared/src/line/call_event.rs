//! Call Event: a one-to-one call ended (LINE Planet, "1-to-1 call event callback"). It is sent once
//! and has everything about the call.

use crate::call::{CallFacts, Claim, First, Source, model::Kind, record::Record};
use crate::door::{access::Verified, callback::Callback};
use crate::line::{self, release_reason};
use crate::text::refusal::Refusal;

pub const CALLBACK: Callback = Callback { route: &line::CALL_EVENT, read: |request| read(request).map(Some) };

/// Reads a call event into the record of an ended call.
///
/// # Errors
/// [`Refusal::MissingField`] or [`Refusal::UnusableField`], for `sid` only.
pub fn read(request: &Verified) -> Result<Record, Refusal> {
    let parameters = request.parameters();
    let session = line::session(parameters)?;
    let at = line::latest_time(parameters);
    let codes = release_reason::Codes::read(parameters);
    let call = CallFacts {
        kind: Some(Claim::new(Source::Stated, at, Kind::OneToOne)),
        media: line::claim(at, line::media(parameters.text("type"))),
        caller: line::claim(at, line::person(parameters, "from_service_id", "from_user_id")).map(First),
        callee: line::claim(at, line::person(parameters, "to_service_id", "to_user_id")),
        duration: line::claim(at, line::count(parameters, "duration")),
        outcome: line::claim(at, codes.outcome()),
        released_by: line::claim(at, codes.released_by()),
        app_data: line::claim(at, line::app_data(parameters)),
        reason: line::reason(parameters, at),
        over: true,
        last_event: at,
        ..line::times(parameters)
    };
    Ok(Record {
        session,
        origin: request.route().origin(),
        what: "ended".to_owned(),
        who: None,
        at,
        received: line::received(parameters),
        call,
    })
}
