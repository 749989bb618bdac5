"""A smoke test: six samples with fresh session ids, sent to a deployment or to the local stack.

It checks the answers, and with access to AWS the records, which it then removes. The token is in no output.
"""

import hashlib
import http.client
import json
import re
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from boto3.dynamodb.types import TypeDeserializer

from local.aws import said_in_a_line
from local.cloudformation import ROOT
from local.make_token import new_token
from local.processes import StackError
from local.show import clean

from .records import CALL, Item, Place, local_stack, name_of, place_of

# Where the samples are: <function>/<case>.json, and what must become of them in expected.json.
CASES = ROOT / "target/cases"
# The older and the current generation of Tencent's callbacks are two.
SAMPLES = (
    "notify/audio-call",
    "call-event/answered-call",
    "group-call-event/standup-7-room-ends",
    "agent-call-status/agent-call-reaches-callee",
    "tencent-call-event/old-one-to-one-5-caller-ends",
    "tencent-call-event/current-one-to-one-4-ends",
)
# Whose callbacks the samples are, and the people in them: those of a real service may have the same names.
SAMPLE_SERVICE = {"line": "planetkit", "tencent": "1400000001"}
PEOPLE = ("alice", "bob")
MARK = "ringback-smoke"
# By vendor: the variable that gives an id to send callbacks for, the template's parameter, and an id for any.
SERVED = {
    "line": ("SERVICE_ID", "LineServiceIds", MARK),
    "tencent": ("SDK_APP_ID", "TencentSdkAppIds", "1400000000"),
}
# The vendors wait two; a cold start may take longer.
SECONDS_TO_ANSWER = 5.0
LOOPBACK = ("127.0.0.1", "localhost", "::1")
TENCENT_OK = {"ActionStatus": "OK", "ErrorInfo": "", "ErrorCode": 0, "ErrorMessage": "Success"}


@dataclass(frozen=True)
class Target:
    """Where callbacks are sent. The token is in no text that is printed."""

    base: str
    token: str = field(repr=False)

    def hushed(self, text: str) -> str:
        """A text without the token: a host may repeat the path that it was asked for."""
        return text.replace(self.token, "…")


@dataclass(frozen=True)
class Callback:
    """One callback, and what must become of it."""

    name: str
    method: str
    # What follows the token in the URL.
    target: str
    body: str
    sid: str
    # What the call item must say; nothing where there is none.
    call: dict[str, Any]

    @property
    def of_tencent(self) -> bool:
        """Whether it is one of Tencent's, which all get one answer."""
        return self.target.startswith("/tencent/")


@dataclass(frozen=True)
class Answer:
    """What came back; without a status nothing did, and the body says why."""

    status: int | None
    body: str
    cache_control: str = ""

    def parsed(self) -> dict[str, Any]:
        """The JSON object that it holds, if it does."""
        try:
            parsed = json.loads(self.body)
        except ValueError:
            return {}
        return parsed if isinstance(parsed, dict) else {}

    def shown(self, target: Target) -> str:
        """The answer in a few words. The token goes before the text is cut, or a piece of it would stay."""
        said = self.parsed()
        word = (
            said.get("result")
            or said.get("error")
            or said.get("ErrorMessage")
            or said.get("message")
            or self.body
        )
        return target.hushed(clean(f"{self.status or ''} {word}".strip()))[:80]


# What was checked, what was seen, and what is wrong with it.
Check = tuple[str, str, str]


def run(settings: Mapping[str, str]) -> int:
    """Runs the smoke test and reports each check."""
    local = local_stack(settings)
    target = target_of(settings.get("URL") or (local or {}).get("CALLBACK_URL", ""))
    session = f"{MARK}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(4)}"
    print(f"Smoke test of {target.base}/…, sessions {session}-…", flush=True)
    problems: list[bool] = []

    def tell(check: Check) -> None:
        what, seen, problem = check
        problems.append(bool(problem))
        line = f"  {'FAILED' if problem else 'ok':<6}  {what:<62} {seen}".rstrip()
        print(target.hushed(f"{line}\n          {problem}" if problem else line), flush=True)

    with said_in_a_line(name_of(settings)):
        place, parameters = stack_behind(target, settings, local)
        callbacks = list(chosen(session, settings, parameters))
        try:
            send_all(target, callbacks, tell)
            for callback in callbacks:
                if callback.call and place:
                    tell(record_check(callback, list(map(plain, place.table().items_of(callback.sid)))))
        finally:
            # Also after Ctrl-C.
            if place:
                tell(removed(place, callbacks))
    if not place:
        print("The records were not looked at (no STACK=name). They expire after RetentionDays.")
    failed = sum(problems)
    print(f"\n{failed} of {len(problems)} checks FAILED." if failed else f"\nAll {len(problems)} passed.")
    return 1 if failed else 0


