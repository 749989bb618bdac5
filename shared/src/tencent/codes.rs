//! Tencent's codes in every spelling: pages, samples and SDKs differ in case, spaces, hyphens and
//! underscores, and once in spelling.

use crate::call::model::{Kind, Media, Outcome};

/// A code without case, spaces, hyphens and underscores.
pub fn plain(code: &str) -> String {
    code.chars()
        .filter(|character| !matches!(character, ' ' | '_' | '-'))
        .flat_map(char::to_lowercase)
        .collect()
}

/// `MediaType`, `CallMediaType`.
pub fn media(code: &str) -> Option<Media> {
    match plain(code).as_str() {
        "audio" => Some(Media::Audio),
        "video" => Some(Media::Video),
        _ => None,
    }
}

/// `CallType` of both generations.
pub fn kind(code: &str) -> Option<Kind> {
    match plain(code).as_str() {
        "single" | "singlecall" => Some(Kind::OneToOne),
        "group" | "groupcall" | "multi" | "multicall" => Some(Kind::Group),
        _ => None,
    }
}

/// `CallResult` of both generations. A normal end does not say whether the call was answered; the
/// time of the answer does.
pub fn outcome_of_result(code: &str) -> Option<Outcome> {
    match plain(code).as_str() {
        "cancel" => Some(Outcome::Canceled),
        "reject" => Some(Outcome::Rejected),
        "notanswer" => Some(Outcome::Missed),
        "callbusy" => Some(Outcome::Busy),
        "interrupt" | "offline" => Some(Outcome::Failed),
        _ => None,
    }
}

/// Whether a `CallResult` is a known code for an end.
pub fn is_result(code: &str) -> bool {
    plain(code) == "normalend" || outcome_of_result(code).is_some()
}

/// Whose event it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Caller,
    Callee,
}

/// `Role`.
pub fn role(code: &str) -> Option<Role> {
    match plain(code).as_str() {
        "caller" => Some(Role::Caller),
        "callee" => Some(Role::Callee),
        _ => None,
    }
}

/// What an event of the older generation means for the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The caller calls.
    Calls,
    /// A callee's phone rings, or a person is invited.
    Rings,
    /// A person is in the call.
    Answers,
    /// A device stops ringing, or the caller learns of it: there was no answer.
    Refuses(Outcome),
    /// The participant leaves, with an outcome if the code has one.
    Leaves(Option<Outcome>),
    /// An unknown code.
    Unknown,
}

/// `Event` (Tencent, "Call event callback"). `call_missed`, `call_rejected` and `call_busy` are the
/// caller's view of what the callee did.
pub fn event(code: &str) -> Meaning {
    match plain(code).as_str() {
        "startcall" => Meaning::Calls,
        "receivecall" | "inviteuser" => Meaning::Rings,
        "callaccepted" | "acceptcall" | "joiningroupcall" => Meaning::Answers,
        "callmissed" | "notanswercall" => Meaning::Refuses(Outcome::Missed),
        "callrejected" | "rejectcall" => Meaning::Refuses(Outcome::Rejected),
        "callbusy" | "ignorecall" => Meaning::Refuses(Outcome::Busy),
        "cancelcall" => Meaning::Leaves(Some(Outcome::Canceled)),
        "callcanceled" | "callcancelled" => Meaning::Refuses(Outcome::Canceled),
        "callfailed" | "callinterrupted" => Meaning::Leaves(Some(Outcome::Failed)),
        "callend" => Meaning::Leaves(None),
        _ => Meaning::Unknown,
    }
}

/// What a `CallResult` without an event means for the sender: only the caller can cancel.
pub fn result(code: &str, role: Option<Role>) -> Meaning {
    match outcome_of_result(code) {
        Some(Outcome::Canceled) if role != Some(Role::Callee) => Meaning::Leaves(Some(Outcome::Canceled)),
        Some(Outcome::Failed) => Meaning::Leaves(Some(Outcome::Failed)),
        Some(outcome) => Meaning::Refuses(outcome),
        None => Meaning::Leaves(None),
    }
}

/// The role and the event in a command of the older generation.
pub fn parts_of_command(command: &str) -> (Option<Role>, &str) {
    match command.split_once('_') {
        Some((first, rest)) if role(first).is_some() => (role(first), rest),
        _ => (None, command),
    }
}

