//! Whole notify callbacks with ringing on: guard, devices, topic and providers in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use futures_util::future::join_all;
use ringback::aws::topic::Publish;
use ringback::call::model::Arrival;
use ringback::door::request::Unverified;
use ringback::lambda::handler::{Handler, Notifier};
use ringback::lambda::http::{answer, status};
use ringback::lambda::outcome::OutcomeDetails;
use ringback::lambda::request_line::{RequestContext, push_lines, request_line};
use ringback::lambda::ringer::Ringer;
use ringback::line::NOTIFY;
use ringback::ring::device::Platform;
use ringback::ring::guard::Guard;
use ringback::ring::registry::{FindDevices, Forget, Register, Registry};
use ringback::ring::verdict::RingWhenNoDevice::{self, Accept, Fail};
use ringback::testing::phones::{
    DeadDevices, MemoryDevices, MemoryGuard, MemoryPhones, device_id, registration, user,
};
use ringback::testing::{self, ARRIVAL, DeadTopic, MemoryTopic, TOKEN, block_on, environment};
use serde_json::Value;

#[derive(Default)]
struct World {
    devices: MemoryDevices,
    guard: MemoryGuard,
    phones: MemoryPhones,
    topic: MemoryTopic,
}

type Memory<'a, P> = Notifier<P, Ringer<&'a MemoryGuard, Registry<&'a MemoryDevices>, &'a MemoryPhones>>;

fn notifier<P: Publish, G: Guard, D: FindDevices + Forget>(
    topic: P,
    guard: G,
    devices: D,
    phones: &MemoryPhones,
    when: RingWhenNoDevice,
) -> Notifier<P, Ringer<G, D, &MemoryPhones>> {
    let ringer = Ringer::new(guard, devices, phones, when);
    Notifier::ringing(environment().gate(&NOTIFY).unwrap(), topic, ringer)
}

impl World {
    /// A world in which bob has phones with these tokens.
    fn with_phones(tokens: &[&str]) -> Self {
        let world = Self::default();
        for (number, token) in tokens.iter().enumerate() {
            world.register("bob", &format!("phone-{number}"), token, ARRIVAL);
        }
        world
    }

    fn register(&self, who: &str, device: &str, token: &str, at: Arrival) {
        let registry = self.devices.registry();
        let address = registration(Platform::Fcm, token);
        block_on(registry.register(&user(who), &device_id(device), &address, at)).unwrap();
    }

    fn notifier(&self) -> Memory<'_, &MemoryTopic> {
        self.notifier_with(&self.topic, Fail)
    }

    fn notifier_with<P: Publish>(&self, topic: P, when: RingWhenNoDevice) -> Memory<'_, P> {
        notifier(topic, &self.guard, self.devices.registry(), &self.phones, when)
    }

    fn rung_tokens(&self) -> Vec<String> {
        self.phones.rings().into_iter().map(|(token, _)| token).collect()
    }

    fn tokens(&self) -> Vec<String> {
        self.devices.all().iter().map(|device| device.address.token.reveal().to_owned()).collect()
    }
}

fn incoming(callee: &str, sid: &str) -> Unverified {
    let query = format!(
        "from_user_id=alice&from_service_id=planetkit&to_user_id={callee}&to_service_id=planetkit\
         &sid={sid}&type=A&param=ab%2B%2F%3D%3D"
    );
    Unverified::new("GET".into(), format!("/{TOKEN}/line/notify_cb"), query, String::new())
}

fn later(milliseconds: u64) -> Arrival {
    Arrival { milliseconds: ARRIVAL.milliseconds + milliseconds }
}

fn call(handler: &impl Handler, callee: &str, sid: &str, at: Arrival) -> OutcomeDetails {
    block_on(handler.handle(incoming(callee, sid), at))
}

fn said(details: &OutcomeDetails) -> (&'static str, u16) {
    (details.outcome.code(), status(&details.outcome))
}

#[test]
fn every_sample_rings_its_callee_with_the_job_and_its_cc_param_unchanged() {
    let mut rung = 0;
    for sample in testing::samples("notify") {
        let world = World::default();
        let handler = world.notifier_with(&world.topic, Accept);
        let quiet = MemoryTopic::default();
        let published = Notifier::new(environment().gate(&NOTIFY).unwrap(), &quiet);
        block_on(published.handle(sample.request(), ARRIVAL));
        let Some(job) = quiet.bodies().pop() else { continue };
        let job: Value = serde_json::from_str(&job).unwrap();
        let named = |name: &str| job.get(name).and_then(Value::as_str);
        let (service, id) = (named("app_callee_sid"), named("app_callee_uid"));
        let callee =
            service.zip(id).and_then(|(service, id)| ringback::ring::device::User::parse(service, id));
        if let Some(callee) = &callee {
            let address = registration(Platform::ApnsVoip, "0123");
            block_on(world.devices.registry().register(callee, &device_id("phone"), &address, ARRIVAL))
                .unwrap();
        }
        let handled = block_on(handler.handle(sample.request(), ARRIVAL));
        assert_eq!(testing::compare_answer(&sample, &answer(&NOTIFY, &handled.outcome)), None);
        for (_, body) in world.phones.rings() {
            let body: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(body, job, "{}", sample.name);
            if let Some(expected) = sample.expected["job"].get("cc_param") {
                assert_eq!(body["cc_param"], *expected, "{}", sample.name);
            }
        }
        assert_eq!(world.phones.rings().len(), usize::from(callee.is_some()), "{}", sample.name);
        rung += world.phones.rings().len();
    }
    assert!(rung > 10, "only {rung} samples rang");
}

