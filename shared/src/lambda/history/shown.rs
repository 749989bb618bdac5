//! Calls and figures as answers show them.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::call::model::{Kind, Media, Moment, Outcome, Person, ReleaseCode, Releaser, Room, Status};
use crate::history::figures::{Figures, Period};
use crate::history::read::live::LiveCall;
use crate::history::read::participants::{self, OddCount, Part};
use crate::history::read::stays::{Stay, stays};
use crate::history::row::{CallRow, Direction, EndedBy, UserRow};

/// Whose answer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    AppServer,
    /// The user themselves. They see no host names and no text of the app's servers.
    User,
}

/// A user's call. Every member is named here, so that a new one of the row is not shown by accident.
#[derive(Debug, Serialize)]
pub struct ShownUsersCall<'a> {
    sid: &'a str,
    provider: &'a str,
    at: Moment,
    direction: Direction,
    kind: Kind,
    missed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    media: Option<Media>,
    with: &'a [Person],
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<&'a Room>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    talk_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ring_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_by: Option<EndedBy>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    reason: BTreeMap<&'a str, &'a ReleaseCode>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stays: Vec<Stay>,
}

impl<'a> ShownUsersCall<'a> {
    pub fn new(row: &'a UserRow, reader: Reader) -> Self {
        let reason = shown_reason(&row.reason, reader);
        Self {
            sid: &row.sid,
            provider: &row.provider,
            at: row.at,
            direction: row.direction,
            kind: row.kind,
            missed: row.missed,
            status: row.status,
            outcome: row.outcome,
            media: row.media,
            with: &row.with,
            room: row.room.as_ref(),
            started_at: row.started_at,
            ended_at: row.ended_at,
            talk_s: row.talk_s,
            ring_s: row.ring_s,
            ended_by: row.ended_by,
            reason: reason.map(|(family, code)| (family.as_str(), code)).collect(),
            stays: stays(&row.came, &row.left),
        }
    }
}

/// The release codes that a reader sees. One in words can be a host's address or text of the app's server.
pub fn shown_reason(
    reason: &BTreeMap<String, ReleaseCode>,
    reader: Reader,
) -> impl Iterator<Item = (&String, &ReleaseCode)> {
    reason
        .iter()
        .filter(move |(_, code)| reader == Reader::AppServer || matches!(code, ReleaseCode::Number(_)))
}

/// A call of a list, and of the live ones how long it was silent.
#[derive(Debug, Serialize)]
pub struct ShownCall<'a> {
    sid: &'a str,
    provider: &'a str,
    at: Moment,
    kind: Kind,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    media: Option<Media>,
    #[serde(skip_serializing_if = "Option::is_none")]
    caller: Option<&'a Person>,
    #[serde(skip_serializing_if = "<[Person]>::is_empty")]
    callees: &'a [Person],
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<&'a Room>,
    #[serde(skip_serializing_if = "Option::is_none")]
    online: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    talk_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ring_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    released_by: Option<Releaser>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    reason: &'a BTreeMap<String, ReleaseCode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_event_at: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quiet_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stale: Option<bool>,
}

impl<'a> ShownCall<'a> {
    pub fn new(row: &'a CallRow) -> Self {
        Self {
            sid: &row.sid,
            provider: &row.provider,
            at: row.at,
            kind: row.kind,
            status: row.status,
            outcome: row.outcome,
            media: row.media,
            caller: row.caller.as_ref(),
            callees: &row.callees,
            room: row.room.as_ref(),
            online: row.online,
            started_at: row.started_at,
            ended_at: row.ended_at,
            talk_s: row.talk_s,
            ring_s: row.ring_s,
            released_by: row.released_by,
            reason: &row.reason,
            last_event_at: row.last_event_at,
            quiet_s: None,
            stale: None,
        }
    }

    pub fn live(live: &'a LiveCall) -> Self {
        Self { quiet_s: Some(live.quiet_s), stale: Some(live.stale), ..Self::new(&live.call) }
    }
}

/// A call as its record shows it, without what is internal, with its people.
pub fn call_details(details: &CallDetails) -> Map<String, Value> {
    let CallDetails { item, participants, participants_complete, odd_counts } = details;
    let of_record = item.iter().filter(|(name, _)| !["record", "facts"].contains(&name.as_str()));
    let mut shown: Map<_, _> = of_record.map(|(name, value)| (name.clone(), value.clone())).collect();
    shown.insert("participants".to_owned(), json!(participants));
    shown.insert("participants_complete".to_owned(), json!(participants_complete));
    if !odd_counts.is_empty() {
        shown.insert("odd_counts".to_owned(), json!(odd_counts));
    }
    shown
}

/// One call with its people.
#[derive(Debug)]
pub struct CallDetails {
    item: Map<String, Value>,
    participants: Vec<Part>,
    /// `false`: the call has more events than were read, and there may be more people in it.
    participants_complete: bool,
    odd_counts: Vec<OddCount>,
}

impl CallDetails {
    /// A call's item, and as many events as were read for its people. A LINE group's are in them.
    pub fn new(item: Map<String, Value>, events: &[Map<String, Value>], participants_complete: bool) -> Self {
        let participants = participants::participants(&item, events);
        Self { item, participants, participants_complete, odd_counts: participants::odd_counts(events) }
    }

    /// Whether a call's people are in its events.
    pub fn has_people_in_events(item: &Map<String, Value>) -> bool {
        let is = |name: &str, word: &str| item.get(name).and_then(Value::as_str) == Some(word);
        is("provider", "line") && is("kind", "group")
    }
}

/// Figures of an hour or a day.
#[derive(Debug, Serialize)]
pub struct ShownFigures<'a> {
    provider: &'a str,
    service: &'a str,
    day: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hour: Option<u8>,
    pub calls: i64,
    /// Of the calls that ended. Absent if none did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer_rate: Option<f64>,
    pub talk_minutes: f64,
    outcomes: &'a BTreeMap<String, i64>,
    reasons: &'a BTreeMap<String, i64>,
}

impl<'a> ShownFigures<'a> {
    pub fn new(period: &'a Period, figures: &'a Figures) -> Self {
        Self {
            provider: &period.provider,
            service: &period.service,
            day: &period.day,
            hour: period.hour,
            calls: figures.calls,
            answer_rate: figures.answer_rate().map(|rate| rounded(rate, 4)),
            talk_minutes: rounded(figures.talk_minutes(), 2),
            outcomes: &figures.outcomes,
            reasons: &figures.reasons,
        }
    }
}

fn rounded(number: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (number * scale).round() / scale
}
