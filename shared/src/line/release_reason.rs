//! Why a LINE call ended: four independent families of codes, and the outcome that follows from
//! them.
//!
//! The families are never mapped onto each other (LINE Planet, "Release reason"):
//! `disconnect_reason` and the older `call_end_reason` use the same numbers for different things,
//! and `terminate` is 16 whenever there was talk, even if the call broke afterwards.

use crate::call::model::{Outcome, Releaser};
use crate::line::{code, count, moment};
use crate::text::query::Parameters;

/// The parameters of a call's end that decide its outcome.
#[derive(Clone, Debug, Default)]
pub struct Codes<'a> {
    /// The talk began.
    pub started: bool,
    pub duration: Option<u64>,
    /// LINE Planet-defined, today's generation.
    pub disconnect_reason: Option<i64>,
    /// A Q.850 cause.
    pub terminate: Option<i64>,
    /// LINE Planet-defined, 2020's generation.
    pub call_end_reason: Option<i64>,
    /// Debug detail as text.
    pub rel_code_str: Option<&'a str>,
    /// Debug detail as a number.
    pub rel_code: Option<i64>,
    /// Who ended it, today's generation.
    pub releaser_type: Option<i64>,
    /// Who ended it, 2020's generation: a role or the host name of a VoIP server.
    pub releaser: Option<&'a str>,
}

impl<'a> Codes<'a> {
    /// Reads the codes of a call event.
    pub fn read(parameters: &'a Parameters) -> Self {
        Self {
            started: moment(parameters, "start_time").is_some(),
            duration: count(parameters, "duration"),
            disconnect_reason: code(parameters, "disconnect_reason"),
            terminate: code(parameters, "terminate"),
            call_end_reason: code(parameters, "call_end_reason"),
            rel_code_str: parameters.text("rel_code_str"),
            rel_code: code(parameters, "rel_code"),
            releaser_type: code(parameters, "releaser_type"),
            releaser: parameters.text("releaser"),
        }
    }

    /// How the call went, or `None` if nothing says so. Talk time decides before any code; without
    /// it no code makes a call answered.
    pub fn outcome(&self) -> Option<Outcome> {
        if self.started || self.duration.is_some_and(|seconds| seconds > 0) {
            return Some(Outcome::Answered);
        }
        self.disconnect_reason
            .map(by_disconnect_reason)
            .or_else(|| self.terminate.and_then(by_terminate))
            .or_else(|| self.call_end_reason.and_then(by_call_end_reason))
            .or_else(|| self.rel_code_str.and_then(by_rel_code_str))
            .or_else(|| self.rel_code.and_then(by_rel_code))
    }

    /// Who ended the call (LINE Planet, "Disconnect reason": releaser types).
    pub fn released_by(&self) -> Option<Releaser> {
        match self.releaser_type {
            Some(1) => Some(Releaser::Callee),
            Some(2) => Some(Releaser::Caller),
            Some(3) => Some(Releaser::Participant),
            Some(4) => Some(Releaser::CloudServer),
            Some(5) => Some(Releaser::AppServer),
            _ => match self.releaser? {
                "initiator" => Some(Releaser::Caller),
                "responder" => Some(Releaser::Callee),
                _ => Some(Releaser::CloudServer),
            },
        }
    }
}

fn by_disconnect_reason(code: i64) -> Outcome {
    match code {
        1203 => Outcome::Missed,
        1002 | 1207 => Outcome::Rejected,
        1202 | 1204 | 1205 => Outcome::Busy,
        1201 | 1304 => Outcome::Canceled,
        1206 => Outcome::AnsweredElsewhere,
        _ => Outcome::Failed,
    }
}

/// 16 means a normal end. Without talk it is a contradiction and decides nothing.
fn by_terminate(code: i64) -> Option<Outcome> {
    match code {
        16 => None,
        17 => Some(Outcome::Busy),
        18 => Some(Outcome::Missed),
        21 => Some(Outcome::Rejected),
        77 => Some(Outcome::Canceled),
        _ => Some(Outcome::Failed),
    }
}

