//! The running local stack, as its `stack.env` describes it.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use ringback::door::route::Route;
use serde_json::{Value, json};

use crate::control_plane::{Function, Reply};
use crate::http::{self, Response};

/// Emulators read the region and the key from it.
pub const ANY_SIGNATURE: &str = "AWS4-HMAC-SHA256 Credential=local/20261101/us-east-1/x/aws4_request, \
                                 SignedHeaders=host, Signature=0";

/// A variable of `stack.env`. The tests are started with all of them.
pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run these tests with `make test`"))
}

/// A built function.
pub fn built(function: &str) -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let folder = program.parent().unwrap();
    // Tests are in a separate folder beside the binaries.
    let folder = if folder.ends_with("deps") { folder.parent().unwrap() } else { folder };
    folder.join(function)
}

/// Host and port of a URL.
pub fn address_of(url: &str) -> &str {
    url.strip_prefix("http://").unwrap().split('/').next().unwrap()
}

/// Every function, by the name of its binary.
pub fn functions() -> Vec<String> {
    Route::ALL.into_iter().map(Route::binary).chain(["replay".to_owned()]).collect()
}

/// The variables that any function needs to work on the running stack.
pub fn function_variables() -> Vec<(&'static str, String)> {
    [
        "CALLBACK_TOKEN_SHA256",
        "LINE_SERVICE_IDS",
        "TENCENT_SDK_APP_IDS",
        "RECORDS_TABLE",
        "RETENTION_DAYS",
        "PUSH_JOBS_TOPIC_ARN",
        "SPOOL_TOPIC_ARN",
        "DEAD_LETTERS_TOPIC_ARN",
        "AWS_REGION",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_ENDPOINT_URL_DYNAMODB",
        "AWS_ENDPOINT_URL_SNS",
    ]
    .map(|name| (name, variable(name)))
    .to_vec()
}