def target_of(url: str) -> Target:
    """Where a URL leads. A mistake in it is reported without the token in it."""
    parts = urlsplit(url.strip().rstrip("/"))
    base, _, token = parts.path.rpartition("/")
    safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    for wrong, why in (
        (not url, "where to? Set URL=https://…/TOKEN with your token, or start `make run` first"),
        (not parts.hostname or "@" in parts.netloc or parts.query, "URL must be https://HOST/TOKEN alone"),
        (not safe, "URL must begin with https://, because the token in it is a secret"),
        (token in ("", "TOKEN"), "URL has no token: it ends with /TOKEN, with your token in its place"),
        (base.count("/") > 1 or not re.fullmatch(r"[A-Za-z0-9._~-]+", token), "URL must end with the token"),
    ):
        if wrong:
            raise StackError(why)
    return Target(f"{parts.scheme}://{parts.netloc}{base}", token)


def stack_behind(
    target: Target, settings: Mapping[str, str], local: dict[str, str] | None
) -> tuple[Place | None, dict[str, str]]:
    """The records of STACK, or of the local stack if the URL is its own; and whose callbacks it takes."""
    if settings.get("STACK"):
        place = place_of(settings)
        return place, place.deployed.parameters if place.deployed else {}
    if local and urlsplit(local["CALLBACK_URL"]).netloc == urlsplit(target.base).netloc:
        ids = {"LineServiceIds": local["LINE_SERVICE_IDS"], "TencentSdkAppIds": local["TENCENT_SDK_APP_IDS"]}
        return place_of(settings), ids
    return None, {}


def chosen(session: str, settings: Mapping[str, str], parameters: Mapping[str, str]) -> Iterator[Callback]:
    """The samples of the vendors that the stack serves."""
    services = {}
    for vendor, (variable, parameter, anyone) in SERVED.items():
        first = parameters.get(parameter, "").split(",")[0]
        services[vendor] = settings.get(variable) or (anyone if first == "any" else first)
        if not services[vendor]:
            why = "the stack does not serve it" if parameters else f"{variable} is not set"
            print(f"No callbacks of {vendor}: {why}.")
    if not any(services.values()):
        raise StackError("whose callbacks? Set SERVICE_ID=…, SDK_APP_ID=… or both, or STACK=name")
    if settings.get("NOTIFY", "yes") != "no" and services["line"]:
        print(f"notify publishes a push job for {MARK}-{PEOPLE[1]}, who is unknown. NOTIFY=no leaves it out.")
    for sample in SAMPLES:
        vendor = "tencent" if sample.startswith("tencent") else "line"
        if services[vendor] and not (sample.startswith("notify/") and settings.get("NOTIFY") == "no"):
            yield prepared(sample, session, services[vendor], settings.get("TENCENT_CALLBACK_TOKEN", ""))


def prepared(sample: str, session: str, service: str, signing_token: str) -> Callback:
    """A sample in a session of its own, of the stack's service, and with people who cannot be real users."""
    event = json.loads((CASES / f"{sample}.json").read_text())
    expected = json.loads((CASES / "expected.json").read_text())[sample]
    vendor = "tencent" if sample.startswith("tencent") else "line"
    sid = f"{session}-{sample.replace('/', '-')}"
    old_sid = (expected.get("call") or expected["job"])["sid"]

    def marked(text: str, service: str = service) -> str:
        text = text.replace(old_sid, sid).replace(SAMPLE_SERVICE[vendor], service)
        return re.sub("|".join(PEOPLE), rf"{MARK}-\g<0>", text)

    query = marked(event["rawQueryString"], quote(service, safe=""))
    if vendor == "tencent" and signing_token:
        now = int(time.time())
        query += f"&RequestTime={now}&Sign={hashlib.sha256(f'{signing_token}{now}'.encode()).hexdigest()}"
    return Callback(
        name=sample,
        method=event["requestContext"]["http"]["method"],
        # Behind the token, which is the first part of a sample's path.
        target=f"/{event['rawPath'].split('/', 2)[2]}?{query}",
        body=marked(event.get("body") or ""),
        sid=sid,
        call=json.loads(marked(json.dumps(expected.get("call", {})))),
    )


