"""Deletes a deployment, after saying what goes, what stays, and what would be lost."""

import time
from collections.abc import Mapping
from typing import Any

import yaml

from local.aws import Clients, client, said_in_a_line
from local.processes import StackError

from .confirmation import confirm, refuse_foreign, stage_of, where
from .deployed import Deployed, existing, find, named, resources
from .template_parameters import LenientLoader

KEEPS = ("Retain", "RetainExceptOnCreate")
# SAM has CloudFormation keep them, but they go with their function.
GOES_ANYWAY = "AWS::Lambda::Version"
QUEUES = ("SpoolQueue", "DeadLetterQueue")
COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed")
ENDED = ("DELETE_COMPLETE", "DELETE_FAILED", "DELETE_SKIPPED")
SECONDS_TO_DELETE = 1800
SECONDS_BETWEEN_LOOKS = 5


def run(settings: Mapping[str, str], clients: Clients = client) -> int:
    """Deletes a stack when nothing speaks against it."""
    stack = settings.get("STACK", "")
    if not stack:
        raise StackError("which? Say STACK=name")
    with said_in_a_line(f"STACK={stack}"):
        deployed = existing(clients, stack)
        if deployed.status == "DELETE_IN_PROGRESS":
            raise StackError(f"{stack} is being deleted already")
        template = template_of(clients("cloudformation"), stack)
        refuse_foreign(deployed, template.get("Outputs", {}))
        if stage_of(deployed) == "prod" and settings.get("PRODUCTION") != "yes":
            raise StackError(f"{stack} is a production stack: say PRODUCTION=yes too if it must go")
        listed = resources(clients, stack)
        kept = retained(template)
        print(f"{where(clients, deployed)}\n{what_happens(clients, listed, kept)}", flush=True)
        if waiting := messages(clients("sqs"), named(listed, "AWS::SQS::Queue")):
            said = " and ".join(f"{count} in {queue}" for queue, count in waiting.items())
            if settings.get("LOSE_MESSAGES") != "yes":
                raise StackError(f"messages would be lost: {said}. Let replay write them, or say LOSE_MESSAGES=yes")
            print(f"Messages that will be lost: {said}.", flush=True)
        confirm(stack, settings)
        told = {event["EventId"] for event in events(clients, deployed)}
        clients("cloudformation").delete_stack(StackName=deployed.id)
        wait(clients, deployed, told)
    print("\n".join([f"{stack} is deleted.", *after(named(listed, "AWS::DynamoDB::Table"), kept)]))
    return 0


def template_of(cloudformation: Any, stack: str) -> dict[str, Any]:
    """The template that was deployed."""
    body = cloudformation.get_template(StackName=stack, TemplateStage="Processed")["TemplateBody"]
    template: dict[str, Any] = (yaml.load(body, LenientLoader) if isinstance(body, str) else body) or {}
    return template


def retained(template: dict[str, Any]) -> set[str]:
    """The resources that CloudFormation leaves behind."""
    return {
        name
        for name, resource in template.get("Resources", {}).items()
        if resource.get("DeletionPolicy") in KEEPS and resource.get("Type") != GOES_ANYWAY
    }


def what_happens(clients: Clients, listed: list[dict[str, Any]], kept: set[str]) -> str:
    """What goes and what stays."""
    goes: dict[str, int] = {}
    stays: list[str] = []
    for each in listed:
        if each["LogicalResourceId"] in kept:
            stays.append(f"  {each['LogicalResourceId']}: {each.get('PhysicalResourceId', 'not created')}"
                         f"{size(clients, each)}")  # fmt: skip
        else:
            kind = each["ResourceType"].removeprefix("AWS::")
            goes[kind] = goes.get(kind, 0) + 1
    deleted = ", ".join(f"{count} {kind}" for kind, count in sorted(goes.items())) or "nothing"
    return "\n".join([f"Goes: {deleted}.", "Stays:", *(stays or ["  nothing"])])


def size(clients: Clients, resource: dict[str, Any]) -> str:
    """How much is in a table. DynamoDB counts every six hours or so."""
    if resource["ResourceType"] != "AWS::DynamoDB::Table" or "PhysicalResourceId" not in resource:
        return ""
    table = clients("dynamodb").describe_table(TableName=resource["PhysicalResourceId"])["Table"]
    return f" ({table.get('ItemCount', 0)} items, {table.get('TableSizeBytes', 0)} bytes, as of some hours ago)"


def messages(sqs: Any, queues: dict[str, str]) -> dict[str, int]:
    """How many messages wait, by queue; queues that are empty are left out."""
    waiting = {}
    for name in QUEUES:
        if name in queues:
            counts = sqs.get_queue_attributes(QueueUrl=queues[name], AttributeNames=list(COUNTS))["Attributes"]
            waiting[name] = sum(int(counts.get(count, 0)) for count in COUNTS)
    return {name: count for name, count in waiting.items() if count}


def wait(clients: Clients, deployed: Deployed, told: set[str]) -> None:
    """Looks on until the stack is gone, and says what happens on the way."""
    deadline = time.monotonic() + SECONDS_TO_DELETE
    while True:
        # By its id, because a deleted stack has no name.
        now = find(clients, deployed.id)
        for line in news(events(clients, deployed), told):
            print(line, flush=True)
        if not now or now.status == "DELETE_COMPLETE":
            return
        if now.status == "DELETE_FAILED":
            raise StackError(f"CloudFormation could not delete all of {deployed.name}: what it says is above")
        if time.monotonic() > deadline:
            raise StackError(f"the deletion goes on without us: it is {now.status} after {SECONDS_TO_DELETE} s")
        time.sleep(SECONDS_BETWEEN_LOOKS)


def events(clients: Clients, deployed: Deployed) -> list[dict[str, Any]]:
    """The newest hundred events of a stack, which is more than happens between two looks."""
    newest: list[dict[str, Any]] = clients("cloudformation").describe_stack_events(StackName=deployed.id)["StackEvents"]
    return newest


def news(newest: list[dict[str, Any]], told: set[str]) -> list[str]:
    """What has ended since the last look."""
    new = [event for event in reversed(newest) if event["EventId"] not in told]
    told.update(event["EventId"] for event in new)
    ended = [event for event in new if event["ResourceStatus"] in ENDED]
    return [
        f"  {each['ResourceStatus']:<15}  {each['LogicalResourceId']}  {each.get('ResourceStatusReason', '')}".rstrip()
        for each in ended
    ]


def after(tables: dict[str, str], kept: set[str]) -> list[str]:
    """How to delete what was kept on purpose."""
    left = [table for name, table in tables.items() if name in kept]
    return [
        line
        for table in left
        for line in (
            "Its records are still there, and cost money. To delete them for good:",
            f"  aws dynamodb update-table --table-name {table} --no-deletion-protection-enabled",
            f"  aws dynamodb delete-table --table-name {table}",
        )
    ]
