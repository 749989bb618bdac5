//! Lambda's SQS events, and the response to them.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

/// A batch of SQS messages, as Lambda passes it. If the event is something else, the whole batch
/// fails: Lambda deletes the messages of a batch that succeeds.
#[derive(Debug)]
pub struct Batch {
    pub messages: Vec<Message>,
}

impl<'de> Deserialize<'de> for Batch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Event {
            #[serde(rename = "Records")]
            records: Vec<Message>,
        }
        let event = Box::<RawValue>::deserialize(deserializer)?;
        // serde's message would quote what was sent, and the runtime prints it.
        let event: Event =
            serde_json::from_str(event.get()).map_err(|_| D::Error::custom("not a batch of SQS messages"))?;
        Ok(Self { messages: event.records })
    }
}

/// A message of the spool's queue.
#[derive(Debug, Deserialize)]
pub struct Message {
    #[serde(rename = "messageId")]
    pub id: String,
    pub body: Body,
}

/// A message's text. `Debug` prints only its length.
#[derive(Deserialize)]
pub struct Body(String);

impl Body {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} bytes", self.0.len())
    }
}

/// Which messages go back to the queue.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    #[serde(rename = "batchItemFailures")]
    pub failures: Vec<Returned>,
}

/// One message that goes back.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Returned {
    #[serde(rename = "itemIdentifier")]
    pub id: String,
}
