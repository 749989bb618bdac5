"""`make smoke`: what it sends and to whom, and what it makes of answers and records."""

import contextlib
import io
import json
import os
import threading
import unittest
from collections.abc import Callable
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from unittest import mock
from urllib.parse import parse_qs, urlsplit

from local.aws import local_client
from local.cloudformation import router
from local.processes import StackError

from . import records, smoke
from .records import Place, Table, local_stack
from .smoke import (
    SAMPLES,
    TENCENT_OK,
    Answer,
    Callback,
    prepared,
    problem_of,
    record_check,
    refusal_of,
    target_of,
)
from .testing import ALONE, Account, item, refused

TOKEN = "a-token-that-must-not-be-printed"


class Deployment(ThreadingHTTPServer):
    """Answers as a deployment does, unless a test says otherwise."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.seen: list[tuple[str, str, str]] = []
        self.status = 200
        # Words in the place of the right ones, and a body made of the path.
        self.words: list[str] = []
        self.echo: Callable[[str], str] | None = None
        self.url = f"http://127.0.0.1:{self.server_address[1]}/{TOKEN}"


class _Answering(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """One request."""
        deployment = self.server
        assert isinstance(deployment, Deployment)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        request = (self.command, self.path, body)
        word = (
            "published"
            if "notify" in self.path
            else "duplicate"
            if request in deployment.seen
            else "recorded"
        )
        deployment.seen.append(request)
        tencents = "/tencent/" in self.path
        if deployment.echo:
            self._answer(404, deployment.echo(self.path))
        elif TOKEN not in self.path:
            self._answer(404, "")
        elif self.command != ("POST" if tencents else "GET"):
            self._answer(405, "")
        elif tencents:
            self._answer(200, json.dumps(TENCENT_OK))
        else:
            result = deployment.words.pop(0) if deployment.words else word
            self._answer(deployment.status, json.dumps({"result": result}))

    do_POST = do_GET

    def _answer(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Length", str(len(body)))
        if status == 302:
            self.send_header("Location", f"/elsewhere/{TOKEN}")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: Any) -> None:
        """Prints nothing."""


def smoked(**settings: str) -> tuple[int, str]:
    """Runs it; the exit code and what it printed, which never holds the token."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        code = smoke.run(settings)
    if TOKEN[:12] in printed.getvalue():
        raise AssertionError(printed.getvalue())
    return code, printed.getvalue()


def sample(name: str = "call-event/answered-call", signing_token: str = "") -> Callback:
    """A sample as it is sent."""
    return prepared(name, "ringback-smoke-x", "ours", signing_token)


