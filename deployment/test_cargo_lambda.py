"""The steps of docs/deploy-with-cargo-lambda.md, in an emulated AWS that runs the deployed functions.

The emulator and the built functions are those of a running local stack: `ringback-local exec` starts it.
"""

import hashlib
import http.client
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3

from local.cloudformation import ACCOUNT, REGION, ROOT, Deployment

from .base import base
from .examples import BOTH, EXAMPLES, LINE, TENCENT, TOKEN, template
from .test_base import deploy_settings

STACK = "ringback-second"
BUILT = ROOT / "target/debug"
# What MiniStack's CloudFormation cannot make, and what no function needs.
NOT_EMULATED = ("AWS::Budgets::Budget", "AWS::CloudWatch::Alarm", "AWS::Logs::QueryDefinition")


class Account:
    """An emulated account with the stack in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # DynamoDB may have an endpoint of its own.
        self.endpoint = os.environ["AWS_ENDPOINT_URL_SQS"]
        self.cloudformation = self.client("cloudformation")
        self._create_stack()
        description = self.cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]
        self.outputs = {each["OutputKey"]: each["OutputValue"] for each in description["Outputs"]}
        exports = self.cloudformation.list_exports()["Exports"]
        self.exports = {each["Name"]: each["Value"] for each in exports}
        self.variables = self._variables()

    def client(self, service: str) -> Any:
        """The client of a service."""
        return boto3.client(service, endpoint_url=self.endpoint, region_name=REGION)

    def _create_stack(self) -> None:
        source = base(template())
        resources = {
            name: each for name, each in source["Resources"].items() if each["Type"] not in NOT_EMULATED
        }
        self.cloudformation.create_stack(
            StackName=STACK,
            TemplateBody=json.dumps({**source, "Resources": resources}),
            Capabilities=["CAPABILITY_IAM"],
            Parameters=[
                {"ParameterKey": name, "ParameterValue": value}
                for name, value in {**LINE, **TENCENT, "Stage": "dev"}.items()
            ],
        )
        deadline = time.monotonic() + 30
        while True:
            stack = self.cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]
            if stack["StackStatus"] == "CREATE_COMPLETE":
                return
            if not stack["StackStatus"].endswith("IN_PROGRESS") or time.monotonic() > deadline:
                raise AssertionError(f"{stack['StackStatus']}: {stack.get('StackStatusReason')}")
            time.sleep(0.1)

    def _variables(self) -> dict[str, dict[str, str]]:
        """What `ringback env` prints for each binary: the template's variables that have a value."""
        deployment = Deployment(template(), EXAMPLES[BOTH])
        for each in self.cloudformation.list_stack_resources(StackName=STACK)["StackResourceSummaries"]:
            deployment.created(each["LogicalResourceId"], each["PhysicalResourceId"])
        own = {
            "CALLBACK_TOKEN_SHA256": hashlib.sha256(TOKEN.encode()).hexdigest(),
            "METRICS_NAMESPACE": f"Ringback/{STACK}",
        }
        return {
            deployment.binary(function): {
                name: own.get(name, value)
                for name, value in deployment.environment(function).items()
                if own.get(name, value)
            }
            for function in deployment.functions()
        }

    def deploy(self, binary: str) -> dict[str, Any]:
        """Runs `cargo lambda deploy` for one function, and returns what it says."""
        # As `cargo lambda build` leaves it. Debug information would only be uploaded.
        bootstrap = self.folder / binary / "bootstrap"
        bootstrap.parent.mkdir(exist_ok=True)
        shutil.copy(BUILT / binary, bootstrap)
        subprocess.run(["strip", bootstrap], check=True)
        variables = self.folder / binary / "env"
        quoted = {name: value.replace('"', '\\"') for name, value in self.variables[binary].items()}
        variables.write_text("".join(f'{name}="{value}"\n' for name, value in quoted.items()))
        command = [
            *(Path(sys.executable).with_name("cargo-lambda"), "lambda", "deploy"),
            *("--endpoint-url", self.endpoint, "--output-format", "json", "--lambda-dir", self.folder),
            *("--binary-name", binary, "--role", self.exports[f"{STACK}-{binary}-role"]),
            *("--env-file", variables, f"{STACK}-{binary}"),
        ]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise AssertionError(f"cargo lambda deploy {binary}: {done.stderr}")
        # Some of its progress comes first.
        said: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])
        return said

    def request(self, url: str, method: str, path: str, body: str) -> tuple[int, str]:
        """Sends a request to a function's URL and returns status and body."""
        headers = {"Host": urlsplit(url).netloc, "Content-Type": "application/json"}
        with closing(
            http.client.HTTPConnection("127.0.0.1", urlsplit(self.endpoint).port, timeout=20)
        ) as connection:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()


