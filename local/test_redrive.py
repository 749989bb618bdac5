"""Dead letters on their way back, with AWS in memory."""

import os
import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from botocore.exceptions import ClientError, NoCredentialsError, NoRegionError

from .__main__ import main
from .processes import StackError
from .redrive import move, redrive_deployment, redrive_local

OUTPUTS = {"DeadLetterQueueArn": "arn:aws:sqs:x:1:dead", "SpoolQueueArn": "arn:aws:sqs:x:1:spool"}


class Aws:
    """Queues in memory, and a stack that names them. Bad messages come back, as from replay."""

    def __init__(self, *letters: str, outputs: dict[str, str] = OUTPUTS, refuses: str = "") -> None:
        self.queues: dict[str, list[str]] = {"dead": list(letters), "spool": []}
        self.outputs = outputs
        self.refuses = refuses

    def __call__(self, service: str) -> "Aws":
        return self

    def describe_stacks(self, StackName: str) -> dict[str, Any]:
        """The stack's outputs."""
        return {
            "Stacks": [{"Outputs": [{"OutputKey": k, "OutputValue": v} for k, v in self.outputs.items()]}]
        }

    def get_queue_url(self, QueueName: str) -> dict[str, str]:
        """A queue by its name."""
        return {"QueueUrl": QueueName}

    def get_queue_attributes(self, QueueUrl: str, **_: Any) -> dict[str, Any]:
        """How many messages there are."""
        return {"Attributes": {"ApproximateNumberOfMessages": str(len(self.queues[QueueUrl]))}}

    def receive_message(self, QueueUrl: str, MaxNumberOfMessages: int, **_: Any) -> dict[str, Any]:
        """The first messages."""
        bodies = self.queues[QueueUrl][:MaxNumberOfMessages]
        return {"Messages": [{"Body": body, "ReceiptHandle": body} for body in bodies]} if bodies else {}

    def send_message_batch(self, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        """Adds messages but those that are refused."""
        taken = [entry for entry in Entries if entry["MessageBody"] != self.refuses]
        for entry in taken:
            self.queues[QueueUrl].append(entry["MessageBody"])
            if entry["MessageBody"].startswith("bad"):
                self.queues["dead"].append(f"{entry['MessageBody']} again")
        failed = [{"Id": entry["Id"], "Message": "too long"} for entry in Entries if entry not in taken]
        return {"Successful": [{"Id": entry["Id"]} for entry in taken], "Failed": failed}

    def delete_message_batch(self, QueueUrl: str, Entries: list[dict[str, str]]) -> None:
        """Takes messages away."""
        for entry in Entries:
            self.queues[QueueUrl].remove(entry["ReceiptHandle"])


class Moving(unittest.TestCase):
    """From one queue to the other."""

    def test_every_message_is_moved_once(self) -> None:
        letters = [f"letter {number}" for number in range(23)]
        aws = Aws(*letters)
        self.assertEqual(move(aws, "dead", "spool"), 23)
        self.assertEqual(aws.queues, {"dead": [], "spool": letters})

    def test_messages_that_are_still_bad_are_not_moved_for_ever(self) -> None:
        aws = Aws("bad 1", "letter", "bad 2")
        self.assertEqual(move(aws, "dead", "spool"), 3)
        self.assertEqual(aws.queues["dead"], ["bad 1 again", "bad 2 again"])

    def test_a_message_that_sqs_does_not_take_stays(self) -> None:
        aws = Aws("letter 1", "letter 2", refuses="letter 2")
        with self.assertRaisesRegex(StackError, "too long"):
            move(aws, "dead", "spool")
        self.assertEqual(aws.queues, {"dead": ["letter 2"], "spool": ["letter 1"]})

    def test_those_of_a_deployment_are_found_by_its_outputs(self) -> None:
        aws = Aws("letter")
        self.assertEqual(redrive_deployment("mine", aws), 1)
        self.assertEqual(aws.queues, {"dead": [], "spool": ["letter"]})


class Failing(unittest.TestCase):
    """What is missing is said in one line."""

    def test_no_stack_runs(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            env_file = Path(folder) / "stack.env"
            with self.assertRaisesRegex(StackError, "no local stack is running"):
                redrive_local(env_file)
            env_file.write_text("AWS_REGION=us-east-1\n")
            with self.assertRaisesRegex(StackError, "no DEAD_LETTER_QUEUE_URL and no SPOOL_QUEUE_URL"):
                redrive_local(env_file)
            # Nothing listens at port 1.
            settings = {"REGION": "us-east-1", "ENDPOINT_URL_SQS": "http://127.0.0.1:1", "ACCESS_KEY_ID": "x"}
            lines = [f"AWS_{name}={value}" for name, value in settings.items()]
            queues = [f"{name}_QUEUE_URL=http://127.0.0.1:1/q" for name in ("DEAD_LETTER", "SPOOL")]
            env_file.write_text("\n".join([*lines, "AWS_SECRET_ACCESS_KEY=x", *queues]))
            with self.assertRaisesRegex(StackError, "nothing answers at http://127.0.0.1:1"):
                redrive_local(env_file)

    def test_a_deployment_cannot_be_asked(self) -> None:
        unknown = {"Error": {"Code": "ValidationError", "Message": "Stack with id mine does not exist"}}
        for aws, line in [
            (Aws(outputs={"Other": "x"}), "mine has no output DeadLetterQueueArn and no SpoolQueueArn"),
            (mock.Mock(side_effect=NoCredentialsError()), "no AWS credentials for STACK=mine"),
            (mock.Mock(side_effect=NoRegionError()), "set AWS_REGION"),
            (
                mock.Mock(side_effect=ClientError(unknown, "DescribeStacks")),
                "DescribeStacks for STACK=mine: Stack with id mine does not exist",
            ),
        ]:
            with self.subTest(line=line), self.assertRaisesRegex(StackError, line) as raised:
                redrive_deployment("mine", aws)
            self.assertNotIn("\n", str(raised.exception))

    def test_the_callers_aws_settings_are_kept_only_for_a_named_deployment(self) -> None:
        seen = {}

        def redriven(deployment: str) -> int:
            seen[deployment] = os.environ.get("AWS_PROFILE")
            return 0

        for stack in ("mine", ""):
            environment = mock.patch.dict(os.environ, {"AWS_PROFILE": "theirs", "STACK": stack})
            with environment, mock.patch("local.commands.replay", redriven), mock.patch("signal.signal"):
                self.assertEqual(main(["replay"]), 0)
        self.assertEqual(seen, {"mine": "theirs", "": None})