/// Whether a command is about calls, in either generation.
pub fn is_call_command(command: &str) -> bool {
    let (role, rest) = parts_of_command(command);
    role.is_some()
        || event(rest) != Meaning::Unknown
        || is_result(command)
        || plain(command).starts_with("call.")
}

/// What happened to one member of a call of the current generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Came in.
    Comes,
    /// Was called and declined.
    Declines,
    /// Was called and did not answer.
    Misses,
    /// Was in the call and ended it.
    HangsUp,
    /// Was in the call and lost the connection.
    Drops,
    /// Is being called.
    Invited,
    /// Is no longer being called.
    Uninvited,
    /// An unknown code.
    Unknown,
}

/// `ActionType` (Tencent, "Member change callback"). The page's table and its sample spell it
/// differently; `Canncel` is the page's own spelling.
pub fn action(code: &str) -> Action {
    match plain(code).as_str() {
        "accept" | "answer" | "join" => Action::Comes,
        "reject" => Action::Declines,
        "notanswer" => Action::Misses,
        "hangup" => Action::HangsUp,
        "offline" => Action::Drops,
        "invite" | "invited" => Action::Invited,
        "cancelinvite" | "canncelinvite" => Action::Uninvited,
        _ => Action::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_result_means_the_same() {
        for (spellings, outcome) in [
            (["Cancel", "cancel", "CANCEL"], Some(Outcome::Canceled)),
            (["Reject", "reject", "re-ject"], Some(Outcome::Rejected)),
            (["NotAnswer", "Not_answer", "not_answer"], Some(Outcome::Missed)),
            (["NormalEnd", "Normal_end", "normal_end"], None),
            (["CallBusy", "Call_busy", "call_busy"], Some(Outcome::Busy)),
            (["Interrupt", "interrupt", "Offline"], Some(Outcome::Failed)),
        ] {
            for spelling in spellings {
                assert_eq!(outcome_of_result(spelling), outcome, "{spelling}");
                assert!(is_result(spelling), "{spelling}");
            }
        }
        assert!(!is_result("Vanished"));
    }

    #[test]
    fn every_listed_command_is_a_call_command_and_other_products_are_not() {
        let listed = "cancel reject not_answer normal_end call_busy interrupt caller_start_call \
            caller_call_accepted caller_call_missed caller_call_rejected caller_call_busy \
            caller_cancel_call caller_call_failed caller_call_end caller_call_interrupted \
            callee_receive_call callee_accept_call callee_not_answer_call callee_reject_call \
            callee_ignore_call callee_call_canceled callee_call_end callee_call_interrupted \
            invite_user join_in_group_call call_end Call.CallbackAfterStartCall \
            Call.CallbackAfterEndCall Call.CallbackAfterMemberChanged Call.CallbackOfTomorrow";
        for command in listed.split_whitespace() {
            assert!(is_call_command(command), "{command}");
        }
        for command in
            ["State.StateChange", "C2C.CallbackAfterSendMsg", "Group.CallbackAfterNewMemberJoin", "", "hello"]
        {
            assert!(!is_call_command(command), "{command}");
        }
    }

    #[test]
    fn every_event_of_the_list_has_a_meaning() {
        let listed = "start_call call_accepted call_missed call_rejected call_busy cancel_call call_failed \
            call_end call_interrupted receive_call accept_call not_answer_call reject_call \
            ignore_call call_canceled invite_user join_in_group_call";
        for word in listed.split_whitespace() {
            assert_ne!(event(word), Meaning::Unknown, "{word}");
        }
    }

    #[test]
    fn actions_are_known_in_the_tables_and_in_the_samples_spelling() {
        for (spellings, meaning) in [
            (["Accept", "Answer"], Action::Comes),
            (["Hang Up", "Hangup"], Action::HangsUp),
            (["Invited", "Invite"], Action::Invited),
            (["Canncel_Invite", "Cancel_Invite"], Action::Uninvited),
            (["NotAnswer", "Not_Answer"], Action::Misses),
        ] {
            for spelling in spellings {
                assert_eq!(action(spelling), meaning, "{spelling}");
            }
        }
        assert_eq!(action("Teleport"), Action::Unknown);
    }
}
