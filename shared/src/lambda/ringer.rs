//! Rings the callee of a notify: guard and devices, then all pushes with the push job beside them,
//! then the answer. All of it fits into [`budget`]'s 1.8 s.
//!
//! What each answer means, and why LINE is told at once: docs/decisions/ringing.md.

use std::time::Duration;

use futures_util::future::join_all;

use crate::aws::topic::Publish;
use crate::aws::{self, Failure, Service, budget};
use crate::call::model::{Arrival, Moment};
use crate::lambda::handler::timed;
use crate::lambda::outcome::{CallbackOutcome, OutcomeDetails, RingDetails, Waits};
use crate::lambda::settings::RingingSettings;
use crate::line::{notify::Notify, push_job::PushJob};
use crate::ring::device::{Device, Provider, User};
use crate::ring::devices_table::DynamoDbDevices;
use crate::ring::guard::{Claimed, Guard};
use crate::ring::push::{Push, PushSettings, Pushed, Ring, Ringing};
use crate::ring::registry::{FindDevices, Forget, Registry};
use crate::ring::verdict::{self, RingWhenNoDevice, Verdict};

/// Rings the callee of a call.
pub trait RingCallee {
    /// Rings all devices of the callee and publishes the push job beside them.
    fn ring_callee(
        &self,
        notify: Notify,
        job: &PushJob,
        push_jobs: &impl Publish,
        arrival: Arrival,
    ) -> impl Future<Output = OutcomeDetails>;
}

/// No ringer: a stack without keys leaves ringing to the subscribers of the push jobs.
#[derive(Debug)]
pub enum NoRinger {}

impl RingCallee for NoRinger {
    async fn ring_callee(&self, _: Notify, _: &PushJob, _: &impl Publish, _: Arrival) -> OutcomeDetails {
        match *self {}
    }
}

/// Rings through a guard, a registry and the providers.
#[derive(Debug)]
pub struct Ringer<G, D, R> {
    guard: G,
    devices: D,
    ring: R,
    when_no_device: RingWhenNoDevice,
}

/// A ringer on DynamoDB.
pub type DynamoDbRinger<R> = Ringer<DynamoDbDevices, Registry<DynamoDbDevices>, R>;

impl<R: Ring> DynamoDbRinger<R> {
    /// A ringer with open connections to its table and to the providers.
    pub async fn connect(
        settings: RingingSettings,
        aws: &aws::Settings,
        connect_ring: impl AsyncFnOnce(PushSettings, &aws::Settings) -> R,
    ) -> Self {
        let dynamodb = aws.dynamodb(budget::DEVICES);
        let guard = DynamoDbDevices::new(dynamodb.client, settings.table);
        let devices = Registry::new(guard.clone(), budget::DEVICES);
        let ((), ring) = tokio::join!(dynamodb.connections.open(), connect_ring(settings.push, aws));
        Self::new(guard, devices, ring, settings.when_no_device)
    }
}

impl<G, D, R> Ringer<G, D, R> {
    pub fn new(guard: G, devices: D, ring: R, when_no_device: RingWhenNoDevice) -> Self {
        Self { guard, devices, ring, when_no_device }
    }
}

impl<G: Guard, D: FindDevices + Forget, R: Ring> Ringer<G, D, R> {
    async fn claim(&self, call: Ringing<'_>) -> Claimed {
        let claim = self.guard.claim(call.service, call.session, call.now);
        let too_slow = || Err(Failure::TooSlow(Service::DynamoDb));
        let claimed = tokio::time::timeout(budget::DEVICES.whole, claim).await.unwrap_or_else(|_| too_slow());
        // A phone that rings twice is better than one that does not ring.
        claimed.unwrap_or_else(|error| {
            tracing::warn!(%error, "a call rings without its guard");
            Claimed::Ours
        })
    }

    async fn find(&self, callee: Option<&User>, now: Arrival) -> Result<Vec<Device>, Failure> {
        match callee {
            Some(user) => self.devices.find(user, now).await,
            None => Ok(Vec::new()),
        }
    }

    /// One push a device, also if the providers are too slow.
    async fn push(&self, call: Ringing<'_>, devices: &[Device]) -> Vec<Push> {
        if devices.is_empty() {
            return Vec::new();
        }
        let pushes = tokio::time::timeout(budget::RING_LIMIT, self.ring.ring(call, devices)).await;
        pushes.unwrap_or_else(|_| {
            let too_slow =
                || Push { pushed: Pushed::Failed("too_slow".to_owned()), took: budget::RING_LIMIT };
            devices.iter().map(|_| too_slow()).collect()
        })
    }

