//! Functions print nothing that was sent: not on stdout, not on stderr, not at the lowest log
//! level, not when AWS fails, and not in a panic. The exceptions are the session id and seconds of
//! talk.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use ringback::testing::{self, TOKEN};
use ringback_tests::phones::Fault;
use ringback_tests::ringing::{Ringing, incoming};
use ringback_tests::stack::{function_variables, functions, new_devices_table, said};
use serde_json::{Value, json};

/// Shorter values occur in our own text by chance.
const SHORTEST: usize = 5;
const SECRETS: [(&str, &str); 2] =
    [("AWS_SECRET_ACCESS_KEY", "planted-secret-access-key"), ("AWS_SESSION_TOKEN", "planted-session-token")];
const SIGNING_TOKEN: &str = "planted-signing-token";
/// Call outcomes in our terms. Some are sent by vendors too.
const CALL_OUTCOMES: [&str; 8] =
    ["answered", "missed", "rejected", "canceled", "busy", "answered_elsewhere", "failed", "unknown"];
/// What may be sent and is also a term of ours.
const HARMLESS: [&str; 9] = [
    "notify",
    "notify_cb",
    "call_event",
    "gcall_event",
    "group_call_event",
    "agent_call_status",
    "tencent",
    "tencent_call_event",
    "callback",
];

/// A function's environment on the running stack, with every crate at its most verbose.
fn variables(endpoint: Option<&str>) -> Vec<(&'static str, String)> {
    let mut variables = function_variables();
    // Its own secrets are searched for in the output.
    variables.retain(|(name, _)| SECRETS.iter().all(|(secret, _)| secret != name));
    if let Some(endpoint) = endpoint {
        variables.retain(|(name, _)| !name.starts_with("AWS_ENDPOINT_URL"));
        variables.push(("AWS_ENDPOINT_URL", endpoint.to_owned()));
    }
    variables.extend(SECRETS.map(|(name, value)| (name, value.to_owned())));
    let talkative = [
        ("AWS_LAMBDA_LOG_LEVEL", "TRACE"),
        ("RUST_LOG", "trace"),
        ("RUST_BACKTRACE", "full"),
        ("RUST_LIB_BACKTRACE", "full"),
    ];
    variables.extend(talkative.map(|(name, value)| (name, value.to_owned())));
    variables
}

