//! What became of a callback. What each outcome is answered with is one table in [`crate::http`].

use crate::model::SessionId;
use crate::publish::PublishError;
use crate::refusal::Refusal;
use crate::store::{Kept, StoreError};

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
}

impl From<Kept> for CallbackOutcome {
    fn from(kept: Kept) -> Self {
        match kept {
            Kept::Recorded => Self::Recorded,
            Kept::Duplicate => Self::Duplicate,
        }
    }
}

/// An outcome and the call that it is about, once that is known.
#[derive(Debug)]
pub struct Handled {
    /// What became of the callback.
    pub outcome: CallbackOutcome,
    /// The call, unless the request was turned away before anybody looked.
    pub session: Option<SessionId>,
}

impl Handled {
    /// An outcome of a known call.
    pub fn of(session: SessionId, outcome: CallbackOutcome) -> Self {
        Self { outcome, session: Some(session) }
    }
}

impl From<CallbackOutcome> for Handled {
    fn from(outcome: CallbackOutcome) -> Self {
        Self { outcome, session: None }
    }
}

impl From<Refusal> for Handled {
    fn from(refusal: Refusal) -> Self {
        CallbackOutcome::Refused(refusal).into()
    }
}
