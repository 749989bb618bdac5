//! Compares the metrics that the built functions print, and the requests that they make to AWS,
//! with `deployment/metrics.txt` and `deployment/permissions.txt`. The template's tests compare
//! alarms, dashboard and roles with these files, so they cannot refer to something that no function
//! does.
//!
//! `OBSERVE=write` writes the files again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "observations/reading.rs"]
mod reading;

use std::collections::BTreeSet;
use std::path::Path;

use reading::{observed_history, observed_projection, observed_rows_again};
use ringback::call::record::ATTRIBUTES;
use ringback::door::route::Route;
use ringback::testing::{self, TOKEN};
use ringback_tests::control_plane::TRACE_ID;
use ringback_tests::fault_proxy::{Fault, FaultProxy, Service};
use ringback_tests::ringing::{Ringing, incoming};
use ringback_tests::stack::{address_of, function_variables, functions, said, variable};
use serde_json::{Value, json};

const NAMESPACE: &str = "Ringback/observed";
/// Enough events with an effect to see how a function fails.
const FEW: usize = 3;

type Variables = Vec<(&'static str, String)>;

/// A proxy that records what the functions ask of the running stack.
struct Aws {
    dynamodb: FaultProxy,
    sns: FaultProxy,
    ssm: FaultProxy,
}

impl Aws {
    fn start() -> Self {
        let start = |service, endpoint| {
            let proxy = FaultProxy::start(service, address_of(&variable(endpoint)));
            proxy.overhear();
            proxy
        };
        Self {
            dynamodb: start(Service::DynamoDb, "AWS_ENDPOINT_URL_DYNAMODB"),
            sns: start(Service::Sns, "AWS_ENDPOINT_URL_SNS"),
            // The emulator serves SSM where it serves SNS, and it speaks JSON as DynamoDB does.
            ssm: start(Service::DynamoDb, "AWS_ENDPOINT_URL_SNS"),
        }
    }

    fn variables(&self) -> Variables {
        self.instead_of_aws(function_variables())
    }

    fn instead_of_aws(&self, mut variables: Variables) -> Variables {
        variables.retain(|(name, _)| !name.starts_with("AWS_ENDPOINT_URL"));
        variables.extend([
            ("AWS_ENDPOINT_URL_DYNAMODB", self.dynamodb.url()),
            ("AWS_ENDPOINT_URL_SNS", self.sns.url()),
            ("AWS_ENDPOINT_URL_SSM", self.ssm.url()),
            ("METRICS_NAMESPACE", NAMESPACE.to_owned()),
        ]);
        variables
    }
}

/// Everything that a function can be seen to do: with a working AWS, twice the same; without its
/// table; without AWS; with a signing token.
fn observed(function: &str) -> (String, BTreeSet<String>) {
    let aws = Aws::start();
    let samples = testing::samples(function);
    let all: Vec<String> = samples.iter().map(|sample| once_more(sample.event.clone()).to_string()).collect();
    let effective = samples.iter().filter(|sample| sample.expected["effect"] != "none");
    let mut few: Vec<String> =
        effective.take(FEW).map(|sample| once_more(sample.event.clone()).to_string()).collect();
    let mut printed = said(function, &aws.variables(), &[all, few.clone(), few.clone()].concat());
    few.extend([r#"{"Records":[{"messageId":"1","body":"no record"}]}"#.to_owned()]);
    aws.dynamodb.set(Fault::Refuses);
    printed += &said(function, &aws.variables(), &few);
    aws.sns.set(Fault::Refuses);
    printed += &said(function, &aws.variables(), &few);
    let mut signed = aws.variables();
    signed.push(("TENCENT_CALLBACK_TOKEN", "a-signing-token".to_owned()));
    printed += &said(function, &signed, &few);
    (printed, requests(function, &aws))
}

/// Everything that notify can be seen to do with keys: phones that ring, are dead, are not there or cannot
/// be asked; keys that Apple and Google refuse; no table.
fn observed_ringing() -> (String, BTreeSet<String>) {
    let (aws, stage) = (Aws::start(), Ringing::start());
    for (callee, device, token) in [
        ("rings", "iphone", "a11ce0"),
        ("rings", "android", "b0b:1"),
        ("gone", "iphone", "dead00"),
        ("gone", "android", "dead:1"),
        ("busy", "iphone", "503503"),
        ("refused", "iphone", "f00d"),
    ] {
        stage.register("planetkit", callee, device, token);
    }
    let calls = |callees: &[&str]| callees.iter().map(|callee| incoming(callee, callee)).collect::<Vec<_>>();
    let variables = aws.instead_of_aws(stage.variables());
    let mut printed = said("notify", &variables, &calls(&["rings", "rings", "gone", "busy", "no-phone"]));
    stage.set_keys(&other_key(&stage.phones.apns_key(), "key_id"), &stage.phones.fcm_key());
    printed += &said("notify", &variables, &calls(&["refused"]));
    aws.dynamodb.set(Fault::Refuses);
    printed += &said("notify", &variables, &calls(&["rings"]));
    (printed, requests("notify", &aws))
}

/// A key that Apple does not know.
fn other_key(key: &str, member: &str) -> String {
    let mut key: Value = serde_json::from_str(key).unwrap();
    key[member] = "UNKNOWN000".into();
    key.to_string()
}

/// Everything that the registry can be seen to do: phones that are new, known, taken over, too many, listed
/// and removed; requests that are wrong; no table.
fn observed_registry() -> (String, BTreeSet<String>) {
    let (aws, stage) = (Aws::start(), Ringing::start());
    let mut variables = aws.instead_of_aws(stage.variables());
    variables.push(("JWT_SERVICE_ID", "planetkit".to_owned()));
    let request = |method: &str, path: &str, authorizer: Value, token: &str| {
        let body = json!({ "platform": "apns_voip", "token": token, "app": "com.example.calls" });
        let http = json!({ "method": method });
        json!({
            "version": "2.0", "rawPath": path, "body": body.to_string(), "isBase64Encoded": false,
            "requestContext": { "http": http, "authorizer": authorizer },
        })
        .to_string()
    };
    let signed = || json!({ "iam": { "accessKey": "local" } });
    let of = |user: &str, device: &str| format!("/users/planetkit/{user}/devices/{device}");
    let put = |user: &str, device: &str, token: &str| request("PUT", &of(user, device), signed(), token);
    let app = json!({ "jwt": { "claims": { "sub": "bob" } } });
    let mut events = vec![
        put("bob", "1", "aa"),
        put("bob", "1", "aa"),
        put("bob", "1", "ab"),
        put("carol", "1", "ab"),
        put("bob", "1", "no token"),
        request("GET", &of("carol", "1"), signed(), ""),
        request("GET", &of("dave", "1"), signed(), ""),
        request("GET", "/users/planetkit/carol/devices", signed(), ""),
        request("PUT", "/devices/2", app.clone(), "cc"),
        request("PUT", "/devices/2", json!({ "jwt": { "claims": {} } }), "cc"),
        request("DELETE", "/devices/2", app, ""),
        request("DELETE", &of("carol", "1"), signed(), ""),
        request("PUT", &of("bob", "1"), Value::Null, "aa"),
        request("POST", &of("bob", "1"), signed(), "aa"),
        request("PUT", "/nowhere", signed(), "aa"),
    ];
    events.extend((0..26).map(|each| put("erin", &each.to_string(), &format!("e{each:x}"))));
    let mut printed = said("devices", &variables, &events);
    aws.dynamodb.set(Fault::Refuses);
    printed += &said("devices", &variables, &events[..1]);
    (printed, requests("devices", &aws))
}

/// The same event for another call, because tests share the table.
fn once_more(mut event: Value) -> Value {
    let run = format!("{:08x}", fastrand::u32(..));
    if let Some(query) = event["rawQueryString"].as_str() {
        event["rawQueryString"] = query.replacen("sid=", &format!("sid={run}-"), 1).into();
    }
    if let Some(text) = event["body"].as_str() {
        event["body"] = renamed(text, "CallId", &run).into();
    }
    for record in event["Records"].as_array_mut().into_iter().flatten() {
        record["body"] = renamed(record["body"].as_str().unwrap_or_default(), "sid", &run).into();
    }
    event
}

fn renamed(text: &str, id: &str, run: &str) -> String {
    let name = format!(r#""{id}":""#);
    text.replacen(&name, &format!("{name}{run}-"), 1)
}

/// The requests to AWS, under IAM's names.
fn requests(function: &str, aws: &Aws) -> BTreeSet<String> {
    let proxies = [&aws.dynamodb, &aws.sns, &aws.ssm];
    let asked = proxies.into_iter().flat_map(FaultProxy::overheard);
    // This request only opens a connection.
    let asked = asked.filter(|request| !request.starts_with("GET /ping "));
    let permissions = asked.flat_map(|request| permissions(&request));
    permissions.map(|permission| format!("{function} {permission}")).collect()
}

fn permissions(request: &str) -> Vec<String> {
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let target = head.lines().find_map(|line| line.strip_prefix("x-amz-target: "));
    let Some((service, operation)) = target.and_then(|target| target.split_once('.')) else {
        return vec![publication(body)];
    };
    let body: Value = serde_json::from_str(body).unwrap();
    match (service, operation) {
        ("AmazonSSM", _) => {
            let names = body["Names"].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
            let parameter =
                |name: &str| if name.ends_with("apns") { "ApnsKeyParameter" } else { "FcmKeyParameter" };
            names.map(|name| format!("ssm:{operation} {}", parameter(name))).collect()
        }
        (_, "BatchWriteItem") => {
            let tables = body["RequestItems"].as_object().unwrap().keys();
            tables
                .map(|name| format!("dynamodb:{operation} {}", table(&json!({ "TableName": name }))))
                .collect()
        }
        // IAM asks for the rights to what is in a transaction.
        (_, "TransactWriteItems") => {
            let items = body["TransactItems"].as_array().unwrap().iter();
            let parts = items.flat_map(|item| item.as_object().unwrap());
            parts.map(|(verb, part)| format!("dynamodb:{verb}Item {}", table(part))).collect()
        }
        _ => vec![format!("dynamodb:{operation} {}", table(&body))],
    }
}

/// The table of a request, and that an item for the records has only attributes that it may have.
fn table(request: &Value) -> &'static str {
    let name = request["TableName"].as_str().unwrap();
    let own = [("views-", "ViewsTable"), ("figures-", "FiguresTable"), ("records-", "RecordsTable")];
    if let Some((_, table)) = own.iter().find(|(prefix, _)| name.starts_with(prefix)) {
        return table;
    }
    if name != variable("RECORDS_TABLE") {
        return "DevicesTable";
    }
    for attribute in request["Item"].as_object().unwrap().keys() {
        assert!(ATTRIBUTES.contains(&attribute.as_str()), "{attribute} may not be put");
    }
    "RecordsTable"
}

fn publication(body: &str) -> String {
    let field = |name: &str| {
        let value =
            body.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default();
        value.replace("%3A", ":")
    };
    let topics = [
        ("PUSH_JOBS_TOPIC_ARN", "PushJobsTopic"),
        ("SPOOL_TOPIC_ARN", "SpoolTopic"),
        ("DEAD_LETTERS_TOPIC_ARN", "DeadLettersTopic"),
        ("CALLS_TOPIC_ARN", "CallsTopic"),
    ];
    // IAM has one right for one message and for several.
    let action = field("Action").replace("PublishBatch", "Publish");
    let topic = topics.iter().find(|(arn, _)| variable(arn) == field("TopicArn"));
    format!("sns:{action} {}", topic.unwrap_or_else(|| panic!("an unknown topic: {body}")).1)
}

/// The series in these lines, as CloudWatch would name them.
fn series(printed: &str) -> BTreeSet<String> {
    let lines = printed.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line.get("_aws").is_some()).flat_map(|line| series_of(&line)).collect()
}

fn series_of(line: &Value) -> Vec<String> {
    let mut found = Vec::new();
    assert!(line["_aws"]["Timestamp"].as_u64().is_some_and(|time| time > 1_700_000_000_000), "{line}");
    for directive in line["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
        assert_eq!(directive["Namespace"], NAMESPACE);
        for dimensions in directive["Dimensions"].as_array().unwrap() {
            let mut names: Vec<&str> =
                dimensions.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
            names.sort_unstable();
            let told_apart: String =
                names.iter().map(|name| format!(" {name}={}", line[name].as_str().unwrap())).collect();
            for metric in directive["Metrics"].as_array().unwrap() {
                let name = metric["Name"].as_str().unwrap();
                assert!(line[name].is_number(), "{name} of {line}");
                found.push(format!("{name} {}{told_apart}", metric["Unit"].as_str().unwrap()));
            }
        }
    }
    found
}

/// Compares with a file in `deployment/`, or writes it.
fn assert_written_down(file: &str, observed: &BTreeSet<String>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deployment").join(file);
    let text: String = observed.iter().map(|line| format!("{line}\n")).collect();
    if std::env::var("OBSERVE").is_ok_and(|word| word == "write") {
        std::fs::write(&path, &text).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let written: BTreeSet<String> = written.lines().map(str::to_owned).collect();
    let (seen, not_seen): (Vec<_>, Vec<_>) =
        (observed.difference(&written).collect(), written.difference(observed).collect());
    assert!(
        seen.is_empty() && not_seen.is_empty(),
        "deployment/{file} lacks {seen:#?} and holds {not_seen:#?}, which no function did. \
         OBSERVE=write writes it again"
    );
}

#[test]
fn what_the_functions_print_and_ask_for_is_written_down() {
    let (mut metrics, mut permissions) = (BTreeSet::new(), BTreeSet::new());
    for function in functions() {
        let (printed, asked) = observed(&function);
        metrics.extend(series(&printed));
        if asked.iter().any(|permission| permission.contains("dynamodb:PutItem RecordsTable")) {
            permissions
                .insert(format!("{function} dynamodb:Attributes RecordsTable {}", ATTRIBUTES.join(",")));
        }
        permissions.extend(asked);
    }
    let others = [
        observed_ringing(),
        observed_registry(),
        observed_projection(),
        observed_rows_again(),
        observed_history(),
    ];
    for (printed, asked) in others {
        metrics.extend(series(&printed));
        permissions.extend(asked);
    }
    for route in Route::ALL {
        let mut variables = Aws::start().variables();
        variables.push(("PANICS_AS", route.callback.to_owned()));
        let event = json!({
            "rawPath": format!("/{TOKEN}{}", route.path),
            "rawQueryString": format!("sdkappid={}", sdk_app_id()),
            "requestContext": { "http": { "method": route.method } },
        });
        metrics.extend(series(&said("examples/panics", &variables, &[event.to_string()])));
    }
    assert_written_down("metrics.txt", &metrics);
    assert_written_down("permissions.txt", &permissions);
}

fn sdk_app_id() -> String {
    variable("TENCENT_SDK_APP_IDS").split(',').next().unwrap().to_owned()
}

/// The lines about requests and messages.
fn told(printed: &str) -> Vec<Value> {
    let lines = printed.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line.get("_aws").is_some()).collect()
}

#[test]
fn every_request_is_counted_once_the_first_is_cold_and_a_call_ends_once() {
    let samples = testing::samples("call-event");
    let answered = samples.iter().find(|sample| sample.name == "call-event/answered-call").unwrap();
    let event = once_more(answered.event.clone()).to_string();
    let nowhere = r#"{"rawPath":"/no-token/line/call_event"}"#.to_owned();
    let lines = told(&said("call-event", &Aws::start().variables(), &[event.clone(), event, nowhere]));
    let field = |name: &str| lines.iter().map(|line| line[name].clone()).collect::<Vec<_>>();
    assert_eq!(field("outcome"), ["recorded", "duplicate", "unknown_url"]);
    assert_eq!(field("callbacks"), [1, 1, 1]);
    assert_eq!(field("accepted"), [json!(1), json!(1), Value::Null]);
    assert_eq!(field("cold_starts"), [json!(1), Value::Null, Value::Null]);
    assert_eq!(field("calls_ended"), [json!(1), Value::Null, Value::Null]);
    assert_eq!(lines[0]["talk_seconds"], answered.expected["call"]["duration_s"]);
    assert_eq!(field("xray_trace_id"), [json!(TRACE_ID), json!(TRACE_ID), Value::Null]);
    assert!(lines[0]["latency_ms"].as_f64() > lines[0]["store_ms"].as_f64(), "{}", lines[0]);
    assert!(lines[0]["store_ms"].as_f64() > Some(0.1), "{}", lines[0]);
}

#[test]
fn every_attribute_that_may_be_put_is_put_by_some_sample() {
    let mut put = BTreeSet::new();
    for function in Route::ALL.map(Route::binary) {
        let aws = Aws::start();
        let events: Vec<String> = testing::samples(&function)
            .into_iter()
            .map(|sample| once_more(sample.event).to_string())
            .collect();
        said(&function, &aws.variables(), &events);
        for request in aws.dynamodb.overheard() {
            let body: Value =
                serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap_or_default();
            put.extend(body["Item"].as_object().into_iter().flat_map(|item| item.keys().cloned()));
        }
    }
    assert_eq!(put.iter().map(String::as_str).collect::<Vec<_>>(), ATTRIBUTES);
}

#[test]
fn a_metric_that_is_not_a_number_or_lacks_a_dimension_is_found() {
    let line = |broken: &str| {
        let good = r#"{"provider":"line","callbacks":1,"_aws":{"Timestamp":1793600000123,"CloudWatchMetrics":[{"Namespace":"Ringback/observed",
            "Dimensions":[["provider"]],"Metrics":[{"Name":"callbacks","Unit":"Count"}]}]}}"#;
        let line: Value = serde_json::from_str(&good.replace(broken, "")).unwrap();
        std::panic::catch_unwind(|| series_of(&line))
    };
    assert_eq!(line("nothing").unwrap(), ["callbacks Count provider=line"]);
    assert!(line(r#""provider":"line","#).is_err());
    assert!(line(r#""callbacks":1,"#).is_err());
}
