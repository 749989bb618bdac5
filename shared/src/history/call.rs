//! A call as its item in the records table shows it (`crate::call::record`).

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::call::model::{
    Kind, Media, Moment, Outcome, Person, ReleaseCode, Releaser, Room, SessionId, Status,
};
use crate::call::{CallFacts, Participant};
use crate::history::key::{UNKNOWN_SERVICE, UserKey};

/// A call's item, without what readers of lists do not need.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct StoredCall {
    pub provider: String,
    pub sid: String,
    pub kind: Kind,
    pub status: Status,
    #[serde(default)]
    pub outcome: Option<Outcome>,
    /// The item says `unknown` where it is not known.
    #[serde(default, deserialize_with = "known")]
    pub media: Option<Media>,
    #[serde(default)]
    pub caller: Option<Person>,
    #[serde(default)]
    pub callee: Option<Person>,
    #[serde(default)]
    pub callees: Vec<Person>,
    #[serde(default)]
    pub room: Option<Room>,
    #[serde(default)]
    pub host: Option<Person>,
    #[serde(default)]
    pub online: Option<u64>,
    #[serde(default)]
    pub setup_at: Option<Moment>,
    #[serde(default)]
    pub started_at: Option<Moment>,
    #[serde(default)]
    pub ended_at: Option<Moment>,
    #[serde(default)]
    pub duration_s: Option<u64>,
    #[serde(default)]
    pub released_by: Option<Releaser>,
    #[serde(default)]
    pub reason: BTreeMap<String, ReleaseCode>,
    #[serde(default)]
    pub last_event_at: Option<Moment>,
    /// Milliseconds since the epoch.
    pub received_at: u64,
    /// Seconds since the epoch.
    pub expires_at: u64,
    /// What is known of the call, for the next writer. Tencent's participants are in it.
    #[serde(default)]
    pub facts: String,
}

impl StoredCall {
    /// The vendor's id of the call. `None` if it is no id that this version would store.
    pub fn session(&self) -> Option<SessionId> {
        SessionId::parse(&self.sid)
    }

    /// The time in the keys of the call's rows.
    pub fn at(&self) -> Option<Moment> {
        self.setup_at
            .or(self.started_at)
            .or(self.ended_at)
            .or(self.last_event_at)
            .or_else(|| Moment::from_milliseconds(self.received_at))
    }

    /// Whose call it is: the service of the room, else of the caller, else of who was called.
    pub fn service(&self) -> &str {
        let room = self.room.iter().map(|room| room.service_id.as_deref());
        let people = self.caller.iter().chain(&self.callee).chain(&self.callees);
        room.chain(people.map(|person| person.service_id.as_deref()))
            .flatten()
            .next()
            .unwrap_or(UNKNOWN_SERVICE)
    }

    pub fn is_line_group(&self) -> bool {
        self.provider == "line" && self.kind == Kind::Group
    }

    pub fn has_ended(&self) -> bool {
        self.status == Status::Ended
    }

    /// Whether people talked.
    pub fn was_answered(&self) -> bool {
        self.status == Status::Ongoing || self.outcome == Some(Outcome::Answered)
    }

    /// Seconds from the call until the answer, or until its end without one.
    pub fn ring_s(&self) -> Option<u64> {
        let until = self.started_at.or_else(|| self.ended_at.filter(|_| !self.was_answered()))?;
        until.milliseconds().checked_sub(self.setup_at?.milliseconds()).map(|passed| passed / 1_000)
    }

    /// Everybody that the vendor names, with their part. Of a LINE group this is nobody: its people's
    /// own events name them.
    pub fn participants(&self) -> Vec<Participant> {
        if self.is_line_group() {
            return Vec::new();
        }
        serde_json::from_str::<CallFacts>(&self.facts).map(|facts| facts.participants()).unwrap_or_default()
    }

    /// The key of a person's rows. Where the vendor names no service, it is the call's.
    pub fn user_key(&self, person: &Person) -> Option<UserKey> {
        Some(UserKey {
            provider: self.provider.clone(),
            service: person.service_id.clone().unwrap_or_else(|| self.service().to_owned()),
            user: person.user_id.as_ref()?.reveal().to_owned(),
        })
    }
}

fn known<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Media>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(match text.as_str() {
        "audio" => Some(Media::Audio),
        "video" => Some(Media::Video),
        _ => None,
    })
}
