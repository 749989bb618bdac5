//! A call as its item in the records table shows it (`crate::call::record`).

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::call::model::{Kind, Media, Moment, Outcome, Person, ReleaseCode, Releaser, Room, Status};

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

fn known<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Media>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(match text.as_str() {
        "audio" => Some(Media::Audio),
        "video" => Some(Media::Video),
        _ => None,
    })
}
