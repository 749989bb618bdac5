//! The two sentences that every callback is handled by.
//!
//! Raw request → verified → the vendor's callback → a record of it → DynamoDB → outcome; or, for a call that rings, → a push job → SNS → outcome.

use crate::access::{Gate, Unverified, Verified};
use crate::line::notify::Notify;
use crate::model::Arrival;
use crate::outcome::{CallbackOutcome, Handled};
use crate::publish::Publish;
use crate::push::PushJob;
use crate::record::Record;
use crate::refusal::Refusal;
use crate::route::Route;
use crate::store::{PutCall, PutEvent, Records};

/// What a function does with its callback.
pub trait Handler {
    /// Where its callback comes in.
    fn route(&self) -> &'static Route;

    /// Handles one request.
    fn handle(&self, request: Unverified, arrival: Arrival) -> impl Future<Output = Handled>;
}

/// A vendor's reader: a record, or `None` where there is nothing to record.
pub type Reader = fn(&Verified) -> Result<Option<Record>, Refusal>;

/// Keeps a record of every callback of a route.
#[derive(Clone, Debug)]
pub struct Recorder<S> {
    gate: Gate,
    read: Reader,
    records: Records<S>,
}

impl<S: PutEvent + PutCall> Recorder<S> {
    /// A recorder behind a gate.
    pub fn new(gate: Gate, read: Reader, records: Records<S>) -> Self {
        Self { gate, read, records }
    }
}

impl<S: PutEvent + PutCall> Handler for Recorder<S> {
    fn route(&self) -> &'static Route {
        self.gate.route()
    }

    async fn handle(&self, request: Unverified, arrival: Arrival) -> Handled {
        match self.gate.admit(request).and_then(|verified| (self.read)(&verified)) {
            Ok(Some(record)) => self.records.keep(record, arrival).await,
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

impl<P: Publish> Notifier<P> {
    /// A notifier behind a gate.
    pub fn new(gate: Gate, push_jobs: P) -> Self {
        Self { gate, push_jobs }
    }
}

impl<P: Publish> Handler for Notifier<P> {
    fn route(&self) -> &'static Route {
        self.gate.route()
    }

    async fn handle(&self, request: Unverified, arrival: Arrival) -> Handled {
        let notify = match self.gate.admit(request).and_then(|verified| Notify::read(&verified)) {
            Ok(notify) => notify,
            Err(refusal) => return refusal.into(),
        };
        let outcome = match self.push_jobs.publish(&PushJob::ringing(&notify, arrival)).await {
            Ok(()) => CallbackOutcome::Published,
            Err(error) => CallbackOutcome::NotPublished(error),
        };
        Handled::of(notify.session, outcome)
    }
}
