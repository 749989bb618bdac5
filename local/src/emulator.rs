//! What stands in for DynamoDB, SNS, SQS and SSM, in memory and new at each start.
//!
//! MiniStack is all of them in one process. `STORE=dynamodb-local` keeps the tables in Amazon's DynamoDB
//! Local. CloudFormation's properties are those of AWS's JSON protocol, so they are handed on as they are.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use ringback_tests::http::{self, Response};
use ringback_tests::stack::{ANY_SIGNATURE, ask_aws};
use serde_json::{Map, Value, json};

use crate::error::StackError;
use crate::processes::{Processes, command, free_port};
use crate::stack::PYTHON;
use crate::template::Template;

/// As `local/cloudformation.py` has them.
pub(crate) const REGION: &str = "us-east-1";
pub(crate) const ACCOUNT: &str = "000000000000";
/// Both the key id and the secret: there is nothing to protect.
pub(crate) const CREDENTIAL: &str = "local";
const SERVICES: &str =
    "cloudformation,cloudwatch,dynamodb,dynamodbstreams,iam,kms,lambda,logs,sns,sqs,ssm,sts";
/// Where `make` unpacks npm's amplify-dynamodb-simulator.
const DYNAMODB_LOCAL: &str = ".local/dynamodb-local/package/emulator";

// Encryption, tags and policies change nothing here and are left out.
const TABLE_PROPERTIES: [&str; 5] =
    ["AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes", "KeySchema", "StreamSpecification"];
const QUEUE_ATTRIBUTES: [&str; 4] =
    ["DelaySeconds", "MessageRetentionPeriod", "RedrivePolicy", "VisibilityTimeout"];
const SUBSCRIPTION_ATTRIBUTES: [&str; 3] = ["FilterPolicy", "RawMessageDelivery", "RedrivePolicy"];

/// Where the records are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    MiniStack,
    DynamodbLocal,
}

impl Store {
    pub(crate) fn parse(name: &str) -> Result<Self, StackError> {
        match name {
            "" | "ministack" => Ok(Self::MiniStack),
            "dynamodb-local" => Ok(Self::DynamodbLocal),
            _ => Err(StackError::new(format!("STORE={name} is neither ministack nor dynamodb-local"))),
        }
    }

    pub(crate) fn description(self) -> &'static str {
        match self {
            Self::MiniStack => "MiniStack emulates DynamoDB, SNS, SQS and SSM",
            Self::DynamodbLocal => "MiniStack emulates SNS, SQS and SSM, beside DynamoDB Local",
        }
    }
}

/// The running emulators: host and port of each.
#[derive(Clone, Debug)]
pub(crate) struct Emulator {
    ministack: String,
    dynamodb: String,
}

impl Emulator {
    pub(crate) fn start(
        processes: &Processes,
        root: &Path,
        folder: &Path,
        port: u16,
        store: Store,
    ) -> Result<Self, StackError> {
        let ministack = start_ministack(processes, root, folder, port)?;
        let dynamodb = match store {
            Store::MiniStack => ministack.clone(),
            Store::DynamodbLocal => start_dynamodb_local(processes, root, folder)?,
        };
        Ok(Self { ministack, dynamodb })
    }

    /// The address in front of the queues' names.
    pub(crate) fn queues(&self) -> String {
        format!("http://{}/{ACCOUNT}", self.ministack)
    }

