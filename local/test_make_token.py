"""The token and what is printed about it."""

import hashlib
import re
import subprocess
import sys
import unittest
from pathlib import Path

from .make_token import PLACEHOLDER, new_token, routes
from .stack import parameters
from .template import Template

ROOT = Path(__file__).resolve().parent.parent


def make_token(**environment: str) -> subprocess.CompletedProcess[str]:
    """What `make token` runs, with the standard library alone."""
    command = [sys.executable, "-S", str(ROOT / "local/make_token.py")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


class Token(unittest.TestCase):
    """What `make token` prints."""

    def test_a_token_has_256_random_bits_in_letters_that_a_path_holds(self) -> None:
        tokens = {new_token() for _ in range(1000)}
        self.assertEqual(len(tokens), 1000)
        for token in tokens:
            # Each letter of this alphabet holds six bits.
            self.assertRegex(token, r"^[A-Za-z0-9_-]{43}$")

    def test_the_digest_is_that_of_the_token_in_every_url(self) -> None:
        output = make_token(API_URL="https://abc.example/prod/").stdout
        found = re.search(r"^token +(\S+)$", output, re.MULTILINE)
        assert found
        self.assertIn(f"digest  {hashlib.sha256(found[1].encode()).hexdigest()}\n", output)
        urls = re.findall(r"^  (https://\S+)$", output, re.MULTILINE)
        paths = Template.read(ROOT / "template.yaml", parameters()).routes()
        self.assertEqual(set(routes()), set(paths))
        self.assertEqual(
            set(urls), {"https://abc.example/prod" + path.replace("{token}", found[1]) for path in paths}
        )
        self.assertIn(f"  {PLACEHOLDER}/", make_token().stdout)

    def test_no_token_is_made_for_an_address_that_it_must_not_be_sent_to(self) -> None:
        for base in (
            "http://abc.example",
            "abc.example",
            "https://",
            "https://a b",
            "https://me@x",
            "https://x?y",
        ):
            with self.subTest(base=base):
                done = make_token(API_URL=base)
                self.assertEqual((done.returncode, done.stdout), (1, ""))
