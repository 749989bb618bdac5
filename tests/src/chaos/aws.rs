//! SQS as its consumers use it, and topics and queues for the harness alone, so that no other consumer
//! takes its messages.

use serde_json::{Value, json};

use crate::http;
use crate::stack::{address_of, aws, variable};

/// A topic with a queue behind it, as in template.yaml.
pub(super) struct Channel {
    /// The topic's ARN.
    pub(super) topic: String,
    queue: String,
}

/// A message of a queue.
#[derive(Clone, Debug)]
pub(super) struct Message {
    /// SQS's id.
    pub(super) id: String,
    /// The body.
    pub(super) body: String,
    /// The attribute `reason`, which dead letters have.
    pub(super) reason: Option<String>,
    receipt: String,
}

impl Channel {
    /// Makes both.
    pub(super) fn create(name: &str) -> Self {
        let answer = sns(&[("Action", "CreateTopic"), ("Name", name)]);
        let topic =
            answer.split_once("<TopicArn>").unwrap().1.split_once("</TopicArn>").unwrap().0.to_owned();
        let queue =
            sqs("CreateQueue", &json!({ "QueueName": name, "Attributes": { "VisibilityTimeout": "60" } }));
        let queue = queue["QueueUrl"].as_str().unwrap().to_owned();
        let arn = topic.replace(":sns:", ":sqs:");
        sns(&[
            ("Action", "Subscribe"),
            ("TopicArn", &topic),
            ("Protocol", "sqs"),
            ("Endpoint", &arn),
            ("Attributes.entry.1.key", "RawMessageDelivery"),
            ("Attributes.entry.1.value", "true"),
        ]);
        Self { topic, queue }
    }

    /// Up to ten messages, hidden from other consumers for a minute.
    pub(super) fn receive(&self) -> Vec<Message> {
        let answer = sqs(
            "ReceiveMessage",
            &json!({ "QueueUrl": self.queue, "MaxNumberOfMessages": 10, "MessageAttributeNames": ["All"] }),
        );
        let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let message = |message: &Value| Message {
            id: text(&message["MessageId"]),
            body: text(&message["Body"]),
            reason: message["MessageAttributes"]["reason"]["StringValue"].as_str().map(str::to_owned),
            receipt: text(&message["ReceiptHandle"]),
        };
        messages.iter().map(message).collect()
    }

    /// How many messages it holds, hidden ones included.
    pub(super) fn holds(&self) -> u64 {
        let answer = sqs("GetQueueAttributes", &json!({ "QueueUrl": self.queue, "AttributeNames": ["All"] }));
        let count = |name: &str| {
            answer["Attributes"][name].as_str().and_then(|count| count.parse().ok()).unwrap_or(0)
        };
        count("ApproximateNumberOfMessages") + count("ApproximateNumberOfMessagesNotVisible")
    }

    /// Removes messages that are done.
    pub(super) fn delete(&self, messages: &[Message]) {
        if messages.is_empty() {
            return;
        }
        let entries: Vec<Value> = messages
            .iter()
            .enumerate()
            .map(|(number, message)| {
                let id = number.to_string();
                json!({ "Id": id, "ReceiptHandle": message.receipt })
            })
            .collect();
        let answer = sqs("DeleteMessageBatch", &json!({ "QueueUrl": self.queue, "Entries": entries }));
        assert!(answer["Failed"].as_array().is_none_or(Vec::is_empty), "{answer}");
    }

    /// Makes them visible again at once, instead of after SQS's minute.
    pub(super) fn give_back(&self, messages: &[Message]) {
        for message in messages {
            let change =
                json!({ "QueueUrl": self.queue, "ReceiptHandle": message.receipt, "VisibilityTimeout": 0 });
            sqs("ChangeMessageVisibility", &change);
        }
    }

    /// Takes everything out.
    pub(super) fn take_all(&self) -> Vec<Message> {
        let mut taken = Vec::new();
        // Messages in flight from SNS arrive within two reads of the empty queue.
        let mut empty_looks = 0;
        while empty_looks < 2 {
            let messages = self.receive();
            empty_looks = if messages.is_empty() { empty_looks + 1 } else { 0 };
            self.delete(&messages);
            taken.extend(messages);
        }
        taken
    }
}

fn sqs(action: &str, body: &Value) -> Value {
    aws("AWS_ENDPOINT_URL_SQS", &format!("AmazonSQS.{action}"), "1.0", body)
}

fn sns(parameters: &[(&str, &str)]) -> String {
    let body: Vec<String> =
        parameters.iter().map(|(name, value)| format!("{name}={}", value.replace(':', "%3A"))).collect();
    let authorization = "AWS4-HMAC-SHA256 Credential=local/20261101/us-east-1/sns/aws4_request, \
                         SignedHeaders=host, Signature=0";
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("authorization", authorization)];
    let endpoint = variable("AWS_ENDPOINT_URL_SNS");
    let answer = http::send(address_of(&endpoint), "POST", "/", &headers, &body.join("&"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}
