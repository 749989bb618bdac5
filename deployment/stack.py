"""A stack that is on AWS, and what stands before anything that cannot be taken back."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from local.aws import Clients
from local.processes import StackError

# Outputs that no other stack is likely to have.
OURS = ("RecordsTableName", "SpoolQueueArn")


@dataclass(frozen=True)
class Deployed:
    """A stack as CloudFormation describes it. Values of secret parameters are stars."""

    name: str
    status: str
    parameters: dict[str, str]
    outputs: dict[str, str]

    @property
    def stage(self) -> str:
        """The stage that it was deployed as. A stack that does not say may well be in production."""
        return self.parameters.get("Stage") or "prod"

    def where(self, clients: Clients) -> str:
        """Which stack it is, so that another one is not taken for it."""
        account = clients("sts").get_caller_identity()["Account"]
        region = clients("cloudformation").meta.region_name
        return f"{self.name}: a {self.stage} stack ({self.status}) in {region}, account {account}."


def find(clients: Clients, name: str) -> Deployed | None:
    """The stack of a name, if there is one."""
    try:
        description = clients("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        # CloudFormation has no specific error for this.
        if "does not exist" in error.response.get("Error", {}).get("Message", ""):
            return None
        raise
    return Deployed(
        name=description["StackName"],
        status=description["StackStatus"],
        parameters={
            each["ParameterKey"]: each.get("ParameterValue", "") for each in description.get("Parameters", [])
        },
        outputs={each["OutputKey"]: each["OutputValue"] for each in description.get("Outputs", [])},
    )


def ours(clients: Clients, name: str) -> Deployed:
    """The stack of a name, which must exist and be Ringback's."""
    deployed = find(clients, name)
    if not deployed:
        region = clients("cloudformation").meta.region_name
        raise StackError(f"there is no stack {name} in {region}: check STACK and AWS_REGION")
    refuse_foreign(deployed)
    return deployed


def refuse_foreign(deployed: Deployed) -> None:
    """Stops at a stack that is not Ringback's."""
    if missing := [name for name in OURS if name not in deployed.outputs]:
        raise StackError(f"{deployed.name} is not a Ringback stack: it has no {' and no '.join(missing)}")


def named(clients: Clients, stack: str, kind: str) -> dict[str, str]:
    """Logical and real name of a stack's resources of a kind."""
    pages: Any = clients("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack)
    return {
        each["LogicalResourceId"]: each["PhysicalResourceId"]
        for page in pages
        for each in page["StackResourceSummaries"]
        if each["ResourceType"] == kind and each.get("PhysicalResourceId")
    }


def confirm(stack: str, settings: Mapping[str, str]) -> None:
    """Asks for the name of a stack, or takes it from CONFIRM; stops at another one."""
    given = settings.get("CONFIRM", "")
    if not given:
        if not sys.stdin.isatty():
            raise StackError(f"nothing was changed: set CONFIRM={stack}, or run it in a terminal")
        given = input(f"Type the stack's name to continue ({stack}): ").strip()
    if given != stack:
        raise StackError(f"nothing was changed: {given or 'nothing'} is not {stack}")
