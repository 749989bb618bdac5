"""What stands before that which cannot be taken back: which stack it is, whether it is Ringback's, and the question."""

import sys
from collections.abc import Iterable, Mapping

from local.aws import Clients
from local.processes import StackError

from .deployed import Deployed

# Outputs that no other stack is likely to have.
OURS = ("RecordsTableName", "SpoolQueueArn")


def refuse_foreign(deployed: Deployed, declared: Iterable[str] = ()) -> None:
    """Goes no further with a stack that is not Ringback's. One that was never up has but its template's outputs."""
    missing = [name for name in OURS if name not in {*deployed.outputs, *declared}]
    if missing:
        raise StackError(f"{deployed.name} is no stack of Ringback's: it has no output {' and no '.join(missing)}")


def stage_of(deployed: Deployed) -> str:
    """A stack that does not say its stage may well be somebody's production."""
    return deployed.stage or "prod"


def where(clients: Clients, deployed: Deployed) -> str:
    """Which stack it is, so that nobody takes another one."""
    account = clients("sts").get_caller_identity()["Account"]
    region = clients("cloudformation").meta.region_name
    stage = f"a {deployed.stage} stack" if deployed.stage else "a stack without a stage, taken for production,"
    return f"{deployed.name}: {stage} ({deployed.status}) in {region}, account {account}."


def confirm(stack: str, settings: Mapping[str, str]) -> None:
    """Has the name of a stack typed, or takes it from CONFIRM; goes no further with another one."""
    given = settings.get("CONFIRM", "")
    if not given:
        if not sys.stdin.isatty():
            raise StackError(f"nothing was changed: say CONFIRM={stack}, or run it at a terminal and type the name")
        try:
            given = input(f"Type the stack's name to go on ({stack}): ").strip()
        except EOFError:
            given = ""
    if given != stack:
        raise StackError(f"nothing was changed: {given or 'nothing'} is not {stack}")
