//! The spool: where a record waits that DynamoDB did not take in time.
//!
//! A message holds the whole record as it was read, so `functions/replay` can write what the
//! callback's own function would have written: same keys, same facts, same time of arrival.

use serde::{Deserialize, Serialize};

use crate::call::CallFacts;
use crate::call::model::{Arrival, Moment, Person, SessionId};
use crate::call::record::{Received, Record};
use crate::door::route::Route;
use crate::text::bounds;
use crate::text::message::deliverable;

/// The version of the message format. A reader refuses newer versions; those messages wait for a
/// newer reader.
pub const VERSION: u64 = 1;

#[derive(Serialize)]
struct Written<'a> {
    version: u64,
    callback: &'static str,
    arrived_at: u64,
    sid: &'a str,
    what: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    who: Option<&'a Person>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Moment>,
    vendor: &'a Received,
    call: &'a CallFacts,
}

#[derive(Deserialize)]
struct Read {
    callback: String,
    arrived_at: u64,
    sid: String,
    what: String,
    #[serde(default)]
    who: Option<Person>,
    #[serde(default)]
    at: Option<Moment>,
    vendor: Received,
    call: CallFacts,
}

#[derive(Deserialize)]
struct Envelope {
    version: u64,
}

/// Why a message cannot become a record.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// Not JSON, or not a spooled record.
    #[error("the message is not a spooled record")]
    NotARecord {
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// Written by a newer version.
    #[error("the message has version {0}; this function reads version {VERSION}")]
    FutureVersion(u64),
    /// Longer than [`bounds::SPOOL_MESSAGE_BYTES`].
    #[error("the message is longer than a spooled record can be")]
    TooLarge,
    /// Its callback is unknown to this version.
    #[error("the message's callback is unknown")]
    UnknownCallback,
    /// Its session id or time of arrival cannot be stored.
    #[error("the message's session id or time of arrival is unusable")]
    UnusableKey,
}

impl Unreadable {
    /// The stable code to filter by.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotARecord { .. } => "not_a_record",
            Self::FutureVersion(_) => "future_version",
            Self::TooLarge => "too_large",
            Self::UnknownCallback => "unknown_callback",
            Self::UnusableKey => "unusable_key",
        }
    }
}

/// Writes a record as a message.
pub fn write(record: &Record, arrival: Arrival) -> String {
    let written = Written {
        version: VERSION,
        callback: record.origin.callback,
        arrived_at: arrival.milliseconds,
        sid: record.session.as_str(),
        what: &record.what,
        who: record.who.as_ref(),
        at: record.at,
        vendor: &record.received,
        call: &record.call,
    };
    deliverable(&written)
}

/// Reads a message back: the record, and when its callback arrived.
///
/// # Errors
/// [`Unreadable`] if it cannot become a record.
pub fn read(message: &str) -> Result<(Record, Arrival), Unreadable> {
    if message.len() > bounds::SPOOL_MESSAGE_BYTES {
        return Err(Unreadable::TooLarge);
    }
    let not_a_record = |source| Unreadable::NotARecord { source };
    let Envelope { version } = serde_json::from_str(message).map_err(not_a_record)?;
    if version != VERSION {
        return Err(Unreadable::FutureVersion(version));
    }
    let read: Read = serde_json::from_str(message).map_err(not_a_record)?;
    let route = Route::from_callback(&read.callback).ok_or(Unreadable::UnknownCallback)?;
    let session = SessionId::parse(&read.sid).ok_or(Unreadable::UnusableKey)?;
    let arrival = Arrival::from_milliseconds(read.arrived_at).ok_or(Unreadable::UnusableKey)?;
    let at = match read.at {
        Some(at) => Some(Moment::from_milliseconds(at.milliseconds()).ok_or(Unreadable::UnusableKey)?),
        None => None,
    };
    let record = Record {
        session,
        origin: route.origin(),
        what: read.what,
        who: read.who,
        at,
        received: read.vendor,
        call: read.call,
    };
    Ok((record, arrival))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::line;
    use crate::text::query::Parameters;

    #[test]
    fn a_message_past_the_bound_is_too_large() {
        let message = |bytes: usize| "x".repeat(bytes);
        assert!(matches!(read(&message(bounds::SPOOL_MESSAGE_BYTES)), Err(Unreadable::NotARecord { .. })));
        assert!(matches!(read(&message(bounds::SPOOL_MESSAGE_BYTES + 1)), Err(Unreadable::TooLarge)));
    }

    proptest! {
        #[test]
        fn a_record_comes_back_from_the_spool_as_it_was(
            query in "(\\PC{0,9}=\\PC{0,9}&){0,6}", session in "[!-~]{1,40}", talked: bool,
            at in prop_oneof![0_u64..200_000_000_000, 0_u64..9_999_999_999_999],
        ) {
            let record = Record {
                session: SessionId::parse(&session).unwrap(),
                origin: line::CALL_EVENT.origin(),
                what: "ended".into(),
                who: Person::new(None, Some("a")),
                at: Moment::from_seconds_or_milliseconds(at),
                received: Received::from_parameters(&Parameters::parse(&query).unwrap(), |_| false),
                call: CallFacts { talked, ..CallFacts::default() },
            };
            let arrival = Arrival { milliseconds: 1_793_600_000_000 };
            let (read, arrived) = read(&write(&record, arrival)).unwrap();
            prop_assert_eq!(arrived, arrival);
            prop_assert_eq!(crate::call::record::event_key(&read), crate::call::record::event_key(&record));
            let parts = |record: Record| {
                (record.session, record.origin, record.what, record.who, record.received, record.call)
            };
            prop_assert_eq!(parts(read), parts(record));
        }

        #[test]
        fn any_message_is_read_or_refused_without_panic(message in "\\PC{0,200}") {
            let _ = read(&message);
        }

        #[test]
        fn a_message_near_a_record_is_read_or_refused_without_panic(
            tail in r#"[\[\]{}":,a-z0-9]{0,80}"#, version in 0_u64..3,
        ) {
            let _ = read(&format!(r#"{{"version":{version},{tail}}}"#));
        }
    }
}
