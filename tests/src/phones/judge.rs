//! What Apple and Google would say to a request. The token of the device decides what becomes of it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::http::request::Parts;
use serde_json::{Value, json};

use super::identity::{ACCOUNT, Identity, KEY, PROJECT, TEAM};

/// Apple and Google both let a token's time be an hour off at most.
const HOUR: u64 = 3_600;
/// Google's access tokens of the stand-in.
const ACCESS: &str = "access-of-the-stand-in";

/// An answer, and for a push who sent it to whom.
pub(super) struct Judged {
    pub(super) push: Option<(&'static str, String)>,
    pub(super) status: u16,
    pub(super) body: Value,
}

pub(super) fn judge(identity: &Identity, url: &str, head: &Parts, body: &[u8], now: u64) -> Judged {
    let path = head.uri.path();
    if let Some(token) = path.strip_prefix("/3/device/") {
        let (status, reason) = apns(identity, head, body, token, now);
        let answer = match status {
            200 => json!({}),
            // In milliseconds, and no device that it names was registered later.
            410 => json!({ "reason": reason, "timestamp": now * 1_000 + 999 }),
            _ => json!({ "reason": reason }),
        };
        return Judged { push: Some(("apns", token.to_owned())), status, body: answer };
    }
    if path.ends_with("/messages:send") {
        let message: Value = serde_json::from_slice(body).unwrap_or_default();
        let target = message["message"]["token"].as_str().or(message["message"]["fid"].as_str());
        let token = target.unwrap_or_default().to_owned();
        let (status, code) = fcm(head, &message, &token);
        return Judged { push: Some(("fcm", token)), status, body: fcm_answer(status, code) };
    }
    if path == "/token" {
        let (status, body) = oauth(identity, url, body, now);
        return Judged { push: None, status, body };
    }
    Judged { push: None, status: 404, body: json!({}) }
}

fn header<'a>(head: &'a Parts, name: &str) -> &'a str {
    head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// What the beginning of a token asks for.
fn wish(token: &str) -> &'static str {
    ["dead", "bad", "429", "503"].into_iter().find(|word| token.starts_with(word)).unwrap_or_default()
}

fn apns(identity: &Identity, head: &Parts, body: &[u8], token: &str, now: u64) -> (u16, &'static str) {
    let bearer = header(head, "authorization").strip_prefix("bearer ");
    let claims =
        bearer.and_then(|jwt| claims(jwt, |message, signature| identity.apple_signed(message, signature)));
    let Some((jwt_head, claims)) = claims else { return (403, "InvalidProviderToken") };
    if jwt_head["alg"] != "ES256" || jwt_head["kid"] != KEY || claims["iss"] != TEAM {
        return (403, "InvalidProviderToken");
    }
    if claims["iat"].as_u64().is_none_or(|at| now.abs_diff(at) > HOUR) {
        return (403, "ExpiredProviderToken");
    }
    let expiration = header(head, "apns-expiration").parse::<u64>();
    match () {
        () if head.method != "POST" => (405, "MethodNotAllowed"),
        () if header(head, "apns-push-type") != "voip" => (400, "InvalidPushType"),
        () if !header(head, "apns-topic").ends_with(".voip") => (400, "BadTopic"),
        () if header(head, "apns-priority") != "10" => (400, "BadPriority"),
        () if !expiration.is_ok_and(|at| (now..now + HOUR).contains(&at)) => (400, "BadExpirationDate"),
        () if header(head, "apns-id").len() != 36 => (400, "BadMessageId"),
        () if body.is_empty() => (400, "PayloadEmpty"),
        () if body.len() > 5_120 => (413, "PayloadTooLarge"),
        () => match wish(token) {
            "dead" => (410, "Unregistered"),
            "bad" => (400, "BadDeviceToken"),
            "429" => (429, "TooManyRequests"),
            "503" => (503, "ServiceUnavailable"),
            _ => (200, ""),
        },
    }
}

fn fcm(head: &Parts, body: &Value, token: &str) -> (u16, &'static str) {
    let message = &body["message"];
    let data = message["data"].as_object();
    let size = data.map_or(0, |data| Value::from(data.clone()).to_string().len());
    match () {
        () if header(head, "authorization") != format!("Bearer {ACCESS}") => (401, "THIRD_PARTY_AUTH_ERROR"),
        () if !head.uri.path().starts_with("/v1/projects/") => (404, "NOT_FOUND"),
        () if message["android"]["priority"] != "high" => (400, "INVALID_ARGUMENT"),
        () if !message["android"]["ttl"].as_str().is_some_and(|ttl| ttl.ends_with('s')) => {
            (400, "INVALID_ARGUMENT")
        }
        () if data.is_none_or(|data| !data.values().all(Value::is_string)) => (400, "INVALID_ARGUMENT"),
        () if size > 4_096 || token.is_empty() => (400, "INVALID_ARGUMENT"),
        () => match wish(token) {
            "dead" => (404, "UNREGISTERED"),
            "bad" => (400, "INVALID_ARGUMENT"),
            "429" => (429, "QUOTA_EXCEEDED"),
            "503" => (503, "UNAVAILABLE"),
            _ => (200, ""),
        },
    }
}

/// Google's errors name the code in the details.
pub(super) fn fcm_answer(status: u16, code: &str) -> Value {
    if status == 200 {
        return json!({ "name": format!("projects/{PROJECT}/messages/1") });
    }
    json!({ "error": { "code": status, "status": code, "message": "as the token wishes", "details": [
        { "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code },
    ] } })
}

fn oauth(identity: &Identity, url: &str, body: &[u8], now: u64) -> (u16, Value) {
    let form = String::from_utf8_lossy(body);
    let field = |name: &str| form.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let assertion = field("assertion")
        .and_then(|jwt| claims(jwt, |message, signature| identity.google_signed(message, signature)));
    let is_grant = field("grant_type") == Some("urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer");
    let is_good = |(head, claims): &(Value, Value)| {
        let at = claims["iat"].as_u64().unwrap_or_default();
        head["alg"] == "RS256"
            && claims["iss"] == ACCOUNT
            && claims["aud"] == format!("{url}/token")
            && claims["scope"] == "https://www.googleapis.com/auth/firebase.messaging"
            && now.abs_diff(at) < HOUR
            && claims["exp"].as_u64().is_some_and(|end| end > now && end <= at + HOUR)
    };
    if is_grant && assertion.as_ref().is_some_and(is_good) {
        (200, json!({ "access_token": ACCESS, "expires_in": 3_599, "token_type": "Bearer" }))
    } else {
        (400, json!({ "error": "invalid_grant", "error_description": "Invalid JWT Signature." }))
    }
}

/// Header and claims of a JWT whose signature is good.
fn claims(jwt: &str, is_signed: impl Fn(&[u8], &[u8]) -> bool) -> Option<(Value, Value)> {
    let (message, signature) = jwt.rsplit_once('.')?;
    let (head, claims) = message.split_once('.')?;
    let decoded = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
    let json = |text: &str| serde_json::from_slice(&decoded(text)?).ok();
    is_signed(message.as_bytes(), &decoded(signature)?).then_some(())?;
    Some((json(head)?, json(claims)?))
}
