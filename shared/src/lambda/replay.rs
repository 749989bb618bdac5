//! Writes spooled records later. `functions/replay` gets batches of spool messages from SQS.
//!
//! A record is written exactly as its callback's own function would have written it, so order and
//! repeats of messages do not matter. What fails for now goes back to the queue, message by
//! message. What can never be written goes to the dead letters with a reason, so that it does not
//! block others.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use futures_util::future::join_all;
use tracing::Level;

use crate::aws::Failure;
use crate::aws::budget;
use crate::aws::dynamodb::DynamoDb;
use crate::aws::store::{EventPut, Kept, RecordStore, Store};
use crate::aws::topic::{Publish, Topic};
use crate::call::CallEnd;
use crate::call::model::{Origin, SessionId};
use crate::history::projector::Again;
use crate::history::rebuild::{Rebuild, Rebuilder};
use crate::lambda::settings::ReplayerSettings;
use crate::lambda::spool;
use crate::lambda::sqs::{Batch, Message, Report, Returned};

/// SNS takes no empty message and none above 256 KB, attributes included; SQS takes both. A longer
/// one was not written by these functions, and its beginning is enough.
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
pub enum ReplayOutcome {
    /// Its record is in the table.
    Recorded,
    /// Its record was in the table already.
    Duplicate,
    /// The rows of its call, whose keys were throttled, are as they should be.
    Rebuilt,
    /// It can never be written, for this reason, and is with the dead letters.
    PutAside(&'static str),
    /// It cannot be written now, for this reason, and goes back to the queue.
    Back(&'static str),
}

impl ReplayOutcome {
    /// The stable code to filter by.
    pub fn code(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Duplicate => "duplicate",
            Self::Rebuilt => "rebuilt",
            Self::PutAside(_) => "dead_letter",
            Self::Back(_) => "back_to_the_queue",
        }
    }

    /// The level of its log line.
    pub fn level(self) -> Level {
        match self {
            Self::Recorded | Self::Duplicate | Self::Rebuilt => Level::INFO,
            Self::Back(_) => Level::WARN,
            Self::PutAside(_) => Level::ERROR,
        }
    }

    /// The stable code of why it was not written.
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Self::Recorded | Self::Duplicate | Self::Rebuilt => None,
            Self::PutAside(reason) | Self::Back(reason) => Some(reason),
        }
    }
}

/// A message and what became of it.
#[derive(Debug)]
pub struct ReplayedMessage {
    /// What became of it.
    pub outcome: ReplayOutcome,
    /// Vendor and callback, if the message could be read.
    pub origin: Option<Origin>,
    /// The call, if it could be read.
    pub session: Option<SessionId>,
    /// The call's end, if this message ended it.
    pub ended: Option<CallEnd>,
    /// AWS's error code with our message.
    pub error: Option<String>,
    id: String,
}

impl ReplayedMessage {
    /// A message that could not be read.
    fn unread(id: String, outcome: ReplayOutcome) -> Self {
        Self { outcome, origin: None, session: None, ended: None, error: None, id }
    }
}

/// The response to SQS for a batch.
pub fn report(messages: &[ReplayedMessage]) -> Report {
    let back = messages.iter().filter(|message| matches!(message.outcome, ReplayOutcome::Back(_)));
    Report { failures: back.map(|message| Returned { id: message.id.clone() }).collect() }
}

/// Writes spooled records.
#[derive(Debug)]
pub struct Replayer<S, P, R> {
    records: RecordStore<S>,
    dead_letters: P,
    rows: R,
}

impl Replayer<DynamoDb, Topic, Option<Rebuilder>> {
    /// A replayer into the table and the dead letters' topic.
    pub fn connect(settings: ReplayerSettings) -> Self {
        let ReplayerSettings { table, retention, dead_letters, views, aws } = settings;
        let client = aws.dynamodb(budget::REPLAY).client;
        let rows = views.map(|(views, layout)| Rebuilder::new(client.clone(), table.clone(), views, layout));
        let table = DynamoDb::new(client, table);
        let records = RecordStore::new(table, retention, budget::REPLAY);
        Self::new(records, Topic::rarely_used(aws, dead_letters, budget::REPLAY), rows)
    }
}

impl<S: Store, P: Publish, R: Rebuild> Replayer<S, P, R> {
    pub fn new(records: RecordStore<S>, dead_letters: P, rows: R) -> Self {
        Self { records, dead_letters, rows }
    }

    /// Replays a batch, all messages concurrently. Reports each as soon as it is done, since the
    /// batch may be cut off.
    pub async fn replay(&self, batch: Batch, on_done: impl Fn(&ReplayedMessage)) -> Vec<ReplayedMessage> {
        let replayed = batch.messages.into_iter().map(async |message| {
            let id = message.id.clone();
            // A panic must not affect the other messages.
            let replayed = AssertUnwindSafe(self.replay_one(message)).catch_unwind().await;
            let replayed =
                replayed.unwrap_or_else(|_| ReplayedMessage::unread(id, ReplayOutcome::Back("panicked")));
            on_done(&replayed);
            replayed
        });
        join_all(replayed).await
    }

    async fn replay_one(&self, message: Message) -> ReplayedMessage {
        let mut replayed = self.write(&message).await;
        if let ReplayOutcome::PutAside(reason) = replayed.outcome
            && let Err(error) = self.put_aside(message.body.as_str(), reason).await
        {
            replayed.error = Some(error.to_string());
            replayed.outcome = ReplayOutcome::Back("dead_letters_unavailable");
        }
        replayed
    }

    async fn put_aside(&self, message: &str, reason: &'static str) -> Result<(), Failure> {
        self.dead_letters.publish(publishable(message), &[("reason", reason.to_owned())]).await
    }

    /// Makes the rows of a call again, if the message asks for that.
    async fn rebuild(&self, message: &Message) -> Option<ReplayedMessage> {
        let (session, rows) = Again::read(message.body.as_str())?;
        let (outcome, error) = match self.rows.rebuild(&session, &rows).await {
            Ok(()) => (ReplayOutcome::Rebuilt, None),
            Err(failure) => (ReplayOutcome::Back("views_unavailable"), Some(failure.to_string())),
        };
        let id = message.id.clone();
        Some(ReplayedMessage { outcome, origin: None, session: Some(session), ended: None, error, id })
    }

    async fn write(&self, message: &Message) -> ReplayedMessage {
        let id = message.id.clone();
        if let Some(rebuilt) = self.rebuild(message).await {
            return rebuilt;
        }
        let (record, arrival) = match spool::read(message.body.as_str()) {
            Ok(read) => read,
            Err(unreadable) => {
                return ReplayedMessage::unread(id, ReplayOutcome::PutAside(unreadable.code()));
            }
        };
        let (outcome, ended, error) = match self.records.keep(&record, arrival).await {
            Ok(Kept { event: EventPut::Stored, ended }) => (ReplayOutcome::Recorded, ended, None),
            Ok(Kept { event: EventPut::AlreadyThere, ended }) => (ReplayOutcome::Duplicate, ended, None),
            Err(error) if error.is_final() => {
                (ReplayOutcome::PutAside(error.code()), None, Some(error.to_string()))
            }
            Err(error) => (ReplayOutcome::Back(error.code()), None, Some(error.to_string())),
        };
        ReplayedMessage {
            outcome,
            origin: Some(record.origin),
            session: Some(record.session),
            ended,
            error,
            id,
        }
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
