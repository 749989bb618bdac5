//! What rings phones: the registry of devices, and the keys for Apple and Google, tried without a phone.

use std::time::Duration;

use clap::Args;
use http_body_util::Full;
use hyper::body::Bytes;
use ringback::aws::trust::Trust;
use ringback::call::model::{Arrival, Moment, Person, SessionId};
use ringback::line::notify::{CcParam, Notify};
use ringback::line::push_job::PushJob;
use ringback::ring::device::{App, Device, DeviceId, Platform, PushToken, Registration, User};
use ringback::ring::push::client::{APPLES_ROOTS, Client, GOOGLES_ROOTS, Sent};
use ringback::ring::push::keys::{ApnsKey, KeyError, ServiceAccount};
use ringback::ring::push::{Pushed, Reply, Request, Ringing, apns, fcm, jwt};
use serde_json::{Value, json};

use super::{Finding, Findings};
use crate::devices::Registry;
use crate::error::Stop;
use crate::output::now;
use crate::place::{Place, PushKeys};
use crate::scenario::PARAM;

const PATIENCE: Duration = Duration::from_secs(5);
const RING_SECONDS: u64 = 30;
/// No phone has it, so nothing rings.
const NO_PHONE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

#[derive(Args, Clone, Debug)]
pub(crate) struct IosApp {
    /// The bundle id of your iOS app: with it, the APNs key is tried on a phone that does not exist
    #[arg(long, env = "IOS_APP", value_name = "BUNDLE_ID")]
    ios_app: Option<String>,
}

pub(super) async fn look(place: &Place, service: Option<&str>, ios_app: &IosApp, found: &mut Findings) {
    match Registry::of(place) {
        Ok(Some(registry)) => {
            let refused = registry.request_unsigned(service.unwrap_or("ringback"), "ringback-bob").await;
            found.add(Finding::of("registry without a signature", refused.map(|answer| unsigned(&answer.0))));
        }
        Ok(None) => found.add(Finding::skipped("registry of devices", "this Ringback has none")),
        Err(why) => found.add(Finding::of("registry of devices", Err(why))),
    }
    if let Some(table) = place.deployed().and_then(|stack| stack.outputs.get("DevicesTableName")) {
        found.add(Finding::of("table of devices", expiry(place, table).await));
    }
    keys(place, ios_app, found).await;
}

fn unsigned(answer: &crate::target::Answer) -> Finding {
    let seen = answer.status.map_or_else(|| answer.body.clone(), |status| status.to_string());
    let right = matches!(answer.status, Some(401 | 403));
    let advice = "anyone can register phones: docs/first-deployment.md, Who may register";
    Finding::new("registry without a signature", seen, if right { "" } else { advice })
}

async fn expiry(place: &Place, table: &str) -> Result<Finding, Stop> {
    let client = aws_sdk_dynamodb::Client::new(&place.config("DYNAMODB"));
    let described = client.describe_time_to_live().table_name(table).send().await;
    let described = described.map_err(Stop::aws(&format!("read the settings of {table}")))?;
    let status = described.time_to_live_description().and_then(|each| each.time_to_live_status());
    let status = status.map_or("DISABLED", |status| status.as_str()).to_owned();
    let advice =
        if status == "ENABLED" { "" } else { "old devices stay for ever: deploy the template again" };
    Ok(Finding::new("table of devices", format!("time to live {status}"), advice))
}

/// Whether the keys are there, can be read, and are taken by Apple and Google.
pub(crate) async fn keys(place: &Place, ios_app: &IosApp, found: &mut Findings) {
    let names = &place.push_keys;
    if names.is_empty() {
        found.add(Finding::skipped(
            "keys for pushes",
            "none are configured, so no phone rings: docs/ringing.md",
        ));
        return;
    }
    let ssm = aws_sdk_ssm::Client::new(&place.config("SSM"));
    for (check, name) in [("APNs key", &names.apns), ("FCM key", &names.fcm)] {
        let Some(name) = name else {
            found.add(Finding::skipped(check, "not configured"));
            continue;
        };
        let tried = match read(&ssm, name).await {
            Ok(text) if check == "APNs key" => match ApnsKey::parse(&text) {
                Ok(key) => try_apple(&key, names, ios_app).await,
                Err(error) => Ok(unusable(check, name, error)),
            },
            Ok(text) => match ServiceAccount::parse(&text) {
                Ok(account) => try_google(&account, &text, names).await,
                Err(error) => Ok(unusable(check, name, error)),
            },
            Err(error) => Ok(unusable(check, name, error)),
        };
        found.add(Finding::of(check, tried));
    }
}

