//! HTTP: an API Gateway event becomes an [`Unverified`] request; an outcome becomes status and
//! body.
//!
//! Events are read by hand, because `lambda_http` panics on bytes in `rawQueryString` and on bad
//! base64, and a stranger controls both. Reading never fails: an event that is not a request has no
//! path, and an unknown path is a 404.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use lambda_http::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use lambda_http::http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::door::request::{Headers, Unverified};
use crate::door::route::Route;
use crate::door::vendor::Verdict;
use crate::lambda::outcome::CallbackOutcome;
use crate::text::refusal::Refusal;

/// What the functions read of an API Gateway HTTP API event (payload format 2.0).
#[derive(Default)]
pub struct GatewayEvent {
    fields: EventFields,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct EventFields {
    raw_path: Option<String>,
    raw_query_string: Option<String>,
    headers: Option<Box<RawValue>>,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
    request_context: GatewayContext,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct GatewayContext {
    http: HttpContext,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct HttpContext {
    method: Option<String>,
    #[serde(rename = "sourceIp")]
    source_ip: Option<String>,
}

impl<'de> Deserialize<'de> for GatewayEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let event = Box::<RawValue>::deserialize(deserializer)?;
        Ok(Self { fields: serde_json::from_str(event.get()).unwrap_or_default() })
    }
}

impl From<GatewayEvent> for Unverified {
    fn from(GatewayEvent { fields }: GatewayEvent) -> Self {
        let body = fields.body.unwrap_or_default();
        let body = if fields.is_base64_encoded.unwrap_or_default() { decode(body) } else { body };
        let http = fields.request_context.http;
        Self::new(
            http.method.unwrap_or_default(),
            fields.raw_path.unwrap_or_default(),
            fields.raw_query_string.unwrap_or_default(),
            body,
        )
        .with_headers(Headers::new(fields.headers))
        .with_source(http.source_ip.and_then(|address| address.parse().ok()))
    }
}

/// Invalid UTF-8 is replaced; text that is not base64 stays as it is and will not be JSON.
fn decode(body: String) -> String {
    match STANDARD.decode(&body) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => body,
    }
}

/// The response to a vendor. It contains nothing that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// `None` for 404 and 405.
    pub body: Option<String>,
    allow: Option<&'static str>,
}

/// The status of every outcome.
pub fn status(outcome: &CallbackOutcome) -> u16 {
    match outcome {
        CallbackOutcome::Published
        | CallbackOutcome::Recorded
        | CallbackOutcome::Duplicate
        | CallbackOutcome::Rung
        | CallbackOutcome::NoDeviceAccepted
        | CallbackOutcome::Deferred(_)
        | CallbackOutcome::Ignored => 200,
        CallbackOutcome::Refused(refusal) => match refusal {
            Refusal::UnknownUrl => 404,
            Refusal::WrongMethod => 405,
            Refusal::NotOurs | Refusal::WrongSignature => 403,
            Refusal::MissingField(_) | Refusal::UnusableField(_) | Refusal::TooLong(_) | Refusal::NotJson => {
                400
            }
        },
        // LINE then releases the caller at once; Tencent resends.
        CallbackOutcome::NoDevice => 404,
        CallbackOutcome::NotPublished(_)
        | CallbackOutcome::NotStored(..)
        | CallbackOutcome::ProviderRefused(_)
        | CallbackOutcome::NotRung(_)
        | CallbackOutcome::RegistryUnreadable(_) => 503,
        CallbackOutcome::Panicked => 500,
    }
}

/// The answer to a callback of a route.
pub fn answer(route: &Route, outcome: &CallbackOutcome) -> Answer {
    let status = status(outcome);
    let verdict = Verdict { status, code: outcome.code(), field: outcome.field() };
    let body = match outcome {
        CallbackOutcome::Refused(Refusal::UnknownUrl | Refusal::WrongMethod) => None,
        _ => Some((route.vendor.body)(&verdict)),
    };
    let allow = matches!(outcome, CallbackOutcome::Refused(Refusal::WrongMethod)).then_some(route.method);
    Answer { status, body, allow }
}

