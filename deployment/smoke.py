"""A smoke test: one synthetic callback of each kind to a deployment, or to the local stack that is running.

It checks the answers, and with AWS settings the records, which it then removes.
"""

import http.client
import json
import re
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from typing import Any
from urllib.parse import urlsplit

from boto3.dynamodb.types import TypeDeserializer

from local.aws import client, local_client, said_in_a_line
from local.make_token import new_token
from local.processes import StackError
from local.show import clean

from .callbacks import CALLEE, TENCENT_OK, Callback, Run, of_line, of_tencent
from .deployed import existing
from .records import local_stack, name_of

# The vendors wait two; a cold start may take its time here.
SECONDS_TO_ANSWER = 5
LOOPBACK = ("127.0.0.1", "localhost", "::1")
# The word in the place of the token in the URLs that a deployment prints.
PLACEHOLDER = "TOKEN"
# Ids for a stack that takes any.
ANY = {"LineServiceIds": "ringback-smoke", "TencentSdkAppIds": "1400000000"}


@dataclass(frozen=True)
class Target:
    """Where callbacks are sent. The token is in no text that is printed."""

    base: str
    token: str = field(repr=False)

    def __str__(self) -> str:
        return f"{self.base}/…"

    def hushed(self, text: str) -> str:
        """A text without the token: a host may say the path again that it was asked for."""
        return text.replace(self.token, "…")


@dataclass(frozen=True)
class Answer:
    """What came back; without a status nothing did, and the body says why."""

    status: int | None
    body: str
    cache_control: str = ""
    # Whom it was asked of. The token must be out before the text is cut, or a piece of it would stay.
    target: Target | None = field(default=None, repr=False)

    def __str__(self) -> str:
        if self.status is None:
            return self._hushed(self.body)
        said = self.parsed()
        word = said.get("result") or said.get("error") or said.get("ErrorMessage") or said.get("message") or self.body
        return self._hushed(clean(f"{self.status} {word}"))[:80].rstrip()

    def _hushed(self, text: str) -> str:
        return self.target.hushed(text) if self.target else text

    def parsed(self) -> dict[str, Any]:
        """The JSON object that it holds, if it does."""
        try:
            parsed = json.loads(self.body)
        except ValueError:
            return {}
        return parsed if isinstance(parsed, dict) else {}


@dataclass(frozen=True)
class Check:
    """One line of the result."""

    what: str
    said: str
    # What is wrong with it; nothing when it is right.
    problem: str = ""

    def __str__(self) -> str:
        line = f"  {'FAILED' if self.problem else 'ok':<6}  {self.what:<42} {self.said}".rstrip()
        return f"{line}\n          {self.problem}" if self.problem else line


@dataclass(frozen=True)
class Stack:
    """What is known of the stack behind the URL: whom it serves, and its records when they can be read."""

    parameters: dict[str, str]
    records: "Records | None" = None
    # Why nobody looks at the records.
    blind: str = ""


class Records:
    """The records table, as far as this run wrote into it."""

    def __init__(self, dynamodb: Any, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._deserializer = TypeDeserializer()

    def of(self, sid: str) -> list[dict[str, Any]]:
        """All items of a session."""
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            ConsistentRead=True,
            KeyConditionExpression="sid = :sid",
            ExpressionAttributeValues={":sid": {"S": sid}},
        )
        items = [item for page in pages for item in page["Items"]]
        return [{name: self._deserializer.deserialize(value) for name, value in item.items()} for item in items]

    def remove(self, sid: str) -> tuple[int, str]:
        """Deletes all items of a session; how many went, and what is left and why."""
        before: list[dict[str, Any]] = []
        why = ""
        try:
            with said_in_a_line(sid):
                before = self.of(sid)
            for item in before:
                key = {name: {"S": item[name]} for name in ("sid", "record")}
                try:
                    with said_in_a_line(sid):
                        self._dynamodb.delete_item(TableName=self._table, Key=key)
                except StackError as error:
                    why = f" ({error})"
            with said_in_a_line(sid):
                left = [item["record"] for item in self.of(sid)]
        except StackError as error:
            return 0, f"whatever {sid} has in {self._table} ({error})"
        return len(before) - len(left), f"{', '.join(left)} of {sid} in {self._table}{why}" if left else ""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The token goes to the URL that was named, and to no other."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def run(settings: Mapping[str, str]) -> int:
    """Runs the smoke test and says how it went."""
    local = local_stack(settings)
    target = target_of(settings.get("URL") or (local or {}).get("CALLBACK_URL", ""))
    stack = stack_behind(target, settings, local)
    now = int(time.time())
    this = Run(f"ringback-smoke-{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}", now)
    callbacks, remarks = chosen(this, settings, stack)
    checks: list[Check] = []

    def say(text: str) -> None:
        print(target.hushed(text), flush=True)

    def tell(check: Check) -> None:
        checks.append(check)
        say(str(check))

    say("\n".join([f"Smoke test of {target}, sessions {this.id}-…", *remarks, ""]))

    with said_in_a_line(name_of(settings)):
        try:
            send_all(target, callbacks, tell)
            if stack.records:
                look_at_records(stack.records, callbacks, tell)
        finally:
            # Also after Ctrl-C.
            tidied = tidy(stack, callbacks)
            say("")
            if tidied.problem:
                tell(tidied)
            else:
                say(tidied.said)
    failed = sum(bool(check.problem) for check in checks)
    say(f"{failed} of {len(checks)} checks FAILED." if failed else f"All {len(checks)} checks passed.")
    return 1 if failed else 0


