//! What became of a callback. What each outcome is answered with is one table in [`crate::http`].

use std::time::Duration;

use crate::call::CallEnd;
use crate::model::SessionId;
use crate::publish::PublishError;
use crate::refusal::Refusal;
use crate::store::{EventPut, StoreError};

/// The level of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// As it should be, or somebody else's mistake.
    Info,
    /// Mended by itself, as long as it does not stay.
    Warn,
    /// Somebody has been let down.
    Error,
}

/// What became of a callback.
#[derive(Debug)]
pub enum CallbackOutcome {
    /// The push job is with SNS.
    Published,
    /// The record is in the table.
    Recorded,
    /// The record was in the table already.
    Duplicate,
    /// DynamoDB did not take the record in time; it is safe in the spool.
    Deferred(StoreError),
    /// No call callback: nothing to do.
    Ignored,
    /// Turned away.
    Refused(Refusal),
    /// SNS did not take the push job in time.
    NotPublished(PublishError),
    /// DynamoDB did not take the record in time, and neither did the spool.
    NotStored(StoreError, PublishError),
    /// A bug: the code behind the door panicked.
    Panicked,
}

impl CallbackOutcome {
    /// The stable word to filter by.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Recorded => "recorded",
            Self::Duplicate => "duplicate",
            Self::Deferred(_) => "deferred",
            Self::Ignored => "ignored",
            Self::Refused(refusal) => refusal.word(),
            Self::NotPublished(_) => "not_published",
            Self::NotStored(..) => "not_stored",
            Self::Panicked => "panicked",
        }
    }

    /// How much a person should care.
    pub fn level(&self) -> Level {
        match self {
            Self::Deferred(_) => Level::Warn,
            Self::NotPublished(_) | Self::NotStored(..) | Self::Panicked => Level::Error,
            Self::Published | Self::Recorded | Self::Duplicate | Self::Ignored | Self::Refused(_) => Level::Info,
        }
    }

    /// What AWS had against it, in our words and AWS's code for it.
    pub fn error(&self) -> Option<String> {
        match self {
            Self::Deferred(error) => Some(error.to_string()),
            Self::NotStored(error, spool) => Some(format!("{error}; {spool}")),
            Self::NotPublished(error) => Some(error.to_string()),
            _ => None,
        }
    }

    /// What it was that a refusal is about, by name.
    pub fn subject(&self) -> Option<&'static str> {
        match self {
            Self::Refused(Refusal::MissingField(field) | Refusal::UnusableField(field)) => Some(field),
            Self::Refused(Refusal::TooLong(bound)) => Some(bound.word()),
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

/// How long AWS took for what it was asked; nothing where it was not asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// To write the record, or to fail.
    pub store: Option<Duration>,
    /// To publish the push job, or the record into the spool, or to fail.
    pub publish: Option<Duration>,
}

/// An outcome with what is told of it.
#[derive(Debug)]
pub struct Handled {
    /// What became of the callback.
    pub outcome: CallbackOutcome,
    /// The call, unless the request was turned away before anybody looked.
    pub session: Option<SessionId>,
    /// The call's end, when this callback was the first to tell of it.
    pub ended: Option<CallEnd>,
    /// What was waited for.
    pub effects: Effects,
}

impl From<CallbackOutcome> for Handled {
    fn from(outcome: CallbackOutcome) -> Self {
        Self { outcome, session: None, ended: None, effects: Effects::default() }
    }
}

impl From<Refusal> for Handled {
    fn from(refusal: Refusal) -> Self {
        CallbackOutcome::Refused(refusal).into()
    }
}
