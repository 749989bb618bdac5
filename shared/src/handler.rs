//! The two sentences that every callback is handled by.
//!
//! Raw request → verified → the vendor's callback → a record of it → DynamoDB, else the spool → outcome; or, for a call that rings, → a push job → SNS → outcome.
//! A push job is never spooled: a phone that rings later rings for nothing, and a caller who is told at once can try again.

use std::time::{Duration, Instant};

use crate::access::{Gate, Unverified, Verified};
use crate::aws::{self, Connected};
use crate::budget;
use crate::config::{ConfigError, Environment};
use crate::line::{self, notify::Notify};
use crate::model::Arrival;
use crate::outcome::{CallbackOutcome, Effects, Handled};
use crate::publish::{Publish, PushJobsTopic};
use crate::push::PushJob;
use crate::record::Record;
use crate::refusal::Refusal;
use crate::route::{self, Route};
use crate::spool::{Spool, SpoolTopic};
use crate::store::{PutCall, PutEvent, Records, RecordsTable};
use crate::tencent;

/// What a function does with its callback.
pub trait Handler {
    /// The door that its callback comes in by.
    fn gate(&self) -> &Gate;

    /// Handles one request.
    fn handle(&self, request: Unverified, arrival: Arrival) -> impl Future<Output = Handled>;
}

/// A callback that becomes a record: where it comes in, and who reads it.
#[derive(Clone, Copy, Debug)]
pub struct Recorded {
    route: &'static Route,
    /// `None` where there is nothing to record.
    read: fn(&Verified) -> Result<Option<Record>, Refusal>,
}

impl Recorded {
    /// LINE: a one-to-one call ended.
    pub const CALL_EVENT: Self =
        Self { route: &route::CALL_EVENT, read: |request| line::call_event::read(request).map(Some) };
    /// LINE: a participant of a group call came, went or changed.
    pub const GROUP_CALL_EVENT: Self =
        Self { route: &route::GROUP_CALL_EVENT, read: |request| line::group_call_event::read(request).map(Some) };
    /// LINE: a call made by the server reached the callee, or not.
    pub const AGENT_CALL_STATUS: Self =
        Self { route: &route::AGENT_CALL_STATUS, read: |request| line::agent_call_status::read(request).map(Some) };
    /// Tencent: every call callback of both generations.
    pub const TENCENT_CALL_EVENT: Self = Self { route: &route::TENCENT_CALL_EVENT, read: tencent::read };
}

/// Keeps a record of every callback of a route.
#[derive(Clone, Debug)]
pub struct Recorder<S, P> {
    gate: Gate,
    callback: Recorded,
    records: Records<S>,
    spool: P,
}

impl Recorder<RecordsTable, SpoolTopic> {
    /// The recorder that the environment describes, with an open connection to its table.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable.
    pub async fn of(callback: Recorded, environment: &Environment) -> Result<Self, ConfigError> {
        let Connected { client, connections } = aws::dynamodb(environment, budget::STORE)?;
        let table = RecordsTable::new(client, environment.records_table()?);
        let recorder = Self::into(table, SpoolTopic::of(environment)?, callback, environment)?;
        connections.open().await;
        Ok(recorder)
    }
}

impl<S: PutEvent + PutCall, P: Spool> Recorder<S, P> {
    /// A recorder into a store and a spool, and for the rest as the environment describes it.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable.
    pub fn into(store: S, spool: P, callback: Recorded, environment: &Environment) -> Result<Self, ConfigError> {
        let gate = environment.gate(callback.route)?;
        let records = Records::new(store, environment.retention()?, budget::STORE);
        Ok(Self { gate, callback, records, spool })
    }

    async fn keep(&self, record: Record, arrival: Arrival) -> Handled {
        let (kept, took) = timed(self.records.keep(&record, arrival)).await;
        let mut effects = Effects { store: Some(took), publish: None };
        let (outcome, ended) = match kept {
            Ok(kept) => (kept.event.into(), kept.ended),
            Err(not_stored) => {
                let (spooled, took) = timed(self.spool.spool(&record, arrival)).await;
                effects.publish = Some(took);
                let outcome = match spooled {
                    Ok(()) => CallbackOutcome::Deferred(not_stored),
                    Err(not_spooled) => CallbackOutcome::NotStored(not_stored, not_spooled),
                };
                (outcome, None)
            }
        };
        Handled { outcome, session: Some(record.session), ended, effects }
    }
}

impl<S: PutEvent + PutCall, P: Spool> Handler for Recorder<S, P> {
    fn gate(&self) -> &Gate {
        &self.gate
    }

    async fn handle(&self, request: Unverified, arrival: Arrival) -> Handled {
        match self.gate.admit(request, arrival).and_then(|verified| (self.callback.read)(&verified)) {
            Ok(Some(record)) => self.keep(record, arrival).await,
            Ok(None) => CallbackOutcome::Ignored.into(),
            Err(refusal) => refusal.into(),
        }
    }
}

/// Makes a push job of every call that rings.
#[derive(Clone, Debug)]
pub struct Notifier<P> {
    gate: Gate,
    push_jobs: P,
}

impl Notifier<PushJobsTopic> {
    /// The notifier that the environment describes, with an open connection to its topic.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable.
    pub async fn of(environment: &Environment) -> Result<Self, ConfigError> {
        let Connected { client, connections } = aws::sns(environment, budget::PUSH)?;
        let push_jobs = PushJobsTopic::new(client, environment.topic_arn("PUSH_JOBS_TOPIC_ARN")?);
        let notifier = Self::into(push_jobs, environment)?;
        connections.open().await;
        Ok(notifier)
    }
}

impl<P: Publish> Notifier<P> {
    /// A notifier into a topic, and for the rest as the environment describes it.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable.
    pub fn into(push_jobs: P, environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self { gate: environment.gate(&route::NOTIFY)?, push_jobs })
    }
}

impl<P: Publish> Handler for Notifier<P> {
    fn gate(&self) -> &Gate {
        &self.gate
    }

    async fn handle(&self, request: Unverified, arrival: Arrival) -> Handled {
        let notify = match self.gate.admit(request, arrival).and_then(|verified| Notify::read(&verified)) {
            Ok(notify) => notify,
            Err(refusal) => return refusal.into(),
        };
        let (published, took) = timed(self.push_jobs.publish(&PushJob::ringing(&notify, arrival))).await;
        let outcome = match published {
            Ok(()) => CallbackOutcome::Published,
            Err(error) => CallbackOutcome::NotPublished(error),
        };
        let effects = Effects { publish: Some(took), ..Effects::default() };
        Handled { outcome, session: Some(notify.session), ended: None, effects }
    }
}

/// What a future comes to, and how long it took.
async fn timed<F: Future>(future: F) -> (F::Output, Duration) {
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
