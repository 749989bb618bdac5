"""`make logs`: which groups are read, and what is made of their entries."""

import contextlib
import io
import json
import time
import unittest
from collections.abc import Iterator
from typing import Any
from unittest import mock

from local.processes import StackError

from .__main__ import main
from .logs import Tail, entry_line, groups_of, run, seconds_of
from .testing import Account, resource

RESOURCES = [
    resource("AWS::Lambda::Function", "NotifyFunction", "mine-notify"),
    resource("AWS::Lambda::Function", "CallEventFunction", "mine-call-event"),
    resource("AWS::Logs::LogGroup", "NotifyLogs", "/mine/notify"),
    resource("AWS::Logs::LogGroup", "CallEventLogs", "/mine/call-event"),
    resource("AWS::Logs::LogGroup", "ApiAccessLogs", "/mine/access"),
]


def entry(number: int, timestamp: int, **fields: Any) -> dict[str, Any]:
    """An entry of a log group."""
    return {"eventId": str(number), "timestamp": timestamp, "message": json.dumps(fields)}


class Groups(unittest.TestCase):
    """Which log groups are read."""

    def test_those_of_the_functions_are_read_by_the_functions_names(self) -> None:
        account = Account(resources=RESOURCES)
        functions = {"call-event": "/mine/call-event", "notify": "/mine/notify"}
        self.assertEqual(groups_of(account, "mine", ""), functions)
        self.assertEqual(groups_of(account, "mine", "notify"), {"notify": "/mine/notify"})
        self.assertEqual(groups_of(account, "mine", "api-access"), {"api-access": "/mine/access"})

    def test_an_unknown_function_is_told_the_known_ones(self) -> None:
        with self.assertRaisesRegex(StackError, "FUNCTION=ring is none of call-event, notify"):
            groups_of(Account(resources=RESOURCES), "mine", "ring")
        with self.assertRaisesRegex(StackError, "has no log groups"):
            groups_of(Account(), "mine", "")

    def test_a_length_of_time_has_a_unit(self) -> None:
        self.assertEqual([seconds_of(text) for text in ("30s", "15m", "2h", "1d")], [30, 900, 7200, 86400])
        for text in ("15", "m", "-1m", "1w", "1.5h"):
            with self.subTest(text=text), self.assertRaisesRegex(StackError, f"SINCE={text} is no length of time"):
                seconds_of(text)


class Lines(unittest.TestCase):
    """One entry, one line."""

    def said(self, **fields: Any) -> str:
        """An entry without its time."""
        return entry_line("notify", 0, json.dumps(fields))[10:]

    def test_a_callback_is_told_by_what_became_of_it(self) -> None:
        line = self.said(level="INFO", message="callback", status=200, outcome="published", sid="s", latency_ms=3.5)
        self.assertEqual(line, "notify              INFO   200  published  s  3.5 ms")
        line = self.said(level="WARN", message="callback", status=400, outcome="missing_field", field="sid", cold=True)
        self.assertEqual(line, "notify              WARN   400  missing_field  sid  cold")

    def test_trouble_is_told_in_words(self) -> None:
        line = self.said(level="WARN", message="record spooled", error="DynamoDB did not take the item")
        self.assertEqual(line, "notify              WARN   record spooled: DynamoDB did not take the item")
        line = self.said(type="platform.report", record={"status": "timeout", "errorType": "Sandbox.Timedout"})
        self.assertEqual(line, "notify              ERROR  Lambda: timeout Sandbox.Timedout")

    def test_a_request_is_told_as_the_api_saw_it(self) -> None:
        request = {"routeKey": "ANY /{token}/line/notify_cb", "method": "GET", "sourceIp": "192.0.2.1"}
        line = self.said(requestId="r", status="429", latency="1", **request)
        self.assertEqual(line, "notify                     429  GET  ANY /{token}/line/notify_cb  192.0.2.1  1 ms")

    def test_what_goes_well_in_lambda_and_metrics_alone_are_no_lines(self) -> None:
        for fields in (
            {"type": "platform.report", "record": {"status": "success"}},
            {"type": "platform.start", "record": {"requestId": "r"}},
            {"_aws": {"Timestamp": 1}, "accepted": 1},
        ):
            self.assertEqual(entry_line("notify", 0, json.dumps(fields)), "")

    def test_text_is_shown_without_what_moves_the_cursor(self) -> None:
        self.assertIn("a?[31mb", entry_line("notify", 0, "a\x1b[31mb\n"))
        self.assertNotIn("\x1b", self.said(message="callback", sid="\x1b[2J"))


class Following(unittest.TestCase):
    """Entries that come while somebody looks on."""

    def test_each_entry_is_shown_once_though_late_ones_are_waited_for(self) -> None:
        now = 1_000_000
        account = Account(entries={"g": [entry(1, now, message="first")]})
        tail = Tail(account, {"notify": "g"}, now - 60_000)
        self.assertEqual([line.split()[-1] for line in tail.look()], ["first"])
        # Written before the first one, and shown by CloudWatch after it.
        account.entries["g"] += [entry(2, now - 20_000, message="late"), entry(3, now + 5, message="next")]
        self.assertEqual([line.split()[-1] for line in tail.look()], ["late", "next"])
        self.assertEqual(tail.look(), [])

    def test_the_functions_entries_come_in_the_order_of_their_time(self) -> None:
        account = Account(entries={"a": [entry(1, 30, message="third")], "b": [entry(2, 10, message="first")]})
        account.entries["a"].append(entry(3, 20, message="second"))
        lines = Tail(account, {"x": "a", "y": "b"}, 0).look()
        self.assertEqual([line.split()[-1] for line in lines], ["first", "second", "third"])

    def test_it_begins_where_since_says(self) -> None:
        now = int(1000 * time.time())
        old, new = entry(1, now - 120_000, message="old"), entry(2, now - 30_000, message="new")
        account = Account(resources=RESOURCES, entries={"/mine/notify": [old, new]})
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            self.assertEqual(run({"STACK": "mine", "SINCE": "1m", "FOLLOW": "no"}, account), 0)
        self.assertIn("new", output.getvalue())
        self.assertNotIn("old", output.getvalue())

    def test_ctrl_c_ends_it_without_a_trace(self) -> None:
        def interrupted(settings: object) -> Iterator[float]:
            raise KeyboardInterrupt

        with mock.patch.dict("deployment.__main__.COMMANDS", logs=interrupted):
            self.assertEqual(main(["logs"]), 130)

    def test_what_is_missing_is_said_in_a_line(self) -> None:
        with self.assertRaisesRegex(StackError, "Say STACK=name"):
            run({}, Account())
        with self.assertRaisesRegex(StackError, "no stack theirs in eu-west-1"):
            run({"STACK": "theirs"}, Account())
