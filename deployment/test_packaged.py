"""The look at what `sam build` made, on packages of a few bytes."""

import tempfile
import unittest
from collections.abc import Callable
from pathlib import Path

from local.processes import StackError

from .packaged import MACHINES, check_that_it_starts, packaged

FUNCTION = "{0}: {{Type: AWS::Serverless::Function, Properties: {{CodeUri: {0}, MemorySize: !Ref Memory}}}}"
TEMPLATE = f"Resources:\n  {FUNCTION.format('One')}\n  {FUNCTION.format('Other')}\n  Table: {{Type: AWS::DynamoDB::Table}}\n"
MISSING = "environment variable AWS_REGION is missing"


class Packaged(unittest.TestCase):
    """A package is taken whole or refused in a sentence."""

    def setUp(self) -> None:
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.template, self.package = folder / "template.yaml", folder / "package"
        self.template.write_text(TEMPLATE)
        self.put("One", b"one")
        self.put("Other", b"other")
        (self.package / "template.yaml").write_text(TEMPLATE)

    def put(self, function: str, end: bytes, architecture: str = "x86_64") -> Path:
        """Puts a program into the package that is no more than its header."""
        bootstrap = self.package / function / "bootstrap"
        bootstrap.parent.mkdir(parents=True, exist_ok=True)
        bootstrap.write_bytes(b"\x7fELF" + bytes(14) + MACHINES[architecture].to_bytes(2, "little") + end)
        bootstrap.chmod(0o755)
        return bootstrap

    def test_a_whole_package_is_taken(self) -> None:
        self.assertEqual(list(packaged(self.package, self.template, "x86_64")), ["One", "Other"])

    def test_a_package_that_is_not_whole_is_refused(self) -> None:
        one = f"Resources:\n  {FUNCTION.format('One')}"
        breaks: list[tuple[str, Callable[[Path], object]]] = [
            ("has the functions One and not One, Other", lambda it: (it / "template.yaml").write_text(one)),
            ("Other has no program", lambda it: (it / "Other/bootstrap").unlink()),
            ("One has no program", lambda it: (it / "One/bootstrap").chmod(0o644)),
            ("is not for x86_64", lambda it: self.put("One", b"one", "arm64")),
            ("have the same binary", lambda it: self.put("Other", b"one")),
            ("`make package` makes it", lambda it: (it / "template.yaml").unlink()),
        ]
        for said, break_it in breaks:
            with self.subTest(said=said):
                self.setUp()
                break_it(self.package)
                with self.assertRaisesRegex(StackError, said):
                    packaged(self.package, self.template, "x86_64")

    def test_a_function_that_names_what_it_misses_starts_and_no_other_does(self) -> None:
        program = self.put("One", b"")
        for script, said in (
            (f'echo "{MISSING}"; exit 1', ""),
            (f'echo "{MISSING}"; exit 0', "One does not name"),
            ("echo killed; exit 1", "One does not name"),
        ):
            program.write_text(f"#!/bin/sh\n{script}\n")
            with self.subTest(script=script):
                if not said:
                    check_that_it_starts("One", program)
                    continue
                with self.assertRaisesRegex(StackError, said):
                    check_that_it_starts("One", program)
        with self.assertRaisesRegex(StackError, "One does not start as it should"):
            check_that_it_starts("One", self.put("One", b"one"))
