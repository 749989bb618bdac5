//! Pushes to the stand-ins of APNs and FCM.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use ringback::aws::trust::Trust;
use ringback::call::model::{Arrival, Moment, Person, SessionId};
use ringback::lambda::settings::Environment;
use ringback::line::notify::{CcParam, Notify};
use ringback::line::push_job::PushJob;
use ringback::ring::device::{App, Device, DeviceId, Platform, PushToken, Registration, User};
use ringback::ring::push::direct::Direct;
use ringback::ring::push::{Push, PushSettings, Pushed, Ring, Ringing};
use ringback_tests::http::{Message, Server, response};
use ringback_tests::phones::{Fault, Phones};
use serde_json::{Value, json};

const CC_PARAM: &str = "ab+/cd==\u{e9}%2B \"x\"";
const IPHONE: &str = "aa11bb22";
const ANDROID: &str = "c:APA91b_android";

/// The stand-ins, a parameter store with their keys, and the adapter in between.
struct Stage {
    phones: Phones,
    parameters: Arc<Mutex<[Option<String>; 2]>>,
    /// How often the parameters were read.
    readings: Arc<AtomicUsize>,
    ssm: Server,
    folder: PathBuf,
}

impl Stage {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("ringback-phones-{:016x}", fastrand::u64(..)));
        let phones = Phones::start(&folder, 0, 0).unwrap();
        let parameters = Arc::new(Mutex::new([Some(phones.apns_key()), Some(phones.fcm_key())]));
        let readings = Arc::new(AtomicUsize::new(0));
        let (shown, read) = (Arc::clone(&parameters), Arc::clone(&readings));
        let ssm = Server::start(move |mut connection| {
            while let Ok(Some(_)) = Message::read(&mut connection) {
                read.fetch_add(1, Ordering::SeqCst);
                let known: Vec<Value> = std::iter::zip(["/apns", "/fcm"], shown.lock().unwrap().clone())
                    .filter_map(|(name, text)| Some(json!({ "Name": name, "Value": text? })))
                    .collect();
                let body = json!({ "Parameters": known, "InvalidParameters": [] }).to_string();
                let kind = [("content-type", "application/x-amz-json-1.1")];
                if connection.write_all(&response(200, &kind, body.as_bytes())).is_err() {
                    return;
                }
            }
        })
        .unwrap();
        Self { phones, parameters, readings, ssm, folder }
    }

    fn set(&self, provider: usize, key: Option<String>) {
        self.parameters.lock().unwrap()[provider] = key;
    }

    async fn direct(&self) -> Direct {
        self.direct_to(self.phones.url()).await
    }

    async fn direct_to(&self, url: &str) -> Direct {
        self.direct_with(url, [Some("/apns"), Some("/fcm")]).await
    }

    async fn direct_with(&self, url: &str, [apns, fcm]: [Option<&str>; 2]) -> Direct {
        let settings = PushSettings {
            apns_key_parameter: apns.map(str::to_owned),
            fcm_key_parameter: fcm.map(str::to_owned),
            ring_seconds: 30,
            apns_url: Some(url.into()),
            fcm_url: Some(url.into()),
            trust: Trust::read(self.folder.join("ca.pem").to_str().unwrap()).unwrap(),
        };
        let ssm = format!("http://{}", self.ssm.address);
        let environment = Environment::new(move |name| match name {
            "AWS_ENDPOINT_URL_SSM" => Some(ssm.clone()),
            "AWS_REGION" | "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("test-1".to_owned()),
            _ => None,
        });
        Direct::connect(settings, &environment.aws().unwrap(), now(0)).await
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn now(seconds_later: u64) -> Arrival {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Arrival { milliseconds: u64::try_from(now.as_millis()).unwrap() + seconds_later * 1_000 }
}

fn device(token: &str) -> Device {
    let platform = if token.contains(':') { Platform::Fcm } else { Platform::ApnsVoip };
    Device {
        user: User::parse("planetkit", "bob").unwrap(),
        id: DeviceId::parse(&format!("phone-{token}")).unwrap(),
        address: Registration {
            platform,
            token: PushToken::parse(platform, token).unwrap(),
            app: App::parse("com.example.calls").unwrap(),
        },
        registered_at: Moment::from_milliseconds(1).unwrap(),
        expires_at: Moment::from_milliseconds(2).unwrap(),
    }
}

async fn ring_at(direct: &Direct, now: Arrival, tokens: &[&str]) -> Vec<Push> {
    let session = SessionId::parse("a-session").unwrap();
    let notify = Notify {
        session: session.clone(),
        caller: Person::new(Some("planetkit"), Some("alice")),
        callee: Person::new(Some("planetkit"), Some("bob")),
        call_type: Some("V".into()),
        media: None,
        cc_param: CcParam::new(CC_PARAM).unwrap(),
        stid: None,
        app_svr_data: None,
    };
    let job = PushJob::new(&notify, now);
    let call = Ringing { service: "planetkit", session: &session, job: &job, now };
    let devices: Vec<Device> = tokens.iter().copied().map(device).collect();
    direct.ring(call, &devices).await
}

async fn ring(direct: &Direct, tokens: &[&str]) -> Vec<Pushed> {
    ring_at(direct, now(0), tokens).await.into_iter().map(|push| push.pushed).collect()
}

fn refused(code: &str) -> Pushed {
    Pushed::RefusedUs(code.into())
}

fn failed(code: &str) -> Pushed {
    Pushed::Failed(code.into())
}

#[tokio::test]
async fn both_phones_get_what_lines_demo_apps_read() {
    let stage = Stage::new();
    let direct = stage.direct().await;
    assert_eq!(ring(&direct, &[IPHONE, ANDROID]).await, [Pushed::Accepted, Pushed::Accepted]);
    let pushes = stage.phones.pushes();
    let of = |provider: &str| pushes.iter().find(|push| push["provider"] == provider).unwrap();
    // What the demo apps of iOS, Android and Windows look up.
    let iphone = &of("apns")["body"];
    assert_eq!((&iphone["app_caller_sid"], &iphone["cc_param"]), (&json!("planetkit"), &json!(CC_PARAM)));
    let data = &of("fcm")["body"]["message"]["data"];
    assert_eq!(data["cc_param"], CC_PARAM);
    assert_eq!((&data["app_caller_uid"], &data["app_call_type"]), (&json!("alice"), &json!("V")));
    // What makes it ring, and stop.
    assert_eq!(iphone["aps"], json!({}));
    assert_eq!(of("apns")["headers"]["apns-topic"], "com.example.calls.voip");
    assert_eq!(of("fcm")["body"]["message"]["android"], json!({ "priority": "high", "ttl": "30s" }));
}

#[tokio::test]
async fn a_call_has_the_same_id_on_every_phone_and_a_push_the_same_one_each_time() {
    let stage = Stage::new();
    let direct = stage.direct().await;
    ring(&direct, &[IPHONE, "ee11"]).await;
    ring(&direct, &[IPHONE]).await;
    let pushes = stage.phones.pushes();
    let calls: Vec<&Value> = pushes.iter().map(|push| &push["body"]["call_uuid"]).collect();
    assert!(calls.iter().all(|id| *id == calls[0] && id.is_string()), "{calls:?}");
    let ids = |token: &str| -> Vec<Value> {
        let of_it = pushes.iter().filter(|push| push["token"] == token);
        of_it.map(|push| push["headers"]["apns-id"].clone()).collect()
    };
    assert_eq!(ids(IPHONE)[0], ids(IPHONE)[1]);
    assert_ne!(ids(IPHONE)[0], ids("ee11")[0]);
}

#[tokio::test]
async fn a_dead_address_is_known_at_once_and_apple_says_since_when() {
    let stage = Stage::new();
    let direct = stage.direct().await;
    let pushed = ring(&direct, &["dead01", "bad01", "dead:android", "bad:android"]).await;
    assert!(matches!(pushed[0], Pushed::Dead { since: Some(_) }), "{pushed:?}");
    assert_eq!(pushed[1], Pushed::Dead { since: None });
    assert_eq!(pushed[2], Pushed::Dead { since: None });
    // Google says so of malformed requests too, so the device stays.
    assert_eq!(pushed[3], failed("INVALID_ARGUMENT"));
}

#[tokio::test]
async fn a_provider_that_is_busy_once_is_asked_again_and_only_once() {
    let stage = Stage::new();
    let direct = stage.direct().await;
    for token in [IPHONE, ANDROID] {
        for status in [429, 500, 503] {
            stage.phones.next([Fault::Answer(status, "Busy")]);
            assert_eq!(ring(&direct, &[token]).await, [Pushed::Accepted], "{token} {status}");
        }
    }
    let before = stage.phones.pushes().len();
    assert_eq!(ring(&direct, &["429aa"]).await, [failed("TooManyRequests")]);
    assert_eq!(ring(&direct, &["503:a"]).await, [failed("UNAVAILABLE")]);
    assert_eq!(stage.phones.pushes().len() - before, 4);
}

#[tokio::test]
async fn a_connection_that_ended_between_calls_costs_no_call() {
    let stage = Stage::new();
    let direct = stage.direct().await;
    let ends: [fn(&Phones); 3] = [Phones::go_away, Phones::close, Phones::mute];
    for end in ends {
        assert_eq!(ring(&direct, &[IPHONE, ANDROID]).await, [Pushed::Accepted, Pushed::Accepted]);
        let before = (stage.phones.connections(), stage.phones.pushes().len());
        end(&stage.phones);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(ring(&direct, &[IPHONE, ANDROID]).await, [Pushed::Accepted, Pushed::Accepted]);
        let after = (stage.phones.connections(), stage.phones.pushes().len());
        assert_eq!(after, (before.0 + 2, before.1 + 2));
    }
}

#[tokio::test]
async fn a_push_whose_connection_is_reset_goes_again() {
    let stage = Stage::new();
    let direct = stage.direct().await;
    for token in [IPHONE, ANDROID] {
        stage.phones.next([Fault::Reset]);
        assert_eq!(ring(&direct, &[token]).await, [Pushed::Accepted]);
        stage.phones.next([Fault::Reset, Fault::Reset]);
        assert_eq!(ring(&direct, &[token]).await, [Pushed::NoAnswer]);
    }
}

#[tokio::test]
async fn a_slow_provider_delays_nothing_beyond_the_budget_and_the_phone_may_ring() {
    let stage = Stage::new();
    let direct = stage.direct().await;
    stage.phones.next([Fault::Late(Duration::from_secs(5)); 4]);
    let start = Instant::now();
    let pushed = ring(&direct, &[IPHONE, ANDROID]).await;
    assert_eq!(pushed, [Pushed::NoAnswer, Pushed::NoAnswer]);
    assert!(start.elapsed() < Duration::from_millis(1_100), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_slow_provider_gets_each_push_once() {
    let stage = Stage::new();
    let direct = stage.direct().await;
    stage.phones.next([Fault::Late(Duration::from_millis(700)); 2]);
    assert_eq!(ring(&direct, &[IPHONE, ANDROID]).await, [Pushed::Accepted, Pushed::Accepted]);
    assert_eq!(stage.phones.pushes().len(), 2);
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_rings_nothing() {
    let stage = Stage::new();
    let direct = stage.direct_to("https://127.0.0.1:1").await;
    assert_eq!(ring(&direct, &[IPHONE, ANDROID]).await, [failed("unreachable"), failed("unreachable")]);
}

#[tokio::test]
async fn a_stranger_in_the_providers_place_gets_no_push() {
    let (stage, stranger) = (Stage::new(), Stage::new());
    let direct = stage.direct_to(stranger.phones.url()).await;
    assert_eq!(ring(&direct, &[IPHONE, ANDROID]).await, [failed("unreachable"), failed("unreachable")]);
    assert!(stranger.phones.pushes().is_empty());
}

#[tokio::test]
async fn wrong_keys_kill_no_device_and_the_right_ones_are_found_later() {
    let (stage, other) = (Stage::new(), Stage::new());
    let right = stage.parameters.lock().unwrap().clone();
    let account = other.phones.fcm_key().replace(other.phones.url(), stage.phones.url());
    stage.set(0, Some(other.phones.apns_key()));
    stage.set(1, Some(account));
    let direct = stage.direct().await;
    let both = [IPHONE, ANDROID, "dead01", "dead:android"];
    let wrong = [refused("InvalidProviderToken"), refused("no_access_token_400")];
    assert_eq!(ring(&direct, &both).await, [&wrong[..], &wrong[..]].concat());
    *stage.parameters.lock().unwrap() = right;
    let later = ring_at(&direct, now(11), &both[..2]).await;
    assert!(later.iter().all(|push| push.pushed == Pushed::Accepted), "{later:?}");
}

#[tokio::test]
async fn a_key_that_cannot_be_used_silences_its_own_provider_only() {
    for (key, code) in [
        (None, "key_missing"),
        (Some("{}".to_owned()), "key_malformed"),
        (Some("no json".to_owned()), "key_malformed"),
    ] {
        for (provider, expected) in
            [(0, [refused(code), Pushed::Accepted]), (1, [Pushed::Accepted, refused(code)])]
        {
            let stage = Stage::new();
            stage.set(provider, key.clone());
            assert_eq!(ring(&stage.direct().await, &[IPHONE, ANDROID]).await, expected);
        }
    }
}

#[tokio::test]
async fn a_phone_without_a_provider_here_is_not_asked_and_refused_by_nobody() {
    let stage = Stage::new();
    for (parameters, expected) in [
        ([Some("/apns"), None], [Pushed::Accepted, Pushed::NotAsked]),
        ([None, Some("/fcm")], [Pushed::NotAsked, Pushed::Accepted]),
    ] {
        let direct = stage.direct_with(stage.phones.url(), parameters).await;
        assert_eq!(ring(&direct, &[IPHONE, ANDROID]).await, expected);
    }
    assert_eq!(stage.phones.pushes().len(), 2);
}

#[tokio::test]
async fn while_one_key_is_wrong_the_other_provider_sees_no_new_token() {
    let stage = Stage::new();
    stage.set(1, Some("{}".into()));
    let direct = stage.direct().await;
    for seconds in [0, 11, 22, 33] {
        let pushes = ring_at(&direct, now(seconds), &[IPHONE, ANDROID]).await;
        assert_eq!(pushes[0].pushed, Pushed::Accepted);
    }
    let pushes = stage.phones.pushes();
    let tokens: std::collections::BTreeSet<_> =
        pushes.iter().map(|push| push["headers"]["authorization"].to_string()).collect();
    assert_eq!((pushes.len(), tokens.len()), (4, 1), "Apple takes few new tokens");
}

#[tokio::test]
async fn a_key_that_works_is_kept_while_the_other_is_wrong_and_ssm_gives_neither() {
    let stage = Stage::new();
    stage.set(0, Some("{}".into()));
    let direct = stage.direct().await;
    assert_eq!(ring(&direct, &[ANDROID]).await, [Pushed::Accepted]);
    stage.set(0, None);
    stage.set(1, None);
    let later = ring_at(&direct, now(11), &[IPHONE, ANDROID]).await;
    let later: Vec<Pushed> = later.into_iter().map(|push| push.pushed).collect();
    assert_eq!(later, [refused("key_missing"), Pushed::Accepted]);
}

#[tokio::test]
async fn a_new_key_rings_within_the_call_in_which_the_old_one_is_refused() {
    let (stage, other) = (Stage::new(), Stage::new());
    let right = stage.parameters.lock().unwrap().clone();
    stage.set(0, Some(other.phones.apns_key()));
    stage.set(1, Some(other.phones.fcm_key().replace(other.phones.url(), stage.phones.url())));
    let direct = stage.direct().await;
    *stage.parameters.lock().unwrap() = right;
    let pushes = ring_at(&direct, now(11), &[IPHONE, ANDROID]).await;
    assert!(pushes.iter().all(|push| push.pushed == Pushed::Accepted), "{pushes:?}");
}

#[tokio::test]
async fn what_the_app_named_wrongly_is_no_reason_to_read_the_keys_again() {
    let stage = Stage::new();
    let direct = stage.direct().await;
    stage.phones.next([Fault::Answer(400, "BadTopic")]);
    assert_eq!(ring(&direct, &[IPHONE]).await, [refused("BadTopic")]);
    let later = ring_at(&direct, now(11), &[IPHONE]).await;
    assert_eq!((&later[0].pushed, stage.readings.load(Ordering::SeqCst)), (&Pushed::Accepted, 1));
}

#[tokio::test]
async fn a_token_of_ours_that_is_too_old_is_renewed_before_or_after_the_provider_says_so() {
    let stage = Stage::new();
    let direct = stage.direct().await;
    assert_eq!(ring(&direct, &[IPHONE, ANDROID, ANDROID]).await, vec![Pushed::Accepted; 3]);
    assert_eq!(stage.phones.access_tokens(), 1, "one for all devices");
    for (seconds, access_tokens) in [(49 * 60, 1), (51 * 60, 2)] {
        let pushes = ring_at(&direct, now(seconds), &[IPHONE, ANDROID]).await;
        assert!(pushes.iter().all(|push| push.pushed == Pushed::Accepted), "{pushes:?}");
        assert_eq!(stage.phones.access_tokens(), access_tokens);
    }
    stage.phones.next([Fault::Answer(403, "ExpiredProviderToken")]);
    assert_eq!(ring(&direct, &[IPHONE]).await, [Pushed::Accepted]);
    stage.phones.next([Fault::Answer(401, "UNAUTHENTICATED")]);
    assert_eq!(ring(&direct, &[ANDROID]).await, [Pushed::Accepted]);
}

#[tokio::test]
async fn eight_devices_ring_at_once_over_one_connection_a_provider() {
    let stage = Stage::new();
    let direct = stage.direct().await;
    let opened = stage.phones.connections();
    let tokens = ["a1", "a2", "a3", "a4", "c:1", "c:2", "c:3", "c:4"];
    stage.phones.next([Fault::Late(Duration::from_millis(150)); 8]);
    let start = Instant::now();
    assert_eq!(ring(&direct, &tokens).await, vec![Pushed::Accepted; 8]);
    assert!(start.elapsed() < Duration::from_millis(450), "{:?}", start.elapsed());
    assert_eq!((opened, stage.phones.connections()), (2, 2));
}

#[tokio::test]
async fn nothing_printed_shows_a_key() {
    let stage = Stage::new();
    assert_eq!(format!("{:?}", stage.direct().await), "Direct(..)");
}
