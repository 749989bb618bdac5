"""The token and what is said about it."""

import contextlib
import hashlib
import io
import os
import re
import subprocess
import sys
import unittest
from pathlib import Path
from unittest import mock

from .make_token import PLACEHOLDER, URLS, digest, main, new_token
from .stack import parameters
from .template import Template

ROOT = Path(__file__).resolve().parent.parent


def printed(*arguments: str) -> tuple[int, str]:
    """What the command prints, complaints included, and its exit code."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        return main(list(arguments)), output.getvalue()


class Token(unittest.TestCase):
    """What `make token` prints."""

    def test_a_token_has_more_than_128_random_bits_in_letters_that_a_path_holds(self) -> None:
        tokens = {new_token() for _ in range(1000)}
        self.assertEqual(len(tokens), 1000)
        for token in tokens:
            # Each letter of this alphabet holds six bits.
            self.assertRegex(token, r"^[A-Za-z0-9_-]+$")
            self.assertGreaterEqual(6 * len(token), 256)

    def test_the_digest_is_that_of_the_token_in_every_url(self) -> None:
        with mock.patch.dict(os.environ, clear=True):
            code, said = printed("https://abc.example/prod/")
        token = re.search(r"^token +(\S+)$", said, re.MULTILINE)[1]
        self.assertEqual(code, 0)
        self.assertIn(f"digest  {hashlib.sha256(token.encode()).hexdigest()}\n", said)
        self.assertEqual(digest(token), hashlib.sha256(token.encode()).hexdigest())
        urls = re.findall(r"^  (https://\S+)$", said, re.MULTILINE)
        self.assertEqual(urls, ["https://abc.example/prod" + path.replace("{token}", token) for _, _, path in URLS])

    def test_the_urls_are_those_of_the_template(self) -> None:
        routes = Template.read(ROOT / "template.yaml", parameters()).routes()
        self.assertEqual({path for _, _, path in URLS}, set(routes))

    def test_the_address_comes_from_the_environment_or_is_left_open(self) -> None:
        with mock.patch.dict(os.environ, {"API_URL": "https://abc.example"}, clear=True):
            self.assertIn("  https://abc.example/", printed()[1])
        with mock.patch.dict(os.environ, clear=True):
            self.assertIn(f"  {PLACEHOLDER}/", printed()[1])

    def test_an_address_that_a_token_must_not_be_sent_to_gets_none(self) -> None:
        for base in (
            "http://abc.example",
            "abc.example",
            "https://",
            "https://a b",
            "https://me@x",
            "https://x?y",
            "-h",
        ):
            with self.subTest(base=base):
                code, said = printed(base)
                self.assertEqual(code, 2)
                self.assertNotIn("digest", said)

    def test_it_runs_as_a_script_of_the_standard_library_alone(self) -> None:
        script = [sys.executable, "-I", "-S", str(ROOT / "local/make_token.py"), "https://abc.example"]
        done = subprocess.run(script, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("  https://abc.example/", done.stdout)
