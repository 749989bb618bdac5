//! Agent Call Status: whether a call made by the app's server reached the callee (LINE Planet,
//! "Agent call status callback").
//!
//! It has no time and no people. How the call went comes in a Call Event with the same `sid`,
//! before or after.

use crate::call::model::{Kind, Outcome, Personal, ReleaseCode, Status};
use crate::call::record::Record;
use crate::call::{CallFacts, Claim, Source};
use crate::door::{access::Verified, callback::Callback};
use crate::line;
use crate::text::refusal::Refusal;

pub const CALLBACK: Callback =
    Callback { route: &line::AGENT_CALL_STATUS, read: |request| read(request).map(Some) };

/// Reads an agent call status.
///
/// # Errors
/// [`Refusal::MissingField`] or [`Refusal::UnusableField`], for `sid` only.
pub fn read(request: &Verified) -> Result<Record, Refusal> {
    let parameters = request.parameters();
    let session = line::session(parameters)?;
    let result = parameters.text("result").unwrap_or_default();
    let failed = result.eq_ignore_ascii_case("FAIL");
    // On success the page shows the text `None`.
    let fail_reason = line::short_text(parameters, "fail_reason").filter(|reason| *reason != "None");
    let fail_reason =
        fail_reason.map(|reason| Claim::new(Source::Stated, None, ReleaseCode::Word(Personal::new(reason))));
    let call = CallFacts {
        kind: Some(Claim::new(Source::Stated, None, Kind::OneToOne)),
        outcome: failed.then(|| Claim::new(Source::Inferred, None, Outcome::Failed)),
        reason: fail_reason.map(|reason| ("fail_reason".to_owned(), reason)).into_iter().collect(),
        reached: Some(Status::Ringing),
        attempt_failed: failed,
        ..CallFacts::default()
    };
    let what = match result.to_ascii_uppercase().as_str() {
        "SUCCESS" => "agent_reached_callee",
        "FAIL" => "agent_failed",
        _ => "agent_status",
    };
    Ok(Record {
        session,
        origin: request.route().origin(),
        what: what.to_owned(),
        who: None,
        at: None,
        received: line::received(parameters),
        call,
    })
}
