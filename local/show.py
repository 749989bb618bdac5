"""What a person reads."""

import json
from datetime import UTC, datetime
from typing import Any

from .cases import Call, Case, Handled, Result

# The first screen of `make run`.
LINES = 40
WIDTH = 110
# A story that has more callbacks is shown without those in its middle.
CALLBACKS = 6
# Where the right column begins.
COLUMN = 48
# How much of a `cc_param` is shown at most: enough to tell two apart, too little to answer a call.
SHOWN = 8


def screen(head: list[str], stories: list[list[str]], summary: list[str], tail: list[str]) -> list[str]:
    """The first screen: as many stories as there is room for between its head and its end."""
    end = ["", *summary, *tail]
    lines = list(head)
    for story in stories:
        if len(lines) + 1 + len(story) + len(end) <= LINES:
            lines += ["", *story]
    return [*lines, *end]


def story(call: Call, results: list[Result]) -> list[str]:
    """A whole call as a person would tell it: what happened, and what Ringback did."""
    lines = [
        f"  {step.name[: COLUMN - 4]:<{COLUMN - 2}}{reaction(result)}"[:WIDTH].rstrip()
        for step, result in zip(call.steps, results, strict=True)
    ]
    if len(lines) > CALLBACKS:
        first, last = lines[: CALLBACKS // 2], lines[1 - CALLBACKS // 2 :]
        left_out = len(lines) - len(first) - len(last)
        lines = [*first, f"  … {left_out} more callbacks", *last]
    return [sentence(call.name)[:WIDTH], *lines]


def sentence(name: str) -> str:
    """A case's name as a heading."""
    return clean(name[:1].upper() + name[1:].replace("-", " "))


def reaction(result: Result) -> str:
    """What Ringback did about one callback."""
    if result.answer.status != 200:
        return f"refused: {refusal(result)}"
    if result.jobs:
        return "; ".join(
            f"{clean(job.get('app_callee_uid', '?'))}'s phone rings: {_push(job)}" for job in result.jobs
        )
    return "; ".join(map(_recorded, result.handled))


def _push(job: dict[str, str]) -> str:
    media = {"A": "audio", "V": "video"}.get(job.get("app_call_type", ""), "unknown")
    return f"push job, {media}, cc_param {shorten(job.get('cc_param', ''))}"


def _recorded(handled: Handled) -> str:
    words = {"recorded": "recorded: ", "duplicate": "known already: "}.get(handled.outcome, "")
    return words + state(handled.call) if handled.call else clean(handled.outcome)


def state(call: dict[str, Any]) -> str:
    """How a call stands."""
    parts = [str(call.get("status", "?"))]
    if "outcome" in call:
        parts[0] = f"{parts[0]}, {call['outcome']}"
    if call.get("duration_s"):
        parts.append(f"talked {call['duration_s']} s")
    if call.get("status") != "ended" and "online" in call:
        parts.append(f"{call['online']} online")
    if call.get("released_by"):
        parts.append(f"ended by the {str(call['released_by']).replace('_', ' ')}")
    return clean(", ".join(parts))


def refusal(result: Result) -> str:
    """The status of an answer, the function's own word, and what the answer's body says."""
    outcome = result.handled[0].outcome if result.handled else ""
    if result.answer.status is None:
        return clean(result.answer.body)
    try:
        body = json.loads(result.answer.body)
    except ValueError:
        body = {}
    names = ("error", "ErrorInfo", "message", "errorMessage", "field")
    said = ": ".join(str(body[name]) for name in names if isinstance(body, dict) and body.get(name))
    # A body often begins with the function's own word.
    why = said if said.startswith(outcome) else ": ".join(filter(None, (outcome, said)))
    return clean(f"{result.answer.status} {why}".rstrip())


def case_line(case: Case, result: Result, differs: str) -> str:
    """One case and what became of it."""
    if result.answer.status != 200:
        became = refusal(result)
    else:
        handled = (
            ": ".join(filter(None, (clean(each.outcome), clean(each.reason), call_line(each.call))))
            for each in result.handled
        )
        became = f"200 {'; '.join([*handled, *map(job_line, result.jobs)])}"
    return f"  {case.name:<44} {became}".rstrip() + (
        f"\n  ^^^ DIFFERENT: {clean(differs)}" if differs else ""
    )


def shorten(secret: str) -> str:
    """The beginning of a secret and its length: never more than a quarter of it."""
    return f"{clean(secret[: min(SHOWN, len(secret) // 4)])}… ({len(secret)} characters)"


def clean(text: Any) -> str:
    """Text from outside, without what would move the cursor or colour the screen."""
    return "".join(char if char.isprintable() else "?" for char in str(text))


def job_line(job: dict[str, str]) -> str:
    """A push job."""
    caller = _user(job.get("app_caller_uid"), job.get("app_caller_sid"))
    callee = _user(job.get("app_callee_uid"), job.get("app_callee_sid"))
    expires = job.get("expires_at", "")
    until = f"{datetime.fromtimestamp(int(expires)):%H:%M:%S}" if expires.isdecimal() else "?"
    line = f"{caller} rings {callee}: {_push(job)}, until {until}"
    return f"{line}, without {clean(job['dropped'])}" if "dropped" in job else line


def call_line(call: dict[str, Any] | None) -> str:
    """A call item: kind, media, people, how it stands, when."""
    if not call:
        return ""
    media = "" if call.get("media") in (None, "unknown") else f" {call['media']}"
    parts = [f"{call.get('kind', '?')}{media} call"]
    if "room" in call:
        parts.append(f"room {_user(call['room'].get('id'), call['room'].get('service_id'))}")
    if "host" in call:
        parts.append(f"host {_person(call['host'])}")
    people = call.get("callees") or ([call["callee"]] if "callee" in call else [])
    if "caller" in call or people:
        caller = _person(call["caller"]) if "caller" in call else "?"
        parts.append(f"{caller} -> {', '.join(map(_person, people)) or '?'}")
    parts.append(state(call))
    times = (call[name] for name in ("started_at", "setup_at", "ended_at", "last_event_at") if name in call)
    parts += [_date(int(moment)) for moment in times][:1]
    return clean(", ".join(parts))


def _person(person: dict[str, Any]) -> str:
    return _user(person.get("user_id"), person.get("service_id"))


def _user(name: Any, service: Any) -> str:
    return clean(f"{name or '?'}@{service}" if service else name or "?")


def _date(milliseconds: int) -> str:
    try:
        moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return f"at {milliseconds} ms"
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def log_line(fields: dict[str, Any], became: str) -> str:
    """One callback, or one replayed message, that came while the stack serves."""
    what, status = clean(fields.get("callback", "?")), str(fields.get("status", "?"))
    if fields.get("message") == "replay":
        what, status = "(from the spool)", ""
    match fields.get("outcome"):
        case "deferred":
            became = "not stored: waits in the spool until replay writes it"
        case "dead_letter":
            became = "is with the dead letters now; `make replay` brings it back"
        case "back_to_the_queue":
            became = "comes again"
    became = ": ".join(filter(None, (clean(fields.get("reason") or ""), became)))
    now = f"{datetime.now():%H:%M:%S}"
    latency = f"{fields['latency_ms']} ms" if "latency_ms" in fields else ""
    outcome = clean(fields.get("outcome", "?"))
    return f"{now}  {what:<19} {status:<3} {outcome:<13} {latency:>9}  {became}".rstrip()
