"""stack.env and the settings of the local stack."""

import hashlib
import os
import unittest
from pathlib import Path
from unittest import mock

from .processes import StackError
from .stack import FROM_FUNCTIONS, QUEUES, TOKEN, Stack, env_file_text, environment, merged, parameters

# What README.md promises.
PROMISED = {
    "CALLBACK_URL",
    "AWS_ENDPOINT_URL_DYNAMODB",
    "AWS_ENDPOINT_URL_SNS",
    "AWS_ENDPOINT_URL_SQS",
    "AWS_REGION",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "RECORDS_TABLE",
    "PUSH_JOBS_TOPIC_ARN",
    "PUSH_JOBS_QUEUE_URL",
    "SPOOL_TOPIC_ARN",
    "SPOOL_QUEUE_URL",
    "DEAD_LETTERS_TOPIC_ARN",
    "DEAD_LETTER_QUEUE_URL",
    "CALLBACK_TOKEN_SHA256",
    "LINE_SERVICE_IDS",
    "TENCENT_SDK_APP_IDS",
    "RETENTION_DAYS",
}


class StackEnv(unittest.TestCase):
    """The file that tests and scripts read."""

    def test_it_holds_exactly_the_promised_names(self) -> None:
        names = PROMISED - {"CALLBACK_URL", *FROM_FUNCTIONS}
        settings = dict.fromkeys(FROM_FUNCTIONS, "a,b")
        variables = environment(
            "http://127.0.0.1:9000/t", dict.fromkeys(names, "x"), settings | {"OTHER": "x"}
        )
        self.assertEqual(set(variables), PROMISED)
        self.assertLess(set(QUEUES), names)
        self.assertIn("CALLBACK_URL=http://127.0.0.1:9000/t\n", env_file_text(variables))

    def test_a_function_that_lost_a_variable_is_noticed(self) -> None:
        with self.assertRaisesRegex(StackError, "RETENTION_DAYS"):
            environment("", {}, {name: "x" for name in FROM_FUNCTIONS if name != "RETENTION_DAYS"})

    def test_values_that_a_shell_would_take_apart_are_refused(self) -> None:
        for value in ("a b", "$HOME", "`id`", "a'b", "a\nb", "a;b"):
            with self.subTest(value=value), self.assertRaises(StackError):
                env_file_text({"NAME": value})

    def test_functions_may_not_disagree(self) -> None:
        self.assertEqual(merged([{"A": "1", "B": "2"}, {"A": "1"}]), {"A": "1", "B": "2"})
        with self.assertRaisesRegex(StackError, "A"):
            merged([{"A": "1"}, {"A": "2"}])


class Parameters(unittest.TestCase):
    """What the caller's environment may change."""

    def test_the_samples_own_lists_are_the_default(self) -> None:
        with mock.patch.dict(os.environ, clear=True):
            given = parameters()
        self.assertEqual(given["CallbackTokenSha256"], hashlib.sha256(TOKEN.encode()).hexdigest())
        self.assertIn("planetkit", given["LineServiceIds"].split(","))
        self.assertIn("1400000001", given["TencentSdkAppIds"].split(","))

    def test_an_unknown_store_is_refused_before_anything_starts(self) -> None:
        with (
            mock.patch.dict(os.environ, STORE="dynalite"),
            self.assertRaisesRegex(StackError, "STORE=dynalite"),
        ):
            Stack(Path(), Path("/nowhere"), 1, 2).__enter__()

    def test_it_is_never_production(self) -> None:
        self.assertEqual(parameters()["Stage"], "dev")

    def test_the_callers_lists_win(self) -> None:
        with mock.patch.dict(
            os.environ, {"LINE_SERVICE_IDS": "any", "TENCENT_SDK_APP_IDS": "1,2"}, clear=True
        ):
            given = parameters()
        self.assertEqual((given["LineServiceIds"], given["TencentSdkAppIds"]), ("any", "1,2"))

    def test_an_empty_list_is_named(self) -> None:
        for value in ("", "a b"):
            environ = mock.patch.dict(os.environ, {"LINE_SERVICE_IDS": value}, clear=True)
            with self.subTest(value=value), environ, self.assertRaisesRegex(StackError, "LINE_SERVICE_IDS"):
                parameters()
