"""Plays the sample events of events/ and compares what became of them with events/expected.json."""

import base64
import http.client
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import show
from .processes import LOOPBACK, StackError
from .stack import Stack
from .template import Function

EXPECTED = "expected.json"
# A request that takes longer has failed: the vendors wait two seconds.
SECONDS_TO_ANSWER = 10
# What a request line may hold (RFC 3986). The HTTP front refuses anything else.
URL = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@/?%-]*")
# A function's words for a callback that is in the table, be it since the last time.
RECORDED = ("recorded", "duplicate")
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
        """The API Gateway event."""
        event: dict[str, Any] = json.loads(self.path.read_bytes())
        return event


@dataclass(frozen=True)
class Answer:
    """What a caller gets; without a status there was no answer."""

    status: int | None
    body: str


@dataclass(frozen=True)
class Result:
    """What became of one sample."""

    status: int | None
    effect: str
    became: str
    # The session that an event was added to; none when the event was there already.
    added_to: str | None = None

    def differs(self, expected: dict[str, Any]) -> str:
        """What is not as expected; empty when all is."""
        if not expected:
            return f"events/{EXPECTED} does not name this sample"
        if (self.status, self.effect) == (expected["status"], expected["effect"]):
            return ""
        wanted = f"{expected['status']} and the effect {expected['effect']}"
        found = f"{self.status or 'no answer'} and {self.effect}"
        return f"expected {wanted}, got {found}. {expected.get('why', '')}".rstrip()


def load(folder: Path, functions: list[Function]) -> list[list[Sample]]:
    """The samples of each function, by name."""
    try:
        expected = json.loads((folder / EXPECTED).read_bytes())
    except (OSError, ValueError) as error:
        raise StackError(f"events/{EXPECTED} cannot be read: {error}") from error
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
        added_to=sid if call and outcome == "recorded" else None,
    )


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
    return request(port, event["requestContext"]["http"]["method"], target, content, headers)


def is_utf8(content: bytes) -> bool:
    """Whether cargo-lambda can hand on a body as JSON: to any other it answers 500 itself."""
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def invoke(sample: Sample, port: int) -> Answer:
    """Hands a sample to its function as `cargo lambda invoke` does: for what HTTP would not bring there."""
    target = f"/2015-03-31/functions/{sample.function.name}/invocations"
    answer = request(port, "POST", target, sample.path.read_bytes(), {})
    if answer.status != 200:
        return answer
    response = json.loads(answer.body)
    return Answer(response.get("statusCode"), response.get("body") or "")


def request(port: int, method: str, target: str, body: bytes, headers: dict[str, str]) -> Answer:
    """One HTTP request to the router."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=SECONDS_TO_ANSWER)
    try:
        connection.request(method, target, body or None, headers)
        response = connection.getresponse()
        return Answer(response.status, response.read().decode(errors="replace"))
    except (OSError, http.client.HTTPException) as error:
        return Answer(None, f"no answer: {error}")
    finally:
        connection.close()


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
