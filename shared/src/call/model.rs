//! The terms of calls, in no vendor's spelling: sessions, people, rooms, times, outcomes.
//!
//! Values that name a person or hold key material have a `Debug` without content, so no log line
//! can leak them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::text::{bounds, number};

/// Text about a person (a user id, a display name, app data). Code can read it; logs cannot.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Personal(String);

impl Personal {
    /// Wraps text that must not be printed.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for a record or a push job.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Personal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Personal(..)")
    }
}

/// The vendor's id of one call: LINE's `sid`, Tencent's `CallId`, exactly as sent. It is the partition key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionId(String);

impl SessionId {
    /// Reads an id. `None` if it is blank, longer than [`bounds::SESSION_ID_BYTES`], or has control
    /// characters or U+FFFD. (U+FFFD replaces invalid bytes; two different ids could look alike
    /// with it.)
    pub fn parse(text: &str) -> Option<Self> {
        let unusable = |character: char| character.is_control() || character == char::REPLACEMENT_CHARACTER;
        let usable =
            !text.trim().is_empty() && text.len() <= bounds::SESSION_ID_BYTES && !text.chars().any(unusable);
        usable.then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A moment in the vendor's time: milliseconds since the epoch, never 0 and never beyond 13 digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(u64);

impl Moment {
    /// Numbers from here on count milliseconds: as seconds they would lie in the year 5138.
    const FIRST_MILLISECONDS: u64 = 100_000_000_000;
    const LAST: u64 = 9_999_999_999_999;
    /// The last moment that can be written.
    pub const LATEST: Self = Self(Self::LAST);
    /// The last event's own time, [before](Self::before) that event.
    pub(super) const OF_LAST_EVENT: Self = Self(0);

    /// Reads a time in seconds or milliseconds; both vendors mix them. 0 means "did not happen".
    pub fn from_seconds_or_milliseconds(number: u64) -> Option<Self> {
        let milliseconds =
            if number < Self::FIRST_MILLISECONDS { number.checked_mul(1_000)? } else { number };
        Self::from_milliseconds(milliseconds)
    }

    /// Reads a time in any notation, with fractions of a second.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(number) = text.trim().parse() {
            return Self::from_seconds_or_milliseconds(number);
        }
        let number = number::decimal(text)?;
        #[expect(clippy::cast_precision_loss, reason = "the bound is far below 2^53")]
        let is_seconds = number < Self::FIRST_MILLISECONDS as f64;
        Self::from_milliseconds(number::truncated(if is_seconds {
            (number * 1_000.0).round()
        } else {
            number
        }))
    }

    /// Reads a stored time in milliseconds.
    pub fn from_milliseconds(milliseconds: u64) -> Option<Self> {
        (1..=Self::LAST).contains(&milliseconds).then_some(Self(milliseconds))
    }

    pub fn milliseconds(self) -> u64 {
        self.0
    }

    /// A moment of stored facts: how long it was before the call's last event. The same again
    /// gives the moment back, also one after that event.
    pub(super) fn before(self, last_event: Self) -> Self {
        Self(last_event.0.wrapping_sub(self.0))
    }
}

/// When a callback arrived. The clock is read once; everywhere else the time is an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    pub milliseconds: u64,
}

impl Arrival {
    /// Reads a stored time of arrival. `None` if it is 0 or has more than 13 digits.
    pub fn from_milliseconds(milliseconds: u64) -> Option<Self> {
        (1..=Moment::LAST).contains(&milliseconds).then_some(Self { milliseconds })
    }

    pub fn seconds(self) -> u64 {
        self.milliseconds / 1_000
    }
}

/// Where a record comes from, in the words of records, logs and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The vendor.
    pub provider: &'static str,
    pub callback: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A caller and a callee.
    OneToOne,
    /// A room.
    Group,
}

/// Audio or video.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Media {
    /// Voice only.
    Audio,
    /// Voice and video.
    Video,
}

