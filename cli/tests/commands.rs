//! The built program: against the running local stack where a test says so (`make test` starts one), else
//! alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::HashMap;
use std::process::Command;

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use serde_json::{Value, json};

/// What a run of the program left.
struct Ran {
    ok: bool,
    out: String,
    err: String,
}

impl Ran {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {} {}", self.out, self.err))
    }
}

fn ringback(arguments: &[&str]) -> Ran {
    ringback_with(arguments, &[])
}

fn ringback_with(arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringback"));
    let done = command.args(arguments).envs(variables.iter().copied()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { ok: done.status.success(), out: text(done.stdout), err: text(done.stderr) }
}

/// A variable of `stack.env`, with which these tests are started.
fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run these tests with `make test`"))
}

fn unique(name: &str) -> String {
    format!("{name}-{:08x}", fastrand::u32(..))
}

fn token() -> String {
    variable("CALLBACK_URL").rsplit('/').next().unwrap().to_owned()
}

/// The emulator's clients, each in a runtime of its own call.
struct Emulated {
    runtime: tokio::runtime::Runtime,
    dynamodb: aws_sdk_dynamodb::Client,
    sqs: aws_sdk_sqs::Client,
    cloudformation: aws_sdk_cloudformation::Client,
}

impl Emulated {
    fn config(url: &str) -> aws_config::SdkConfig {
        let key = variable("AWS_ACCESS_KEY_ID");
        let credentials = Credentials::new(&key, &key, None, None, "test");
        aws_config::SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(variable("AWS_REGION")))
            .credentials_provider(aws_sdk_dynamodb::config::SharedCredentialsProvider::new(credentials))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(variable(url))
            .build()
    }

    fn new() -> Self {
        let sqs = Self::config("AWS_ENDPOINT_URL_SQS");
        Self {
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
            dynamodb: aws_sdk_dynamodb::Client::new(&Self::config("AWS_ENDPOINT_URL_DYNAMODB")),
            cloudformation: aws_sdk_cloudformation::Client::new(&sqs),
            sqs: aws_sdk_sqs::Client::new(&sqs),
        }
    }

    fn put(&self, table: &str, sid: &str, record: &str, more: &[(&str, AttributeValue)]) {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let key = [("sid", text(sid)), ("record", text(record))];
        let item: HashMap<String, AttributeValue> =
            key.iter().chain(more).map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        self.runtime
            .block_on(self.dynamodb.put_item().table_name(table).set_item(Some(item)).send())
            .unwrap();
    }

    fn count(&self, queue: &str) -> usize {
        let name = aws_sdk_sqs::types::QueueAttributeName::ApproximateNumberOfMessages;
        let asked = self.sqs.get_queue_attributes().queue_url(queue).attribute_names(name.clone()).send();
        self.runtime.block_on(asked).unwrap().attributes().unwrap()[&name].parse().unwrap()
    }

    /// A stack whose outputs lead to what the local stack has, as a deployment's lead to its own.
    fn stack(&self, stage: &str) -> String {
        let name = unique("ringback-test");
        let arn = |variable: &str| {
            format!(
                "arn:aws:sqs:us-east-1:000000000000:{}",
                self::variable(variable).rsplit('/').next().unwrap()
            )
        };
        let outputs = json!({
            "RecordsTableName": { "Value": variable("RECORDS_TABLE") },
            "PushJobsTopicArn": { "Value": variable("PUSH_JOBS_TOPIC_ARN") },
            "AlarmsTopicArn": { "Value": { "Ref": "AlarmsTopic" } },
            "SpoolQueueArn": { "Value": arn("SPOOL_QUEUE_URL") },
            "DeadLetterQueueArn": { "Value": arn("DEAD_LETTER_QUEUE_URL") },
            "ApiUrl": { "Value": variable("CALLBACK_URL").rsplit_once('/').unwrap().0 },
        });
        let topic =
            |name: &str| json!({ "Type": "AWS::SNS::Topic", "Properties": { "TopicName": unique(name) } });
        let function = json!({
            "FunctionName": format!("{name}-notify"), "Runtime": "python3.12", "Handler": "index.handler",
            "Role": "arn:aws:iam::000000000000:role/local", "Description": "r1",
            "Code": { "ZipFile": "def handler(event, context): pass" },
            "Environment": { "Variables": { "CALLBACK_TOKEN_SHA256": variable("CALLBACK_TOKEN_SHA256") } },
        });
        let version = json!({ "FunctionName": { "Ref": "NotifyFunction" }, "Description": "r1" });
        let alias = json!({
            "Name": "live", "FunctionName": { "Ref": "NotifyFunction" },
            "FunctionVersion": { "Fn::GetAtt": ["NotifyVersion", "Version"] },
        });
        let alarm = json!({
            "AlarmName": format!("{name}-panics"), "Namespace": "Ringback", "MetricName": "callbacks",
            "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1, "Threshold": 1,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold", "TreatMissingData": "notBreaching",
        });
        let group = format!("/logs/{name}");
        let resource = |kind: &str, properties: Value| json!({ "Type": kind, "Properties": properties });
        let text = json!({ "Type": "String" });
        let template = json!({
            "Parameters": { "Stage": text, "LineServiceIds": text, "RetentionDays": text, "Release": text },
            "Resources": {
                "SpoolTopic": topic("spool"),
                "DeadLettersTopic": topic("dead-letters"),
                "AlarmsTopic": topic("alarms"),
                "NotifyFunction": resource("AWS::Lambda::Function", function),
                "NotifyVersion": resource("AWS::Lambda::Version", version),
                "NotifyAlias": resource("AWS::Lambda::Alias", alias),
                "NotifyLogs": resource("AWS::Logs::LogGroup", json!({ "LogGroupName": group })),
                "PanicsAlarm": resource("AWS::CloudWatch::Alarm", alarm),
            },
            "Outputs": outputs,
        });
        let parameter = |name: &str, value: &str| {
            aws_sdk_cloudformation::types::Parameter::builder()
                .parameter_key(name)
                .parameter_value(value)
                .build()
        };
        let create = self.cloudformation.create_stack().stack_name(&name).template_body(template.to_string());
        let create = create.parameters(parameter("Stage", stage)).parameters(parameter("RetentionDays", "7"));
        let create = create.parameters(parameter("Release", "r1"));
        let create = create.parameters(parameter("LineServiceIds", &variable("LINE_SERVICE_IDS")));
        self.runtime.block_on(create.send()).unwrap();
        for _ in 0..100 {
            let described = self.cloudformation.describe_stacks().stack_name(&name).send();
            let described = self.runtime.block_on(described).unwrap();
            let stack = &described.stacks()[0];
            match stack.stack_status().unwrap().as_str() {
                "CREATE_COMPLETE" => return name,
                "CREATE_IN_PROGRESS" => {}
                status => panic!("{name}: {status}: {:?}", stack.stack_status_reason()),
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        panic!("{name} is not complete");
    }
}

fn user(id: &str) -> AttributeValue {
    AttributeValue::M([("user_id".to_owned(), AttributeValue::S(id.to_owned()))].into())
}

/// Where a deployment's commands find AWS.
fn desk() -> Vec<(&'static str, String)> {
    vec![("AWS_ENDPOINT_URL", variable("AWS_ENDPOINT_URL_SQS")), ("RINGBACK_STACK_ENV", String::new())]
}

#[test]
fn a_token_is_made_with_its_digest_and_whole_urls() {
    let made = ringback(&["token", "--api-url", "https://api.example", "--json"]).json();
    let token = made["token"].as_str().unwrap();
    assert_eq!(made["urls"].as_array().unwrap().len(), 5);
    assert_eq!(made["urls"][0]["url"], format!("https://api.example/{token}/line/notify_cb"));
    let refused = ringback(&["token", "--api-url", "http://api.example"]);
    assert!(!refused.ok && refused.err.contains("https://") && refused.out.is_empty());
}

#[test]
fn help_and_completions_need_nothing() {
    for arguments in [["--help", ""], ["completions", "bash"], ["completions", "zsh"]] {
        let arguments: Vec<&str> = arguments.into_iter().filter(|each| !each.is_empty()).collect();
        let ran = ringback(&arguments);
        assert!(ran.ok && ran.out.contains("doctor"), "{}", ran.err);
    }
    assert!(!ringback(&["call", "answered", "--for", "11m", "--rate", "1"]).ok);
}

#[test]
fn without_a_stack_a_command_says_what_to_do() {
    for command in [["show", "x"], ["erase", "x"], ["restore", "x"]] {
        let ran = ringback_with(&command, &[("RINGBACK_STACK_ENV", "/nowhere/stack.env")]);
        assert!(!ran.ok && ran.err.contains("--stack"), "{}", ran.err);
    }
}

#[test]
#[ignore = "needs the local stack"]
fn every_call_is_played_and_recorded_as_it_should_be() {
    let calls = ringback(&["call", "--json"]).json();
    assert!(calls.as_array().unwrap().len() >= 10);
    for call in calls.as_array().unwrap() {
        let name = call["name"].as_str().unwrap();
        let played = ringback(&["call", name, "--speed", "1000", "--json"]);
        assert!(played.ok, "{name}: {} {}", played.out, played.err);
        let played = played.json();
        assert_eq!(played["differences"], json!([]), "{name}");
        let told = ringback(&["show", played["sid"].as_str().unwrap()]);
        assert!(told.ok && told.out.contains(call_status(&played)), "{name}: {}", told.out);
    }
}

fn call_status(played: &Value) -> &str {
    played["call"]["status"].as_str().unwrap()
}

#[test]
#[ignore = "needs the local stack"]
fn chaos_ends_in_the_same_call_and_a_seed_repeats_it() {
    let chaos = |seed: &str| {
        let played =
            ringback(&["call", "tencent-older", "--speed", "500", "--chaos", "--seed", seed, "--json"]);
        assert!(played.ok, "{} {}", played.out, played.err);
        let played = played.json();
        assert_eq!(played["differences"], json!([]));
        let steps = played["answers"].as_array().unwrap().iter();
        steps.map(|step| format!("{} {}", step["what"], step["again"])).collect::<Vec<_>>()
    };
    assert_eq!(chaos("7"), chaos("7"));
    assert_ne!(chaos("7"), chaos("8"));
}

#[test]
#[ignore = "needs the local stack"]
fn a_load_is_measured_and_its_records_can_be_removed() {
    let ran = ringback(&["call", "late-join", "--rate", "20", "--for", "2s", "--remove", "--json"]);
    assert!(ran.ok, "{} {}", ran.out, ran.err);
    let measured = ran.json();
    assert_eq!((measured["callbacks"].as_u64(), measured["calls"].as_u64()), (Some(40), Some(10)));
    // Of each call four callbacks and the call itself.
    assert_eq!(measured["removed"], 50);
    let latency = |of: &str| measured["latency_ms"][of].as_f64().unwrap();
    assert!(0.0 < latency("p50") && latency("p50") <= latency("p99") && latency("p99") <= latency("p100"));
    assert!(measured["a_second"].as_f64().unwrap() < 25.0, "{measured}");
}

#[test]
#[ignore = "needs the local stack"]
fn what_happens_is_shown_as_it_is_logged() {
    let played = ringback(&["call", "busy", "--speed", "1000", "--json"]).json();
    let sid = played["sid"].as_str().unwrap();
    let lines = ringback(&["tail", "--no-follow"]).out;
    let of_call: Vec<&str> = lines.lines().filter(|line| line.contains(sid)).collect();
    assert!(
        of_call.len() == 2 && of_call[0].contains("published") && of_call[1].contains("busy"),
        "{of_call:?}"
    );
    assert!(!ringback(&["show", "no-such-call"]).ok);
}

#[test]
#[ignore = "needs the local stack"]
fn a_doctor_finds_dead_letters_and_replay_moves_them() {
    let emulated = Emulated::new();
    let examine = || {
        let ran = ringback(&["doctor", "--json"]);
        assert!(!ran.out.contains(&token()) && !ran.err.contains(&token()));
        let examined = ran.json();
        assert_eq!(ran.ok, examined["failed"] == 0, "{examined}");
        examined
    };
    let failed = |examined: &Value| {
        let findings = examined["findings"].as_array().unwrap().iter();
        let failed = findings.filter(|finding| finding["verdict"] == "failed");
        failed.map(|finding| finding["check"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let well = examine();
    assert_eq!(failed(&well), [""; 0], "{well:#}");
    for check in ["push job", "token", "notify with a wrong token", "records removed"] {
        let found =
            well["findings"].as_array().unwrap().iter().find(|finding| finding["check"] == check).unwrap();
        assert_eq!(found["verdict"], "ok", "{found}");
    }

    let (dead_letters, spool) = (variable("DEAD_LETTER_QUEUE_URL"), variable("SPOOL_QUEUE_URL"));
    let send = emulated.sqs.send_message().queue_url(&dead_letters).message_body("not a record").send();
    emulated.runtime.block_on(send).unwrap();
    assert_eq!(failed(&examine()), ["dead letters"]);
    assert_eq!(ringback(&["replay", "--dry-run", "--json"]).json(), json!({ "waiting": 1, "moved": 0 }));
    assert_eq!(ringback(&["replay", "--json"]).json(), json!({ "waiting": 1, "moved": 1 }));
    assert_eq!((emulated.count(&dead_letters), emulated.count(&spool)), (0, 1));
    emulated.runtime.block_on(emulated.sqs.purge_queue().queue_url(&spool).send()).unwrap();
}

#[test]
#[ignore = "needs the local stack"]
fn a_doctor_with_another_token_says_so_and_does_not_tell_it() {
    let base = variable("CALLBACK_URL").rsplit_once('/').unwrap().0.to_owned();
    let ran = ringback_with(&["doctor", "--json"], &[("RINGBACK_URL", &format!("{base}/an-other-token"))]);
    assert!(!ran.ok && !ran.out.contains("an-other-token") && !ran.err.contains("an-other-token"));
    let examined = ran.json();
    let token =
        examined["findings"].as_array().unwrap().iter().find(|finding| finding["check"] == "token").unwrap();
    assert_eq!(token["verdict"], "failed");
    assert!(examined["failed"].as_u64().unwrap() > 10, "{examined}");
}

#[test]
#[ignore = "needs the local stack"]
fn a_user_is_erased_from_every_call_and_no_other_user_is() {
    let emulated = Emulated::new();
    let (table, alice, other) = (variable("RECORDS_TABLE"), unique("alice"), unique("other"));
    for (sid, who) in [(unique("with"), &alice), (unique("without"), &other)] {
        emulated.put(
            &table,
            &sid,
            "call",
            &[("caller", user(who)), ("duration_s", AttributeValue::N("30".into()))],
        );
        emulated.put(&table, &sid, "event#1#a", &[("who", user("bob"))]);
    }
    // These items are in no list.
    let erase = |arguments: &[&str]| ringback(&[&["erase", "--scan"], arguments, &["--json"]].concat());
    assert_eq!(erase(&["30", "--yes", "30"]).json()["items"], 0);
    assert_eq!(erase(&[&alice, "--dry-run"]).json()["items"], 2);
    let unsure = erase(&[&alice]);
    assert!(!unsure.ok && unsure.err.contains("--yes"), "{}", unsure.err);
    assert_eq!(erase(&[&alice, "--yes", &alice]).json()["erased"], 2);
    assert_eq!(erase(&[&alice, "--yes", &alice]).json()["calls"], 0);
    assert_eq!(erase(&[&other, "--dry-run"]).json()["items"], 2);
}

impl Emulated {
    /// How many items of the records and of the lists hold a text.
    fn holding(&self, text: &str) -> usize {
        let hold = |table: &str| {
            let scan = self.dynamodb.scan().table_name(variable(table)).consistent_read(true);
            let items = self.runtime.block_on(scan.into_paginator().items().send().try_collect()).unwrap();
            let items: Vec<HashMap<String, AttributeValue>> = items;
            items.iter().filter(|item| format!("{item:?}").contains(text)).count()
        };
        hold("RECORDS_TABLE") + hold("VIEWS_TABLE")
    }

    fn wait_until(&self, text: &str, right: impl Fn(usize) -> bool) -> usize {
        let mut found = self.holding(text);
        for _ in 0..100 {
            if right(found) {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
            found = self.holding(text);
        }
        found
    }
}

#[test]
#[ignore = "needs the local stack"]
fn after_a_user_is_erased_no_record_and_no_list_holds_the_id() {
    let emulated = Emulated::new();
    let [user, other, call, room] = ["dora", "emil", "call", "room"].map(unique);
    let service = variable("LINE_SERVICE_IDS").split(',').next().unwrap().to_owned();
    let ended = format!(
        "sid={call}&type=A&from_user_id={user}&from_service_id={service}&to_user_id={other}\
         &to_service_id={service}&setup_time=1793779620&start_time=1793779626&end_time=1793779668\
         &duration=42&billing_sec=42&terminate=16&disconnect_reason=1001&releaser_type=2"
    );
    let came = |who: &str, status: &str| {
        format!(
            "sid={room}&svc_id={service}&id=standup&user_svc_id={service}&user_id={who}\
             &host_svc_id={service}&host_id={other}&sc={status}&setup_time=1794211620\
             &start_time=1794211621&end_time=0&online=1&media_type=A&msc=C&ts=1794211621200"
        )
    };
    for (path, query) in
        [("call_event", ended), ("gcall_event", came(&other, "S")), ("gcall_event", came(&user, "C"))]
    {
        let answer = ringback_tests::stack::callback("GET", &format!("/line/{path}?{query}"), "");
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    // The call and its event, the event of the room; the user's two rows, the other one's, the day's.
    let before = emulated.wait_until(&user, |found| found >= 7);
    assert_eq!(before, 7);
    let erased = ringback(&["erase", &user, "--yes", &user, "--json"]).json();
    assert_eq!((&erased["calls"], &erased["rows"]), (&json!(2), &json!(2)), "{erased}");
    assert_eq!(emulated.wait_until(&user, |found| found == 0), 0);
}

#[test]
#[ignore = "needs the local stack"]
fn a_deployment_is_found_by_its_stack_and_production_wants_its_name() {
    let emulated = Emulated::new();
    let (table, stack) = (variable("RECORDS_TABLE"), emulated.stack("prod"));
    let restored = unique("restored");
    let key = |name: &str, kind| {
        (
            KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap(),
            AttributeDefinition::builder()
                .attribute_name(name)
                .attribute_type(ScalarAttributeType::S)
                .build()
                .unwrap(),
        )
    };
    let keys = [key("sid", KeyType::Hash), key("record", KeyType::Range)];
    let (schema, types): (Vec<_>, Vec<_>) = keys.into_iter().unzip();
    let create =
        emulated.dynamodb.create_table().table_name(&restored).billing_mode(BillingMode::PayPerRequest);
    let create = create.set_key_schema(Some(schema)).set_attribute_definitions(Some(types)).send();
    emulated.runtime.block_on(create).unwrap();
    let (lost, there) = (unique("lost"), unique("there"));
    let status = |status: &str| [("status", AttributeValue::S(status.into()))];
    emulated.put(&restored, &lost, "call", &status("ended"));
    emulated.put(&restored, &there, "call", &status("ringing"));
    emulated.put(&restored, &unique("old"), "call", &[("expires_at", AttributeValue::N("1".into()))]);
    emulated.put(&table, &there, "call", &status("ended"));

    let desk = desk();
    let desk: Vec<(&str, &str)> = desk.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let at_desk =
        |arguments: &[&str]| ringback_with(&[arguments, &["--stack", &stack, "--json"]].concat(), &desk);
    let foreign = at_desk(&["restore", &restored]);
    assert!(!foreign.ok && foreign.err.contains("--any-source"), "{}", foreign.err);
    let unsure = at_desk(&["restore", &restored, "--any-source"]);
    assert!(!unsure.ok && unsure.err.contains(&format!("--yes '{stack}'")), "{}", unsure.err);
    assert!(!at_desk(&["show", &lost]).ok);
    let sure = at_desk(&["restore", &restored, "--any-source", "--yes", &stack]).json();
    assert_eq!(
        (&sure["added"], &sure["there"], &sure["expired"]),
        (&json!(1), &json!(1), &json!(1)),
        "{sure}"
    );
    assert_eq!(sure["differ"], json!([there]));
    assert_eq!(at_desk(&["show", &lost]).json()[0]["status"], "ended");
    assert_eq!(at_desk(&["show", &there]).json()[0]["status"], "ended");

    let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let variables = at_desk(&["env", "call-event", "--token-sha256", digest]).json();
    assert_eq!(variables["RECORDS_TABLE"], table);
    assert_eq!(variables["RETENTION_DAYS"], "7");
    assert_eq!(variables["METRICS_NAMESPACE"], format!("Ringback/{stack}"));
    assert!(variables["SPOOL_TOPIC_ARN"].as_str().unwrap().contains("spool"), "{variables}");
    assert!(!at_desk(&["env", "call-event"]).ok);
    let none = ringback_with(&["show", "x", "--stack", "no-such-stack"], &desk);
    assert!(!none.ok && none.err.contains("no-such-stack"), "{}", none.err);
    emulated.runtime.block_on(emulated.dynamodb.delete_table().table_name(&restored).send()).unwrap();
}

#[test]
#[ignore = "needs the local stack"]
fn a_doctor_looks_into_a_deployment_and_its_logs_are_shown() {
    let emulated = Emulated::new();
    let stack = emulated.stack("dev");
    let desk = desk();
    let desk: Vec<(&str, &str)> = desk.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let token = token();
    let with_token = [&desk[..], &[("RINGBACK_TOKEN", &token)]].concat();
    let ran = ringback_with(&["doctor", "--watch-jobs", "--stack", &stack, "--json"], &with_token);
    assert!(!ran.out.contains(&token) && !ran.err.contains(&token));
    let examined = ran.json();
    let findings = examined["findings"].as_array().unwrap();
    let advice = |finding: &Value| finding["advice"].as_str().unwrap().to_owned();
    for finding in findings {
        assert!(!advice(finding).contains("whether your role may"), "{finding}");
    }
    let finding = |check: &str| {
        let found = findings.iter().find(|finding| finding["check"] == check);
        found.unwrap_or_else(|| panic!("no {check}: {examined:#}"))
    };
    for check in
        ["stack", "token", "function Notify", "push job", "subscribers of push jobs", "records removed"]
    {
        assert_eq!(finding(check)["verdict"], "ok", "{}", finding(check));
    }
    assert_eq!(finding("tencent-older")["verdict"], "skipped");
    assert!(finding("alarms")["seen"].as_str().unwrap().starts_with("1 alarms"), "{}", finding("alarms"));
    assert!(advice(finding("metrics")).contains("Metrics from the log"));
    assert!(advice(finding("subscribers of alarms")).contains("AlarmsTopicArn"));
    assert_eq!(finding("replay's trigger")["seen"], "none");
    assert!(!ringback_with(&["doctor", "--stack", &stack], &desk).ok, "without a token");

    let logs = aws_sdk_cloudwatchlogs::Client::new(&Emulated::config("AWS_ENDPOINT_URL_SQS"));
    let group = format!("/logs/{stack}");
    let stream = logs.create_log_stream().log_group_name(&group).log_stream_name("s").send();
    emulated.runtime.block_on(stream).unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let line = json!({ "message": "callback", "level": "INFO", "outcome": "published", "status": 200 });
    let event = aws_sdk_cloudwatchlogs::types::InputLogEvent::builder();
    let event = event.timestamp(i64::try_from(now).unwrap()).message(line.to_string()).build().unwrap();
    let put = logs.put_log_events().log_group_name(&group).log_stream_name("s").log_events(event).send();
    emulated.runtime.block_on(put).unwrap();
    let shown = ringback_with(&["tail", "--no-follow", "--stack", &stack], &desk);
    assert!(shown.out.contains("notify              INFO   200  published"), "{} {}", shown.out, shown.err);
}
