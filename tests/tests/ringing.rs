//! Calls that ring phones: the built functions on emulated DynamoDB and SSM, and stand-ins of APNs and FCM.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::fs::File;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use percent_encoding::percent_decode_str;
use ringback::testing;
use ringback_tests::chaos::ringing::{RingHarness, all_trials};
use ringback_tests::control_plane::{Function, Reply};
use ringback_tests::fault_proxy::{self, FaultProxy, Service};
use ringback_tests::phones::{Fault, Phones};
use ringback_tests::ringing::{Ringing, borrowed, incoming, job};
use ringback_tests::stack::{address_of, variable};
use serde_json::Value;

const IPHONE: &str = "aa11bb22";
const ANDROID: &str = "c:android";
/// Bytes of a message's data.
const GOOGLES_MOST: usize = 4_096;
const PATIENCE: Duration = Duration::from_secs(5);

/// One at a time, since some of them keep the machine busy.
static TURN: Mutex<()> = Mutex::new(());

fn fresh(name: &str) -> String {
    format!("{name}-{:016x}", fastrand::u64(..))
}

/// bob, with these phones.
fn bob(tokens: &[&str]) -> Ringing {
    let ringing = Ringing::start();
    for (number, token) in tokens.iter().enumerate() {
        ringing.register("planetkit", "bob", &format!("phone-{number}"), token);
    }
    ringing
}

fn status(function: &Function, callee: &str, sid: &str) -> u64 {
    function.invoke(&incoming(callee, sid)).0["statusCode"].as_u64().unwrap()
}

fn tokens(ringing: &Ringing) -> Vec<String> {
    ringing.rings().into_iter().map(|ring| ring.token).collect()
}

/// The value of a parameter as LINE sent it. LINE's text is Base64, in which a space was a `+`.
fn sent(query: &str, name: &str) -> Option<String> {
    let values = query.split('&').filter_map(|pair| pair.split_once('=')).filter(|(key, _)| *key == name);
    let text = values.map(|(_, value)| value).find(|value| !value.is_empty())?;
    Some(percent_decode_str(text).decode_utf8().ok()?.into_owned())
}

#[test]
fn every_sample_reaches_its_phones_with_param_byte_for_byte() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let ringing = Ringing::start();
    let function = ringing.notify();
    let mut reached = 0;
    for (number, sample) in testing::samples("notify").into_iter().enumerate() {
        let mut event = sample.event.clone();
        let query = event["rawQueryString"].as_str().unwrap_or_default().to_owned();
        let [service, user, param, sid] =
            ["to_service_id", "to_user_id", "param", "sid"].map(|name| sent(&query, name));
        let (Some(service), Some(user), Some(param), Some(sid)) = (service, user, param, sid) else {
            continue;
        };
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if sample.expected["effect"] != "job" || ![&service, &user, &sid].iter().all(|text| is_plain(text)) {
            continue;
        }
        // Samples share their session, and a call rings once.
        let own = fresh("sample");
        event["rawQueryString"] = query.replace(&format!("sid={sid}"), &format!("sid={own}")).into();
        let phones = [format!("aa{number:04x}"), format!("c:{number}")];
        for (device, token) in ["iphone", "android"].iter().zip(&phones) {
            ringing.register(&service, &user, device, token);
        }
        let (response, _) = function.invoke(&event.to_string());
        if param.len() > GOOGLES_MOST {
            assert_eq!(response["statusCode"], 503, "{}: no push can carry it", sample.name);
            continue;
        }
        assert_eq!(response["statusCode"], 200, "{}", sample.name);
        let pushes = ringing.phones.pushes();
        for token in phones {
            let push = pushes.iter().rfind(|push| push["token"] == token);
            let push = push.unwrap_or_else(|| panic!("{}: no push to {token}", sample.name));
            assert_eq!(job(push)["cc_param"], param.replace(' ', "+"), "{}", sample.name);
        }
        reached += 1;
    }
    assert!(reached > 20, "only {reached} samples reached a phone");
}

#[test]
fn a_thousand_notifies_of_one_call_to_several_instances_are_one_push_a_phone() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let ringing = bob(&[IPHONE, ANDROID]);
    let sid = fresh("thousand");
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let function = ringing.notify();
                assert!(function.wait_until_it_asks());
                for _ in 0..250 {
                    assert_eq!(status(&function, "bob", &sid), 200);
                }
            });
        }
    });
    let mut rung = tokens(&ringing);
    rung.sort();
    assert_eq!(rung, [IPHONE, ANDROID]);
}

#[test]
fn a_function_killed_between_claim_and_push_leaves_a_call_that_rings_when_line_sends_it_again() {
    let ringing = bob(&[IPHONE, ANDROID]);
    let dynamodb = FaultProxy::start(Service::DynamoDb, address_of(&variable("AWS_ENDPOINT_URL_DYNAMODB")));
    // It claims the call and waits for the devices.
    dynamodb.set_for(fault_proxy::Fault::Hangs, "Query");
    let mut variables = ringing.variables();
    variables.retain(|(name, _)| *name != "AWS_ENDPOINT_URL_DYNAMODB");
    variables.push(("AWS_ENDPOINT_URL_DYNAMODB", dynamodb.url()));
    let mut killed = Function::start("notify", &borrowed(&variables));
    let sid = fresh("killed");
    let handed = killed.hand_over(&incoming("bob", &sid));
    while ringing.guard(&sid).as_deref() != Some("claimed") {
        assert!(handed.elapsed() < PATIENCE, "it claimed nothing");
    }
    killed.kill();
    assert!(matches!(killed.reply(handed, Duration::ZERO), Reply::Nothing), "it was killed too late");
    assert!(ringing.rings().is_empty());

    let function = ringing.notify();
    thread::sleep(Duration::from_millis(3_050).saturating_sub(handed.elapsed()));
    assert_eq!(status(&function, "bob", &sid), 200);
    let mut rung = tokens(&ringing);
    rung.sort();
    assert_eq!(rung, [IPHONE, ANDROID]);
    assert_eq!(ringing.guard(&sid).as_deref(), Some("rung"));
}

