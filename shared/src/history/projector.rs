//! Brings a batch of changes into the tables and onto the topic.
//!
//! Each step may be done twice: rows are put as they last were, a counter knows which changes are in it,
//! and a message has the same id again. So whatever fails, the whole batch can come again.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};

use crate::aws::Failure;
use crate::aws::topic::Publish;
use crate::call::model::SessionId;
use crate::history::figures::Figures;
use crate::history::news::News;
use crate::history::plan::{Count, Plan, Stay, counters_expire_at};
use crate::history::row::CallRow;
use crate::history::rows::{Key, Layout, Row};
use crate::history::stream::{Batch, Sequence};
use crate::text::message::deliverable;

/// Requests at once. More would not be faster on the processor of one function.
const AT_ONCE: usize = 16;
/// Rows a request: DynamoDB's bound.
pub const ROWS_A_REQUEST: usize = 25;
/// Messages a request: SNS's bound.
pub const MESSAGES_A_REQUEST: usize = 10;
/// Bytes of the messages of a request: SNS takes 256 KB.
const BYTES_A_REQUEST: usize = 200_000;

/// Writes rows.
pub trait WriteRows {
    /// Puts and deletes up to [`ROWS_A_REQUEST`] rows. Returns those that stay throttled.
    fn write(&self, rows: &[(Key, Option<Row>)]) -> impl Future<Output = Result<Vec<Key>, Failure>>;

    /// Adds to the row of a person in a room. `false` if its key stays throttled.
    fn add(&self, key: &Key, stay: &Stay) -> impl Future<Output = Result<bool, Failure>>;
}

/// What became of an addition to a counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Added {
    Added,
    /// The counter has the changes up to this one already.
    Has(Sequence),
}

/// Counts.
pub trait AddFigures {
    /// Adds figures if the counter's last change is before `first`, and notes `last` as its last.
    fn add_figures(
        &self,
        key: &Key,
        figures: &Figures,
        first: &Sequence,
        last: &Sequence,
        expires_at: u64,
    ) -> impl Future<Output = Result<Added, Failure>>;

    /// Notes that a service has figures, or users with calls.
    fn note_service(&self, provider: &str, service: &str) -> impl Future<Output = Result<(), Failure>>;
}

/// Publishes messages.
pub trait Tell {
    /// Publishes up to [`MESSAGES_A_REQUEST`] messages, or fails.
    fn tell(&self, news: &[News]) -> impl Future<Output = Result<(), Failure>>;
}

/// What was done with a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Projected {
    pub changes: usize,
    pub rows: usize,
    pub counters: usize,
    pub news: usize,
    /// Calls whose rows are made again later, because a key was throttled.
    pub deferred: usize,
    pub unreadable: usize,
}

/// Brings changes to where they are read.
#[derive(Debug)]
pub struct Projector<V, F, T, P> {
    rows: V,
    figures: F,
    news: T,
    spool: P,
    layout: Layout,
    services: RefCell<BTreeSet<(String, String)>>,
}

/// Rows of a call that may be wrong.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct Suspects {
    /// Those that the call does not have are to be deleted.
    pub keys: BTreeSet<Key>,
    /// What is to be in lists if the call was erased.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nameless: Vec<(Key, CallRow)>,
}

/// A message on the spool: the rows of a call are to be made again from its records.
#[derive(Deserialize, Serialize)]
pub struct Again {
    version: u64,
    project: String,
    #[serde(flatten)]
    suspects: Suspects,
}

impl Again {
    /// The call and the rows, if a message of the spool is about rows.
    pub fn read(message: &str) -> Option<(SessionId, Suspects)> {
        let Self { version: 1, project, suspects } = serde_json::from_str(message).ok()? else { return None };
        Some((SessionId::parse(&project)?, suspects))
    }
}

impl<V: WriteRows, F: AddFigures, T: Tell, P: Publish> Projector<V, F, T, P> {
    pub fn new(rows: V, figures: F, news: T, spool: P, layout: Layout) -> Self {
        Self { rows, figures, news, spool, layout, services: RefCell::default() }
    }

