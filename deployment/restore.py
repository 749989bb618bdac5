"""Puts back what was deleted: copies the items of a restored table that the stack's table lacks."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from local.aws import Clients, client, said_in_a_line
from local.processes import StackError
from local.show import clean

from .confirmation import confirm, stage_of
from .records import CALL, Item, Table, name_of, place_of

ITEMS_BETWEEN_WORDS = 10_000
# More would be a list that nobody works off by hand.
CALLS_NAMED = 50


@dataclass
class Copied:
    """What became of the items of the restored table."""

    added: int = 0
    there: int = 0
    expired: int = 0
    # The calls whose item is there and says something else.
    differ: list[str] = field(default_factory=list)


def run(settings: Mapping[str, str], clients: Clients = client) -> int:
    """Copies from the table FROM into that of STACK, and says how much."""
    source_name = settings.get("FROM", "")
    if not source_name:
        raise StackError("from where? Say FROM=name of the table that point-in-time recovery has made")
    with said_in_a_line(name_of(settings)):
        place = place_of(settings, clients)
        target = place.table()
        if source_name == target.name:
            raise StackError(f"{source_name} is the stack's own table: FROM is the restored one")
        source = place.table(source_name)
        print(f"{place.said} Copies from {source.name} into {target.name}.", flush=True)
        if settings.get("ANY_SOURCE") != "yes":
            refuse_another_tables(source, target)
        if place.deployed and stage_of(place.deployed) == "prod":
            confirm(place.deployed.name, settings)
        copied = copy(source, target, int(time.time()))
    print("\n".join(report(copied, source.name, target.name)))
    return 0


def refuse_another_tables(source: Table, target: Table) -> None:
    """Goes no further with a table that was not restored from the stack's own."""
    origin = source.description().get("RestoreSummary", {}).get("SourceTableArn", "")
    if origin != target.description()["TableArn"]:
        said = f"was restored from {origin}" if origin else "was not restored from a table"
        raise StackError(f"{source.name} {said}, and not from {target.name}: say ANY_SOURCE=yes if it must be this one")


def copy(source: Table, target: Table, now: int) -> Copied:
    """Adds what is missing. What is there is newer and stays; what has expired would only be deleted again."""
    copied = Copied()
    for count, item in enumerate(source.items(), start=1):
        if has_expired(item, now):
            copied.expired += 1
        elif (there := target.add(item)) is None:
            copied.added += 1
        else:
            copied.there += 1
            if item["record"]["S"] == CALL and there != item:
                copied.differ.append(item["sid"]["S"])
        if not count % ITEMS_BETWEEN_WORDS:
            print(f"{count} items read", flush=True)
    return copied


def report(copied: Copied, source: str, target: str) -> list[str]:
    """What a person should know afterwards."""
    lines = [
        f"{copied.added} items of {source} are back in {target}; "
        f"{copied.there} were there, {copied.expired} have expired."
    ]
    if copied.differ:
        lines.append(f"{len(copied.differ)} call items were there and differ: they may know less: docs/runbook.md")
        lines.extend(f"  {clean(sid)}" for sid in copied.differ[:CALLS_NAMED])
        if len(copied.differ) > CALLS_NAMED:
            lines.append(f"  and {len(copied.differ) - CALLS_NAMED} more")
    lines.append("Users who were erased since the backup are back with it: erase them again.")
    return lines


def has_expired(item: Item, now: int) -> bool:
    """Whether DynamoDB deletes the item by itself, if it has not yet."""
    return int(item.get("expires_at", {}).get("N", now + 1)) <= now
