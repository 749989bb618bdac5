"""Dead letters on their way back, with AWS in memory."""

import os
import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from botocore.exceptions import ClientError, NoCredentialsError, NoRegionError

from . import redrive
from .__main__ import main
from .processes import StackError
from .redrive import move, redrive_deployment, redrive_local

OUTPUTS = {"DeadLetterQueueArn": "arn:dead", "SpoolQueueArn": "arn:spool"}


class MemoryQueues:
    """Queues in memory. Bad messages come back, as from replay."""

    def __init__(self, **queues: list[str]) -> None:
        self.queues = queues

    def get_queue_attributes(self, QueueUrl: str, **_: Any) -> dict[str, Any]:
        """How many messages there are."""
        return {"Attributes": {"ApproximateNumberOfMessages": str(len(self.queues[QueueUrl]))}}

    def receive_message(self, QueueUrl: str, MaxNumberOfMessages: int, **_: Any) -> dict[str, Any]:
        """The first messages."""
        bodies = self.queues[QueueUrl][:MaxNumberOfMessages]
        return {"Messages": [{"Body": body, "ReceiptHandle": body} for body in bodies]} if bodies else {}

    def send_message(self, QueueUrl: str, MessageBody: str, **_: Any) -> None:
        """Adds a message."""
        self.queues[QueueUrl].append(MessageBody)
        if MessageBody.startswith("bad"):
            self.queues["dead"].append(f"{MessageBody} again")

    def delete_message(self, QueueUrl: str, ReceiptHandle: str) -> None:
        """Takes a message away."""
        self.queues[QueueUrl].remove(ReceiptHandle)


class Deployment:
    """CloudFormation and SQS of one deployment."""

    def __init__(self, outputs: dict[str, str], *looks: dict[str, Any]) -> None:
        self.outputs = outputs
        self.looks = list(looks)
        self.started: dict[str, str] = {}

    def __call__(self, service: str) -> "Deployment":
        return self

    def describe_stacks(self, StackName: str) -> dict[str, Any]:
        """The stack's outputs."""
        return {"Stacks": [{"Outputs": [{"OutputKey": k, "OutputValue": v} for k, v in self.outputs.items()]}]}

    def start_message_move_task(self, **arns: str) -> None:
        """Remembers what is moved where."""
        self.started = arns

    def list_message_move_tasks(self, **_: Any) -> dict[str, Any]:
        """The next look at the move."""
        return {"Results": [self.looks.pop(0)]}


class Unmoving(Deployment, MemoryQueues):
    """A deployment whose dead letters SQS does not move: it refuses to begin, or its move fails."""

    def __init__(self, outputs: dict[str, str], *looks: dict[str, Any]) -> None:
        Deployment.__init__(self, outputs, *looks)
        MemoryQueues.__init__(self, dead=["letter 1", "letter 2"], spool=[])
        self.code = "AWS.SimpleQueueService.UnsupportedOperation"

    def start_message_move_task(self, **arns: str) -> None:
        """Refuses, unless there is a move to look at."""
        if not self.looks:
            raise ClientError({"Error": {"Code": self.code, "Message": "no"}}, "StartMessageMoveTask")

    def get_queue_url(self, QueueName: str) -> dict[str, str]:
        """A queue by its name."""
        return {"QueueUrl": QueueName}


