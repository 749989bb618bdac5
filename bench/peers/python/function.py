"""LINE's call_event on Python 3 with boto3: what a team would write that has this one callback to keep.

The same access checks, records and answers as Ringback's call-event. It has no spool and does not join calls:
the newest event of a call wins.
"""

import hashlib
import hmac
import json
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qsl

import boto3
from boto3.dynamodb.types import TypeSerializer

# As they came, and by name; and what is put.
Parameters = list[tuple[str, str]]
Given = dict[str, str]
Item = dict[str, Any]

PATH = "/line/call_event"
SERVICE_IDS = ("from_service_id", "to_service_id")
SESSION_ID_BYTES = 256
# From this number on a time counts milliseconds: as seconds it would lie in the year 5138.
FIRST_MILLISECONDS = 100_000_000_000

# Newest family of release codes first. None: the code says nothing without talk, and the next family decides.
OUTCOMES: dict[str, dict[int, str | None]] = {
    "disconnect_reason": {
        1002: "rejected", 1201: "canceled", 1202: "busy", 1203: "missed", 1204: "busy", 1205: "busy",
        1206: "answered_elsewhere", 1207: "rejected", 1304: "canceled",
    },
    "terminate": {16: None, 17: "busy", 18: "missed", 21: "rejected", 77: "canceled"},
    "call_end_reason": {
        1000: "canceled", 1001: "busy", 1002: "missed", 1003: "rejected", 1004: None, 1005: None,
        1024: "busy",
    },
    "rel_code": {
        0: None, 1: None, 2: "canceled", 3: "rejected", 4: "busy", 5: "missed", 6: "busy",
        7: "answered_elsewhere", 8: "rejected",
    },
}  # fmt: skip
RELEASERS = {1: "callee", 2: "caller", 3: "participant", 4: "cloud_server", 5: "app_server"}
OLDER_RELEASERS = {"initiator": "caller", "responder": "callee"}
NUMERIC_REASONS = ("disconnect_reason", "releaser_type", "terminate", "call_end_reason", "rel_code")
WORDED_REASONS = ("rel_code_str", "releaser", "user_rel_code")
MEDIA = {"A": "audio", "V": "video"}
# `param` is the callee's secret; DynamoDB has no attributes without a name.
LEFT_OUT = ("param", "cc_param", "")

DIGESTS = [digest.strip().lower() for digest in os.environ["CALLBACK_TOKEN_SHA256"].split(",")]
OURS = [service.strip() for service in os.environ["LINE_SERVICE_IDS"].split(",")]
TABLE = os.environ["RECORDS_TABLE"]
RETENTION_SECONDS = int(os.environ["RETENTION_DAYS"]) * 86_400