/// Plays events through a new process of a built function and returns all that it printed.
pub fn said(function: &str, variables: &[(&'static str, String)], events: &[String]) -> String {
    let path = |stream: &str| {
        std::env::temp_dir().join(format!(
            "ringback-{}-{:016x}-{stream}",
            function.replace('/', "-"),
            fastrand::u64(..)
        ))
    };
    let paths = [path("stdout"), path("stderr")];
    let [output, error] = paths.clone().map(|path| Stdio::from(File::create(path).unwrap()));
    let borrowed: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut running = Function::start_saying(function, &borrowed, output, error);
    for event in events {
        let handed = running.hand_over(event);
        let reply = running.reply(handed, Duration::from_secs(20));
        assert!(!matches!(reply, Reply::Nothing), "{function} did not answer");
    }
    running.kill();
    paths
        .map(|path| {
            let said = std::fs::read(&path).unwrap();
            std::fs::remove_file(path).unwrap();
            String::from_utf8_lossy(&said).into_owned()
        })
        .concat()
}

/// Sends a callback to the stack: a path behind the token, with its query.
pub fn callback(method: &str, path_and_query: &str, body: &str) -> Response {
    let url = variable("CALLBACK_URL");
    let address = address_of(&url);
    let token = url.rsplit_once('/').unwrap().1;
    http::send(
        address,
        method,
        &format!("/{token}{path_and_query}"),
        &[("content-type", "application/json")],
        body,
    )
}

/// Sends a request to the stack with any path.
pub fn request(method: &str, target: &str) -> Response {
    http::send(address_of(&variable("CALLBACK_URL")), method, target, &[], "")
}

/// Hands a function an event as it stands, past the router.
pub fn invoke(function: &str, event: &str) -> Response {
    let target = format!("/2015-03-31/functions/{function}/invocations");
    http::send(address_of(&variable("CALLBACK_URL")), "POST", &target, &[], event)
}

/// Asks AWS's JSON protocol at the endpoint that a variable names.
pub fn aws(endpoint: &str, target: &str, json_version: &str, body: &Value) -> Value {
    let answer = ask_aws(address_of(&variable(endpoint)), target, json_version, body).unwrap();
    assert_eq!(answer.status, 200, "{target}: {}", answer.body);
    answer.json()
}

/// Asks AWS's JSON protocol at an emulator, which takes any signature.
pub fn ask_aws(address: &str, target: &str, json_version: &str, body: &Value) -> io::Result<Response> {
    let content_type = format!("application/x-amz-json-{json_version}");
    let headers =
        [("x-amz-target", target), ("content-type", content_type.as_str()), ("authorization", ANY_SIGNATURE)];
    http::exchange(address, "POST", "/", &headers, body.to_string().as_bytes(), Duration::from_secs(20))
}

/// A table of devices of the test's own.
pub fn new_devices_table() -> String {
    new_table("devices", "pk", "sk")
}

/// A table of the test's own, with these keys.
pub fn new_table(prefix: &str, partition_key: &str, sort_key: &str) -> String {
    let name = format!("{prefix}-{:016x}", fastrand::u64(..));
    let key = |name, kind| json!({ "AttributeName": name, "KeyType": kind });
    let text = |name| json!({ "AttributeName": name, "AttributeType": "S" });
    let table = json!({
        "TableName": name, "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [key(partition_key, "HASH"), key(sort_key, "RANGE")],
        "AttributeDefinitions": [text(partition_key), text(sort_key)],
    });
    aws("AWS_ENDPOINT_URL_DYNAMODB", "DynamoDB_20120810.CreateTable", "1.0", &table);
    name
}

/// Every item of a session, as DynamoDB's own JSON, sorted by its sort key.
pub fn items(sid: &str) -> Vec<Value> {
    let query = json!({
        "TableName": variable("RECORDS_TABLE"),
        "KeyConditionExpression": "sid = :sid",
        "ExpressionAttributeValues": { ":sid": { "S": sid } },
        "ConsistentRead": true,
    });
    let answer = aws("AWS_ENDPOINT_URL_DYNAMODB", "DynamoDB_20120810.Query", "1.0", &query);
    answer["Items"].as_array().unwrap().clone()
}

/// The call item of a session and its event items.
pub fn call_and_events(sid: &str) -> (Value, Vec<Value>) {
    let (calls, events): (Vec<Value>, Vec<Value>) =
        items(sid).into_iter().partition(|item| item["record"]["S"] == "call");
    assert_eq!(calls.len(), 1, "call items of {sid}");
    (calls[0].clone(), events)
}

/// The push jobs of a session: body and attributes. They stay in the queue.
pub fn push_jobs(sid: &str) -> Vec<(Value, Value)> {
    let mut found: Vec<(String, Value, Value)> = Vec::new();
    let patience = Instant::now() + Duration::from_secs(5);
    // The queue holds other tests' jobs too and gives ten at a time, so each look hides what it saw for a
    // moment.
    while Instant::now() < patience {
        let receive = json!({
            "QueueUrl": variable("PUSH_JOBS_QUEUE_URL"), "MaxNumberOfMessages": 10, "VisibilityTimeout": 2,
            "MessageAttributeNames": ["All"],
        });
        let answer = aws("AWS_ENDPOINT_URL_SQS", "AmazonSQS.ReceiveMessage", "1.0", &receive);
        let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
        for message in &messages {
            let id = message["MessageId"].as_str().unwrap().to_owned();
            let body: Value = serde_json::from_str(message["Body"].as_str().unwrap()).unwrap();
            if body["sid"] == sid && found.iter().all(|(known, _, _)| *known != id) {
                found.push((id, body, message["MessageAttributes"].clone()));
            }
        }
        if messages.is_empty() && !found.is_empty() {
            break;
        }
    }
    found.into_iter().map(|(_, body, attributes)| (body, attributes)).collect()
}