    /// Notes whether the call was rung, and removes dead devices. It only warns of failures: the
    /// answer stays the same.
    async fn conclude(&self, call: Ringing<'_>, rang: bool, dead: Vec<(&Device, Option<Moment>)>) {
        let note = async {
            let Ringing { service, session, now, .. } = call;
            let noted = if rang {
                self.guard.rung(service, session, now).await
            } else {
                self.guard.release(service, session, now).await
            };
            if let Err(error) = noted {
                tracing::warn!(%error, rang, "the guard of a call was not written");
            }
        };
        let removals = join_all(dead.into_iter().map(async |(device, since)| {
            if let Err(error) = self.devices.forget_dead(device, since).await {
                tracing::warn!(%error, "a dead device was not removed");
            }
        }));
        let both = async { tokio::join!(note, removals) };
        if tokio::time::timeout(budget::AFTER_RING, both).await.is_err() {
            tracing::warn!("the guard of a call, or dead devices, were not written in time");
        }
    }
}

impl<G: Guard, D: FindDevices + Forget, R: Ring> RingCallee for Ringer<G, D, R> {
    async fn ring_callee(
        &self,
        notify: Notify,
        job: &PushJob,
        push_jobs: &impl Publish,
        arrival: Arrival,
    ) -> OutcomeDetails {
        let callee = notify.callee.as_ref();
        let service = callee.and_then(|callee| callee.service_id.clone()).unwrap_or_default();
        let user = callee.and_then(User::from_callee);
        let session = notify.session;
        let call = Ringing { service: &service, session: &session, job, now: arrival };

        let asked = async { tokio::join!(self.claim(call), self.find(user.as_ref(), arrival)) };
        let ((claimed, found), took) = timed(asked).await;
        let mut waits = Waits { store: Some(took), publish: None };
        if claimed == Claimed::Anothers {
            let outcome = CallbackOutcome::Duplicate;
            return OutcomeDetails { outcome, session: Some(session), ended: None, waits, ring: None };
        }
        let devices = match found {
            Ok(devices) => devices,
            Err(failure) => {
                self.conclude(call, false, Vec::new()).await;
                let outcome = CallbackOutcome::RegistryUnreadable(failure);
                let ring = Some(RingDetails::default());
                return OutcomeDetails { outcome, session: Some(session), ended: None, waits, ring };
            }
        };

        // Without a device and without `accept`, the call ends at once: a job would ring for nothing.
        let publishes = !devices.is_empty() || self.when_no_device == RingWhenNoDevice::Accept;
        let publish = async {
            if !publishes {
                return None;
            }
            let publish = push_jobs.publish(job.body(), job.attributes());
            let too_slow = || Err(Failure::TooSlow(Service::Sns));
            let in_time = async {
                tokio::time::timeout(budget::RING_LIMIT, publish).await.unwrap_or_else(|_| too_slow())
            };
            Some(timed(in_time).await)
        };
        let (pushes, published) = tokio::join!(self.push(call, &devices), publish);
        let (published, took) = published.unzip();
        waits.publish = took;
        let dead = verdict::dead(&devices, &pushes);
        let ring = RingDetails {
            dead_devices: dead.len(),
            refusals: verdict::refusals(&pushes),
            took: slowest(&devices, &pushes),
        };
        let verdict = Verdict::of(&pushes);
        let outcome = outcome(verdict, published.unwrap_or(Ok(())), self.when_no_device);
        let rang = matches!(outcome, CallbackOutcome::Rung | CallbackOutcome::NoDeviceAccepted);
        self.conclude(call, rang, dead).await;
        OutcomeDetails { outcome, session: Some(session), ended: None, waits, ring: Some(ring) }
    }
}

fn outcome(
    verdict: Verdict,
    published: Result<(), Failure>,
    when_no_device: RingWhenNoDevice,
) -> CallbackOutcome {
    match (verdict, when_no_device, published) {
        (Verdict::NoDevice, RingWhenNoDevice::Accept, Err(failure)) => CallbackOutcome::NotPublished(failure),
        (Verdict::NoDevice, RingWhenNoDevice::Accept, Ok(())) => CallbackOutcome::NoDeviceAccepted,
        (verdict, _, published) => {
            if let Err(error) = published {
                tracing::warn!(%error, "the push job beside a ring was not published");
            }
            match verdict {
                Verdict::Rung => CallbackOutcome::Rung,
                Verdict::NoDevice => CallbackOutcome::NoDevice,
                Verdict::ProviderRefused(code) => CallbackOutcome::ProviderRefused(code),
                Verdict::NotRung(code) => CallbackOutcome::NotRung(code),
            }
        }
    }
}

/// How long the slowest push of each provider took.
fn slowest(devices: &[Device], pushes: &[Push]) -> Vec<(Provider, Duration)> {
    let took = |provider| {
        let pushes = devices.iter().zip(pushes);
        let its = pushes.filter(|(device, push)| {
            device.address.platform.provider() == provider && push.pushed != Pushed::NotAsked
        });
        Some((provider, its.map(|(_, push)| push.took).max()?))
    };
    Provider::ALL.into_iter().filter_map(took).collect()
}
