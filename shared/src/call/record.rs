//! The data contract: the keys and items of the records table. How an item is sent is
//! [`crate::aws::store`]'s business.
//!
//! Partition key `sid`, sort key `record`. A session has one item `call`, and one item
//! `event#<13-digit milliseconds>#<digest>` for each callback. Keys are made only of what the
//! vendor sent, so the same callback twice is one item.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::call::CallFacts;
use crate::call::model::{Arrival, Moment, Origin, Person, SessionId};
use crate::text::{json::Json, query::Parameters};

/// The sort key of the item that shows the whole call.
pub const CALL: &str = "call";

/// Every attribute that an item can have, sorted. The functions' roles may put no others
/// (`template.yaml`).
pub const ATTRIBUTES: [&str; 29] = [
    "app_data",
    "at",
    "callback",
    "callee",
    "callees",
    "caller",
    "duration_s",
    "ended_at",
    "expires_at",
    "facts",
    "host",
    "kind",
    "last_event_at",
    "media",
    "online",
    "outcome",
    "provider",
    "reason",
    "received_at",
    "record",
    "released_by",
    "room",
    "setup_at",
    "sid",
    "started_at",
    "status",
    "vendor",
    "what",
    "who",
];

/// DynamoDB has no attributes without a name, so a parameter without a name is kept under this one.
const NAMELESS: &str = "(no name)";

/// Every parameter received, as sent. `Debug` prints only their number.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Received(Vec<(String, Value)>);

impl fmt::Debug for Received {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Received({})", self.0.len())
    }
}

impl Received {
    /// The parameters of a query, except those that `left_out` picks.
    pub fn from_parameters(parameters: &Parameters, left_out: impl Fn(&str) -> bool) -> Self {
        let kept = parameters.verbatim().filter(|(name, _)| !left_out(name));
        Self(kept.map(|(name, text)| (name.to_owned(), Value::from(text))).collect())
    }

    /// Adds the members of a body.
    #[must_use]
    pub fn with_members(mut self, body: &Json) -> Self {
        self.0.extend(body.members().iter().map(|(name, value)| (name.clone(), verbatim(value))));
        self
    }

    /// 128 bits of SHA-256 over names and values, independent of their order.
    fn digest(&self, callback: &str) -> String {
        let mut pieces: Vec<(&str, String)> =
            self.0.iter().map(|(name, value)| (name.as_str(), value.to_string())).collect();
        pieces.sort_unstable();
        let mut hash = Sha256::new();
        for (name, value) in std::iter::once((callback, String::new())).chain(pieces) {
            for text in [name, &value] {
                hash.update(text.len().to_be_bytes());
                hash.update(text);
            }
        }
        hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    fn into_map(self) -> Map<String, Value> {
        group(self.0)
    }
}

/// One value for each name; a repeated name has a list of its values.
fn group(pairs: Vec<(String, Value)>) -> Map<String, Value> {
    let mut names: Vec<String> = Vec::new();
    let mut map: Map<String, Value> = Map::new();
    for (name, value) in pairs {
        let name = if name.is_empty() { NAMELESS.to_owned() } else { name };
        match map.remove(&name) {
            None => map.insert(name, value),
            Some(Value::Array(mut values)) if names.contains(&name) => {
                values.push(value);
                map.insert(name, Value::Array(values))
            }
            Some(first) => {
                names.push(name.clone());
                map.insert(name, Value::Array(vec![first, value]))
            }
        };
    }
    map
}

fn verbatim(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(text) | Json::Text(text) | Json::Undecodable(text) => Value::from(text.as_str()),
        Json::List(items) => Value::Array(items.iter().map(verbatim).collect()),
        Json::Object(members) => Value::Object(group(
            members.iter().map(|(name, value)| (name.clone(), verbatim(value))).collect(),
        )),
    }
}

/// One callback, parsed: what happened, and what it says about the call.
#[derive(Clone, Debug)]
pub struct Record {
    /// The call that it belongs to.
    pub session: SessionId,
    /// Where it came in.
    pub origin: Origin,
    /// What happened, in the vendor's term or ours.
    pub what: String,
    /// The person it happened to, if the vendor says so.
    pub who: Option<Person>,
    /// When, in the vendor's time.
    pub at: Option<Moment>,
    /// Everything received.
    pub received: Received,
    /// What it says about the call.
    pub call: CallFacts,
}

/// An item of the table as plain JSON. `Debug` shows no content.
#[derive(Clone, PartialEq)]
pub struct Item(Map<String, Value>);

impl fmt::Debug for Item {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Item({} attributes)", self.0.len())
    }
}

impl Item {
    pub fn attributes(&self) -> &Map<String, Value> {
        &self.0
    }

    pub fn into_attributes(self) -> Map<String, Value> {
        self.0
    }

    /// The facts of a call item, as it stores them.
    pub fn facts(&self) -> &str {
        self.0.get("facts").and_then(Value::as_str).unwrap_or_default()
    }
}

/// How long an item is kept after its arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    days: u64,
}

impl Retention {
    const LONGEST_DAYS: u64 = 36_500;

    /// Reads a number of days from 1 to 36,500.
    pub fn parse(text: &str) -> Option<Self> {
        let days = text.trim().parse().ok()?;
        (1..=Self::LONGEST_DAYS).contains(&days).then_some(Self { days })
    }

    /// When an item that arrives now may be deleted, in seconds since the epoch. It does not depend
    /// on the vendor's time: a wrong one would delete the record at once.
    fn expires_at(self, arrival: Arrival) -> u64 {
        arrival.seconds() + self.days * 86_400
    }
}

