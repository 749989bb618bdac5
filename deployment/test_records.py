"""`make erase` and `make restore`: what they find, and what they do to a real (emulated) table."""

import contextlib
import io
import json
import os
import secrets
import unittest
import urllib.request
from decimal import Decimal
from pathlib import Path
from typing import Any

from boto3.dynamodb.types import TypeSerializer

from local.aws import local_client, local_settings
from local.processes import StackError

from . import erase, restore
from .records import Table, table_of, texts

ENV_FILE = os.environ.get("RINGBACK_STACK_ENV", "")
ALONE = {"RINGBACK_STACK_ENV": "/nowhere/stack.env"}
NOW = 1_793_600_000


def item(**attributes: Any) -> dict[str, Any]:
    """An item as DynamoDB has it."""
    serializer = TypeSerializer()
    return {name: serializer.serialize(value) for name, value in attributes.items()}


class Finding(unittest.TestCase):
    """Where a user id is looked for."""

    def test_a_user_is_found_wherever_a_record_can_name_one(self) -> None:
        for attributes in (
            {"caller": {"service_id": "s", "user_id": "alice"}},
            {"callees": [{"user_id": "bob"}, {"user_id": "alice"}]},
            {"vendor": {"from_user_id": "alice"}},
            {"vendor": {"UserList": [{"User_Account": "alice"}]}},
            {"facts": '{"people":{"alice":{"c":true}}}'},
            {"app_data": '{"display":{"id":"alice"}}'},
        ):
            self.assertTrue(erase.names(item(sid="a", record="call", **attributes), "alice"), attributes)

    def test_a_number_is_an_id_as_well(self) -> None:
        self.assertTrue(erase.names(item(vendor={"User_Account": Decimal(144115212345678901)}), "144115212345678901"))

    def test_only_a_whole_value_is_a_user(self) -> None:
        for attributes in ({"who": {"user_id": "alice2"}}, {"app_data": "call from alice"}, {"facts": "{broken alice"}):
            self.assertFalse(erase.names(item(sid="a", record="call", **attributes), "alice"), attributes)

    def test_a_service_narrows_it_down(self) -> None:
        one = item(caller={"service_id": "one", "user_id": "alice"})
        self.assertTrue(erase.names(one, "alice", "one"))
        self.assertFalse(erase.names(one, "alice", "two"))

    def test_text_that_only_looks_like_json_is_text(self) -> None:
        self.assertIn("[" * 5000, set(texts(item(app_data="[" * 5000))))

    def test_what_has_expired_is_known(self) -> None:
        self.assertTrue(restore.has_expired(item(expires_at=NOW), NOW))
        self.assertFalse(restore.has_expired(item(expires_at=NOW + 1), NOW))
        self.assertFalse(restore.has_expired(item(sid="a"), NOW))


class Asking(unittest.TestCase):
    """What is missing is said in a sentence."""

    def test_nobody_is_erased_by_mistake(self) -> None:
        with self.assertRaisesRegex(StackError, "USER_ID"):
            erase.run(ALONE)
        with self.assertRaisesRegex(StackError, "STACK=name"):
            erase.run({**ALONE, "USER_ID": "alice"})

    def test_a_restored_table_must_be_named(self) -> None:
        with self.assertRaisesRegex(StackError, "FROM"):
            restore.run(ALONE)


