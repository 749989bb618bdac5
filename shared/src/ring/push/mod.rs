//! Sending pushes to Apple and Google.
//!
//! [`apns`] and [`fcm`] say what is sent and what an answer means; both only compute. [`direct`] sends, with
//! the [`client`] of each provider and the [`keys`] of the operator, whose signatures [`jwt`] makes.

pub mod apns;
pub mod client;
pub mod direct;
pub mod fcm;
pub mod jwt;
pub mod keys;
#[cfg(test)]
mod tests;

use std::time::Duration;

use uuid::Uuid;

use crate::aws::trust::Trust;
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
    /// This stack has no key for the device's provider, so nothing was sent. An app may register before.
    NotAsked,
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
    /// A bundle replaces the providers' own authorities.
    pub trust: Trust,
}

/// What a provider gets, but for the token that says who we are.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    pub path: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

/// A provider's answer to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Settled(Pushed),
    /// Throttled or broken: it may take the push when it is sent again.
    SendAgain(String),
    /// The token that says who we are is too old.
    RenewToken(String),
}

impl Reply {
    /// What the last answer means.
    fn settled(self) -> Pushed {
        match self {
            Self::Settled(pushed) => pushed,
            Self::SendAgain(code) => Pushed::Failed(code),
            Self::RenewToken(code) => Pushed::RefusedUs(code),
        }
    }
}

/// The id of a call on every phone, so that a push that comes twice rings once.
pub fn call_uuid(call: &Ringing<'_>) -> Uuid {
    let service = Uuid::new_v5(&Uuid::NAMESPACE_OID, call.service.as_bytes());
    Uuid::new_v5(&service, call.session.as_str().as_bytes())
}

/// Whether a provider refuses the key, as opposed to the app or the project that a device names.
fn is_about_key(code: &str) -> bool {
    const WORDS: [&str; 4] =
        ["InvalidProviderToken", "ExpiredProviderToken", "MissingProviderToken", "UNAUTHENTICATED"];
    code.starts_with("no_access_token") || WORDS.contains(&code)
}

/// A provider's word for an error, if it can be one: letters and underscores. Logs and metrics show it, and
/// a device's token must not get there.
fn code(status: u16, word: Option<&str>) -> String {
    let is_word = |word: &&str| {
        (1..=48).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_')
    };
    word.filter(is_word).map_or_else(|| format!("status_{status}"), str::to_owned)
}
