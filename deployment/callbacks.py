"""Synthetic callbacks: one of each kind, as the vendors' pages have them, marked so that none is taken for a call."""

import base64
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

CALLER, CALLEE = "ringback-smoke-caller", "ringback-smoke-callee"
# The call that they tell of has just ended: it rang for two seconds and they talked for five.
RANG, TALKED = 2, 5
TENCENT_OK = {"ActionStatus": "OK", "ErrorInfo": "", "ErrorCode": 0, "ErrorMessage": "Success"}


@dataclass(frozen=True)
class Callback:
    """One callback, what it must be answered with, and what must be in the table then."""

    # The function that takes it, and which of its callbacks it is where it takes more than one.
    name: str
    method: str
    # What follows the token in the URL.
    path: str
    query: dict[str, str]
    answer: dict[str, Any]
    sid: str
    body: str = ""
    # The answer to the same callback sent again; nothing where it must not be.
    again: dict[str, Any] = field(default_factory=dict)
    # What the call item must say, and the name by which the event item calls the callback; nothing where there is none.
    call: dict[str, Any] = field(default_factory=dict)
    event: str = ""

    @property
    def target(self) -> str:
        """Path and query."""
        return f"{self.path}?{urlencode(self.query)}"


@dataclass(frozen=True)
class Run:
    """What all callbacks of one run have in common."""

    # Begins every session id, so that whoever finds one knows where it came from.
    id: str
    # Seconds since the epoch.
    now: int

    def sid(self, name: str) -> str:
        """A session of its own for each, because a session is one call."""
        return f"{self.id}-{name.replace(' ', '-')}"


def of_line(run: Run, service: str, rings: bool) -> list[Callback]:
    """LINE Planet's four; notify only if a push job may go out."""
    ended = run.now
    answered = ended - TALKED
    setup = answered - RANG
    caller = {"from_user_id": CALLER, "from_service_id": service}
    callee = {"to_user_id": CALLEE, "to_service_id": service}
    times = {"setup_time": str(setup), "start_time": str(answered), "end_time": str(ended)}
    called = {
        "provider": "line",
        "caller": {"service_id": service, "user_id": CALLER},
        "callee": {"service_id": service, "user_id": CALLEE},
    }
    # It has the look of what LINE sends and opens no call: there is no server in it.
    param = base64.b64encode(b'{"callType":"A","note":"synthetic callback of a smoke test"}').decode()
    # Sent once: repeated, it would ring again.
    notify = Callback(
        "notify",
        "GET",
        "/line/notify_cb",
        {**caller, **callee, "sid": run.sid("notify"), "type": "A", "param": param, "app_svr_data": "ringback-smoke"},
        answer={"result": "published"},
        sid=run.sid("notify"),
    )
    call_event = _recorded_by_line(
        "call_event",
        "/line/call_event",
        {
            **caller,
            **callee,
            **times,
            "sid": run.sid("call-event"),
            "type": "A",
            "duration": str(TALKED),
            "billing_sec": str(TALKED),
            "terminate": "16",
            "disconnect_reason": "1001",
            "releaser_type": "2",
            "rel_code": "1",
            "rel_code_str": "NORMAL",
        },
        {**called, "kind": "one-to-one", "status": "ended", "outcome": "answered", "duration_s": TALKED},
    )
    group_call_event = _recorded_by_line(
        "group_call_event",
        "/line/gcall_event",
        {
            **times,
            "sid": run.sid("group-call-event"),
            "svc_id": service,
            "id": "ringback-smoke-room",
            "user_svc_id": service,
            "user_id": CALLEE,
            "host_svc_id": service,
            "host_id": CALLER,
            "sc": "E",
            "online": "0",
            "media_type": "A",
            "msc": "D",
            "ts": str(1000 * ended),
        },
        {
            "provider": "line",
            "kind": "group",
            "status": "ended",
            "outcome": "answered",
            "room": {"service_id": service, "id": "ringback-smoke-room"},
            "online": 0,
        },
    )
    # It says that the call reached the callee, and nothing of its end.
    agent_call_status = _recorded_by_line(
        "agent_call_status",
        "/line/agent_call_status",
        {
            "sid": run.sid("agent-call-status"),
            "agent_type": "AUDIO_CALLER",
            "media_source_type": "STORED_SOURCE",
            "result": "SUCCESS",
            "fail_reason": "None",
        },
        {"provider": "line", "kind": "one-to-one", "status": "ringing"},
    )
    return [*([notify] if rings else []), call_event, group_call_event, agent_call_status]


