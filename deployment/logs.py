"""What the functions of a deployment print, in lines that a person reads."""

import json
import re
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from local.aws import Clients, client, said_in_a_line
from local.processes import StackError, in_words
from local.show import clean

from .deployed import existing, named, resources

SECONDS_BETWEEN_LOOKS = 3
# CloudWatch shows an entry some seconds after the time that it bears, so each look goes back a little.
SECONDS_OF_DELAY = 30
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def run(settings: Mapping[str, str], clients: Clients = client, looks: Iterator[float] | None = None) -> int:
    """Prints what was printed since a time, and goes on until it is interrupted; with FOLLOW=no it ends there."""
    stack = settings.get("STACK", "")
    if not stack:
        raise StackError("which? Say STACK=name (`make run` shows the local stack's callbacks by itself)")
    since = time.time() - seconds_of(settings.get("SINCE", "15m"))
    follow = settings.get("FOLLOW", "yes") != "no"
    with said_in_a_line(f"STACK={stack}"):
        existing(clients, stack)
        groups = groups_of(clients, stack, settings.get("FUNCTION", ""))
        print(f"{', '.join(groups)} of {stack}:", flush=True)
        tail = Tail(clients("logs"), groups, int(1000 * since))
        for _ in looks or pauses(follow):
            for line in tail.look():
                print(line, flush=True)
    return 0


def seconds_of(text: str) -> int:
    """Reads a length of time like 15m."""
    found = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if not found:
        raise StackError(f"SINCE={text} is no length of time: say 30s, 15m, 2h or 1d")
    return int(found[1]) * UNITS[found[2]]


def groups_of(clients: Clients, stack: str, only: str) -> dict[str, str]:
    """The log group of each function, by the function's name; or that of one."""
    listed = resources(clients, stack)
    functions = {name.removesuffix("Function") for name in named(listed, "AWS::Lambda::Function")}
    groups = {
        kebab(name.removesuffix("Logs")): group
        for name, group in named(listed, "AWS::Logs::LogGroup").items()
        # The access logs have no function. They are shown when asked for.
        if name.removesuffix("Logs") in functions or kebab(name.removesuffix("Logs")) == only
    }
    if not groups:
        raise StackError(f"{stack} has no log groups: is it a Ringback of today?")
    if only and only not in groups:
        raise StackError(f"FUNCTION={only} is none of {', '.join(sorted(groups))}")
    return {name: group for name, group in sorted(groups.items()) if only in ("", name)}


def kebab(name: str) -> str:
    """CallEvent as call-event."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


def pauses(follow: bool) -> Iterator[float]:
    """One look, and then one after each pause."""
    yield time.time()
    while follow:
        time.sleep(SECONDS_BETWEEN_LOOKS)
        yield time.time()


class Tail:
    """Reads log groups from a moment on, each entry once."""

    def __init__(self, logs: Any, groups: dict[str, str], since: int) -> None:
        self._logs = logs
        self._groups = groups
        self._since = dict.fromkeys(groups, since)
        # Entries that a look may find again, and when they were written.
        self._seen: dict[str, int] = {}

    def look(self) -> list[str]:
        """The lines that have come since the last look, in the order of their time."""
        new = [(event["timestamp"], name, event["message"]) for name in self._groups for event in self._new(name)]
        oldest = min(self._since.values())
        self._seen = {entry: moment for entry, moment in self._seen.items() if moment >= oldest}
        lines = [entry_line(name, moment, message) for moment, name, message in sorted(new)]
        return [line for line in lines if line]

    def _new(self, name: str) -> list[dict[str, Any]]:
        pages = self._logs.get_paginator("filter_log_events").paginate(
            logGroupName=self._groups[name], startTime=self._since[name]
        )
        new = [event for page in pages for event in page["events"] if event["eventId"] not in self._seen]
        self._seen.update({event["eventId"]: event["timestamp"] for event in new})
        latest = max((event["timestamp"] for event in new), default=0)
        self._since[name] = max(self._since[name], latest - 1000 * SECONDS_OF_DELAY)
        return new


def entry_line(function: str, moment: int, message: str) -> str:
    """One entry; nothing for Lambda's own lines about a request that went well."""
    try:
        fields = json.loads(message)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        return _line(moment, function, "", clean(message.strip()))
    if "type" in fields and "record" in fields:
        return platform_line(function, moment, fields)
    if fields.get("message") in ("callback", "replay"):
        return callback_line(function, moment, fields)
    if "routeKey" in fields:
        return access_line(function, moment, fields)
    words = clean(in_words(message))
    # Metrics alone have no message: they are for CloudWatch.
    return (
        _line(moment, function, str(fields.get("level", "")), words)
        if "message" in fields or words != message.strip()
        else ""
    )


def callback_line(function: str, moment: int, fields: dict[str, Any]) -> str:
    """What became of a callback, or of a message of the spool."""
    parts = [
        str(fields[name])
        for name in ("status", "outcome", "call_outcome", "field", "reason", "sid")
        if fields.get(name)
    ]
    if "latency_ms" in fields:
        parts.append(f"{fields['latency_ms']} ms")
    if fields.get("cold"):
        parts.append("cold")
    return _line(moment, function, str(fields.get("level", "")), clean("  ".join(parts)))


def access_line(function: str, moment: int, fields: dict[str, Any]) -> str:
    """A request as the API saw it."""
    parts = [str(fields[name]) for name in ("status", "method", "routeKey", "sourceIp") if fields.get(name)]
    parts.append(f"{fields.get('latency', '?')} ms")
    return _line(moment, function, "", clean("  ".join(parts)))


def platform_line(function: str, moment: int, fields: dict[str, Any]) -> str:
    """Lambda's own line, when it tells of trouble."""
    record = fields["record"] if isinstance(fields["record"], dict) else {}
    status = record.get("status", "success")
    if fields["type"] not in ("platform.report", "platform.initRuntimeDone") or status == "success":
        return ""
    why = record.get("errorType", "")
    return _line(moment, function, "ERROR", clean(f"Lambda: {status} {why}".rstrip()))


def _line(moment: int, function: str, level: str, words: str) -> str:
    return f"{datetime.fromtimestamp(moment / 1000):%H:%M:%S}  {function:<18}  {level:<5}  {words}".rstrip()
