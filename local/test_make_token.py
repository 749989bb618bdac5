"""The token and what is printed about it."""

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


def printed(*arguments: str, **environment: str) -> tuple[int, str]:
    """What the command prints, errors included, and its exit code."""
    output = io.StringIO()
    streams = contextlib.redirect_stdout(output), contextlib.redirect_stderr(output)
    with streams[0], streams[1], mock.patch.dict(os.environ, environment, clear=True):
        return main(list(arguments)), output.getvalue()


class Token(unittest.TestCase):
    """What `make token` prints."""

    def test_a_token_has_256_random_bits_in_letters_that_a_path_holds(self) -> None:
        tokens = {new_token() for _ in range(1000)}
        self.assertEqual(len(tokens), 1000)
        for token in tokens:
            # Each letter of this alphabet holds six bits.
            self.assertRegex(token, r"^[A-Za-z0-9_-]{43}$")

    def test_the_digest_is_that_of_the_token_in_every_url(self) -> None:
        code, output = printed("https://abc.example/prod/")
        found = re.search(r"^token +(\S+)$", output, re.MULTILINE)
        assert found
        self.assertEqual(code, 0)
        self.assertIn(f"digest  {hashlib.sha256(found[1].encode()).hexdigest()}\n", output)
        self.assertEqual(digest(found[1]), hashlib.sha256(found[1].encode()).hexdigest())
        urls = re.findall(r"^  (https://\S+)$", output, re.MULTILINE)
        self.assertEqual(
            urls, ["https://abc.example/prod" + path.replace("{token}", found[1]) for *_, path in URLS]
        )

    def test_the_urls_are_those_of_the_template(self) -> None:
        routes = Template.read(ROOT / "template.yaml", parameters()).routes()
        self.assertEqual({path for *_, path in URLS}, set(routes))

    def test_the_address_comes_from_the_environment_or_is_left_open(self) -> None:
        self.assertIn("  https://abc.example/", printed(API_URL="https://abc.example")[1])
        self.assertIn(f"  {PLACEHOLDER}/", printed()[1])

    def test_no_token_is_made_for_an_address_that_it_must_not_be_sent_to(self) -> None:
        bad = (
            "http://abc.example",
            "abc.example",
            "https://",
            "https://a b",
            "https://me@x",
            "https://x?y",
            "-h",
        )
        for base in bad:
            with self.subTest(base=base):
                code, output = printed(base)
                self.assertEqual(code, 2)
                self.assertNotIn("digest", output)

    def test_it_runs_as_a_script_of_the_standard_library_alone(self) -> None:
        script = [sys.executable, "-I", "-S", str(ROOT / "local/make_token.py"), "https://abc.example"]
        done = subprocess.run(script, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("  https://abc.example/", done.stdout)