    /// Projects a batch.
    ///
    /// # Errors
    /// [`Failure`] if any of it is not done. All of it can be done again.
    pub async fn project(&self, batch: &Batch) -> Result<Projected, Failure> {
        let plan = Plan::of(batch, &self.layout);
        let mut done = Projected {
            changes: batch.records.len(),
            rows: plan.rows.len() + plan.stays.len(),
            counters: plan.counts.len(),
            news: plan.news.len(),
            unreadable: plan.unreadable.len(),
            deferred: 0,
        };
        for number in &plan.unreadable {
            tracing::error!(error = "unreadable_change", number, "a change is left out of what readers see");
        }
        let throttled = self.write(plan.rows, &plan.stays).await?;
        let mut calls: BTreeMap<&String, Suspects> = BTreeMap::new();
        for key in throttled {
            let Some(session) = plan.sessions.get(&key) else { continue };
            let suspects = calls.entry(session).or_default();
            let nameless = plan.nameless.get(&key).map(|row| (key.clone(), row.clone()));
            suspects.nameless.extend(nameless);
            suspects.keys.insert(key);
        }
        done.deferred = calls.len();
        for (session, suspects) in calls {
            let again = Again { version: 1, project: session.clone(), suspects };
            self.spool.publish(&deliverable(&again), &[]).await?;
        }
        self.note_services(&plan.services, &plan.counts).await?;
        self.count(&plan.counts).await?;
        self.tell(&plan.news).await?;
        Ok(done)
    }

    /// Puts and deletes rows, then adds to the rows of people in rooms. Returns what stays throttled.
    async fn write(
        &self,
        rows: BTreeMap<Key, Option<Row>>,
        stays: &BTreeMap<Key, Stay>,
    ) -> Result<Vec<Key>, Failure> {
        let rows: Vec<(Key, Option<Row>)> = rows.into_iter().collect();
        let puts = rows.chunks(ROWS_A_REQUEST).map(|rows| self.rows.write(rows));
        let adds = stays.iter().map(async |(key, stay)| {
            let taken = self.rows.add(key, stay).await?;
            Ok::<_, Failure>((!taken).then(|| key.clone()))
        });
        let throttled: Vec<Vec<Key>> = stream::iter(puts).buffer_unordered(AT_ONCE).try_collect().await?;
        let others: Vec<Option<Key>> = stream::iter(adds).buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(throttled.into_iter().flatten().chain(others.into_iter().flatten()).collect())
    }

    /// Notes the services that this environment has not noted yet.
    async fn note_services(
        &self,
        of_users: &BTreeSet<(String, String)>,
        counts: &BTreeMap<Key, Count>,
    ) -> Result<(), Failure> {
        let counted = counts.values().map(|Count { period, .. }| period);
        let counted = counted.map(|period| (period.provider.clone(), period.service.clone()));
        for service in of_users.iter().cloned().chain(counted) {
            if !self.services.borrow().contains(&service) {
                self.figures.note_service(&service.0, &service.1).await?;
                self.services.borrow_mut().insert(service);
            }
        }
        Ok(())
    }

    async fn count(&self, counts: &BTreeMap<Key, Count>) -> Result<(), Failure> {
        let counts = counts.iter().map(|(key, count)| self.add(key, count));
        stream::iter(counts).buffer_unordered(AT_ONCE).try_collect().await
    }

    /// Adds what is not in the counter yet. Each refusal leaves fewer changes, so this ends.
    async fn add(&self, key: &Key, count: &Count) -> Result<(), Failure> {
        let mut changes = count.changes.as_slice();
        while let [(first, _), ..] = changes {
            let Some((last, _)) = changes.last() else { break };
            let mut sum = Figures::default();
            for (_, figures) in changes {
                sum.add(figures, 1);
            }
            let expires_at = counters_expire_at(&count.period);
            match self.figures.add_figures(key, &sum, first, last, expires_at).await? {
                Added::Added => break,
                Added::Has(sequence) => {
                    let known = changes.partition_point(|(number, _)| *number <= sequence);
                    changes = changes.get(known.max(1)..).unwrap_or_default();
                }
            }
        }
        Ok(())
    }

    async fn tell(&self, news: &[News]) -> Result<(), Failure> {
        let requests = batches(news).into_iter().map(|batch| self.news.tell(batch));
        stream::iter(requests).buffer_unordered(AT_ONCE).try_collect().await
    }
}

/// As many messages a request as SNS takes.
fn batches(news: &[News]) -> Vec<&[News]> {
    let mut batches = Vec::new();
    let mut rest = news;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fitting = rest.iter().take(MESSAGES_A_REQUEST).take_while(|message| {
            bytes += message.body.len();
            bytes <= BYTES_A_REQUEST
        });
        let (batch, others) = rest.split_at(fitting.count().max(1));
        batches.push(batch);
        rest = others;
    }
    batches
}
