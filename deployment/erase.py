"""Erases one user: every record of every call in which a user id appears."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from local.aws import Clients, client, said_in_a_line
from local.processes import StackError
from local.show import clean

from .records import CALL, Item, Table, key_of, name_of, place_of

# The attributes that hold a person or a list of them.
PERSONS = ("caller", "callee", "callees", "host", "who")
# How parameters that carry user ids end, without case and underscores: from_user_id and UserId, host_id, User_Account
# and CalleeList_Account, UserList. Tencent's lists hold users, or objects about one.
USERS = ("userid", "hostid", "account", "userlist")
SERVICES = ("serviceid", "svcid", "sdkappid")
# LINE names each person's service beside the person; Tencent names one for all.
SERVICE_BESIDE = {
    "from_user_id": "from_service_id",
    "to_user_id": "to_service_id",
    "user_id": "user_svc_id",
    "host_id": "host_svc_id",
}
# The app's own data, in which apps keep user ids too.
APP_DATA = ("appdata", "appsvrdata", "stid", "userdata")


@dataclass(frozen=True)
class Mention:
    """A text that stands where user ids stand."""

    where: str
    user: str
    # The services that it may belong to; empty where none is given.
    services: frozenset[str]

    def is_of(self, user: str, service: str) -> bool:
        """Whether it is the user; one without a service may be, and must not stay."""
        return self.user == user and (not service or not self.services or service in self.services)


@dataclass
class Found:
    """The calls that name a user, and how often where."""

    calls: set[str] = field(default_factory=set)
    paired: Counter[str] = field(default_factory=Counter)
    # Where a service is asked for and none is given.
    without: Counter[str] = field(default_factory=Counter)


def run(settings: Mapping[str, str], clients: Clients = client) -> int:
    """Reports in how many calls a user appears; with CONFIRM, deletes all records of these calls."""
    user = settings.get("USER_ID", "")
    if not user:
        raise StackError("who? Set USER_ID=…, and SERVICE_ID=… where several services use the same ids")
    service = settings.get("SERVICE_ID", "")
    with said_in_a_line(name_of(settings)):
        place = place_of(settings, clients)
        print(place.description, flush=True)
        table = place.table()
        found = look_for(table, user, service)
        if not found.calls:
            print(f"{clean(user)} is in no record of {table.name}.")
            return 0
        keys = keys_of(table, found.calls, user, service)
        print(f"{clean(user)} is in {len(found.calls)} calls of {table.name}, with {len(keys)} items.")
        print("\n".join(places_of(found)), flush=True)
        if settings.get("CONFIRM", "") != user:
            raise StackError(
                f"nothing was erased: set CONFIRM={clean(user)} to delete all records of these calls"
            )
        for key in keys:
            table.delete(key)
        left = sum(names(item, user, service) for item in table.items())
    if left:
        raise StackError(f"{left} items arrived meanwhile: run it again")
    print(
        f"{len(keys)} items are erased. Backups keep them for up to 35 days, spool and dead letters for up to 14."
    )
    return 0


def look_for(table: Table, user: str, service: str = "") -> Found:
    """Reads the whole table for a user."""
    found = Found()
    for item in table.items():
        for mention in mentions(item):
            if mention.is_of(user, service):
                found.calls.add(item["sid"]["S"])
                unnamed = service and not mention.services
                (found.without if unnamed else found.paired)[mention.where] += 1
    return found


def places_of(found: Found) -> list[str]:
    """Where the user is named, so that a person can judge whether it is the user."""
    lines = []
    if found.paired:
        lines.append(f"  found as {_counted(found.paired)}")
    if found.without:
        lines.append(
            f"  without a service: {found.without.total()}, which go too ({_counted(found.without)})"
        )
    return lines


def _counted(places: Counter[str]) -> str:
    return ", ".join(f"{clean(where)} {count}" for where, count in sorted(places.items()))


def keys_of(table: Table, calls: set[str], user: str, service: str = "") -> list[Item]:
    """The keys of all items of calls, in the order in which they must go.

    Whatever names the user goes last, so that a run that was interrupted can be run again and finds the rest.
    """
    found = [
        (
            item["sid"]["S"],
            names(item, user, service),
            item["record"]["S"] == CALL,
            item["record"]["S"],
            key_of(item),
        )
        for item in table.items()
        if item["sid"]["S"] in calls
    ]
    return [key for *_, key in sorted(found, key=lambda each: each[:4])]


def names(item: Item, user: str, service: str = "") -> bool:
    """Whether an item names the user."""
    return any(mention.is_of(user, service) for mention in mentions(item))


def mentions(item: Item) -> Iterator[Mention]:
    """Whatever stands in an item where user ids stand."""
    deserializer = TypeDeserializer()
    plain = {name: deserializer.deserialize(value) for name, value in item.items()}
    facts = _facts(plain.get("facts"))
    claimed = {name: claim.get("v") for name, claim in facts.items() if isinstance(claim, dict)}
    vendor = plain.get("vendor")
    anywhere = frozenset(_services([plain, claimed]))
    for holder, prefix in ((plain, ""), (claimed, "facts.")):
        for name in PERSONS:
            yield from _persons(f"{prefix}{name}", holder.get(name))
        for text in _values(holder.get("app_data")):
            yield Mention(f"{prefix}app_data", text, anywhere)
    people = facts.get("people")
    service = _text(claimed.get("service"))
    for user in people if isinstance(people, dict) else ():
        yield Mention("facts.people", user, frozenset([service] if service else []))
    yield from _parameters(vendor, anywhere)


def _facts(stored: Any) -> dict[str, Any]:
    parsed = _parsed(stored, dict) if isinstance(stored, str) else None
    return parsed if isinstance(parsed, dict) else {}


def _persons(where: str, persons: Any) -> Iterator[Mention]:
    for person in persons if isinstance(persons, list) else [persons]:
        if isinstance(person, dict) and (user := _text(person.get("user_id"))):
            service = _text(person.get("service_id"))
            yield Mention(where, user, frozenset([service] if service else []))


def _parameters(value: Any, anywhere: frozenset[str]) -> Iterator[Mention]:
    """Of what the vendor sent, the parameters that carry user ids, and the app's data."""
    if isinstance(value, list):
        for inner in value:
            yield from _parameters(inner, anywhere)
    elif isinstance(value, dict):
        for name, inner in value.items():
            where = f"vendor.{name}"
            if _letters(name) in APP_DATA:
                yield from (Mention(where, text, anywhere) for text in _values(inner))
                continue
            if _letters(name).endswith(USERS):
                beside = SERVICE_BESIDE.get(name.lower())
                services = frozenset(_scalars(value.get(beside))) if beside else anywhere
                yield from (Mention(where, text, services) for text in _scalars(inner))
            yield from _parameters(inner, anywhere)


