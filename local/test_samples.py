"""The cases as files: what is sent, and how it is judged."""

import unittest
from pathlib import Path

from .client import Answer
from .commands import EXAMPLE
from .samples import Result, Sample, fits, load, messages, why, written
from .stack import TOKEN, parameters
from .template import Function, Template

ROOT = Path(__file__).resolve().parent.parent


def functions() -> list[Function]:
    """The template's functions with their routes."""
    template = Template.read(ROOT / "template.yaml", parameters())
    routes = {name: [route] for route, name in template.routes().items()}
    return [Function(name, routes.get(name, []), "128", {}) for name in template.binaries()]


def all_samples() -> list[Sample]:
    """The samples of all functions."""
    return [sample for samples in load(written(ROOT), functions()) for sample in samples]


class Files(unittest.TestCase):
    """Every case as a file."""

    def test_every_sample_is_expected_and_every_expected_one_is_there(self) -> None:
        samples = all_samples()
        self.assertTrue(samples)
        self.assertEqual([f"{sample.function.name}/{sample.case}" for sample in samples if not sample.expected], [])
        self.assertEqual(len(samples), len(list((ROOT / "target/cases").glob("*/*.json"))))

    def test_every_sample_comes_in_by_a_route_of_its_function(self) -> None:
        for sample in all_samples():
            paths = tuple(route.replace("{token}", TOKEN) for route in sample.function.routes)
            # What is refused for its path may have any. A stage may stand before the token, as in URLs that name one.
            if sample.function.routes and sample.expected["status"] != 404:
                with self.subTest(case=f"{sample.function.name}/{sample.case}"):
                    self.assertTrue(sample.event()["rawPath"].endswith(paths))

    def test_every_message_of_a_batch_has_an_id_and_a_body(self) -> None:
        for sample in all_samples():
            if not sample.function.routes:
                for message in messages(sample.event()):
                    with self.subTest(case=f"{sample.function.name}/{sample.case}"):
                        self.assertLessEqual({"messageId", "body"}, set(message))

    def test_the_sample_that_the_stack_recommends_is_there(self) -> None:
        self.assertTrue((ROOT / EXAMPLE).is_file())


class Judging(unittest.TestCase):
    """What counts as different."""

    def test_a_route_is_matched_segment_by_segment(self) -> None:
        self.assertTrue(fits("/{token}/line/call_event", "/abc/line/call_event"))
        self.assertFalse(fits("/{token}/line/call_event", "//line/call_event"))
        self.assertFalse(fits("/{token}/line/call_event", "/a/b/line/call_event"))
        self.assertFalse(fits("/{token}/line/call_event", "/abc/line/call_event/"))

    def test_what_is_no_batch_has_no_messages(self) -> None:
        for event in ({}, [], None, 7, {"Records": 7}, {"Records": []}):
            self.assertEqual(messages(event), [])
        self.assertEqual(messages({"Records": [{}]}), [{}])

    def test_status_and_effect_must_both_be_as_expected(self) -> None:
        expected = {"status": 200, "effect": "record"}
        self.assertEqual(Result(200, "record", "").differs(expected), "")
        self.assertIn("got 200 and none", Result(200, "none", "").differs(expected))
        self.assertIn("got 400 and record", Result(400, "record", "").differs(expected))
        self.assertIn("no answer", Result(None, "none", "").differs(expected))
        self.assertIn("because", Result(400, "none", "").differs({**expected, "why": "because"}))
        self.assertIn("does not name", Result(200, "record", "").differs({}))

    def test_a_refusal_is_shown_with_its_reason(self) -> None:
        self.assertEqual(
            why(Answer(400, '{"error":"missing","field":"sid"}'), "missing_field"), "missing_field: missing: sid"
        )
        self.assertEqual(why(Answer(403, '{"ErrorCode":1,"ErrorInfo":"not ours"}'), "not_ours"), "not_ours: not ours")
        self.assertEqual(why(Answer(404, ""), "unknown_url"), "unknown_url")
        self.assertEqual(why(Answer(200, '{"error":"x"}'), "recorded"), "recorded")
