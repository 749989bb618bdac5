//! Keeping records: one event item and one call item a callback, in DynamoDB.
//!
//! Both writes go out one after the other, on one connection, and neither needs the other: a function that dies between them has done half, and the
//! same callback again does the rest. Conditions decide, never an earlier read. The event item is put if it is not there. The call item is put if it is still what the
//! facts were joined from; if it is not, DynamoDB's refusal brings the newer item along and the facts are joined with that one. What a call's item was last is
//! remembered for a while, so that a room's later events hit at once.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use serde_json::Value;

use crate::budget::Budget;
use crate::call::{CallEnd, CallFacts};
use crate::model::{Arrival, SessionId};
use crate::record::{self, Item, Record, Retention};

/// Why a record is not in the table.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// DynamoDB said no, or nothing.
    #[error("DynamoDB did not take the item ({code})")]
    Unavailable {
        /// DynamoDB's word for it, or how the connection failed.
        code: String,
        /// What the SDK reported.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Not done within its budget.
    #[error("DynamoDB did not answer in time")]
    TooSlow,
    /// The call item holds facts that this version cannot read.
    #[error("the stored call has facts that cannot be read")]
    UnreadableFacts {
        /// What is wrong with them.
        #[source]
        source: serde_json::Error,
    },
}

/// What a conditional put of an event item came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventPut {
    /// It is there now.
    Stored,
    /// It was there before.
    AlreadyThere,
}

/// Puts an event item unless it is there.
pub trait PutEvent {
    /// Puts the item if the table has none under its key.
    fn put_event(&self, item: &Item) -> impl Future<Output = Result<EventPut, StoreError>>;
}

/// What a conditional put of a call item came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallPut {
    /// It is there now.
    Stored,
    /// The table holds other facts than expected: these, or none because the item is gone.
    Changed(Option<String>),
}

/// Puts a call item over the one that it was made from.
pub trait PutCall {
    /// Puts the item if the table's call item holds the expected facts, or if there is none and none is expected.
    fn put_call(&self, item: &Item, expected: Option<&str>) -> impl Future<Output = Result<CallPut, StoreError>>;
}

impl StoreError {
    /// Whether the same item will be refused however often it is sent.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Unavailable { code, .. } => code == "ValidationException",
            Self::UnreadableFacts { .. } => true,
            Self::TooSlow => false,
        }
    }

    /// The stable word to filter by.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } if self.is_final() => "refused_by_the_table",
            Self::Unavailable { .. } => "table_unavailable",
            Self::TooSlow => "table_too_slow",
            Self::UnreadableFacts { .. } => "unreadable_facts",
        }
    }
}

/// A record that is in the table now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Whether it was there before.
    pub event: EventPut,
    /// The call's end, if this is the write that told of it. It is for counting and not for accounting: nobody tells of a write whose answer was lost, and a
    /// call that was taken up again, or whose item was erased, can end twice.
    pub ended: Option<CallEnd>,
}

/// The records of all calls.
#[derive(Clone, Debug)]
pub struct Records<S> {
    store: S,
    retention: Retention,
    budget: Budget,
    recent: RefCell<RecentCalls>,
}

impl<S: PutEvent + PutCall> Records<S> {
    /// Records in a store, kept for a time, each written within a budget.
    pub fn new(store: S, retention: Retention, budget: Budget) -> Self {
        Self { store, retention, budget, recent: RefCell::default() }
    }

    /// Keeps what a callback says: the event as it came, and the call moved forward by it.
    ///
    /// # Errors
    /// [`StoreError`] when not both are in the table within the budget. One of them may be; the same record again does the rest.
    pub async fn keep(&self, record: &Record, arrival: Arrival) -> Result<Kept, StoreError> {
        let event = record::event_item(record, arrival, self.retention);
        let both = async {
            let event = self.store.put_event(&event).await?;
            let ended = self.move_call_forward(record, arrival).await?;
            Ok(Kept { event, ended })
        };
        tokio::time::timeout(self.budget.whole, both).await.unwrap_or(Err(StoreError::TooSlow))
    }

