"""The lines that a person reads."""

from datetime import UTC, datetime
from typing import Any

# How much of a `cc_param` is shown at most: enough to tell two apart, too little to answer a call.
SHOWN = 8


def shorten(secret: str) -> str:
    """The beginning of a secret and its length: never more than a quarter of it."""
    return f"{clean(secret[: min(SHOWN, len(secret) // 4)])}… ({len(secret)} characters)"


def clean(text: Any) -> str:
    """Text from outside, without what would move the cursor or colour the screen."""
    return "".join(char if char.isprintable() else "?" for char in str(text))


def job_line(job: dict[str, str]) -> str:
    """A push job."""
    media = {"A": "audio", "V": "video"}.get(job.get("app_call_type", ""), "unknown")
    caller = _user(job.get("app_caller_uid"), job.get("app_caller_sid"))
    callee = _user(job.get("app_callee_uid"), job.get("app_callee_sid"))
    until = _clock(1000 * int(job["expires_at"])) if job.get("expires_at", "").isdecimal() else "?"
    line = f"rings {callee}: {media} call from {caller}, cc_param {shorten(job.get('cc_param', ''))}, until {until}"
    return f"{line}, without {clean(job['dropped'])}" if "dropped" in job else line


def call_line(call: dict[str, Any]) -> str:
    """A call item: kind, media, people, how it stands, how long they talked, when."""
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
    outcome = f" ({call['outcome']})" if "outcome" in call else ""
    parts.append(f"{call.get('status', '?')}{outcome}")
    if "online" in call:
        parts.append(f"{call['online']} online")
    if call.get("duration_s"):
        parts.append(f"talked {call['duration_s']} s")
    for moment in ("started_at", "setup_at", "ended_at", "last_event_at"):
        if moment in call:
            parts.append(_date(int(call[moment])))
            break
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


def _clock(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000):%H:%M:%S}"


def callback_line(fields: dict[str, Any], became: str) -> str:
    """One callback that came while the stack serves."""
    if fields.get("outcome") == "deferred":
        became = "not stored: waits in the spool until replay writes it"
    return _line(fields, clean(fields.get("callback", "?")), str(fields.get("status", "?")), became)


def replay_line(fields: dict[str, Any], became: str) -> str:
    """One message of the spool that was replayed while the stack serves."""
    match fields.get("outcome"):
        case "dead_letter":
            became = "is with the dead letters now; `make replay` brings it back"
        case "back_to_the_queue":
            became = "comes again"
    reason = clean(fields.get("reason") or "")
    return _line(fields, "(from the spool)", "", ": ".join(filter(None, (reason, became))))


def _line(fields: dict[str, Any], what: str, status: str, became: str) -> str:
    now = f"{datetime.now():%H:%M:%S}"
    outcome = clean(fields.get("outcome", "?"))
    latency = f"{fields['latency_ms']} ms" if "latency_ms" in fields else ""
    return f"{now}  {what:<19} {status:<3} {outcome:<13} {latency:>9}  {became}".rstrip()


def sample_line(case: str, status: int | None, became: str, differs: str) -> str:
    """One sample event and what became of it."""
    line = f"  {case:<44} {status or '---'}  {became}".rstrip()
    return f"{line}\n  ^^^ DIFFERENT: {differs}" if differs else line