class CargoLambda(unittest.TestCase):
    """What `cargo lambda deploy` makes of the functions, and what they do then."""

    account: Account
    deployed: dict[str, dict[str, Any]]

    @classmethod
    def setUpClass(cls) -> None:
        folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.account = Account(folder)
        with ThreadPoolExecutor(2) as pool:
            said = pool.map(cls.account.deploy, cls.account.variables)
            cls.deployed = dict(zip(cls.account.variables, said, strict=True))

    def setUp(self) -> None:
        self.lambdas = self.account.client("lambda")

    def test_each_function_is_configured_as_the_template_says(self) -> None:
        machine = {"aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "x86_64")
        for binary, variables in self.account.variables.items():
            name = f"{STACK}-{binary}"
            found = self.lambdas.get_function_configuration(FunctionName=name, Qualifier="live")
            settings = deploy_settings(binary)
            with self.subTest(function=binary):
                self.assertEqual(found["Environment"]["Variables"], variables)
                self.assertEqual(found["MemorySize"], settings["memory"])
                self.assertEqual(found["Timeout"], settings["timeout"])
                self.assertEqual((found["Runtime"], found["Architectures"]), ("provided.al2023", [machine]))
                self.assertEqual(found["Role"], self.account.exports[f"{name}-role"])
                open_to_all = bool(self.deployed[binary]["function_url"])
                self.assertEqual(open_to_all, binary not in ("replay", "devices", "project", "history"))

    def test_everyone_may_send_requests_to_a_functions_url_and_nothing_else(self) -> None:
        for binary in self.account.variables:
            if not self.deployed[binary]["function_url"]:
                continue
            function = {"FunctionName": f"{STACK}-{binary}", "Qualifier": "live"}
            self.assertEqual(self.lambdas.get_function_url_config(**function)["AuthType"], "NONE")
            policy = json.loads(self.lambdas.get_policy(**function)["Policy"])
            # AWS Lambda, "Control access to Lambda function URLs": since October 2025 both are needed.
            self.assertEqual(
                {each["Action"]: each["Condition"] for each in policy["Statement"]},
                {
                    "lambda:InvokeFunctionUrl": {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}},
                    "lambda:InvokeFunction": {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}},
                },
            )

    def test_a_callback_to_each_functions_url_has_its_effect(self) -> None:
        queue = self.account.client("sqs").create_queue(QueueName="jobs")["QueueUrl"]
        self.account.client("sns").subscribe(
            TopicArn=self.account.outputs["PushJobsTopicArn"],
            Protocol="sqs",
            Endpoint=f"arn:aws:sqs:{REGION}:{ACCOUNT}:jobs",
        )
        people = "from_service_id=my-service&from_user_id=alice&to_service_id=my-service&to_user_id=bob"
        room = "svc_id=my-service&id=room-1&user_svc_id=my-service&user_id=alice&sc=C"
        app = f"sdkappid={TENCENT['TencentSdkAppIds']}&command=caller_start_call"
        started = {"CallId": "url-tencent", "UserId": "alice", "Role": "caller", "Event": "start_call"}
        for binary, path, body in (
            ("notify", f"line/notify_cb?sid=url-notify&type=A&param=cGFyYW0&{people}", ""),
            ("call-event", f"line/call_event?sid=url-call&type=A&duration=30&{people}", ""),
            ("group-call-event", f"line/gcall_event?sid=url-group&{room}", ""),
            ("agent-call-status", "line/agent_call_status?sid=url-agent&result=SUCCESS", ""),
            ("tencent-call-event", f"tencent/call_event?{app}", json.dumps(started)),
        ):
            url, method = self.deployed[binary]["function_url"], "POST" if body else "GET"
            with self.subTest(function=binary):
                self.assertEqual(self.account.request(url, method, f"/wrong/{path}", body), (404, ""))
                status, said = self.account.request(url, method, f"/{TOKEN}/{path}", body)
                self.assertEqual(status, 200, said)
        for sid in ("url-call", "url-group", "url-agent", "url-tencent"):
            found = self.account.client("dynamodb").query(
                TableName=self.account.outputs["RecordsTableName"],
                KeyConditionExpression="sid = :sid",
                ExpressionAttributeValues={":sid": {"S": sid}},
            )
            self.assertEqual(found["Count"], 2, sid)
        answer = self.account.client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=5)
        self.assertIn("url-notify", answer["Messages"][0]["Body"])

    def test_replay_is_fed_from_the_spool(self) -> None:
        self.lambdas.create_event_source_mapping(
            FunctionName=self.lambdas.get_alias(FunctionName=f"{STACK}-replay", Name="live")["AliasArn"],
            EventSourceArn=self.account.outputs["SpoolQueueArn"],
            BatchSize=10,
            FunctionResponseTypes=["ReportBatchItemFailures"],
        )
        spool = self.account.variables["call-event"]["SPOOL_TOPIC_ARN"]
        self.account.client("sns").publish(TopicArn=spool, Message="not a record")
        sqs = self.account.client("sqs")
        letters = self.account.outputs["DeadLetterQueueArn"].rsplit(":", 1)[-1]
        answer = sqs.receive_message(
            QueueUrl=sqs.get_queue_url(QueueName=letters)["QueueUrl"],
            WaitTimeSeconds=9,
            MessageAttributeNames=["All"],
        )
        (message,) = answer["Messages"]
        self.assertEqual(message["MessageAttributes"]["reason"]["StringValue"], "not_a_record")

    def test_the_same_command_updates_a_function_and_moves_its_alias(self) -> None:
        before, variables = self.deployed["call-event"], self.account.variables["call-event"]
        variables |= {"RETENTION_DAYS": "30", "TENCENT_CALLBACK_TOKEN": 'a#b "c"=d \\ $e'}
        after = self.account.deploy("call-event")
        self.assertGreater(int(after["version"]), int(before["version"]))
        self.assertEqual(after["function_url"], before["function_url"])
        live = self.lambdas.get_function_configuration(FunctionName=f"{STACK}-call-event", Qualifier="live")
        self.assertEqual(live["Version"], after["version"])
        self.assertEqual(live["Environment"]["Variables"], variables)