def target_of(url: str) -> Target:
    """Where a URL leads. A mistake in it is said without the token in it."""
    if not url:
        raise StackError("say where: URL=https://…/TOKEN with your token in its place, or start `make run` first")
    parts = urlsplit(url.strip().rstrip("/"))
    base, _, token = parts.path.rpartition("/")
    if not parts.hostname or "@" in parts.netloc or parts.query or parts.fragment:
        raise StackError("URL is no address that callbacks can be sent to: it is https://HOST/TOKEN and nothing more")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise StackError("URL must begin with https://, because the token in it is a secret")
    if token in ("", PLACEHOLDER):
        raise StackError("URL has no token: it ends with /TOKEN, with your token in its place")
    if token in ("notify_cb", "call_event", "gcall_event", "agent_call_status"):
        raise StackError(f"URL must end with the token: leave out what follows it, up to {token}")
    if not re.fullmatch(r"[A-Za-z0-9._~-]+", token):
        raise StackError("the last part of URL is no token that `make token` has made")
    return Target(f"{parts.scheme}://{parts.netloc}{base}", token)


def stack_behind(target: Target, settings: Mapping[str, str], local: dict[str, str] | None) -> Stack:
    """What STACK says, or the local stack when the URL is its own."""
    if name := settings.get("STACK"):
        with said_in_a_line(f"STACK={name} (leave STACK out to send without looking at records)"):
            deployed = existing(client, name)
            return Stack(deployed.parameters, Records(client("dynamodb"), deployed.output("RecordsTableName")))
    if local and urlsplit(local.get("CALLBACK_URL", "")).netloc == urlsplit(target.base).netloc:
        ids = {"LineServiceIds": local["LINE_SERVICE_IDS"], "TencentSdkAppIds": local["TENCENT_SDK_APP_IDS"]}
        return Stack(ids, Records(local_client("dynamodb", local), local["RECORDS_TABLE"]))
    return Stack({}, blind="without STACK=name")


def chosen(this: Run, settings: Mapping[str, str], stack: Stack) -> tuple[list[Callback], list[str]]:
    """The callbacks to be sent, and what a person should know of the choice."""
    callbacks: list[Callback] = []
    remarks: list[str] = []
    if service := served(settings, "SERVICE_ID", stack.parameters, "LineServiceIds"):
        rings = settings.get("NOTIFY", "yes") != "no"
        callbacks += of_line(this, service, rings)
        if rings:
            remarks.append(f"notify publishes a push job for {CALLEE}, whom no sender knows. NOTIFY=no leaves it out.")
        else:
            remarks.append("notify is left out, as NOTIFY=no says.")
    else:
        remarks.append(skipped("LINE", "SERVICE_ID", stack))
    if app := served(settings, "SDK_APP_ID", stack.parameters, "TencentSdkAppIds"):
        callbacks += of_tencent(this, app, settings.get("TENCENT_CALLBACK_TOKEN", ""))
    else:
        remarks.append(skipped("Tencent", "SDK_APP_ID", stack))
    if not callbacks:
        raise StackError("whose callbacks? Say SERVICE_ID=…, SDK_APP_ID=… or both, or STACK=name")
    return callbacks, remarks


def served(settings: Mapping[str, str], variable: str, parameters: dict[str, str], parameter: str) -> str:
    """The id to send callbacks for: the one that was named, or the first that the stack takes."""
    first = parameters.get(parameter, "").split(",")[0]
    return settings.get(variable) or (ANY[parameter] if first == "any" else first)


def skipped(vendor: str, variable: str, stack: Stack) -> str:
    """Why nothing of a vendor is sent."""
    why = f"the stack does not serve {vendor}" if stack.parameters else f"{variable} is not given"
    return f"{vendor}'s callbacks are left out: {why}."


def send_all(target: Target, callbacks: list[Callback], tell: Callable[[Check], None]) -> None:
    """Sends each callback, each again that may be, and for each vendor what must be refused."""
    for callback in callbacks:
        answer = send(target, callback)
        tell(Check(callback.name, str(answer), problem_of(answer, callback.answer)))
        if callback.again and answer.status == 200:
            answer = send(target, callback)
            tell(Check(f"{callback.name}, again", str(answer), problem_of(answer, callback.again)))
    # Once for each vendor: more would look like somebody knocking, and there is an alarm for that.
    for callback in {callback.method: callback for callback in reversed(callbacks)}.values():
        answer = send(Target(target.base, new_token()), callback)
        tell(Check(f"{callback.name}, wrong token", str(answer), refusal_of(answer, 404)))
        method = "POST" if callback.method == "GET" else "GET"
        answer = send(target, callback, method)
        tell(Check(f"{callback.name} by {method}", str(answer), refusal_of(answer, 405)))


