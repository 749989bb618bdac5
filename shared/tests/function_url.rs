//! A function URL delivers the same callbacks as the HTTP API, in a different event. Every sample has the
//! same answer and the same effect either way.
//!
//! The differences come from AWS Lambda's guide, "Invoking Lambda function URLs": the route and the stage are
//! `$default`, there are no path parameters, the account is `anonymous` without IAM, the host and two TLS
//! headers are Lambda's, cookies are in a separate list, and a body may be Base64.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ringback::call::record::{CALL, Item};
use ringback::door::callback::Callback;
use ringback::door::request::Unverified;
use ringback::lambda::handler::{Handler, Notifier};
use ringback::lambda::http::{Answer, GatewayEvent, answer};
use ringback::line::{NOTIFY, call_event};
use ringback::testing::{
    self, ARRIVAL, DeadTopic, MemoryTable, MemoryTopic, block_on, environment, recorder,
};
use serde_json::{Value, json};

const HOST: &str = "url0example.lambda-url.ap-northeast-1.on.aws";

/// The event that Lambda makes of a request to a function URL. With `in_base64` the body's content type is
/// not text for Lambda.
fn function_url_event(gateway: &Value, in_base64: bool) -> Value {
    let mut event = gateway.clone();
    let fields = event.as_object_mut().unwrap();
    fields.remove("pathParameters");
    fields.remove("stageVariables");
    fields.insert("routeKey".into(), json!("$default"));
    if let Some(headers) = fields.get_mut("headers").and_then(Value::as_object_mut) {
        headers.insert("host".into(), json!(HOST));
        headers.insert("x-amzn-tls-version".into(), json!("TLSv1.3"));
        headers.insert("x-amzn-tls-cipher-suite".into(), json!("TLS_AES_128_GCM_SHA256"));
        if let Some(cookie) = headers.remove("cookie") {
            let cookies: Vec<&str> = cookie.as_str().unwrap().split("; ").collect();
            fields.insert("cookies".into(), json!(cookies));
        }
    }
    if let Some(context) = fields.get_mut("requestContext").and_then(Value::as_object_mut) {
        let own = [
            ("accountId", json!("anonymous")),
            ("apiId", json!("url0example")),
            ("authentication", Value::Null),
            ("authorizer", Value::Null),
            ("domainName", json!(HOST)),
            ("domainPrefix", json!("url0example")),
            ("routeKey", json!("$default")),
            ("stage", json!("$default")),
        ];
        context.extend(own.map(|(name, value)| (name.to_owned(), value)));
    }
    let text = fields.get("body").and_then(Value::as_str).map(str::to_owned);
    if let (true, Some(text), Some(false)) = (in_base64, text, fields["isBase64Encoded"].as_bool()) {
        fields.insert("body".into(), json!(STANDARD.encode(text)));
        fields.insert("isBase64Encoded".into(), json!(true));
    }
    event
}

fn request(event: Value) -> Unverified {
    serde_json::from_value::<GatewayEvent>(event).unwrap().into()
}

/// The answer to an event, and all that it has left in the table.
fn recorded(callback: Callback, event: Value) -> (Answer, BTreeMap<(String, String), Item>) {
    let table = MemoryTable::default();
    let handler = recorder(callback, &table, DeadTopic);
    let outcome = block_on(handler.handle(request(event), ARRIVAL)).outcome;
    (answer(callback.route, &outcome), table.items())
}

/// The answer to an event, and the push jobs that it has become.
fn notified(event: Value) -> (Answer, Vec<String>) {
    let topic = MemoryTopic::default();
    let handler = Notifier::new(environment().gate(&NOTIFY).unwrap(), &topic);
    let outcome = block_on(handler.handle(request(event), ARRIVAL)).outcome;
    (answer(&NOTIFY, &outcome), topic.bodies())
}

#[test]
fn every_sample_of_a_recorder_has_the_same_answer_and_items_by_a_function_url() {
    for callback in Callback::ALL {
        for sample in testing::samples(&callback.route.binary()) {
            let by_the_gateway = recorded(callback, sample.event.clone());
            for in_base64 in [false, true] {
                let by_the_url = recorded(callback, function_url_event(&sample.event, in_base64));
                assert_eq!(by_the_url, by_the_gateway, "{}, body in Base64: {in_base64}", sample.name);
            }
        }
    }
}

#[test]
fn every_sample_of_notify_has_the_same_answer_and_push_job_by_a_function_url() {
    for sample in testing::samples(&NOTIFY.binary()) {
        let by_the_url = notified(function_url_event(&sample.event, false));
        assert_eq!(by_the_url, notified(sample.event), "{}", sample.name);
    }
}

#[test]
fn a_request_line_that_the_gateway_would_not_take_is_recorded_by_a_function_url() {
    // LINE's longest app data, each byte percent-encoded, in both places where LINE sends it.
    let app_data = "%E2%82%AC".repeat(4_095 / 3);
    let event = json!({
        "rawPath": format!("/{}/line/call_event", testing::TOKEN),
        "rawQueryString": format!("sid=long&stid={app_data}&app_svr_data={app_data}"),
        "requestContext": { "http": { "method": "GET" } },
        "isBase64Encoded": false,
    });
    assert!(event["rawQueryString"].as_str().unwrap().len() > 2 * 10_240);
    let (answer, items) = recorded(call_event::CALLBACK, event);
    assert_eq!((answer.status, items.len()), (200, 2));
    let call = &items[&("long".to_owned(), CALL.to_owned())];
    assert_eq!(call.attributes()["app_data"], "€".repeat(4_095 / 3));
}

#[test]
fn a_function_url_passes_every_path_on_and_the_function_answers_a_strangers_with_a_bare_404() {
    for path in ["/", "/favicon.ico", "/line/notify_cb", &format!("/{}/line/call_event", testing::TOKEN)] {
        let event = json!({
            "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "",
            "isBase64Encoded": false, "headers": { "host": HOST },
            "requestContext": { "http": { "method": "GET", "path": path, "sourceIp": "2001:db8::1" } },
        });
        let (answer, jobs) = notified(event);
        assert_eq!((answer.status, answer.body, jobs.len()), (404, None, 0), "{path}");
    }
}