def _recorded_by_line(event: str, path: str, query: dict[str, str], call: dict[str, Any]) -> Callback:
    return Callback(
        event.replace("_", "-"),
        "GET",
        path,
        query,
        answer={"result": "recorded"},
        sid=query["sid"],
        again={"result": "duplicate"},
        call=call,
        event=event,
    )


def of_tencent(run: Run, app: str, token: str) -> list[Callback]:
    """The end of a call in Tencent's older and in its current generation, signed if a token is set in its console."""
    ended = run.now
    answered = ended - TALKED
    setup = answered - RANG
    signature = _signature(token, run.now) if token else {}
    older, current = run.sid("tencent older"), run.sid("tencent current")
    ending: dict[str, Any] = {"provider": "tencent", "kind": "one-to-one", "status": "ended", "outcome": "answered"}
    ending["caller"] = {"service_id": app, "user_id": CALLER}
    return [
        _recorded_by_tencent(
            "tencent-call-event (older)",
            older,
            {"sdkappid": app, "command": "caller_call_end", "contenttype": "json", "optplatform": "Web", **signature},
            {
                "UserId": CALLER,
                "RoomId": "ringback-smoke-room",
                "TotalNum": 2,
                "MediaType": "audio",
                "CallType": "single",
                "CallId": older,
                "Role": "caller",
                "Event": "call_end",
                "CallResult": "normal_end",
                "EventTime": ended,
                "StartCallTs": setup,
                "AcceptTs": answered,
                "EndTs": ended,
            },
            ending,
        ),
        _recorded_by_tencent(
            "tencent-call-event (current)",
            current,
            {
                "SdkAppid": app,
                "CallbackCommand": "Call.CallbackAfterEndCall",
                "contenttype": "json",
                "OptPlatform": "Web",
                **signature,
            },
            {
                "CallbackCommand": "Call.CallbackAfterEndCall",
                "CallRecord": {
                    "CallId": current,
                    "Caller_Account": CALLER,
                    "MediaType": "Audio",
                    "CallType": "SingleCall",
                    "StartTime": setup,
                    "EndTime": ended,
                    "AcceptTime": answered,
                    "CallResult": "NormalEnd",
                    "CalleeList_Account": [CALLEE],
                    "RoomId": "ringback-smoke-room",
                    "RoomIdType": 2,
                },
                "EventTime": 1000 * ended,
            },
            {**ending, "callee": {"service_id": app, "user_id": CALLEE}},
        ),
    ]


def _recorded_by_tencent(
    name: str, sid: str, query: dict[str, str], body: dict[str, Any], call: dict[str, Any]
) -> Callback:
    return Callback(
        name,
        "POST",
        "/tencent/call_event",
        query,
        answer=TENCENT_OK,
        sid=sid,
        body=json.dumps(body),
        # Tencent gets one answer to everything that is taken.
        again=TENCENT_OK,
        call=call,
        event="tencent_call_event",
    )


def _signature(token: str, now: int) -> dict[str, str]:
    """What Tencent puts into the query when a token is set in its console (TR/34354, "webhook authentication")."""
    return {"RequestTime": str(now), "Sign": hashlib.sha256(f"{token}{now}".encode()).hexdigest()}
