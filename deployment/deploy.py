"""Runs `sam build` and `sam deploy` for a stage, with a release name, and checks that the release is live.

CloudFormation is left to refuse what it refuses by itself (the template's Rules, a stack in the wrong state),
but for values that can be judged before a build of many minutes.
"""

import shlex
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from local.aws import Clients, client, said_in_a_line
from local.cloudformation import ROOT, out_of_bounds, read
from local.processes import StackError

from .checks.functions import ALIAS
from .checks.whole import parameter_overrides
from .stack import find, named, ours, refuse_foreign

STAGES = ("dev", "prod")
# The variables of `make deploy` and the template's parameters. PARAMETERS='Name=value …' gives any other.
VARIABLES = {
    "TOKEN_SHA256": "CallbackTokenSha256",
    "LINE_SERVICE_IDS": "LineServiceIds",
    "TENCENT_SDK_APP_IDS": "TencentSdkAppIds",
    "TENCENT_CALLBACK_TOKEN": "TencentCallbackToken",
}


def run(settings: Mapping[str, str], clients: Clients = client, root: Path = ROOT) -> int:
    """Deploys, and checks that callbacks reach the new release."""
    stage = settings.get("STAGE", "")
    if stage not in STAGES:
        raise StackError("which stage? Set STAGE=dev or STAGE=prod")
    release = release_name(root, stage)
    configured = tomllib.loads((root / "samconfig.toml").read_text())[stage]["deploy"]["parameters"]
    stack = settings.get("STACK") or str(configured["stack_name"])
    # SAM reads parameters from its file or from us, so they are merged here. All others keep their values.
    parameters = {**parameter_overrides(configured), **given(settings), "Stage": stage, "Release": release}
    refuse_bad_values(parameters, root)
    with said_in_a_line(f"STACK={stack}"):
        before = find(clients, stack)
        # A change set that was never executed leaves a stack in review, without outputs.
        if before and before.status != "REVIEW_IN_PROGRESS":
            refuse_foreign(before)
            if before.stage != stage:
                raise StackError(f"{stack} is a {before.stage} stack, not {stage}")
            print(before.where(clients), flush=True)
            # SAM builds for the architecture that it is given, not for the one that the stack has.
            parameters.setdefault("Architecture", before.parameters.get("Architecture", "arm64"))
        options = ["--config-env", stage, "--region", clients("cloudformation").meta.region_name]
        build_and_deploy(stack, parameters, options, settings, root)
        return report(clients, stack, release)


def given(settings: Mapping[str, str]) -> dict[str, str]:
    """The parameters given now."""
    values = {name: settings[variable] for variable, name in VARIABLES.items() if settings.get(variable)}
    for word in shlex.split(settings.get("PARAMETERS", "")):
        name, equals, value = word.partition("=")
        if not equals or name in ("Stage", "Release"):
            raise StackError(f"PARAMETERS has {name}: it is a list of Name=value without Stage and Release")
        values[name] = value
    return values


def refuse_bad_values(parameters: Mapping[str, str], root: Path) -> None:
    """Refuses what CloudFormation would refuse. Secrets are not repeated: one may be the token itself."""
    declared = read(root / "template.yaml")["Parameters"]
    for name, value in parameters.items():
        if name not in declared:
            raise StackError(f"template.yaml has no parameter {name}")
        if reasons := out_of_bounds(name, declared[name], value):
            raise StackError(f"{reasons[0]}{'. `ringback token` makes one' if 'Token' in name else ''}")


def release_name(root: Path, stage: str) -> str:
    """A name that is new each time, so that every change reaches the alias, with the commit in it."""
    commit = git(root, "rev-parse", "--short", "HEAD")
    changed = bool(git(root, "status", "--porcelain"))
    if stage == "prod" and (not commit or changed):
        raise StackError("production gets what is committed: this working tree has changes or is not in Git")
    now = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    return "-".join([now, *([commit] if commit else []), *(["dirty"] if commit and changed else [])])


def git(root: Path, *arguments: str) -> str:
    """What Git answers; nothing when there is no Git."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=root, capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def sam(root: Path, settings: Mapping[str, str], *arguments: str) -> int:
    """Runs the SAM CLI where a person sees it."""
    # cargo-lambda finds its linker through the Python that it was installed with, so that one comes first.
    path = f"{root / '.local/venv/bin'}:{settings.get('PATH', '')}:{root / '.local/checks/bin'}"
    program = shutil.which("sam", path=path)
    if not program:
        raise StackError("the AWS SAM CLI is not installed: `pip install aws-sam-cli`")
    environment = {"SAM_CLI_TELEMETRY": "0", **settings, "PATH": path}
    return subprocess.run([program, *arguments], cwd=root, env=environment, check=False).returncode


def build_and_deploy(
    stack: str, parameters: Mapping[str, str], options: list[str], settings: Mapping[str, str], root: Path
) -> None:
    """Runs SAM. The parameters go through a file that only its owner reads: other users see command lines."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "parameters.yaml"
        file.touch(mode=0o600)
        file.write_text(yaml.safe_dump(dict(parameters)))
        common = [*options, "--parameter-overrides", f"file://{file}"]
        if sam(root, settings, "build", *common):
            raise StackError("`sam build` failed. Nothing was changed")
        # SAM asks before it changes production, unless the stack was named already.
        unasked = ["--no-confirm-changeset"] if settings.get("CONFIRM") == stack else []
        if sam(root, settings, "deploy", "--stack-name", stack, *common, *unasked):
            raise StackError("`sam deploy` failed. CloudFormation takes back what it had begun")


def report(clients: Clients, stack: str, release: str) -> int:
    """Says whether what answers callbacks is what was deployed."""
    functions = named(clients, stack, "AWS::Lambda::Function")
    behind = not_live(clients("lambda"), functions, release)
    if behind or not functions or ours(clients, stack).parameters.get("Release") != release:
        print("\n".join(["", f"NOT LIVE: callbacks are not answered by release {release}.", *behind]))
        return 1
    print(f"\n{len(functions)} functions answer as release {release}: ringback doctor --stack {stack}")
    return 0


def not_live(functions_client: Any, functions: Mapping[str, str], release: str) -> list[str]:
    """The functions whose alias is not what was deployed, and what differs. Values are secrets."""
    lines = []
    for logical, function in sorted(functions.items()):
        newest = functions_client.get_function_configuration(FunctionName=function)
        live = functions_client.get_function_configuration(FunctionName=function, Qualifier=ALIAS)
        old, new = (each.get("Environment", {}).get("Variables", {}) for each in (live, newest))
        reasons = [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]
        reasons += ["code"] if newest.get("CodeSha256") != live.get("CodeSha256") else []
        if live.get("Description") != release:
            reasons.append(f"release ({live.get('Description') or 'none'})")
        if reasons:
            lines.append(f"  {logical} differs in {', '.join(reasons)}")
    return lines
