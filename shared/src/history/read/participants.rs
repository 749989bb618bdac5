//! The people of one call, each with their part in it.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::call::model::{Kind, Moment, Outcome, Person, Personal};
use crate::call::{Participant, Role};
use crate::history::call::StoredCall;
use crate::history::group_event::{GroupEvent, StoredEvent};
use crate::history::read::stays::{Stay, stays, talk_seconds};
use crate::history::rows::{is_missed, left_of_last_stay, talk_s};

/// A person's part in a call.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    #[serde(flatten)]
    pub person: Person,
    /// `caller`, `callee` or `joined`.
    pub role: &'static str,
    /// How the call went for this person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    pub missed: bool,
    /// In a group. Of Tencent's participants only the last stay is known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stays: Vec<Stay>,
    /// Seconds of this person's talk, without a stay that is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub talk_s: Option<u64>,
}

/// The people of a call, from its item and, of a LINE group, from its events.
pub fn participants(item: &Map<String, Value>, events: &[Map<String, Value>]) -> Vec<Part> {
    let Some(call) = read::<StoredCall>(item) else { return Vec::new() };
    if call.is_line_group() { of_events(events) } else { of_call(&call) }
}

fn read<T: DeserializeOwned>(item: &Map<String, Value>) -> Option<T> {
    T::deserialize(item).ok()
}

/// The people of a call whose item names them: any but a LINE group.
pub fn of_call(call: &StoredCall) -> Vec<Part> {
    let part = |who: Participant| Part {
        role: match who.role {
            Role::Caller => "caller",
            Role::Callee => "callee",
            Role::Joined => "joined",
        },
        outcome: who.outcome,
        missed: is_missed(call, &who),
        stays: stay(call, &who).into_iter().collect(),
        talk_s: talk_s(call, &who),
        person: who.person,
    };
    call.participants().into_iter().map(part).collect()
}

/// The stay of a participant of a Tencent group. It begins with the talk: a caller is there from the call on.
fn stay(call: &StoredCall, who: &Participant) -> Option<Stay> {
    let came = who.came.filter(|_| call.kind == Kind::Group)?.max(call.started_at?);
    let left = left_of_last_stay(call, who).filter(|left| *left >= came);
    Some(Stay { came: came.milliseconds(), left: left.map(Moment::milliseconds) })
}

/// The people of a LINE group, from its events.
pub fn of_events(events: &[Map<String, Value>]) -> Vec<Part> {
    let mut people: BTreeMap<(String, String), [BTreeSet<u64>; 2]> = BTreeMap::new();
    for event in events.iter().filter_map(|event| GroupEvent::of(read::<StoredEvent>(event)?)) {
        let [came, left] = people.entry((event.user.service, event.user.user)).or_default();
        came.extend(event.came.then_some(event.at.milliseconds()));
        left.extend(event.left.then_some(event.at.milliseconds()));
    }
    let part = |((service, user), [came, left]): ((String, String), [BTreeSet<u64>; 2])| {
        let stays = stays(&came, &left);
        Part {
            person: Person { service_id: Some(service), user_id: Some(Personal::new(user)) },
            role: "joined",
            outcome: None,
            missed: false,
            talk_s: talk_seconds(&stays),
            stays,
        }
    };
    people.into_iter().map(part).collect()
}

/// A count that cannot be, such as a negative one, as the vendor sent it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OddCount {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Moment>,
    pub online: Personal,
    pub odd: bool,
}

/// What is read of an event for its count.
#[derive(Deserialize)]
struct Counted {
    #[serde(default)]
    at: Option<Moment>,
    #[serde(default)]
    vendor: Map<String, Value>,
}

/// The counts of a LINE group that cannot be.
pub fn odd_counts(events: &[Map<String, Value>]) -> Vec<OddCount> {
    let odd = |event: Counted| {
        let online = event.vendor.get("online")?.as_str()?.trim();
        let is_count = online.is_empty() || online.parse::<u64>().is_ok();
        (!is_count).then(|| OddCount { at: event.at, online: Personal::new(online), odd: true })
    };
    events.iter().filter_map(|event| odd(read(event)?)).collect()
}
