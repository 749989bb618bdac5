"""Builds the functions and changes the stack of a stage, when everything that it needs is there."""

import os
import re
import shlex
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from local.aws import Clients, client, said_in_a_line
from local.emulator import CREDENTIAL
from local.make_token import digest
from local.processes import StackError
from local.stack import TOKEN

from .confirmation import confirm, refuse_foreign, stage_of
from .deployed import Deployed, existing, find, named, resources
from .template_parameters import Parameter, declared, refusal

ROOT = Path(__file__).resolve().parent.parent
STAGES = ("dev", "prod")
ALIAS = "live"
# The variables of `make deploy` and the template's parameters. PARAMETERS='Name=value …' gives any other.
VARIABLES = {
    "TOKEN_SHA256": "CallbackTokenSha256",
    "LINE_SERVICE_IDS": "LineServiceIds",
    "TENCENT_SDK_APP_IDS": "TencentSdkAppIds",
    "TENCENT_CALLBACK_TOKEN": "TencentCallbackToken",
}
# CloudFormation changes a stack in these states, and in no other.
CHANGEABLE = (
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    "IMPORT_COMPLETE",
    "IMPORT_ROLLBACK_COMPLETE",
)
# A change set that nobody executed leaves this behind: as good as no stack.
NOT_YET = "REVIEW_IN_PROGRESS"
TOLD = ("ApiUrl", "DashboardUrl", "AlarmsTopicArn", "PushJobsTopicArn", "RecordsTableName")

# Runs a program in the repository's folder and returns its exit code.
Execute = Callable[[list[str], dict[str, str]], int]


@dataclass(frozen=True)
class Plan:
    """What is about to be deployed, and where."""

    stage: str
    stack: str
    release: str
    # What is said now, and what samconfig.toml says. What neither says stays as it is on a stack that exists.
    parameters: dict[str, str]
    architecture: str
    before: Deployed | None = field(default=None, repr=False)


def run(settings: Mapping[str, str], clients: Clients = client, root: Path = ROOT) -> int:
    """Deploys, and checks that what answers callbacks is what was deployed."""
    stage = wanted_stage(settings)
    parameters = declared(root / "template.yaml")
    given = given_parameters(settings, parameters)
    sam, environment = tools(root, settings)
    release = release_of(root, stage)
    stack, configured = configuration(root, stage)
    stack = settings.get("STACK") or stack
    with said_in_a_line(f"STACK={stack}"):
        refuse_the_local_stacks_settings(settings)
        identity = clients("sts").get_caller_identity()
        region = clients("cloudformation").meta.region_name
        before = find(clients, stack)
        plan = planned(stage, stack, release, {**configured, **given}, parameters, before)
        print(announcement(plan, parameters, identity, region), flush=True)
        if stage == "prod":
            confirm(stack, settings)
        unasked = bool(settings.get("CONFIRM"))
        build_and_deploy(plan, region, unasked, sam, lambda command: execute(command, environment, root))
        return told_afterwards(clients, plan)


def wanted_stage(settings: Mapping[str, str]) -> str:
    """Dev or prod, never by default."""
    stage = settings.get("STAGE", "")
    if stage not in STAGES:
        raise StackError("which stage? Say STAGE=dev or STAGE=prod")
    return stage


def given_parameters(settings: Mapping[str, str], parameters: dict[str, Parameter]) -> dict[str, str]:
    """What is said now. A value that CloudFormation would refuse is refused before anything is built."""
    given = {name: settings[variable] for variable, name in VARIABLES.items() if settings.get(variable)}
    if "CallbackTokenSha256" in given:
        check_digests(given["CallbackTokenSha256"])
    for word in shlex.split(settings.get("PARAMETERS", "")):
        name, equals, value = word.partition("=")
        if not equals or name not in parameters:
            raise StackError(
                f"PARAMETERS has {name}, which template.yaml does not know: it knows {', '.join(parameters)}"
            )
        if name in ("Stage", "Release"):
            raise StackError(f"PARAMETERS has {name}, which `make deploy` gives itself")
        given[name] = value
    check_values(given, parameters)
    return given


def check_values(given: dict[str, str], parameters: dict[str, Parameter]) -> None:
    """Refuses what CloudFormation would refuse."""
    for name, value in given.items():
        if name not in parameters:
            raise StackError(f"samconfig.toml has {name}, which template.yaml does not know")
        if why := refusal(name, value, parameters[name]):
            raise StackError(why)


