"""Puts back what was deleted: copies the items of a restored table that the stack's table lacks."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from local.aws import Clients, client, said_in_a_line
from local.processes import StackError
from local.show import clean

from .records import CALL, Item, Table, name_of, place_of
from .stack import confirm

ITEMS_BETWEEN_REPORTS = 10_000
CALLS_NAMED = 50


@dataclass
class Copied:
    """What became of the items of the restored table."""

    added: int = 0
    there: int = 0
    expired: int = 0
    # The calls whose item is there and differs.
    differ: list[str] = field(default_factory=list)


def run(settings: Mapping[str, str], clients: Clients = client) -> int:
    """Copies from the table FROM into that of STACK, and says how much."""
    source_name = settings.get("FROM", "")
    if not source_name:
        raise StackError("from where? Set FROM=name of the table that point-in-time recovery has made")
    with said_in_a_line(name_of(settings)):
        place = place_of(settings, clients)
        target, source = place.table(), place.table(source_name)
        if source.name == target.name:
            raise StackError(f"{source.name} is the stack's own table: FROM is the restored one")
        print(f"{place.description} Copies from {source.name} into {target.name}.", flush=True)
        origin = source.description().get("RestoreSummary", {}).get("SourceTableArn", "nowhere")
        if settings.get("ANY_SOURCE") != "yes" and origin != target.description()["TableArn"]:
            raise StackError(
                f"{source.name} was restored from {origin}, not from the stack's: ANY_SOURCE=yes"
            )
        if place.deployed and place.deployed.stage == "prod":
            confirm(place.deployed.name, settings)
        copied = copy(source, target, int(time.time()))
    print("\n".join(report(copied, source.name, target.name)))
    return 0


def copy(source: Table, target: Table, now: int) -> Copied:
    """Adds what is missing. What is there is newer and stays; what has expired is left out."""
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
        if not count % ITEMS_BETWEEN_REPORTS:
            print(f"{count} items read", flush=True)
    return copied


def report(copied: Copied, source: str, target: str) -> list[str]:
    """What a person should know afterwards."""
    counts = f"{copied.there} were there, {copied.expired} have expired."
    lines = [f"{copied.added} items of {source} are back in {target}; {counts}"]
    if copied.differ:
        lines.append(f"{len(copied.differ)} call items differ from those there (see docs/runbook.md):")
        lines.extend(f"  {clean(sid)}" for sid in copied.differ[:CALLS_NAMED])
        if len(copied.differ) > CALLS_NAMED:
            lines.append(f"  and {len(copied.differ) - CALLS_NAMED} more")
    return [*lines, "Users who were erased since the backup are back with it: erase them again."]


def has_expired(item: Item, now: int) -> bool:
    """Whether DynamoDB deletes the item by itself, if it has not yet."""
    return int(item.get("expires_at", {}).get("N", now + 1)) <= now
