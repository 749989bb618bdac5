"""`make smoke`: what it sends and to whom, what it makes of answers and records, and the whole on a local stack."""

import contextlib
import io
import json
import os
import threading
import time
import unittest
from collections.abc import Callable, Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from unittest import mock
from urllib.parse import parse_qs, urlsplit

from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import NoCredentialsError

from local.aws import local_client
from local.make_token import URLS
from local.processes import StackError

from . import smoke
from .callbacks import TENCENT_OK, Callback, Run, of_line, of_tencent
from .smoke import (
    Answer,
    Records,
    Stack,
    chosen,
    local_stack,
    problem_of,
    record_check,
    refusal_of,
    run,
    target_of,
    tidy,
)
from .testing import Account, refused

TOKEN = "a-token-that-must-not-be-printed"
RUN = Run("ringback-smoke-x", 1_669_872_112)
# No local stack is looked for.
ALONE = {"RINGBACK_STACK_ENV": "/nowhere/stack.env"}


class Deployment(ThreadingHTTPServer):
    """Answers as a deployment does. What is in `words` it says in the place of `recorded`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.seen: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self.status = 200
        self.cache_control = "no-store"
        # Made of the path, in the place of the right body.
        self.echo: Callable[[str], str] | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_address[1]}/{TOKEN}"


class _Answering(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """One request."""
        deployment = self.server
        assert isinstance(deployment, Deployment)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        path = urlsplit(self.path).path.removeprefix(f"/{TOKEN}")
        # Before it answers, because what comes next may be there at once.
        again = ("GET", self.path, body) in deployment.seen
        deployment.seen.append((self.command, self.path, body))
        right = "POST" if path.startswith("/tencent") else "GET"
        if deployment.echo:
            self._answer(deployment, 404, deployment.echo(self.path))
        elif TOKEN not in self.path:
            self._answer(deployment, 404, "")
        elif self.command != right:
            self._answer(deployment, 405, "")
        elif path.startswith("/tencent"):
            self._answer(deployment, 200, json.dumps(TENCENT_OK))
        else:
            word = "published" if "notify" in path else "recorded"
            word = "duplicate" if again else word
            word = deployment.words.pop(0) if deployment.words else word
            self._answer(deployment, deployment.status, json.dumps({"result": word}))

    do_POST = do_GET

    def _answer(self, deployment: Deployment, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("Cache-Control", deployment.cache_control)
        self.send_header("Content-Length", str(len(body)))
        if status == 302:
            self.send_header("Location", f"/elsewhere/{TOKEN}")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


class Table:
    """A table in memory, a page an item."""

    def __init__(self, *items: dict[str, Any]) -> None:
        self.items = list(items)

    def get_paginator(self, operation: str) -> "Table":
        """It is its own pages."""
        return self

    def paginate(self, ExpressionAttributeValues: dict[str, Any], **_: Any) -> Iterator[dict[str, Any]]:
        """The items of a session."""
        sid = ExpressionAttributeValues[":sid"]["S"]
        serialize = TypeSerializer().serialize
        for item in [item for item in self.items if item["sid"] == sid]:
            yield {"Items": [{name: serialize(value) for name, value in item.items()}]}

    def delete_item(self, TableName: str, Key: dict[str, Any]) -> None:
        """Takes an item away."""
        key = (Key["sid"]["S"], Key["record"]["S"])
        self.items = [item for item in self.items if (item["sid"], item["record"]) != key]


def smoked(**settings: str) -> tuple[int, str]:
    """Runs it; the exit code and what it printed."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        code = run({**ALONE, **settings})
    return code, output.getvalue()


class Where(unittest.TestCase):
    """What URL may be."""

    def test_the_token_is_its_last_part_and_is_in_no_text(self) -> None:
        for url, base in [
            (f"https://a.example/{TOKEN}", "https://a.example"),
            (f"https://a.example/{TOKEN}/", "https://a.example"),
            (f"https://a.example/prod/{TOKEN}", "https://a.example/prod"),
            (f"http://127.0.0.1:9000/{TOKEN}", "http://127.0.0.1:9000"),
        ]:
            target = target_of(url)
            self.assertEqual((target.base, target.token), (base, TOKEN))
            self.assertEqual(str(target), f"{base}/…")
            self.assertNotIn(TOKEN, repr(target))

    def test_a_url_that_a_token_must_not_be_sent_to_is_refused_without_repeating_it(self) -> None:
        for url, said in [
            ("", "say where"),
            (f"http://a.example/{TOKEN}", "https://"),
            (f"ftp://127.0.0.1/{TOKEN}", "https://"),
            ("https://a.example", "has no token"),
            ("https://a.example/", "has no token"),
            ("https://a.example/TOKEN", "has no token"),
            (f"https://a.example/{TOKEN}/line/call_event", "leave out what follows"),
            (f"https://me@a.example/{TOKEN}", "no address"),
            (f"https://a.example/{TOKEN}?x=1", "no address"),
            (f"https:///{TOKEN}", "no address"),
            (f"https://a.example/{TOKEN}%0a", "no token that"),
        ]:
            with self.subTest(url=url), self.assertRaisesRegex(StackError, said) as raised:
                target_of(url)
            self.assertNotIn(TOKEN, str(raised.exception))


