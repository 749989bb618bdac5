//! The built functions by themselves: what stops their start, and what they answer when AWS does not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::net::TcpListener;
use std::time::Duration;

use ringback::testing::{self, TOKEN};
use ringback_tests::control_plane::{Function, start_and_end};
use serde_json::{Value, json};

const DIGEST: &str = "128221626c643cda6c13a4375b74d2a0086abe6df589f4f5fcdb5a036ef9329e";

fn variables(endpoint: &str) -> Vec<(&'static str, String)> {
    [
        ("CALLBACK_TOKEN_SHA256", DIGEST),
        ("LINE_SERVICE_IDS", "planetkit"),
        ("TENCENT_SDK_APP_IDS", "8888888"),
        ("RECORDS_TABLE", "records"),
        ("RETENTION_DAYS", "90"),
        ("PUSH_JOBS_TOPIC_ARN", "arn:aws:sns:us-east-1:000000000000:jobs"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_ENDPOINT_URL", endpoint),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .to_vec()
}

fn borrowed<'a>(variables: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    variables.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

fn event(method: &str, path: &str, query: &str, body: &str) -> String {
    json!({
        "version": "2.0", "rawPath": format!("/{TOKEN}{path}"), "rawQueryString": query, "body": body, "headers": {},
        "requestContext": { "http": { "method": method } },
    })
    .to_string()
}

#[test]
fn a_variable_that_is_missing_or_malformed_stops_the_start_and_is_named() {
    let aws = ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(|name| (name, None));
    let token = ("CALLBACK_TOKEN_SHA256", Some("not-a-digest"));
    let line = ("LINE_SERVICE_IDS", Some(" , "));
    let records = [("RECORDS_TABLE", Some("a table")), ("RETENTION_DAYS", Some("ninety"))];
    for (function, own) in [
        ("notify", vec![token, line, ("PUSH_JOBS_TOPIC_ARN", Some("jobs"))]),
        ("call-event", [vec![token, line], records.to_vec()].concat()),
        ("group-call-event", [vec![token, line], records.to_vec()].concat()),
        ("agent-call-status", [vec![token, line], records.to_vec()].concat()),
        ("tencent-call-event", [vec![token, ("TENCENT_SDK_APP_IDS", Some(","))], records.to_vec()].concat()),
    ] {
        for (name, malformed) in own.into_iter().chain(aws) {
            let mut values = vec![None, Some("")];
            values.extend(malformed.map(Some));
            for value in values {
                let mut variables = variables("http://127.0.0.1:9");
                variables.retain(|(other, _)| *other != name);
                variables.extend(value.map(|value| (name, value.to_owned())));
                let (code, said) = start_and_end(function, &borrowed(&variables));
                assert_eq!(code, Some(1), "{function} without {name}: {said}");
                assert!(said.contains(name), "{function} with {name}={value:?} said {said}");
            }
        }
    }
}

#[test]
fn when_aws_is_out_of_reach_nothing_is_answered_with_200_and_nobody_waits_longer_than_2_s() {
    let refuses = "http://127.0.0.1:9".to_owned();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let hangs = format!("http://{}", silent.local_addr().unwrap());
    for endpoint in [refuses, hangs] {
        for (function, event) in [
            ("notify", event("GET", "/line/notify_cb", "sid=a&param=b", "")),
            ("call-event", event("GET", "/line/call_event", "sid=a", "")),
            ("tencent-call-event", event("POST", "/tencent/call_event", "sdkappid=8888888", r#"{"CallId":"a"}"#)),
        ] {
            let running = Function::start(function, &borrowed(&variables(&endpoint)));
            let (response, took) = running.invoke(&event);
            assert_eq!(response["statusCode"], 503, "{function} at {endpoint}: {response}");
            assert!(took < Duration::from_secs(2), "{function} at {endpoint} took {took:?}");
        }
    }
}

#[test]
fn nothing_that_was_sent_is_in_an_answer() {
    for function in ["notify", "call-event", "group-call-event", "agent-call-status", "tencent-call-event"] {
        // Only refusals, so that no AWS is needed.
        let running = Function::start(function, &borrowed(&variables("http://127.0.0.1:9")));
        let refused = testing::samples(function).into_iter().filter(|sample| sample.expected["effect"] == "none");
        for sample in refused {
            let (response, _) = running.invoke(&sample.event.to_string());
            let answer = response["body"].as_str().unwrap_or_default();
            let query = sample.event["rawQueryString"].as_str().unwrap_or_default();
            for value in query.split('&').filter_map(|piece| piece.split_once('=')).map(|(_, value)| value) {
                assert!(value.len() < 6 || !answer.contains(value), "{}: {answer}", sample.name);
            }
            assert!(!answer.contains(TOKEN), "{}: {answer}", sample.name);
            assert!(response["statusCode"].as_u64().is_some_and(|status| status < 500), "{}: {response}", sample.name);
            assert_eq!(response["headers"]["cache-control"], Value::from("no-store"), "{}", sample.name);
        }
    }
}
