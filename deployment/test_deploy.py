"""`make deploy`: what it refuses before anything is built, what it tells SAM, and what it finds afterwards."""

import contextlib
import io
import os
import stat
import subprocess
import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

import yaml
from botocore.exceptions import NoCredentialsError, NoRegionError

from local.make_token import digest
from local.processes import StackError
from local.stack import TOKEN

from . import deploy
from .deploy import VARIABLES, behind, configuration, given_parameters, overrides, release_of, run
from .template_parameters import LenientLoader, Parameter, declared, refusal
from .testing import Account, refused, resource

ROOT = Path(__file__).resolve().parent.parent
DIGEST = digest("a token")
TEMPLATE = """
Parameters:
  CallbackTokenSha256: {Type: String, NoEcho: true}
  TencentCallbackToken: {Type: String, NoEcho: true, Default: ''}
  LineServiceIds: {Type: String, Default: '', AllowedPattern: '^[a-z,]*$', ConstraintDescription: must be ids.}
  TencentSdkAppIds: {Type: String, Default: ''}
  Architecture: {Type: String, Default: arm64, AllowedValues: [arm64, x86_64]}
  RetentionDays: {Type: Number, Default: 90}
  Stage: {Type: String, AllowedValues: [dev, prod]}
  Release: {Type: String}
Resources:
  Topic: {Type: AWS::SNS::Topic, Properties: {TopicName: !Ref Release}}
"""
SAMCONFIG = """
version = 0.1
[dev.deploy.parameters]
stack_name = "mine"
parameter_overrides = ["RetentionDays=7"]
[prod.global.parameters]
stack_name = "mine"
"""
OURS = {"CallbackTokenSha256": "****", "LineServiceIds": "ours", "Stage": "dev"}
FUNCTION = resource("AWS::Lambda::Function", "NotifyFunction", "mine-notify")