class WhatIsSent(unittest.TestCase):
    """The callbacks themselves."""

    def test_there_is_one_for_every_url_and_both_of_tencents_generations(self) -> None:
        sent = [callback.path for callback in [*of_line(RUN, "s", rings=True), *of_tencent(RUN, "1", "")]]
        self.assertEqual(set(sent), {path.removeprefix("/{token}") for _, _, path in URLS})
        self.assertEqual(sent.count("/tencent/call_event"), 2)

    def test_each_says_what_it_is_in_its_session_and_its_people(self) -> None:
        callbacks = [*of_line(RUN, "s", rings=True), *of_tencent(RUN, "1", "")]
        self.assertEqual(len({callback.sid for callback in callbacks}), len(callbacks))
        for callback in callbacks:
            self.assertTrue(callback.sid.startswith("ringback-smoke-x-"))
            self.assertIn(callback.sid, json.dumps(callback.query) + callback.body)
        people = json.dumps([[callback.query, callback.body] for callback in callbacks])
        self.assertIn("ringback-smoke-caller", people)
        self.assertIn("ringback-smoke-callee", people)

    def test_tencents_are_signed_as_its_own_page_shows(self) -> None:
        sign = "17773bc39a671d7b9aa835458704d2a6db81360a5940292b587d6d760d484061"
        for callback in of_tencent(RUN, "1", "xxxxyyyy"):
            self.assertEqual(parse_qs(urlsplit(callback.target).query)["Sign"], [sign])
        self.assertNotIn("Sign", of_tencent(RUN, "1", "")[0].query)

    def test_only_the_vendors_of_the_stack_are_sent(self) -> None:
        def names(settings: dict[str, str], **parameters: str) -> set[str]:
            return {callback.name.split()[0] for callback in chosen(RUN, settings, Stack(parameters))[0]}

        line = {"notify", "call-event", "group-call-event", "agent-call-status"}
        self.assertEqual(names({}, LineServiceIds="a,b", TencentSdkAppIds=""), line)
        self.assertEqual(names({}, LineServiceIds="", TencentSdkAppIds="any"), {"tencent-call-event"})
        self.assertEqual(names({"NOTIFY": "no"}, LineServiceIds="a"), line - {"notify"})
        self.assertEqual(names({"SDK_APP_ID": "14"}), {"tencent-call-event"})
        with self.assertRaisesRegex(StackError, "SERVICE_ID=…, SDK_APP_ID=…"):
            chosen(RUN, {}, Stack({}))

    def test_the_ids_are_those_that_the_stack_takes(self) -> None:
        callbacks, remarks = chosen(RUN, {}, Stack({"LineServiceIds": "ours,theirs", "TencentSdkAppIds": ""}))
        self.assertEqual({c.query.get("from_service_id", "ours") for c in callbacks}, {"ours"})
        self.assertIn("Tencent's callbacks are left out: the stack does not serve Tencent.", remarks)
        callbacks, _ = chosen(RUN, {"SERVICE_ID": "mine"}, Stack({"LineServiceIds": "ours"}))
        self.assertEqual(callbacks[0].query["from_service_id"], "mine")


class Answers(unittest.TestCase):
    """What is made of an answer."""

    def test_a_deferred_record_is_a_failure_of_the_store(self) -> None:
        answer = Answer(200, '{"result":"deferred"}', "no-store")
        self.assertIn("DynamoDB did not take the record", problem_of(answer, {"result": "recorded"}))

    def test_an_answer_must_be_the_right_one_and_not_be_kept(self) -> None:
        recorded = {"result": "recorded"}
        right = Answer(200, '{"result":"recorded"}', "no-store")
        self.assertEqual(problem_of(right, recorded), "")
        for wrong in (
            Answer(200, '{"result":"recorded"}', ""),
            Answer(200, '{"result":"duplicate"}', "no-store"),
            Answer(200, "recorded", "no-store"),
            Answer(503, '{"error":"not_stored"}', "no-store"),
            Answer(None, "no answer within 5 s"),
        ):
            self.assertNotEqual(problem_of(wrong, recorded), "", wrong)
        self.assertIn(
            "TENCENT_CALLBACK_TOKEN", problem_of(Answer(403, '{"ErrorMessage":"wrong_signature"}'), TENCENT_OK)
        )

    def test_a_refusal_is_bare(self) -> None:
        self.assertEqual(refusal_of(Answer(404, "", "no-store"), 404), "")
        for wrong in (Answer(404, '{"message":"Not Found"}', "no-store"), Answer(404, ""), Answer(200, "", "no-store")):
            self.assertNotEqual(refusal_of(wrong, 404), "", wrong)


