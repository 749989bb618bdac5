"""Plays the cases of target/cases on the running stack and compares each result with the expected one.

`make cases` writes them from events/ and tests/cases/: single callbacks, and whole calls of several.
"""

import base64
import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .processes import StackError
from .router import Answer, invoke, request
from .stack import Stack
from .template import Function

# What a request line may hold (RFC 3986). The HTTP front refuses anything else.
URL = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@/?%-]*")
# They describe the connection of the recorded event.
CONNECTION_HEADERS = ("connection", "content-length", "host", "transfer-encoding")
# A function's words for a callback that is in the table, now or since an earlier time.
RECORDED = ("recorded", "duplicate")


@dataclass(frozen=True)
class Case:
    """One event for one function, and what is expected of it."""

    function: Function
    name: str
    event: dict[str, Any]
    expected: dict[str, Any]


@dataclass(frozen=True)
class Call:
    """A whole call: several callbacks, and the call item after the last one."""

    name: str
    told: bool
    steps: list[Case]
    expected: dict[str, Any]


@dataclass(frozen=True)
class Handled:
    """What a function printed about one callback or one message, and the call at that time."""

    outcome: str
    reason: str = ""
    sid: str = ""
    call: dict[str, Any] | None = None


@dataclass(frozen=True)
class Result:
    """What became of a case."""

    answer: Answer
    handled: list[Handled] = field(default_factory=list)
    jobs: list[dict[str, str]] = field(default_factory=list)

    @property
    def effect(self) -> str:
        """The effects of a case, in the words of expected.json."""
        recorded = any(each.call for each in self.handled)
        return " and ".join(["job"] * len(self.jobs) + ["record"] * recorded) or "none"

    def differs(self, expected: dict[str, Any]) -> str:
        """What is not as expected; empty when all is."""
        if not expected:
            return "expected.json does not name this case"
        both = [(expected["status"], self.answer.status or "no answer")]
        # A step of a call has a status alone.
        both += [(expected["effect"], self.effect)] if "effect" in expected else []
        if all(wanted == found for wanted, found in both):
            return ""
        wanted, found = (" and ".join(map(str, words)) for words in zip(*both, strict=True))
        return f"expected {wanted}, got {found}. {expected.get('why', '')}".rstrip(" .")


def load(folder: Path, functions: list[Function]) -> tuple[list[Call], list[list[Case]]]:
    """The whole calls, and the cases of each function."""
    try:
        expected = json.loads((folder / "expected.json").read_bytes())
        calls = json.loads((folder / "calls.json").read_bytes())
    except (OSError, ValueError) as error:
        raise StackError(f"the cases cannot be read ({error}): `make cases` writes them") from error
    by_name = {function.name: function for function in functions}
    whole_calls = []
    for call in calls:
        steps = [
            Case(by_name[step["function"]], step["what"], step["event"], {"status": step["status"]})
            for step in call["steps"]
        ]
        whole_calls.append(Call(call["name"], call["told"], steps, call.get("call") or {}))
    cases: dict[str, list[Case]] = {}
    for path in sorted(folder.glob("*/*.json"), key=lambda path: (path.parent, path.stem)):
        name = path.parent.name
        case = Case(
            by_name[name], path.stem, json.loads(path.read_bytes()), expected.get(f"{name}/{path.stem}", {})
        )
        cases.setdefault(name, []).append(case)
    return whole_calls, list(cases.values())


def play_call(call: Call, stack: Stack) -> tuple[list[Result], str]:
    """Plays the callbacks of a call one after the other. Returns also what is not as expected."""
    results = [play(step, stack) for step in call.steps]
    differences = [result.differs(step.expected) for step, result in zip(call.steps, results, strict=True)]
    items = [handled.call for result in results for handled in result.handled if handled.call]
    for name, value in call.expected.items():
        found = items[-1].get(name) if items else None
        differences += [] if holds(found, value) else [f"expected {name} {value}, got {found}"]
    return results, "; ".join(filter(None, differences))


def holds(found: Any, wanted: Any) -> bool:
    """Whether an attribute is as wanted; of an object only the members that are named count."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(
            holds(found.get(name), value) for name, value in wanted.items()
        )
    return bool(found == wanted)


def play_all(cases: list[list[Case]], stack: Stack) -> list[list[Result]]:
    """Plays the cases of the functions side by side, those of one function one after the other."""
    pool = ThreadPoolExecutor(len(cases))
    try:
        return list(pool.map(lambda each: [play(case, stack) for case in each], cases))
    finally:
        # An interrupt does not wait for the rest.
        pool.shutdown(wait=False, cancel_futures=True)


def play(case: Case, stack: Stack) -> Result:
    """Sends one case to its function and checks the result."""
    name = case.function.name
    if case.function.routes:
        answer = send(case, stack.port)
        lines = 1 if answer.status else 0
    else:
        answer = invoke(stack.port, name, json.dumps(case.event).encode())
        lines = len(messages(case.event)) if answer.status == 200 else 0
    handled = []
    for _ in range(lines):
        line = stack.running.line_of(name)
        outcome, reason, sid = (str(line.get(field) or "") for field in ("outcome", "reason", "sid"))
        handled.append(Handled(outcome, reason, sid, stack.call(sid) if outcome in RECORDED else None))
    return Result(answer, handled, stack.take_jobs(name, answer.status))


def messages(event: Any) -> list[Any]:
    """The messages of a batch; any other event has none."""
    records = event.get("Records") if isinstance(event, dict) else None
    return records if isinstance(records, list) else []


def send(case: Case, port: int) -> Answer:
    """Sends a case over HTTP as its vendor would, or directly when HTTP cannot carry it."""
    event = case.event
    query = event.get("rawQueryString") or ""
    target = event["rawPath"] + (f"?{query}" if query else "")
    body = event.get("body") or ""
    content = base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()
    has_route = any(fits(route, event["rawPath"]) for route in case.function.routes)
    if has_route and URL.fullmatch(target) and is_utf8(content):
        headers = event.get("headers", {}).items()
        kept = {name: value for name, value in headers if name.lower() not in CONNECTION_HEADERS}
        return request(port, event["requestContext"]["http"]["method"], target, content, kept)
    answer = invoke(port, case.function.name, json.dumps(event).encode())
    if answer.status != 200:
        return answer
    response = json.loads(answer.body)
    return Answer(response.get("statusCode"), response.get("body") or "")


def is_utf8(content: bytes) -> bool:
    """Whether cargo-lambda passes a body on. It answers 500 to any other."""
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def fits(route: str, path: str) -> bool:
    """Whether a route, which may hold {parameters}, leads to a path."""
    parts = ["[^/]+" if part.startswith("{") else re.escape(part) for part in route.split("/")]
    return re.fullmatch("/".join(parts), path) is not None
