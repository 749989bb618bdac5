"""Erases one user: every record of every call in which a user id appears."""

from collections.abc import Mapping

from local.aws import said_in_a_line
from local.processes import StackError
from local.show import clean

from .records import Item, Table, key_of, table_of, texts


def run(settings: Mapping[str, str]) -> int:
    """Says in how many calls a user appears; with CONFIRM, deletes what is recorded of them."""
    user = settings.get("USER_ID", "")
    if not user:
        raise StackError("whom? Say USER_ID=…, and SERVICE_ID=… where several services use the same ids")
    service = settings.get("SERVICE_ID", "")
    about = f"STACK={settings['STACK']}" if settings.get("STACK") else "the local stack"
    with said_in_a_line(about):
        table = table_of(settings)
        found = items_of_calls_with(table, user, service)
        calls = len({item["sid"]["S"] for item in found})
        if not found:
            print(f"{clean(user)} is in no record of {table.name}.")
            return 0
        print(f"{clean(user)} is in {calls} calls of {table.name}, of which {len(found)} items tell.", flush=True)
        confirmed = settings.get("CONFIRM", "")
        if confirmed != user:
            raise StackError(f"nothing was erased: say CONFIRM={clean(user)} to delete all records of these calls")
        for item in found:
            table.delete(key_of(item))
        left = len(items_of_calls_with(table, user, service))
    if left:
        raise StackError(f"{left} items came in meanwhile: run it again")
    print(f"{len(found)} items are erased. Backups keep them for up to 35 days, spool and dead letters for up to 14.")
    return 0


def items_of_calls_with(table: Table, user: str, service: str = "") -> list[Item]:
    """All items of the calls that name the user. The table is read twice: an item that names nobody may come first."""
    calls = {item["sid"]["S"] for item in table.items() if names(item, user, service)}
    return [item for item in table.items() if item["sid"]["S"] in calls] if calls else []


def names(item: Item, user: str, service: str = "") -> bool:
    """Whether an item has the user's id as a whole value, and the service's too if one is given."""
    found = set(texts(item))
    return user in found and (not service or service in found)