/// The same with several processes in parallel: when AWS does not answer, each event takes time.
fn said_by_several(
    function: &str,
    variables: &[(&'static str, String)],
    events: &[String],
    processes: usize,
) -> String {
    let share = events.len().div_ceil(processes).max(1);
    thread::scope(|scope| {
        let running: Vec<_> =
            events.chunks(share).map(|events| scope.spawn(|| said(function, variables, events))).collect();
        running.into_iter().map(|running| running.join().unwrap()).collect()
    })
}

/// Every text in an event that came from outside: path, query, headers, address, body. Session ids
/// may be printed.
fn sent(event: &Value) -> BTreeSet<String> {
    let mut texts = BTreeSet::new();
    for record in event["Records"].as_array().into_iter().flatten() {
        body(record["body"].as_str().unwrap_or_default(), &mut texts);
    }
    texts.extend(event["rawPath"].as_str().unwrap_or_default().split('/').map(str::to_owned));
    for piece in event["rawQueryString"].as_str().unwrap_or_default().split('&') {
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        if name != "sid" {
            let decoded = percent_decoded(value);
            texts.extend([value.to_owned(), decoded.replace(' ', "+"), decoded]);
        }
    }
    let http = &event["requestContext"]["http"];
    texts.extend(http["sourceIp"].as_str().map(str::to_owned));
    texts.extend(event["headers"]["x-forwarded-for"].as_str().map(str::to_owned));
    body(event["body"].as_str().unwrap_or_default(), &mut texts);
    texts.retain(|text| text.len() >= SHORTEST && !HARMLESS.contains(&text.as_str()));
    texts
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped =
            tail.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match escaped.filter(|_| *first == b'%') {
            Some(byte) => (bytes.push(byte), rest = &tail[2..]),
            None => (bytes.push(*first), rest = tail),
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The texts of a body; all of it if it is not JSON.
fn body(text: &str, texts: &mut BTreeSet<String>) {
    match serde_json::from_str(text) {
        Ok(value) => values(&value, texts),
        Err(_) => texts.extend([text.to_owned()]),
    }
}

fn values(value: &Value, texts: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => texts.extend([text.clone()]),
        Value::Array(items) => items.iter().for_each(|item| values(item, texts)),
        Value::Object(members) => {
            let others = members
                .iter()
                .filter(|(name, _)| !["CallId", "sid"].iter().any(|id| name.eq_ignore_ascii_case(id)));
            others.for_each(|(_, value)| values(value, texts));
        }
        Value::Number(number) => texts.extend([number.to_string()]),
        Value::Null | Value::Bool(_) => {}
    }
}

/// What a function printed, without what it may print: times, durations, session ids. Both as
/// printed and with JSON escapes decoded.
fn without_what_is_allowed(said: &str) -> String {
    let mut left = String::new();
    for line in said.lines() {
        match serde_json::from_str(line) {
            Ok(Value::Object(mut fields)) => {
                for allowed in ["timestamp", "latency_ms", "store_ms", "publish_ms", "talk_seconds", "sid"] {
                    fields.remove(allowed);
                }
                if fields
                    .get("call_outcome")
                    .and_then(Value::as_str)
                    .is_some_and(|word| CALL_OUTCOMES.contains(&word))
                {
                    fields.remove("call_outcome");
                }
                // Besides the time it only has names of fields, and these are never sent.
                fields.remove("calls_ended");
                if let Some(metrics) = fields.get_mut("_aws").and_then(Value::as_object_mut) {
                    metrics.remove("Timestamp");
                    let text = metrics["CloudWatchMetrics"].to_string().replace(r#""calls_ended""#, "");
                    metrics["CloudWatchMetrics"] = text.into();
                }
                let texts: Vec<&str> = fields.values().filter_map(Value::as_str).collect();
                left += &format!("{}\n{}\n", Value::Object(fields.clone()), texts.join("\n"));
            }
            _ => left += &format!("{line}\n"),
        }
    }
    left
}

fn leaks(said: &str, sought: &BTreeSet<String>) -> Vec<String> {
    let said = without_what_is_allowed(said);
    let secrets = SECRETS.map(|(_, value)| value).into_iter().chain([SIGNING_TOKEN]).map(str::to_owned);
    sought.iter().cloned().chain(secrets).filter(|text| said.contains(text.as_str())).collect()
}

fn gateway(method: &str, path: &str, query: &str, body: &str) -> Value {
    json!({
        "version": "2.0", "rawPath": format!("/planted-stage/{TOKEN}{path}"), "rawQueryString": query,
        "body": body,
        "headers": { "x-forwarded-for": "2001:db8::5ec:4e71, 203.0.113.201" },
        "requestContext": { "http": { "method": method, "sourceIp": "2001:db8::5ec:4e72" } },
    })
}

/// Events in which every field has a value that cannot be mistaken for anything else: accepted,
/// refused late, refused early, and cut off.
fn planted(function: &str) -> Vec<Value> {
    const LINE: &str = "param=planted-param%2B%2F==&cc_param=planted-cc-param&from_user_id=planted-from-user&to_user_id=planted-to-user\
         &user_id=planted-user&id=planted-room&host_id=planted-host&stid=planted-stid&app_svr_data=planted-app-data\
         &display_name=planted%20display%20name&srcip=203.0.113.202&dstip=203.0.113.203&client_address=203.0.113.204\
         &releaser=planted-releaser&rel_code_str=planted-rel-code&user_rel_code=planted-user-code&result=planted-result\
         &fail_reason=planted-fail-reason&type=planted-type&sc=planted-sc&msc=planted-msc&planted-name=x&ts=planted-time";
    let services = "from_service_id=planetkit&to_service_id=planetkit";
    let line = |path: &str| {
        let sid = format!("silence-{:016x}", fastrand::u64(..));
        vec![
            gateway("GET", path, &format!("sid={sid}&{services}&{LINE}"), "planted-body"),
            gateway("GET", path, &format!("sid={sid}&from_service_id=planted-service&{LINE}"), ""),
            gateway("GET", path, &format!("{services}&{LINE}"), ""),
            gateway("GET", path, &format!("sid=%ff&{services}&{LINE}"), ""),
            gateway("POST", path, LINE, ""),
            gateway("GET", "planted-token/line/nothing", LINE, ""),
        ]
    };
    let tencent = || {
        let query = |rest: &str| {
            format!(
                "clientip=203.0.113.205&optplatform=planted-platform&Sign=planted-sign&RequestTime=1793600000&{rest}"
            )
        };
        let ours = |command: &str| query(&format!("SdkAppid=1400000001&CallbackCommand={command}"));
        let id = format!("silence-{:016x}", fastrand::u64(..));
        let old = json!({
            "CallId": id, "UserId": "planted-user", "RoomId": "planted-room", "Event": "planted-event",
            "CallResult": "planted-result", "Role": "planted-role", "MediaType": "planted-media",
            "CallType": "planted-kind", "NickName": "planted display name", "UserData": "planted-app-data",
            "EventTime": "planted-time",
        });
        let new = json!({
            "CallInfo": {
                "CallId": format!("{id}-new"), "Caller_Account": "planted-caller",
                "CalleeList_Account": ["planted-callee"], "RoomId": "planted-room-2",
                "CallMediaType": "planted-media", "ChatGroupId": "planted-group",
                "UserData": "planted-app-data",
            },
            "UserList": [
                { "User_Account": "planted-member", "Status": "Calling" },
                { "User_Account": 144_115_212_345_678_901_u64, "Status": "planted-status" },
            ],
        });
        let path = "/tencent/call_event";
        vec![
            gateway("POST", path, &ours("caller_start_call"), &old.to_string()),
            gateway("POST", path, &ours("Call.CallbackAfterStartCall"), &new.to_string()),
            gateway(
                "POST",
                path,
                &ours("planted-command"),
                &old.to_string().replace("planted-event", "start_call"),
            ),
            gateway("POST", path, &query("sdkappid=1999999999"), &old.to_string()),
            gateway("POST", path, &ours("caller_start_call"), r#"{"UserId":"planted-user"}"#),
            gateway(
                "POST",
                path,
                &ours("caller_start_call"),
                r#"{"UserId":"planted-user","CallId":"planted-call-id"#,
            ),
            gateway("PUT", path, &ours("caller_start_call"), &old.to_string()),
        ]
    };
    let replay = || {
        let good = |text: &str| text.replace("silence-sid", &format!("silence-{:016x}", fastrand::u64(..)));
        let record = r#"{"version":1,"callback":"call_event","arrived_at":1793600001234,"sid":"silence-sid","what":"planted-what","who":{"user_id":"planted-user"},
            "vendor":[["stid","planted-stid"],["srcip","203.0.113.202"]],"call":{"caller":{"s":"f","t":null,"v":{"user_id":"planted-caller"}}}}"#;
        let messages = [
            good(record),
            good(record).replace(r#""call_event""#, r#""planted-callback""#),
            good(record).replace("1793600001234", r#""planted-arrival""#),
            good(record).replace(r#""f""#, r#""planted-source""#),
            good(record).replace(r#"{"user_id":"planted-user"}"#, r#""planted-who""#),
            "planted message that is not JSON".to_owned(),
            r#""planted message that is a text""#.to_owned(),
        ];
        let records: Vec<Value> = messages
            .iter()
            .enumerate()
            .map(|(id, body)| json!({ "messageId": id.to_string(), "body": body }))
            .collect();
        vec![json!({ "Records": records }), json!({ "Records": "planted-records" })]
    };
    match function {
        "notify" => line("/line/notify_cb"),
        "call-event" => line("/line/call_event"),
        "group-call-event" => line("/line/gcall_event"),
        "agent-call-status" => line("/line/agent_call_status"),
        "tencent-call-event" => tencent(),
        _ => replay(),
    }
}

/// Everything for one function: the sample events, the planted ones, and what is not JSON.
fn events(function: &str) -> (Vec<String>, BTreeSet<String>) {
    let samples = testing::samples(function).into_iter().map(|sample| sample.event);
    let all: Vec<Value> = samples.chain(planted(function)).collect();
    let mut sought: BTreeSet<String> = all.iter().flat_map(sent).collect();
    let mut texts: Vec<String> = all.iter().map(Value::to_string).collect();
    texts.extend([r#"{"rawPath":"planted-broken-json"#.to_owned(), r#""planted-text-event""#.to_owned()]);
    sought.extend(["planted-broken-json".to_owned(), "planted-text-event".to_owned(), TOKEN.to_owned()]);
    (texts, sought)
}

/// Plays everything through all functions at once, and fails with what should not have been
/// printed.
fn assert_silent(endpoint: Option<&str>, processes: usize) {
    let found = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for function in functions() {
            let found = &found;
            scope.spawn(move || {
                let (events, sought) = events(&function);
                let said = said_by_several(&function, &variables(endpoint), &events, processes);
                let lines = said.lines().filter(|line| line.contains(r#""outcome""#)).count();
                assert!(
                    lines + 2 >= events.len(),
                    "{function} printed {lines} lines for {} events",
                    events.len()
                );
                found
                    .lock()
                    .unwrap()
                    .extend(leaks(&said, &sought).into_iter().map(|leak| format!("{function}: {leak}")));
            });
        }
    });
    let found = found.into_inner().unwrap();
    assert!(found.is_empty(), "{} leaks:\n{}", found.len(), found.join("\n"));
}

/// An AWS that refuses everything and quotes what it got.
fn quoting_aws() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut request = vec![0; 100_000];
                connection.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
                let mut length = 0;
                while let Ok(bytes @ 1..) = connection.read(&mut request[length..]) {
                    length += bytes;
                }
                let quoted = String::from_utf8_lossy(&request[..length]).into_owned();
                // DynamoDB speaks JSON, SNS XML.
                let answer = if quoted.contains("x-amz-target") {
                    json!({ "__type": "com.amazon.coral.validate#ValidationException", "message": quoted })
                        .to_string()
                } else {
                    let quoted = quoted.replace('&', "&amp;").replace('<', "&lt;");
                    format!(
                        "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidParameter</Code><Message>{quoted}</Message></Error></ErrorResponse>"
                    )
                };
                let head = "HTTP/1.1 400 Bad Request\r\nconnection: close";
                let _ = write!(connection, "{head}\r\ncontent-length: {}\r\n\r\n{answer}", answer.len());
            });
        }
    });
    endpoint
}

#[test]
fn nothing_that_was_sent_is_printed() {
    assert_silent(None, 1);
}

#[test]
fn nothing_that_was_sent_is_printed_when_aws_is_out_of_reach() {
    assert_silent(Some("http://127.0.0.1:9"), 8);
}

#[test]
fn nothing_that_was_sent_is_printed_when_aws_refuses_it_with_its_own_words() {
    let endpoint = quoting_aws();
    for function in functions() {
        let events = planted(&function);
        let sought = events.iter().flat_map(sent).collect();
        let texts: Vec<String> = events.iter().map(Value::to_string).collect();
        let said = said(&function, &variables(Some(&endpoint)), &texts);
        let words = ["ValidationException", "InvalidParameter"];
        assert!(words.iter().any(|word| said.contains(word)), "{function} did not hear from AWS: {said}");
        assert_eq!(leaks(&said, &sought), Vec::<String>::new(), "{function}");
    }
}

#[test]
fn a_wrong_signature_is_refused_in_silence() {
    let events = planted("tencent-call-event");
    let sought = events.iter().flat_map(sent).collect();
    let texts: Vec<String> = events.iter().map(Value::to_string).collect();
    let mut variables = variables(None);
    variables.push(("TENCENT_CALLBACK_TOKEN", SIGNING_TOKEN.to_owned()));
    let said = said("tencent-call-event", &variables, &texts);
    assert!(said.contains(r#""outcome":"wrong_signature","status":403"#), "{said}");
    assert_eq!(leaks(&said, &sought), Vec::<String>::new());
}

#[test]
fn a_panic_logs_its_place_and_nothing_that_was_sent_and_the_function_continues() {
    let events = planted("notify");
    let sought = events.iter().flat_map(sent).collect();
    let texts: Vec<String> = events.iter().map(Value::to_string).collect();
    let said = said("examples/panics", &variables(None), &texts);
    assert!(said.contains("panics.rs") && said.contains(r#""outcome":"panicked","status":500"#), "{said}");
    assert_eq!(said.matches(r#""message":"callback""#).count(), texts.len(), "{said}");
    assert_eq!(leaks(&said, &sought), Vec::<String>::new());
}

/// Requests to the registry of devices: taken, refused early and late, by an app server and by an app.
fn planted_registrations() -> Vec<Value> {
    let request = |method: &str, path: &str, authorizer: Value, body: &str| {
        let mut event = gateway(method, "", "planted-query=planted-value", body);
        event["rawPath"] = path.into();
        event["requestContext"]["authorizer"] = authorizer;
        event
    };
    let signed = || json!({ "iam": { "accessKey": "planted-access-key", "userArn": "planted-arn" } });
    let app = |user: Value| json!({ "jwt": { "claims": { "sub": user, "email": "planted@example" } } });
    let body = json!({
        "platform": "apns_voip", "token": "5ec4e7".repeat(16), "app": "planted.app",
    });
    let broken = body.to_string().replace(r#""planted.app"}"#, r#""planted.app"#);
    let unusable = body.to_string().replace("apns_voip", "planted-platform");
    let own = "/devices/planted-device";
    let users = "/users/planted-service/planted-user/devices";
    let device = format!("{users}/planted-device");
    vec![
        request("PUT", &device, signed(), &body.to_string()),
        request("GET", &device, signed(), ""),
        request("GET", users, signed(), ""),
        request("PUT", own, app("planted-claimant".into()), &body.to_string()),
        request("PUT", own, app(json!(["planted-list"])), &body.to_string()),
        request("PUT", &device, signed(), &broken),
        request("PUT", &device, signed(), &unusable),
        request("PUT", &device, Value::Null, &body.to_string()),
        request("POST", &device, signed(), &body.to_string()),
        request("PUT", "/planted-stage/planted-path", signed(), &body.to_string()),
        request("DELETE", own, app("planted-claimant".into()), ""),
        request("DELETE", &device, signed(), ""),
    ]
}

#[test]
fn nothing_about_a_phone_or_its_user_is_printed() {
    let events = planted_registrations();
    let mut sought: BTreeSet<String> = events.iter().flat_map(sent).collect();
    sought.retain(|text| !["users", "devices", "apns_voip"].contains(&text.as_str()));
    for authorizer in events.iter().map(|event| &event["requestContext"]["authorizer"]) {
        values(authorizer, &mut sought);
    }
    let texts: Vec<String> = events.iter().map(Value::to_string).collect();
    for endpoint in [None, Some("http://127.0.0.1:9".to_owned()), Some(quoting_aws())] {
        let mut variables = variables(endpoint.as_deref());
        variables.extend([
            ("DEVICES_TABLE", new_devices_table()),
            ("JWT_SERVICE_ID", "planted-jwt-service".to_owned()),
        ]);
        let said = said("devices", &variables, &texts);
        assert_eq!(said.matches(r#""message":"device""#).count(), texts.len(), "{said}");
        let outcome = if endpoint.is_none() { "registered" } else { "registry_unavailable" };
        assert!(said.contains(&format!(r#""outcome":"{outcome}""#)), "{said}");
        assert_eq!(leaks(&said, &sought), Vec::<String>::new(), "{endpoint:?}");
        assert!(!said.contains("planted-jwt-service"), "{said}");
    }
}

/// The lines of a key, and what proves who we are to the providers.
fn parts_of_keys(keys: &[String]) -> BTreeSet<String> {
    let mut parts = BTreeSet::new();
    for key in keys {
        match serde_json::from_str::<Value>(key) {
            Ok(key) => values(&key, &mut parts),
            Err(_) => parts.extend([key.clone()]),
        }
    }
    let mut lines: BTreeSet<String> = parts.iter().flat_map(|part| part.lines()).map(str::to_owned).collect();
    // The beginning of every JWT, and the access token of the stand-in.
    lines.extend(["eyJ", "access-of-the-stand-in"].map(str::to_owned));
    lines.retain(|line| line != "service_account" && line.len() > 1);
    lines
}

#[test]
fn no_token_and_no_key_is_printed_while_phones_ring_or_providers_refuse() {
    let tokens: Vec<String> =
        ["dead", "bad", "429", "503", "5ec4"].iter().map(|word| format!("{word}5ec4e70001")).collect();
    let phones: Vec<String> =
        tokens.iter().cloned().chain(tokens.iter().map(|token| format!("{token}:planted"))).collect();
    let malformed = ["planted-key", r#"{"private_key":"planted-private-key"}"#].map(str::to_owned);
    for (keys, outcome) in [(None, "rung"), (Some(malformed), "provider_refused")] {
        let ringing = Ringing::start();
        for (number, token) in phones.iter().enumerate() {
            ringing.register("planetkit", "planted-callee", &format!("planted-device-{number}"), token);
        }
        if let Some([apns, fcm]) = &keys {
            ringing.set_keys(apns, fcm);
        }
        ringing.phones.next([
            Fault::Answer(403, "InvalidProviderToken"),
            Fault::Answer(401, "THIRD_PARTY_AUTH_ERROR"),
            Fault::Reset,
            Fault::Answer(400, "planted reason"),
        ]);
        let calls =
            (0..3).map(|_| incoming("planted-callee", &format!("silence-{:016x}", fastrand::u64(..))));
        let events: Vec<String> = calls.collect();
        let mut variables = variables(None);
        let known: BTreeSet<&str> = variables.iter().map(|(name, _)| *name).collect();
        let of_ringing = ringing.variables().into_iter().filter(|(name, _)| !known.contains(name));
        variables.extend(of_ringing.collect::<Vec<_>>());
        let said = said("notify", &variables, &events);
        assert!(said.contains(&format!(r#""outcome":"{outcome}""#)), "{said}");
        let mut sought = parts_of_keys(
            &keys.map_or_else(|| vec![ringing.phones.apns_key(), ringing.phones.fcm_key()], Vec::from),
        );
        sought.extend(phones.iter().cloned());
        sought.extend(["planted-callee", "planted-device", "planted reason"].map(str::to_owned));
        assert_eq!(leaks(&said, &sought), Vec::<String>::new());
    }
}

#[test]
fn a_leak_would_be_found() {
    let sought: BTreeSet<String> = planted("notify").iter().flat_map(sent).collect();
    for said in [
        r#"{"level":"TRACE","message":"got planted-param+/=="}"#,
        r#"{"level":"ERROR","nested":{"deep":"planted-to-user"}}"#,
        "thread main panicked at planted display name",
        "planted%20display%20name",
        "from 2001:db8::5ec:4e72",
        "local-stack-token-never-deploy-this-one",
        "planted-secret-access-key",
    ] {
        assert_eq!(leaks(said, &sought).len(), 1, "{said}");
    }
    let allowed = r#"{"timestamp":"2026-11-22T10:00:00.123456Z","level":"INFO","message":"callback","outcome":"recorded","sid":"planted-user","latency_ms":1.2}"#;
    assert!(leaks(allowed, &sought).is_empty());
}
