//! The people of one call, each with their part in it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::call::model::{Moment, Person, Personal};
use crate::call::{CallFacts, Part};
use crate::history::read::stays::{Stay, stays, talk_seconds};

/// A person's part in a call.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Participant {
    #[serde(flatten)]
    pub person: Person,
    /// Called the others.
    #[serde(skip_serializing_if = "is_false")]
    pub caller: bool,
    /// Was called.
    #[serde(skip_serializing_if = "is_false")]
    pub callee: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stays: Vec<Stay>,
    /// Whole seconds of the stays that have ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub talk_s: Option<u64>,
}

/// A count that cannot be, such as a negative one, as the vendor said it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OddCount {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Moment>,
    pub online: Personal,
    pub odd: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// What is read of the event items of a LINE group.
#[derive(Deserialize)]
struct GroupEvent {
    what: String,
    #[serde(default)]
    who: Option<Person>,
    #[serde(default)]
    at: Option<Moment>,
    #[serde(default)]
    vendor: Map<String, Value>,
}

const GROUP_CALLBACK: &str = "group_call_event";

fn group_events(events: &[Map<String, Value>]) -> impl Iterator<Item = GroupEvent> {
    let of_groups = |event: &&Map<String, Value>| event.get("callback") == Some(&GROUP_CALLBACK.into());
    events.iter().filter(of_groups).filter_map(|event| GroupEvent::deserialize(event).ok())
}

/// The people of a LINE group, from its events.
pub fn of_events(events: &[Map<String, Value>]) -> Vec<Participant> {
    let mut people: BTreeMap<Person, [BTreeSet<u64>; 2]> = BTreeMap::new();
    for GroupEvent { what, who, at, .. } in group_events(events) {
        let (Some(who), Some(at)) = (who, at) else { continue };
        let [came, left] = people.entry(who).or_default();
        match what.as_str() {
            "connected" => came.insert(at.milliseconds()),
            "disconnected" | "timed_out" => left.insert(at.milliseconds()),
            _ => false,
        };
    }
    // Events about a room name its host, who need not be in it.
    let in_room = people.into_iter().filter(|(_, [came, left])| !came.is_empty() || !left.is_empty());
    let participant = |(person, [came, left]): (Person, [BTreeSet<u64>; 2])| {
        let stays = stays(&came, &left);
        let talk_s = talk_seconds(&stays);
        Participant { person, caller: false, callee: false, stays, talk_s }
    };
    in_room.map(participant).collect()
}

/// The counts of a room that cannot be.
pub fn odd_counts(events: &[Map<String, Value>]) -> Vec<OddCount> {
    let odd = |event: GroupEvent| {
        let online = event.vendor.get("online")?.as_str()?.trim();
        let is_count = online.is_empty() || online.parse::<u64>().is_ok();
        (!is_count).then(|| OddCount { at: event.at, online: Personal::new(online), odd: true })
    };
    group_events(events).filter_map(odd).collect()
}

/// The people of a Tencent call, from its facts.
pub fn of_facts(facts: &str) -> Vec<Participant> {
    let Ok(facts) = serde_json::from_str::<CallFacts>(facts) else { return Vec::new() };
    let service = facts.service().map(str::to_owned);
    let participant = |(user, part): (String, Part)| {
        let moment = |moment: Moment| moment.milliseconds();
        let stay = part.came.map(|came| Stay {
            came: moment(came),
            left: part.left.map(moment).filter(|left| *left >= moment(came)),
        });
        let stays = Vec::from_iter(stay);
        Participant {
            person: Person { service_id: service.clone(), user_id: Some(Personal::new(user)) },
            caller: part.caller,
            callee: part.callee,
            talk_s: talk_seconds(&stays),
            stays,
        }
    };
    facts.people.0.into_iter().map(participant).collect()
}