def _services(value: Any) -> Iterator[str]:
    """Every service that is named, however deep."""
    if isinstance(value, list):
        for inner in value:
            yield from _services(inner)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if _letters(name).endswith(SERVICES) or name == "service":
                yield from _scalars(inner)
            yield from _services(inner)


def _scalars(value: Any) -> Iterator[str]:
    """A text or number, or those in lists; nothing of an object."""
    if isinstance(value, list):
        for inner in value:
            yield from _scalars(inner)
    elif text := _text(value):
        yield text


def _values(value: Any) -> Iterator[str]:
    """The text of app data, and where it is JSON every value in it. No recursion: the app chooses the depth."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)
        elif (text := _text(each)) is not None:
            yield text
            inner = _parsed(text, _all_values)
            if inner != text:
                waiting.append(inner)


def _all_values(pairs: list[tuple[str, Any]]) -> list[Any]:
    # A dict would forget all but the last of those with the same name.
    return [value for _, value in pairs]


def _parsed(text: str, of_objects: Any) -> Any:
    """What a text is as JSON, numbers as they are written; the text itself where it is none."""
    try:
        return json.loads(text, parse_int=str, parse_float=str, object_pairs_hook=of_objects)
    except (ValueError, RecursionError):
        return text


def _text(value: Any) -> str | None:
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value if isinstance(value, str) else None


def _letters(name: str) -> str:
    return name.lower().replace("_", "")