class Parts(unittest.TestCase):
    """What is sent, and what is made of what comes back."""

    def test_a_url_that_the_token_must_not_be_sent_to_is_refused_without_repeating_it(self) -> None:
        for url, base in (
            (f"https://a.example/{TOKEN}/", "https://a.example"),
            (f"https://a.example/prod/{TOKEN}", "https://a.example/prod"),
            (f"http://127.0.0.1:9000/{TOKEN}", "http://127.0.0.1:9000"),
        ):
            target = target_of(url)
            self.assertEqual((target.base, target.token), (base, TOKEN))
            self.assertNotIn(TOKEN, repr(target))
        for url, said in (
            ("", "where to"),
            (f"http://a.example/{TOKEN}", "https://"),
            (f"ftp://127.0.0.1/{TOKEN}", "https://"),
            ("https://a.example/", "has no token"),
            ("https://a.example/TOKEN", "has no token"),
            (f"https://a.example/{TOKEN}/line/call_event", "must end with the token"),
            (f"https://me@a.example/{TOKEN}", "TOKEN alone"),
            (f"https://a.example/{TOKEN}?x=1", "TOKEN alone"),
            (f"https:///{TOKEN}", "TOKEN alone"),
            (f"https://a.example/{TOKEN}%0a", "must end with the token"),
        ):
            with self.subTest(url=url), self.assertRaisesRegex(StackError, said) as raised:
                target_of(url)
            self.assertNotIn(TOKEN, str(raised.exception))

    def test_each_callback_is_sent_in_a_session_of_its_own_with_people_who_cannot_be_real(self) -> None:
        sent = [sample(name) for name in SAMPLES]
        self.assertEqual({f"/{{token}}{each.target.split('?')[0]}" for each in sent}, set(router()))
        self.assertEqual(len({each.sid for each in sent}), len(SAMPLES))
        for callback in sent:
            text = callback.target + callback.body
            self.assertIn(callback.sid, text)
            self.assertNotRegex(
                text + str(callback.call), "planetkit|1400000001|(?<!ringback-smoke-)(alice|bob)"
            )

    def test_tencents_are_signed_as_its_own_page_shows(self) -> None:
        with mock.patch("time.time", return_value=1_669_872_112):
            query = parse_qs(urlsplit(sample(SAMPLES[-1], "xxxxyyyy").target).query)
        sign = "17773bc39a671d7b9aa835458704d2a6db81360a5940292b587d6d760d484061"
        self.assertEqual((query["Sign"], query["RequestTime"]), ([sign], ["1669872112"]))
        self.assertNotIn("Sign", sample(SAMPLES[-1]).target)

    def test_an_answer_must_be_the_right_one_and_must_not_be_kept(self) -> None:
        line, tencent = sample(), sample(SAMPLES[-1])
        for answer, callback, problem in (
            (Answer(200, '{"result":"recorded"}', "no-store"), line, ""),
            (Answer(200, json.dumps(TENCENT_OK), "no-store"), tencent, ""),
            (Answer(200, '{"result":"recorded"}'), line, "no-store"),
            (Answer(200, '{"result":"duplicate"}', "no-store"), line, "200 recorded"),
            (Answer(200, '{"result":"deferred"}', "no-store"), line, "DynamoDB did not take the record"),
            (Answer(503, '{"error":"not_stored"}', "no-store"), line, "200 recorded"),
            (Answer(None, "no answer within 5 s"), line, "was not answered"),
            (Answer(403, '{"ErrorMessage":"wrong_signature"}'), tencent, "TENCENT_CALLBACK_TOKEN"),
        ):
            found = problem_of(answer, callback, "recorded")
            self.assertTrue(problem in found and bool(problem) == bool(found), (answer, found))
        self.assertEqual(refusal_of(Answer(404, "", "no-store"), 404), "")
        for answer in (Answer(404, "{}", "no-store"), Answer(404, ""), Answer(200, "", "no-store")):
            self.assertNotEqual(refusal_of(answer, 404), "", answer)

    def test_a_record_must_say_what_was_sent_once(self) -> None:
        callback = sample()
        call = {"record": "call", **callback.call, "duration_s": Decimal(callback.call["duration_s"])}
        event = {"record": "event#1#a", "callback": "call_event"}
        for items, problem in (
            ([call, event], ""),
            ([], "nothing is in the table"),
            ([event], "one of each"),
            ([call, event, event], "one of each"),
            ([{**call, "outcome": "missed"}, event], "outcome is missed, not answered"),
            ([{**call, "duration_s": Decimal(4)}, event], "duration_s is 4, not 42"),
            ([call, {**event, "callback": "notify"}], "the event item is of notify"),
        ):
            self.assertIn(
                problem or "answered", "".join(record_check(callback, items)[1 if not problem else 2 :])
            )

    def test_only_this_runs_items_are_removed_and_what_stays_is_reported(self) -> None:
        account, callback, other = Account(), sample(), sample(SAMPLES[2])
        for sid, record in ((callback.sid, "call"), (other.sid, "call"), ("another", "call")):
            account.put_item("t", item(sid=sid, record=record))
        place, delete = Place(account, "t", ""), Table.delete

        def refuses_the_first(table: Table, which: dict[str, Any]) -> None:
            if which["sid"]["S"] == callback.sid:
                raise refused("AccessDeniedException", "not you", "DeleteItem")
            delete(table, which)

        with mock.patch.object(Table, "delete", refuses_the_first):
            _, seen, problem = smoke.removed(place, [callback, other])
        self.assertEqual(seen, "1 items")
        self.assertRegex(problem, f"delete by hand .*{callback.sid}: not you")
        self.assertEqual(smoke.removed(place, [callback, other])[1:], ("1 items", ""))
        self.assertEqual([each["sid"]["S"] for each in account.items["t"]], ["another"])