#[test]
fn a_thousand_notifies_of_one_call_ring_each_phone_once() {
    let world = World::with_phones(&["one", "two"]);
    let handler = world.notifier();
    let at_once = (0..500).map(|_| handler.handle(incoming("bob", "s"), ARRIVAL));
    let outcomes = block_on(join_all(at_once));
    assert_eq!(outcomes.iter().filter(|details| details.outcome.code() == "rung").count(), 1);
    for number in 0..500 {
        assert_eq!(said(&call(&handler, "bob", "s", later(number * 20))), ("duplicate", 200));
    }
    assert_eq!(world.rung_tokens(), ["one", "two"]);
    assert_eq!(world.topic.messages().len(), 1);
}

#[test]
fn a_function_killed_before_it_rang_leaves_a_call_that_rings_after_3_s() {
    let world = World::with_phones(&["one"]);
    let handler = world.notifier();
    world.phones.hang(true);
    let killed = async {
        let dying = handler.handle(incoming("bob", "s"), ARRIVAL);
        tokio::time::timeout(Duration::from_millis(20), dying).await
    };
    assert!(block_on(killed).is_err());
    world.phones.hang(false);
    assert_eq!(said(&call(&handler, "bob", "s", later(2_999))), ("duplicate", 200));
    assert_eq!(said(&call(&handler, "bob", "s", later(3_001))), ("rung", 200));
    assert_eq!(world.rung_tokens(), ["one"]);
}

#[test]
fn providers_that_hang_cost_1_8_s_at_most_and_the_caller_is_released() {
    let world = World::with_phones(&["one"]);
    world.phones.hang(true);
    let started = std::time::Instant::now();
    assert_eq!(said(&call(&world.notifier(), "bob", "s", ARRIVAL)), ("not_rung", 503));
    assert!(started.elapsed() < Duration::from_millis(1_800));
    assert_eq!(world.devices.all().len(), 1);
}

#[test]
fn a_dead_token_is_gone_after_one_call() {
    let world = World::with_phones(&["dead-1", "good"]);
    let details = call(&world.notifier(), "bob", "s", ARRIVAL);
    assert_eq!(said(&details), ("rung", 200));
    assert_eq!(details.ring.unwrap().dead_devices, 1);
    assert_eq!(world.tokens(), ["good"]);
    assert_eq!(world.devices.owners().len(), 1);
}

#[test]
fn a_token_that_was_registered_again_meanwhile_stays() {
    let world = World::with_phones(&["dead-1"]);
    let registry = world.devices.registry();
    let read = block_on(registry.find(&user("bob"), ARRIVAL)).unwrap().remove(0);
    world.register("bob", "phone-0", "dead-1", later(1));
    block_on(registry.forget_dead(&read, None)).unwrap();
    assert_eq!(world.tokens(), ["dead-1"]);
    let again = world.devices.all().remove(0);
    block_on(registry.forget_dead(&again, Some(read.registered_at))).unwrap();
    assert_eq!(world.tokens(), ["dead-1"], "it died before it was registered again");
    block_on(registry.forget_dead(&again, Some(again.registered_at))).unwrap();
    assert!(world.tokens().is_empty());
}

#[test]
fn when_every_phone_is_dead_the_caller_is_told_at_once() {
    let world = World::with_phones(&["dead-1", "dead-2"]);
    let details = call(&world.notifier(), "bob", "s", ARRIVAL);
    assert_eq!(said(&details), ("no_device", 404));
    assert!(world.tokens().is_empty());
}

#[test]
fn a_callee_who_registers_after_a_failed_call_rings_at_its_next_notify() {
    let world = World::default();
    let handler = world.notifier();
    assert_eq!(said(&call(&handler, "bob", "s", ARRIVAL)), ("no_device", 404));
    assert!(world.topic.messages().is_empty(), "a job would ring for nothing");
    world.register("bob", "phone", "one", ARRIVAL);
    assert_eq!(said(&call(&handler, "bob", "s", later(10))), ("rung", 200));
}