/// The state of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Not answered yet.
    Ringing,
    /// People are talking.
    Ongoing,
    /// Over.
    Ended,
}

/// How an ended call went. A call with no talk time is never `Answered`, whatever its codes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The codes contradict each other or decide nothing.
    Unknown,
    /// Something broke before the call was answered.
    Failed,
    /// The callee was in another call.
    Busy,
    /// The caller hung up before an answer.
    Canceled,
    /// The callee declined.
    Rejected,
    /// Not answered.
    Missed,
    /// Another device of the callee answered.
    AnsweredElsewhere,
    /// People talked.
    Answered,
}

impl Outcome {
    /// The name in records, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Failed => "failed",
            Self::Busy => "busy",
            Self::Canceled => "canceled",
            Self::Rejected => "rejected",
            Self::Missed => "missed",
            Self::AnsweredElsewhere => "answered_elsewhere",
            Self::Answered => "answered",
        }
    }
}

/// Who ended the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Releaser {
    /// The callee of a one-to-one call.
    Callee,
    /// The caller of a one-to-one call.
    Caller,
    /// A participant of a group call.
    Participant,
    /// The vendor's servers.
    CloudServer,
    /// The app's own server, through the vendor's API.
    AppServer,
}

/// A user of a service. The service id is LINE's service id or Tencent's SDKAppID.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Person {
    /// The service that the user id belongs to, when the vendor named it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_id: Option<String>,
    /// The user, when the vendor named one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<Personal>,
}

impl Person {
    /// A person, if at least one of the two ids is known.
    pub fn new(service_id: Option<&str>, user_id: Option<&str>) -> Option<Self> {
        let person = Self { service_id: service_id.map(str::to_owned), user_id: user_id.map(Personal::new) };
        (person.service_id.is_some() || person.user_id.is_some()).then_some(person)
    }

    /// Whether both are one user, as far as is known. Two services may give two users the same id.
    pub fn is_same_as(&self, other: &Self) -> bool {
        let services = self.service_id.as_ref().zip(other.service_id.as_ref());
        self.user_id == other.user_id && services.is_none_or(|(one, other)| one == other)
    }
}

/// A room of a service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Room {
    /// The service that the room id belongs to, when the vendor named it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_id: Option<String>,
    /// The room, if the vendor named it. App developers put people's names into it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Personal>,
}

impl Room {
    /// A room, if at least one of the two ids is known.
    pub fn new(service_id: Option<&str>, id: Option<&str>) -> Option<Self> {
        let room = Self { service_id: service_id.map(str::to_owned), id: id.map(Personal::new) };
        (room.service_id.is_some() || room.id.is_some()).then_some(room)
    }
}

/// A release code as the vendor sent it: a number where the vendor's page says Integer, else text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ReleaseCode {
    /// An integer code.
    Number(i64),
    /// A code as text, a host name, or the app's own text.
    Word(Personal),
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_moment_is_the_same_in_seconds_and_milliseconds_and_in_every_notation() {
        for text in [
            "1795000005",
            "1795000005000",
            "1795000005.0",
            "1795000005000.0",
            "1.795000005e12",
            "1.795000005e9",
        ] {
            assert_eq!(Moment::parse(text).map(Moment::milliseconds), Some(1_795_000_005_000), "{text}");
        }
        assert_eq!(Moment::parse("1795000005.25").map(Moment::milliseconds), Some(1_795_000_005_250));
        for text in ["0", "0.0", "", "soon", "-1795000005", "1e20"] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }

    #[test]
    fn logs_and_records_use_the_same_words() {
        use Outcome::{Answered, AnsweredElsewhere, Busy, Canceled, Failed, Missed, Rejected, Unknown};
        for outcome in [Unknown, Failed, Busy, Canceled, Rejected, Missed, AnsweredElsewhere, Answered] {
            assert_eq!(json!(outcome), outcome.as_str());
        }
    }
}
