//! The rows of the views table, as readers get them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::call::model::{Kind, Media, Moment, Outcome, Person, ReleaseCode, Releaser, Room, Status};
use crate::history::figures;
use crate::history::key::UNKNOWN_SERVICE;

/// What a user did in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Called somebody.
    Out,
    /// Was called.
    In,
    /// Came into a room by themselves.
    Joined,
}

/// Who ended a call, seen by one user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    Me,
    Them,
    /// The vendor's servers or the app's own.
    Server,
}

/// One user's row of a call. Times are milliseconds since the epoch in the vendor's time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UserRow {
    pub provider: String,
    pub sid: String,
    pub direction: Direction,
    pub kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// How the call went for this user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Incoming, and this user neither talked nor declined nor answered on another device.
    #[serde(default)]
    pub missed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<Media>,
    /// The other people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<Person>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<Room>,
    /// The time in the row's key.
    pub at: Moment,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Moment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Moment>,
    /// Seconds of this user's talk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub talk_s: Option<u64>,
    /// Seconds until an answer or the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring_s: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<EndedBy>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reason: BTreeMap<String, ReleaseCode>,
    /// When this user came into a LINE group, in milliseconds. Talk seconds come out of these.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub came: BTreeSet<u64>,
    /// When this user left it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub left: BTreeSet<u64>,
    /// The media that this user had in it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub medias: BTreeSet<Media>,
    /// When the callback that changed the row last was received, in milliseconds of our own clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_at: Option<u64>,
    /// Seconds since the epoch. Readers leave out what has expired, because DynamoDB deletes late.
    pub expires_at: u64,
}

/// A call in the operator's lists: of a day, of a room, of the live calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallRow {
    pub provider: String,
    pub sid: String,
    pub kind: Kind,
    pub status: Status,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<Media>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<Person>,
    /// One in a one-to-one call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub callees: Vec<Person>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<Room>,
    /// As the vendor counts it. An impossible count stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub online: Option<u64>,
    /// The time in the row's key.
    pub at: Moment,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Moment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Moment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub talk_s: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring_s: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released_by: Option<Releaser>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reason: BTreeMap<String, ReleaseCode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_event_at: Option<Moment>,
    /// Seconds since the epoch.
    pub expires_at: u64,
}

impl CallRow {
    /// The row of a call whose records were erased. It stays in the day's list, so that counting the list
    /// gives the figures, which erasing does not change.
    #[must_use]
    pub fn without_people(self) -> Self {
        let service = self.service().to_owned();
        let nameless = Person::new(Some(&service), None).filter(|_| service != UNKNOWN_SERVICE);
        let reason =
            self.reason.into_iter().filter(|(family, code)| figures::counted_code(family, code).is_some());
        Self { caller: nameless, callees: Vec::new(), room: None, reason: reason.collect(), ..self }
    }

    /// Whose call it is: the service of the room, else of the caller, else of who was called.
    pub fn service(&self) -> &str {
        let room = self.room.iter().map(|room| room.service_id.as_deref());
        let people = self.caller.iter().chain(&self.callees);
        room.chain(people.map(|person| person.service_id.as_deref()))
            .flatten()
            .next()
            .unwrap_or(UNKNOWN_SERVICE)
    }
}
