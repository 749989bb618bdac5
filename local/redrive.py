"""Dead letters, brought back into the spool: of the local stack that is running, or of a deployment."""

import time
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError

from .aws import Clients, client, local_client, local_settings, said_in_a_line
from .processes import StackError, shown

# A move on AWS goes on without us; this is how long we look on.
SECONDS_TO_MOVE = 600
SECONDS_BETWEEN_LOOKS = 2
OUTPUTS = ("DeadLetterQueueArn", "SpoolQueueArn")
NO_STACK = (
    "no local stack is running: start one with `make run`, or name a deployment with STACK=<CloudFormation stack>"
)


def redrive_local(env_file: Path) -> int:
    """Moves the dead letters of the running local stack and says how many."""
    try:
        settings = local_settings(env_file)
    except FileNotFoundError:
        raise StackError(f"{shown(env_file)} is not there: {NO_STACK}") from None
    missing = [name for name in ("DEAD_LETTER_QUEUE_URL", "SPOOL_QUEUE_URL") if name not in settings]
    if missing:
        raise StackError(f"{shown(env_file)} names no {' and no '.join(missing)}: start the local stack again")
    sqs = local_client("sqs", settings)
    try:
        return move(sqs, settings["DEAD_LETTER_QUEUE_URL"], settings["SPOOL_QUEUE_URL"])
    except EndpointConnectionError:
        raise StackError(f"nothing answers at {settings['AWS_ENDPOINT_URL_SQS']}: {NO_STACK}") from None


def move(sqs: Any, source: str, target: str) -> int:
    """Moves messages one by one, where SQS does not move them itself. Each is in one of the queues at any time.

    Only as many as there are now: a message that is still bad comes back while others are being moved.
    """
    answer = sqs.get_queue_attributes(QueueUrl=source, AttributeNames=["ApproximateNumberOfMessages"])
    waiting = int(answer["Attributes"]["ApproximateNumberOfMessages"])
    moved = 0
    while moved < waiting:
        messages = sqs.receive_message(
            QueueUrl=source,
            MaxNumberOfMessages=min(10, waiting - moved),
            MessageAttributeNames=["All"],
            # Without a wait SQS asks some of its servers, and may find nothing where there is something.
            WaitTimeSeconds=2,
        ).get("Messages", [])
        if not messages:
            break
        for message in messages:
            attributes = message.get("MessageAttributes", {})
            sqs.send_message(QueueUrl=target, MessageBody=message["Body"], MessageAttributes=attributes)
            sqs.delete_message(QueueUrl=source, ReceiptHandle=message["ReceiptHandle"])
            moved += 1
    return moved


def redrive_deployment(stack: str, clients: Clients = client) -> int:
    """Has SQS move the dead letters of a deployment and says how many, with the AWS settings of whoever runs this."""
    with said_in_a_line(f"STACK={stack}"):
        return _redrive_deployment(stack, clients)


def _redrive_deployment(stack: str, clients: Clients) -> int:
    description = clients("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in description.get("Outputs", [])}
    missing = [name for name in OUTPUTS if name not in outputs]
    if missing:
        raise StackError(f"the stack {stack} has no output {' and no '.join(missing)}: is it a Ringback of today?")
    source, target = (outputs[name] for name in OUTPUTS)
    sqs = clients("sqs")
    try:
        # The target is named: SQS only knows the way back of what it moved itself, and replay sent most of these.
        sqs.start_message_move_task(SourceArn=source, DestinationArn=target)
    except ClientError as error:
        # SQS documents that it moves what came from another of its queues, and this one SNS fills too.
        if "UnsupportedOperation" not in error.response["Error"]["Code"]:
            raise
        return move(sqs, *(_url(sqs, arn) for arn in (source, target)))
    deadline = time.monotonic() + SECONDS_TO_MOVE
    while True:
        task = sqs.list_message_move_tasks(SourceArn=source, MaxResults=1)["Results"][0]
        moved = int(task.get("ApproximateNumberOfMessagesMoved", 0))
        if task["Status"] == "COMPLETED":
            return moved
        if task["Status"] == "FAILED" and not moved:
            return move(sqs, *(_url(sqs, arn) for arn in (source, target)))
        if task["Status"] not in ("RUNNING", "CANCELLING"):
            why = task.get("FailureReason", "SQS does not say why")
            raise StackError(f"the move ended as {task['Status']} after {moved} messages: {why}")
        if time.monotonic() > deadline:
            raise StackError(f"the move goes on without us: {moved} messages after {SECONDS_TO_MOVE} s")
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _url(sqs: Any, arn: str) -> str:
    url: str = sqs.get_queue_url(QueueName=arn.rsplit(":", 1)[-1])["QueueUrl"]
    return url