def send(target: Target, callback: Callback, method: str = "") -> Answer:
    """Sends one callback."""
    request = urllib.request.Request(
        f"{target.base}/{target.token}{callback.target}",
        data=callback.body.encode() or None,
        headers={"User-Agent": "ringback-smoke", **({"Content-Type": "application/json"} if callback.body else {})},
        method=method or callback.method,
    )
    # A proxy of the environment's must not be asked for what is on this machine.
    direct = [urllib.request.ProxyHandler({})] if urlsplit(target.base).hostname in LOOPBACK else []
    opener = urllib.request.build_opener(_NoRedirects, *direct)
    try:
        with opener.open(request, timeout=SECONDS_TO_ANSWER) as response:
            return _answer(target, response.status, response.headers, response.read())
    except urllib.error.HTTPError as error:
        with error:
            return _answer(target, error.code, error.headers, error.read())
    except TimeoutError:
        return Answer(None, f"no answer within {SECONDS_TO_ANSWER} s")
    except urllib.error.URLError as error:
        late = isinstance(error.reason, TimeoutError)
        return Answer(None, f"no answer within {SECONDS_TO_ANSWER} s" if late else f"no answer: {error.reason}")
    except (OSError, http.client.HTTPException) as error:
        return Answer(None, f"no answer: {type(error).__name__}")


def _answer(target: Target, status: int, headers: Message, body: bytes) -> Answer:
    return Answer(status, body.decode(errors="replace"), headers.get("Cache-Control", ""), target)


def problem_of(answer: Answer, expected: dict[str, Any]) -> str:
    """What is wrong with an answer to a callback that must be taken."""
    if answer.status is None:
        return "the callback was not answered"
    if answer.parsed() == {"result": "deferred"}:
        return "DynamoDB did not take the record: it waits in the spool, is written later and expires by itself"
    if answer.status != 200 or answer.parsed() != expected:
        wanted = "200 Success" if expected == TENCENT_OK else f"200 {expected['result']}"
        hint = " Is TENCENT_CALLBACK_TOKEN set there?" if "wrong_signature" in answer.body else ""
        return f"it should be {wanted}.{hint}"
    return _storable(answer)


def refusal_of(answer: Answer, status: int) -> str:
    """What is wrong with an answer to something that must be refused without a word."""
    if answer.status != status:
        return f"it should be {status}"
    return "it should have no body" if answer.body else _storable(answer)


def _storable(answer: Answer) -> str:
    return "" if "no-store" in answer.cache_control else "it should say Cache-Control: no-store"


def look_at_records(records: Records, callbacks: list[Callback], tell: Callable[[Check], None]) -> None:
    """Compares what is in the table with what was sent."""
    for callback in callbacks:
        if callback.event:
            tell(record_check(callback, records.of(callback.sid)))


def record_check(callback: Callback, items: list[dict[str, Any]]) -> Check:
    """What the table holds of one callback."""
    calls = [item for item in items if item["record"] == "call"]
    events = [item for item in items if item["record"].startswith("event#")]
    what = f"{callback.name}, records"
    said = f"{len(calls)} call item, {len(events)} event item"
    if not items:
        return Check(what, said, "nothing is in the table: the record is in the spool, or in another stack's table")
    if len(calls) != 1 or len(events) != 1:
        return Check(what, said, "it should be one of each, however often the callback came")
    wrong = [f"{name} is {calls[0].get(name)}, not {value}" for name, value in callback.call.items()
             if calls[0].get(name) != value]  # fmt: skip
    if events[0].get("callback") != callback.event:
        wrong.append(f"the event item is of {events[0].get('callback')}, not {callback.event}")
    words = [str(calls[0][name]) for name in ("status", "outcome") if name in calls[0]]
    if "duration_s" in calls[0]:
        words.append(f"talked {calls[0]['duration_s']} s")
    return Check(what, clean(f"{said}: {', '.join(words)}"), clean("; ".join(wrong)))


def tidy(stack: Stack, callbacks: list[Callback]) -> Check:
    """Removes what was recorded. One removal that fails keeps no other back."""
    what = "removal"
    if not stack.records:
        # Its answer is the same when a record waits in the spool.
        only = " Only they would tell whether Tencent's were recorded." if any(map(of_tencents, callbacks)) else ""
        said = f"The records were not looked at ({stack.blind}). They expire by themselves, after RetentionDays.{only}"
        return Check(what, said)
    removed = [stack.records.remove(callback.sid) for callback in callbacks]
    gone = sum(count for count, _ in removed)
    left = [each for _, each in removed if each]
    if not left:
        return Check(what, f"Removed {gone} items, all that these sessions had in the table.")
    return Check(what, f"Removed {gone} items.", clean(f"delete by hand what is left: {'; '.join(left)}"))


def of_tencents(callback: Callback) -> bool:
    """Whether it is one of Tencent's."""
    return callback.answer == TENCENT_OK