class Local(unittest.TestCase):
    """The running local stack."""

    def test_every_message_is_moved_once(self) -> None:
        queues = MemoryQueues(dead=[f"letter {number}" for number in range(23)], spool=[])
        self.assertEqual(move(queues, "dead", "spool"), 23)
        self.assertEqual((len(queues.queues["dead"]), len(queues.queues["spool"])), (0, 23))

    def test_messages_that_are_still_bad_are_not_moved_for_ever(self) -> None:
        queues = MemoryQueues(dead=["bad 1", "letter", "bad 2"], spool=[])
        self.assertEqual(move(queues, "dead", "spool"), 3)
        self.assertEqual(queues.queues["dead"], ["bad 1 again", "bad 2 again"])

    def test_it_is_said_when_no_stack_runs(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            env_file = Path(folder) / "stack.env"
            with self.assertRaisesRegex(StackError, "no local stack is running"):
                redrive_local(env_file)
            env_file.write_text("AWS_REGION=us-east-1\n")
            with self.assertRaisesRegex(StackError, "no DEAD_LETTER_QUEUE_URL and no SPOOL_QUEUE_URL"):
                redrive_local(env_file)
            # Nobody listens at port 1.
            env_file.write_text(
                "AWS_REGION=us-east-1\nAWS_ENDPOINT_URL_SQS=http://127.0.0.1:1\nAWS_ACCESS_KEY_ID=x\n"
                "AWS_SECRET_ACCESS_KEY=x\nDEAD_LETTER_QUEUE_URL=http://127.0.0.1:1/d\nSPOOL_QUEUE_URL=http://127.0.0.1:1/s\n"
            )
            with self.assertRaisesRegex(StackError, "nothing answers at http://127.0.0.1:1"):
                redrive_local(env_file)


class OnAws(unittest.TestCase):
    """A deployment."""

    def setUp(self) -> None:
        self.enterContext(mock.patch.object(redrive, "SECONDS_BETWEEN_LOOKS", 0))

    def test_sqs_is_told_whence_and_whither_and_asked_until_it_is_done(self) -> None:
        running = {"Status": "RUNNING", "ApproximateNumberOfMessagesMoved": 1}
        done = {"Status": "COMPLETED", "ApproximateNumberOfMessagesMoved": 3}
        aws = Deployment(OUTPUTS, running, done)
        self.assertEqual(redrive_deployment("mine", aws), 3)
        self.assertEqual(aws.started, {"SourceArn": "arn:dead", "DestinationArn": "arn:spool"})

    def test_a_move_that_fails_is_told_with_its_reason(self) -> None:
        failed = {"Status": "FAILED", "FailureReason": "AccessDenied", "ApproximateNumberOfMessagesMoved": 1}
        with self.assertRaisesRegex(StackError, "FAILED after 1 messages: AccessDenied"):
            redrive_deployment("mine", Deployment(OUTPUTS, failed))

    def test_what_sqs_will_not_move_is_moved_by_hand(self) -> None:
        for aws in (Unmoving(OUTPUTS), Unmoving(OUTPUTS, {"Status": "FAILED"})):
            self.assertEqual(redrive_deployment("mine", aws), 2)
            self.assertEqual(aws.queues, {"dead": [], "spool": ["letter 1", "letter 2"]})

    def test_what_sqs_refuses_for_another_reason_is_told(self) -> None:
        aws = Unmoving(OUTPUTS)
        aws.code = "AccessDenied"
        with self.assertRaisesRegex(StackError, "AWS refuses StartMessageMoveTask"):
            redrive_deployment("mine", aws)

    def test_a_move_that_takes_long_is_left_alone(self) -> None:
        running = {"Status": "RUNNING"}
        with mock.patch.object(redrive, "SECONDS_TO_MOVE", -1), self.assertRaisesRegex(StackError, "goes on without"):
            redrive_deployment("mine", Deployment(OUTPUTS, running))

    def test_a_stack_of_something_else_is_told_by_its_outputs(self) -> None:
        with self.assertRaisesRegex(StackError, "the stack mine has no output DeadLetterQueueArn and no SpoolQueueArn"):
            redrive_deployment("mine", Deployment({"Other": "x"}))

    def test_what_is_missing_is_said_in_a_line(self) -> None:
        unknown = {"Error": {"Code": "ValidationError", "Message": "Stack with id mine does not exist"}}
        for error, said in [
            (NoCredentialsError(), "no AWS credentials for STACK=mine"),
            (NoRegionError(), "set AWS_REGION"),
            (
                ClientError(unknown, "DescribeStacks"),
                "DescribeStacks for STACK=mine: Stack with id mine does not exist",
            ),
        ]:
            with self.subTest(said=said), self.assertRaisesRegex(StackError, said) as raised:
                redrive_deployment("mine", mock.Mock(side_effect=error))
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
