"""An AWS account in memory, for the tests of the commands."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import ClientError

from .records import key_of

# No local stack is looked for.
ALONE = {"RINGBACK_STACK_ENV": "/nowhere/stack.env"}


def refused(code: str, message: str, operation: str) -> ClientError:
    """What AWS answers when it does not do what it is asked."""
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


def item(**attributes: Any) -> dict[str, Any]:
    """An item as DynamoDB has it."""
    serializer = TypeSerializer()
    return {name: serializer.serialize(value) for name, value in attributes.items()}


class AlreadyThere(ClientError):
    """What DynamoDB answers to a put that must not replace anything."""


class Account:
    """One stack at most, and what its resources hold. It is the client of every service."""

    def __init__(self, stage: str = "dev") -> None:
        self.meta = SimpleNamespace(region_name="eu-west-1")
        self.exceptions = SimpleNamespace(ConditionalCheckFailedException=AlreadyThere)
        self.exists = True
        self.parameters = {"Stage": stage} if stage else {}
        self.outputs = {
            "RecordsTableName": "mine-records",
            "SpoolQueueArn": "arn:aws:sqs:eu-west-1:123456789012:spool",
        }
        # Physical names by kind and logical id.
        self.resources: dict[tuple[str, str], str] = {}
        # Messages by queue, configurations by function and qualifier, items by table, origins of tables.
        self.messages: dict[str, int] = {}
        self.configurations: dict[tuple[str, str], dict[str, Any]] = {}
        self.items: dict[str, list[dict[str, Any]]] = {}
        self.restored_from: dict[str, str] = {}

    def __call__(self, service: str) -> "Account":
        return self

    def get_caller_identity(self) -> dict[str, str]:
        """STS."""
        return {"Account": "123456789012"}

    def describe_stacks(self, StackName: str) -> dict[str, Any]:
        """CloudFormation."""
        if not self.exists or StackName != "mine":
            raise refused("ValidationError", f"Stack with id {StackName} does not exist", "DescribeStacks")
        parameters = [{"ParameterKey": k, "ParameterValue": v} for k, v in self.parameters.items()]
        outputs = [{"OutputKey": k, "OutputValue": v} for k, v in self.outputs.items()]
        stack = {
            "StackName": "mine",
            "StackStatus": "UPDATE_COMPLETE",
            "Parameters": parameters,
            "Outputs": outputs,
        }
        return {"Stacks": [stack]}

    def get_function_configuration(self, FunctionName: str, Qualifier: str = "$LATEST") -> dict[str, Any]:
        """Lambda."""
        return self.configurations[FunctionName, Qualifier]

    def get_queue_attributes(self, QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:
        """SQS."""
        return {"Attributes": {AttributeNames[0]: str(self.messages.get(QueueUrl, 0))}}

    def describe_table(self, TableName: str) -> dict[str, Any]:
        """DynamoDB, as all that follows."""
        arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/"
        origin = self.restored_from.get(TableName)
        summary = {"RestoreSummary": {"SourceTableArn": f"{arn}{origin}"}} if origin else {}
        return {"Table": {"TableArn": f"{arn}{TableName}", **summary}}

    def put_item(self, TableName: str, Item: dict[str, Any], **_: Any) -> None:
        """Puts an item unless there is one."""
        there = [each for each in self.items.setdefault(TableName, []) if key_of(each) == key_of(Item)]
        if there:
            raise AlreadyThere(
                {"Error": {"Code": "ConditionalCheckFailedException"}, "Item": there[0]}, "PutItem"
            )
        self.items[TableName].append(Item)

    def delete_item(self, TableName: str, Key: dict[str, Any]) -> None:
        """Takes an item away."""
        self.items[TableName] = [each for each in self.items[TableName] if key_of(each) != Key]

    def get_paginator(self, operation: str) -> "Account":
        """All that can be listed."""
        return self

    def paginate(self, **asked: Any) -> Iterator[dict[str, Any]]:
        """One page an item."""
        if "TableName" in asked:
            sid = asked.get("ExpressionAttributeValues", {}).get(":sid")
            items = [each for each in self.items.get(asked["TableName"], []) if sid in (None, each["sid"])]
            yield from ({"Items": [each]} for each in items)
        for (kind, logical), physical in self.resources.items():
            resource = {"ResourceType": kind, "LogicalResourceId": logical, "PhysicalResourceId": physical}
            yield {"StackResourceSummaries": [resource]}