def send_all(target: Target, callbacks: list[Callback], tell: Callable[[Check], None]) -> None:
    """Sends each callback, each record's again, and for each vendor what must be refused."""
    for callback in callbacks:
        answer = send(target, callback)
        first = "recorded" if callback.call else "published"
        tell((callback.name, answer.shown(target), problem_of(answer, callback, first)))
        # A push job is not repeated: it would ring again.
        if callback.call and answer.status == 200:
            answer = send(target, callback)
            tell((f"{callback.name}, again", answer.shown(target), problem_of(answer, callback, "duplicate")))
    # Once for each vendor: more would look like unauthorized traffic, and there is an alarm for that.
    for callback in {callback.method: callback for callback in reversed(callbacks)}.values():
        answer = send(Target(target.base, new_token()), callback)
        tell((f"{callback.name}, wrong token", answer.shown(target), refusal_of(answer, 404)))
        method = "POST" if callback.method == "GET" else "GET"
        answer = send(target, callback, method)
        tell((f"{callback.name} by {method}", answer.shown(target), refusal_of(answer, 405)))


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The token goes to the URL that was given, and to no other."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def send(target: Target, callback: Callback, method: str = "") -> Answer:
    """Sends one callback."""
    request = urllib.request.Request(
        f"{target.base}/{target.token}{callback.target}",
        data=callback.body.encode() or None,
        headers={"User-Agent": MARK, **({"Content-Type": "application/json"} if callback.body else {})},
        method=method or callback.method,
    )
    # A proxy from the environment must not be asked for what is on this machine.
    direct = [urllib.request.ProxyHandler({})] if urlsplit(target.base).hostname in LOOPBACK else []
    opener = urllib.request.build_opener(_NoRedirects, *direct)
    try:
        try:
            response = opener.open(request, timeout=SECONDS_TO_ANSWER)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            body = response.read().decode(errors="replace")
            return Answer(response.status, body, response.headers.get("Cache-Control", ""))
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        late = isinstance(reason, TimeoutError)
        return Answer(None, f"no answer within {SECONDS_TO_ANSWER} s" if late else f"no answer: {reason}")


def problem_of(answer: Answer, callback: Callback, result: str) -> str:
    """What is wrong with an answer to a callback that must be taken."""
    if answer.status is None:
        return "the callback was not answered"
    if answer.parsed() == {"result": "deferred"}:
        return "DynamoDB did not take the record: it waits in the spool, is written later and expires"
    if answer.status != 200 or answer.parsed() != (TENCENT_OK if callback.of_tencent else {"result": result}):
        hint = " Is TENCENT_CALLBACK_TOKEN set there?" if "wrong_signature" in answer.body else ""
        return f"it should be 200 {'Success' if callback.of_tencent else result}.{hint}"
    return _storable(answer)


def refusal_of(answer: Answer, status: int) -> str:
    """What is wrong with an answer to something that must be refused without a word."""
    if answer.status != status:
        return f"it should be {status}"
    return "it should have no body" if answer.body else _storable(answer)


def _storable(answer: Answer) -> str:
    return "" if "no-store" in answer.cache_control else "it should have Cache-Control: no-store"


def plain(item: Item) -> dict[str, Any]:
    """An item in Python's own types."""
    deserializer = TypeDeserializer()
    return {name: deserializer.deserialize(value) for name, value in item.items()}


def record_check(callback: Callback, items: list[dict[str, Any]]) -> Check:
    """What the table holds of one callback."""
    what = f"{callback.name}, records"
    calls = [item for item in items if item["record"] == CALL]
    seen = f"{len(calls)} call item, {len(items) - len(calls)} event item"
    if not items:
        return what, seen, "nothing is in the table: the record is in the spool, or in another stack's table"
    if len(calls) != 1 or len(items) != 2:
        return what, seen, "it should be one of each, however often the callback came"
    (call,) = calls
    differ = [name for name, value in callback.call.items() if call.get(name) != value]
    wrong = [f"{name} is {call.get(name)}, not {callback.call[name]}" for name in differ]
    (event,) = (item for item in items if item is not call)
    if event.get("callback") != callback.name.split("/")[0].replace("-", "_"):
        wrong.append(f"the event item is of {event.get('callback')}")
    words = [str(call[name]) for name in ("status", "outcome") if name in call]
    return what, clean(f"{seen}: {', '.join(words)}"), clean("; ".join(wrong))


def removed(place: Place, callbacks: list[Callback]) -> Check:
    """Removes what was recorded. One removal that fails does not stop the others."""
    table, gone, left = place.table(), 0, []
    for callback in callbacks:
        try:
            with said_in_a_line(callback.sid):
                for item in table.items_of(callback.sid):
                    table.delete(item)
                    gone += 1
        except StackError as error:
            left.append(str(error))
    problem = f"delete by hand what is left of these sessions: {'; '.join(left)}" if left else ""
    return "removal", f"{gone} items", clean(problem)