dynamodb = boto3.client("dynamodb")
serialize = TypeSerializer().serialize
# boto3 waits for each answer; a second thread lets both puts go out at once.
second = ThreadPoolExecutor(max_workers=1)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    status, body, sid = answer(event, time.time_ns() // 1_000_000)
    word = body.get("result") or body.get("error") or "unknown_url"
    line = {"provider": "line", "callback": "call_event", "outcome": word, "status": status, "sid": sid}
    print(json.dumps(line))
    headers = {"cache-control": "no-store", "content-type": "application/json"}
    return {"statusCode": status, "headers": headers, "body": json.dumps(body) if body else ""}


def answer(event: dict[str, Any], now: int) -> tuple[int, dict[str, str], str | None]:
    if not knows_the_token(event["rawPath"]):
        return 404, {}, None
    if event["requestContext"]["http"]["method"] != "GET":
        return 405, {}, None
    # A plus is a plus: the vendor percent-encodes, it does not send forms.
    parameters = parse_qsl(event["rawQueryString"].replace("+", "%2B"), keep_blank_values=True)
    if not is_ours(parameters):
        return 403, {"error": "not_ours"}, None
    given: Given = {}
    for name, value in parameters:
        if value:
            given.setdefault(name, value)
    sid = given.get("sid")
    if sid is None or len(sid.encode()) > SESSION_ID_BYTES:
        return 400, {"error": "unusable_field" if sid else "missing_field", "field": "sid"}, None
    is_new = keep(sid, given, verbatim(parameters), now)
    return 200, {"result": "recorded" if is_new else "duplicate"}, sid


def knows_the_token(path: str) -> bool:
    if not path.endswith(PATH):
        return False
    token = path[: -len(PATH)].rpartition("/")[2]
    digest = hashlib.sha256(token.encode()).hexdigest()
    return token != "" and any(hmac.compare_digest(known, digest) for known in DIGESTS)


def is_ours(parameters: Parameters) -> bool:
    return "any" in OURS or all(value in OURS for name, value in parameters if name in SERVICE_IDS and value)


def keep(sid: str, given: Given, vendor: Item, now: int) -> bool:
    """Puts both items at once and says whether the event is new."""
    at = next(filter(None, (moment(given, name) for name in ("end_time", "start_time", "setup_time"))), None)
    frame = {
        "sid": sid,
        "provider": "line",
        "received_at": now,
        "expires_at": now // 1000 + RETENTION_SECONDS,
    }
    key = f"event#{at or 0:013}#{fingerprint(vendor)}"
    event = {**frame, "record": key, "callback": "call_event", "what": "ended", "at": at, "vendor": vendor}
    whole = {**frame, "record": "call", **call(given, at)}
    call_kept = second.submit(
        put, whole, "attribute_not_exists(sid) OR last_event_at < :at", {":at": at or 0}
    )
    is_new = put(event, "attribute_not_exists(sid)")
    call_kept.result()
    return is_new


def put(item: Item, condition: str, values: Item | None = None) -> bool:
    request = {"TableName": TABLE, "Item": attributes(item), "ConditionExpression": condition}
    if values:
        request["ExpressionAttributeValues"] = attributes(values)
    try:
        dynamodb.put_item(**request)
    except dynamodb.exceptions.ConditionalCheckFailedException:
        return False
    return True


def attributes(item: Item) -> Item:
    return {name: serialize(value) for name, value in item.items() if value is not None}


def call(given: Given, at: int | None) -> Item:
    return {
        "kind": "one-to-one",
        "status": "ended",
        "outcome": outcome(given),
        "media": MEDIA.get(given.get("type", "").upper(), "unknown"),
        "caller": person(given, "from"),
        "callee": person(given, "to"),
        "setup_at": moment(given, "setup_time"),
        "started_at": moment(given, "start_time"),
        "ended_at": moment(given, "end_time"),
        "last_event_at": at,
        "duration_s": max(number(given, "duration") or 0, 0),
        "released_by": released_by(given),
        "app_data": given.get("app_svr_data") or given.get("stid"),
        "reason": reason(given),
    }


def outcome(given: Given) -> str:
    if moment(given, "start_time") or (number(given, "duration") or 0) > 0:
        return "answered"
    for family, words in OUTCOMES.items():
        code = number(given, family)
        word = None if code is None else words.get(code, "failed")
        if word:
            return word
    return "unknown"


def released_by(given: Given) -> str | None:
    releaser = given.get("releaser")
    older = OLDER_RELEASERS.get(releaser, "cloud_server") if releaser else None
    return RELEASERS.get(number(given, "releaser_type") or 0, older)


def reason(given: Given) -> Item | None:
    codes: Item = {name: number(given, name) for name in NUMERIC_REASONS}
    codes |= {name: given.get(name) for name in WORDED_REASONS}
    return {name: code for name, code in codes.items() if code is not None} or None


def person(given: Given, side: str) -> dict[str, str] | None:
    known = {"service_id": given.get(f"{side}_service_id"), "user_id": given.get(f"{side}_user_id")}
    return {name: value for name, value in known.items() if value} or None


def verbatim(parameters: Parameters) -> Item:
    """Every parameter as it came; one that came twice has a list."""
    lists: dict[str, list[str]] = {}
    for name, value in parameters:
        if name not in LEFT_OUT:
            lists.setdefault(name, []).append(value)
    return {name: values if len(values) > 1 else values[0] for name, values in lists.items()}


def fingerprint(vendor: Item) -> str:
    """The same for the same callback, in whatever order its parameters came."""
    return hashlib.sha256(json.dumps(vendor, sort_keys=True).encode()).hexdigest()[:32]


def moment(given: Given, name: str) -> int | None:
    at = number(given, name)
    if at is None or at <= 0:
        return None
    return at * 1000 if at < FIRST_MILLISECONDS else at


def number(given: Given, name: str) -> int | None:
    digits = given.get(name, "")
    return int(digits) if re.fullmatch(r"-?[0-9]{1,15}", digits) else None