/// With the request that the functions make, so that it needs the same rights.
async fn read(ssm: &aws_sdk_ssm::Client, name: &str) -> Result<String, KeyError> {
    let answer = ssm.get_parameters().names(name).with_decryption(true).send().await;
    let parameter = answer.map_err(|_| KeyError::Unreadable)?.parameters.unwrap_or_default().pop();
    parameter.and_then(|parameter| parameter.value).ok_or(KeyError::Missing)
}

fn unusable(check: &str, name: &str, error: KeyError) -> Finding {
    let advice = match error {
        KeyError::Unreadable => "see whether your role may ssm:GetParameters and decrypt it",
        KeyError::Missing => "there is no such parameter here: `ringback keys put` stores one",
        KeyError::Malformed | KeyError::WrongKind => "store the right file with `ringback keys put`",
    };
    Finding::new(check, format!("{name}: {error}"), advice)
}

async fn try_apple(key: &ApnsKey, names: &PushKeys, ios_app: &IosApp) -> Result<Finding, Stop> {
    let Some(app) = &ios_app.ios_app else {
        let seen =
            format!("key {} of team {} can be read; --ios-app BUNDLE_ID tries it", key.key_id, key.team_id);
        return Ok(Finding::skipped("APNs key", seen));
    };
    let token = jwt::provider_token(key, now().as_secs()).ok_or_else(|| Stop::new("the key cannot sign"))?;
    let push = push(Platform::ApnsVoip, app)?;
    let base = names.apns_url.as_deref().unwrap_or(apns::PRODUCTION);
    let client = client(APPLES_ROOTS, names)?;
    let sent = send(&client, base, &push, &format!("bearer {token}")).await?;
    let advice = "check the key id, the team id and the bundle id, and that the key may use APNs";
    Ok(judged("APNs key", sent.map(|(status, body)| apns::reply(status, &body)), advice))
}

async fn try_google(account: &ServiceAccount, text: &str, names: &PushKeys) -> Result<Finding, Stop> {
    let file: Value = serde_json::from_str(text).unwrap_or_default();
    let Some(project) = file.get("project_id").and_then(Value::as_str) else {
        return Ok(Finding::new("FCM key", "it names no project", "store Google's file as it is"));
    };
    let client = client(GOOGLES_ROOTS, names)?;
    let assertion = jwt::assertion(account, now().as_secs());
    let assertion = assertion.ok_or_else(|| Stop::new("the key cannot sign"))?;
    let form =
        format!("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={assertion}");
    let grant = hyper::Request::post(account.token_uri.clone())
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::from(form))
        .map_err(|error| Stop::new(format!("token_uri: {error}")))?;
    let granted = match client.send(grant, PATIENCE).await {
        Sent::Answer(200, body) => serde_json::from_slice::<Value>(&body).unwrap_or_default(),
        Sent::Answer(status, _) => {
            let advice =
                "Google refuses the service account: make a new key for it, and `ringback keys put` it";
            return Ok(Finding::new("FCM key", format!("no access token: {status}"), advice));
        }
        Sent::NoAnswer | Sent::Unreached => Value::Null,
    };
    let Some(token) = granted.get("access_token").and_then(Value::as_str) else {
        return Ok(judged("FCM key", None, ""));
    };
    let mut push = push(Platform::Fcm, project)?;
    let mut body: Value = serde_json::from_str(&push.body).unwrap_or_default();
    if let Some(members) = body.as_object_mut() {
        members.insert("validate_only".into(), json!(true));
    }
    push.body = body.to_string();
    let base = names.fcm_url.as_deref().unwrap_or(fcm::ENDPOINT);
    let sent = send(&client, base, &push, &format!("Bearer {token}")).await?;
    let advice =
        "give the service account the role Firebase Cloud Messaging API Admin, and switch that API on";
    // Google calls a token that it never gave out an invalid argument.
    let reply = |(status, body): (u16, Bytes)| match fcm::reply(status, &body) {
        Reply::Settled(Pushed::Failed(code)) if status == 400 && code == "INVALID_ARGUMENT" => {
            Reply::Settled(Pushed::Dead { since: None })
        }
        reply => reply,
    };
    Ok(judged("FCM key", sent.map(reply), advice))
}