@unittest.skipUnless(ENV_FILE, "needs a local stack: `python -m local exec -- python -m unittest ...`")
class OnTheLocalStack(unittest.TestCase):
    """Both commands on the running local stack's table."""

    def setUp(self) -> None:
        self.settings = {"RINGBACK_STACK_ENV": ENV_FILE}
        self.table = table_of(self.settings)
        self.dynamodb = local_client("dynamodb", local_settings(Path(ENV_FILE)))
        self.run_id = secrets.token_hex(4)
        self.user = f"alice-{self.run_id}"
        for call, people in (("with", [self.user, "bob"]), ("without", ["bob", "carol"])):
            sid = f"{call}-{self.run_id}"
            caller, callee = people
            self.table.add(item(sid=sid, record="call", caller={"user_id": caller}, expires_at=9_999_999_999))
            self.table.add(item(sid=sid, record="event#1#a", who={"user_id": callee}, expires_at=9_999_999_999))

    def records(self, table: Table | None = None) -> set[tuple[str, str]]:
        """The keys of this test's items."""
        items = (table or self.table).items()
        return {(each["sid"]["S"], each["record"]["S"]) for each in items if each["sid"]["S"].endswith(self.run_id)}

    def said(self, command: Any, **settings: str) -> str:
        """What a command prints."""
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            self.assertEqual(command({**self.settings, **settings}), 0)
        return printed.getvalue()

    def test_a_user_is_erased_with_every_item_of_the_calls_and_nobody_else(self) -> None:
        with contextlib.redirect_stdout(io.StringIO()), self.assertRaisesRegex(StackError, f"CONFIRM={self.user}"):
            erase.run({**self.settings, "USER_ID": self.user})
        self.assertEqual(len(self.records()), 4)
        self.assertIn("2 items are erased", self.said(erase.run, USER_ID=self.user, CONFIRM=self.user))
        self.assertEqual({sid for sid, _ in self.records()}, {f"without-{self.run_id}"})
        self.assertIn("in no record", self.said(erase.run, USER_ID=self.user))

    def test_a_user_is_found_in_what_the_functions_record(self) -> None:
        settings = local_settings(Path(ENV_FILE))
        line = f"sid=line-{self.run_id}&from_user_id=dave&to_user_id={self.user}&to_service_id=&type=A&duration=3"
        joined = {
            "CallId": f"tencent-{self.run_id}",
            "UserId": self.user,
            "Event": "callee_accept_call",
            "CallType": "groupCall",
        }
        app = settings["TENCENT_SDK_APP_IDS"].split(",")[0]
        for path, body in (
            (f"line/call_event?{line}", None),
            (f"tencent/call_event?sdkappid={app}", json.dumps(joined)),
        ):
            with urllib.request.urlopen(
                f"{settings['CALLBACK_URL']}/{path}", body and body.encode(), timeout=10
            ) as answer:
                self.assertEqual(answer.status, 200)
        self.assertEqual(len(self.records()), 8)
        self.assertIn("6 items are erased", self.said(erase.run, USER_ID=self.user, CONFIRM=self.user))
        self.assertEqual({sid for sid, _ in self.records()}, {f"without-{self.run_id}"})

    def test_what_was_deleted_comes_back_and_what_is_there_stays(self) -> None:
        restored = f"restored-{self.run_id}"
        key = [{"AttributeName": "sid", "KeyType": "HASH"}, {"AttributeName": "record", "KeyType": "RANGE"}]
        types = [{"AttributeName": name, "AttributeType": "S"} for name in ("sid", "record")]
        self.dynamodb.create_table(
            TableName=restored, KeySchema=key, AttributeDefinitions=types, BillingMode="PAY_PER_REQUEST"
        )
        self.addCleanup(self.dynamodb.delete_table, TableName=restored)
        backup = Table(self.dynamodb, restored)
        sid = f"with-{self.run_id}"
        backup.add(item(sid=sid, record="call", status="ringing", expires_at=9_999_999_999))
        backup.add(item(sid=sid, record="event#0#lost", what="ended", expires_at=9_999_999_999))
        backup.add(item(sid=sid, record="event#0#expired", expires_at=1))
        said = self.said(restore.run, FROM=restored)
        self.assertIn("1 items of", said)
        self.assertIn("1 were there, 1 have expired", said)
        self.assertEqual(len(self.records()), 5)
        (call,) = [each for each in self.table.items() if each["sid"]["S"] == sid and each["record"]["S"] == "call"]
        self.assertNotIn("status", call)

    def test_the_stacks_own_table_is_no_backup(self) -> None:
        with self.assertRaisesRegex(StackError, "stack's own table"):
            restore.run({**self.settings, "FROM": self.table.name})


if __name__ == "__main__":
    unittest.main()