#[test]
fn a_phone_that_changed_hands_never_rings_for_its_old_user() {
    let world = World::with_phones(&["one"]);
    world.register("carol", "phone", "one", later(1));
    assert_eq!(said(&call(&world.notifier(), "bob", "to-bob", later(2))), ("no_device", 404));
    assert!(world.rung_tokens().is_empty());
    assert_eq!(said(&call(&world.notifier(), "carol", "to-carol", later(2))), ("rung", 200));
}

#[test]
fn a_provider_that_refuses_us_is_an_alarm_and_deletes_nothing() {
    let world = World::with_phones(&["bad-1", "dead-1"]);
    let details = call(&world.notifier(), "bob", "s", ARRIVAL);
    assert_eq!(said(&details), ("provider_refused", 503));
    assert_eq!(details.ring.unwrap().refusals, 1);
    assert_eq!(world.tokens().len(), 2);
    assert_eq!(details.outcome.level(), tracing::Level::ERROR);
}

#[test]
fn a_push_without_an_answer_may_ring_and_counts_as_rung() {
    let world = World::with_phones(&["a0", "503-1"]);
    assert_eq!(said(&call(&world.notifier(), "bob", "s", ARRIVAL)), ("rung", 200));
    assert_eq!(said(&call(&world.notifier(), "bob", "s", later(9_000))), ("duplicate", 200));
}

#[test]
fn providers_that_are_down_release_the_caller_and_the_next_notify_tries_again() {
    let world = World::with_phones(&["503-1", "429-1"]);
    assert_eq!(said(&call(&world.notifier(), "bob", "s", ARRIVAL)), ("not_rung", 503));
    assert_eq!(world.tokens().len(), 2);
    call(&world.notifier(), "bob", "s", later(1));
    assert_eq!(world.phones.rings().len(), 4);
}

#[test]
fn with_accept_a_call_without_a_device_goes_on_with_its_job_or_fails_without_it() {
    let world = World::default();
    let details = call(&world.notifier_with(&world.topic, Accept), "bob", "s", ARRIVAL);
    assert_eq!(said(&details), ("no_device", 200));
    assert_eq!(world.topic.messages().len(), 1);
    let again = call(&world.notifier_with(&world.topic, Accept), "bob", "s", later(5_000));
    assert_eq!((said(&again), world.topic.messages().len()), (("duplicate", 200), 1));
    let failed = call(&world.notifier_with(DeadTopic, Accept), "bob", "other", ARRIVAL);
    assert_eq!(said(&failed), ("not_published", 503));
}

#[test]
fn a_phone_that_rings_makes_up_for_a_job_that_was_not_published() {
    let world = World::with_phones(&["one"]);
    assert_eq!(said(&call(&world.notifier_with(DeadTopic, Fail), "bob", "s", ARRIVAL)), ("rung", 200));
}

#[test]
fn a_callee_that_line_does_not_name_has_no_device() {
    let world = World::with_phones(&["one"]);
    let path = format!("/{TOKEN}/line/notify_cb");
    let details = testing::send(&world.notifier(), "GET", &path, "sid=s&param=p", "");
    assert_eq!(said(&details), ("no_device", 404));
}

#[test]
fn without_the_guard_the_phone_rings_and_without_the_registry_the_caller_is_released() {
    let world = World::with_phones(&["one"]);
    let unguarded = notifier(&world.topic, DeadDevices, world.devices.registry(), &world.phones, Fail);
    assert_eq!(said(&call(&unguarded, "bob", "s", ARRIVAL)), ("rung", 200));
    let unregistered = notifier(&world.topic, &world.guard, DeadDevices, &world.phones, Fail);
    assert_eq!(said(&call(&unregistered, "bob", "other", ARRIVAL)), ("registry_unreadable", 503));
    assert_eq!(said(&call(&world.notifier(), "bob", "other", later(1))), ("rung", 200), "the claim is back");
}

#[test]
fn the_log_line_counts_what_rang_and_what_is_dead() {
    let world = World::with_phones(&["one", "dead-1"]);
    let details = call(&world.notifier(), "bob", "s", ARRIVAL);
    let context = RequestContext { took: Duration::ZERO, cold: false, status: 200, trace: None };
    let line = request_line(&NOTIFY, &details, &context);
    for (name, count) in [("rung", 1), ("no_device", 0), ("dead_devices", 1), ("provider_refused_us", 0)] {
        assert!(line.fields().any(|(field, value)| field == name && *value == count), "{name}");
    }
}

#[test]
fn each_provider_that_was_asked_has_a_line_with_its_time_and_no_token() {
    let world = World::with_phones(&["secret-token"]);
    let details = call(&world.notifier(), "bob", "s", ARRIVAL);
    let lines: Vec<String> = push_lines(&details)
        .iter()
        .map(|line| line.fields().map(|(name, value)| format!("{name}={value} ")).collect())
        .collect();
    assert_eq!(lines, [r#"provider="fcm" sid="s" push_ms=1.0 "#]);
    assert!(!format!("{details:?}").contains("secret-token"));
}
