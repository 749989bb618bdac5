//! People who come into a LINE group and leave it, as its event items tell.
//!
//! The call's item does not grow with its people. So each of their rows is made from the events that
//! name them, without reading anything.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::call::model::{Media, Moment, Person, Room};
use crate::history::key::{UNKNOWN_SERVICE, UserKey};
use crate::line;

/// What is needed of an event's item (`crate::call::record`).
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct StoredEvent {
    pub provider: String,
    pub sid: String,
    pub callback: String,
    pub what: String,
    #[serde(default)]
    pub who: Option<Person>,
    #[serde(default)]
    pub at: Option<Moment>,
    #[serde(default)]
    pub vendor: Vendor,
    pub received_at: u64,
    pub expires_at: u64,
}

/// The vendor's own fields, verbatim. `Debug` shows nothing.
#[derive(Clone, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct Vendor(BTreeMap<String, Value>);

impl std::fmt::Debug for Vendor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Vendor(..)")
    }
}

impl Vendor {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str().filter(|text| !text.is_empty())
    }

    fn moment(&self, name: &str) -> Option<Moment> {
        self.text(name).and_then(Moment::parse)
    }
}

/// A person came into a LINE group, left it, or changed their media there.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupEvent {
    pub provider: String,
    pub sid: String,
    pub user: UserKey,
    pub room: Option<Room>,
    /// The time in the row's key: when the room was set up, which every event of it repeats.
    pub began: Moment,
    pub at: Moment,
    pub came: bool,
    pub left: bool,
    pub media: Option<Media>,
    pub expires_at: u64,
}

impl GroupEvent {
    /// The event of a person in a LINE group; `None` for any other event.
    pub fn of(event: StoredEvent) -> Option<Self> {
        if event.callback != line::GROUP_CALL_EVENT.callback {
            return None;
        }
        let person = event.who.as_ref()?;
        let vendor = &event.vendor;
        let at = event.at.or_else(|| Moment::from_milliseconds(event.received_at))?;
        let room = Room::new(vendor.text("svc_id"), vendor.text("id"));
        let service =
            person.service_id.as_deref().or_else(|| vendor.text("svc_id")).unwrap_or(UNKNOWN_SERVICE);
        let user = UserKey {
            provider: event.provider.clone(),
            service: service.to_owned(),
            user: person.user_id.as_ref()?.reveal().to_owned(),
        };
        // A room that starts or ends tells the same of the person: who starts it came.
        let status = vendor.text("msc").map(str::to_ascii_uppercase);
        let came = event.what == "connected" || status.as_deref() == Some("C");
        let left = matches!(event.what.as_str(), "disconnected" | "timed_out")
            || matches!(status.as_deref(), Some("D" | "T"));
        let media = line::media(vendor.text("media_type").or_else(|| vendor.text("mediaType")));
        let began = vendor.moment("setup_time").or_else(|| vendor.moment("start_time")).unwrap_or(at);
        Some(Self {
            provider: event.provider,
            sid: event.sid,
            user,
            room,
            began,
            at,
            came,
            left,
            media,
            expires_at: event.expires_at,
        })
    }
}
