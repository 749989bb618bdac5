"""Erases one user: every record of every call in which a user id appears."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from local.aws import Clients, client, said_in_a_line
from local.processes import StackError
from local.show import clean

from .records import CALL, Item, Table, key_of, name_of, place_of

# How names that carry user ids end, without case and underscores: from_user_id and UserId, host_id,
# User_Account and CalleeList_Account, UserList. Tencent's lists hold users, or objects about one.
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
# The attributes that hold a person or a list of them, in the item and in its facts.
PERSONS = ("caller", "callee", "callees", "host", "who")


@dataclass(frozen=True)
class Mention:
    """A text that stands where user ids stand."""

    where: str
    user: str
    # The services that it may belong to; empty where none is given.
    services: frozenset[str]

    def is_of(self, user: str, service: str) -> bool:
        """Whether it is the user. One without a service may be, and must not stay."""
        return self.user == user and (not service or not self.services or service in self.services)


def run(settings: Mapping[str, str], clients: Clients = client) -> int:
    """Reports in how many calls a user appears; with CONFIRM, deletes all records of these calls."""
    user, service = settings.get("USER_ID", ""), settings.get("SERVICE_ID", "")
    if not user:
        raise StackError("who? Set USER_ID=…, and SERVICE_ID=… where several services use the same ids")
    with said_in_a_line(name_of(settings)):
        place = place_of(settings, clients)
        print(place.description, flush=True)
        table = place.table()
        found = [
            (item["sid"]["S"], mention)
            for item in table.items()
            for mention in mentions(item)
            if mention.is_of(user, service)
        ]
        calls = {sid for sid, _ in found}
        if not calls:
            print(f"{clean(user)} is in no record of {table.name}.")
            return 0
        keys = keys_of(table, calls, user, service)
        print(f"{clean(user)} is in {len(calls)} calls of {table.name}, with {len(keys)} items.")
        print("\n".join(places([mention for _, mention in found], service)), flush=True)
        if settings.get("CONFIRM", "") != user:
            raise StackError(f"nothing was erased: CONFIRM={clean(user)} deletes all records of these calls")
        for key in keys:
            table.delete(key)
        left = sum(names(item, user, service) for item in table.items())
    if left:
        raise StackError(f"{left} items arrived meanwhile: run it again")
    print(f"{len(keys)} items are erased. Backups keep them for 35 days, spool and dead letters for 14.")
    return 0


def places(found: list[Mention], service: str) -> Iterator[str]:
    """Where the user is named, so that a person can judge whether it is the user."""
    for text, without in (("found as", False), ("without a service, which go too:", True)):
        count = Counter(each.where for each in found if bool(service and not each.services) == without)
        if count:
            yield f"  {text} {', '.join(f'{clean(where)} {count[where]}' for where in sorted(count))}"


def keys_of(table: Table, calls: set[str], user: str, service: str = "") -> list[Item]:
    """The keys of all items of calls. What names the user goes last, so that a run can be repeated."""

    def order(item: Item) -> tuple[bool, bool, str]:
        return names(item, user, service), item["record"]["S"] == CALL, item["record"]["S"]

    items = (item for item in table.items() if item["sid"]["S"] in calls)
    return [key_of(item) for item in sorted(items, key=order)]


def names(item: Item, user: str, service: str = "") -> bool:
    """Whether an item names the user."""
    return any(mention.is_of(user, service) for mention in mentions(item))


def mentions(item: Item) -> Iterator[Mention]:
    """Whatever stands in an item where user ids stand."""
    deserializer = TypeDeserializer()
    plain = {name: deserializer.deserialize(value) for name, value in item.items()}
    facts = _parsed(plain.get("facts", ""), dict)
    # A list of the last event's time and the facts; of an earlier version the facts alone.
    facts = facts[1] if isinstance(facts, list) and len(facts) > 1 else facts
    facts = facts if isinstance(facts, dict) else {}
    claimed = {name: _claimed(claim) for name, claim in facts.items()}
    anywhere = frozenset(_services([plain, claimed]))
    for holder, prefix in ((plain, ""), (claimed, "facts.")):
        for name in PERSONS:
            value = holder.get(name)
            for person in value if isinstance(value, list) else [value]:
                if isinstance(person, dict):
                    services = frozenset(_scalars(person.get("service_id")))
                    for user in _scalars(person.get("user_id")):
                        yield Mention(f"{prefix}{name}", user, services)
        for text in _values(holder.get("app_data")):
            yield Mention(f"{prefix}app_data", text, anywhere)
    people = facts.get("people")
    for user in people if isinstance(people, dict) else ():
        yield Mention("facts.people", user, frozenset(_scalars(claimed.get("service"))))
    yield from _parameters(plain.get("vendor"), anywhere)


def _claimed(claim: Any) -> Any:
    """The value of a claim: a list's first element; of an earlier version a member."""
    if isinstance(claim, list):
        return claim[0] if claim else None
    return claim.get("v") if isinstance(claim, dict) else None


def _parameters(value: Any, anywhere: frozenset[str]) -> Iterator[Mention]:
    """Of what the vendor sent, the parameters that carry user ids, and the app's data."""
    for name, inner, holder in _members(value):
        where, ending = f"vendor.{name}", _letters(name)
        if ending in APP_DATA:
            yield from (Mention(where, text, anywhere) for text in _values(inner))
        elif ending.endswith(USERS):
            beside = SERVICE_BESIDE.get(name.lower())
            services = frozenset(_scalars(holder.get(beside))) if beside else anywhere
            yield from (Mention(where, text, services) for text in _scalars(inner))


def _services(value: Any) -> Iterator[str]:
    """Every service that is named, however deep."""
    for name, inner, _ in _members(value):
        if _letters(name).endswith(SERVICES) or name == "service":
            yield from _scalars(inner)


def _members(value: Any) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Every member of every object, with the object. The app's own data is not looked into."""
    for name, inner in value.items() if isinstance(value, dict) else ():
        yield name, inner, value
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for name, inner in children:
        if _letters(str(name)) not in APP_DATA:
            yield from _members(inner)


def _scalars(value: Any) -> Iterator[str]:
    """A text or number, or those in lists; nothing of an object."""
    if isinstance(value, list):
        for inner in value:
            yield from _scalars(inner)
    elif text := _text(value):
        yield text


def _values(value: Any) -> Iterator[str]:
    """The text of app data, and if it is JSON every value in it. No recursion: the app chooses the depth."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)
        elif (text := _text(each)) is not None:
            yield text
            # A dict would forget all but the last of those with the same name.
            inner = _parsed(text, lambda pairs: [value for _, value in pairs])
            if inner != text:
                waiting.append(inner)


def _parsed(text: str, of_objects: Any) -> Any:
    """What a text is as JSON, numbers as they are written; the text itself where it is not JSON."""
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