class InTheTable(unittest.TestCase):
    """What is made of records."""

    def setUp(self) -> None:
        self.callback: Callback = of_line(RUN, "s", rings=False)[0]
        frame = {"sid": self.callback.sid}
        self.call = {**frame, "record": "call", **self.callback.call, "duration_s": Decimal(5)}
        self.event = {**frame, "record": "event#1#a", "callback": "call_event"}

    def test_a_call_that_says_what_was_sent_is_right(self) -> None:
        self.assertEqual(record_check(self.callback, [self.call, self.event]).problem, "")

    def test_whatever_is_missing_twice_or_different_is_wrong(self) -> None:
        for items, said in [
            ([], "nothing is in the table"),
            ([self.event], "one of each"),
            ([self.call], "one of each"),
            ([self.call, self.event, {**self.event, "record": "event#2#b"}], "one of each"),
            ([{**self.call, "outcome": "missed"}, self.event], "outcome is missed, not answered"),
            ([{**self.call, "duration_s": Decimal(4)}, self.event], "duration_s is 4, not 5"),
            ([self.call, {**self.event, "callback": "notify"}], "is of notify, not call_event"),
        ]:
            self.assertIn(said, record_check(self.callback, items).problem)

    def test_the_items_of_a_session_are_removed_and_no_others(self) -> None:
        other = {"sid": "somebody", "record": "call"}
        table = Table(self.call, other, self.event)
        self.assertEqual(Records(table, "t").remove(self.callback.sid), (2, ""))
        self.assertEqual(table.items, [other])

    def test_items_that_do_not_go_are_told(self) -> None:
        table = Table(self.call)
        with mock.patch.object(table, "delete_item"):
            removed = Records(table, "t").remove(self.callback.sid)
        self.assertEqual(removed, (0, f"call of {self.callback.sid} in t"))

    def test_a_removal_that_fails_keeps_no_other_back_and_what_is_left_is_listed(self) -> None:
        other = of_line(RUN, "s", rings=False)[1]
        table = Table(self.call, self.event, {"sid": other.sid, "record": "call"})
        delete = table.delete_item

        def refuses_the_first(TableName: str, Key: dict[str, Any]) -> None:
            if Key["record"]["S"] == "call" and Key["sid"]["S"] == self.callback.sid:
                raise refused("AccessDeniedException", "not you", "DeleteItem")
            delete(TableName, Key)

        with mock.patch.object(table, "delete_item", refuses_the_first):
            tidied = tidy(Stack({}, Records(table, "t")), [self.callback, other])
        self.assertEqual([item["sid"] for item in table.items], [self.callback.sid])
        self.assertEqual(tidied.said, "Removed 2 items.")
        self.assertIn(f"delete by hand what is left: call of {self.callback.sid} in t (AWS refuses", tidied.problem)
        self.assertIn("not you", tidied.problem)

    def test_a_table_that_cannot_be_read_any_more_is_told_for_every_session(self) -> None:
        callbacks = of_line(RUN, "s", rings=False)
        table = Table()
        with mock.patch.object(table, "paginate", side_effect=refused("AccessDeniedException", "not you", "Query")):
            tidied = tidy(Stack({}, Records(table, "t")), callbacks)
        for callback in callbacks:
            self.assertIn(f"whatever {callback.sid} has in t", tidied.problem)


