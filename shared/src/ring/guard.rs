//! One ring a call: LINE may send the same notify again, and two may arrive at once.

use crate::aws::Failure;
use crate::call::model::{Arrival, SessionId};

/// What a request that wants to ring a call may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// Ring. No other request has rung this call or is about to.
    Ours,
    /// Another request has rung this call, or claimed it less than 3 s ago.
    Anothers,
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

    /// Gives the claim back: nothing rang, so the next request may try.
    fn release(
        &self,
        service: &str,
        session: &SessionId,
        now: Arrival,
    ) -> impl Future<Output = Result<(), Failure>>;
}
