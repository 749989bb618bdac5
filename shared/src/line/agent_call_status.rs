//! Agent Call Status: whether a call made by the app's server reached the callee (LINE Planet, "Agent call status callback").
//!
//! It carries no time and no people, and says only whether the callee's side was reached. How the call went comes as a Call Event with the same
//! `sid`, before or after this.

use crate::call::model::{Kind, Outcome, Personal, ReleaseCode, Status};
use crate::call::record::Record;
use crate::call::{CallFacts, Claim, Source};
use crate::door::access::Verified;
use crate::door::callback::Callback;
use crate::line;
use crate::text::refusal::Refusal;

pub const CALLBACK: Callback = Callback { route: &line::AGENT_CALL_STATUS, read: |request| read(request).map(Some) };

/// Reads an agent call status.
///
/// # Errors
/// [`Refusal::MissingField`] or [`Refusal::UnusableField`] for `sid`, and for nothing else.
pub fn read(request: &Verified) -> Result<Record, Refusal> {
    let parameters = request.parameters();
    let session = line::session(parameters)?;
    let result = parameters.text("result").unwrap_or_default();
    let failed = result.eq_ignore_ascii_case("FAIL");
    // The page prints the word None on success.
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
