"""What stands in for DynamoDB, SNS and SQS, in memory and new at each start.

MiniStack is all three in one process. STORE=dynamodb-local keeps the tables in Amazon's DynamoDB Local.
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
PREFIX = "ringback-local-"
SERVICES = "cloudformation,cloudwatch,dynamodb,kms,lambda,logs,sns,sqs,ssm"
STORES = ("ministack", "dynamodb-local")
# Where `make` unpacks npm's amplify-dynamodb-simulator.
DYNAMODB_LOCAL = Path(__file__).resolve().parent.parent / ".local/dynamodb-local/package/emulator"

# Encryption, tags and policies change nothing here and are left out.
TABLE_PROPERTIES = ("AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes", "KeySchema")
QUEUE_ATTRIBUTES = ("DelaySeconds", "MessageRetentionPeriod", "RedrivePolicy", "VisibilityTimeout")
SUBSCRIPTION_ATTRIBUTES = ("FilterPolicy", "RawMessageDelivery", "RedrivePolicy")
# A function for MiniStack, which polls queues as Lambda does: it passes a batch on to one of ours.
HAND_ON = """
import json, os, urllib.request

def handler(event, context):
    with urllib.request.urlopen(os.environ["INVOKES"], json.dumps(event).encode()) as answer:
        return json.load(answer)
"""


class Emulator:
    """The running emulators and their clients."""

    def __init__(self, processes: Processes, port: int, folder: Path, store: str) -> None:
        self.ministack = endpoint = start_ministack(processes, port, folder, SERVICES)
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
            table = _chosen(template.resolve(properties), TABLE_PROPERTIES)
            description = self.dynamodb.create_table(TableName=PREFIX + name, **table)["TableDescription"]
            template.created(name, PREFIX + name, Arn=description["TableArn"])
        queues = template.resources("AWS::SQS::Queue")
        for name in sorted(queues, key=lambda name: "RedrivePolicy" in queues[name]):
            url, arn = self.create_queue(name, template.resolve(queues[name]))
            template.created(name, url, Arn=arn, QueueName=PREFIX + name, QueueUrl=url)
        for name in template.resources("AWS::SNS::Topic"):
            arn = self.sns.create_topic(Name=PREFIX + name)["TopicArn"]
            template.created(name, arn, TopicArn=arn, TopicName=PREFIX + name)
        for properties in template.resources("AWS::SNS::Subscription").values():
            self.subscribe(template.resolve(properties))

    def create_queue(self, name: str, properties: dict[str, Any]) -> tuple[str, str]:
        """Creates a queue and returns its URL and its ARN."""
        attributes = _as_text(_chosen(properties, QUEUE_ATTRIBUTES))
        url = self.sqs.create_queue(QueueName=PREFIX + name, Attributes=attributes)["QueueUrl"]
        answer = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return url, answer["Attributes"]["QueueArn"]

    def subscribe(self, subscription: dict[str, Any]) -> None:
        """Subscribes a queue to a topic; other protocols have no receiver here."""
        if subscription["Protocol"] == "sqs":
            attributes = _as_text(_chosen(subscription, SUBSCRIPTION_ATTRIBUTES))
            target = _chosen(subscription, ("TopicArn", "Protocol", "Endpoint"))
            self.sns.subscribe(**target, Attributes=attributes)

    def feed(self, function: Function, invokes: str) -> None:
        """Has a function invoked with what is in its queues, in batches, by Lambda's rules."""
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


def start_ministack(processes: Processes, port: int, folder: Path, services: str) -> str:
    """Starts MiniStack with some of its services, and returns its address."""
    endpoint = f"http://{LOOPBACK}:{port}"
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "BIND_HOST": LOOPBACK,
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": LOOPBACK,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_REGION": REGION,
        "SERVICES": services,
        # The functions that it runs itself get this one.
        "AWS_ENDPOINT_URL": endpoint,
        # Each of these would open another port on every interface. test_loopback.py checks.
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
    return endpoint


def _start_dynamodb_local(processes: Processes, folder: Path) -> str:
    port = free_port()
    command = [
        java(), "-Djava.library.path=DynamoDBLocal_lib",
        "-classpath", "DynamoDBLocal.jar:DynamoDBLocal_lib/*",
        "org.eclipse.jetty.xml.XmlConfiguration",
        str(Path(__file__).with_name("dynamodb_local.xml")), f"port={port}",
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


def _chosen(properties: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: properties[name] for name in names if name in properties}


def _as_text(attributes: dict[str, Any]) -> dict[str, str]:
    """SNS and SQS take every attribute as text."""
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in attributes.items()}
