"""Runs `sam delete` on a stack that is Ringback's and in whose queues no message would be lost."""

from collections.abc import Mapping
from pathlib import Path

from local.aws import Clients, client, said_in_a_line
from local.cloudformation import ROOT
from local.processes import StackError

from .deploy import sam
from .stack import confirm, named, ours

COUNTS = [f"ApproximateNumberOfMessages{which}" for which in ("", "NotVisible", "Delayed")]


def run(settings: Mapping[str, str], clients: Clients = client, root: Path = ROOT) -> int:
    """Deletes a stack when nothing speaks against it. The table of records stays."""
    stack = settings.get("STACK", "")
    if not stack:
        raise StackError("which stack? Set STACK=name")
    with said_in_a_line(f"STACK={stack}"):
        deployed = ours(clients, stack)
        print(deployed.where(clients), flush=True)
        if deployed.stage == "prod" and settings.get("PRODUCTION") != "yes":
            raise StackError(f"{stack} is a production stack: set PRODUCTION=yes too if it must go")
        waiting = messages(clients, stack)
        if waiting and settings.get("LOSE_MESSAGES") != "yes":
            said = " and ".join(f"{count} in {queue}" for queue, count in waiting.items())
            raise StackError(f"messages would be lost: {said}. Let replay run, or set LOSE_MESSAGES=yes")
        region = clients("cloudformation").meta.region_name
    confirm(stack, settings)
    if sam(root, settings, "delete", "--no-prompts", "--stack-name", stack, "--region", region):
        raise StackError(f"`sam delete` failed: see the events of {stack} in CloudFormation")
    table = deployed.outputs["RecordsTableName"]
    print(
        "The records are still there, and cost money. To delete them for good:\n"
        f"  aws dynamodb update-table --table-name {table} --no-deletion-protection-enabled\n"
        f"  aws dynamodb delete-table --table-name {table}"
    )
    return 0


def messages(clients: Clients, stack: str) -> dict[str, int]:
    """How many messages wait, by queue; empty queues are left out."""
    waiting = {}
    for name, url in named(clients, stack, "AWS::SQS::Queue").items():
        counts = clients("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=COUNTS)["Attributes"]
        waiting[name] = sum(int(count) for count in counts.values())
    return {name: count for name, count in waiting.items() if count}
