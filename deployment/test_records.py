"""`make erase` and `make restore`: what they find, and what they do to tables."""

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
from unittest import mock

from botocore.awsrequest import AWSResponse

from local.aws import client, local_settings
from local.processes import StackError

from . import erase, restore
from .erase import mentions
from .records import Table, place_of
from .testing import ALONE, Account, item, refused

ENV_FILE = os.environ.get("RINGBACK_STACK_ENV", "")
NOW = 1_793_600_000
LATER = 9_999_999_999


def found_in(user: str, service: str, attributes: dict[str, Any]) -> set[str]:
    """Where an item names a user."""
    return {mention.where for mention in mentions(item(**attributes)) if mention.is_of(user, service)}


ALICE = {"service_id": "s", "user_id": "alice"}
BOB = {"service_id": "call", "user_id": "bob"}
# Attributes of items, and where alice is found in them.
FOUND: tuple[tuple[str, dict[str, Any]], ...] = (
    ("caller", {"caller": ALICE}),
    ("callee", {"callee": ALICE}),
    ("callees", {"callees": [{"user_id": "bob"}, ALICE]}),
    ("host", {"host": {"user_id": "alice"}}),
    ("who", {"who": {"user_id": "alice"}}),
    ("facts.people", {"facts": '[1,{"people":{"alice":{"c":true}}}]'}),
    ("facts.caller", {"facts": '[1,{"caller":[{"user_id":"alice"},0,"i"]}]'}),
    ("facts.host", {"facts": '[null,{"host":[{"service_id":"s","user_id":"alice"},null]}]'}),
    ("facts.app_data", {"facts": '[1,{"app_data":["alice"]}]'}),
    # As an earlier version stored them.
    ("facts.people", {"facts": '{"people":{"alice":{"c":true}}}'}),
    ("facts.caller", {"facts": '{"caller":{"s":"f","t":1,"v":{"user_id":"alice"}}}'}),
    ("facts.host", {"facts": '{"host":{"s":"f","t":null,"v":{"service_id":"s","user_id":"alice"}}}'}),
    ("app_data", {"app_data": "alice"}),
    ("app_data", {"app_data": '{"display":{"id":"alice"}}'}),
    ("app_data", {"app_data": '"alice"'}),
    ("app_data", {"app_data": '{"id":"alice","id":"bob"}'}),
    ("app_data", {"app_data": json.dumps({"inner": json.dumps(["alice"])})}),
    *((f"vendor.{name}", {"vendor": {name: "alice"}}) for name in ("from_user_id", "to_user_id", "user_id")),
    *((f"vendor.{name}", {"vendor": {name: ["bob", "alice"]}}) for name in ("host_id", "UserId")),
    *((f"vendor.{name}", {"vendor": {name: "alice"}}) for name in ("Caller_Account", "CALLEELIST_ACCOUNT")),
    ("vendor.User_Account", {"vendor": {"UserList": [{"User_Account": "alice", "Status": "Calling"}]}}),
    ("vendor.User_Account", {"vendor": {"CallInfo": {"ChangedUserList": [[{"User_Account": "alice"}]]}}}),
    ("vendor.UserList", {"vendor": {"UserList": ["alice"]}}),
    ("vendor.CalleeList_Account", {"vendor": {"CallRecord": {"CalleeList_Account": ["bob", "alice"]}}}),
    ("vendor.stid", {"vendor": {"stid": "alice"}}),
    ("vendor.app_svr_data", {"vendor": {"app_svr_data": '{"id":"alice"}'}}),
    ("vendor.UserData", {"vendor": {"UserData": {"id": "alice"}}}),
)
# An item in which numbers and words stand everywhere but where user ids do.
OTHER_FACTS = {
    "people": {"bob": {"c": True, "i": 30}},
    "k": ["group", 30],
    "du": [30, 1001],
    "rc": {"line": [1001, 1]},
    "caller": [BOB, 30],
    "room": [{"service_id": "s", "id": "30"}],
}
OTHERS: dict[str, Any] = {
    **{"sid": "30", "record": "call", "provider": "line", "what": "user_id", "duration_s": Decimal(30)},
    "reason": {"disconnect_reason": Decimal(1001), "user_rel_code": "1001", "call_result": "line"},
    "caller": BOB,
    "room": {"service_id": "line", "id": "1001"},
    "facts": json.dumps([30, OTHER_FACTS]),
    "app_data": '{"user_id":true,"call":{"line":null}}',
    "vendor": {
        **{
            "duration": "30",
            "disconnect_reason": "1001",
            "from_service_id": "line",
            "id": "call",
            "user_id": "",
        },
        "UserList": [{"User_Account": "bob", "Status": "call", "1001": "30"}],
        **{"call": {"user_id": None}, "line": Decimal(30)},
    },
}
LINE = {"from_service_id": "one", "from_user_id": "alice", "to_service_id": "two", "to_user_id": "bob"}
ONE = {"service": ["one"], "people": {"alice": {"c": True}}}
EARLIER_ONE = {"service": {"s": "f", "t": 1, "v": "one"}, "people": {"alice": {"c": True}}}


