"""How cases are sent and judged."""

import json
import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from .cases import Call, Case, Handled, Result, fits, load, messages, play_call
from .commands import EXAMPLE, ROOT, miscounted
from .processes import StackError
from .router import Answer
from .template import Function

NOTIFY = Function("notify", ["/{token}/line/notify_cb"], "128", {})


def recorded(sid: str, call: dict[str, Any] | None, outcome: str = "recorded") -> Result:
    """A callback that was answered 200 and is part of a call."""
    return Result(Answer(200, ""), [Handled(outcome, sid=sid, call=call)])


class Judging(unittest.TestCase):
    """What counts as different."""

    def test_a_route_is_matched_segment_by_segment(self) -> None:
        self.assertTrue(fits("/{token}/line/call_event", "/abc/line/call_event"))
        self.assertFalse(fits("/{token}/line/call_event", "//line/call_event"))
        self.assertFalse(fits("/{token}/line/call_event", "/a/b/line/call_event"))
        self.assertFalse(fits("/{token}/line/call_event", "/abc/line/call_event/"))

    def test_only_a_batch_has_messages(self) -> None:
        others: list[Any] = [{}, [], None, 7, {"Records": 7}, {"Records": []}]
        for event in others:
            self.assertEqual(messages(event), [])
        self.assertEqual(messages({"Records": [{}]}), [{}])

    def test_status_and_effect_must_both_be_as_expected(self) -> None:
        expected = {"status": 200, "effect": "record"}
        self.assertEqual(recorded("s", {"sid": "s"}).differs(expected), "")
        self.assertIn("got 200 and none", recorded("s", None).differs(expected))
        self.assertIn("got 400 and none", Result(Answer(400, "")).differs(expected))
        self.assertIn("no answer", Result(Answer(None, "")).differs(expected))
        self.assertIn("because", Result(Answer(400, "")).differs({**expected, "why": "because"}))
        self.assertIn("does not name", recorded("s", None).differs({}))
        two = Result(Answer(200, ""), [Handled("recorded", call={"sid": "s"})], [{}])
        self.assertEqual(two.effect, "job and record")

    def test_the_call_item_must_be_as_expected_after_the_last_callback(self) -> None:
        step = Case(NOTIFY, "alice calls", {}, {"status": 200})
        item = {"sid": "s", "outcome": "answered", "duration_s": 42, "caller": {"user_id": "alice"}}
        expectations: list[tuple[dict[str, Any], str]] = [
            ({"outcome": "answered", "released_by": None}, ""),
            ({"outcome": "missed"}, "expected outcome missed, got answered"),
            ({"caller": {"user_id": "alice", "name": None}}, ""),
            ({"caller": {"user_id": "bob"}}, "expected caller {'user_id': 'bob'}, got {'user_id': 'alice'}"),
            ({"duration_s": None}, "expected duration_s None, got 42"),
        ]
        for expected, different in expectations:
            call = Call("a-call", True, [step], expected)
            with mock.patch("local.cases.play", return_value=recorded("s", item)):
                self.assertEqual(play_call(call, mock.Mock())[1], different)

    def test_an_item_that_no_callback_was_seen_to_write_is_found(self) -> None:
        call = {"sid": "s"}
        played = [
            recorded("s", call),
            recorded("s", call),
            recorded("s", call, "duplicate"),
            recorded("t", call),
        ]
        # Three events and two calls; the duplicate may be a write whose answer was lost.
        for held, found in ((4, 1), (5, 0), (6, 0), (7, 1)):
            self.assertEqual(len(miscounted(played, held)), found)


class Files(unittest.TestCase):
    """What is read of target/cases."""

    def test_cases_and_calls_are_read(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            with self.assertRaisesRegex(StackError, "make cases"):
                load(Path(folder), [NOTIFY])
            (Path(folder) / "notify").mkdir()
            (Path(folder) / "notify/ring.json").write_text('{"rawPath":"/"}')
            (Path(folder) / "expected.json").write_text('{"notify/ring":{"status":200}}')
            step = {"what": "alice calls", "function": "notify", "event": {}, "status": 200}
            call = {"name": "a-call", "told": True, "steps": [step], "call": {"status": "ringing"}}
            (Path(folder) / "calls.json").write_text(json.dumps([call]))
            calls, cases = load(Path(folder), [NOTIFY])
        self.assertEqual(cases, [[Case(NOTIFY, "ring", {"rawPath": "/"}, {"status": 200})]])
        self.assertEqual(calls[0].steps, [Case(NOTIFY, "alice calls", {}, {"status": 200})])

    def test_the_event_that_the_first_screen_recommends_is_there(self) -> None:
        self.assertTrue((ROOT / EXAMPLE).is_file())
