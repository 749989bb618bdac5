"""The question that stands before what cannot be taken back."""

import sys
from collections.abc import Mapping

from local.processes import StackError


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
