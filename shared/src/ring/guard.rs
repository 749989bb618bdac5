//! One ring a call: LINE may send the same notify again, and two may arrive at once.
//!
//! A request claims the call before it rings, and says so when it has rung. A function that died in
//! between leaves a claim that another request may take over after 3 s.

use crate::aws::Failure;
use crate::call::model::{Arrival, SessionId};
use crate::ring::device::key;

/// After how long a claim without a ring may be taken over. No request rings for longer than 1.8 s.
pub const TAKEOVER_MILLISECONDS: u64 = 3_000;

/// What a request that wants to ring a call may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// Ring. No other request has rung this call or is about to.
    Ours,
    /// Another request has rung this call, or claimed it less than 3 s ago.
    Anothers,
}

/// What is known of a call's ringing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// A request is about to ring, since a time of arrival.
    Claimed(Arrival),
    Rung,
}

impl State {
    /// Whether a request may claim a call in this state.
    pub fn may_be_claimed(state: Option<Self>, now: Arrival) -> bool {
        match state {
            None => true,
            Some(Self::Claimed(at)) => at.milliseconds < stale(now),
            Some(Self::Rung) => false,
        }
    }
}

/// Claims older than this may be taken over.
pub(super) fn stale(now: Arrival) -> u64 {
    now.milliseconds.saturating_sub(TAKEOVER_MILLISECONDS)
}

/// The partition key of a call's guard.
pub(super) fn guard_key(service: &str, session: &SessionId) -> String {
    key("ring", [service, session.as_str()])
}

/// Guards a call against ringing twice.
pub trait Guard {
    /// Claims the call for this request.
    fn claim(
        &self,
        service: &str,
        session: &SessionId,
        now: Arrival,
    ) -> impl Future<Output = Result<Claimed, Failure>>;

    /// Says that the call has been rung.
    fn rung(
        &self,
        service: &str,
        session: &SessionId,
        now: Arrival,
    ) -> impl Future<Output = Result<(), Failure>>;

    /// Gives the claim back: nothing rang, so the next request may try. `now` is the time of the
    /// claim; another's claim stays.
    fn release(
        &self,
        service: &str,
        session: &SessionId,
        now: Arrival,
    ) -> impl Future<Output = Result<(), Failure>>;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn of_all_requests_within_3_s_one_rings_and_after_a_ring_none(
            first in 10_000_u64..1_000_000, later in 0_u64..10_000, rang: bool,
        ) {
            let at = |milliseconds| Arrival { milliseconds };
            prop_assert!(State::may_be_claimed(None, at(first)));
            let state = if rang { State::Rung } else { State::Claimed(at(first)) };
            let may = State::may_be_claimed(Some(state), at(first + later));
            prop_assert_eq!(may, !rang && later > TAKEOVER_MILLISECONDS);
        }

        #[test]
        fn a_clock_that_is_behind_takes_nothing_over(claimed: u64, behind in 0_u64..1_000_000) {
            let now = Arrival { milliseconds: claimed.saturating_sub(behind) };
            let state = State::Claimed(Arrival { milliseconds: claimed });
            prop_assert!(!State::may_be_claimed(Some(state), now));
        }

        #[test]
        fn two_calls_never_share_a_guard(
            one in ("[a#%2]{1,4}", "[a#%2]{1,4}"), other in ("[a#%2]{1,4}", "[a#%2]{1,4}"),
        ) {
            let key = |(service, sid): &(String, String)| guard_key(service, &SessionId::parse(sid).unwrap());
            prop_assert_eq!(key(&one) == key(&other), one == other);
        }
    }
}
