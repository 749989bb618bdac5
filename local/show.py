"""What a person reads."""

import json
from datetime import UTC, datetime
from typing import Any

from .cases import Call, Handled, Result

# The first screen of `make run`.
LINES = 40
WIDTH = 110
# How wide its left column is.
COLUMN = 54
# How much of a `cc_param` is shown at most: enough to tell two apart, too little to answer a call.
SHOWN = 8


def screen(head: list[str], stories: list[list[str]], end: list[str]) -> list[str]:
    """The first screen: as many stories as fit between its head and its end."""
    lines = [*head, ""]
    for story in map(shortened, stories):
        if len(lines) + len(story) + 1 + len(end) <= LINES:
            lines += story
    return [*lines, "", *end]


def story(call: Call, results: list[Result]) -> list[str]:
    """A whole call as a person would tell it: what happened, and what Ringback did."""
    name = clean(call.name).replace("-", " ")
    steps = (line(step.name, result) for step, result in zip(call.steps, results, strict=True))
    return [(name[:1].upper() + name[1:])[:WIDTH], *steps]


def line(what: str, result: Result, differs: str = "") -> str:
    """One callback and what Ringback did about it."""
    what = clean(what).rstrip(".")
    what = what if len(what) < COLUMN else f"{what[: COLUMN - 2]}…"
    return f"  {what:<{COLUMN}}{reaction(result)}"[:WIDTH].rstrip() + different(differs)


def shortened(story: list[str]) -> list[str]:
    """A story without its middle: its name, two callbacks, how many are left out, and the last one."""
    left_out = len(story) - 4
    return story if left_out < 2 else [*story[:3], f"  … and {left_out} more callbacks", story[-1]]


def reaction(result: Result) -> str:
    """What Ringback did about one callback, or about each message of a batch."""
    if result.answer.status != 200:
        return f"refused: {refusal(result)}"
    if result.jobs:
        people = ("app_callee_uid", "app_caller_uid")
        callee, caller = (clean(result.jobs[0].get(name, "?")) for name in people)
        return f"push job for {callee}: {media(result.jobs[0])} call from {caller}"
    return "; ".join(map(_reaction, result.handled))


def _reaction(handled: Handled) -> str:
    outcome = {"duplicate": "known already"}.get(handled.outcome, handled.outcome)
    how = state(handled.call) if handled.call else handled.reason
    return clean(f"{outcome}: {how}" if how else outcome)


def refusal(result: Result) -> str:
    """The status of an answer, the function's own word, and what the answer's body says."""
    if result.answer.status is None:
        return clean(result.answer.body)
    try:
        body = json.loads(result.answer.body)
    except ValueError:
        body = {}
    names = ("error", "ErrorInfo", "message", "errorMessage", "field")
    said = ": ".join(str(body[name]) for name in names if isinstance(body, dict) and body.get(name))
    outcome = result.handled[0].outcome if result.handled else ""
    # A body often begins with the function's own word.
    why = said if said.startswith(outcome) else ": ".join(filter(None, (outcome, said)))
    return clean(f"{result.answer.status} {why}".rstrip())


def different(differs: str) -> str:
    """A separate line for what is not as expected."""
    return f"\n  ^^^ DIFFERENT: {clean(differs)}" if differs else ""


def clean(text: Any) -> str:
    """Text from outside, without terminal control characters."""
    return "".join(char if char.isprintable() else "?" for char in str(text))


def shorten(secret: str) -> str:
    """The beginning of a secret and its length: never more than a quarter of it."""
    return f"{clean(secret[: min(SHOWN, len(secret) // 4)])}… ({len(secret)} characters)"


def media(job: dict[str, str]) -> str:
    """What a push job rings for."""
    return {"A": "audio", "V": "video"}.get(job.get("app_call_type", ""), "unknown")


def job_line(job: dict[str, str]) -> str:
    """A push job."""
    caller = _user(job.get("app_caller_uid"), job.get("app_caller_sid"))
    callee = _user(job.get("app_callee_uid"), job.get("app_callee_sid"))
    expires = job.get("expires_at", "")
    until = f"{datetime.fromtimestamp(int(expires)):%H:%M:%S}" if expires.isdecimal() else "?"
    secret = shorten(job.get("cc_param", ""))
    line = f"push job for {callee}: {media(job)} call from {caller}, cc_param {secret}, until {until}"
    return f"{line}, without {clean(job['dropped'])}" if "dropped" in job else line


def call_line(call: dict[str, Any]) -> str:
    """A call item: kind, media, people, status, times."""
    kind = [call.get("kind", "?"), *([call["media"]] if call.get("media") in ("audio", "video") else [])]
    parts = [f"{' '.join(kind)} call"]
    if "room" in call:
        parts.append(f"room {_user(call['room'].get('id'), call['room'].get('service_id'))}")
    if "host" in call:
        parts.append(f"host {_person(call['host'])}")
    people = call.get("callees") or ([call["callee"]] if "callee" in call else [])
    if "caller" in call or people:
        caller = _person(call["caller"]) if "caller" in call else "?"
        parts.append(f"{caller} -> {', '.join(map(_person, people)) or '?'}")
    times = (call[name] for name in ("started_at", "setup_at", "ended_at", "last_event_at") if name in call)
    return clean(", ".join([*parts, state(call), *[_date(int(moment)) for moment in times][:1]]))


def state(call: dict[str, Any]) -> str:
    """The status of a call."""
    parts = [str(call.get("outcome") or call.get("status", "?"))]
    if call.get("duration_s"):
        parts.append(f"talked {call['duration_s']} s")
    if "outcome" not in call and "online" in call:
        parts.append(f"{call['online']} online")
    if call.get("released_by"):
        parts.append(f"ended by {str(call['released_by']).replace('_', ' ')}")
    return clean(", ".join(parts))


def _person(person: dict[str, Any]) -> str:
    return _user(person.get("user_id"), person.get("service_id"))


def _user(name: Any, service: Any) -> str:
    return clean(f"{name or '?'}@{service}" if service else name or "?")


def _date(milliseconds: int) -> str:
    try:
        return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError, OSError):
        return f"at {milliseconds} ms"


def log_line(fields: dict[str, Any], became: str) -> str:
    """One callback, or one replayed message, that came while the stack serves."""
    what, status = clean(fields.get("callback", "?")), str(fields.get("status", "?"))
    if fields.get("message") == "replay":
        what, status = "(from the spool)", ""
    match fields.get("outcome"):
        case "deferred":
            became = "not stored: waits in the spool until replay writes it"
        case "dead_letter":
            became = "is with the dead letters now; `ringback replay` brings it back"
        case "back_to_the_queue":
            became = "comes again"
    became = ": ".join(filter(None, (clean(fields.get("reason") or ""), became)))
    latency = f"{fields['latency_ms']} ms" if "latency_ms" in fields else ""
    outcome = clean(fields.get("outcome", "?"))
    return f"{datetime.now():%H:%M:%S}  {what:<19} {status:<3} {outcome:<13} {latency:>9}  {became}".rstrip()