class Finding(unittest.TestCase):
    """Where a user id is looked for."""

    def test_a_user_is_found_wherever_a_record_can_name_one(self) -> None:
        for where, attributes in FOUND:
            self.assertEqual(found_in("alice", "", attributes), {where}, attributes)

    def test_a_number_is_an_id_as_well(self) -> None:
        long = "144115212345678901"
        self.assertTrue(found_in(long, "", {"vendor": {"User_Account": Decimal(long)}}))
        self.assertTrue(found_in(long, "", {"app_data": f'{{"id":{long}}}'}))
        self.assertTrue(found_in("1000", "", {"vendor": {"UserId": Decimal("1E+3")}}))

    def test_a_number_a_word_or_a_part_of_a_text_is_no_user(self) -> None:
        for user in ("30", "1001", "line", "call", "user_id", "c", "True", "None"):
            self.assertEqual(found_in(user, "", OTHERS), set(), user)
        for part in ({"who": {"user_id": "alice2"}}, {"app_data": "from alice"}, {"facts": "{broken alice"}):
            self.assertEqual(found_in("alice", "", part), set(), part)

    def test_a_service_is_the_persons_own_or_the_app_that_the_item_names(self) -> None:
        room = {"room": {"service_id": "two", "id": "r"}}
        tencent = {"SdkAppid": "one", "CallInfo": {"UserList": [{"User_Account": "alice"}]}}
        for attributes in (
            {
                "caller": {"service_id": "one", "user_id": "alice"},
                "callee": {"service_id": "two", "user_id": "bob"},
            },
            {"vendor": LINE},
            {"vendor": tencent},
            {"facts": json.dumps([1, ONE]), **room},
            {"facts": json.dumps(EARLIER_ONE), **room},
        ):
            self.assertTrue(found_in("alice", "one", attributes), attributes)
            self.assertEqual(found_in("alice", "two", attributes), set(), attributes)

    def test_a_user_without_a_service_is_included_whatever_it_is(self) -> None:
        for attributes in (
            {"caller": {"user_id": "alice"}, "callee": {"service_id": "two", "user_id": "bob"}},
            {"vendor": {"from_user_id": "alice", "from_service_id": "", "to_service_id": "two"}},
            {"vendor": {"UserId": "alice"}},
            {"facts": '{"people":{"alice":{}}}'},
            {"app_data": "alice"},
        ):
            self.assertTrue(found_in("alice", "one", attributes), attributes)

    def test_text_that_only_looks_like_json_is_text(self) -> None:
        for text in ("[" * 5000, "[" * 900 + "]" * 900, "NaN", "1e999999"):
            self.assertIn("app_data", found_in(text, "", {"app_data": text}), text[:9])

    def test_what_has_expired_is_known(self) -> None:
        for attributes, expired in (
            ({"expires_at": NOW}, True),
            ({"expires_at": NOW + 1}, False),
            ({"a": 1}, False),
        ):
            self.assertEqual(restore.has_expired(item(**attributes), NOW), expired)