class Whole(unittest.TestCase):
    """The whole run, against an HTTP server that answers like a deployment."""

    def setUp(self) -> None:
        self.deployment = Deployment()
        thread = threading.Thread(target=self.deployment.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(self.deployment.server_close)
        self.addCleanup(self.deployment.shutdown)

    def test_without_aws_the_answers_are_checked_and_the_records_are_not(self) -> None:
        code, said = smoked(URL=self.deployment.url, SERVICE_ID="s", SDK_APP_ID="1")
        self.assertEqual(code, 0, said)
        self.assertIn("All 15 checks passed.", said)
        self.assertIn("The records were not looked at (without STACK=name). They expire by themselves", said)
        self.assertIn("Only they would tell whether Tencent's were recorded.", said)
        self.assertNotIn(TOKEN, said)

    def test_a_vendor_without_an_id_is_skipped_with_a_word(self) -> None:
        code, said = smoked(URL=self.deployment.url, SDK_APP_ID="1")
        self.assertEqual(code, 0, said)
        self.assertIn("LINE's callbacks are left out: SERVICE_ID is not given.", said)
        self.assertEqual({path.split("?")[0].split("/")[2] for _, path, _ in self.deployment.seen}, {"tencent"})

    def test_notify_is_sent_once_and_not_at_all_when_told_so(self) -> None:
        def rang() -> int:
            return sum(f"{TOKEN}/line/notify_cb" in path for how, path, _ in self.deployment.seen if how == "GET")

        _, said = smoked(URL=self.deployment.url, SERVICE_ID="s")
        self.assertEqual(rang(), 1)
        self.assertIn("publishes a push job for ringback-smoke-callee", said)
        self.deployment.seen.clear()
        _, said = smoked(URL=self.deployment.url, SERVICE_ID="s", NOTIFY="no")
        self.assertEqual(rang(), 0)
        self.assertIn("notify is left out", said)

    def test_one_wrong_answer_fails_the_run(self) -> None:
        self.deployment.words = ["published", "deferred"]
        code, said = smoked(URL=self.deployment.url, SERVICE_ID="s")
        self.assertEqual(code, 1)
        self.assertRegex(said, r"FAILED  call-event +200 deferred")
        self.assertIn("1 of 9 checks FAILED.", said)

    def test_a_redirect_is_not_followed_with_the_token(self) -> None:
        self.deployment.status = 302
        code, said = smoked(URL=self.deployment.url, SERVICE_ID="s")
        self.assertEqual((code, said.count("302")), (1, 4))
        self.assertEqual([path for _, path, _ in self.deployment.seen if "elsewhere" in path], [])

    def test_a_host_that_says_the_path_again_gets_no_token_printed(self) -> None:
        escaped = "".join(f"\\u{ord(letter):04x}" for letter in TOKEN)
        for echo in (
            lambda path: f"Cannot GET {path}",
            lambda path: json.dumps({"message": f"no route {path}"}),
            lambda path: f'{{"message": "no route {escaped}"}}',
            # What is printed ends within it.
            lambda path: f"{'x' * 60}{path}",
        ):
            self.deployment.echo = echo
            code, said = smoked(URL=self.deployment.url, SERVICE_ID="s", SDK_APP_ID="1")
            self.assertEqual(code, 1)
            self.assertNotIn(TOKEN[:12], said)

    def test_a_removal_that_fails_fails_the_run(self) -> None:
        account = Account(parameters={"LineServiceIds": "ours"})
        table = Table()

        def clients(service: str) -> Any:
            return table if service == "dynamodb" else account

        left = mock.patch.object(Records, "remove", return_value=(0, "call of x in t"))
        with mock.patch.object(smoke, "client", clients), left, mock.patch.object(smoke, "look_at_records"):
            code, said = smoked(URL=self.deployment.url, STACK="mine")
        self.assertEqual(code, 1)
        self.assertRegex(said, r"FAILED  removal +Removed 0 items\.\n +delete by hand what is left: call of x in t")
        self.assertIn("1 of 10 checks FAILED.", said)

    def test_who_does_not_answer_in_time_fails(self) -> None:
        hanging = threading.Event()
        self.addCleanup(hanging.set)

        def hang(*_: Any) -> None:
            hanging.wait(10)

        began = time.monotonic()
        with mock.patch.object(_Answering, "_answer", hang), mock.patch.object(smoke, "SECONDS_TO_ANSWER", 0.1):
            code, said = smoked(URL=self.deployment.url, SDK_APP_ID="1")
        self.assertLess(time.monotonic() - began, 3)
        self.assertEqual(code, 1)
        self.assertIn("no answer within 0.1 s", said)

    def test_who_is_not_there_fails(self) -> None:
        # Nobody listens at port 1.
        code, said = smoked(URL=f"http://127.0.0.1:1/{TOKEN}", SDK_APP_ID="1")
        self.assertEqual(code, 1)
        self.assertIn("no answer: [Errno", said)

    def test_with_a_stack_the_ids_are_its_own_and_its_records_are_removed(self) -> None:
        account = Account(parameters={"LineServiceIds": "ours"}, outputs={"RecordsTableName": "t"})
        table = Table()

        def clients(service: str) -> Any:
            return table if service == "dynamodb" else account

        with mock.patch.object(smoke, "client", clients):
            code, said = smoked(URL=self.deployment.url, STACK="mine")
        self.assertEqual(code, 1)
        self.assertIn("nothing is in the table", said)
        self.assertIn("Removed 0 items", said)
        self.assertTrue(any("from_service_id=ours" in path for _, path, _ in self.deployment.seen))

    def test_a_stack_that_cannot_be_asked_stops_it_before_anything_is_sent(self) -> None:
        for account, said in [
            (mock.Mock(side_effect=NoCredentialsError()), "no AWS credentials for STACK=mine"),
            (Account(exists=False), "no stack mine"),
        ]:
            with mock.patch.object(smoke, "client", account), self.assertRaisesRegex(StackError, said):
                smoked(URL=self.deployment.url, STACK="mine")
        self.assertEqual(self.deployment.seen, [])


LOCAL = local_stack(os.environ)
HOW = "no local stack is running: python -m local exec -- python -m unittest deployment.test_smoke"


@unittest.skipUnless(LOCAL, HOW)
class OnTheLocalStack(unittest.TestCase):
    """The built functions and emulated AWS."""

    def setUp(self) -> None:
        assert LOCAL
        self.settings = LOCAL
        # Neither the reader's variables nor a stack of theirs.
        self.environment = {name: value for name, value in os.environ.items() if name == "RINGBACK_STACK_ENV"}

    def smoked(self, **settings: str) -> tuple[int, str]:
        """Runs it; the exit code and what it printed."""
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            code = run({**self.environment, **settings})
        return code, output.getvalue()

    def left(self) -> list[str]:
        """The sessions of smoke tests that are still in the table."""
        pages = local_client("dynamodb", self.settings).get_paginator("scan")
        items = [item for page in pages.paginate(TableName=self.settings["RECORDS_TABLE"]) for item in page["Items"]]
        return [item["sid"]["S"] for item in items if item["sid"]["S"].startswith("ringback-smoke")]

    def test_every_callback_is_taken_recorded_and_removed_again(self) -> None:
        code, said = self.smoked()
        self.assertEqual(code, 0, said)
        self.assertIn("All 20 checks passed.", said)
        self.assertIn("Removed 10 items", said)
        self.assertEqual(self.left(), [])
        self.assertNotIn(self.settings["CALLBACK_URL"].rsplit("/", 1)[-1], said)

    def test_the_push_job_names_the_callee_whom_nobody_knows(self) -> None:
        self.assertEqual(self.smoked()[0], 0)
        sqs = local_client("sqs", self.settings)
        queue = self.settings["PUSH_JOBS_QUEUE_URL"]
        jobs = [json.loads(message["Body"]) for message in iter_messages(sqs, queue)]
        self.assertIn("ringback-smoke-callee", [job["app_callee_uid"] for job in jobs])

    def test_a_wrong_token_fails_the_run_and_leaves_nothing(self) -> None:
        base = self.settings["CALLBACK_URL"].rsplit("/", 1)[0]
        code, said = self.smoked(URL=f"{base}/{TOKEN}")
        self.assertEqual(code, 1)
        self.assertRegex(said, r"FAILED  call-event +404")
        self.assertIn("Removed 0 items", said)
        self.assertNotIn(TOKEN, said)

    def test_a_service_that_is_not_the_stacks_fails_the_run(self) -> None:
        code, said = self.smoked(SERVICE_ID="somebody-elses")
        self.assertEqual(code, 1)
        self.assertRegex(said, r"FAILED  call-event +403 not_ours")
        # What was taken before is removed all the same.
        self.assertEqual(self.left(), [])

    def test_records_that_say_something_else_fail_the_run_and_are_removed(self) -> None:
        def expecting_too_much(this: Run, service: str, rings: bool) -> list[Callback]:
            callbacks = of_line(this, service, rings)
            callbacks[1].call["outcome"] = "missed"
            return callbacks

        with mock.patch.object(smoke, "of_line", expecting_too_much):
            code, said = self.smoked()
        self.assertEqual(code, 1)
        self.assertIn("outcome is answered, not missed", said)
        self.assertEqual(self.left(), [])

    def test_what_was_recorded_is_removed_after_ctrl_c_too(self) -> None:
        interrupted = mock.patch.object(smoke, "look_at_records", side_effect=KeyboardInterrupt)
        with interrupted, self.assertRaises(KeyboardInterrupt):
            self.smoked()
        self.assertEqual(self.left(), [])


def iter_messages(sqs: Any, queue: str) -> Iterator[dict[str, Any]]:
    """Takes what is in a queue, a hundred messages at most."""
    for _ in range(10):
        messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            yield message
        if not messages:
            return