    /// What AWS's clients need to find it.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        let [dynamodb, other] = [&self.dynamodb, &self.ministack].map(|address| format!("http://{address}"));
        vec![
            ("AWS_ENDPOINT_URL_DYNAMODB", dynamodb),
            ("AWS_ENDPOINT_URL_SNS", other.clone()),
            ("AWS_ENDPOINT_URL_SQS", other.clone()),
            ("AWS_ENDPOINT_URL_SSM", other),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", CREDENTIAL.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", CREDENTIAL.to_owned()),
        ]
    }

    /// Creates the template's tables, queues, topics and subscriptions, each after what it refers to.
    pub(crate) fn create(&self, template: &Template) -> Result<(), StackError> {
        for (name, properties) in &template.tables {
            let mut table = chosen(properties, &TABLE_PROPERTIES);
            table.insert("TableName".to_owned(), name.as_str().into());
            // CloudFormation leaves out what follows from the rest.
            if let Some(stream) = table.get_mut("StreamSpecification").and_then(Value::as_object_mut) {
                stream.insert("StreamEnabled".to_owned(), true.into());
            }
            self.dynamodb("CreateTable", &table.into())?;
        }
        let mut queues: Vec<_> = template.queues.iter().collect();
        queues.sort_by_key(|(_, properties)| properties.get("RedrivePolicy").is_some());
        for (name, properties) in queues {
            self.create_queue(name, properties)?;
        }
        for name in &template.topics {
            self.sns("CreateTopic", &[("Name", name)])?;
        }
        template.subscriptions.iter().try_for_each(|subscription| self.subscribe(subscription))
    }

    /// Creates a queue for the push jobs of a topic, and returns its URL.
    pub(crate) fn create_job_queue(&self, name: &str, topic: &str) -> Result<String, StackError> {
        let name = format!("ringback-local-{name}");
        self.create_queue(&name, &Value::Null)?;
        self.subscribe(&json!({
            "TopicArn": topic,
            "Protocol": "sqs",
            "Endpoint": format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"),
            "RawMessageDelivery": true,
        }))?;
        Ok(self.queue_url(&name))
    }

    /// The URL of a queue by its name or its ARN.
    pub(crate) fn queue_url(&self, name: &str) -> String {
        format!("{}/{}", self.queues(), name.rsplit(':').next().unwrap_or(name))
    }

    fn create_queue(&self, name: &str, properties: &Value) -> Result<(), StackError> {
        let attributes = as_text(chosen(properties, &QUEUE_ATTRIBUTES));
        self.sqs("CreateQueue", &json!({ "QueueName": name, "Attributes": attributes })).map(drop)
    }

    /// Subscribes a queue to a topic; other protocols have no receiver here.
    fn subscribe(&self, subscription: &Value) -> Result<(), StackError> {
        let text = |name: &str| subscription.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        if text("Protocol") != "sqs" {
            return Ok(());
        }
        let mut parameters: Vec<(String, String)> =
            ["TopicArn", "Protocol", "Endpoint"].map(|name| (name.to_owned(), text(name))).into();
        for (number, (name, value)) in (1..).zip(as_text(chosen(subscription, &SUBSCRIPTION_ATTRIBUTES))) {
            let value = value.as_str().unwrap_or_default().to_owned();
            parameters.push((format!("Attributes.entry.{number}.key"), name));
            parameters.push((format!("Attributes.entry.{number}.value"), value));
        }
        let borrowed: Vec<_> =
            parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.sns("Subscribe", &borrowed)
    }

    /// The call item of a session.
    pub(crate) fn call(&self, table: &str, sid: &str) -> Result<Option<Value>, StackError> {
        let key = json!({ "sid": { "S": sid }, "record": { "S": "call" } });
        let query = json!({ "TableName": table, "Key": key, "ConsistentRead": true });
        Ok(self.dynamodb("GetItem", &query)?.get("Item").and_then(Value::as_object).map(plain))
    }

    /// How many items a table holds.
    pub(crate) fn count(&self, table: &str) -> Result<u64, StackError> {
        let mut scan = json!({ "TableName": table, "Select": "COUNT" });
        let mut count = 0;
        loop {
            let page = self.dynamodb("Scan", &scan)?;
            count += page.get("Count").and_then(Value::as_u64).unwrap_or_default();
            match (scan.as_object_mut(), page.get("LastEvaluatedKey")) {
                (Some(scan), Some(last)) => scan.insert("ExclusiveStartKey".to_owned(), last.clone()),
                _ => return Ok(count),
            };
        }
    }

    /// Up to so many messages of a queue, waiting for the first.
    pub(crate) fn receive(&self, queue: &str, most: u8, seconds: u8) -> Result<Vec<Value>, StackError> {
        let query = json!({
            "QueueUrl": queue,
            "MaxNumberOfMessages": most,
            "WaitTimeSeconds": seconds,
            "AttributeNames": ["All"],
        });
        let answer = self.sqs("ReceiveMessage", &query)?;
        Ok(answer.get("Messages").and_then(Value::as_array).cloned().unwrap_or_default())
    }

    pub(crate) fn delete(&self, queue: &str, message: &Value) -> Result<(), StackError> {
        let query = json!({ "QueueUrl": queue, "ReceiptHandle": message.get("ReceiptHandle") });
        self.sqs("DeleteMessage", &query).map(drop)
    }

    /// The ARN of a table's stream.
    pub(crate) fn stream_of(&self, table: &str) -> Result<String, StackError> {
        let answer = self.streams("ListStreams", &json!({ "TableName": table }))?;
        let arn = answer.pointer("/Streams/0/StreamArn").and_then(Value::as_str);
        Ok(arn.ok_or_else(|| StackError::new(format!("the table {table} has no stream")))?.to_owned())
    }

    /// The shards of a stream, by name.
    pub(crate) fn shards(&self, stream: &str) -> Result<Vec<String>, StackError> {
        let answer = self.streams("DescribeStream", &json!({ "StreamArn": stream }))?;
        let shards = answer.pointer("/StreamDescription/Shards").and_then(Value::as_array);
        let name = |shard: &Value| Some(shard.get("ShardId")?.as_str()?.to_owned());
        Ok(shards.into_iter().flatten().filter_map(name).collect())
    }

    /// Where a shard begins.
    pub(crate) fn first_iterator(&self, stream: &str, shard: &str) -> Result<String, StackError> {
        let query = json!({ "StreamArn": stream, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON" });
        let answer = self.streams("GetShardIterator", &query)?;
        Ok(answer.get("ShardIterator").and_then(Value::as_str).unwrap_or_default().to_owned())
    }

    /// The next changes of a shard, and where it goes on, unless it has ended.
    pub(crate) fn records(
        &self,
        iterator: &str,
        most: u16,
    ) -> Result<(Vec<Value>, Option<String>), StackError> {
        let answer = self.streams("GetRecords", &json!({ "ShardIterator": iterator, "Limit": most }))?;
        let records = answer.get("Records").and_then(Value::as_array).cloned().unwrap_or_default();
        let next = answer.get("NextShardIterator").and_then(Value::as_str);
        Ok((records, next.map(str::to_owned)))
    }

    fn streams(&self, action: &str, body: &Value) -> Result<Value, StackError> {
        self.ask(&self.dynamodb, &format!("DynamoDBStreams_20120810.{action}"), "1.0", body)
    }

    /// Stores a secret as a SecureString.
    pub(crate) fn put_secret(&self, name: &str, value: &str) -> Result<(), StackError> {
        let parameter = json!({ "Name": name, "Value": value, "Type": "SecureString", "Overwrite": true });
        self.ask(&self.ministack, "AmazonSSM.PutParameter", "1.1", &parameter).map(drop)
    }

    fn dynamodb(&self, action: &str, body: &Value) -> Result<Value, StackError> {
        self.ask(&self.dynamodb, &format!("DynamoDB_20120810.{action}"), "1.0", body)
    }

    fn sqs(&self, action: &str, body: &Value) -> Result<Value, StackError> {
        self.ask(&self.ministack, &format!("AmazonSQS.{action}"), "1.0", body)
    }

    fn ask(&self, address: &str, target: &str, version: &str, body: &Value) -> Result<Value, StackError> {
        let answer = expected(target, ask_aws(address, target, version, body))?;
        if answer.body.is_empty() {
            return Ok(Value::Null);
        }
        let wrong = |error| StackError::new(format!("{target} was answered with no JSON: {error}"));
        serde_json::from_str(&answer.body).map_err(wrong)
    }

    /// SNS speaks the older form protocol only.
    fn sns(&self, action: &str, parameters: &[(&str, &str)]) -> Result<(), StackError> {
        let head = [("Action", action), ("Version", "2010-03-31")];
        let all = head.iter().chain(parameters);
        let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
        let pairs: Vec<_> = all.map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        let headers =
            [("content-type", "application/x-www-form-urlencoded"), ("authorization", ANY_SIGNATURE)];
        let body = pairs.join("&");
        let patience = Duration::from_secs(60);
        expected(action, http::exchange(&self.ministack, "POST", "/", &headers, body.as_bytes(), patience))
            .map(drop)
    }
}

fn expected(action: &str, answer: std::io::Result<Response>) -> Result<Response, StackError> {
    let wrong =
        |why: &str| StackError::new(format!("the emulated AWS gave an unexpected answer to {action}: {why}"));
    let answer = answer.map_err(|error| wrong(&error.to_string()))?;
    if answer.status == 200 { Ok(answer) } else { Err(wrong(answer.body.trim())) }
}

fn start_ministack(
    processes: &Processes,
    root: &Path,
    folder: &Path,
    port: u16,
) -> Result<String, StackError> {
    let mut ministack = command(root.join(PYTHON));
    ministack.args(["-m", "ministack"]).current_dir(folder).env_clear().envs([
        ("PATH", std::env::var("PATH").unwrap_or_default().as_str()),
        ("BIND_HOST", "127.0.0.1"),
        ("GATEWAY_PORT", &port.to_string()),
        ("MINISTACK_HOST", "127.0.0.1"),
        ("MINISTACK_ACCOUNT_ID", ACCOUNT),
        ("MINISTACK_REGION", REGION),
        ("SERVICES", SERVICES),
        // The functions that it runs itself get this one.
        ("AWS_ENDPOINT_URL", &format!("http://127.0.0.1:{port}")),
        // Each of these would open another port on every interface. tests/loopback.rs checks.
        ("IOT_MTLS_ENABLED", "0"),
        ("SFTP_ENABLED", "0"),
        // It would look for containers to tidy up, and nothing here may touch the caller's Docker.
        ("DOCKER_HOST", "unix:///nonexistent"),
        ("TMPDIR", &folder.to_string_lossy()),
        ("LOG_LEVEL", "WARNING"),
    ]);
    let log = folder.join("emulator.log");
    processes.start_server("the emulator (MiniStack)", &mut ministack, port, &log)?;
    Ok(format!("127.0.0.1:{port}"))
}

fn start_dynamodb_local(processes: &Processes, root: &Path, folder: &Path) -> Result<String, StackError> {
    let (port, home) = (free_port()?, root.join(DYNAMODB_LOCAL));
    // macOS has a `java` that only says where to get one.
    let found = command("java").arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !found.is_ok_and(|status| status.success()) {
        let why = "STORE=dynamodb-local needs Java 17 or newer, which is not installed here";
        return Err(StackError::new(why));
    }
    if !home.join("DynamoDBLocal.jar").is_file() {
        let why = "DynamoDB Local is not installed: `make test STORE=dynamodb-local` installs it into .local";
        return Err(StackError::new(why));
    }
    let mut java = command("java");
    java.current_dir(home)
        .args([
            "-Djava.library.path=DynamoDBLocal_lib",
            "-classpath",
            "DynamoDBLocal.jar:DynamoDBLocal_lib/*",
        ])
        .arg("org.eclipse.jetty.xml.XmlConfiguration")
        .arg(root.join("local/dynamodb_local.xml"))
        .arg(format!("port={port}"));
    processes.start_server("DynamoDB Local", &mut java, port, &folder.join("dynamodb.log"))?;
    Ok(format!("127.0.0.1:{port}"))
}

fn chosen(properties: &Value, names: &[&str]) -> Map<String, Value> {
    let pairs = names.iter().filter_map(|name| Some(((*name).to_owned(), properties.get(name)?.clone())));
    pairs.collect()
}

/// SNS and SQS take every attribute as text.
fn as_text(attributes: Map<String, Value>) -> Map<String, Value> {
    let text = |value: Value| if value.is_string() { value } else { value.to_string().into() };
    attributes.into_iter().map(|(name, value)| (name, text(value))).collect()
}

/// DynamoDB's JSON as plain JSON.
fn plain(item: &Map<String, Value>) -> Value {
    item.iter().map(|(name, value)| (name.clone(), plain_value(value))).collect()
}

fn plain_value(typed: &Value) -> Value {
    let Some((kind, value)) = typed.as_object().and_then(|typed| typed.iter().next()) else {
        return Value::Null;
    };
    match (kind.as_str(), value) {
        ("N", Value::String(digits)) => serde_json::from_str(digits).unwrap_or_default(),
        ("L", Value::Array(items)) => items.iter().map(plain_value).collect(),
        ("M", Value::Object(members)) => plain(members),
        ("NULL", _) => Value::Null,
        (_, value) => value.clone(),
    }
}
