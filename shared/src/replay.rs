//! Writing spooled records, later. `functions/replay` gets batches of the spool's messages from SQS.
//!
//! A record is written as its callback's own function would have written it, so that neither the order of messages nor a message that comes twice makes a
//! difference. What fails for now goes back to the queue, message by message. What can never be written goes to the dead letters with a word for the reason, and out
//! of the way of the others.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use futures_util::future::join_all;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::aws;
use crate::budget;
use crate::call::CallEnd;
use crate::config::{ConfigError, Environment};
use crate::model::SessionId;
use crate::outcome::Level;
use crate::publish::{PublishError, Topic};
use crate::route::Route;
use crate::spool;
use crate::store::{EventPut, Kept, PutCall, PutEvent, Records, RecordsTable};

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

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// Its record is in the table.
    Recorded,
    /// Its record was in the table already.
    Duplicate,
    /// It can never be written, for this reason, and is with the dead letters.
    PutAside(&'static str),
    /// It cannot be written now, for this reason, and goes back to the queue.
    Back(&'static str),
}

impl Replayed {
    /// The stable word to filter by.
    pub fn word(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Duplicate => "duplicate",
            Self::PutAside(_) => "dead_letter",
            Self::Back(_) => "back_to_the_queue",
        }
    }

    /// How much a person should care.
    pub fn level(self) -> Level {
        match self {
            Self::Recorded | Self::Duplicate => Level::Info,
            Self::Back(_) => Level::Warn,
            Self::PutAside(_) => Level::Error,
        }
    }

    /// The stable word for why it was not written.
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Self::Recorded | Self::Duplicate => None,
            Self::PutAside(reason) | Self::Back(reason) => Some(reason),
        }
    }
}

/// A message with what became of it.
#[derive(Debug)]
pub struct ReplayedMessage {
    /// What became of it.
    pub outcome: Replayed,
    /// Where its callback came in, if it could be read.
    pub route: Option<&'static Route>,
    /// The call, if it could be read.
    pub session: Option<SessionId>,
    /// The call's end, when this message was the first to tell of it.
    pub ended: Option<CallEnd>,
    /// What AWS had against it, in our words and AWS's code for it.
    pub error: Option<String>,
    id: String,
}

impl ReplayedMessage {
    /// A message of which nothing is known but what became of it.
    fn unread(id: String, outcome: Replayed) -> Self {
        Self { outcome, route: None, session: None, ended: None, error: None, id }
    }
}

impl Report {
    /// What SQS has to be told of a batch.
    pub fn of(messages: &[ReplayedMessage]) -> Self {
        let back = messages.iter().filter(|message| matches!(message.outcome, Replayed::Back(_)));
        Self { failures: back.map(|message| Failure { id: message.id.clone() }).collect() }
    }
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

    /// Replays a batch, its messages side by side; tells of each as soon as it is done, because a batch that is cut off has done some.
    pub async fn replay(&self, batch: Batch, tell: impl Fn(&ReplayedMessage)) -> Vec<ReplayedMessage> {
        let replayed = batch.messages.into_iter().map(async |message| {
            let id = message.id.clone();
            // One that panics must not take the others with it.
            let replayed = AssertUnwindSafe(self.replay_one(message)).catch_unwind().await;
            let replayed = replayed.unwrap_or_else(|_| ReplayedMessage::unread(id, Replayed::Back("panicked")));
            tell(&replayed);
            replayed
        });
        join_all(replayed).await
    }

    async fn replay_one(&self, message: Message) -> ReplayedMessage {
        let mut replayed = self.write(&message).await;
        if let Replayed::PutAside(reason) = replayed.outcome
            && let Err(error) = self.dead_letters.put_aside(&message.body.0, reason).await
        {
            replayed.error = Some(error.to_string());
            replayed.outcome = Replayed::Back("dead_letters_unavailable");
        }
        replayed
    }

    async fn write(&self, message: &Message) -> ReplayedMessage {
        let id = message.id.clone();
        let (record, arrival) = match spool::read(&message.body.0) {
            Ok(read) => read,
            Err(unreadable) => return ReplayedMessage::unread(id, Replayed::PutAside(unreadable.word())),
        };
        let (outcome, ended, error) = match self.records.keep(&record, arrival).await {
            Ok(Kept { event: EventPut::Stored, ended }) => (Replayed::Recorded, ended, None),
            Ok(Kept { event: EventPut::AlreadyThere, ended }) => (Replayed::Duplicate, ended, None),
            Err(error) if error.is_final() => (Replayed::PutAside(error.word()), None, Some(error.to_string())),
            Err(error) => (Replayed::Back(error.word()), None, Some(error.to_string())),
        };
        ReplayedMessage { outcome, route: Some(record.route), session: Some(record.session), ended, error, id }
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
