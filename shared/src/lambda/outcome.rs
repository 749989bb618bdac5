//! What became of a callback. What each outcome is answered with is one table in [`crate::lambda::http`].

use std::time::Duration;

use tracing::Level;

use crate::aws::Failure;
use crate::aws::store::{EventPut, StoreError};
use crate::call::{CallEnd, model::SessionId};
use crate::ring::device::Provider;
use crate::text::refusal::Refusal;

/// What became of a callback.
#[derive(Debug)]
pub enum CallbackOutcome {
    /// The push job is with SNS.
    Published,
    /// The record is in the table.
    Recorded,
    /// The record was in the table already, or the call was rung already.
    Duplicate,
    /// A phone of the callee rings, or may ring.
    Rung,
    /// The callee has no device that can ring. The caller learns it at once.
    NoDevice,
    /// The callee has no device that can ring, but a subscriber of the push jobs may ring the callee.
    NoDeviceAccepted,
    /// Apple or Google refuses our keys or settings, with this code.
    ProviderRefused(String),
    /// Apple and Google failed or were throttled; the first code.
    NotRung(String),
    /// DynamoDB did not say in time which devices the callee has.
    RegistryUnreadable(Failure),
    /// DynamoDB did not take the record in time; it is safe in the spool.
    Deferred(StoreError),
    /// Not a call callback; nothing to do.
    Ignored,
    /// Refused.
    Refused(Refusal),
    /// SNS did not take the push job in time.
    NotPublished(Failure),
    /// DynamoDB did not take the record in time, and neither did the spool.
    NotStored(StoreError, Failure),
    /// A bug: the handler panicked.
    Panicked,
}

impl CallbackOutcome {
    /// The stable code to filter by.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Recorded => "recorded",
            Self::Duplicate => "duplicate",
            Self::Rung => "rung",
            Self::NoDevice | Self::NoDeviceAccepted => "no_device",
            Self::ProviderRefused(_) => "provider_refused",
            Self::NotRung(_) => "not_rung",
            Self::RegistryUnreadable(_) => "registry_unreadable",
            Self::Deferred(_) => "deferred",
            Self::Ignored => "ignored",
            Self::Refused(refusal) => refusal.code(),
            Self::NotPublished(_) => "not_published",
            Self::NotStored(..) => "not_stored",
            Self::Panicked => "panicked",
        }
    }

    /// The level of its log line.
    pub fn level(&self) -> Level {
        match self {
            // Success, or the client's error.
            Self::Published
            | Self::Recorded
            | Self::Duplicate
            | Self::Rung
            | Self::NoDevice
            | Self::NoDeviceAccepted
            | Self::Ignored
            | Self::Refused(_) => Level::INFO,
            // Recovered by itself.
            Self::Deferred(_) => Level::WARN,
            // A callback, a push job or a ring was lost.
            Self::NotPublished(_)
            | Self::NotStored(..)
            | Self::ProviderRefused(_)
            | Self::NotRung(_)
            | Self::RegistryUnreadable(_)
            | Self::Panicked => Level::ERROR,
        }
    }

    /// AWS's or the provider's error code with our message.
    pub fn error(&self) -> Option<String> {
        match self {
            Self::Deferred(error) => Some(error.to_string()),
            Self::NotStored(error, spool) => Some(format!("{error}; {spool}")),
            Self::NotPublished(error) | Self::RegistryUnreadable(error) => Some(error.to_string()),
            Self::ProviderRefused(code) => Some(format!("the push provider refuses our requests ({code})")),
            Self::NotRung(code) => Some(format!("the push provider took no push ({code})")),
            _ => None,
        }
    }

    /// The field or bound that a refusal is about.
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::Refused(Refusal::MissingField(field) | Refusal::UnusableField(field)) => Some(field),
            Self::Refused(Refusal::TooLong(bound)) => Some(bound.as_str()),
            _ => None,
        }
    }
}

impl From<EventPut> for CallbackOutcome {
    fn from(put: EventPut) -> Self {
        match put {
            EventPut::Stored => Self::Recorded,
            EventPut::AlreadyThere => Self::Duplicate,
        }
    }
}

/// How long AWS took; `None` if it was not asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    /// To write the record, or to fail.
    pub store: Option<Duration>,
    /// To publish the push job or the spooled record, or to fail.
    pub publish: Option<Duration>,
}

/// What the log says about the ringing of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RingDetails {
    /// Devices that a provider called dead.
    pub dead_devices: usize,
    /// Pushes that a provider refused because of us.
    pub refusals: usize,
    /// How long the slowest push of each provider took.
    pub took: Vec<(Provider, Duration)>,
}

/// An outcome with what the log says about it.
#[derive(Debug)]
pub struct OutcomeDetails {
    /// What became of the callback.
    pub outcome: CallbackOutcome,
    /// The call, unless the request was refused before it was read.
    pub session: Option<SessionId>,
    /// The call's end, if this callback ended it.
    pub ended: Option<CallEnd>,
    /// How long the requests to AWS took.
    pub waits: Waits,
    /// `None` if no device was to ring.
    pub ring: Option<RingDetails>,
}

impl From<CallbackOutcome> for OutcomeDetails {
    fn from(outcome: CallbackOutcome) -> Self {
        Self { outcome, session: None, ended: None, waits: Waits::default(), ring: None }
    }
}

impl From<Refusal> for OutcomeDetails {
    fn from(refusal: Refusal) -> Self {
        CallbackOutcome::Refused(refusal).into()
    }
}
