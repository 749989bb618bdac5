"""Looks at what `sam build` made: every function is there, for its processor, and starts."""

import os
import platform
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from local.cloudformation import ROOT, read
from local.processes import StackError, shown

# The ELF header's e_machine, by Lambda's names and by the kernel's.
MACHINES = {"x86_64": 62, "arm64": 183}
SAME = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
SECONDS_TO_GIVE_UP = 20
# What Lambda gives to every function. Port 9 discards, so that there is no answer.
RUNTIME = {
    "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9",
    "AWS_LAMBDA_FUNCTION_NAME": "packaged",
    "AWS_LAMBDA_FUNCTION_VERSION": "1",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
}


def run(settings: Mapping[str, str]) -> int:
    """Looks at the package in FOLDER, built for ARCH."""
    folder, architecture = Path(settings.get("FOLDER", ".aws-sam/build")), settings.get("ARCH", "arm64")
    functions = packaged(folder, ROOT / "template.yaml", architecture)
    if SAME.get(platform.machine()) != architecture:
        print(
            f"{len(functions)} functions for {architecture} are in {shown(folder)}. This machine cannot start them."
        )
        return 0
    for name, bootstrap in functions.items():
        check_that_it_starts(name, bootstrap)
    print(f"{len(functions)} functions for {architecture} are in {shown(folder)}, and each starts.")
    return 0


def packaged(folder: Path, template: Path, architecture: str) -> dict[str, Path]:
    """The binaries that a deployment would upload."""
    if architecture not in MACHINES:
        raise StackError(f"ARCH={architecture}: it is x86_64 or arm64")
    wanted = functions_of(template)
    found = {
        name: folder / code / "bootstrap" for name, code in functions_of(folder / "template.yaml").items()
    }
    if found.keys() != wanted.keys():
        raise StackError(f"{shown(folder)} has the functions {', '.join(found)} and not {', '.join(wanted)}")
    for name, bootstrap in found.items():
        check_binary(name, bootstrap, architecture)
    contents = {bootstrap.read_bytes() for bootstrap in found.values()}
    if len(contents) != len(found):
        raise StackError(f"two functions in {shown(folder)} have the same binary")
    return found


def functions_of(template: Path) -> dict[str, str]:
    """The functions of a template and where each says its code is."""
    if not template.exists():
        raise StackError(f"{shown(template)} is not there: `make package` makes it")
    resources = read(template)["Resources"]
    return {
        name: resource["Properties"].get("CodeUri", "")
        for name, resource in resources.items()
        if resource["Type"] == "AWS::Serverless::Function"
    }


def check_binary(name: str, bootstrap: Path, architecture: str) -> None:
    """Refuses what Lambda could not start. `sam build` names no target for x86_64: it builds for its own machine."""
    if not os.access(bootstrap, os.X_OK):
        raise StackError(f"{name} has no program {shown(bootstrap)}")
    head = bootstrap.read_bytes()[:20]
    if head[:4] != b"\x7fELF" or int.from_bytes(head[18:20], "little") != MACHINES[architecture]:
        raise StackError(f"{shown(bootstrap)} is not for {architecture}")


def check_that_it_starts(name: str, bootstrap: Path) -> None:
    """Starts a function without its variables: it must end and name the one that it misses first."""
    try:
        ended = subprocess.run(
            [bootstrap.resolve()],
            env=RUNTIME,
            capture_output=True,
            text=True,
            timeout=SECONDS_TO_GIVE_UP,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StackError(f"{name} does not start as it should: {error}") from error
    if ended.returncode != 1 or not re.search("environment variable [A-Z_]+ is missing", ended.stdout):
        raise StackError(
            f"{name} does not name the variable that it misses, but says: {ended.stdout + ended.stderr}"
        )
