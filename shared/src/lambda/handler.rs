//! Handles a callback: admit, read, then store (or spool), or publish a push job and ring.
//!
//! A push job is never spooled: a late push rings for nothing, and a caller who gets an error at
//! once can try again.

use std::time::{Duration, Instant};

use crate::aws::dynamodb::DynamoDb;
use crate::aws::store::{RecordStore, Store};
use crate::aws::topic::{Publish, Topic};
use crate::aws::{self, budget};
use crate::call::{model::Arrival, record::Record};
use crate::door::{access::Gate, callback::Callback, request::Unverified};
use crate::lambda::outcome::{CallbackOutcome, OutcomeDetails, Waits};
use crate::lambda::ringer::{DynamoDbRinger, NoRinger, RingCallee};
use crate::lambda::settings::{NotifierSettings, RecorderSettings};
use crate::lambda::spool;
use crate::line::{notify::Notify, push_job::PushJob};
use crate::ring::push::{PushSettings, Ring};

/// What a function does with its callback.
pub trait Handler {
    /// The gate for its callback.
    fn gate(&self) -> &Gate;

    /// Handles one request.
    fn handle(&self, request: Unverified, arrival: Arrival) -> impl Future<Output = OutcomeDetails>;
}

/// Records every callback of a route.
#[derive(Debug)]
pub struct Recorder<S, P> {
    gate: Gate,
    callback: Callback,
    records: RecordStore<S>,
    spool: P,
}

impl Recorder<DynamoDb, Topic> {
    /// A recorder with an open connection to its table.
    pub async fn connect(settings: RecorderSettings) -> Self {
        let RecorderSettings { callback, gate, table, retention, spool, aws } = settings;
        let dynamodb = aws.dynamodb(budget::STORE);
        let records = RecordStore::new(DynamoDb::new(dynamodb.client, table), retention, budget::STORE);
        let recorder = Self::new(gate, callback, records, Topic::rarely_used(aws, spool, budget::SPOOL));
        dynamodb.connections.open().await;
        recorder
    }
}

impl<S: Store, P: Publish> Recorder<S, P> {
    pub fn new(gate: Gate, callback: Callback, records: RecordStore<S>, spool: P) -> Self {
        Self { gate, callback, records, spool }
    }

    async fn keep(&self, record: Record, arrival: Arrival) -> OutcomeDetails {
        let (kept, took) = timed(self.records.keep(&record, arrival)).await;
        let mut waits = Waits { store: Some(took), publish: None };
        let (outcome, ended) = match kept {
            Ok(kept) => (kept.event.into(), kept.ended),
            Err(not_stored) => {
                let message = spool::write(&record, arrival);
                let (spooled, took) = timed(self.spool.publish(&message, &[])).await;
                waits.publish = Some(took);
                let outcome = match spooled {
                    Ok(()) => CallbackOutcome::Deferred(not_stored),
                    Err(not_spooled) => CallbackOutcome::NotStored(not_stored, not_spooled),
                };
                (outcome, None)
            }
        };
        OutcomeDetails { outcome, session: Some(record.session), ended, waits, ring: None }
    }
}

impl<S: Store, P: Publish> Handler for Recorder<S, P> {
    fn gate(&self) -> &Gate {
        &self.gate
    }

    async fn handle(&self, request: Unverified, arrival: Arrival) -> OutcomeDetails {
        match self.gate.admit(request, arrival).and_then(|verified| (self.callback.read)(&verified)) {
            Ok(Some(record)) => self.keep(record, arrival).await,
            Ok(None) => CallbackOutcome::Ignored.into(),
            Err(refusal) => refusal.into(),
        }
    }
}

/// Publishes a push job for every incoming call, and rings the callee if it has a ringer.
#[derive(Debug)]
pub struct Notifier<P, R = NoRinger> {
    gate: Gate,
    push_jobs: P,
    ringer: Option<R>,
}

impl<R: Ring> Notifier<Topic, DynamoDbRinger<R>> {
    /// A notifier with open connections to its topic and, if it rings, to its devices.
    pub async fn connect(
        settings: NotifierSettings,
        connect_ring: impl AsyncFnOnce(PushSettings, &aws::Settings) -> R,
    ) -> Self {
        let NotifierSettings { gate, push_jobs, ringing, aws } = settings;
        let budget = if ringing.is_some() { budget::RING } else { budget::PUSH };
        let sns = aws.sns(budget);
        let push_jobs = Topic::new(sns.client, push_jobs, budget);
        let Some(ringing) = ringing else {
            sns.connections.open().await;
            return Self { gate, push_jobs, ringer: None };
        };
        let ringer = DynamoDbRinger::connect(ringing, &aws, connect_ring);
        let ((), ringer) = tokio::join!(sns.connections.open(), ringer);
        Self { gate, push_jobs, ringer: Some(ringer) }
    }
}

impl<P: Publish> Notifier<P> {
    pub fn new(gate: Gate, push_jobs: P) -> Self {
        Self { gate, push_jobs, ringer: None }
    }
}

impl<P: Publish, R> Notifier<P, R> {
    pub fn ringing(gate: Gate, push_jobs: P, ringer: R) -> Self {
        Self { gate, push_jobs, ringer: Some(ringer) }
    }
}

impl<P: Publish, R: RingCallee> Handler for Notifier<P, R> {
    fn gate(&self) -> &Gate {
        &self.gate
    }

    async fn handle(&self, request: Unverified, arrival: Arrival) -> OutcomeDetails {
        let notify = match self.gate.admit(request, arrival).and_then(|verified| Notify::read(&verified)) {
            Ok(notify) => notify,
            Err(refusal) => return refusal.into(),
        };
        let job = PushJob::new(&notify, arrival);
        if let Some(ringer) = &self.ringer {
            return ringer.ring_callee(notify, &job, &self.push_jobs, arrival).await;
        }
        let (published, took) = timed(self.push_jobs.publish(job.body(), job.attributes())).await;
        let outcome = match published {
            Ok(()) => CallbackOutcome::Published,
            Err(failure) => CallbackOutcome::NotPublished(failure),
        };
        let waits = Waits { publish: Some(took), ..Waits::default() };
        OutcomeDetails { outcome, session: Some(notify.session), ended: None, waits, ring: None }
    }
}

/// A future's output, and how long it took.
pub(super) async fn timed<F: Future>(future: F) -> (F::Output, Duration) {
    let started = Instant::now();
    (future.await, started.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::block_on;

    #[test]
    fn what_is_waited_for_is_timed() {
        let (said, took) = block_on(timed(async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            "done"
        }));
        assert_eq!(said, "done");
        assert!(took >= Duration::from_millis(20), "{took:?}");
    }
}
