"""MiniStack: one process that stands in for DynamoDB, SNS and SQS, in memory and new at each start."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import boto3
from boto3.dynamodb.types import TypeDeserializer
from botocore.config import Config

from .processes import LOOPBACK, Processes, wait_for_port
from .template import ACCOUNT, REGION, Template

# Both the key id and the secret: there is nothing to protect.
CREDENTIAL = "local"

TABLE_PROPERTIES = (
    "AttributeDefinitions",
    "BillingMode",
    "GlobalSecondaryIndexes",
    "KeySchema",
    "LocalSecondaryIndexes",
    "ProvisionedThroughput",
)
# Encryption, tags and policies change nothing here and are left out.
TOPIC_ATTRIBUTES = ("ContentBasedDeduplication", "FifoTopic")
QUEUE_ATTRIBUTES = (
    "ContentBasedDeduplication",
    "DelaySeconds",
    "FifoQueue",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "ReceiveMessageWaitTimeSeconds",
    "RedrivePolicy",
    "VisibilityTimeout",
)
SUBSCRIPTION_ATTRIBUTES = ("FilterPolicy", "FilterPolicyScope", "RawMessageDelivery", "RedrivePolicy")


class Emulator:
    """A running MiniStack and its clients."""

    def __init__(self, processes: Processes, port: int, folder: Path) -> None:
        log = folder / "emulator.log"
        self.endpoint = f"http://{LOOPBACK}:{port}"
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "BIND_HOST": LOOPBACK,
            "GATEWAY_PORT": str(port),
            "MINISTACK_HOST": LOOPBACK,
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "MINISTACK_REGION": REGION,
            "SERVICES": "dynamodb,sns,sqs",
            # Each of these would open a port of its own, the first one on every interface.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            # It would look for containers to tidy up, and nothing here may touch a reader's Docker.
            "DOCKER_HOST": "unix:///nonexistent",
            "TMPDIR": str(folder),
            "LOG_LEVEL": "WARNING",
        }
        with log.open("w") as output:
            process = processes.start(
                [sys.executable, "-m", "ministack"], env=environment, cwd=folder, stdout=output, stderr=output
            )
        wait_for_port(port, process, "the emulator (MiniStack)", log)
        self.dynamodb = self._client("dynamodb")
        self.sns = self._client("sns")
        self.sqs = self._client("sqs")

    def _client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=CREDENTIAL,
            aws_secret_access_key=CREDENTIAL,
            # An emulator that does not answer at once is gone.
            config=Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=10),
        )

    def create(self, template: Template) -> None:
        """Creates the template's tables, queues, topics and subscriptions, in the order in which they can be named."""
        for name, properties in template.resources("AWS::DynamoDB::Table").items():
            self._create_table(template, name, properties)
        queues = template.resources("AWS::SQS::Queue")
        for name in sorted(queues, key=lambda name: "RedrivePolicy" in queues[name]):
            attributes = _attributes(template.resolve(queues[name]), QUEUE_ATTRIBUTES)
            url, arn = self.create_queue(_local_name(name, attributes.get("FifoQueue")), attributes)
            template.created(name, url, Arn=arn, QueueName=url.rsplit("/", 1)[-1], QueueUrl=url)
        topics = template.resources("AWS::SNS::Topic")
        for name, properties in topics.items():
            attributes = _attributes(template.resolve(properties), TOPIC_ATTRIBUTES)
            topic = _local_name(name, attributes.get("FifoTopic"))
            arn = self.sns.create_topic(Name=topic, Attributes=attributes)["TopicArn"]
            template.created(name, arn, TopicArn=arn, TopicName=topic)
        for name, properties in topics.items():
            for subscription in template.resolve(properties.get("Subscription", [])):
                self.subscribe(template.resolve({"Ref": name}), subscription)
        for properties in template.resources("AWS::SNS::Subscription").values():
            subscription = template.resolve(properties)
            self.subscribe(subscription["TopicArn"], subscription)

    def _create_table(self, template: Template, name: str, properties: dict[str, Any]) -> None:
        resolved = template.resolve(properties)
        table = _local_name(name)
        known = {key: resolved[key] for key in TABLE_PROPERTIES if key in resolved}
        description = self.dynamodb.create_table(TableName=table, **known)["TableDescription"]
        if "TimeToLiveSpecification" in resolved:
            self.dynamodb.update_time_to_live(
                TableName=table, TimeToLiveSpecification=resolved["TimeToLiveSpecification"]
            )
        template.created(name, table, Arn=description["TableArn"])

    def create_queue(self, name: str, attributes: dict[str, str] | None = None) -> tuple[str, str]:
        """Creates a queue and says its URL and its ARN."""
        url = self.sqs.create_queue(QueueName=name, Attributes=attributes or {})["QueueUrl"]
        answer = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return url, answer["Attributes"]["QueueArn"]

    def queue_url(self, arn: str) -> str:
        """Where the queue with an ARN is."""
        url: str = self.sqs.get_queue_url(QueueName=arn.rsplit(":", 1)[-1])["QueueUrl"]
        return url

    def subscribe(self, topic: str, subscription: dict[str, Any]) -> None:
        """Subscribes a queue to a topic; other protocols reach nobody here."""
        if subscription["Protocol"] == "sqs":
            self.sns.subscribe(
                TopicArn=topic,
                Protocol="sqs",
                Endpoint=subscription["Endpoint"],
                Attributes=_attributes(subscription, SUBSCRIPTION_ATTRIBUTES),
            )

    def call(self, table: str, sid: str) -> dict[str, Any] | None:
        """The call item of a session."""
        key = {"sid": {"S": sid}, "record": {"S": "call"}}
        item = self.dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")
        return _plain(item) if item else None

    def count(self, table: str) -> int:
        """How many items a table holds. MiniStack knows at any time; AWS would tell the number of some hours ago."""
        count: int = self.dynamodb.describe_table(TableName=table)["Table"]["ItemCount"]
        return count

    def take_jobs(self, queue: str, seconds: int = 0) -> list[dict[str, str]]:
        """Takes what is in a queue of push jobs, waiting for the first."""
        answer = self.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=seconds)
        messages = answer.get("Messages", [])
        for message in messages:
            self.sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in messages]


def _local_name(name: str, fifo: str | None = None) -> str:
    return f"ringback-local-{name}" + (".fifo" if fifo == "true" else "")


def _attributes(properties: dict[str, Any], known: tuple[str, ...]) -> dict[str, str]:
    """SNS and SQS take every attribute as text."""
    return {
        key: properties[key] if isinstance(properties[key], str) else json.dumps(properties[key])
        for key in known
        if key in properties
    }


def _plain(item: dict[str, Any]) -> dict[str, Any]:
    deserializer = TypeDeserializer()
    return {name: deserializer.deserialize(value) for name, value in item.items()}
