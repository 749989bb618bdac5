//! Stores records: each callback puts one event item and one call item into the table.
//!
//! The two writes follow each other on one connection. If a function dies in between, the same
//! callback again does the rest. Conditions decide, never an earlier read. The event item is put if
//! it is not there. The call item is put if the table still holds what the facts were joined with.
//! If not, DynamoDB returns the newer item with its refusal, and the facts are joined with that
//! one. The last item of recent calls is remembered, so that later events of a room usually succeed
//! at once.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use crate::aws::{Failure, Service, budget::Budget};
use crate::call::model::{Arrival, SessionId};
use crate::call::record::{self, Item, Record, Retention};
use crate::call::{CallEnd, CallFacts};

/// A table of items, written under conditions.
pub trait Store {
    /// Puts an event item if the table has none under its key.
    fn put_event(&self, item: Item) -> impl Future<Output = Result<EventPut, Failure>>;

    /// Puts a call item if the table's call item holds the expected facts; with `None`, if there is
    /// no item.
    fn put_call(&self, item: Item, expected: Option<&str>) -> impl Future<Output = Result<CallPut, Failure>>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventPut {
    Stored,
    AlreadyThere,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallPut {
    Stored,
    /// The table has other facts than expected: these, or `None` if the item is gone.
    Changed(Option<String>),
}

/// Why a record is not in the table.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(transparent)]
    Aws(#[from] Failure),
    /// This version cannot read the call item's facts.
    #[error("the stored call's facts cannot be read")]
    UnreadableFacts { source: serde_json::Error },
}

impl StoreError {
    /// Whether the same item would be refused every time.
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

/// A record that is now in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Whether its event was already there.
    pub event: EventPut,
    /// The call's end, if this write ended it. Best effort: not reported when the write's response
    /// is lost; reported twice for a call that is reopened or whose item is deleted.
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
    /// Records in a store, with their retention and a time budget for each.
    pub fn new(store: S, retention: Retention, budget: Budget) -> Self {
        Self { store, retention, budget, recent: RefCell::default() }
    }

    /// Stores a callback: the event as it came, and the call with what it adds.
    ///
    /// # Errors
    /// [`StoreError`] if not both items are in the table within the budget. One of them may be; the
    /// same record again adds the other.
    pub async fn keep(&self, record: &Record, arrival: Arrival) -> Result<Kept, StoreError> {
        let event = record::event_item(record, arrival, self.retention);
        let both = async {
            let event = self.store.put_event(event).await?;
            let ended = self.move_call_forward(record, arrival).await?;
            Ok(Kept { event, ended })
        };
        let too_slow = || Err(Failure::TooSlow(Service::DynamoDb).into());
        tokio::time::timeout(self.budget.whole, both).await.unwrap_or_else(|_| too_slow())
    }

    /// Joins the callback's facts into the call item. Returns the call's end, if this write ended
    /// it. A put is only refused when another writer was faster, so writers always make progress;
    /// the budget limits the attempts.
    async fn move_call_forward(
        &self,
        record: &Record,
        arrival: Arrival,
    ) -> Result<Option<CallEnd>, StoreError> {
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
                // Only the table can confirm that nothing is new: the remembered item may be gone.
                Seen::Remembered(_) if facts == known => Seen::Nothing,
                seen => {
                    let item = record::call_item(record, &facts, arrival, self.retention);
                    let stored = item.facts().to_owned();
                    match self.store.put_call(item, seen.as_stored()).await? {
                        CallPut::Stored => {
                            self.recent.borrow_mut().remember(&record.session, stored);
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

/// What we know of the table's call item before the put.
enum Seen {
    /// Nothing: the put expects no item.
    Nothing,
    /// The facts that this environment saw last. The table may have newer ones, or none.
    Remembered(String),
    /// The facts that the table has just returned.
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

/// From the second refusal on, a random pause of some milliseconds, so that two writers do not
/// collide again.
async fn pause(refused: u32) {
    if refused > 0 {
        let longest = 8 * u64::from(refused.min(8));
        tokio::time::sleep(Duration::from_millis(fastrand::u64(1..=longest))).await;
    }
}

/// The facts that this environment last saw in the table, for the calls that it wrote last. A
/// room's events reach few environments, so most of them need one put of the call item instead of
/// two. Outdated facts do no harm: the put's condition refuses them.
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