impl From<Answer> for ApiGatewayV2httpResponse {
    fn from(answer: Answer) -> Self {
        let mut headers = HeaderMap::new();
        // A GET with side effects must not be answered from a cache.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if answer.body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(method) = answer.allow {
            headers.insert(ALLOW, HeaderValue::from_static(method));
        }
        let mut response = Self::default();
        response.status_code = answer.status.into();
        response.headers = headers;
        response.body = Some(answer.body.unwrap_or_default().into());
        response
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use serde_json::json;

    use super::*;
    use crate::aws::{Failure, Service};
    use crate::line;
    use crate::tencent;
    use crate::text::refusal::Bound;

    fn not_stored() -> CallbackOutcome {
        CallbackOutcome::NotStored(Failure::TooSlow(Service::DynamoDb).into(), Failure::TooSlow(Service::Sns))
    }

    fn event(json: &str) -> GatewayEvent {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_wrong_url_and_a_wrong_method_tell_nothing() {
        for refusal in [Refusal::UnknownUrl, Refusal::WrongMethod] {
            for route in [&line::NOTIFY, &tencent::CALL_EVENT] {
                assert_eq!(answer(route, &CallbackOutcome::Refused(refusal)).body, None);
            }
        }
    }

    #[test]
    fn a_wrong_method_learns_the_right_one() {
        let response: ApiGatewayV2httpResponse =
            answer(&line::NOTIFY, &CallbackOutcome::Refused(Refusal::WrongMethod)).into();
        assert_eq!((response.status_code, &response.headers[ALLOW]), (405, &HeaderValue::from_static("GET")));
    }

    #[test]
    fn every_answer_says_no_store() {
        for outcome in [
            CallbackOutcome::Published,
            CallbackOutcome::Ignored,
            CallbackOutcome::Refused(Refusal::UnknownUrl),
            CallbackOutcome::Refused(Refusal::TooLong(Bound::Query)),
            not_stored(),
            CallbackOutcome::Panicked,
        ] {
            let response: ApiGatewayV2httpResponse = answer(&line::CALL_EVENT, &outcome).into();
            assert_eq!(response.headers[CACHE_CONTROL], "no-store", "{outcome:?}");
        }
    }

    #[test]
    fn tencents_ok_satisfies_every_generation() {
        let ok = answer(&tencent::CALL_EVENT, &CallbackOutcome::Recorded);
        let body: serde_json::Value = serde_json::from_str(&ok.body.unwrap()).unwrap();
        assert_eq!(body, json!({"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0,"ErrorMessage":"Success"}));
    }

    #[test]
    fn tencents_failures_have_a_code_other_than_0_and_name_the_field() {
        for outcome in [
            CallbackOutcome::Refused(Refusal::NotOurs),
            CallbackOutcome::Refused(Refusal::MissingField("CallId")),
            not_stored(),
        ] {
            let answer = answer(&tencent::CALL_EVENT, &outcome);
            let body: serde_json::Value = serde_json::from_str(&answer.body.unwrap()).unwrap();
            assert_ne!(body["ErrorCode"], 0);
            assert_eq!(body["ActionStatus"], "FAIL");
            assert_eq!(body["ErrorInfo"].as_str().unwrap().contains("CallId"), answer.status == 400);
        }
    }

    #[test]
    fn an_event_that_is_not_a_request_has_an_unknown_url() {
        for json in ["{}", "null", "[]", "7", r#"{"rawPath":7}"#, r#"{"requestContext":null}"#] {
            let request = Unverified::from(event(json));
            assert_eq!(format!("{request:?}"), "Unverified(..)");
        }
    }

    proptest! {
        #[test]
        fn any_json_is_taken_as_an_event(text in r#"[\[\]{}":,a-z0-9]{0,80}"#) {
            if let Ok(value) = serde_json::from_str::<serde_json::Value>(&text) {
                let taken: Result<GatewayEvent, _> = serde_json::from_value(value);
                prop_assert!(taken.is_ok());
            }
        }
    }
}
