//! The current generation: `Call.CallbackAfterStartCall`, `…AfterMemberChanged`, `…AfterEndCall`.
//! Tencent's servers report the whole call.

use std::cmp::Reverse;

use crate::call::model::{Kind, Moment, Outcome, Person, Status};
use crate::call::{CallFacts, Claim, First, Leaving, Part, Source};
use crate::tencent::codes::{self, Action};
use crate::tencent::{Callback, Story, short_text};
use crate::text::{json::Json, number};

/// Whether a callback belongs to this generation.
pub(super) fn speaks_it(callback: &Callback<'_>) -> bool {
    let of_this_shape =
        ["CallInfo", "CallRecord", "ChangedUserList"].iter().any(|name| callback.body.member(name).is_some());
    of_this_shape || codes::plain(callback.command).starts_with("call.")
}

pub(super) fn read(callback: &Callback<'_>) -> Story {
    let at =
        ["EventTime", "EndTime", "AcceptTime", "StartTime"].iter().find_map(|name| callback.moment(name));
    let mut call = callback.common(at, Source::Stated);
    if callback.text("ChatGroupId").is_some() {
        call.kind = call.kind.or_else(|| Some(Claim::new(Source::Inferred, at, Kind::Group)));
    }
    let command = codes::plain(callback.command);
    let changed = callback.body.member("ChangedUserList").map(Json::items).unwrap_or_default();
    if callback.body.member("CallRecord").is_some() || command.ends_with("afterendcall") {
        call = with_end(call, callback);
    } else if !changed.is_empty() || command.ends_with("aftermemberchanged") {
        call = with_changes(call, callback, changed, at);
    } else {
        call = with_start(call, callback, at);
    }
    let what = if callback.command.is_empty() { "unknown" } else { callback.command };
    let caller = call.caller.as_ref().and_then(First::user);
    let who = changed.first().and_then(account).or_else(|| caller.map(str::to_owned));
    Story { what: what.to_owned(), who, at, call }
}

/// The caller is the one user who is in the call while all others wait; no field names the caller.
fn with_start(mut call: CallFacts, callback: &Callback<'_>, at: Option<Moment>) -> CallFacts {
    let mut in_the_call = Vec::new();
    for user in users(callback) {
        let waits = waits(user);
        let Some(account) = account(user) else { continue };
        if !waits {
            in_the_call.push(account.clone());
        }
        call.people.0.insert(account, Part { callee: true, came: at.filter(|_| !waits), ..Part::default() });
    }
    if let [caller] = in_the_call.as_slice() {
        call.people.0.entry(caller.clone()).or_default().callee = false;
        call.caller = Person::new(callback.app, Some(caller))
            .map(|caller| First(Claim::new(Source::Inferred, at, caller)));
    }
    call.setup = at.map(|moment| Claim::new(Source::Inferred, None, Reverse(moment)));
    call.reached = Some(Status::Ringing);
    call
}

fn with_changes(
    mut call: CallFacts,
    callback: &Callback<'_>,
    changed: &[Json],
    at: Option<Moment>,
) -> CallFacts {
    // Among those already in the call, the caller cannot be told from the callees.
    for user in users(callback).filter(|user| waits(user)) {
        if let Some(account) = account(user) {
            call.people.0.insert(account, Part { callee: true, ..Part::default() });
        }
    }
    call.reached = Some(Status::Ringing);
    for user in changed {
        let action = user.member("ActionType").and_then(short_text).map_or(Action::Unknown, codes::action);
        let Some(account) = account(user) else { continue };
        let part = call.people.0.entry(account).or_default();
        part.callee |= !matches!(action, Action::HangsUp | Action::Drops | Action::Unknown);
        match action {
            Action::Comes => {
                part.came = at;
                call.talked = true;
                call.started = at.map(|moment| Claim::new(Source::Inferred, None, Reverse(moment)));
                call.reached = Some(Status::Ongoing);
            }
            Action::Declines | Action::Misses => {
                (part.refused, part.refused_at) = (true, at);
                let (outcome, leaving) = if action == Action::Declines {
                    (Outcome::Rejected, Leaving::Declined)
                } else {
                    (Outcome::Missed, Leaving::Missed)
                };
                part.leaving = Some(leaving);
                call.outcome = call.outcome.max(Some(Claim::new(Source::Inferred, at, outcome)));
            }
            Action::HangsUp => (part.left, part.leaving) = (at, Some(Leaving::HungUp)),
            Action::Drops => (part.left, part.leaving) = (at, Some(Leaving::Dropped)),
            Action::Uninvited => (part.refused, part.refused_at) = (true, at),
            Action::Invited | Action::Unknown => {}
        }
    }
    call
}

/// Sent when at most one person is left; it has everything about the call.
fn with_end(mut call: CallFacts, callback: &Callback<'_>) -> CallFacts {
    let stated = |name: &str| callback.moment(name);
    let caller = callback.text("Caller_Account");
    call.caller = Person::new(callback.app, caller)
        .filter(|_| caller.is_some())
        .map(|caller| First(Claim::new(Source::Stated, None, caller)));
    for callee in callback.member("CalleeList_Account").map(Json::items).unwrap_or_default() {
        if let Some(account) = short_text(callee) {
            call.people.0.insert(account.to_owned(), Part { callee: true, ..Part::default() });
        }
    }
    call.setup = stated("StartTime").map(|moment| Claim::new(Source::Stated, None, Reverse(moment)));
    call.started = stated("AcceptTime").map(|moment| Claim::new(Source::Stated, None, Reverse(moment)));
    call.ended = stated("EndTime")
        .map(|moment| Claim::new(Source::Stated, None, moment))
        .or_else(|| stated("EventTime").map(|moment| Claim::new(Source::Inferred, None, moment)));
    // 0 is a statement: Tencent's servers say that the call was never accepted.
    call.never_accepted = callback.text("AcceptTime").and_then(number::decimal) == Some(0.0);
    call.over = true;
    call
}

fn users<'a>(callback: &Callback<'a>) -> impl Iterator<Item = &'a Json> {
    callback.member("UserList").map(Json::items).unwrap_or_default().iter()
}

/// `Status` in a user list: `Calling` is in the call, `Waiting` has not answered.
fn waits(user: &Json) -> bool {
    user.member("Status").and_then(short_text).is_none_or(|status| codes::plain(status) != "calling")
}

fn account(user: &Json) -> Option<String> {
    user.member("User_Account").or(Some(user)).and_then(short_text).map(str::to_owned)
}
