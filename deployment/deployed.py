"""A stack that is on AWS: what CloudFormation says of it."""

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from local.aws import Clients
from local.processes import StackError


@dataclass(frozen=True)
class Deployed:
    """A stack. Values of secret parameters are stars."""

    name: str
    id: str
    status: str
    parameters: dict[str, str]
    outputs: dict[str, str]

    @property
    def stage(self) -> str:
        """The stage that it was deployed as; nothing for a stack from before there were stages."""
        return self.parameters.get("Stage", "")

    def output(self, name: str) -> str:
        """One output."""
        try:
            return self.outputs[name]
        except KeyError:
            raise StackError(f"the stack {self.name} has no output {name}: is it a Ringback of today?") from None


def find(clients: Clients, stack: str) -> Deployed | None:
    """The stack of a name or an id, if there is one."""
    try:
        description = clients("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    except ClientError as error:
        # CloudFormation has no error of its own for this.
        if "does not exist" in error.response.get("Error", {}).get("Message", ""):
            return None
        raise
    return Deployed(
        name=description["StackName"],
        id=description["StackId"],
        status=description["StackStatus"],
        parameters={each["ParameterKey"]: each.get("ParameterValue", "") for each in description.get("Parameters", [])},
        outputs={each["OutputKey"]: each["OutputValue"] for each in description.get("Outputs", [])},
    )


def existing(clients: Clients, stack: str) -> Deployed:
    """The stack of a name; without one there is nothing to do."""
    deployed = find(clients, stack)
    if not deployed:
        region = clients("cloudformation").meta.region_name
        raise StackError(f"there is no stack {stack} in {region}: STACK and AWS_REGION say which is meant")
    return deployed


def resources(clients: Clients, stack: str) -> list[dict[str, Any]]:
    """Every resource of a stack."""
    pages = clients("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack)
    return [resource for page in pages for resource in page["StackResourceSummaries"]]


def named(listed: list[dict[str, Any]], kind: str) -> dict[str, str]:
    """Logical and real name of the resources of a kind."""
    return {
        each["LogicalResourceId"]: each["PhysicalResourceId"]
        for each in listed
        if each["ResourceType"] == kind and each.get("PhysicalResourceId")
    }
