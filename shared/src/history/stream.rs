//! Changes of the records table, as Lambda hands them over from the table's stream.

use serde::{Deserialize, Serialize};
use serde_dynamo::Item;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::call::record::CALL;
use crate::history::call::StoredCall;
use crate::history::group_event::GroupEvent;

/// A sequence number of the stream. Numbers of one shard grow, and may differ in length. Padded to 40
/// digits, they sort as text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sequence(String);

impl Sequence {
    pub fn parse(text: &str) -> Option<Self> {
        let is_number = (1..=40).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| Self(format!("{text:0>40}")))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What changed.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// The item of a call: before, and after. Without the new one, it was deleted.
    Call { old: Option<Box<StoredCall>>, new: Option<Box<StoredCall>> },
    /// An event of a person in a LINE group: before, and after. Events change only when they are
    /// erased.
    GroupEvent { old: Option<Box<GroupEvent>>, new: Option<Box<GroupEvent>> },
    /// Nothing that readers see.
    Nothing,
}

/// A change that cannot be read. Its content is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a change of the records table cannot be read")]
pub struct Unreadable;

/// One record of the stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// The sequence number as Lambda wants it back when the record failed.
    pub number: String,
    /// `None` if the number is none.
    pub sequence: Option<Sequence>,
    pub change: Result<Change, Unreadable>,
}

/// A batch of the stream: in order, and from one shard.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// The shard's name, which keys of counters repeat. Lambda tells it only where the mapping has a
    /// `TumblingWindowInSeconds`.
    pub shard: String,
    pub records: Vec<Recorded>,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "Records")]
    records: Vec<Box<RawValue>>,
    #[serde(rename = "shardId", default)]
    shard: Option<String>,
}

#[derive(Deserialize)]
struct StreamRecord {
    #[serde(rename = "userIdentity", default)]
    identity: Option<Identity>,
    dynamodb: Images,
}

#[derive(Deserialize)]
struct Identity {
    #[serde(rename = "principalId", default)]
    principal: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Images {
    #[serde(default)]
    old_image: Option<Item>,
    #[serde(default)]
    new_image: Option<Item>,
}

impl Batch {
    /// Reads Lambda's event. A record that cannot be read does not hide the others.
    ///
    /// # Errors
    /// [`Unreadable`] if the event is not a batch of a stream, or does not name its shard.
    pub fn parse(event: &str) -> Result<Self, Unreadable> {
        let event: Event = serde_json::from_str(event).map_err(|_| Unreadable)?;
        let records = event.records.iter().map(|record| Recorded::parse(record.get())).collect();
        // Numbers of two shards cannot be compared, so figures need the name.
        let shard = event.shard.ok_or(Unreadable)?;
        Ok(Self { shard, records })
    }
}

impl Recorded {
    fn parse(record: &str) -> Self {
        let number = serde_json::from_str::<Value>(record)
            .ok()
            .and_then(|record| Some(record.get("dynamodb")?.get("SequenceNumber")?.as_str()?.to_owned()))
            .unwrap_or_default();
        let change = serde_json::from_str::<StreamRecord>(record).map_err(|_| Unreadable);
        Self {
            sequence: Sequence::parse(&number),
            number,
            change: change.and_then(|record| Change::parse(record.identity, record.dynamodb)),
        }
    }
}

impl Change {
    fn parse(identity: Option<Identity>, images: Images) -> Result<Self, Unreadable> {
        let Images { old_image, new_image } = images;
        // Expired rows expire by themselves, and figures outlive the records.
        let expired = identity.is_some_and(|identity| identity.principal == "dynamodb.amazonaws.com");
        let Some(any) = new_image.as_ref().or(old_image.as_ref()).filter(|_| !expired) else {
            return Ok(Self::Nothing);
        };
        let is_call = any.get("record").is_some_and(
            |record| matches!(record, serde_dynamo::AttributeValue::S(sort_key) if sort_key == CALL),
        );
        if is_call {
            return Ok(Self::Call { old: call(old_image)?, new: call(new_image)? });
        }
        Ok(match (group_event(old_image)?, group_event(new_image)?) {
            (None, None) => Self::Nothing,
            (old, new) => Self::GroupEvent { old, new },
        })
    }
}

fn group_event(image: Option<Item>) -> Result<Option<Box<GroupEvent>>, Unreadable> {
    let event = image.map(serde_dynamo::from_item).transpose().map_err(|_| Unreadable)?;
    Ok(event.and_then(GroupEvent::of).map(Box::new))
}

fn call(image: Option<Item>) -> Result<Option<Box<StoredCall>>, Unreadable> {
    image.map(|item| serde_dynamo::from_item(item).map(Box::new).map_err(|_| Unreadable)).transpose()
}
