"""The look at what `sam build` made, on packages of a few bytes."""

import tempfile
import unittest
from pathlib import Path

from local.processes import StackError

from .packaged import MACHINES, check_that_it_starts, packaged

TEMPLATE = """
Resources:
  Table: {Type: AWS::DynamoDB::Table}
  OneFunction: {Type: AWS::Serverless::Function, Properties: {MemorySize: !Ref Memory}}
  OtherFunction: {Type: AWS::Serverless::Function, Properties: {MemorySize: !Ref Memory}}
"""


class Packaged(unittest.TestCase):
    """A package is taken whole or refused in a sentence."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.template = Path(folder.name) / "template.yaml"
        self.template.write_text(TEMPLATE)
        self.package = Path(folder.name) / "package"
        self.put("OneFunction", b"one")
        self.put("OtherFunction", b"other")
        self.say(TEMPLATE.replace("MemorySize: !Ref Memory", "CodeUri: OneFunction", 1))

    def say(self, template: str) -> None:
        """Writes the package's own template."""
        (self.package / "template.yaml").write_text(
            template.replace("MemorySize: !Ref Memory", "CodeUri: OtherFunction")
        )

    def put(self, function: str, end: bytes, architecture: str = "x86_64") -> Path:
        """Puts a program into the package that is no more than its header."""
        bootstrap = self.package / function / "bootstrap"
        bootstrap.parent.mkdir(parents=True, exist_ok=True)
        bootstrap.write_bytes(b"\x7fELF" + bytes(14) + MACHINES[architecture].to_bytes(2, "little") + end)
        bootstrap.chmod(0o755)
        return bootstrap

    def refusal(self) -> str:
        """Why the package is refused."""
        with self.assertRaises(StackError) as caught:
            packaged(self.package, self.template, "x86_64")
        return str(caught.exception)

    def test_a_whole_package_is_taken(self) -> None:
        found = packaged(self.package, self.template, "x86_64")
        self.assertEqual(["OneFunction", "OtherFunction"], list(found))

    def test_a_function_that_is_not_in_the_package_is_missed(self) -> None:
        self.say("Resources: {OneFunction: {Type: AWS::Serverless::Function, Properties: {CodeUri: OneFunction}}}")
        self.assertIn("and not OneFunction, OtherFunction", self.refusal())

    def test_a_function_without_a_program_is_named(self) -> None:
        (self.package / "OtherFunction" / "bootstrap").unlink()
        self.assertIn("OtherFunction has no program", self.refusal())

    def test_a_program_that_nobody_may_execute_is_refused(self) -> None:
        (self.package / "OneFunction" / "bootstrap").chmod(0o644)
        self.assertIn("OneFunction has no program", self.refusal())

    def test_a_program_for_another_processor_is_refused(self) -> None:
        self.put("OneFunction", b"one", "arm64")
        self.assertIn("is not for x86_64", self.refusal())

    def test_two_functions_with_one_program_are_refused(self) -> None:
        self.put("OtherFunction", b"one")
        self.assertIn("have the same binary", self.refusal())

    def test_a_package_that_was_not_built_says_how_to_build_it(self) -> None:
        (self.package / "template.yaml").unlink()
        self.assertIn("`make package` makes it", self.refusal())

    def test_a_function_that_names_what_it_misses_starts(self) -> None:
        check_that_it_starts("OneFunction", self.script('echo "environment variable AWS_REGION is missing"; exit 1'))

    def test_a_function_that_ends_for_another_reason_does_not_start(self) -> None:
        for script in ("echo killed; exit 1", 'echo "environment variable AWS_REGION is missing"; exit 0'):
            with self.subTest(script), self.assertRaisesRegex(StackError, "OneFunction does not name"):
                check_that_it_starts("OneFunction", self.script(script))

    def test_a_function_that_is_no_program_does_not_start(self) -> None:
        with self.assertRaisesRegex(StackError, "OneFunction does not start as it should"):
            check_that_it_starts("OneFunction", self.put("OneFunction", b"one"))

    def script(self, text: str) -> Path:
        """A program that only speaks."""
        path = self.put("OneFunction", b"")
        path.write_text(f"#!/bin/sh\n{text}\n")
        return path


if __name__ == "__main__":
    unittest.main()
