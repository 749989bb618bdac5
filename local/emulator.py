"""What stands in for DynamoDB, SNS and SQS, in memory and new at each start.

MiniStack is all three in one process. With STORE=dynamodb-local the tables are in Amazon's own DynamoDB Local.
"""

import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from .aws import local_client
from .processes import LOOPBACK, Processes, StackError, free_port
from .template import ACCOUNT, REGION, Function, Template

# Both the key id and the secret: there is nothing to protect.
CREDENTIAL = "local"
STORES = ("ministack", "dynamodb-local")
# Where `make` unpacks npm's amplify-dynamodb-simulator.
DYNAMODB_LOCAL = Path(__file__).resolve().parent.parent / ".local/dynamodb-local/package/emulator"

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
# A function for MiniStack, which polls queues as Lambda does: it hands a batch on to one of ours.
HAND_ON = """
import json, os, urllib.request

def handler(event, context):
    with urllib.request.urlopen(os.environ["INVOKES"], json.dumps(event).encode()) as answer:
        return json.load(answer)
"""


class Emulator:
    """The running emulators and their clients."""

    def __init__(self, processes: Processes, port: int, folder: Path, store: str) -> None:
        self.ministack = endpoint = _start_ministack(processes, port, folder)
        self.environment = {
            "AWS_ENDPOINT_URL_DYNAMODB": endpoint,
            "AWS_ENDPOINT_URL_SNS": endpoint,
            "AWS_ENDPOINT_URL_SQS": endpoint,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": CREDENTIAL,
            "AWS_SECRET_ACCESS_KEY": CREDENTIAL,
        }
        if store == "dynamodb-local":
            self.environment["AWS_ENDPOINT_URL_DYNAMODB"] = _start_dynamodb_local(processes, folder)
        self.dynamodb, self.sns, self.sqs = (
            local_client(service, self.environment) for service in ("dynamodb", "sns", "sqs")
        )

    def create(self, template: Template) -> None:
        """Creates the template's tables, queues, topics and subscriptions, each after what it refers to."""
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
            lifetime = resolved["TimeToLiveSpecification"]
            self.dynamodb.update_time_to_live(TableName=table, TimeToLiveSpecification=lifetime)
        template.created(name, table, Arn=description["TableArn"])

    def create_queue(self, name: str, attributes: dict[str, str] | None = None) -> tuple[str, str]:
        """Creates a queue and returns its URL and its ARN."""
        url = self.sqs.create_queue(QueueName=name, Attributes=attributes or {})["QueueUrl"]
        answer = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return url, answer["Attributes"]["QueueArn"]

    def feed(self, function: Function, invokes: str) -> None:
        """Has a function invoked with what is in its queues, in batches and with Lambda's rules for failures."""
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("hand_on.py", HAND_ON)
        emulated = local_client("lambda", {**self.environment, "AWS_ENDPOINT_URL_LAMBDA": self.ministack})
        emulated.create_function(
            FunctionName=function.name,
            Runtime="python3.12",
            Role=f"arn:aws:iam::{ACCOUNT}:role/local",
            Handler="hand_on.handler",
            Code={"ZipFile": code.getvalue()},
            # A batch of ten records, each with a store that does not answer.
            Timeout=60,
            Environment={"Variables": {"INVOKES": invokes}},
        )
        for queue in function.queues:
            emulated.create_event_source_mapping(
                FunctionName=function.name,
                EventSourceArn=queue.arn,
                BatchSize=queue.batch_size,
                FunctionResponseTypes=["ReportBatchItemFailures"] * queue.reports_failures,
            )

    def subscribe(self, topic: str, subscription: dict[str, Any]) -> None:
        """Subscribes a queue to a topic; other protocols have no receiver here."""
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
        deserialize = TypeDeserializer().deserialize
        return {name: deserialize(value) for name, value in item.items()} if item else None

    def count(self, table: str) -> int:
        """How many items a table holds."""
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=table, Select="COUNT")
        return sum(page["Count"] for page in pages)

    def take_jobs(self, queue: str, seconds: int = 0) -> list[dict[str, str]]:
        """Takes what is in a queue of push jobs, waiting for the first."""
        answer = self.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=seconds)
        messages = answer.get("Messages", [])
        for message in messages:
            self.sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in messages]


def _start_ministack(processes: Processes, port: int, folder: Path) -> str:
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "BIND_HOST": LOOPBACK,
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": LOOPBACK,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_REGION": REGION,
        "SERVICES": "dynamodb,lambda,sns,sqs",
        # Each of these would open a port of its own on every interface. test_loopback.py checks.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        # It would look for containers to tidy up, and nothing here may touch the caller's Docker.
        "DOCKER_HOST": "unix:///nonexistent",
        "TMPDIR": str(folder),
        "LOG_LEVEL": "WARNING",
    }
    command = [sys.executable, "-m", "ministack"]
    log = folder / "emulator.log"
    processes.start_server("the emulator (MiniStack)", command, port, log, env=environment, cwd=folder)
    return f"http://{LOOPBACK}:{port}"


def _start_dynamodb_local(processes: Processes, folder: Path) -> str:
    port = free_port()
    command = [
        java(), "-Djava.library.path=DynamoDBLocal_lib",
        "-classpath", "DynamoDBLocal.jar:DynamoDBLocal_lib/*",
        "org.eclipse.jetty.xml.XmlConfiguration", str(Path(__file__).with_name("dynamodb_local.xml")), f"port={port}",
    ]  # fmt: skip
    processes.start_server("DynamoDB Local", command, port, folder / "dynamodb.log", cwd=DYNAMODB_LOCAL)
    return f"http://{LOOPBACK}:{port}"


def java() -> str:
    """Java, for DynamoDB Local."""
    found = shutil.which("java")
    # macOS has a `java` that only says where to get one.
    if not found or subprocess.run([found, "-version"], capture_output=True, check=False).returncode:
        raise StackError("STORE=dynamodb-local needs Java 17 or newer, which is not installed here")
    if not (DYNAMODB_LOCAL / "DynamoDBLocal.jar").is_file():
        raise StackError(
            "DynamoDB Local is not installed: `make test STORE=dynamodb-local` installs it into .local"
        )
    return found


def _local_name(name: str, fifo: str | None = None) -> str:
    return f"ringback-local-{name}" + (".fifo" if fifo == "true" else "")


def _attributes(properties: dict[str, Any], known: tuple[str, ...]) -> dict[str, str]:
    """SNS and SQS take every attribute as text."""
    return {
        key: properties[key] if isinstance(properties[key], str) else json.dumps(properties[key])
        for key in known
        if key in properties
    }
