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
from .redrive import OUTPUTS, move, redrive_deployment, redrive_local


class Aws:
    """Queues in memory, and a stack that names them. Bad messages come back, as from replay."""

    def __init__(self, *letters: str, refuses: str = "", outputs: tuple[str, ...] = OUTPUTS) -> None:
        self.queues: dict[str, list[str]] = {"dead": list(letters), "spool": []}
        self.refuses = refuses
        names = zip(outputs, self.queues, strict=True)
        self.outputs = [{"OutputKey": key, "OutputValue": f"arn:aws:sqs:x:1:{name}"} for key, name in names]

    def __call__(self, service: str) -> Any:
        """CloudFormation or SQS."""
        return (
            self
            if service == "sqs"
            else mock.Mock(describe_stacks=lambda **_: {"Stacks": [{"Outputs": self.outputs}]})
        )

    def get_queue_url(self, QueueName: str) -> dict[str, str]:
        """A queue by its name."""
        return {"QueueUrl": QueueName}

    def get_queue_attributes(self, QueueUrl: str, **_: Any) -> dict[str, Any]:
        """How many messages there are."""
        return {"Attributes": {"ApproximateNumberOfMessages": str(len(self.queues[QueueUrl]))}}

    def receive_message(self, QueueUrl: str, MaxNumberOfMessages: int, **_: Any) -> dict[str, Any]:
        """The first messages."""
        bodies = self.queues[QueueUrl][:MaxNumberOfMessages]
        return {"Messages": [{"Body": body, "ReceiptHandle": body} for body in bodies]}

    def send_message_batch(self, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        """Adds messages but those that are refused."""
        bodies = {
            entry["Id"]: entry["MessageBody"] for entry in Entries if entry["MessageBody"] != self.refuses
        }
        self.queues[QueueUrl] += bodies.values()
        self.queues["dead"] += [f"{body} again" for body in bodies.values() if body.startswith("bad")]
        return {"Successful": [{"Id": id} for id in bodies], "Failed": [{"Message": "too long"}]}

    def delete_message_batch(self, QueueUrl: str, Entries: list[dict[str, str]]) -> None:
        """Takes messages away."""
        for entry in Entries:
            self.queues[QueueUrl].remove(entry["ReceiptHandle"])


class Moving(unittest.TestCase):
    """From one queue to the other."""

    def test_every_message_of_a_deployment_is_moved_once(self) -> None:
        letters = [f"letter {number}" for number in range(23)]
        aws = Aws(*letters)
        self.assertEqual(redrive_deployment("mine", aws), 23)
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


class Failing(unittest.TestCase):
    """What is missing is said in one line."""

    def test_no_stack_runs(self) -> None:
        aws = ["AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=x"]
        # Nothing listens at port 1.
        sqs = [
            f"{name}=http://127.0.0.1:1"
            for name in ("AWS_ENDPOINT_URL_SQS", "DEAD_LETTER_QUEUE_URL", "SPOOL_QUEUE_URL")
        ]
        with tempfile.TemporaryDirectory() as folder:
            env_file = Path(folder) / "stack.env"
            for lines, error in [
                (None, "no local stack is running"),
                (aws, "no DEAD_LETTER_QUEUE_URL and no SPOOL_QUEUE_URL"),
                (aws + sqs, "nothing answers at http://127.0.0.1:1"),
            ]:
                if lines:
                    env_file.write_text("\n".join(lines))
                with self.subTest(error=error), self.assertRaisesRegex(StackError, error):
                    redrive_local(env_file)

    def test_a_deployment_cannot_be_asked(self) -> None:
        unknown = ClientError({"Error": {"Message": "Stack mine does not exist"}}, "DescribeStacks")
        cases: list[tuple[Any, str]] = [
            (Aws(outputs=("Other", "SpoolQueueArn")), "mine has no output DeadLetterQueueArn: "),
            (mock.Mock(side_effect=NoCredentialsError()), "no AWS credentials for STACK=mine"),
            (mock.Mock(side_effect=NoRegionError()), "set AWS_REGION"),
            (mock.Mock(side_effect=unknown), "DescribeStacks for STACK=mine: Stack mine does not exist"),
        ]
        for clients, error in cases:
            with self.subTest(error=error), self.assertRaisesRegex(StackError, error) as raised:
                redrive_deployment("mine", clients)
            self.assertNotIn("\n", str(raised.exception))

    def test_the_callers_aws_settings_are_kept_only_for_a_named_deployment(self) -> None:
        seen = []
        replay = mock.patch("local.commands.replay", lambda _: seen.append(os.environ.get("AWS_PROFILE")))
        for stack in ("mine", ""):
            environment = mock.patch.dict(os.environ, {"AWS_PROFILE": "theirs", "STACK": stack})
            with environment, replay, mock.patch("signal.signal"):
                main(["replay"])
        self.assertEqual(seen, ["theirs", None])
