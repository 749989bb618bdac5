#!/usr/bin/env python3
"""The peers do what they are compared for: each plays the cases of call-event, and answers and records must be
those that the tables in tests/cases/ name.

A peer that is not set up is skipped. Nothing but loopback is used; TLS is the benchmark's own business.
"""

import json
import queue
import subprocess
import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 30
EVENTS = ROOT / "target/cases"
subprocess.run(
    ["cargo", "run", "--quiet", "--locked", "--package", "ringback-cases"],
    cwd=ROOT,
    check=True,
    stdout=subprocess.DEVNULL,
)
EXPECTED = json.loads((EVENTS / "expected.json").read_text())
CASES = {name.removeprefix("call-event/"): case for name, case in EXPECTED.items() if name.startswith("call-event/")}
# The same callback as a sample before it.
SENT_AGAIN = {"answered-call-sent-again"}
# What the functions on Node and Python let pass or read otherwise: bounds, session ids that could be two, a family of
# codes that comes as a word only.
NOT_READ_ALIKE = {
    "129-parameters",
    "name-of-257-bytes",
    "numbers-huge",
    "query-of-32769-bytes",
    "rel-code-2-cancel-word-only",
    "rel-code-205-push-error-word-only",
    "rel-code-3-reject-word-only",
    "rel-code-4-user-busy-word-only",
    "rel-code-5-no-answer-word-only",
    "rel-code-6-other-device-in-use-word-only",
    "rel-code-7-answered-on-other-device-word-only",
    "rel-code-8-rejected-on-other-device-word-only",
    "sid-not-utf8",
    "sid-repeated-with-another-value",
    "sid-with-encoded-control-character",
    "sid-with-encoded-line-break",
    "sid-with-raw-control-character",
    "value-of-16385-bytes",
}


class Loopback:
    """An HTTP server. `answer(method, path, headers, body)` makes its answers: (status, headers, body)."""

    def __init__(self, answer):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, headers, body = answer(self.command, self.path, self.headers, body)
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                """A peer that is killed at the end of its test resets its connections."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


class Table:
    """What PutItem keeps, under the conditions that the peers send."""

    def __init__(self):
        self.items = {}
        self.requests = 0
        self._known = set()
        self._lock = threading.Lock()

    def answer(self, method, path, headers, body):
        with self._lock:
            self.requests += 1
            status, answer = self._put(headers["X-Amz-Target"], json.loads(body))
        return status, {"Content-Type": "application/x-amz-json-1.0"}, json.dumps(answer).encode()

    def _put(self, target, request):
        if target != "DynamoDB_20120810.PutItem":
            return 400, {"__type": "UnknownOperationException"}
        key = (request["Item"]["sid"]["S"], request["Item"]["record"]["S"])
        there = self.items.get(key)
        given = request.get("ExpressionAttributeValues", {})
        conditions = {
            "attribute_not_exists(sid)": lambda: there is None,
            "last_event_at < :at": lambda: int(there["last_event_at"]["N"]) < int(given[":at"]["N"]),
            "facts = :expected": lambda: there["facts"] == given[":expected"],
        }
        if not any(conditions[condition]() for condition in request["ConditionExpression"].split(" OR ")):
            refusal = {"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"}
            return 400, {**refusal, **({"Item": there} if "ReturnValuesOnConditionCheckFailure" in request else {})}
        self.items[key] = request["Item"]
        return 200, {}

    def new_items(self):
        """What was kept since this was asked last."""
        new = [plain({"M": item}) for key, item in self.items.items() if key not in self._known]
        self._known = set(self.items)
        return new


class Function:
    """A peer's process, its Runtime API and its table."""

    def __init__(self, command, folder, environment):
        self.table = Table()
        self._events = queue.Queue()
        self._answers = queue.Queue()
        self._aws = Loopback(self.table.answer)
        self._api = Loopback(self._runtime_api)
        common = {
            "AWS_LAMBDA_RUNTIME_API": self._api.address,
            "AWS_ENDPOINT_URL": f"http://{self._aws.address}",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_LAMBDA_FUNCTION_NAME": "call-event",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/call-event",
            "AWS_LAMBDA_LOG_STREAM_NAME": "test",
            # The digest of the token in every sample event.
            "CALLBACK_TOKEN_SHA256": "128221626c643cda6c13a4375b74d2a0086abe6df589f4f5fcdb5a036ef9329e",
            "LINE_SERVICE_IDS": "linecorp.com,planetkit,planetkit-inhouse",
            "RECORDS_TABLE": "records",
            "RETENTION_DAYS": "90",
            "SPOOL_TOPIC_ARN": "arn:aws:sns:us-east-1:000000000000:spool",
        }
        self._process = subprocess.Popen(command, cwd=folder, env=common | environment, stdout=subprocess.DEVNULL)

    def _runtime_api(self, method, path, headers, body):
        if method == "POST":
            self._answers.put((path, body))
            return 202, {}, b""
        event = self._events.get()
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": "1",
            "Lambda-Runtime-Deadline-Ms": "9999999999999",
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:000000000000:function:call-event",
        }
        return 200, headers, event

    def play(self, case):
        self._events.put(sample(case))
        path, body = self._next_answer(case)
        if not path.endswith("/response"):
            raise AssertionError(f"{case}: {path}: {body.decode()}")
        return json.loads(body)

    def _next_answer(self, case):
        for _ in range(SECONDS * 10):
            try:
                return self._answers.get(timeout=0.1)
            except queue.Empty:
                if self._process.poll() is not None:
                    raise AssertionError(f"{case}: the function ended with {self._process.returncode}") from None
        raise AssertionError(f"{case}: no answer")

    def close(self):
        self._process.kill()
        self._process.wait()
        self._api.close()
        self._aws.close()


