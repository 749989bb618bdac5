"""Puts back what was deleted: copies the items of a restored table that the stack's table lacks."""

import time
from collections.abc import Mapping

from local.aws import said_in_a_line
from local.processes import StackError

from .records import Item, Table, table_of

ITEMS_BETWEEN_WORDS = 10_000


def run(settings: Mapping[str, str]) -> int:
    """Copies from the table FROM into that of STACK, and says how much."""
    source_name = settings.get("FROM", "")
    if not source_name:
        raise StackError("from where? Say FROM=name of the table that point-in-time recovery has made")
    about = f"STACK={settings['STACK']}" if settings.get("STACK") else "the local stack"
    with said_in_a_line(about):
        target = table_of(settings)
        if source_name == target.name:
            raise StackError(f"{source_name} is the stack's own table: FROM is the restored one")
        added, there, expired = copy(table_of(settings, source_name), target, int(time.time()))
    print(f"{added} items of {source_name} are back in {target.name}; {there} were there, {expired} have expired.")
    return 0


def copy(source: Table, target: Table, now: int) -> tuple[int, int, int]:
    """Adds what is missing. What is there is newer and stays; what has expired would only be deleted again."""
    added = there = expired = 0
    for count, item in enumerate(source.items(), start=1):
        if has_expired(item, now):
            expired += 1
        elif target.add(item):
            added += 1
        else:
            there += 1
        if not count % ITEMS_BETWEEN_WORDS:
            print(f"{count} items read", flush=True)
    return added, there, expired


def has_expired(item: Item, now: int) -> bool:
    """Whether DynamoDB deletes the item by itself, if it has not yet."""
    return int(item.get("expires_at", {}).get("N", now + 1)) <= now