    /// Joins the callback's facts into the call item. Each round that is lost was won by another writer, so that many writers always get on;
    /// the budget bounds the rounds. Says whether the call has ended by it.
    async fn move_call_forward(&self, record: &Record, arrival: Arrival) -> Result<Option<CallEnd>, StoreError> {
        let mut stored = self.recent.borrow().facts(&record.session);
        let mut from_memory = stored.is_some();
        for round in 0.. {
            let known: CallFacts = match &stored {
                Some(facts) => serde_json::from_str(facts).map_err(|source| StoreError::UnreadableFacts { source })?,
                None => CallFacts::default(),
            };
            let facts = known.clone().join(record.call.clone());
            if let Some(nothing_new_to) = stored.take_if(|_| facts == known) {
                // Only the table may say that there is nothing to write: what is remembered may be gone from it.
                if std::mem::take(&mut from_memory) {
                    continue;
                }
                self.recent.borrow_mut().remember(&record.session, nothing_new_to);
                break;
            }
            let item = record::call_item(record, &facts, arrival, self.retention);
            match self.store.put_call(&item, stored.as_deref()).await? {
                CallPut::Stored => {
                    self.recent.borrow_mut().remember(&record.session, record::stored_facts(&facts));
                    return Ok(facts.end_since(&known));
                }
                CallPut::Changed(newer) => (stored, from_memory) = (newer, false),
            }
            if round > 0 {
                tokio::time::sleep(pause(round)).await;
            }
        }
        Ok(None)
    }
}

/// The facts that this environment last saw in the table, of the calls that it wrote last. A room's events come to few environments, so that most of
/// them need one put of the call item instead of one that is refused and another. The condition of the put decides all the same: what is remembered
/// here may be old, and is then refused like any other old facts.
#[derive(Clone, Default)]
struct RecentCalls {
    newest_first: VecDeque<(SessionId, String)>,
}

impl RecentCalls {
    const CALLS: usize = 64;

    fn facts(&self, session: &SessionId) -> Option<String> {
        self.newest_first.iter().find(|(known, _)| known == session).map(|(_, facts)| facts.clone())
    }

    fn remember(&mut self, session: &SessionId, facts: String) {
        self.newest_first.retain(|(known, _)| known != session);
        self.newest_first.push_front((session.clone(), facts));
        self.newest_first.truncate(Self::CALLS);
    }
}

impl fmt::Debug for RecentCalls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RecentCalls({})", self.newest_first.len())
    }
}

/// Writers that met once would meet again in step; a random pause of some milliseconds parts them.
fn pause(round: u32) -> Duration {
    Duration::from_millis(fastrand::u64(1..=8 * u64::from(round.min(8))))
}

/// The records table in DynamoDB. It uses `PutItem` and nothing else.
#[derive(Clone, Debug)]
pub struct RecordsTable {
    client: Client,
    table: String,
}

impl RecordsTable {
    /// A table by its name, through a client of one's own.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }
}

// The SDK's futures are so deep that the compiler gives up on whatever holds them; a box ends the depth.
impl PutEvent for RecordsTable {
    async fn put_event(&self, item: &Item) -> Result<EventPut, StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(attributes(item)))
            .condition_expression("attribute_not_exists(sid)");
        match Box::pin(put.send()).await.map_err(aws_sdk_dynamodb::error::SdkError::into_service_error) {
            Ok(_) => Ok(EventPut::Stored),
            Err(PutItemError::ConditionalCheckFailedException(_)) => Ok(EventPut::AlreadyThere),
            Err(error) => Err(unavailable(error)),
        }
    }
}

impl PutCall for RecordsTable {
    async fn put_call(&self, item: &Item, expected: Option<&str>) -> Result<CallPut, StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(attributes(item)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let put = match expected {
            None => put.condition_expression("attribute_not_exists(sid)"),
            Some(facts) => put
                .condition_expression("facts = :expected")
                .expression_attribute_values(":expected", AttributeValue::S(facts.to_owned())),
        };
        match Box::pin(put.send()).await.map_err(aws_sdk_dynamodb::error::SdkError::into_service_error) {
            Ok(_) => Ok(CallPut::Stored),
            Err(PutItemError::ConditionalCheckFailedException(refused)) => {
                let stored = refused.item().and_then(|item| item.get("facts")).and_then(|facts| facts.as_s().ok());
                Ok(CallPut::Changed(stored.cloned()))
            }
            Err(error) => Err(unavailable(error)),
        }
    }
}

fn unavailable(error: PutItemError) -> StoreError {
    StoreError::Unavailable { code: error.code().unwrap_or("no_answer").to_owned(), source: error.into() }
}

fn attributes(item: &Item) -> HashMap<String, AttributeValue> {
    item.attributes().iter().map(|(name, value)| (name.clone(), attribute(value))).collect()
}

fn attribute(value: &Value) -> AttributeValue {
    match value {
        Value::Null => AttributeValue::Null(true),
        Value::Bool(flag) => AttributeValue::Bool(*flag),
        Value::Number(number) => AttributeValue::N(number.to_string()),
        Value::String(text) => AttributeValue::S(text.clone()),
        Value::Array(items) => AttributeValue::L(items.iter().map(attribute).collect()),
        Value::Object(members) => {
            AttributeValue::M(members.iter().map(|(name, value)| (name.clone(), attribute(value))).collect())
        }
    }
}
