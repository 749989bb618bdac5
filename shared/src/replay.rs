//! Writing spooled records, later. `functions/replay` gets batches of the spool's messages from SQS.
//!
//! A record is written as its callback's own function would have written it, so that neither the order of messages nor a message that comes twice makes a
//! difference. What fails for now goes back to the queue, message by message. What can never be written goes to the dead letters with a word for the reason, and out
//! of the way of the others.

use futures_util::future::join_all;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::aws;
use crate::budget;
use crate::config::{ConfigError, Environment};
use crate::model::SessionId;
use crate::publish::{PublishError, Topic};
use crate::spool;
use crate::store::{Kept, PutCall, PutEvent, Records, RecordsTable};

/// A batch of messages, as Lambda hands them over from SQS. An event that is none fails as a whole: Lambda would delete the messages of a batch that succeeds.
#[derive(Debug)]
pub struct Batch {
    /// The messages.
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
        // serde's own words would quote what was sent, and the runtime prints them.
        let event: Event =
            serde_json::from_str(event.get()).map_err(|_| D::Error::custom("no batch of SQS messages"))?;
        Ok(Self { messages: event.records })
    }
}

/// A message of the spool's queue.
#[derive(Debug, Deserialize)]
pub struct Message {
    /// SQS's id of it.
    #[serde(rename = "messageId")]
    id: String,
    body: Body,
}

#[derive(Deserialize)]
struct Body(String);

impl std::fmt::Debug for Body {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} bytes", self.0.len())
    }
}

/// Which messages go back to the queue.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Their ids.
    #[serde(rename = "batchItemFailures")]
    pub failures: Vec<Failure>,
}

/// One message that goes back.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// SQS's id of it.
    #[serde(rename = "itemIdentifier")]
    pub id: String,
}

/// Takes messages that can never be written.
pub trait DeadLetters {
    /// Puts a message aside with a word for the reason; once this is `Ok`, it is safe.
    fn put_aside(&self, message: &str, reason: &'static str) -> impl Future<Output = Result<(), PublishError>>;
}

/// The dead letters' topic, with a queue behind it.
#[derive(Debug)]
pub struct DeadLettersTopic(Topic);

impl DeadLettersTopic {
    /// The topic that `DEAD_LETTERS_TOPIC_ARN` names.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable.
    pub fn of(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self(Topic::rarely_used(environment, "DEAD_LETTERS_TOPIC_ARN", budget::REPLAY)?))
    }
}

impl DeadLetters for DeadLettersTopic {
    async fn put_aside(&self, message: &str, reason: &'static str) -> Result<(), PublishError> {
        self.0.publish(publishable(message), &[("reason", reason.to_owned())]).await
    }
}

/// SNS takes neither an empty message nor one of more than 256 KB, attributes included; SQS takes both. What is
/// too long was not written by these functions, and its beginning tells enough.
fn publishable(message: &str) -> &str {
    const LONGEST: usize = 250_000;
    match message.len() {
        0 => " ",
        bytes if bytes > LONGEST => message.get(..message.floor_char_boundary(LONGEST)).unwrap_or(" "),
        _ => message,
    }
}

/// What became of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Replayed {
    Recorded,
    Duplicate,
    PutAside(&'static str),
    Back(&'static str),
}

/// Writes spooled records.
#[derive(Clone, Debug)]
pub struct Replayer<S, D> {
    records: Records<S>,
    dead_letters: D,
}

impl Replayer<RecordsTable, DeadLettersTopic> {
    /// The replayer that the environment describes.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable.
    pub fn of(environment: &Environment) -> Result<Self, ConfigError> {
        let dynamodb = aws::dynamodb(environment, budget::REPLAY)?.client;
        let table = RecordsTable::new(dynamodb, environment.records_table()?);
        let records = Records::new(table, environment.retention()?, budget::REPLAY);
        Ok(Self::new(records, DeadLettersTopic::of(environment)?))
    }
}

impl<S: PutEvent + PutCall, D: DeadLetters> Replayer<S, D> {
    /// A replayer into a table.
    pub fn new(records: Records<S>, dead_letters: D) -> Self {
        Self { records, dead_letters }
    }

    /// Replays a batch, its messages side by side.
    pub async fn replay(&self, batch: Batch) -> Report {
        let failures = join_all(batch.messages.into_iter().map(|message| self.replay_one(message))).await;
        Report { failures: failures.into_iter().flatten().collect() }
    }

    async fn replay_one(&self, message: Message) -> Option<Failure> {
        let (replayed, session) = self.write(&message.body.0).await;
        let replayed = match replayed {
            Replayed::PutAside(reason) => match self.dead_letters.put_aside(&message.body.0, reason).await {
                Ok(()) => replayed,
                Err(error) => {
                    tracing::error!(%error, reason, "dead letter not put aside");
                    Replayed::Back("dead_letters_unavailable")
                }
            },
            _ => replayed,
        };
        let (outcome, reason) = match replayed {
            Replayed::Recorded => ("recorded", None),
            Replayed::Duplicate => ("duplicate", None),
            Replayed::PutAside(reason) => ("dead_letter", Some(reason)),
            Replayed::Back(reason) => ("back_to_the_queue", Some(reason)),
        };
        tracing::info!(outcome, reason, sid = session.as_ref().map(SessionId::as_str), "replay");
        matches!(replayed, Replayed::Back(_)).then_some(Failure { id: message.id })
    }

    async fn write(&self, message: &str) -> (Replayed, Option<SessionId>) {
        let (record, arrival) = match spool::read(message) {
            Ok(read) => read,
            Err(unreadable) => return (Replayed::PutAside(unreadable.word()), None),
        };
        let replayed = match self.records.keep(&record, arrival).await {
            Ok(Kept::Recorded) => Replayed::Recorded,
            Ok(Kept::Duplicate) => Replayed::Duplicate,
            Err(error) if error.is_final() => Replayed::PutAside(error.word()),
            Err(error) => {
                tracing::warn!(%error, "record not stored");
                Replayed::Back(error.word())
            }
        };
        (replayed, Some(record.session))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_message_can_be_put_aside() {
        assert_eq!(publishable(""), " ");
        assert_eq!(publishable("x"), "x");
        let long = "é".repeat(200_000);
        assert!(publishable(&long).len() <= 250_000 && long.starts_with(publishable(&long)));
    }
}
