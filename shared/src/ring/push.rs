//! Sending pushes.

use std::time::Duration;

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

/// The push to one device: what became of it, and how long that took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    pub pushed: Pushed,
    pub took: Duration,
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
    /// Sends a push to all devices at once. One push a device, in the order of the devices.
    fn ring(&self, call: Ringing<'_>, devices: &[Device]) -> impl Future<Output = Vec<Push>>;
}

/// How pushes are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushSettings {
    /// Names of SSM SecureStrings. At least one is set.
    pub apns_key_parameter: Option<String>,
    pub fcm_key_parameter: Option<String>,
    /// How long a push may wait for its phone.
    pub ring_seconds: u64,
    /// Other endpoints than Apple's and Google's own.
    pub apns_url: Option<String>,
    pub fcm_url: Option<String>,
    /// The path of a PEM file with the certificate authorities to trust in place of the system's.
    pub ca_bundle: Option<String>,
}
