//! Keeping records: each callback puts one event item and one call item into the table.
//!
//! The two writes follow each other on one connection, and neither needs the other: a function that dies between them
//! has done half, and the same callback again does the rest. Conditions decide, never an earlier read. The event item is
//! put if it is not there. The call item is put if it is still what the facts were joined from. If it is not, DynamoDB's
//! refusal brings the newer item along, and the facts are joined with that one. What a call's item was last is remembered
//! for a while, so that a room's later events succeed at once.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use crate::aws::budget::Budget;
use crate::aws::{Failure, Service};
use crate::call::model::{Arrival, SessionId};
use crate::call::record::{self, Item, Record, Retention};
use crate::call::{CallEnd, CallFacts};

/// A table of items, written under conditions.
pub trait Store {
    /// Puts an event item if the table has none under its key.
    fn put_event(&self, item: &Item) -> impl Future<Output = Result<EventPut, Failure>>;

    /// Puts a call item if the table's call item holds the expected facts, or if there is none and none is expected.
    fn put_call(&self, item: &Item, expected: Option<&str>) -> impl Future<Output = Result<CallPut, Failure>>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventPut {
    Stored,
    AlreadyThere,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallPut {
    Stored,
    /// The table holds other facts than expected: these, or none because the item is gone.
    Changed(Option<String>),
}

/// Why a record is not in the table.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(transparent)]
    Aws(#[from] Failure),
    /// The call item holds facts that this version cannot read.
    #[error("the stored call has facts that cannot be read")]
    UnreadableFacts { source: serde_json::Error },
}

impl StoreError {
    /// Whether the same item will be refused however often it is sent.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Aws(Failure::Unavailable { code, .. }) => code == "ValidationException",
            Self::Aws(Failure::TooSlow(_)) => false,
            Self::UnreadableFacts { .. } => true,
        }
    }

    /// The stable code to filter by.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Aws(Failure::Unavailable { .. }) if self.is_final() => "refused_by_the_table",
            Self::Aws(Failure::Unavailable { .. }) => "table_unavailable",
            Self::Aws(Failure::TooSlow(_)) => "table_too_slow",
            Self::UnreadableFacts { .. } => "unreadable_facts",
        }
    }
}

/// A record that is in the table now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Whether its event was there before.
    pub event: EventPut,
    /// The call's end, if this write brought it. Best effort: not reported when the write's response is lost, and
    /// reported twice for a call that is reopened or whose item is deleted.
    pub ended: Option<CallEnd>,
}

/// The records of all calls.
#[derive(Clone, Debug)]
pub struct RecordStore<S> {
    store: S,
    retention: Retention,
    budget: Budget,
    recent: RefCell<RecentCalls>,
}

impl<S: Store> RecordStore<S> {
    /// Records that are kept for a time and each written within a budget.
    pub fn new(store: S, retention: Retention, budget: Budget) -> Self {
        Self { store, retention, budget, recent: RefCell::default() }
    }

    /// Keeps what a callback says: the event as it came, and the call moved forward by it.
    ///
    /// # Errors
    /// [`StoreError`] when not both items are in the table within the budget. One of them may be; the same record again
    /// does the rest.
    pub async fn keep(&self, record: &Record, arrival: Arrival) -> Result<Kept, StoreError> {
        let event = record::event_item(record, arrival, self.retention);
        let both = async {
            let event = self.store.put_event(&event).await?;
            let ended = self.move_call_forward(record, arrival).await?;
            Ok(Kept { event, ended })
        };
        let too_slow = || Err(Failure::TooSlow(Service::DynamoDb).into());
        tokio::time::timeout(self.budget.whole, both).await.unwrap_or_else(|_| too_slow())
    }

    /// Joins the callback's facts into the call item, and says whether the call has ended by it. Each put that is refused
    /// was overtaken by another writer, so that many writers always make progress; the budget bounds the attempts.
    async fn move_call_forward(&self, record: &Record, arrival: Arrival) -> Result<Option<CallEnd>, StoreError> {
        let remembered = self.recent.borrow().facts(&record.session);
        let mut seen = remembered.map_or(Seen::Nothing, Seen::Remembered);
        let mut refused = 0;
        loop {
            let known = seen.facts()?;
            let facts = known.clone().join(record.call.clone());
            seen = match seen {
                Seen::InTable(stored) if facts == known => {
                    self.recent.borrow_mut().remember(&record.session, stored);
                    return Ok(None);
                }
                // Only the table may say that there is nothing to write: what is remembered may be gone from it.
                Seen::Remembered(_) if facts == known => Seen::Nothing,
                seen => {
                    let item = record::call_item(record, &facts, arrival, self.retention);
                    match self.store.put_call(&item, seen.as_stored()).await? {
                        CallPut::Stored => {
                            self.recent.borrow_mut().remember(&record.session, record::stored_facts(&facts));
                            return Ok(facts.end_since(&known));
                        }
                        CallPut::Changed(newer) => {
                            pause(refused).await;
                            refused += 1;
                            newer.map_or(Seen::Nothing, Seen::InTable)
                        }
                    }
                }
            };
        }
    }
}

/// What is known of the table's call item before it is put.
enum Seen {
    /// Nothing: the put expects that there is no item.
    Nothing,
    /// The facts that this environment saw last. The table may hold newer ones, or none.
    Remembered(String),
    /// The facts that the table has just answered with.
    InTable(String),
}

impl Seen {
    fn as_stored(&self) -> Option<&str> {
        match self {
            Self::Nothing => None,
            Self::Remembered(facts) | Self::InTable(facts) => Some(facts),
        }
    }

    fn facts(&self) -> Result<CallFacts, StoreError> {
        let Some(stored) = self.as_stored() else { return Ok(CallFacts::default()) };
        serde_json::from_str(stored).map_err(|source| StoreError::UnreadableFacts { source })
    }
}

/// Writers that met once would meet again in step; from the second time on a random pause of some milliseconds parts
/// them.
async fn pause(refused: u32) {
    if refused > 0 {
        let longest = 8 * u64::from(refused.min(8));
        tokio::time::sleep(Duration::from_millis(fastrand::u64(1..=longest))).await;
    }
}

/// The facts that this environment last saw in the table, of the calls that it wrote last. A room's events come to few
/// environments, so that most of them need one put of the call item instead of one that is refused and another. The
/// condition of the put decides all the same: what is remembered here may be old, and is then refused.
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
