//! The built functions alone: what stops their start, and what they answer when AWS does not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ringback::door::route::Route;
use ringback::tencent::signature::SigningToken;
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
        ("SPOOL_TOPIC_ARN", "arn:aws:sns:us-east-1:000000000000:spool"),
        ("DEAD_LETTERS_TOPIC_ARN", "arn:aws:sns:us-east-1:000000000000:dead-letters"),
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
        "version": "2.0", "rawPath": format!("/{TOKEN}{path}"), "rawQueryString": query, "body": body,
        "headers": {},
        "requestContext": { "http": { "method": method } },
    })
    .to_string()
}

#[test]
fn a_variable_that_is_missing_or_malformed_stops_the_start_and_is_named() {
    let aws = ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(|name| (name, None));
    let token = ("CALLBACK_TOKEN_SHA256", Some("not-a-digest"));
    let line = ("LINE_SERVICE_IDS", Some(" , "));
    let table = [("RECORDS_TABLE", Some("a table")), ("RETENTION_DAYS", Some("ninety"))];
    let records = [table.to_vec(), vec![("SPOOL_TOPIC_ARN", Some("spool"))]].concat();
    for (function, own) in [
        ("notify", vec![token, line, ("PUSH_JOBS_TOPIC_ARN", Some("jobs"))]),
        ("call-event", [vec![token, line], records.clone()].concat()),
        ("group-call-event", [vec![token, line], records.clone()].concat()),
        ("agent-call-status", [vec![token, line], records.clone()].concat()),
        ("tencent-call-event", [vec![token, ("TENCENT_SDK_APP_IDS", Some(","))], records.clone()].concat()),
        ("replay", [vec![("DEAD_LETTERS_TOPIC_ARN", Some("letters"))], table.to_vec()].concat()),
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
fn a_bundle_of_authorities_that_cannot_be_read_stops_the_start_and_is_named() {
    for function in ["notify", "call-event", "replay"] {
        for bundle in ["/no/such/bundle.pem", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")] {
            let mut variables = variables("https://127.0.0.1:9");
            variables.push(("AWS_CA_BUNDLE", bundle.to_owned()));
            let (code, said) = start_and_end(function, &borrowed(&variables));
            assert!(
                code == Some(1) && said.contains("AWS_CA_BUNDLE"),
                "{function} with {bundle}: {code:?} {said}"
            );
        }
    }
}

#[test]
fn a_namespace_that_cloudwatch_would_not_take_stops_the_start_and_is_named() {
    for function in ["notify", "call-event", "replay"] {
        let mut variables = variables("http://127.0.0.1:9");
        variables.push(("METRICS_NAMESPACE", "AWS/Lambda".to_owned()));
        let (code, said) = start_and_end(function, &borrowed(&variables));
        assert!(code == Some(1) && said.contains("METRICS_NAMESPACE"), "{function}: {code:?} {said}");
    }
}

/// An AWS that accepts everything. Each request comes with the number of its connection.
fn agreeable_aws() -> (String, Receiver<(usize, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (asked, requests) = mpsc::channel();
    thread::spawn(move || {
        for (number, connection) in listener.incoming().flatten().enumerate() {
            let asked = asked.clone();
            thread::spawn(move || {
                let mut connection = BufReader::new(connection);
                while let Some(request) = read_request(&mut connection) {
                    let _ = asked.send((number, request));
                    let _ = connection.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
                }
            });
        }
    });
    (endpoint, requests)
}

/// Reads one request to its end and returns its first line.
fn read_request(connection: &mut BufReader<TcpStream>) -> Option<String> {
    let mut first = String::new();
    connection.read_line(&mut first).ok().filter(|bytes| *bytes > 0)?;
    let (mut line, mut length) = (String::new(), 0);
    while connection.read_line(&mut line).ok()? > 2 {
        let header = line.to_ascii_lowercase();
        length = header.strip_prefix("content-length:").map_or(length, |text| text.trim().parse().unwrap());
        line.clear();
    }
    connection.read_exact(&mut vec![0; length]).ok()?;
    Some(first.trim_end().to_owned())
}

#[test]
fn a_function_has_opened_its_connection_when_it_asks_for_work_and_sends_everything_over_it() {
    let (endpoint, requests) = agreeable_aws();
    let running = Function::start("call-event", &borrowed(&variables(&endpoint)));
    assert!(running.wait_until_it_asks());
    assert_eq!(requests.try_iter().collect::<Vec<_>>(), [(0, "GET /ping HTTP/1.1".to_owned())]);
    let ended = "sid=a&from_service_id=planetkit&to_service_id=planetkit&from_user_id=alice&to_user_id=bob";
    let (response, _) = running.invoke(&event("GET", "/line/call_event", ended, ""));
    assert_eq!(response["statusCode"], 200, "{response}");
    let put = || (0, "POST / HTTP/1.1".to_owned());
    assert_eq!(requests.try_iter().collect::<Vec<_>>(), [put(), put()]);
}

#[test]
fn only_what_tencent_signed_this_minute_comes_in_once_a_signing_token_is_set() {
    let token = "a-signing-token";
    let mut variables = variables("http://127.0.0.1:9");
    variables.push(("TENCENT_CALLBACK_TOKEN", token.to_owned()));
    let running = Function::start("tencent-call-event", &borrowed(&variables));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let signed_at = |seconds: u64| {
        let time = seconds.to_string();
        format!(
            "sdkappid=8888888&RequestTime={time}&Sign={}",
            SigningToken::parse(token).unwrap().sign(&time)
        )
    };
    for (query, status) in [
        (signed_at(now), 200),
        (signed_at(now - 90), 403),
        (signed_at(now + 90), 403),
        (signed_at(now).replace("Sign=", "Sign=0"), 403),
        ("sdkappid=8888888".to_owned(), 403),
    ] {
        let (response, _) = running.invoke(&event("POST", "/tencent/call_event", &query, "{}"));
        assert_eq!(response["statusCode"], status, "{query}");
    }
}

#[test]
fn an_address_that_is_not_listed_gets_404_whatever_its_headers_say() {
    let mut variables = variables("http://127.0.0.1:9");
    variables.push(("LINE_SOURCE_CIDRS", "192.0.2.0/24".to_owned()));
    let running = Function::start("call-event", &borrowed(&variables));
    for (source, status) in [("192.0.2.9", 400), ("203.0.113.9", 404), ("", 404)] {
        let mut event: Value = serde_json::from_str(&event("GET", "/line/call_event", "", "")).unwrap();
        event["requestContext"]["http"]["sourceIp"] = source.into();
        event["headers"] = json!({ "x-forwarded-for": "192.0.2.9" });
        let (response, _) = running.invoke(&event.to_string());
        assert_eq!(response["statusCode"], status, "{source}: {response}");
    }
}

#[test]
fn either_of_two_tokens_opens_so_that_a_change_has_no_gap() {
    let mut variables = variables("http://127.0.0.1:9");
    let other = "0".repeat(64);
    variables.retain(|(name, _)| *name != "CALLBACK_TOKEN_SHA256");
    variables.push(("CALLBACK_TOKEN_SHA256", format!("{other},{DIGEST}")));
    let running = Function::start("notify", &borrowed(&variables));
    let (response, _) = running.invoke(&event("GET", "/line/notify_cb", "", ""));
    assert_eq!(response["statusCode"], 400, "past the gate, and without a sid: {response}");
}

#[test]
fn without_aws_nothing_gets_a_200_and_every_answer_comes_within_2_s() {
    let refuses = "http://127.0.0.1:9".to_owned();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let hangs = format!("http://{}", silent.local_addr().unwrap());
    for endpoint in [refuses, hangs] {
        for (function, event) in [
            ("notify", event("GET", "/line/notify_cb", "sid=a&param=b", "")),
            ("call-event", event("GET", "/line/call_event", "sid=a", "")),
            (
                "tencent-call-event",
                event("POST", "/tencent/call_event", "sdkappid=8888888", r#"{"CallId":"a"}"#),
            ),
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
    for function in Route::ALL.map(Route::binary) {
        // Refusals only, so that no AWS is needed.
        let running = Function::start(&function, &borrowed(&variables("http://127.0.0.1:9")));
        let refused =
            testing::samples(&function).into_iter().filter(|sample| sample.expected["effect"] == "none");
        for sample in refused {
            let (response, _) = running.invoke(&sample.event.to_string());
            let answer = response["body"].as_str().unwrap_or_default();
            let query = sample.event["rawQueryString"].as_str().unwrap_or_default();
            for value in query.split('&').filter_map(|piece| piece.split_once('=')).map(|(_, value)| value) {
                assert!(value.len() < 6 || !answer.contains(value), "{}: {answer}", sample.name);
            }
            assert!(!answer.contains(TOKEN), "{}: {answer}", sample.name);
            assert!(
                response["statusCode"].as_u64().is_some_and(|status| status < 500),
                "{}: {response}",
                sample.name
            );
            assert_eq!(response["headers"]["cache-control"], Value::from("no-store"), "{}", sample.name);
        }
    }
}