class InMemory(unittest.TestCase):
    """Both commands on a table in memory, of a stack on AWS."""

    def setUp(self) -> None:
        self.account = Account()
        self.put("talk", "call", caller={"user_id": "alice"}, callee={"user_id": "bob"})
        self.put("talk", "event#1#a", who={"user_id": "alice"})
        self.put("talk", "event#0#b", who={"user_id": "bob"})
        self.put("talk", "event#2#c", what="agent_reached_callee")
        # The call item has forgotten her.
        self.put("room", "call", room={"id": "r"})
        self.put("room", "event#1#a", who={"service_id": "one", "user_id": "alice"})
        self.put("room", "event#2#b", who={"service_id": "one", "user_id": "bob"})
        self.put("others", "call", caller={"user_id": "bob"})

    def put(self, sid: str, record: str, table: str = "mine-records", **attributes: Any) -> None:
        """Puts an item into a table."""
        self.account.put_item(table, item(sid=sid, record=record, **attributes))

    def left(self) -> list[str]:
        """What is in the table."""
        return [f"{each['sid']['S']} {each['record']['S']}" for each in self.account.items["mine-records"]]

    def said(self, command: Any, **settings: str) -> str:
        """What a command prints, and why it fails, if it does."""
        with contextlib.redirect_stdout(io.StringIO()) as printed, mock.patch("sys.stdin", io.StringIO()):
            try:
                command.run({"STACK": "mine", **settings}, self.account)
            except StackError as error:
                print(error)
        return printed.getvalue()

    def test_what_is_missing_is_said_and_nothing_is_touched(self) -> None:
        with self.assertRaisesRegex(StackError, "STACK=name"):
            erase.run({**ALONE, "USER_ID": "alice"})
        for command, settings, said in (
            (erase, {}, "USER_ID"),
            (restore, {}, "FROM"),
            (restore, {"FROM": "mine-records"}, "stack's own table"),
        ):
            self.assertIn(said, self.said(command, **settings))
        self.account.outputs = {"RecordsTableName": "mine-records"}
        for command in (erase, restore):
            said = self.said(command, USER_ID="alice", CONFIRM="alice", FROM="backup")
            self.assertIn("not a Ringback stack", said)
        self.assertEqual(len(self.left()), 8)

    def test_the_stack_and_the_places_are_shown_before_anything_is_erased(self) -> None:
        said = self.said(erase, USER_ID="alice", SERVICE_ID="one")
        for line in (
            "mine: a dev stack (UPDATE_COMPLETE) in eu-west-1, account 123456789012.\n",
            "alice is in 2 calls of mine-records, with 7 items.",
            "  found as who 1\n",
            "  without a service, which go too: caller 1, who 1\n",
            "CONFIRM=alice deletes all",
        ):
            self.assertIn(line, said)
        self.assertIn("  found as caller 1, who 2\n", self.said(erase, USER_ID="alice"))
        self.assertEqual(len(self.left()), 8)

    def test_an_interrupted_run_can_be_run_again_and_finds_the_rest(self) -> None:
        delete = Table.delete
        for stops_after in range(8):
            with self.subTest(stops_after=stops_after):
                self.setUp()
                deleted: list[Any] = []

                def fails(
                    table: Table, key: Any, after: int = stops_after, seen: list[Any] = deleted
                ) -> None:
                    if len(seen) == after:
                        raise refused("InternalServerError", "not now", "DeleteItem")
                    seen.append(key)
                    delete(table, key)

                with mock.patch.object(Table, "delete", fails):
                    said = self.said(erase, USER_ID="alice", CONFIRM="alice")
                self.assertIn("not now" if stops_after < 7 else "7 items are erased", said)
                self.said(erase, USER_ID="alice", CONFIRM="alice")
                self.assertEqual(self.left(), ["others call"])

    def test_the_items_that_name_the_user_go_last_the_call_item_at_the_end(self) -> None:
        keys = erase.keys_of(Table(self.account, "mine-records"), {"talk"}, "alice")
        self.assertEqual(
            [key["record"]["S"] for key in keys], ["event#0#b", "event#2#c", "event#1#a", "call"]
        )

    def restored(self) -> None:
        """A table that was restored from the stack's."""
        self.account.restored_from["backup"] = "mine-records"
        self.put("lost", "call", "backup", caller={"user_id": "carol"})
        self.put("talk", "call", "backup", caller={"user_id": "alice"}, status="ended")
        self.put("others", "call", "backup", caller={"user_id": "bob"})
        self.put("talk", "event#1#a", "backup", who={"user_id": "alice"}, what="another")
        self.put("old", "call", "backup", expires_at=1)

    def test_what_is_lost_comes_back_and_what_is_there_stays(self) -> None:
        self.restored()
        said = self.said(restore, FROM="backup")
        for line in (
            "mine: a dev stack (UPDATE_COMPLETE) in eu-west-1, account 123456789012.",
            "1 items of backup are back in mine-records; 3 were there, 1 have expired.",
            "1 call items differ from those there (see docs/runbook.md):\n  talk\n",
            "erase them again",
        ):
            self.assertIn(line, said)
        self.assertIn("lost call", self.left())
        self.assertNotIn("ended", str(self.account.items["mine-records"]))

    def test_another_tables_backup_is_refused_unless_asked_for(self) -> None:
        self.restored()
        for origin in ("theirs", ""):
            self.account.restored_from["backup"] = origin
            said = self.said(restore, FROM="backup")
            self.assertRegex(said, "backup was restored from .*, not from the stack's: ANY_SOURCE=yes")
            self.assertNotIn("lost call", self.left())
        self.assertIn("1 items of backup are back", self.said(restore, FROM="backup", ANY_SOURCE="yes"))

    def test_production_wants_its_name_before_anything_comes_back(self) -> None:
        self.restored()
        for stage in ("prod", ""):
            self.account.parameters = {"Stage": stage}
            self.assertIn("set CONFIRM=mine", self.said(restore, FROM="backup"))
            self.assertIn("theirs is not mine", self.said(restore, FROM="backup", CONFIRM="theirs"))
            self.assertNotIn("lost call", self.left())
        self.assertIn("1 items of backup are back", self.said(restore, FROM="backup", CONFIRM="mine"))

    def test_a_scan_that_is_throttled_seven_times_goes_on(self) -> None:
        body = json.dumps({"__type": "x#ProvisionedThroughputExceededException", "message": "slow"}).encode()
        answers = [*[(400, body)] * 7, (200, b'{"Items":[]}')]
        settings = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "eu-west-1"}

        def answer(request: Any, **_: Any) -> AWSResponse:
            status, content = answers.pop(0)
            return AWSResponse(request.url, status, {}, mock.Mock(stream=lambda: iter([content])))

        with mock.patch.dict(os.environ, settings), mock.patch("botocore.endpoint.time.sleep"):
            dynamodb = client("dynamodb")
            dynamodb.meta.events.register("before-send.dynamodb", answer)
            self.assertEqual(list(Table(dynamodb, "t").items()), [])
        self.assertEqual(answers, [])