#[test]
fn tokens_that_died_are_gone_after_one_call_and_get_no_second_push() {
    let ringing = bob(&["dead01", "bad02", "dead:android", IPHONE]);
    let function = ringing.notify();
    assert_eq!(status(&function, "bob", &fresh("dead")), 200);
    assert_eq!(ringing.registered().into_iter().collect::<Vec<_>>(), [IPHONE]);
    let before = ringing.phones.pushes().len();
    assert_eq!(status(&function, "bob", &fresh("dead")), 200);
    assert_eq!(ringing.phones.pushes().len() - before, 1);
}

#[test]
fn a_token_that_is_registered_again_while_its_provider_calls_it_dead_stays() {
    let ringing = bob(&["dead01", "dead:android"]);
    let function = ringing.notify();
    ringing.phones.next([Fault::Late(Duration::from_millis(600)); 2]);
    let handed = function.hand_over(&incoming("bob", &fresh("again")));
    while ringing.phones.pushes().len() < 2 {
        assert!(handed.elapsed() < PATIENCE, "nothing was pushed");
    }
    ringing.register("planetkit", "bob", "phone-0", "dead01");
    ringing.register("planetkit", "bob", "phone-1", "dead:android");
    let Reply::Response(response, _) = function.reply(handed, PATIENCE) else { panic!("no answer") };
    assert_eq!(response["statusCode"], 404);
    assert_eq!(ringing.registered().len(), 2);
}

#[test]
fn a_phone_that_changed_hands_never_rings_for_its_old_user() {
    let ringing = bob(&[IPHONE, ANDROID]);
    let function = ringing.notify();
    ringing.register("planetkit", "carol", "phone", IPHONE);
    for _ in 0..3 {
        assert_eq!(status(&function, "bob", &fresh("to-bob")), 200);
    }
    assert_eq!(tokens(&ringing), [ANDROID; 3]);
    assert_eq!(status(&function, "carol", &fresh("to-carol")), 200);
    assert_eq!(tokens(&ringing).last().unwrap(), IPHONE);
}

#[test]
fn with_a_wrong_key_the_caller_is_told_the_alarm_goes_off_and_no_device_is_lost() {
    let ringing = bob(&[IPHONE, "dead01"]);
    let folder = std::env::temp_dir().join(fresh("ringback-other-phones"));
    let other = Phones::start(&folder, 0, 0).unwrap();
    ringing.set_keys(&other.apns_key(), &ringing.phones.fcm_key());
    let log = ringing.log();
    let output = Stdio::from(File::create(&log).unwrap());
    let function = Function::start_saying("notify", &borrowed(&ringing.variables()), output, Stdio::null());
    assert_eq!(status(&function, "bob", &fresh("wrong-key")), 503);
    assert_eq!(ringing.registered().len(), 2);
    let said = std::fs::read_to_string(&log).unwrap();
    let line: Value = said
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .find(|line: &Value| line["outcome"] == "provider_refused")
        .unwrap_or_else(|| panic!("{said}"));
    assert_eq!(line["provider_refused_us"], 2);
    let metrics = &line["_aws"]["CloudWatchMetrics"];
    assert!(metrics.to_string().contains(r#""Name":"provider_refused_us""#), "{metrics}");
    // With a phone of the other provider the call rings.
    ringing.register("planetkit", "bob", "android", ANDROID);
    assert_eq!(status(&function, "bob", &fresh("wrong-key")), 200);
    assert_eq!(tokens(&ringing), [ANDROID]);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn keys_that_ssm_did_not_give_at_the_start_are_read_again_by_the_first_call() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for fault in [fault_proxy::Fault::Hangs, fault_proxy::Fault::Answers500, fault_proxy::Fault::Refuses] {
        let ringing = bob(&[IPHONE, ANDROID]);
        let mut variables = ringing.variables();
        let is_ssm = |(name, _): &(&str, String)| *name == "AWS_ENDPOINT_URL_SSM";
        let (_, ssm) = variables.extract_if(.., |variable| is_ssm(variable)).next().unwrap();
        // It answers in JSON, as DynamoDB does.
        let ssm = FaultProxy::start(Service::DynamoDb, address_of(&ssm));
        variables.push(("AWS_ENDPOINT_URL_SSM", ssm.url()));
        ssm.set(fault);
        let function = Function::start("notify", &borrowed(&variables));
        assert!(function.wait_until_it_asks());
        ssm.set(fault_proxy::Fault::None);
        assert_eq!(status(&function, "bob", &fresh("no-keys-yet")), 200, "{fault:?}");
        let mut rung = tokens(&ringing);
        rung.sort();
        assert_eq!(rung, [IPHONE, ANDROID], "{fault:?}");
    }
}

#[test]
fn whatever_is_wrong_each_phone_rings_once_or_line_learns_that_the_call_failed() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let harness = RingHarness::new();
    let started = Instant::now();
    let wrong: BTreeMap<&str, _> = all_trials()
        .into_iter()
        .map(|trial| harness.run(trial, 10))
        .filter(|row| !row.is_right())
        .map(|row| (row.fault, row))
        .collect();
    assert!(wrong.is_empty(), "after {:?}: {wrong:#?}", started.elapsed());
}
