"""Moves dead letters back into the spool: of the local stack that is running, or of a deployment."""

from pathlib import Path
from typing import Any

from botocore.exceptions import EndpointConnectionError

from .aws import Clients, client, local_client, local_settings, said_in_a_line
from .processes import StackError, shown

OUTPUTS = ("DeadLetterQueueArn", "SpoolQueueArn")
NO_STACK = "no local stack is running: start one with `make run`, or name a deployment with STACK=<its stack>"


def redrive_local(env_file: Path) -> int:
    """Moves the dead letters of the running local stack and says how many."""
    try:
        settings = local_settings(env_file)
    except FileNotFoundError:
        raise StackError(f"{shown(env_file)} is not there: {NO_STACK}") from None
    missing = [name for name in ("DEAD_LETTER_QUEUE_URL", "SPOOL_QUEUE_URL") if name not in settings]
    if missing:
        raise StackError(
            f"{shown(env_file)} names no {' and no '.join(missing)}: start the local stack again"
        )
    try:
        sqs = local_client("sqs", settings)
        return move(sqs, settings["DEAD_LETTER_QUEUE_URL"], settings["SPOOL_QUEUE_URL"])
    except EndpointConnectionError:
        raise StackError(f"nothing answers at {settings['AWS_ENDPOINT_URL_SQS']}: {NO_STACK}") from None


def redrive_deployment(stack: str, clients: Clients = client) -> int:
    """Moves the dead letters of a deployment and says how many, with the caller's AWS settings."""
    with said_in_a_line(f"STACK={stack}"):
        description = clients("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
        outputs = {output["OutputKey"]: output["OutputValue"] for output in description.get("Outputs", [])}
        missing = [name for name in OUTPUTS if name not in outputs]
        if missing:
            raise StackError(f"the stack {stack} has no output {' and no '.join(missing)}: is it a Ringback?")
        sqs = clients("sqs")
        names = [outputs[name].rsplit(":", 1)[-1] for name in OUTPUTS]
        source, target = (sqs.get_queue_url(QueueName=name)["QueueUrl"] for name in names)
        return move(sqs, source, target)


def move(sqs: Any, source: str, target: str) -> int:
    """Moves messages by tens. Each is in one of the queues at any time.

    SQS's own move takes only what came from another queue, and SNS fills this one too. No more are moved than
    there were at the start: a message that is still bad comes back while others are being moved.
    """
    answer = sqs.get_queue_attributes(QueueUrl=source, AttributeNames=["ApproximateNumberOfMessages"])
    waiting = int(answer["Attributes"]["ApproximateNumberOfMessages"])
    moved = 0
    while moved < waiting:
        messages = sqs.receive_message(
            QueueUrl=source,
            MaxNumberOfMessages=min(10, waiting - moved),
            MessageAttributeNames=["All"],
            # Without a wait SQS asks some of its servers only, and may miss messages.
            WaitTimeSeconds=2,
        ).get("Messages", [])
        if not messages:
            break
        by_id = {str(number): message for number, message in enumerate(messages)}
        copies = [
            {"Id": id, "MessageBody": each["Body"], "MessageAttributes": each.get("MessageAttributes", {})}
            for id, each in by_id.items()
        ]
        sent = sqs.send_message_batch(QueueUrl=target, Entries=copies)
        copied = {entry["Id"] for entry in sent.get("Successful", [])}
        if not copied:
            raise StackError(f"SQS takes no message into {target}: {sent['Failed'][0].get('Message', '')}")
        receipts = [{"Id": id, "ReceiptHandle": by_id[id]["ReceiptHandle"]} for id in sorted(copied)]
        sqs.delete_message_batch(QueueUrl=source, Entries=receipts)
        moved += len(copied)
    return moved