@unittest.skipUnless(ENV_FILE, "needs a local stack: `python -m local exec -- python -m unittest ...`")
class OnTheLocalStack(unittest.TestCase):
    """Both commands on the running local stack's table."""

    def setUp(self) -> None:
        self.settings = {"RINGBACK_STACK_ENV": ENV_FILE}
        self.local = local_settings(Path(ENV_FILE))
        self.place = place_of(self.settings)
        self.table = self.place.table()
        self.run_id = secrets.token_hex(4)
        self.user = f"alice-{self.run_id}"
        for call, caller, callee in (("with", self.user, "bob"), ("without", "bob", "carol")):
            sid = f"{call}-{self.run_id}"
            self.table.add(item(sid=sid, record="call", caller={"user_id": caller}, expires_at=LATER))
            self.table.add(item(sid=sid, record="event#1#a", who={"user_id": callee}, expires_at=LATER))

    def records(self) -> set[tuple[str, str]]:
        """The keys of this test's items."""
        items = self.table.items()
        return {
            (each["sid"]["S"], each["record"]["S"])
            for each in items
            if each["sid"]["S"].endswith(self.run_id)
        }

    def said(self, command: Any, **settings: str) -> str:
        """What a command prints."""
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            self.assertEqual(command.run({**self.settings, **settings}), 0)
        return printed.getvalue()

    def call(self, path: str, body: dict[str, Any] | None = None) -> None:
        """Sends a callback, which must be taken."""
        content = json.dumps(body).encode() if body else None
        with urllib.request.urlopen(f"{self.local['CALLBACK_URL']}/{path}", content, timeout=10) as answer:
            self.assertEqual(answer.status, 200)

    def test_a_user_is_erased_from_what_the_functions_record_and_no_other_is(self) -> None:
        line = f"sid=line-{self.run_id}&from_user_id=dave&to_user_id={self.user}&type=A&duration=30"
        self.call(f"line/call_event?{line}&to_service_id=&disconnect_reason=1001")
        joined = {"UserId": self.user, "Event": "callee_accept_call", "CallType": "groupCall"}
        app = self.local["TENCENT_SDK_APP_IDS"].split(",")[0]
        self.call(f"tencent/call_event?sdkappid={app}", {"CallId": f"tencent-{self.run_id}", **joined})
        self.assertEqual(len(self.records()), 8)
        for user in ("30", "1001", "line", "call", "user_id"):
            self.assertIn("in no record", self.said(erase, USER_ID=user), user)
        self.assertIn("6 items are erased", self.said(erase, USER_ID=self.user, CONFIRM=self.user))
        self.assertEqual({sid for sid, _ in self.records()}, {f"without-{self.run_id}"})
        self.assertIn("in no record", self.said(erase, USER_ID=self.user))

    def test_what_was_deleted_comes_back_and_what_is_there_stays(self) -> None:
        restored, sid = f"restored-{self.run_id}", f"with-{self.run_id}"
        key = [{"AttributeName": "sid", "KeyType": "HASH"}, {"AttributeName": "record", "KeyType": "RANGE"}]
        types = [{"AttributeName": name, "AttributeType": "S"} for name in ("sid", "record")]
        self.place.dynamodb.create_table(
            TableName=restored, KeySchema=key, AttributeDefinitions=types, BillingMode="PAY_PER_REQUEST"
        )
        self.addCleanup(self.place.dynamodb.delete_table, TableName=restored)
        backup = self.place.table(restored)
        backup.add(item(sid=sid, record="call", status="ringing", expires_at=LATER))
        backup.add(item(sid=sid, record="event#0#lost", what="ended", expires_at=LATER))
        backup.add(item(sid=sid, record="event#0#expired", expires_at=1))
        said = self.said(restore, FROM=restored, ANY_SOURCE="yes")
        self.assertIn("The local stack.", said)
        self.assertIn("1 were there, 1 have expired", said)
        self.assertEqual(len(self.records()), 5)
        (call,) = [each for each in self.table.items_of(sid) if each["record"]["S"] == "call"]
        self.assertNotIn("status", call)
