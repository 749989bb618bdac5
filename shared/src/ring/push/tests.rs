//! What is sent and what an answer means.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::call::model::Person;
use crate::line::notify::{CcParam, Notify};
use crate::ring::device::{App, DeviceId, Platform, PushToken, Registration, User};

const NOW: Arrival = Arrival { milliseconds: 1_795_000_000_999 };

fn device(platform: Platform, token: &str) -> Device {
    Device {
        user: User::parse("planetkit", "bob").unwrap(),
        id: DeviceId::parse("installation-1").unwrap(),
        address: Registration {
            platform,
            token: PushToken::parse(platform, token).unwrap(),
            app: App::parse("com.example.calls").unwrap(),
        },
        registered_at: Moment::from_milliseconds(1).unwrap(),
        expires_at: Moment::from_milliseconds(2).unwrap(),
    }
}

fn with_job<T>(cc_param: &str, then: impl FnOnce(Ringing<'_>) -> T) -> T {
    let session = SessionId::parse("a-session").unwrap();
    let notify = Notify {
        session: session.clone(),
        caller: Person::new(Some("planetkit"), Some("alice")),
        callee: Person::new(Some("planetkit"), Some("bob")),
        call_type: Some("A".into()),
        media: None,
        cc_param: CcParam::new(cc_param).unwrap(),
        stid: None,
        app_svr_data: None,
    };
    let job = PushJob::new(&notify, NOW);
    then(Ringing { service: "planetkit", session: &session, job: &job, now: NOW })
}

fn apples(cc_param: &str) -> Option<Request> {
    with_job(cc_param, |call| apns::request(&call, &device(Platform::ApnsVoip, "abcd"), 30))
}

fn googles(cc_param: &str, token: &str) -> Option<Request> {
    with_job(cc_param, |call| fcm::request(&call, &device(Platform::Fcm, token), 30))
}

fn json_of(request: &Request) -> Value {
    serde_json::from_str(&request.body).unwrap()
}

#[test]
fn apple_gets_a_voip_push_that_expires() {
    let request = apples("p").unwrap();
    let header = |name: &str| {
        request.headers.iter().find(|(known, _)| *known == name).map(|(_, text)| text.as_str()).unwrap()
    };
    assert_eq!(request.path, "/3/device/abcd");
    assert_eq!(header("apns-push-type"), "voip");
    assert_eq!(header("apns-topic"), "com.example.calls.voip");
    assert_eq!(header("apns-expiration"), "1795000030");
}

#[test]
fn google_gets_an_installation_id_as_such_and_any_other_address_as_a_token() {
    let installation = googles("p", "cAbCdEfGhIjKlMnOpQ-_12").unwrap();
    assert_eq!(json_of(&installation)["message"]["fid"], "cAbCdEfGhIjKlMnOpQ-_12");
    for token in ["cAbCdEfGhIjKlMnOpQ-_12:APA91b", "aAbCdEfGhIjKlMnOpQ-_12", "short"] {
        let message = &json_of(&googles("p", token).unwrap())["message"];
        assert_eq!((&message["token"], &message["fid"]), (&json!(token), &Value::Null));
    }
    assert_eq!(installation.path, "/v1/projects/com.example.calls/messages:send");
}

#[test]
fn what_a_provider_would_not_take_is_not_sent() {
    let longest = |made: &dyn Fn(&str) -> Option<Request>| {
        (1..6_000).rev().find(|length| made(&"p".repeat(*length)).is_some()).unwrap()
    };
    let whole = |request: Option<Request>| request.unwrap().body.len();
    assert_eq!(whole(apples(&"p".repeat(longest(&apples)))), 5_120);
    let data = json_of(&googles(&"p".repeat(longest(&|text| googles(text, "t"))), "t").unwrap());
    assert_eq!(data["message"]["data"].to_string().len(), 4_096);
}

#[test]
fn only_apples_and_googles_words_for_a_dead_device_remove_it() {
    let dead = |since| Reply::Settled(Pushed::Dead { since });
    let refused = |code: &str| Reply::Settled(Pushed::RefusedUs(code.into()));
    let failed = |code: &str| Reply::Settled(Pushed::Failed(code.into()));
    let again = |code: &str| Reply::SendAgain(code.into());
    let gone = br#"{"reason":"Unregistered","timestamp":1795000000123}"#;
    assert_eq!(apns::reply(410, gone), dead(Moment::from_milliseconds(1_795_000_000_123)));
    let apple =
        |status, reason: &str| apns::reply(status, json!({ "reason": reason }).to_string().as_bytes());
    assert_eq!(apple(400, "BadDeviceToken"), dead(None));
    assert_eq!(apple(400, "DeviceTokenNotForTopic"), dead(None));
    assert_eq!(apple(400, "BadTopic"), refused("BadTopic"));
    assert_eq!(apple(400, "BadMessageId"), failed("BadMessageId"));
    assert_eq!(apple(403, "InvalidProviderToken"), refused("InvalidProviderToken"));
    assert_eq!(apple(403, "ExpiredProviderToken"), Reply::RenewToken("ExpiredProviderToken".into()));
    assert_eq!(apple(429, "TooManyRequests"), again("TooManyRequests"));
    assert_eq!(apple(404, "BadPath"), failed("BadPath"));
    assert_eq!(apns::reply(500, b"<html>"), again("status_500"));

    let google = |status, general: &str, own: Option<&str>| {
        let details: Vec<Value> = own.map(|code| json!({ "errorCode": code })).into_iter().collect();
        let body = json!({ "error": { "status": general, "details": details } });
        fcm::reply(status, body.to_string().as_bytes())
    };
    assert_eq!(google(404, "NOT_FOUND", Some("UNREGISTERED")), dead(None));
    assert_eq!(google(403, "PERMISSION_DENIED", Some("SENDER_ID_MISMATCH")), dead(None));
    assert_eq!(google(404, "NOT_FOUND", None), refused("NOT_FOUND"));
    assert_eq!(google(403, "PERMISSION_DENIED", None), refused("PERMISSION_DENIED"));
    assert_eq!(google(401, "UNAUTHENTICATED", None), Reply::RenewToken("UNAUTHENTICATED".into()));
    assert_eq!(google(400, "INVALID_ARGUMENT", None), failed("INVALID_ARGUMENT"));
    assert_eq!(google(429, "RESOURCE_EXHAUSTED", Some("QUOTA_EXCEEDED")), again("QUOTA_EXCEEDED"));
}

#[test]
fn a_key_of_another_kind_is_refused_and_named() {
    use keys::{ApnsKey, KeyError, ServiceAccount};
    let curve = ring::signature::EcdsaKeyPair::generate_pkcs8(
        &ring::signature::ECDSA_P256_SHA256_FIXED_SIGNING,
        &ring::rand::SystemRandom::new(),
    );
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::STANDARD.encode(curve.unwrap());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{base64}\n-----END PRIVATE KEY-----\n");
    let apple = json!({ "team_id": "TEAM", "key_id": "KEY", "private_key": pem }).to_string();
    assert_eq!(format!("{:?}", ApnsKey::parse(&apple).unwrap()), "ApnsKey(..)");
    let account = |uri: &str| {
        let text = json!({ "client_email": "a@b", "token_uri": uri, "private_key": pem }).to_string();
        ServiceAccount::parse(&text).unwrap_err()
    };
    assert_eq!(account("https://oauth2.googleapis.com/token"), KeyError::WrongKind);
    assert_eq!(account("http://oauth2.googleapis.com/token"), KeyError::Malformed);
    assert_eq!(ApnsKey::parse("{}").unwrap_err(), KeyError::Malformed);
}

#[test]
fn every_authority_of_the_providers_can_be_read() {
    use rustls_pki_types::pem::PemObject as _;
    let usable = |pem: &str| {
        rustls_pki_types::CertificateDer::pem_slice_iter(pem.as_bytes())
            .filter(|one| webpki::anchor_from_trusted_cert(one.as_ref().unwrap()).is_ok())
            .count()
    };
    assert_eq!((usable(client::APPLES_ROOTS), usable(client::GOOGLES_ROOTS)), (2, 4));
}

proptest! {
    #[test]
    fn every_answer_means_something_and_no_code_can_hold_a_token(
        status in 100_u16..=999,
        reason in prop_oneof![".{0,60}", "[0-9a-f]{64}", "[A-Z_a-z]{1,60}"],
        noise in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let apples = json!({ "reason": reason, "timestamp": u64::from(status) }).to_string();
        let error = json!({ "status": reason, "details": [{ "errorCode": reason }] });
        let googles = json!({ "error": error }).to_string();
        let replies = [
            apns::reply(status, apples.as_bytes()), fcm::reply(status, googles.as_bytes()),
            apns::reply(status, &noise), fcm::reply(status, &noise),
        ];
        for reply in replies {
            let is_accepted = reply == Reply::Settled(Pushed::Accepted);
            prop_assert_eq!(is_accepted, status == 200);
            if let Reply::SendAgain(code) | Reply::RenewToken(code)
                | Reply::Settled(Pushed::Failed(code) | Pushed::RefusedUs(code)) = reply
            {
                let is_status = code == format!("status_{status}");
                let is_word = code.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
                prop_assert!(is_status || is_word);
            }
        }
    }

    #[test]
    fn cc_param_arrives_byte_for_byte(cc_param in "\\PC{1,300}") {
        let apple = json_of(&apples(&cc_param).unwrap());
        let google = json_of(&googles(&cc_param, "t").unwrap());
        prop_assert_eq!(apple["cc_param"].as_str(), Some(cc_param.as_str()));
        let data = &google["message"]["data"];
        prop_assert_eq!(data["cc_param"].as_str(), Some(cc_param.as_str()));
        prop_assert!(data.as_object().unwrap().values().all(Value::is_string));
    }
}
