"""`make deploy` and `make destroy`: what stops them, what they tell SAM, and what they find afterwards."""

import contextlib
import io
import stat
import subprocess
import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

import yaml
from botocore.exceptions import NoCredentialsError, NoRegionError

from local.cloudformation import ROOT
from local.processes import StackError
from local.stack import TOKEN

from . import deploy, destroy
from .deploy import VARIABLES, not_live, release_name
from .testing import Account, digest, refused

DIGEST = digest("a token")
SAMCONFIG = (
    '[{0}.deploy.parameters]\nstack_name = "mine"\nparameter_overrides = ["Stage={0}", "RetentionDays=7"]\n'
)


class Project(unittest.TestCase):
    """A project in a temporary folder, with a SAM CLI that only writes down its arguments."""

    def setUp(self) -> None:
        self.root = Path(self.enterContext(tempfile.TemporaryDirectory()))
        (self.root / "template.yaml").write_text((ROOT / "template.yaml").read_text())
        (self.root / "samconfig.toml").write_text(SAMCONFIG.format("dev") + SAMCONFIG.format("prod"))
        self.git("init", "--quiet")
        self.commit()
        self.commands: list[tuple[str, ...]] = []
        self.parameters: dict[str, str] = {}
        self.fails = ""
        self.account = Account()
        self.account.resources[("AWS::Lambda::Function", "NotifyFunction")] = "mine-notify"
        for module in (deploy, destroy):
            self.enterContext(mock.patch.object(module, "sam", self.sam))

    def git(self, *arguments: str) -> None:
        """Runs Git here, without the user's settings."""
        who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *who, *arguments], cwd=self.root, check=True, capture_output=True)

    def commit(self) -> None:
        """Commits all there is."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "all")

    def sam(self, root: Path, settings: Any, *command: str) -> int:
        """Stands in for SAM: a stack with the parameters, and functions of that release."""
        self.commands.append(command)
        if "--parameter-overrides" in command:
            file = Path(command[command.index("--parameter-overrides") + 1].removeprefix("file://"))
            self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600)
            self.parameters = yaml.safe_load(file.read_text())
        if command[0] == "deploy" and self.fails != "silently":
            self.account.exists = True
            self.account.parameters |= self.parameters
            newest = {"Environment": {"Variables": {}}, "CodeSha256": "a"}
            self.account.configurations = {
                ("mine-notify", "$LATEST"): newest,
                ("mine-notify", "live"): {**newest, "Description": self.parameters["Release"]},
            }
        return int(command[0] == self.fails)

    def run_(self, command: Any, **settings: str) -> tuple[int, str]:
        """Runs a command; the exit code and what it printed."""
        with contextlib.redirect_stdout(io.StringIO()) as printed, mock.patch("sys.stdin", io.StringIO()):
            code = command.run({"STAGE": "dev", "STACK": "mine", **settings}, self.account, self.root)
        return code, printed.getvalue()

    def refuses(self, command: Any, said: str, **settings: str) -> None:
        """It must say why in one line, repeat no secret, and have run nothing."""
        with self.assertRaisesRegex(StackError, said) as raised:
            self.run_(command, **settings)
        self.assertNotIn("\n", str(raised.exception))
        self.assertNotIn(settings.get("TOKEN_SHA256", "no secret"), str(raised.exception))
        self.assertEqual(self.commands, [])


class Deploy(Project):
    """`make deploy`."""

    def test_what_stops_it_before_a_build(self) -> None:
        for said, settings in (
            ("STAGE=dev or STAGE=prod", {"STAGE": ""}),
            ("STAGE=dev or STAGE=prod", {"STAGE": "production"}),
            ("64 lower-case hex digits.*ringback token", {"TOKEN_SHA256": "my-secret-token"}),
            ("64 lower-case hex digits", {"TOKEN_SHA256": f"{DIGEST},"}),
            ("not that of the local stack's token", {"TOKEN_SHA256": f"{DIGEST},{digest(TOKEN)}"}),
            ("LineServiceIds=a b must be service ids", {"LINE_SERVICE_IDS": "a b"}),
            ("Architecture=mips is not one of arm64, x86_64", {"PARAMETERS": "Architecture=mips"}),
            ("no parameter Retention$", {"PARAMETERS": "Retention=3"}),
            ("without Stage and Release", {"PARAMETERS": "Release=mine"}),
            ("a dev stack, not prod", {"STAGE": "prod"}),
        ):
            with self.subTest(settings=settings):
                self.refuses(deploy, said, **settings)

    def test_a_stack_of_others_or_without_a_stage_is_left_alone(self) -> None:
        self.account.parameters = {}
        self.refuses(deploy, "mine is a prod stack, not dev")
        self.account.outputs = {"RecordsTableName": "theirs"}
        self.refuses(deploy, "mine is not a Ringback stack: it has no SpoolQueueArn$")

    def test_what_aws_refuses_is_said_in_a_line(self) -> None:
        for error, said in (
            (NoCredentialsError(), "no AWS credentials for STACK=mine"),
            (NoRegionError(), "set AWS_REGION"),
            (refused("AccessDenied", "not you", "DescribeStacks"), "DescribeStacks for STACK=mine: not you"),
        ):
            with mock.patch.object(self.account, "describe_stacks", side_effect=error):
                self.refuses(deploy, said)

    def test_production_gets_what_is_committed_and_each_release_has_a_name(self) -> None:
        self.account.parameters = {"Stage": "prod"}
        (self.root / "new").write_text("x")
        self.refuses(deploy, "gets what is committed", STAGE="prod")
        self.assertRegex(release_name(self.root, "dev"), r"^\d{8}T\d{6}Z-[0-9a-f]{7,}-dirty$")
        self.commit()
        self.assertRegex(release_name(self.root, "prod"), r"Z-[0-9a-f]{7,}$")
        with tempfile.TemporaryDirectory() as folder:
            self.assertRegex(release_name(Path(folder), "dev"), r"^\d{8}T\d{6}Z$")
            with self.assertRaisesRegex(StackError, "not in Git"):
                release_name(Path(folder), "prod")

    def test_sam_builds_and_deploys_the_files_parameters_and_those_given(self) -> None:
        self.account.exists = False
        code, said = self.run_(
            deploy, TOKEN_SHA256=DIGEST, TENCENT_CALLBACK_TOKEN="hush", PARAMETERS="RetentionDays=9"
        )
        self.assertEqual(code, 0, said)
        release = self.parameters.pop("Release")
        expected = {
            "RetentionDays": "9",
            "Stage": "dev",
            "CallbackTokenSha256": DIGEST,
            "TencentCallbackToken": "hush",
        }
        self.assertEqual(self.parameters, expected)
        self.assertIn(f"1 functions answer as release {release}", said)
        build, change = self.commands
        self.assertEqual((build[0], *change[:3]), ("build", "deploy", "--stack-name", "mine"))
        for command in (build, change):
            self.assertEqual(command[command.index("--config-env") + 1], "dev")
            self.assertEqual(command[command.index("--region") + 1], "eu-west-1")
        # Neither printed nor on a command line.
        for secret in (DIGEST, "hush"):
            self.assertNotIn(secret, said + str(self.commands))

    def test_what_is_not_given_stays_and_the_architecture_is_the_stacks(self) -> None:
        self.account.parameters |= {"Architecture": "x86_64", "CallbackTokenSha256": "****"}
        self.run_(deploy)
        self.assertEqual(self.parameters["Architecture"], "x86_64")
        self.assertNotIn("CallbackTokenSha256", self.parameters)

    def test_sam_asks_unless_the_stack_was_named(self) -> None:
        for confirm, asked in (("mine", False), ("theirs", True), ("", True)):
            self.run_(deploy, CONFIRM=confirm)
            self.assertEqual("--no-confirm-changeset" not in self.commands[-1], asked)

    def test_a_failure_of_sam_ends_it(self) -> None:
        for self.fails, ran in (("build", ["build"]), ("deploy", ["build", "deploy"])):
            self.commands.clear()
            with self.assertRaisesRegex(StackError, f"`sam {self.fails}` failed"):
                self.run_(deploy)
            self.assertEqual([command[0] for command in self.commands], ran)

    def test_an_alias_that_was_left_behind_fails_it_and_values_are_not_shown(self) -> None:
        newest = {
            "Environment": {"Variables": {"CALLBACK_TOKEN_SHA256": "new", "SAME": "x"}},
            "CodeSha256": "a",
        }
        older = {
            "Environment": {"Variables": {"CALLBACK_TOKEN_SHA256": "old", "SAME": "x"}},
            "CodeSha256": "b",
        }
        self.account.configurations = {
            ("f", "$LATEST"): newest,
            ("f", "live"): {**older, "Description": "r0"},
        }
        lines = not_live(self.account, {"NotifyFunction": "f"}, "r1")
        self.assertEqual(lines, ["  NotifyFunction differs in CALLBACK_TOKEN_SHA256, code, release (r0)"])

    def test_a_change_set_that_was_declined_is_no_success(self) -> None:
        self.account.configurations = {("mine-notify", name): {} for name in ("$LATEST", "live")}
        self.fails = "silently"
        code, said = self.run_(deploy)
        self.assertEqual(code, 1)
        self.assertIn("NOT LIVE", said)

    def test_make_hands_on_what_the_template_declares(self) -> None:
        self.assertEqual(deploy.given(dict.fromkeys([*VARIABLES, "PARAMETERS"], "")), {})
        parameters = dict.fromkeys(VARIABLES.values(), "")
        parameters["CallbackTokenSha256"] = DIGEST
        deploy.refuse_bad_values({**parameters, "Release": release_name(ROOT, "dev")}, ROOT)


class Destroy(Project):
    """`make destroy`."""

    def setUp(self) -> None:
        super().setUp()
        self.account.resources[("AWS::SQS::Queue", "SpoolQueue")] = "https://sqs/spool"

    def test_what_stops_it(self) -> None:
        self.refuses(destroy, "Set STACK=name", STACK="")
        self.refuses(destroy, "no stack theirs in eu-west-1", STACK="theirs", CONFIRM="theirs")
        self.refuses(destroy, "set CONFIRM=mine")
        self.refuses(destroy, "theirs is not mine", CONFIRM="theirs")
        self.account.messages["https://sqs/spool"] = 7
        self.refuses(destroy, "messages would be lost: 7 in SpoolQueue", CONFIRM="mine")
        for stage in ("prod", ""):
            self.account.parameters = {"Stage": stage}
            self.refuses(destroy, "set PRODUCTION=yes too", CONFIRM="mine", LOSE_MESSAGES="yes")
        self.account.outputs = {}
        self.refuses(destroy, "it has no RecordsTableName and no SpoolQueueArn$", CONFIRM="mine")

    def test_sam_deletes_it_and_the_table_that_stays_is_named(self) -> None:
        self.account.parameters = {"Stage": "prod"}
        self.account.messages["https://sqs/spool"] = 7
        code, said = self.run_(destroy, CONFIRM="mine", PRODUCTION="yes", LOSE_MESSAGES="yes")
        self.assertEqual(code, 0)
        self.assertIn("mine: a prod stack (UPDATE_COMPLETE) in eu-west-1, account 123456789012.", said)
        self.assertIn("aws dynamodb delete-table --table-name mine-records", said)
        self.assertEqual(self.commands[0][:4], ("delete", "--no-prompts", "--stack-name", "mine"))

    def test_a_failure_of_sam_is_no_success(self) -> None:
        self.fails = "delete"
        with self.assertRaisesRegex(StackError, "`sam delete` failed"):
            self.run_(destroy, CONFIRM="mine")
