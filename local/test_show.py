"""What a person gets to see, and above all what not."""

import unittest
from decimal import Decimal
from typing import Any
from unittest import mock

from .cases import Call, Case, Handled, Result
from .commands import what_next
from .router import Answer
from .show import (
    COLUMN,
    LINES,
    SHOWN,
    WIDTH,
    call_line,
    clean,
    job_line,
    line,
    log_line,
    reaction,
    screen,
    shorten,
    story,
)
from .template import Function

SECRET = (
    "eyJ2b2lwQWRkcmVzcyI6IjE5Mi4wLjIuMSIsIm1wa2V5IjoiQWdFQ0F3UUZCZ2NJQ1FvTERBME9EeEFSRWhNVUZSWVhHQmthR3h3ZEho"
    "OGcifQ=="
)
JOB = {
    "cc_param": SECRET,
    "app_call_type": "V",
    "app_caller_uid": "alice",
    "app_caller_sid": "planetkit",
    "app_callee_uid": "bob",
    "app_callee_sid": "planetkit",
    "expires_at": "1793879160",
}
CALL = {
    "kind": "one-to-one",
    "media": "audio",
    "status": "ended",
    "outcome": "answered",
    "caller": {"service_id": "planetkit", "user_id": "alice"},
    "callee": {"service_id": "planetkit", "user_id": "bob"},
    "duration_s": Decimal(42),
    "started_at": Decimal(1793879166000),
    "released_by": "caller",
}
RINGS = Result(Answer(200, ""), [Handled("published")], [JOB])
ENDED = Result(Answer(200, ""), [Handled("recorded", call=CALL)])
REFUSED = Result(Answer(400, '{"error":"missing","field":"sid"}'), [Handled("missing_field")])


def steps(*names: str) -> list[Case]:
    """Callbacks of a call."""
    return [Case(Function("notify", [], "128", {}), name, {}, {}) for name in names]


class Stories(unittest.TestCase):
    """The first screen of `make run`."""

    def test_a_call_is_told_as_a_person_would(self) -> None:
        names = ("Alice calls Bob.", "Alice hangs up.", "A stray callback comes without a session.")
        told = story(Call("bob-answers", True, steps(*names), {}), [RINGS, ENDED, REFUSED])
        self.assertEqual(told[0], "Bob answers")
        for told_line, what, became in [
            (told[1], "Alice calls Bob", "push job for bob: video call from alice"),
            (told[2], "Alice hangs up", "recorded: answered, talked 42 s, ended by caller"),
            (told[3], "A stray callback comes without a session", "refused: 400 missing_field: missing: sid"),
        ]:
            self.assertEqual(told_line, f"  {what:<{COLUMN}}{became}")

    def test_the_first_screen_has_at_most_forty_lines_that_fit(self) -> None:
        for ipv6, port in ((True, 9000), (False, 65535)):
            stack = mock.Mock(port=port, env_file=".local/stack.env", **{"router.ipv6": ipv6})
            for callbacks in range(1, 20):
                names = ["Alice calls Bob. " * 20] * callbacks
                told = story(
                    Call("a-very-" + "long-" * 40 + "name", True, steps(*names), {}), [ENDED] * callbacks
                )
                lines = screen(["head"], [told] * 40, ["summary", *what_next(stack)])
                self.assertLessEqual(len(lines), LINES)
                self.assertIn(told[0], lines)
                self.assertLessEqual(max(map(len, lines)), WIDTH)
        self.assertEqual((LINES, WIDTH), (40, 110))

    def test_differences_are_shown_however_many_they_are(self) -> None:
        lines = screen(["head"], [["story"]], [str(number) for number in range(100)])
        self.assertEqual(lines[-1], "99")
        self.assertTrue(line("ring", RINGS, "expected 400").endswith("\n  ^^^ DIFFERENT: expected 400"))


