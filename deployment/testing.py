"""An AWS account in memory, for the tests of the commands."""

import hashlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError


def refused(code: str, message: str, operation: str) -> ClientError:
    """What AWS answers when it does not do what it is asked."""
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


def digest(token: str) -> str:
    """What a deployment knows of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


class Account:
    """One stack at most, and what its resources hold. It is the client of every service."""

    def __init__(self, stage: str = "dev") -> None:
        self.meta = SimpleNamespace(region_name="eu-west-1")
        self.exists = True
        self.parameters = {"Stage": stage} if stage else {}
        self.outputs = {
            "RecordsTableName": "mine-records",
            "SpoolQueueArn": "arn:aws:sqs:eu-west-1:123456789012:spool",
        }
        # Physical names by kind and logical id.
        self.resources: dict[tuple[str, str], str] = {}
        # Messages by queue, configurations by function and qualifier.
        self.messages: dict[str, int] = {}
        self.configurations: dict[tuple[str, str], dict[str, Any]] = {}

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

    def get_paginator(self, operation: str) -> "Account":
        """All that can be listed."""
        return self

    def paginate(self, **asked: Any) -> Iterator[dict[str, Any]]:
        """One page a resource."""
        for (kind, logical), physical in self.resources.items():
            resource = {"ResourceType": kind, "LogicalResourceId": logical, "PhysicalResourceId": physical}
            yield {"StackResourceSummaries": [resource]}
