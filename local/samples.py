"""Plays the cases and compares what became of them with what their tables say."""

import base64
import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import client, show
from .client import Answer
from .processes import StackError
from .stack import RECORDED, Stack
from .template import Function

EXPECTED = "expected.json"
# What a request line may hold (RFC 3986). The HTTP front refuses anything else.
URL = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@/?%-]*")
# They describe the connection on which the event once came.
CONNECTION_HEADERS = ("connection", "content-length", "host", "transfer-encoding")


@dataclass(frozen=True)
class Sample:
    """One file of events/, and what is expected of it."""

    function: Function
    case: str
    path: Path
    expected: dict[str, Any]

    def event(self) -> dict[str, Any]:
        """The event: API Gateway's, or a batch of SQS's."""
        event: dict[str, Any] = json.loads(self.path.read_bytes())
        return event


@dataclass(frozen=True)
class Result:
    """What became of one sample."""

    status: int | None
    effect: str
    became: str
    # The session of each event that was added; none of one that was there already.
    added_to: tuple[str, ...] = ()

    def differs(self, expected: dict[str, Any]) -> str:
        """What is not as expected; empty when all is."""
        if not expected:
            return f"{EXPECTED} does not name this sample"
        if (self.status, self.effect) == (expected["status"], expected["effect"]):
            return ""
        wanted = f"{expected['status']} and the effect {expected['effect']}"
        found = f"{self.status or 'no answer'} and {self.effect}"
        return f"expected {wanted}, got {found}. {expected.get('why', '')}".rstrip()


def written(root: Path) -> Path:
    """The folder of all cases as whole events, made of events/ and the tables in tests/cases/."""
    command = ["cargo", "run", "--quiet", "--locked", "--package", "ringback-cases"]
    subprocess.run(command, cwd=root, check=True, stdout=subprocess.DEVNULL)
    return root / "target" / "cases"


def load(folder: Path, functions: list[Function]) -> list[list[Sample]]:
    """The samples of each function, by name; a function may have none."""
    try:
        expected = json.loads((folder / EXPECTED).read_bytes())
    except (OSError, ValueError) as error:
        raise StackError(f"{folder / EXPECTED} cannot be read: {error}") from error
    return [
        [
            Sample(function, path.stem, path, expected.get(f"{function.name}/{path.stem}", {}))
            for path in sorted((folder / function.name).glob("*.json"), key=lambda path: path.stem)
        ]
        for function in functions
    ]


def play_all(samples: list[Sample], stack: Stack) -> list[Result]:
    """Plays the samples of one function in their order."""
    return [play(sample, stack) for sample in samples]


def play(sample: Sample, stack: Stack) -> Result:
    """Sends one sample and looks at what became of it."""
    if not sample.function.routes:
        return play_batch(sample, stack)
    answer = send(sample, stack.port)
    line = stack.line_of(sample.function.name) if answer.status else {}
    outcome = str(line.get("outcome", ""))
    sid = str(line.get("sid", ""))

    jobs = stack.take_jobs(sample.function.name, answer.status)
    call = stack.call(sid) if outcome in RECORDED else None
    effects = ["job"] * len(jobs) + ["record"] * bool(call)
    became = [why(answer, outcome), *map(show.job_line, jobs), show.call_line(call) if call else ""]
    return Result(
        answer.status,
        " and ".join(effects) or "none",
        "; ".join(filter(None, became)),
        added_to=(sid,) if call and outcome == "recorded" else (),
    )


def play_batch(sample: Sample, stack: Stack) -> Result:
    """Hands a batch of messages to its function and looks at what became of each."""
    answer = client.invoke(stack.port, sample.function.name, sample.path.read_bytes())
    if answer.status != 200:
        return Result(answer.status, "none", why(answer, ""))
    became, added_to = [], []
    recorded = False
    for _ in messages(sample.event()):
        line = stack.line_of(sample.function.name)
        outcome, sid = str(line.get("outcome", "?")), str(line.get("sid", ""))
        call = stack.call(sid) if outcome in RECORDED else None
        recorded = recorded or bool(call)
        reason = show.clean(line.get("reason") or "")
        became.append(": ".join(filter(None, (show.clean(outcome), reason, show.call_line(call) if call else ""))))
        if call and outcome == "recorded":
            added_to.append(sid)
    return Result(200, "record" if recorded else "none", "; ".join(became), tuple(added_to))


def messages(event: Any) -> list[Any]:
    """The messages of a batch; what is no batch has none."""
    records = event.get("Records") if isinstance(event, dict) else None
    return records if isinstance(records, list) else []


def send(sample: Sample, port: int) -> Answer:
    """Sends a sample over HTTP as its vendor would."""
    event = sample.event()
    query = event.get("rawQueryString") or ""
    target = event["rawPath"] + (f"?{query}" if query else "")
    body = event.get("body") or ""
    content = base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()
    has_route = any(fits(route, event["rawPath"]) for route in sample.function.routes)
    if not has_route or not URL.fullmatch(target) or not is_utf8(content):
        return invoke(sample, port)
    headers = {
        name: value for name, value in event.get("headers", {}).items() if name.lower() not in CONNECTION_HEADERS
    }
    return client.request(port, event["requestContext"]["http"]["method"], target, content, headers)


def is_utf8(content: bytes) -> bool:
    """Whether cargo-lambda can hand on a body as JSON: to any other it answers 500 itself."""
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def invoke(sample: Sample, port: int) -> Answer:
    """Hands a sample to its function directly: for what HTTP would not bring there."""
    answer = client.invoke(port, sample.function.name, sample.path.read_bytes())
    if answer.status != 200:
        return answer
    response = json.loads(answer.body)
    return Answer(response.get("statusCode"), response.get("body") or "")


def fits(route: str, path: str) -> bool:
    """Whether a path is one that a route, which may hold {parameters}, leads to."""
    parts = ["[^/]+" if part.startswith("{") else re.escape(part) for part in route.split("/")]
    return re.fullmatch("/".join(parts), path) is not None


def why(answer: Answer, outcome: str) -> str:
    """The function's own word for what it did, and what its refusal says."""
    if answer.status == 200:
        return show.clean(outcome)
    if answer.status is None:
        return show.clean(answer.body)
    try:
        body = json.loads(answer.body)
    except ValueError:
        body = {}
    names = ("error", "ErrorInfo", "message", "errorMessage", "field")
    said = ": ".join(str(body[name]) for name in names if body.get(name))
    # An answer often begins with the function's own word.
    return show.clean(said if said.startswith(outcome) else ": ".join(filter(None, (outcome, said))))