class Project(unittest.TestCase):
    """A project of its own in a temporary folder, with programs that do nothing."""

    def setUp(self) -> None:
        self.root = Path(self.enterContext(tempfile.TemporaryDirectory()))
        (self.root / "template.yaml").write_text(TEMPLATE)
        (self.root / "samconfig.toml").write_text(SAMCONFIG)
        (self.root / ".gitignore").write_text("/bin\n")
        for program in ("sam", "cargo", "cargo-lambda"):
            path = self.root / "bin" / program
            path.parent.mkdir(exist_ok=True)
            path.write_text("#!/bin/sh\n")
            path.chmod(0o755)
        self.git("init", "--quiet")
        self.commit()
        self.settings = {"PATH": str(self.root / "bin"), "STAGE": "dev"}
        self.commands: list[list[str]] = []
        self.told: list[dict[str, str]] = []
        self.account = Account()
        self.enterContext(mock.patch.object(deploy, "execute", self.sam))

    def git(self, *arguments: str) -> None:
        """Runs Git here, without the settings of whoever runs this."""
        who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *who, *arguments], cwd=self.root, check=True, capture_output=True)

    def commit(self) -> None:
        """Commits all there is."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "all")

    def sam(self, command: list[str], environment: dict[str, str], root: Path) -> int:
        """Stands in for SAM: a stack that has the parameters then, and functions of that release."""
        self.commands.append(command)
        file = Path(command[command.index("--parameter-overrides") + 1].removeprefix("file://"))
        self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600)
        told: dict[str, str] = yaml.safe_load(file.read_text())
        self.told.append(told)
        if command[1] == "deploy":
            self.account.exists = True
            self.account.status = "UPDATE_COMPLETE"
            self.account.parameters |= told
            self.account.resources = [FUNCTION]
            live = {"Environment": {"Variables": {}}, "CodeSha256": "a"}
            self.account.configurations = {
                ("mine-notify", "$LATEST"): live,
                ("mine-notify", "live"): {**live, "Description": told["Release"]},
            }
        return 0

    def deployed(self, **settings: str) -> tuple[int, str]:
        """Runs it; the exit code and what it printed."""
        output = io.StringIO()
        with contextlib.redirect_stdout(output), mock.patch("sys.stdin", io.StringIO()):
            code = run({**self.settings, **settings}, self.account, self.root)
        return code, output.getvalue()

    def refuses(self, said: str, **settings: str) -> None:
        """It must say why in one line, and have run nothing."""
        with self.assertRaisesRegex(StackError, said) as raised:
            self.deployed(**settings)
        self.assertNotIn("\n", str(raised.exception))
        self.assertEqual(self.commands, [])


class Guards(Project):
    """What is refused before anything is built."""

    def test_a_stage_is_never_guessed(self) -> None:
        for stage in ("", "production"):
            self.refuses("STAGE=dev or STAGE=prod", STAGE=stage)

    def test_a_token_in_the_place_of_its_digest_is_refused_and_not_repeated(self) -> None:
        for value in ("my-secret-token", DIGEST[:-1], DIGEST.upper(), f"{DIGEST},", ",".join([DIGEST] * 3)):
            with self.subTest(value=value), self.assertRaisesRegex(StackError, "64 lower-case hex digits") as raised:
                self.deployed(TOKEN_SHA256=value)
            self.assertNotIn(value, str(raised.exception))

    def test_the_local_stacks_token_is_refused_even_beside_another(self) -> None:
        for value in (digest(TOKEN), f"{DIGEST},{digest(TOKEN)}"):
            self.refuses("local stack's token, which is public", TOKEN_SHA256=value)

    def test_what_is_not_installed_is_named(self) -> None:
        for program in ("sam", "cargo", "cargo-lambda"):
            hidden = (self.root / "bin" / program).rename(self.root / "hidden")
            self.refuses("SAM CLI is not" if program == "sam" else f"{program} is not installed")
            hidden.rename(self.root / "bin" / program)

    def test_production_gets_what_is_committed(self) -> None:
        (self.root / "template.yaml").write_text(f"{TEMPLATE}# changed\n")
        self.refuses("in no commit", STAGE="prod", CONFIRM="mine")
        self.assertRegex(release_of(self.root, "dev"), r"^\d{8}T\d{6}Z-[0-9a-f]{7,}-dirty$")
        self.commit()
        self.assertRegex(release_of(self.root, "prod"), r"Z-[0-9a-f]{7,}$")

    def test_production_wants_its_name_typed(self) -> None:
        self.account.parameters = {**OURS, "Stage": "prod"}
        self.refuses("CONFIRM=mine", STAGE="prod")
        self.refuses("theirs is not mine", STAGE="prod", CONFIRM="theirs")

    def test_credentials_and_region_come_before_the_build(self) -> None:
        for error, said in [
            (NoCredentialsError(), "no AWS credentials for STACK=mine"),
            (NoRegionError(), "set AWS_REGION"),
            (refused("AccessDenied", "not you", "GetCallerIdentity"), "GetCallerIdentity for STACK=mine: not you"),
        ]:
            with mock.patch.object(self.account, "get_caller_identity", side_effect=error):
                self.refuses(said)

    def test_a_first_deployment_needs_a_digest_and_a_vendor(self) -> None:
        for status in (None, "REVIEW_IN_PROGRESS"):
            self.account.exists, self.account.status = status is not None, str(status)
            self.refuses("needs TOKEN_SHA256", LINE_SERVICE_IDS="ours")
            self.refuses("LINE_SERVICE_IDS=… or TENCENT_SDK_APP_IDS", TOKEN_SHA256=DIGEST)

    def test_a_stack_of_another_stage_is_left_alone(self) -> None:
        self.account.parameters = {**OURS, "Stage": "prod"}
        self.refuses("a prod stack, and not dev")

    def test_a_stack_without_a_stage_is_somebodys_production(self) -> None:
        self.account.parameters = {name: value for name, value in OURS.items() if name != "Stage"}
        self.refuses("a prod stack, and not dev, as far as anybody knows")
        self.assertEqual(self.deployed(STAGE="prod", CONFIRM="mine")[0], 0)

    def test_a_stack_that_is_not_ringbacks_is_left_alone(self) -> None:
        self.account.parameters = dict(OURS)
        self.account.outputs = {"RecordsTableName": "theirs"}
        self.refuses("mine is no stack of Ringback's: it has no output SpoolQueueArn$")

    def test_a_stack_that_cannot_be_changed_is_left_alone(self) -> None:
        for status in ("UPDATE_IN_PROGRESS", "ROLLBACK_COMPLETE", "DELETE_FAILED"):
            self.account.status = status
            self.refuses(f"mine is {status}")

    def test_production_takes_no_callbacks_of_just_any_service(self) -> None:
        self.account.parameters = {"CallbackTokenSha256": "****", "Stage": "prod", "TencentSdkAppIds": "any"}
        self.refuses("production names its own", STAGE="prod", CONFIRM="mine")

    def test_a_shell_with_the_local_stacks_settings_deploys_nothing(self) -> None:
        self.refuses("local stack's settings", AWS_ACCESS_KEY_ID="local")

    def test_values_that_cloudformation_would_refuse_are_refused_first(self) -> None:
        self.refuses("LineServiceIds=A B must be ids$", LINE_SERVICE_IDS="A B")
        self.refuses("Architecture=mips is none of arm64, x86_64", PARAMETERS="Architecture=mips")
        self.refuses("has Retention, which template.yaml does not know", PARAMETERS="Retention=3")
        secret = Parameter(secret=True, pattern="[a-z]+", must="must be letters.")
        self.assertEqual(refusal("Secret", "hush 1", secret), "Secret must be letters")
        self.refuses("gives itself", PARAMETERS="Release=mine")
        (self.root / "samconfig.toml").write_text("")
        self.refuses("no stack_name for dev")
        (self.root / "samconfig.toml").write_text(SAMCONFIG.replace("RetentionDays", "Retention"))
        self.account.parameters = dict(OURS)
        self.refuses("samconfig.toml has Retention, which template.yaml does not know")


class WhatSamIsTold(Project):
    """Parameters: what is said now, what samconfig.toml says, and what stays."""

    def test_a_new_stack_gets_the_files_parameters_and_those_said(self) -> None:
        self.account.exists = False
        code, said = self.deployed(TOKEN_SHA256=DIGEST, LINE_SERVICE_IDS="ours", PARAMETERS="RetentionDays=30")
        self.assertEqual(code, 0)
        release = self.told[0].pop("Release")
        expected = {"RetentionDays": "30", "CallbackTokenSha256": DIGEST, "LineServiceIds": "ours", "Stage": "dev"}
        self.assertEqual(self.told[0], {**expected, "Architecture": "arm64"})
        self.assertIn(f"answer as release {release}", said)
        self.assertIn("creates the stack mine (dev) in eu-west-1, account 123456789012", said)

    def test_what_is_not_said_stays_and_is_not_told(self) -> None:
        self.account.parameters = {**OURS, "Architecture": "x86_64"}
        code, said = self.deployed(TENCENT_SDK_APP_IDS="14")
        self.assertEqual(code, 0)
        self.assertEqual(self.told[1].keys() & {"CallbackTokenSha256", "LineServiceIds"}, set())
        self.assertEqual((self.told[1]["TencentSdkAppIds"], self.told[1]["RetentionDays"]), ("14", "7"))
        # SAM would build for the template's default otherwise.
        self.assertEqual([told["Architecture"] for told in self.told], ["x86_64", "x86_64"])
        self.assertIn("as before: CallbackTokenSha256, LineServiceIds", said)

    def test_it_is_built_and_then_deployed_to_the_named_stack_and_region(self) -> None:
        self.account.parameters = dict(OURS)
        self.deployed()
        self.assertEqual([command[1] for command in self.commands], ["build", "deploy"])
        for command in self.commands:
            self.assertEqual(command[command.index("--config-env") + 1], "dev")
            self.assertEqual(command[command.index("--region") + 1], "eu-west-1")
        self.assertEqual(self.commands[1][2:4], ["--stack-name", "mine"])

    def test_whoever_has_confirmed_is_not_asked_again(self) -> None:
        self.account.parameters = {**OURS, "Stage": "prod"}
        self.deployed(STAGE="prod", CONFIRM="mine")
        self.assertIn("--no-confirm-changeset", self.commands[1])
        self.account.parameters = dict(OURS)
        self.deployed()
        self.assertNotIn("--no-confirm-changeset", self.commands[3])

    def test_secrets_are_neither_printed_nor_on_a_command_line(self) -> None:
        self.account.exists = False
        _, said = self.deployed(TOKEN_SHA256=DIGEST, TENCENT_SDK_APP_IDS="14", TENCENT_CALLBACK_TOKEN="hush-hush")
        self.assertEqual(self.told[0]["TencentCallbackToken"], "hush-hush")
        for secret in (DIGEST, "hush-hush"):
            self.assertNotIn(secret, said)
            self.assertNotIn(secret, str(self.commands))
        self.assertIn("TencentCallbackToken = …", said)

    def test_a_build_that_fails_changes_nothing(self) -> None:
        self.account.parameters = dict(OURS)
        ran = []

        def fails(command: list[str], *_: Any) -> int:
            ran.append(command[1])
            return 1

        with mock.patch.object(deploy, "execute", fails), self.assertRaisesRegex(StackError, "Nothing was changed"):
            self.deployed()
        self.assertEqual(ran, ["build"])

    def test_every_spelling_of_sams_overrides_is_read(self) -> None:
        expected = {"A": "1", "B": "two words"}
        for value in ({"A": 1, "B": "two words"}, ["A=1", "'B=two words'"], "A=1 B='two words'"):
            self.assertEqual(overrides(value), expected)
        self.assertEqual(configuration(self.root, "prod"), ("mine", {}))


class Afterwards(Project):
    """Whether what answers callbacks is what was deployed."""

    def setUp(self) -> None:
        super().setUp()
        self.account.parameters = dict(OURS)

    def test_urls_and_where_to_look_are_told(self) -> None:
        told = {
            "LineNotifyUrl": "https://a/TOKEN/n",
            "ApiUrl": "https://a",
            "DashboardUrl": "https://d",
        }
        self.account.outputs |= told
        _, said = self.deployed()
        for name, value in told.items():
            self.assertRegex(said, rf"{name} +{value}\n")

    def test_an_alias_that_was_left_behind_is_told_loudly_and_fails(self) -> None:
        sam = self.sam

        def forgets_the_alias(command: list[str], environment: dict[str, str], root: Path) -> int:
            code = sam(command, environment, root)
            if command[1] == "deploy":
                self.account.configurations["mine-notify", "live"]["Description"] = "an older one"
            return code

        with mock.patch.object(deploy, "execute", forgets_the_alias):
            code, said = self.deployed()
        self.assertEqual(code, 1)
        self.assertIn("NOT LIVE", said)
        self.assertIn("NotifyFunction: its version is an older one", said)

    def test_a_variable_that_did_not_reach_the_alias_is_named_without_its_value(self) -> None:
        newest = {"Environment": {"Variables": {"CALLBACK_TOKEN_SHA256": "new", "SAME": "x"}}, "CodeSha256": "a"}
        older = {"CALLBACK_TOKEN_SHA256": "old", "SAME": "x"}
        live = {"Environment": {"Variables": older}, "CodeSha256": "b", "Description": "r"}
        account = Account(configurations={("f", "$LATEST"): newest, ("f", "live"): live})
        self.assertEqual(
            behind(account, {"NotifyFunction": "f"}, "r"),
            ["  NotifyFunction: CALLBACK_TOKEN_SHA256 is another, its code is another"],
        )
        account.configurations["f", "live"] = {**newest, "Description": "r"}
        self.assertEqual(behind(account, {"NotifyFunction": "f"}, "r"), [])

    def test_a_change_set_that_nobody_executed_is_no_success(self) -> None:
        self.account.parameters["Release"] = "the one before"

        def declined(*_: Any) -> int:
            return 0

        with mock.patch.object(deploy, "execute", declined), self.assertRaisesRegex(StackError, "nothing was deployed"):
            self.deployed()

    def test_a_stack_without_functions_is_no_success(self) -> None:
        with mock.patch.object(deploy, "execute", return_value=0), self.assertRaisesRegex(StackError, "no functions"):
            self.deployed()


class TheRealTemplate(unittest.TestCase):
    """template.yaml itself."""

    def test_it_has_every_parameter_that_a_variable_gives(self) -> None:
        parameters = declared(ROOT / "template.yaml")
        self.assertLessEqual(set(VARIABLES.values()), parameters.keys())
        self.assertTrue(parameters["CallbackTokenSha256"].secret)
        self.assertEqual(refusal("CallbackTokenSha256", DIGEST, parameters["CallbackTokenSha256"]), "")
        self.assertIn("local stack", refusal("CallbackTokenSha256", digest(TOKEN), parameters["CallbackTokenSha256"]))

    def test_it_takes_what_this_names_a_release(self) -> None:
        parameters = declared(ROOT / "template.yaml")
        for release in ("20261122T173102Z-f2aeca3", "20261122T173102Z-f2aeca3-dirty", "20261122T173102Z"):
            self.assertEqual(refusal("Release", release, parameters["Release"]), "")
        with tempfile.TemporaryDirectory() as folder:
            self.assertRegex(release_of(Path(folder), "dev"), r"^\d{8}T\d{6}Z$")
            with self.assertRaisesRegex(StackError, "no Git working tree"):
                release_of(Path(folder), "prod")

    def test_samconfig_gives_each_stage_a_stack_and_values_that_it_takes(self) -> None:
        parameters = declared(ROOT / "template.yaml")
        stacks = []
        for stage in deploy.STAGES:
            stack, configured = configuration(ROOT, stage)
            deploy.check_values(configured, parameters)
            self.assertEqual(configured.get("Stage", stage), stage)
            stacks.append(stack)
        self.assertEqual(len(set(stacks)), len(stacks))

    def test_each_release_changes_the_functions_themselves(self) -> None:
        # Lambda publishes no version of a function in which nothing changed, and CloudFormation then fails with
        # "A version for this Lambda function exists". A new description of the version alone is no change.
        template = yaml.load((ROOT / "template.yaml").read_text(), LenientLoader)
        common = str(template["Globals"]["Function"].get("Environment"))
        for name, function in template["Resources"].items():
            if function["Type"] == "AWS::Serverless::Function":
                own = [str(function["Properties"].get(part)) for part in ("Description", "Environment")]
                with self.subTest(function=name):
                    self.assertIn("Release", "".join([common, *own]))


class Variables(unittest.TestCase):
    """What make hands on."""

    def test_an_empty_variable_is_as_good_as_none(self) -> None:
        empty = dict.fromkeys([*VARIABLES, "PARAMETERS"], "")
        self.assertEqual(given_parameters(empty, declared(ROOT / "template.yaml")), {})

    def test_programs_run_in_the_project_with_the_given_environment(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            environment = {"A": "1", "HERE": folder, "PATH": os.environ["PATH"]}
            self.assertEqual(deploy.execute(["sh", "-c", 'test "$PWD:$A" = "$HERE:1"'], environment, Path(folder)), 0)
            self.assertEqual(deploy.execute(["sh", "-c", "exit 3"], environment, Path(folder)), 3)
