//! The older generation: the `command` family ("Call event callback") and the status family ("Call status callback").
//!
//! Each participant's client tells its own story, so that one call yields a caller's and a callee's events and more than one end. Every event
//! adds what it knows; [`CallFacts::join`] makes one call of them.

use std::cmp::Reverse;

use crate::call::{CallFacts, Claim, Part, Source};
use crate::model::{Moment, Outcome, Person, Releaser, Status};
use crate::tencent::words::{self, Meaning, Role};
use crate::tencent::{Callback, Story};

pub(super) fn read(callback: &Callback<'_>) -> Story {
    let (role_of_command, word_of_command) = words::parts_of_command(callback.command);
    let event = callback.text("Event");
    let result = callback.text("CallResult");
    // The body speaks first: the page's own sample carries a command that is in no list.
    let meaning = match (event, result) {
        (Some(event), _) => words::event(event),
        (None, Some(result)) => Meaning::Ends(words::outcome_of_result(result)),
        (None, None) if words::is_result(callback.command) => Meaning::Ends(words::outcome_of_result(callback.command)),
        (None, None) => words::event(word_of_command),
    };
    let role = callback.text("Role").and_then(words::role).or(role_of_command).or(match meaning {
        Meaning::Calls => Some(Role::Caller),
        _ => None,
    });
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
    let mut call = callback.common(at);
    call.setup = callback.moment("StartCallTs").map(|moment| Claim::new(Source::Stated, None, Reverse(moment)));
    call.activity = Some(Claim::new(Source::Inferred, at, ()));
    let mut part = Part { callee: role == Some(Role::Callee), ..Part::default() };
    match meaning {
        Meaning::Calls => {
            let inferred = at.map(|moment| Claim::new(Source::Inferred, None, Reverse(moment)));
            call.setup = call.setup.max(inferred);
            call.reached = Some(Status::Ringing);
            part.came = at;
        }
        Meaning::Rings => call.reached = Some(Status::Ringing),
        Meaning::Answers => {
            call.started = answer(callback, at);
            call.talked = true;
            call.reached = Some(Status::Ongoing);
            part.came = at;
        }
        Meaning::Ends(outcome) => {
            call = ended(call, callback, role, outcome, at);
            part.left = at;
        }
        Meaning::Unknown => {}
    }
    if let Some(user) = user {
        if role == Some(Role::Caller) {
            call.caller = Person::known(callback.app, Some(user)).map(|caller| Claim::new(Source::OneSide, at, caller));
        }
        call.people.insert(user.to_owned(), part);
    }
    call
}

/// `AcceptTs` and `EndTs` count only where the page says they are returned; its sample prints them even in a call that just starts.
fn answer(callback: &Callback<'_>, at: Option<Moment>) -> Option<Claim<Reverse<Moment>>> {
    let stated = callback.moment("AcceptTs").map(|moment| Claim::new(Source::Stated, None, Reverse(moment)));
    stated.or_else(|| at.map(|moment| Claim::new(Source::Inferred, None, Reverse(moment))))
}

fn ended(
    call: CallFacts,
    callback: &Callback<'_>,
    role: Option<Role>,
    outcome: Option<Outcome>,
    at: Option<Moment>,
) -> CallFacts {
    let end = Some(Claim::new(Source::Inferred, at, ()));
    // The caller's device sees the whole of a call, a callee's only its own part.
    let weight = if role == Some(Role::Callee) { Source::Inferred } else { Source::OneSide };
    let released_by = match outcome {
        Some(Outcome::Canceled) => Some(Releaser::Caller),
        Some(Outcome::Rejected | Outcome::Busy) => Some(Releaser::Callee),
        _ => None,
    };
    let stated_end = callback.moment("EndTs").map(|moment| Claim::new(Source::Stated, None, moment));
    let started = callback.moment("AcceptTs").map(|moment| Claim::new(Source::Stated, None, Reverse(moment)));
    CallFacts {
        talked: started.is_some(),
        started,
        ended: stated_end.or_else(|| at.map(|moment| Claim::new(Source::Inferred, None, moment))),
        outcome: call.outcome.max(outcome.map(|outcome| Claim::new(weight, at, outcome))),
        released_by: released_by.map(|releaser| Claim::new(weight, at, releaser)),
        caller_end: if role == Some(Role::Callee) { None } else { end.clone() },
        callee_end: if role == Some(Role::Callee) { end } else { None },
        activity: None,
        ..call
    }
}