def sample(case):
    return (EVENTS / f"call-event/{case}.json").read_bytes()


def plain(attribute):
    """A DynamoDB attribute as JSON."""
    [(kind, value)] = attribute.items()
    match kind:
        case "N":
            return int(value)
        case "M":
            return {name: plain(member) for name, member in value.items()}
        case "L":
            return [plain(member) for member in value]
        case _:
            return value


def holds(value, expected):
    """Whether a value is as expected. An object must hold what is named, and not hold what is expected to be null."""
    if isinstance(expected, dict) and isinstance(value, dict):
        return all(holds(value.get(name), member) for name, member in expected.items())
    return value == expected


class Peer:
    """What every peer must do. A subclass says how it is started."""

    command: list[str] = []
    folder: Path | None = None
    environment: dict[str, str] = {}
    not_read_alike = NOT_READ_ALIKE

    def setUp(self):
        if not Path(self.command[0]).exists():
            self.skipTest("not set up: run bench/peers/set_up")
        self.function = Function(self.command, self.folder, self.environment)
        self.addCleanup(self.function.close)

    def test_every_sample_is_answered_and_recorded_as_expected(self):
        for case, expected in CASES.items():
            if case in self.not_read_alike:
                continue
            with self.subTest(case):
                answer = self.function.play(case)
                self.assertEqual(answer["statusCode"], expected["status"])
                new = self.function.table.new_items()
                if expected["effect"] != "record":
                    self.assertEqual(new, [])
                elif case in SENT_AGAIN:
                    self.assertEqual((json.loads(answer["body"]), new), ({"result": "duplicate"}, []))
                else:
                    event, call = sorted(new, key=lambda item: item["record"] == "call")
                    self.assertEqual((event["callback"], event["what"]), ("call_event", "ended"))
                    self.assertEqual(event["sid"], call["sid"])
                    for name, value in expected["call"].items():
                        self.assertTrue(holds(call.get(name), value), f"{name}: {call.get(name)}, not {value}")

    def test_an_event_holds_every_parameter_as_it_was_sent(self):
        self.function.play("answered-call")
        [event] = [item for item in self.function.table.new_items() if item["record"] != "call"]
        self.assertEqual(event["vendor"], json.loads(sample("answered-call"))["queryStringParameters"])

    def test_a_callback_costs_two_requests_and_one_with_a_wrong_token_none(self):
        self.function.play("answered-call")
        self.assertEqual(self.function.table.requests, 2)
        self.function.play("wrong-token")
        self.assertEqual(self.function.table.requests, 2)

    def test_the_same_callback_again_is_a_duplicate_whatever_the_order_of_its_parameters(self):
        self.function.play("answered-call")
        before = dict(self.function.table.items)
        for case in ("answered-call", "answered-call-sent-again"):
            answer = self.function.play(case)
            self.assertEqual((answer["statusCode"], json.loads(answer["body"])), (200, {"result": "duplicate"}))
        self.assertEqual(self.function.table.items, before)


class Stock(Peer, unittest.TestCase):
    command = [str(ROOT / "target/bench-stock/release/stock")]
    not_read_alike = frozenset()


class Node(Peer, unittest.TestCase):
    command = [str(ROOT / ".local/bench/node/node"), str(ROOT / ".local/bench/node/client.mjs")]
    environment = {
        "LAMBDA_TASK_ROOT": str(ROOT / ".local/bench/node/deployed"),
        "_HANDLER": "function.handler",
        # The SDK says at each start until when it supports this Node.
        "NODE_NO_WARNINGS": "1",
    }


class NodeOnTheSmallestLoop(Node):
    command = [Node.command[0], str(ROOT / "bench/peers/node/runtime.mjs")]


class Python(Peer, unittest.TestCase):
    command = [str(ROOT / ".local/bench/python/bin/python"), "-m", "awslambdaric", "function.handler"]
    folder = ROOT / "bench/peers/python"


if __name__ == "__main__":
    unittest.main()