/// The event item. It is written once.
pub fn event_item(record: &Record, arrival: Arrival, retention: Retention) -> Item {
    let mut item = frame(record, &event_key(record), arrival, retention);
    item.insert("callback".into(), record.origin.callback.into());
    item.insert("what".into(), record.what.as_str().into());
    put(&mut item, "who", record.who.as_ref());
    put(&mut item, "at", record.at);
    item.insert("vendor".into(), Value::Object(record.received.clone().into_map()));
    Item(item)
}

/// The sort key of an event, made only of what the vendor sent.
pub fn event_key(record: &Record) -> String {
    let milliseconds = record.at.map_or(0, Moment::milliseconds);
    format!("event#{milliseconds:013}#{}", record.received.digest(record.origin.callback))
}

/// The call item: what the facts show to a reader, and the facts themselves for the next writer.
pub fn call_item(record: &Record, facts: &CallFacts, arrival: Arrival, retention: Retention) -> Item {
    let mut item = frame(record, CALL, arrival, retention);
    if let Value::Object(call) = json!(facts.view()) {
        item.extend(call.into_iter().filter(|(_, value)| !value.is_null()));
    }
    // Every name is text, so this cannot fail.
    item.insert("facts".into(), serde_json::to_string(facts).unwrap_or_default().into());
    Item(item)
}

fn frame(record: &Record, sort_key: &str, arrival: Arrival, retention: Retention) -> Map<String, Value> {
    let mut item = Map::new();
    item.insert("sid".into(), record.session.as_str().into());
    item.insert("record".into(), sort_key.into());
    put(&mut item, "provider", Some(record.origin.provider));
    item.insert("received_at".into(), arrival.milliseconds.into());
    item.insert("expires_at".into(), retention.expires_at(arrival).into());
    item
}

/// Unknown values are left out.
fn put(item: &mut Map<String, Value>, name: &str, value: Option<impl Serialize>) {
    if let Some(value) = value {
        item.insert(name.to_owned(), json!(value));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(query: &str) -> Record {
        Record {
            session: SessionId::parse("a-session").unwrap(),
            origin: Origin { provider: "line", callback: "call_event" },
            what: "ended".into(),
            who: None,
            at: Moment::from_seconds_or_milliseconds(1_582_527_434),
            received: Received::from_parameters(&Parameters::parse(query).unwrap(), |_| false),
            call: CallFacts::default(),
        }
    }

    #[test]
    fn an_event_key_holds_the_vendors_time_in_13_digits() {
        let key = event_key(&record("a=1"));
        let (time, digest) = key.strip_prefix("event#").unwrap().split_once('#').unwrap();
        assert_eq!(time, "1582527434000");
        assert_eq!(digest.len(), 32);
        let key = event_key(&Record { at: None, ..record("a=1") });
        assert!(key.starts_with("event#0000000000000#"));
    }

    #[test]
    fn every_attribute_that_an_item_can_have_is_listed() {
        let arrival = Arrival { milliseconds: 1_700_000_000_000 };
        let record = Record { who: Person::new(None, Some("alice")), ..record("a=1") };
        let retention = Retention::parse("1").unwrap();
        let items =
            [event_item(&record, arrival, retention), call_item(&record, &record.call, arrival, retention)];
        let mut names: Vec<String> =
            items.into_iter().flat_map(|Item(attributes)| attributes).map(|(name, _)| name).collect();
        // Unknown values are left out of items, but their names must be listed too.
        names.extend(json!(CallFacts::default().view()).as_object().unwrap().keys().cloned());
        names.sort();
        names.dedup();
        assert_eq!(names, ATTRIBUTES);
    }

    #[test]
    fn another_value_is_another_event() {
        assert_ne!(event_key(&record("a=1&b=2")), event_key(&record("a=2&b=1")));
        assert_ne!(event_key(&record("a=1&b=")), event_key(&record("a=1")));
        assert_ne!(event_key(&record("ab=c")), event_key(&record("a=bc")));
    }

    #[test]
    fn repeated_names_are_a_list_and_a_nameless_value_has_a_name() {
        let item = event_item(
            &record("a=1&=x&a=2&a=3&b"),
            Arrival { milliseconds: 1_700_000_000_000 },
            Retention::parse("1").unwrap(),
        );
        assert_eq!(item.attributes()["vendor"], json!({"a": ["1", "2", "3"], "(no name)": "x", "b": ""}));
    }

    #[test]
    fn items_expire_after_the_retention_counted_from_their_arrival() {
        let item = event_item(
            &record(""),
            Arrival { milliseconds: 1_700_000_000_999 },
            Retention::parse("90").unwrap(),
        );
        assert_eq!(item.attributes()["expires_at"], json!(1_700_000_000 + 90 * 86_400));
        for text in ["", "0", "-1", "90.5", "36501", "x"] {
            assert_eq!(Retention::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn keys_do_not_depend_on_the_order_of_parameters(
            mut pieces in proptest::collection::vec("[a-c]=[0-9]{0,2}", 1..8),
            turns in 0_usize..8,
        ) {
            let sent = event_key(&record(&pieces.join("&")));
            let middle = turns % pieces.len();
            pieces.rotate_left(middle);
            prop_assert_eq!(&event_key(&record(&pieces.join("&"))), &sent);
            pieces.reverse();
            prop_assert_eq!(&event_key(&record(&pieces.join("&"))), &sent);
        }
    }
}
