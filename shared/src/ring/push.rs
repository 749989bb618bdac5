//! Sending pushes.

use crate::call::model::{Arrival, Moment, SessionId};
use crate::line::push_job::PushJob;
use crate::ring::device::Device;

/// What became of the push to one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// The provider took it.
    Accepted,
    /// It was sent and no answer came. The phone may ring.
    NoAnswer,
    /// The device's address is no longer valid, since a moment if the provider named one.
    Dead { since: Option<Moment> },
    /// The provider refuses us: a wrong key, team, topic or project. The code is the provider's.
    RefusedUs(String),
    /// The provider did not take it, even when it was sent again: throttled, broken or unreachable.
    Failed(String),
}

/// A call that rings.
#[derive(Clone, Copy, Debug)]
pub struct Ringing<'a> {
    pub service: &'a str,
    pub session: &'a SessionId,
    pub job: &'a PushJob,
    /// When the notify callback arrived. The pushes expire `RING_SECONDS` later.
    pub now: Arrival,
}

/// Rings devices.
pub trait Ring {
    /// Sends a push to all devices at once. One outcome a device, in the order of the devices.
    fn ring(&self, call: Ringing<'_>, devices: &[Device]) -> impl Future<Output = Vec<Pushed>>;
}