class Whole(unittest.TestCase):
    """The whole run, against an HTTP server that answers like a deployment."""

    def setUp(self) -> None:
        self.deployment = Deployment()
        thread = threading.Thread(target=self.deployment.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        for end in (thread.join, self.deployment.server_close, self.deployment.shutdown):
            self.addCleanup(end)
        self.settings = {**ALONE, "URL": self.deployment.url, "SERVICE_ID": "s"}

    def test_without_aws_the_answers_are_checked_and_the_records_are_not(self) -> None:
        code, said = smoked(**self.settings, SDK_APP_ID="1")
        self.assertEqual(code, 0, said)
        self.assertIn("All 15 passed.", said)
        self.assertIn("The records were not looked at (no STACK=name)", said)

    def test_a_vendor_without_an_id_and_notify_can_be_left_out(self) -> None:
        _, said = smoked(**self.settings, NOTIFY="no")
        self.assertIn("No callbacks of tencent: SDK_APP_ID is not set.", said)
        self.assertFalse(
            [path for _, path, _ in self.deployment.seen if "notify" in path or "tencent" in path]
        )
        with self.assertRaisesRegex(StackError, "SERVICE_ID=…, SDK_APP_ID=…"):
            smoked(**{**self.settings, "SERVICE_ID": ""})

    def test_notify_is_sent_once_with_the_right_token_and_method(self) -> None:
        smoked(**self.settings)
        rang = [how for how, path, _ in self.deployment.seen if f"{TOKEN}/line/notify_cb" in path]
        self.assertEqual(sorted(rang), ["GET", "POST"])

    def test_one_wrong_answer_fails_the_run(self) -> None:
        self.deployment.words = ["published", "deferred"]
        code, said = smoked(**self.settings)
        self.assertEqual(code, 1)
        self.assertRegex(said, r"FAILED  call-event/answered-call +200 deferred")
        self.assertIn("1 of 9 checks FAILED.", said)

    def test_a_redirect_is_not_followed_with_the_token(self) -> None:
        self.deployment.status = 302
        self.assertEqual(smoked(**self.settings)[0], 1)
        self.assertFalse([path for _, path, _ in self.deployment.seen if "elsewhere" in path])

    def test_a_host_that_repeats_the_path_gets_no_token_printed(self) -> None:
        escaped = "".join(f"\\u{ord(letter):04x}" for letter in TOKEN)
        for echo in (
            lambda path: f"Cannot GET {path}",
            lambda path: json.dumps({"message": f"no route {path}"}),
            lambda path: f'{{"message": "no route {escaped}"}}',
            # What is printed ends within it.
            lambda path: f"{'x' * 60}{path}",
        ):
            self.deployment.echo = echo
            self.assertEqual(smoked(**self.settings)[0], 1)

    def test_a_host_that_does_not_answer_fails_the_run(self) -> None:
        hanging = threading.Event()
        self.addCleanup(hanging.set)
        with (
            mock.patch.object(_Answering, "_answer", lambda *_: hanging.wait(10)),
            mock.patch.object(smoke, "SECONDS_TO_ANSWER", 0.1),
        ):
            self.assertIn("no answer within 0.1 s", smoked(**self.settings)[1])
        # Nothing listens at port 1.
        self.assertIn(
            "no answer: [Errno", smoked(**{**self.settings, "URL": f"http://127.0.0.1:1/{TOKEN}"})[1]
        )

    def test_with_a_stack_the_ids_are_its_own_and_one_that_cannot_be_asked_stops_it(self) -> None:
        account = Account()
        account.parameters["LineServiceIds"] = "theirs,ours"
        settings = {**ALONE, "URL": self.deployment.url, "STACK": "mine"}
        with mock.patch.object(records.place_of, "__defaults__", (account,)):
            code, said = smoked(**settings)
            self.assertEqual(code, 1)
            self.assertIn("nothing is in the table", said)
            self.assertIn("No callbacks of tencent: the stack does not serve it.", said)
            self.assertTrue(any("from_service_id=theirs" in path for _, path, _ in self.deployment.seen))
            self.deployment.seen.clear()
            account.exists = False
            with self.assertRaisesRegex(StackError, "no stack mine"):
                smoked(**settings)
        self.assertEqual(self.deployment.seen, [])


LOCAL = local_stack(os.environ)


@unittest.skipUnless(LOCAL, "no local stack is running: python -m local exec -- python -m unittest ...")
class OnTheLocalStack(unittest.TestCase):
    """The built functions and emulated AWS."""

    def setUp(self) -> None:
        self.local = LOCAL or {}
        # Neither the user's variables nor a stack of theirs.
        self.settings = {name: value for name, value in os.environ.items() if name == "RINGBACK_STACK_ENV"}
        self.table = Table(local_client("dynamodb", self.local), self.local["RECORDS_TABLE"])

    def tearDown(self) -> None:
        left = [
            each["sid"]["S"] for each in self.table.items() if each["sid"]["S"].startswith("ringback-smoke")
        ]
        self.assertEqual(left, [])

    def test_every_callback_is_taken_recorded_and_removed_again(self) -> None:
        code, said = smoked(**self.settings)
        self.assertEqual(code, 0, said)
        self.assertIn("All 21 passed.", said)
        self.assertRegex(said, "removal +10 items")
        self.assertNotIn(self.local["CALLBACK_URL"].rsplit("/", 1)[-1], said)
        sqs = local_client("sqs", self.local)
        callees: list[str] = []
        while jobs := sqs.receive_message(
            QueueUrl=self.local["PUSH_JOBS_QUEUE_URL"], MaxNumberOfMessages=10
        ).get("Messages"):
            for job in jobs:
                callees.append(json.loads(job["Body"])["app_callee_uid"])
                sqs.delete_message(
                    QueueUrl=self.local["PUSH_JOBS_QUEUE_URL"], ReceiptHandle=job["ReceiptHandle"]
                )
        self.assertIn("ringback-smoke-bob", callees)

    def test_a_wrong_token_or_a_service_of_others_fails_the_run(self) -> None:
        base = self.local["CALLBACK_URL"].rsplit("/", 1)[0]
        for settings, said in (
            ({"URL": f"{base}/{TOKEN}"}, r"FAILED  call-event/answered-call +404"),
            ({"SERVICE_ID": "others"}, r"FAILED  call-event/answered-call +403 not_ours"),
        ):
            code, printed = smoked(**self.settings, **settings)
            self.assertEqual(code, 1)
            self.assertRegex(printed, said)

    def test_what_was_recorded_is_removed_after_a_failure_and_after_ctrl_c(self) -> None:
        with mock.patch.object(smoke, "record_check", return_value=("records", "", "outcome is missed")):
            self.assertEqual(smoked(**self.settings)[0], 1)
        with (
            mock.patch.object(smoke, "record_check", side_effect=KeyboardInterrupt),
            self.assertRaises(KeyboardInterrupt),
        ):
            smoked(**self.settings)