def check_digests(text: str) -> None:
    """Refuses what is no digest without repeating it, because it may be the token."""
    digests = text.split(",")
    if len(digests) > 2 or not all(re.fullmatch(r"[0-9a-f]{64}", each) for each in digests):
        raise StackError(
            "TOKEN_SHA256 is one or two digests of 64 lower-case hex digits, separated by a comma: "
            "`make token` prints a token and its digest. The token itself is never given here"
        )
    if digest(TOKEN) in digests:
        raise StackError(
            "TOKEN_SHA256 is the digest of the local stack's token, which is public: `make token` makes one"
        )


def tools(root: Path, settings: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Where SAM is, and the environment in which it finds what it needs."""
    # cargo-lambda finds its linker through the Python that it was installed with, so that one comes first.
    path = f"{root / '.local/venv/bin'}{os.pathsep}{settings.get('PATH', '')}"
    own = root / ".local/checks/bin/sam"
    sam = shutil.which("sam", path=settings.get("PATH", "")) or (str(own) if own.exists() else None)
    if not sam:
        raise StackError(
            "the AWS SAM CLI is not installed: `pip install aws-sam-cli`, or `make check` installs it for this"
        )
    for program, how in (("cargo", "see https://rustup.rs"), ("cargo-lambda", "`pip install cargo-lambda`")):
        if not shutil.which(program, path=path):
            raise StackError(f"{program} is not installed: {how}")
    return sam, {"SAM_CLI_TELEMETRY": "0", **settings, "PATH": path}


def release_of(root: Path, stage: str) -> str:
    """A name for what is deployed: new each time, so that every change reaches the alias, and it tells the commit."""
    commit = git(root, "rev-parse", "--short", "HEAD")
    changed = bool(git(root, "status", "--porcelain"))
    if stage == "prod" and commit is None:
        raise StackError("this is no Git working tree: nobody could say later what runs in production")
    if stage == "prod" and changed:
        raise StackError("the working tree has changes that are in no commit: production gets what is committed")
    now = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    return f"{now}-{commit}{'-dirty' if changed else ''}" if commit else now


def git(root: Path, *arguments: str) -> str | None:
    """What Git says; nothing when there is no Git."""
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def configuration(root: Path, stage: str) -> tuple[str, dict[str, str]]:
    """Stack and parameters of a stage in samconfig.toml. They are merged here, because SAM takes its file's or ours."""
    path = root / "samconfig.toml"
    try:
        file = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise StackError(f"samconfig.toml cannot be read: {error}") from error
    section = file.get(stage, {})
    settings = {
        **section.get("global", {}).get("parameters", {}),
        **section.get("deploy", {}).get("parameters", {}),
    }
    stack = settings.get("stack_name", "")
    if not stack:
        raise StackError(f"samconfig.toml names no stack_name for {stage}")
    return stack, overrides(settings.get("parameter_overrides", []))


def overrides(value: Any) -> dict[str, str]:
    """SAM's parameter_overrides: a table, a list of Name=value, or a text of them."""
    if isinstance(value, dict):
        return {name: str(each) for name, each in value.items()}
    words = shlex.split(value) if isinstance(value, str) else [word for each in value for word in shlex.split(each)]
    return dict(word.split("=", 1) for word in words)


def refuse_the_local_stacks_settings(settings: Mapping[str, str]) -> None:
    """Whoever has sourced .local/stack.env has its service ids and credentials too."""
    if settings.get("AWS_ACCESS_KEY_ID") == CREDENTIAL:
        raise StackError("this shell has the local stack's settings (.local/stack.env): deploy from another one")


def planned(
    stage: str,
    stack: str,
    release: str,
    wanted: dict[str, str],
    parameters: dict[str, Parameter],
    before: Deployed | None,
) -> Plan:
    """The plan, unless the stack is not in a state for it or something is missing."""
    if before and before.status == NOT_YET:
        before = None
    if before and before.status not in CHANGEABLE:
        raise StackError(
            f"{stack} is {before.status}: see CloudFormation's events; if it was never up, `make destroy` it"
        )
    if before:
        refuse_foreign(before)
        if stage_of(before) != stage:
            unsaid = "" if before.stage else ", as far as anybody knows: it has no parameter Stage"
            raise StackError(f"{stack} is a {stage_of(before)} stack, and not {stage}{unsaid}")
    known = {**(before.parameters if before else {}), **wanted}
    if not known.get("CallbackTokenSha256"):
        raise StackError(f"{stack} does not exist yet and needs TOKEN_SHA256=…, the digest that `make token` prints")
    if not known.get("LineServiceIds") and not known.get("TencentSdkAppIds"):
        raise StackError(f"{stack} needs LINE_SERVICE_IDS=… or TENCENT_SDK_APP_IDS=…: whose callbacks are yours?")
    if stage == "prod" and "any" in (known.get("LineServiceIds"), known.get("TencentSdkAppIds")):
        raise StackError(f"{stack} would take callbacks of any service: production names its own")
    # SAM builds for what it is told, not for what the stack had before.
    architecture = known.get("Architecture") or parameters["Architecture"].default
    told = {**wanted, "Stage": stage, "Release": release}
    check_values(told, parameters)
    return Plan(stage, stack, release, told, architecture, before)


def announcement(plan: Plan, parameters: dict[str, Parameter], identity: dict[str, Any], region: str) -> str:
    """What is about to change, and where."""
    doing = f"changes the stack {plan.stack}" if plan.before else f"creates the stack {plan.stack}"
    lines = [f"This {doing} ({plan.stage}) in {region}, account {identity['Account']}, as {identity['Arn']}."]
    for name, value in plan.parameters.items():
        lines.append(f"  {name} = {'…' if parameters[name].secret else value}")
    if plan.before:
        kept = [name for name in plan.before.parameters if name in parameters and name not in plan.parameters]
        lines.append(f"  as before: {', '.join(kept) or 'nothing'}")
    return "\n".join(lines)


def build_and_deploy(plan: Plan, region: str, unasked: bool, sam: str, run_program: Callable[[list[str]], int]) -> None:
    """Runs SAM. The parameters go through a file that only its owner reads: a command line is seen by everybody."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "parameters.yaml"
        file.touch(mode=0o600)
        file.write_text(yaml.safe_dump({**plan.parameters, "Architecture": plan.architecture}))
        common = ["--config-env", plan.stage, "--region", region, "--parameter-overrides", f"file://{file}"]
        if run_program([sam, "build", *common]):
            raise StackError("`sam build` failed: what it says is above. Nothing was changed")
        # Whoever has said CONFIRM has confirmed; there may be nobody to ask.
        asked = ["--no-confirm-changeset"] if unasked else []
        if run_program([sam, "deploy", "--stack-name", plan.stack, *common, *asked]):
            raise StackError("`sam deploy` failed: what it says is above. What CloudFormation had begun it takes back")


def execute(command: list[str], environment: dict[str, str], root: Path) -> int:
    """Runs a program where a person sees it."""
    return subprocess.run(command, cwd=root, env=environment, check=False).returncode


def told_afterwards(clients: Clients, plan: Plan) -> int:
    """Says where everything is, and whether what answers callbacks is what was deployed."""
    deployed = existing(clients, plan.stack)
    if deployed.parameters.get("Release", plan.release) != plan.release:
        raise StackError(f"nothing was deployed: {plan.stack} is still release {deployed.parameters['Release']}")
    urls = [name for name in deployed.outputs if name.endswith("Url") and name not in TOLD]
    for name in [*urls, *(name for name in TOLD if name in deployed.outputs)]:
        print(f"  {name:<22} {deployed.outputs[name]}")
    functions = named(resources(clients, plan.stack), "AWS::Lambda::Function")
    if not functions:
        raise StackError(f"{plan.stack} has no functions: is template.yaml Ringback's?")
    wrong = behind(clients("lambda"), functions, plan.release)
    if wrong:
        print("\n".join(["", "NOT LIVE: callbacks are answered by something else than what was deployed.", *wrong]))
        return 1
    print(
        f"\n{len(functions)} functions answer as release {plan.release}. Try them: make smoke STACK={plan.stack} URL=…"
    )
    return 0


def behind(functions_client: Any, functions: dict[str, str], release: str) -> list[str]:
    """The functions whose alias is not what was deployed, and by what one sees it. Values are secrets."""
    wrong = []
    for logical, function in sorted(functions.items()):
        newest = functions_client.get_function_configuration(FunctionName=function)
        live = functions_client.get_function_configuration(FunctionName=function, Qualifier=ALIAS)
        reasons = [f"{name} is another" for name in different(variables(newest), variables(live))]
        if newest.get("CodeSha256") != live.get("CodeSha256"):
            reasons.append("its code is another")
        if live.get("Description") != release:
            reasons.append(f"its version is {live.get('Description') or 'without a release'}")
        if reasons:
            wrong.append(f"  {logical}: {', '.join(reasons)}")
    return wrong


def variables(configuration: dict[str, Any]) -> dict[str, str]:
    """The environment of a function."""
    found: dict[str, str] = configuration.get("Environment", {}).get("Variables", {})
    return found


def different(left: dict[str, str], right: dict[str, str]) -> list[str]:
    """The names whose values differ."""
    return sorted(name for name in left.keys() | right.keys() if left.get(name) != right.get(name))
