"""The records table of a deployment or of the running local stack, read as a whole."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from local.aws import client, local_client, local_settings
from local.processes import StackError

from .deployed import existing

ROOT = Path(__file__).resolve().parent.parent
Item = dict[str, Any]
KEY = ("sid", "record")


class Table:
    """A table of records. Items stay as DynamoDB has them, so that a copy is exact."""

    def __init__(self, dynamodb: Any, name: str) -> None:
        self._dynamodb = dynamodb
        self.name = name

    def items(self) -> Iterator[Item]:
        """Every item there is."""
        for page in self._dynamodb.get_paginator("scan").paginate(TableName=self.name, ConsistentRead=True):
            yield from page["Items"]

    def add(self, item: Item) -> bool:
        """Puts an item where there is none, and says whether there was none."""
        try:
            self._dynamodb.put_item(TableName=self.name, Item=item, ConditionExpression="attribute_not_exists(sid)")
        except self._dynamodb.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def delete(self, key: Item) -> None:
        """Deletes an item."""
        self._dynamodb.delete_item(TableName=self.name, Key=key)


def table_of(settings: Mapping[str, str], name: str = "") -> Table:
    """The records table of STACK, or of the local stack that is running; or another table beside it, by its name."""
    if stack := settings.get("STACK"):
        return Table(client("dynamodb"), name or existing(client, stack).output("RecordsTableName"))
    env_file = Path(settings.get("RINGBACK_STACK_ENV") or ROOT / ".local/stack.env")
    try:
        local = local_settings(env_file)
    except OSError:
        raise StackError("which? Say STACK=name, or start `make run` first") from None
    return Table(local_client("dynamodb", local), name or local["RECORDS_TABLE"])


def key_of(item: Item) -> Item:
    """What DynamoDB finds an item by."""
    return {name: item[name] for name in KEY}


def texts(item: Item) -> Iterator[str]:
    """Every text in an item, however deep, in JSON inside of texts too; names in maps as well: people are kept so."""
    deserializer = TypeDeserializer()
    for value in item.values():
        yield from _texts(deserializer.deserialize(value))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
        if value[:1] in ("{", "["):
            with suppress(ValueError, RecursionError):
                yield from _texts(json.loads(value))
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif value is not None:
        yield str(value)
