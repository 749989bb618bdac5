//! The older generation: the `command` family ("Call event callback") and the status family ("Call
//! status callback").
//!
//! Each participant's client reports its own part, so one call has a caller's and a callee's
//! events, and more than one end. Every event adds what it knows; [`CallFacts::join`] makes one
//! call of them, and [`CallFacts::view`] weighs them.

use std::cmp::Reverse;

use crate::call::model::{Moment, Status};
use crate::call::{CALL_RESULT, CallFacts, Claim, End, Leaving, Part, People, Source};
use crate::tencent::codes::{self, Meaning, Role};
use crate::tencent::{Callback, Story};

pub(super) fn read(callback: &Callback<'_>) -> Story {
    let (role_of_command, word_of_command) = codes::parts_of_command(callback.command);
    let stated_role = callback.text("Role").and_then(codes::role).or(role_of_command);
    let event = callback.text("Event");
    let result = callback.text("CallResult");
    // The body counts before the command: the page's own sample has a command that is in no list.
    let meaning = match (event, result) {
        (Some(event), _) => codes::event(event),
        (None, Some(result)) => codes::result(result, stated_role),
        (None, None) if codes::is_result(callback.command) => codes::result(callback.command, stated_role),
        (None, None) => codes::event(word_of_command),
    };
    let role = stated_role.or((meaning == Meaning::Calls).then_some(Role::Caller));
    let at = ["EventTime", "EndTs", "AcceptTs", "StartCallTs"].iter().find_map(|name| callback.moment(name));
    let user = callback.text("UserId");
    let what = event.or(result).unwrap_or(callback.command);
    Story {
        what: if what.is_empty() { "unknown".to_owned() } else { what.to_owned() },
        who: user.map(str::to_owned),
        at,
        call: facts(callback, meaning, role, user, at),
    }
}

fn facts(
    callback: &Callback<'_>,
    meaning: Meaning,
    role: Option<Role>,
    user: Option<&str>,
    at: Option<Moment>,
) -> CallFacts {
    let is_callee = role == Some(Role::Callee);
    // The caller's device sees the whole call, a callee's only its own part. A callee who hangs up
    // has talked, and so knows as much.
    let weight =
        if is_callee && meaning != Meaning::Leaves(None) { Source::Inferred } else { Source::OneSide };
    let mut call = callback.common(at, weight);
    call.setup =
        callback.moment("StartCallTs").map(|moment| Claim::new(Source::Stated, None, Reverse(moment)));
    let is_caller = role == Some(Role::Caller);
    let called = at.filter(|_| is_caller).map(Reverse);
    let mut part = Part { callee: is_callee, caller: is_caller, called, ..Part::default() };
    // `AcceptTs` and `EndTs` count only where the page says they are returned; its sample shows
    // them even in a call that just starts.
    let accepted =
        callback.moment("AcceptTs").map(|moment| Claim::new(Source::Stated, None, Reverse(moment)));
    let ended_at = callback.moment("EndTs").or(at);
    match meaning {
        Meaning::Calls => {
            let inferred = at.map(|moment| Claim::new(Source::Inferred, None, Reverse(moment)));
            call.setup = call.setup.max(inferred);
            call.reached = Some(Status::Ringing);
            part.came = at;
        }
        Meaning::Rings => call.reached = Some(Status::Ringing),
        Meaning::Answers => {
            call.started = accepted.or_else(|| at.map(|moment| Claim::new(weight, None, Reverse(moment))));
            call.talked = true;
            call.caller_saw_answer = is_caller;
            call.reached = Some(Status::Ongoing);
            part.came = at;
        }
        Meaning::Refuses(outcome) => {
            call.started = accepted;
            call.outcome = call.outcome.max(Some(Claim::new(weight, at, outcome)));
            call.ends.insert(
                if is_callee { End::CalleeRefused } else { End::CallerRefused },
                ended_at.map(Reverse),
            );
            call.refusal = call.reason.remove(CALL_RESULT);
            part.refused = true;
            part.refused_at = ended_at;
            // The caller's device tells of the callees, whom it does not name.
            part.leaving = if is_callee { Leaving::of(outcome) } else { None };
        }
        Meaning::Leaves(outcome) => {
            call.started = accepted;
            call.caller_saw_answer = outcome.is_none() && !is_callee;
            call.outcome = call.outcome.max(outcome.map(|outcome| Claim::new(weight, at, outcome)));
            call.ends
                .insert(if is_callee { End::CalleeLeft } else { End::CallerLeft }, ended_at.map(Reverse));
            part.left = ended_at;
        }
        Meaning::Unknown => {}
    }
    call.people = People(user.map(|user| (user.to_owned(), part)).into_iter().collect());
    call
}
