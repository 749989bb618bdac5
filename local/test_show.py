"""What a person gets to see, and above all what not."""

import unittest
from decimal import Decimal

from .show import SHOWN, call_line, callback_line, clean, job_line, replay_line, shorten

SECRET = (
    "eyJ2b2lwQWRkcmVzcyI6IjE5Mi4wLjIuMSIsIm1wa2V5IjoiQWdFQ0F3UUZCZ2NJQ1FvTERBME9EeEFSRWhNVUZSWVhHQmthR3h3ZEhoOGcifQ=="
)


class Secrets(unittest.TestCase):
    """The `cc_param` of a push job."""

    def test_no_more_than_the_beginning_is_shown(self) -> None:
        for length in range(len(SECRET) + 1):
            shown = shorten(SECRET[:length])
            beginning, rest = shown.split("…")
            self.assertLessEqual(len(beginning), min(SHOWN, length // 4))
            self.assertTrue(SECRET.startswith(beginning))
            self.assertEqual(rest, f" ({length} characters)")

    def test_a_job_is_shown_without_its_secret(self) -> None:
        job = {
            "cc_param": SECRET,
            "app_call_type": "V",
            "app_caller_uid": "alice",
            "app_caller_sid": "planetkit",
            "app_callee_uid": "bob",
            "app_callee_sid": "planetkit",
            "expires_at": "1793879160",
        }
        line = job_line(job)
        self.assertIn("rings bob@planetkit: video call from alice@planetkit", line)
        self.assertIn(f"({len(SECRET)} characters)", line)
        self.assertNotIn(SECRET[: SHOWN + 1], line)


class Lines(unittest.TestCase):
    """Calls and text from outside."""

    def test_an_answered_call(self) -> None:
        call = {
            "kind": "one-to-one",
            "media": "audio",
            "status": "ended",
            "outcome": "answered",
            "caller": {"service_id": "planetkit", "user_id": "alice"},
            "callee": {"service_id": "planetkit", "user_id": "bob"},
            "duration_s": Decimal(42),
            "started_at": Decimal(1793879166000),
        }
        self.assertEqual(
            call_line(call),
            "one-to-one audio call, alice@planetkit -> bob@planetkit, ended (answered), talked 42 s, "
            "2026-11-05 11:46:06 UTC",
        )

    def test_a_room(self) -> None:
        call = {
            "kind": "group",
            "media": "video",
            "status": "ongoing",
            "room": {"service_id": "planetkit", "id": "standup"},
            "host": {"service_id": "planetkit", "user_id": "alice"},
            "callees": [{"user_id": "bob"}, {"user_id": "carol"}],
            "online": Decimal(3),
        }
        self.assertEqual(
            call_line(call),
            "group video call, room standup@planetkit, host alice@planetkit, ? -> bob, carol, ongoing, 3 online",
        )

    def test_almost_nothing_is_known(self) -> None:
        self.assertEqual(
            call_line({"kind": "one-to-one", "media": "unknown", "status": "ringing"}), "one-to-one call, ringing"
        )
        self.assertIn("cc_param", job_line({}))
        self.assertIn("ended", call_line({"status": "ended", "last_event_at": Decimal(10**30)}))

    def test_a_callback_that_waits_in_the_spool(self) -> None:
        line = callback_line({"callback": "call_event", "status": 200, "outcome": "deferred", "latency_ms": 1100.2}, "")
        self.assertRegex(line, r"call_event +200 deferred +1100.2 ms  not stored: waits in the spool")

    def test_messages_of_the_spool(self) -> None:
        self.assertRegex(replay_line({"outcome": "recorded"}, "a call"), r"\(from the spool\) +recorded +a call$")
        aside = replay_line({"outcome": "dead_letter", "reason": "future_version"}, "")
        self.assertRegex(aside, r"dead_letter +future_version: .*make replay")
        again = replay_line({"outcome": "back_to_the_queue", "reason": None}, "")
        self.assertRegex(again, r"back_to_the_queue +comes again$")

    def test_text_from_outside_cannot_move_the_cursor(self) -> None:
        self.assertEqual(clean("a\x1b[2J\r\nb é"), "a?[2J??b é")
