//! The push job: the message contract (docs/contracts.md).
//!
//! The body is one JSON object of strings, so it can be passed on as the data of an FCM message or
//! beside `aps` in a VoIP push. The names are those of LINE's sample server and demo apps (LINE
//! Planet, "App server role"). Message attributes repeat what a subscriber may filter by.

use serde_json::{Map, Value};

use crate::call::model::{Arrival, Media, Personal};
use crate::line::{self, notify::Notify};
use crate::text::message::{deliverable, is_attribute_value};

/// The contract's version, in every job.
pub const VERSION: &str = "1";

/// The caller gives up after 60 s (LINE Planet, disconnect reason 1203). A later push rings for
/// nothing.
const RING_SECONDS: u64 = 60;

/// The data of an FCM message; a VoIP push may hold 5,120 bytes.
pub const BODY_BYTES: usize = 4_096;

/// What may be dropped from a body that is too long, in this order. Both hold the same app data.
const OPTIONAL: [&str; 2] = ["app_stid", "app_app_svr_data"];

/// A push job, ready to be published. It can ring and answer a phone, so `Debug` shows no content.
#[derive(Clone, PartialEq, Eq)]
pub struct PushJob {
    body: String,
    attributes: Vec<(&'static str, String)>,
}

impl std::fmt::Debug for PushJob {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("PushJob(..)")
    }
}

impl PushJob {
    /// The push job for a notify callback.
    pub fn new(notify: &Notify, arrival: Arrival) -> Self {
        let mut body = Map::new();
        let mut put = |name: &str, text: Option<&str>| {
            if let Some(text) = text {
                body.insert(name.to_owned(), Value::from(text));
            }
        };
        let caller = notify.caller.as_ref();
        let callee = notify.callee.as_ref();
        put("cc_param", Some(notify.cc_param.reveal()));
        put("app_caller_sid", caller.and_then(|caller| caller.service_id.as_deref()));
        put("app_caller_uid", caller.and_then(|caller| caller.user_id.as_ref()).map(Personal::reveal));
        put("app_callee_sid", callee.and_then(|callee| callee.service_id.as_deref()));
        put("app_callee_uid", callee.and_then(|callee| callee.user_id.as_ref()).map(Personal::reveal));
        put("app_call_type", notify.call_type.as_deref());
        put("app_stid", notify.stid.as_ref().map(Personal::reveal));
        put("app_app_svr_data", notify.app_svr_data.as_ref().map(Personal::reveal));
        put("sid", Some(notify.session.as_str()));
        put("version", Some(VERSION));
        put("expires_at", Some(&(arrival.seconds() + RING_SECONDS).to_string()));
        Self { body: shorten(body), attributes: attributes(notify) }
    }

    pub fn body(&self) -> &str {
        &self.body
    }

    pub fn attributes(&self) -> &[(&'static str, String)] {
        &self.attributes
    }
}

/// Shortens a body that push services would refuse. It drops app data, never `cc_param`.
fn shorten(mut body: Map<String, Value>) -> String {
    let mut text = deliverable(&body);
    let mut dropped = Vec::new();
    for name in OPTIONAL {
        if text.len() <= BODY_BYTES {
            break;
        }
        if body.remove(name).is_some() {
            dropped.push(name);
            body.insert("dropped".into(), dropped.join(",").into());
            text = deliverable(&body);
        }
    }
    text
}

fn attributes(notify: &Notify) -> Vec<(&'static str, String)> {
    let media = match notify.media {
        Some(Media::Audio) => "audio",
        Some(Media::Video) => "video",
        None => "unknown",
    };
    let callee = notify.callee.as_ref();
    let candidates = [
        ("provider", Some(line::LINE.name)),
        ("kind", Some("one-to-one")),
        ("media", Some(media)),
        ("callee_service_id", callee.and_then(|callee| callee.service_id.as_deref())),
        ("callee_user_id", callee.and_then(|callee| callee.user_id.as_ref()).map(Personal::reveal)),
        ("sid", Some(notify.session.as_str())),
    ];
    candidates
        .into_iter()
        .filter_map(|(name, text)| Some((name, text?)))
        .filter(|(_, text)| is_attribute_value(text))
        .map(|(name, text)| (name, text.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::call::model::{Person, SessionId};
    use crate::line::notify::CcParam;

    const ARRIVAL: Arrival = Arrival { milliseconds: 1_700_000_000_500 };

    fn notify() -> Notify {
        Notify {
            session: SessionId::parse("a-session").unwrap(),
            caller: Person::new(Some("planetkit"), Some("alice")),
            callee: Person::new(Some("planetkit"), Some("bob")),
            call_type: Some("V".into()),
            media: Some(Media::Video),
            cc_param: CcParam::new("ab+/==").unwrap(),
            stid: None,
            app_svr_data: None,
        }
    }

    fn body(notify: &Notify) -> Value {
        serde_json::from_str(PushJob::new(notify, ARRIVAL).body()).unwrap()
    }

    #[test]
    fn every_value_is_a_string_and_the_job_ends_with_the_callers_patience() {
        assert_eq!(
            body(&notify()),
            json!({
                "cc_param": "ab+/==", "app_caller_sid": "planetkit", "app_caller_uid": "alice",
                "app_callee_sid": "planetkit", "app_callee_uid": "bob", "app_call_type": "V",
                "sid": "a-session", "version": "1", "expires_at": "1700000060",
            })
        );
    }

    #[test]
    fn a_body_that_is_too_long_drops_app_data_and_never_cc_param() {
        let long = || Some(Personal::new("d".repeat(3_000)));
        let both = Notify { stid: long(), app_svr_data: long(), ..notify() };
        let fits = body(&both);
        assert_eq!((fits.get("app_stid"), &fits["dropped"]), (None, &json!("app_stid")));
        assert!(fits.get("app_app_svr_data").is_some());
        let huge = Notify { cc_param: CcParam::new("p".repeat(5_000)).unwrap(), ..both };
        let kept = body(&huge);
        assert_eq!(kept["cc_param"].as_str().map(str::len), Some(5_000));
        assert_eq!(kept["dropped"], json!("app_stid,app_app_svr_data"));
    }

    #[test]
    fn an_attribute_that_sns_would_refuse_is_left_out() {
        let odd = Notify { callee: Person::new(None, Some("b\u{1}ob")), media: None, ..notify() };
        let job = PushJob::new(&odd, ARRIVAL);
        let names: Vec<&str> = job.attributes().iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["provider", "kind", "media", "sid"]);
    }
}
