"""Lambda's part between a queue and a function: receives, hands on in batches, deletes what is done."""

import json
import threading
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from .client import Answer
from .template import REGION, Queue

# How long one look into the queue waits, and so how long the end of the stack may have to.
SECONDS_TO_LOOK = 1
# After a failure, so that a queue that is gone is not asked a thousand times a second.
SECONDS_TO_REST = 0.5


class Poller:
    """Plays Lambda's part for one queue of one function, in a thread, until it is stopped."""

    def __init__(self, sqs: Any, url: str, queue: Queue, invoke: Callable[[bytes], Answer]) -> None:
        self._sqs = sqs
        self._url = url
        self._queue = queue
        self._invoke = invoke
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)

    def start(self) -> None:
        """Begins to poll."""
        self._thread.start()

    def stop(self) -> None:
        """Takes nothing more out of the queue."""
        self._stopping.set()

    def join(self) -> None:
        """Waits for the end of the batch at hand, which comes at once when the emulator and the function are gone."""
        if self._thread.is_alive():
            self._thread.join(2 * SECONDS_TO_LOOK)

    def _poll(self) -> None:
        while not self._stopping.is_set():
            try:
                self.poll_once()
            except (BotoCoreError, ClientError):
                self._stopping.wait(SECONDS_TO_REST)

    def poll_once(self) -> None:
        """Takes one batch out of the queue and hands it on."""
        messages = self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=min(self._queue.batch_size, 10),
            WaitTimeSeconds=SECONDS_TO_LOOK,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        ).get("Messages", [])
        if not messages or self._stopping.is_set():
            return
        answer = self._invoke(json.dumps(event(messages, self._queue.arn)).encode())
        failed = failures(answer, {message["MessageId"] for message in messages}, self._queue.reports_failures)
        done = [message for message in messages if message["MessageId"] not in failed]
        if done:
            entries = [
                {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]} for number, message in enumerate(done)
            ]
            self._sqs.delete_message_batch(QueueUrl=self._url, Entries=entries)


def event(messages: list[dict[str, Any]], arn: str) -> dict[str, Any]:
    """Messages as Lambda hands them to a function."""
    return {
        "Records": [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message.get("Attributes", {}),
                "messageAttributes": {
                    name: {
                        # SQS writes these with a capital, Lambda without.
                        "stringListValues": [],
                        "binaryListValues": [],
                        "dataType": attribute["DataType"],
                        **({"stringValue": attribute["StringValue"]} if "StringValue" in attribute else {}),
                    }
                    for name, attribute in message.get("MessageAttributes", {}).items()
                },
                "md5OfBody": message.get("MD5OfBody", ""),
                "eventSource": "aws:sqs",
                "eventSourceARN": arn,
                "awsRegion": REGION,
            }
            for message in messages
        ]
    }


def failures(answer: Answer, sent: set[str], reports: bool) -> set[str]:
    """Which messages of a batch come back, by Lambda's rules: when in doubt, all of them."""
    if answer.status != 200:
        return sent
    if not reports:
        return set()
    try:
        said = json.loads(answer.body or "null")
        listed = (said or {}).get("batchItemFailures") or []
        failed = {failure["itemIdentifier"] for failure in listed}
    except (ValueError, TypeError, KeyError, AttributeError):
        return sent
    return failed if failed <= sent else sent
