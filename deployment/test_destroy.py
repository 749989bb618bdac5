"""`make destroy`: what stops it, what it says before, and how it ends."""

import contextlib
import io
import unittest
from unittest import mock

from botocore.exceptions import NoCredentialsError

from local.processes import StackError

from . import destroy
from .destroy import run
from .testing import Account, refused, resource

TABLE = resource("AWS::DynamoDB::Table", "RecordsTable", "mine-records")
RESOURCES = [
    TABLE,
    resource("AWS::SQS::Queue", "SpoolQueue", "https://sqs/spool"),
    resource("AWS::SQS::Queue", "DeadLetterQueue", "https://sqs/dead"),
    resource("AWS::Lambda::Version", "NotifyFunctionVersion1", "mine-notify:1"),
]
TEMPLATE = {
    "Resources": {
        "RecordsTable": {"Type": "AWS::DynamoDB::Table", "DeletionPolicy": "Retain"},
        "SpoolQueue": {"Type": "AWS::SQS::Queue"},
        "DeadLetterQueue": {"Type": "AWS::SQS::Queue", "DeletionPolicy": "Delete"},
        "NotifyFunctionVersion1": {"Type": "AWS::Lambda::Version", "DeletionPolicy": "Retain"},
    }
}


def stack(**other: object) -> Account:
    """A development stack that may go."""
    return Account(**{"parameters": {"Stage": "dev"}, "resources": RESOURCES, "template": TEMPLATE, **other})


def destroyed(account: Account, **settings: str) -> tuple[int, str]:
    """Runs it; the exit code and what it printed."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output), mock.patch("sys.stdin", io.StringIO()):
        code = run({"STACK": "mine", **settings}, account)
    return code, output.getvalue()


class Destroy(unittest.TestCase):
    """A stack that is to be deleted."""

    def setUp(self) -> None:
        self.enterContext(mock.patch.object(destroy, "SECONDS_BETWEEN_LOOKS", 0))

    def refuses(self, account: Account, said: str, **settings: str) -> None:
        """It must say why in one line, and have deleted nothing."""
        with self.assertRaisesRegex(StackError, said) as raised:
            destroyed(account, **settings)
        self.assertNotIn("\n", str(raised.exception))
        self.assertFalse(account.deleted)

    def test_it_wants_the_name_and_no_other(self) -> None:
        self.refuses(stack(), "Say STACK=name", STACK="")
        self.refuses(stack(), "say CONFIRM=mine")
        self.refuses(stack(), "theirs is not mine", CONFIRM="theirs")
        self.refuses(stack(exists=False), "no stack mine in eu-west-1", CONFIRM="mine")

    def test_production_is_asked_for_twice(self) -> None:
        production = stack(parameters={"Stage": "prod"})
        self.refuses(production, "say PRODUCTION=yes too", CONFIRM="mine")
        self.refuses(production, "say CONFIRM=mine", PRODUCTION="yes")
        self.assertEqual(destroyed(production, CONFIRM="mine", PRODUCTION="yes")[0], 0)

    def test_a_stack_without_a_stage_is_asked_for_like_production(self) -> None:
        unsaid = stack(parameters={})
        self.refuses(unsaid, "say PRODUCTION=yes too", CONFIRM="mine")
        code, said = destroyed(unsaid, CONFIRM="mine", PRODUCTION="yes")
        self.assertEqual(code, 0)
        self.assertIn("mine: a stack without a stage, taken for production, (UPDATE_COMPLETE)", said)

    def test_a_stack_that_is_not_ringbacks_is_left_alone(self) -> None:
        for outputs, missing in (
            ({}, "RecordsTableName and no SpoolQueueArn"),
            ({"RecordsTableName": "theirs"}, "SpoolQueueArn"),
        ):
            self.refuses(stack(outputs=outputs), f"mine is no stack of Ringback's: it has no output {missing}$",
                         CONFIRM="mine", PRODUCTION="yes")  # fmt: skip

    def test_one_that_was_never_up_is_known_by_its_template(self) -> None:
        template = {**TEMPLATE, "Outputs": {"RecordsTableName": {}, "SpoolQueueArn": {}}}
        never_up = stack(outputs={}, status="ROLLBACK_COMPLETE", template=template)
        self.assertEqual(destroyed(never_up, CONFIRM="mine")[0], 0)

    def test_messages_are_not_lost_without_a_word(self) -> None:
        for queue, url in (("SpoolQueue", "https://sqs/spool"), ("DeadLetterQueue", "https://sqs/dead")):
            account = stack(messages={url: 7})
            self.refuses(account, f"messages would be lost: 7 in {queue}", CONFIRM="mine")
            self.assertEqual(destroyed(account, CONFIRM="mine", LOSE_MESSAGES="yes")[0], 0)

    def test_what_goes_and_what_stays_is_said_before_anything_is_asked(self) -> None:
        output = io.StringIO()
        with contextlib.redirect_stdout(output), self.assertRaises(StackError), mock.patch("sys.stdin", io.StringIO()):
            run({"STACK": "mine"}, stack())
        said = output.getvalue()
        self.assertIn("mine: a dev stack (UPDATE_COMPLETE) in eu-west-1, account 123456789012.", said)
        self.assertIn("Goes: 1 Lambda::Version, 2 SQS::Queue.", said)
        self.assertIn("Stays:\n  RecordsTable: mine-records (3 items, 4096 bytes", said)

    def test_it_goes_and_says_how_to_delete_what_stayed(self) -> None:
        account = stack(happened=[{"EventId": "e", "LogicalResourceId": "Old", "ResourceStatus": "DELETE_COMPLETE"}])
        code, said = destroyed(account, CONFIRM="mine")
        self.assertEqual((code, account.deleted), (0, True))
        self.assertIn("DELETE_COMPLETE  SpoolQueue\n", said)
        self.assertIn("aws dynamodb delete-table --table-name mine-records", said)
        # What an update deleted long ago is no news.
        self.assertNotIn("Old", said)

    def test_a_table_that_goes_too_needs_no_advice(self) -> None:
        _, said = destroyed(stack(template={"Resources": {}}), CONFIRM="mine")
        self.assertNotIn("delete-table", said)

    def test_a_template_in_yaml_is_read_too(self) -> None:
        text = "Resources:\n  RecordsTable:\n    Type: !Sub x\n    DeletionPolicy: Retain\n"
        _, said = destroyed(stack(template=text), CONFIRM="mine")
        self.assertIn("Stays:\n  RecordsTable", said)

    def test_a_deletion_that_fails_or_takes_long_is_no_success(self) -> None:
        for end, seconds, wanted in (
            ("DELETE_FAILED", 9, "could not delete"),
            ("DELETE_IN_PROGRESS", -1, "without us"),
        ):
            with mock.patch.object(destroy, "SECONDS_TO_DELETE", seconds), self.assertRaisesRegex(StackError, wanted):
                destroyed(stack(end=end), CONFIRM="mine")

    def test_what_aws_has_against_it_is_said_in_a_line(self) -> None:
        for error, said in [
            (NoCredentialsError(), "no AWS credentials for STACK=mine"),
            (refused("AccessDenied", "not you", "DescribeStacks"), "DescribeStacks for STACK=mine: not you"),
        ]:
            account = stack()
            with mock.patch.object(account, "describe_stacks", side_effect=error):
                self.refuses(account, said, CONFIRM="mine")
        protected = stack()
        error = refused("ValidationError", "TerminationProtection is enabled", "DeleteStack")
        with mock.patch.object(protected, "delete_stack", side_effect=error):
            self.refuses(protected, "TerminationProtection is enabled", CONFIRM="mine")
