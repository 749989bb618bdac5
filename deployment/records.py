"""The records table of a deployment or of the running local stack."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.aws import Clients, client, local_client, local_settings
from local.cloudformation import ROOT
from local.processes import StackError

from .stack import Deployed, ours

Item = dict[str, Any]
# The sort key of the item that shows a whole call.
CALL = "call"


class Table:
    """A table of records. Items stay as DynamoDB has them, so that a copy is exact."""

    def __init__(self, dynamodb: Any, name: str) -> None:
        self._dynamodb = dynamodb
        self.name = name

    def items(self) -> Iterator[Item]:
        """Every item."""
        for page in self._dynamodb.get_paginator("scan").paginate(TableName=self.name, ConsistentRead=True):
            yield from page["Items"]

    def items_of(self, sid: str) -> list[Item]:
        """The items of a session."""
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self.name,
            ConsistentRead=True,
            KeyConditionExpression="sid = :sid",
            ExpressionAttributeValues={":sid": {"S": sid}},
        )
        return [item for page in pages for item in page["Items"]]

    def add(self, item: Item) -> Item | None:
        """Puts an item where there is none; returns the one that is there and stays."""
        try:
            self._dynamodb.put_item(
                TableName=self.name,
                Item=item,
                ConditionExpression="attribute_not_exists(sid)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException as error:
            there: Item = error.response["Item"]
            return there
        return None

    def delete(self, item: Item) -> None:
        """Deletes an item."""
        self._dynamodb.delete_item(TableName=self.name, Key=key_of(item))

    def description(self) -> dict[str, Any]:
        """What DynamoDB says of the table."""
        described: dict[str, Any] = self._dynamodb.describe_table(TableName=self.name)["Table"]
        return described


@dataclass(frozen=True)
class Place:
    """Where a stack's records are, and which stack that is."""

    dynamodb: Any = field(repr=False)
    records: str
    # For a person to read.
    description: str
    # Nothing for the local stack.
    deployed: Deployed | None = None

    def table(self, name: str = "") -> Table:
        """The stack's records table, or another one beside it by its name."""
        return Table(self.dynamodb, name or self.records)


def place_of(settings: Mapping[str, str], clients: Clients = client) -> Place:
    """Where the records of STACK are, or those of the local stack that is running."""
    if stack := settings.get("STACK"):
        deployed = ours(clients, stack)
        table = deployed.outputs["RecordsTableName"]
        return Place(clients("dynamodb"), table, deployed.where(clients), deployed)
    local = local_stack(settings)
    if local is None:
        raise StackError("which stack? Set STACK=name, or start `make run` first")
    return Place(local_client("dynamodb", local), local["RECORDS_TABLE"], "The local stack.")


def local_stack(settings: Mapping[str, str]) -> dict[str, str] | None:
    """The settings of the local stack, when one is running."""
    env_file = Path(settings.get("RINGBACK_STACK_ENV") or ROOT / ".local/stack.env")
    try:
        return local_settings(env_file)
    except OSError:
        return None


def name_of(settings: Mapping[str, str]) -> str:
    """What to call the stack when something is wrong with it."""
    return f"STACK={settings['STACK']}" if settings.get("STACK") else "the local stack"


def key_of(item: Item) -> Item:
    """What DynamoDB finds an item by."""
    return {name: item[name] for name in ("sid", "record")}