/// What an answer about a phone that does not exist says about the key.
fn judged(check: &str, reply: Option<Reply>, refused: &str) -> Finding {
    let (seen, advice) = match reply {
        None => {
            ("no answer".to_owned(), "see whether this machine reaches it over HTTP/2, or a proxy is between")
        }
        Some(Reply::Settled(Pushed::Dead { .. })) => {
            ("taken; it knows no such phone, as it should be".into(), "")
        }
        Some(Reply::Settled(Pushed::Accepted)) => ("taken".into(), ""),
        Some(Reply::Settled(Pushed::NoAnswer | Pushed::NotAsked)) => ("no answer".into(), "run it again"),
        Some(Reply::Settled(Pushed::RefusedUs(code)) | Reply::RenewToken(code)) => (code, refused),
        Some(Reply::Settled(Pushed::Failed(code)) | Reply::SendAgain(code)) => {
            (code, "run it again in a while")
        }
    };
    Finding::new(check, seen, advice)
}

fn client(roots: &str, names: &PushKeys) -> Result<Client, Stop> {
    let trust = match &names.authorities {
        Some(path) => {
            let none = || Stop::new(format!("PUSH_CA_BUNDLE: {path} is no file of certificates in PEM"));
            Trust::read(path).ok_or_else(none)?
        }
        None => Trust::default(),
    };
    Ok(Client::new(roots, &trust))
}

async fn send(client: &Client, base: &str, push: &Request, who: &str) -> Result<Option<(u16, Bytes)>, Stop> {
    let mut request = hyper::Request::post(format!("{base}{}", push.path)).header("authorization", who);
    for (name, value) in &push.headers {
        request = request.header(*name, value);
    }
    let request = request.body(Full::from(push.body.clone()));
    let request = request.map_err(|error| Stop::new(format!("no push can be made of it: {error}")))?;
    Ok(match client.send(request, PATIENCE).await {
        Sent::Answer(status, body) => Some((status, body)),
        Sent::NoAnswer | Sent::Unreached => None,
    })
}

/// The push of a call to a phone that does not exist.
fn push(platform: Platform, app: &str) -> Result<Request, Stop> {
    let impossible = || Stop::new(format!("no push can be made for the app {app}"));
    let arrival = Arrival { milliseconds: u64::try_from(now().as_millis()).unwrap_or_default() };
    let session = SessionId::parse("ringback-doctor").ok_or_else(impossible)?;
    let notify = Notify {
        session: session.clone(),
        caller: Person::new(Some("ringback"), Some("ringback-alice")),
        callee: Person::new(Some("ringback"), Some("ringback-bob")),
        call_type: Some("A".into()),
        media: None,
        cc_param: CcParam::new(PARAM).ok_or_else(impossible)?,
        stid: None,
        app_svr_data: None,
    };
    let job = PushJob::new(&notify, arrival);
    let at = Moment::from_seconds_or_milliseconds(arrival.milliseconds).ok_or_else(impossible)?;
    let device = Device {
        user: User::parse("ringback", "ringback-bob").ok_or_else(impossible)?,
        id: DeviceId::parse("ringback-doctor").ok_or_else(impossible)?,
        address: Registration {
            platform,
            token: PushToken::parse(platform, NO_PHONE).ok_or_else(impossible)?,
            app: App::parse(app).ok_or_else(impossible)?,
        },
        registered_at: at,
        expires_at: at,
    };
    let call = Ringing { service: "ringback", session: &session, job: &job, now: arrival };
    let made = if platform == Platform::Fcm { fcm::request } else { apns::request };
    made(&call, &device, RING_SECONDS).ok_or_else(impossible)
}
