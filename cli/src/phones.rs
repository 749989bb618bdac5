//! What the stand-ins of APNs and FCM have got, told as a person would: `bob's iPhone rings`.

use aws_sdk_dynamodb::config::http::HttpRequest;
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};

use crate::devices::Registry;
use crate::error::Stop;
use crate::output::plain;
use crate::place::{Kind, Place};
use crate::target::{PATIENCE, connector, exchange};

/// Phones of the local stack's made-up users, so that a call that is played rings somewhere.
pub(crate) async fn register(place: &Place, service: &str, user: &str) -> Result<(), Stop> {
    let Kind::Local(_) = &place.kind else { return Ok(()) };
    let Some(registry) = Registry::of(place)? else { return Ok(()) };
    // A token of APNs is hexadecimal.
    let token: String =
        user.bytes().chain(std::iter::repeat(0)).take(32).map(|byte| format!("{byte:02x}")).collect();
    let phone = json!({ "platform": "apns_voip", "token": token, "app": "com.example.ringback" });
    registry.request("PUT", service, user, Some("ringback-phone"), Some(&phone)).await?.ok().map(drop)
}

/// What rang in a session, one line a phone; nothing where there are no stand-ins.
pub(crate) async fn rang(place: &Place, sid: &str, param: Option<&str>) -> Result<Vec<String>, Stop> {
    let Kind::Local(local) = &place.kind else { return Ok(Vec::new()) };
    let Some(url) = &local.phones_url else { return Ok(Vec::new()) };
    let mut request = HttpRequest::new(SdkBody::empty());
    request.set_uri(url.as_str()).map_err(|_| Stop::new("PHONES_URL is no address"))?;
    let connector = SharedHttpConnector::new(connector(true, url)?);
    let sent = tokio::time::timeout(PATIENCE, exchange(&connector, request)).await;
    let answer = sent.map_err(|_| Stop::new("the phones do not answer"))?;
    let answer = answer.map_err(|why| Stop::new(format!("the phones: {why}")))?;
    let pushes: Vec<Value> = serde_json::from_str(&answer.body)
        .map_err(|_| Stop::new("the phones answer with something else than a list of pushes"))?;
    Ok(pushes.iter().filter_map(|push| line(push, sid, param)).collect())
}

/// `bob's iPhone rings: alice, audio, cc_param unchanged`, for a push of this session.
fn line(push: &Value, sid: &str, param: Option<&str>) -> Option<String> {
    let body = push.get("body")?;
    // FCM carries the push job as data of a message.
    let job = body.pointer("/message/data").unwrap_or(body);
    let get = |name: &str| job.get(name).and_then(Value::as_str);
    if get("sid") != Some(sid) {
        return None;
    }
    let person = |name: &str| job.get(name).map_or_else(|| "somebody".to_owned(), plain);
    let phone = if push.get("provider")?.as_str()? == "apns" { "iPhone" } else { "Android phone" };
    let status = push.get("status").and_then(Value::as_u64).unwrap_or_default();
    if status != 200 {
        return Some(format!("{}'s {phone} was refused with {status}", person("app_callee_uid")));
    }
    let media = if get("app_call_type") == Some("V") { "video" } else { "audio" };
    let whole = match (get("cc_param"), param) {
        (Some(got), Some(sent)) if got == sent => "unchanged",
        (Some(_), None) => "there",
        (Some(_), Some(_)) => "CHANGED",
        (None, _) => "MISSING",
    };
    Some(format!(
        "{}'s {phone} rings: {}, {media}, cc_param {whole}",
        person("app_callee_uid"),
        person("app_caller_uid")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(provider: &str, status: u16, body: &Value) -> Value {
        json!({ "provider": provider, "token": "ab", "status": status, "headers": {}, "body": body })
    }

    fn job(param: &str) -> Value {
        json!({
            "sid": "s", "cc_param": param, "app_caller_uid": "alice", "app_callee_uid": "bob",
            "app_call_type": "A",
        })
    }

    #[test]
    fn a_phone_that_rings_is_told_with_who_calls() {
        let told = |push: &Value| line(push, "s", Some("p"));
        let apple = push("apns", 200, &job("p"));
        assert_eq!(told(&apple).unwrap(), "bob's iPhone rings: alice, audio, cc_param unchanged");
        let google = push("fcm", 200, &json!({ "message": { "token": "ab", "data": job("p") } }));
        assert_eq!(told(&google).unwrap(), "bob's Android phone rings: alice, audio, cc_param unchanged");
        assert_eq!(told(&push("apns", 410, &job("p"))).unwrap(), "bob's iPhone was refused with 410");
        assert!(told(&push("apns", 200, &job("q"))).unwrap().ends_with("cc_param CHANGED"));
        assert_eq!(line(&apple, "another", None), None);
    }
}
