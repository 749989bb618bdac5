"""An AWS account in memory, for the tests of the commands."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from .records import key_of


def refused(code: str, message: str, operation: str) -> ClientError:
    """What AWS answers when it does not do what it is asked."""
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


def resource(kind: str, logical: str, physical: str) -> dict[str, str]:
    """A resource as CloudFormation lists it."""
    return {"ResourceType": kind, "LogicalResourceId": logical, "PhysicalResourceId": physical}


class AlreadyThere(ClientError):
    """What DynamoDB answers to a put that must not replace anything."""


class Account:
    """One stack at most, and what its resources hold. It is the client of every service."""

    def __init__(self, **stack: Any) -> None:
        self.meta = SimpleNamespace(region_name="eu-west-1")
        self.name = "mine"
        self.status = "UPDATE_COMPLETE"
        self.exists = True
        self.parameters: dict[str, str] = {}
        self.outputs = {"RecordsTableName": "mine-records", "SpoolQueueArn": "arn:aws:sqs:eu-west-1:123456789012:spool"}
        self.resources: list[dict[str, str]] = []
        self.template: Any = {"Resources": {}}
        # Messages by queue, log entries by group, configurations by function and qualifier.
        self.messages: dict[str, int] = {}
        self.entries: dict[str, list[dict[str, Any]]] = {}
        self.configurations: dict[tuple[str, str], dict[str, Any]] = {}
        # Items by table, and what is said of a table beside its name.
        self.items: dict[str, list[dict[str, Any]]] = {}
        self.tables: dict[str, dict[str, Any]] = {}
        self.exceptions = SimpleNamespace(ConditionalCheckFailedException=AlreadyThere)
        self.happened: list[dict[str, str]] = []
        # What deleting the stack ends in.
        self.end = "DELETE_COMPLETE"
        self.deleted = False
        for name, value in stack.items():
            if not hasattr(self, name):
                raise AttributeError(name)
            setattr(self, name, value)

    def __call__(self, service: str) -> "Account":
        return self

    def get_caller_identity(self) -> dict[str, str]:
        """Who asks."""
        return {"Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/somebody"}

    def describe_stacks(self, StackName: str) -> dict[str, Any]:
        """The stack, by name or by id."""
        if not self.exists or StackName not in (self.name, f"id-of-{self.name}"):
            message = f"Stack with id {StackName} does not exist"
            raise refused("ValidationError", message, "DescribeStacks")
        stack = {
            "StackName": self.name,
            "StackId": f"id-of-{self.name}",
            "StackStatus": self.status,
            "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in self.parameters.items()],
            "Outputs": [{"OutputKey": k, "OutputValue": v} for k, v in self.outputs.items()],
        }
        return {"Stacks": [stack]}

    def get_template(self, StackName: str, TemplateStage: str) -> dict[str, Any]:
        """The template that was deployed."""
        return {"TemplateBody": self.template}

    def delete_stack(self, StackName: str) -> None:
        """Deletes it at once."""
        self.deleted = True
        self.status = self.end
        for number, each in enumerate(self.resources):
            event = {"EventId": f"d{number}", "LogicalResourceId": each["LogicalResourceId"]}
            self.happened.insert(0, {**event, "ResourceStatus": self.end})

    def describe_stack_events(self, StackName: str) -> dict[str, Any]:
        """What happened, the newest first."""
        return {"StackEvents": list(self.happened)}

    def describe_table(self, TableName: str) -> dict[str, Any]:
        """A table with three items."""
        arn = f"arn:aws:dynamodb:eu-west-1:123456789012:table/{TableName}"
        said = self.tables.get(TableName, {})
        return {"Table": {"TableArn": arn, "ItemCount": 3, "TableSizeBytes": 4096, **said}}

    def put_item(self, TableName: str, Item: dict[str, Any], **_: Any) -> None:
        """Puts an item where there is none."""
        there = [item for item in self.items.setdefault(TableName, []) if key_of(item) == key_of(Item)]
        if there:
            raise AlreadyThere({"Error": {"Code": "ConditionalCheckFailedException"}, "Item": there[0]}, "PutItem")
        self.items[TableName].append(Item)

    def delete_item(self, TableName: str, Key: dict[str, Any]) -> None:
        """Takes an item away."""
        self.items[TableName] = [item for item in self.items[TableName] if key_of(item) != Key]

    def get_queue_attributes(self, QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:
        """How many messages a queue has."""
        return {"Attributes": {AttributeNames[0]: str(self.messages.get(QueueUrl, 0))}}

    def get_function_configuration(self, FunctionName: str, Qualifier: str = "$LATEST") -> dict[str, Any]:
        """How a function is set up."""
        return self.configurations[FunctionName, Qualifier]

    def get_paginator(self, operation: str) -> "Account":
        """This account is also the pages of whatever it lists."""
        return self

    def paginate(self, **asked: Any) -> Iterator[dict[str, Any]]:
        """All of it, an item a page."""
        if "logGroupName" in asked:
            entries = self.entries.get(asked["logGroupName"], [])
            yield from ({"events": [entry]} for entry in entries if entry["timestamp"] >= asked["startTime"])
        elif "TableName" in asked:
            yield from ({"Items": [item]} for item in list(self.items.get(asked["TableName"], [])))
        else:
            yield from ({"StackResourceSummaries": [each]} for each in self.resources)