class Secrets(unittest.TestCase):
    """The `cc_param` of a push job."""

    def test_no_more_than_the_beginning_is_shown(self) -> None:
        for length in range(len(SECRET) + 1):
            beginning, rest = shorten(SECRET[:length]).split("…")
            self.assertLessEqual(len(beginning), min(SHOWN, length // 4))
            self.assertTrue(SECRET.startswith(beginning))
            self.assertEqual(rest, f" ({length} characters)")

    def test_a_job_is_shown_without_its_secret(self) -> None:
        shown = [job_line(JOB), line("alice calls", RINGS)]
        self.assertIn(
            "push job for bob@planetkit: video call from alice@planetkit, cc_param eyJ2b2lw…", shown[0]
        )
        for text in shown:
            self.assertNotIn(SECRET[: SHOWN + 1], text)
        self.assertIn("cc_param", job_line({}))


class Lines(unittest.TestCase):
    """Calls and text from outside."""

    def test_calls(self) -> None:
        room = {
            "kind": "group",
            "media": "video",
            "status": "ongoing",
            "room": {"service_id": "planetkit", "id": "standup"},
            "host": {"service_id": "planetkit", "user_id": "alice"},
            "callees": [{"user_id": "bob"}, {"user_id": "carol"}],
            "online": Decimal(3),
        }
        unknown = {"kind": "one-to-one", "media": "unknown", "status": "ringing"}
        pair = "alice@planetkit -> bob@planetkit"
        when = "2026-11-05 11:46:06 UTC"
        people = "room standup@planetkit, host alice@planetkit, ? -> bob, carol"
        cases: list[tuple[dict[str, Any], str]] = [
            (CALL, f"one-to-one audio call, {pair}, answered, talked 42 s, ended by caller, {when}"),
            (room, f"group video call, {people}, ongoing, 3 online"),
            (unknown, "one-to-one call, ringing"),
            ({"status": "ended", "last_event_at": Decimal(10**30)}, f"? call, ended, at {10**30} ms"),
        ]
        for call, text in cases:
            self.assertEqual(call_line(call), text)

    def test_what_comes_while_the_stack_serves(self) -> None:
        spooled = {"callback": "call_event", "status": 200, "outcome": "deferred", "latency_ms": 1100.2}
        cases: list[tuple[dict[str, Any], str]] = [
            (spooled, r"call_event +200 deferred +1100.2 ms  not stored: waits in the spool"),
            ({"message": "replay", "outcome": "recorded"}, r"\(from the spool\) +recorded +a call$"),
            (
                {"message": "replay", "outcome": "dead_letter", "reason": "future_version"},
                r"dead_letter +future_version: .*ringback replay",
            ),
            ({"message": "replay", "outcome": "back_to_the_queue", "reason": None}, r" +comes again$"),
        ]
        for fields, text in cases:
            self.assertRegex(log_line(fields, "a call"), text)

    def test_what_became_of_a_callback(self) -> None:
        batch = [
            Handled("dead_letter", "future_version"),
            Handled("duplicate", call=CALL),
            Handled("recorded"),
        ]
        cases: list[tuple[int | None, str, list[Handled], str]] = [
            (
                400,
                '{"error":"missing","field":"sid"}',
                [Handled("missing_field")],
                "missing_field: missing: sid",
            ),
            (403, '{"ErrorCode":1,"ErrorInfo":"not ours"}', [Handled("not_ours")], "403 not_ours: not ours"),
            (404, "", [Handled("unknown_url")], "refused: 404 unknown_url"),
            (None, "no answer: refused", [], "no answer: refused"),
            (
                200,
                "",
                batch[:2],
                "dead_letter: future_version; known already: answered, talked 42 s, ended by caller",
            ),
            (200, "", batch[2:], "recorded"),
        ]
        for status, body, handled, text in cases:
            self.assertTrue(reaction(Result(Answer(status, body), handled)).endswith(text))

    def test_text_from_outside_cannot_move_the_cursor(self) -> None:
        self.assertEqual(clean("a\x1b[2J\r\nb é"), "a?[2J??b é")