/// 1004 and 1005 mean that caller or callee ended a conversation. Without talk they decide nothing.
fn by_call_end_reason(code: i64) -> Option<Outcome> {
    match code {
        1000 => Some(Outcome::Canceled),
        1001 | 1024 => Some(Outcome::Busy),
        1002 => Some(Outcome::Missed),
        1003 => Some(Outcome::Rejected),
        1004 | 1005 => None,
        _ => Some(Outcome::Failed),
    }
}

fn by_rel_code_str(word: &str) -> Option<Outcome> {
    match word.to_ascii_uppercase().as_str() {
        "UNDEFINED" | "NORMAL" => None,
        "CANCEL" => Some(Outcome::Canceled),
        "REJECT" | "MULTI_DEV_REJECT" => Some(Outcome::Rejected),
        "USER_BUSY" | "MULTI_DEV_OTHER_DEV_IN_USE" => Some(Outcome::Busy),
        "NO_ANSWER" => Some(Outcome::Missed),
        "MULTI_DEV_ANSWER" => Some(Outcome::AnsweredElsewhere),
        _ => Some(Outcome::Failed),
    }
}

/// The same codes as numbers, from LINE's web SDK.
fn by_rel_code(code: i64) -> Option<Outcome> {
    match code {
        0 | 1 => None,
        2 => Some(Outcome::Canceled),
        3 | 8 => Some(Outcome::Rejected),
        4 | 6 => Some(Outcome::Busy),
        5 => Some(Outcome::Missed),
        7 => Some(Outcome::AnsweredElsewhere),
        _ => Some(Outcome::Failed),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use Outcome::{Answered, Missed, Rejected};

    #[test]
    fn the_newer_family_decides_before_the_older() {
        let codes = Codes {
            disconnect_reason: Some(1203),
            terminate: Some(127),
            call_end_reason: Some(1003),
            ..Codes::default()
        };
        assert_eq!(codes.outcome(), Some(Missed));
        let codes = Codes {
            terminate: Some(16),
            call_end_reason: Some(1003),
            rel_code_str: Some("CANCEL"),
            ..Codes::default()
        };
        assert_eq!(codes.outcome(), Some(Rejected));
    }

    #[test]
    fn talk_makes_a_call_answered_even_if_it_then_broke() {
        let broke = Codes {
            duration: Some(12),
            disconnect_reason: Some(1301),
            terminate: Some(16),
            ..Codes::default()
        };
        assert_eq!(broke.outcome(), Some(Answered));
        assert_eq!(Codes { started: true, duration: Some(0), ..Codes::default() }.outcome(), Some(Answered));
    }

    #[test]
    fn either_generation_names_the_releaser() {
        let newer = |code| {
            Codes { releaser_type: Some(code), releaser: Some("initiator"), ..Codes::default() }.released_by()
        };
        assert_eq!(newer(1), Some(Releaser::Callee));
        assert_eq!(newer(2), Some(Releaser::Caller));
        assert_eq!(newer(3), Some(Releaser::Participant));
        assert_eq!(newer(4), Some(Releaser::CloudServer));
        assert_eq!(newer(5), Some(Releaser::AppServer));
        assert_eq!(newer(0), Some(Releaser::Caller));
        let older = |word| Codes { releaser: Some(word), ..Codes::default() }.released_by();
        assert_eq!(older("responder"), Some(Releaser::Callee));
        assert_eq!(older("voip-7.example"), Some(Releaser::CloudServer));
        assert_eq!(Codes::default().released_by(), None);
    }

    proptest! {
        #[test]
        fn without_talk_no_code_makes_a_call_answered(
            disconnect_reason: Option<i64>, terminate: Option<i64>,
            call_end_reason: Option<i64>, rel_code: Option<i64>,
            word in proptest::option::of("[A-Z_]{0,20}"),
        ) {
            let codes = Codes {
                duration: Some(0), disconnect_reason, terminate, call_end_reason, rel_code,
                rel_code_str: word.as_deref(),
                ..Codes::default()
            };
            prop_assert_ne!(codes.outcome(), Some(Answered));
        }
    }
}
