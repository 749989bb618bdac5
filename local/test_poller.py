"""Lambda's part between a queue and a function, with a queue in memory."""

import json
import unittest
from typing import Any

from .client import Answer
from .poller import Poller, event, failures
from .template import Queue

QUEUE = Queue("arn:aws:sqs:us-east-1:000000000000:spool", 10, True)


def message(number: int) -> dict[str, Any]:
    """A message as SQS hands it over."""
    return {
        "MessageId": f"id-{number}",
        "ReceiptHandle": f"receipt-{number}",
        "Body": f"body {number}",
        "MD5OfBody": "0" * 32,
        "Attributes": {"ApproximateReceiveCount": "1"},
        "MessageAttributes": {"reason": {"DataType": "String", "StringValue": "not_a_record"}},
    }


class MemoryQueue:
    """A queue that holds what it is given and remembers what was deleted."""

    def __init__(self, count: int) -> None:
        self.messages = [message(number) for number in range(count)]
        self.deleted: list[str] = []

    def receive_message(self, MaxNumberOfMessages: int, **_: Any) -> dict[str, Any]:
        """The first messages."""
        taken, self.messages = self.messages[:MaxNumberOfMessages], self.messages[MaxNumberOfMessages:]
        return {"Messages": taken} if taken else {}

    def delete_message_batch(self, Entries: list[dict[str, str]], **_: Any) -> None:
        """Deletes by receipt."""
        self.deleted += [entry["ReceiptHandle"] for entry in Entries]


class Polling(unittest.TestCase):
    """One look into the queue."""

    def test_a_batch_is_no_larger_than_it_may_be_and_what_failed_stays(self) -> None:
        queue, seen = MemoryQueue(12), []

        def invoke(body: bytes) -> Answer:
            seen.append(json.loads(body)["Records"])
            return Answer(200, '{"batchItemFailures":[{"itemIdentifier":"id-3"}]}' if len(seen) == 1 else "null")

        poller = Poller(queue, "http://queue", QUEUE, invoke)
        for _ in range(3):
            poller.poll_once()
        self.assertEqual([len(records) for records in seen], [10, 2])
        self.assertEqual(queue.deleted, [f"receipt-{number}" for number in range(12) if number != 3])

    def test_nothing_is_deleted_when_the_function_fails(self) -> None:
        queue = MemoryQueue(2)
        Poller(queue, "http://queue", QUEUE, lambda _: Answer(None, "")).poll_once()
        self.assertEqual(queue.deleted, [])

    def test_nothing_is_handed_on_once_it_is_stopped(self) -> None:
        poller = Poller(MemoryQueue(1), "http://queue", QUEUE, lambda _: self.fail("handed on"))
        poller.stop()
        poller.poll_once()
        poller.start()
        poller.join()


class Shape(unittest.TestCase):
    """What a function gets and says."""

    def test_a_message_looks_as_lambda_hands_it_over(self) -> None:
        (record,) = event([message(1)], QUEUE.arn)["Records"]
        self.assertEqual(
            record,
            {
                "messageId": "id-1",
                "receiptHandle": "receipt-1",
                "body": "body 1",
                "attributes": {"ApproximateReceiveCount": "1"},
                "messageAttributes": {
                    "reason": {
                        "stringListValues": [],
                        "binaryListValues": [],
                        "dataType": "String",
                        "stringValue": "not_a_record",
                    }
                },
                "md5OfBody": "0" * 32,
                "eventSource": "aws:sqs",
                "eventSourceARN": QUEUE.arn,
                "awsRegion": "us-east-1",
            },
        )

    def test_what_comes_back_follows_lambdas_rules(self) -> None:
        sent = {"a", "b"}
        for body, failed in [
            ('{"batchItemFailures":[]}', set()),
            ('{"batchItemFailures":null}', set()),
            ("{}", set()),
            ("null", set()),
            ("", set()),
            ('{"batchItemFailures":[{"itemIdentifier":"a"}]}', {"a"}),
            ('{"batchItemFailures":[{"itemIdentifier":"c"}]}', sent),
            ('{"batchItemFailures":[{"itemIdentifier":""}]}', sent),
            ('{"batchItemFailures":[{"itemIdentifier":null}]}', sent),
            ('{"batchItemFailures":[{"itemIdentifier":[]}]}', sent),
            ('{"batchItemFailures":[{"id":"a"}]}', sent),
            ('{"batchItemFailures":7}', sent),
            ("no json", sent),
            ("[1]", sent),
        ]:
            with self.subTest(body=body):
                self.assertEqual(failures(Answer(200, body), sent, reports=True), failed)
        self.assertEqual(failures(Answer(500, "{}"), sent, reports=True), sent)
        self.assertEqual(failures(Answer(None, "{}"), sent, reports=False), sent)
        self.assertEqual(failures(Answer(200, "no json"), sent, reports=False), set())
