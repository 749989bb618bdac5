"""Reads template.yaml, so that what runs here is what runs on AWS."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .expressions import Expressions
from .processes import StackError

REGION = "us-east-1"
ACCOUNT = "000000000000"

PSEUDO_PARAMETERS = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackName": "ringback-local",
    "AWS::URLSuffix": "amazonaws.com",
}


class _Loader(yaml.SafeLoader):
    """Reads YAML with CloudFormation's short tags."""


def _tag(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    """Turns a short tag into the long form: `!Sub x` means {"Fn::Sub": x}."""
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _tag)


@dataclass(frozen=True)
class Queue:
    """A queue that a function is fed from."""

    arn: str
    batch_size: int
    # Whether the function says which messages of a batch it could not handle.
    reports_failures: bool


@dataclass(frozen=True)
class Function:
    """One function of the template."""

    name: str
    routes: list[str]
    memory: str
    environment: dict[str, str]
    queues: tuple[Queue, ...] = ()


class Template(Expressions):
    """The template with its parameters filled in."""

    def __init__(self, text: str, parameters: dict[str, str]) -> None:
        self._document: dict[str, Any] = yaml.load(text, _Loader)
        self._parameters = dict(PSEUDO_PARAMETERS)
        for name, declared in self._document.get("Parameters", {}).items():
            value = parameters.get(name, declared.get("Default"))
            if value is None:
                raise StackError(f"template.yaml: the local stack gives the parameter {name} no value")
            self._parameters[name] = str(value)
        # What `!Ref` and `!GetAtt` mean for each resource: known once it is created.
        self._created: dict[str, dict[str, str]] = {}

    @classmethod
    def read(cls, path: Path, parameters: dict[str, str]) -> "Template":
        """Reads a template from a file."""
        try:
            return cls(path.read_text(), parameters)
        except (OSError, yaml.YAMLError) as error:
            raise StackError(f"{path} cannot be read: {error}") from error

    def resources(self, kind: str) -> dict[str, dict[str, Any]]:
        """Name and properties (not yet resolved) of every resource of a kind, less those whose condition is false."""
        return {
            name: resource.get("Properties", {})
            for name, resource in self._document["Resources"].items()
            if resource["Type"] == kind and ("Condition" not in resource or self.holds(resource["Condition"]))
        }

    def created(self, name: str, ref: str, **attributes: str) -> None:
        """Remembers what a resource is called now that it exists."""
        self._created[name] = {"Ref": ref, **attributes}

    def functions(self) -> list[Function]:
        """Every function; what their environment names must have been created."""
        return [
            Function(
                name=self._binary(name),
                routes=self._routes(properties),
                memory=str(self.resolve(properties.get("MemorySize", self._globals().get("MemorySize", 128)))),
                environment=self._environment(properties),
                queues=self._queues(properties),
            )
            for name, properties in self.resources("AWS::Serverless::Function").items()
        ]

    def binaries(self) -> list[str]:
        """The binary of every function."""
        return [self._binary(name) for name in self.resources("AWS::Serverless::Function")]

    def routes(self) -> dict[str, str]:
        """Which binary each path leads to."""
        functions = self.resources("AWS::Serverless::Function")
        return {route: self._binary(name) for name in functions for route in self._routes(functions[name])}

    def outputs(self) -> list[str]:
        """The names of what a deployment tells."""
        return list(self._document.get("Outputs", {}))

    def _globals(self) -> dict[str, Any]:
        defaults: dict[str, Any] = self._document.get("Globals", {}).get("Function", {})
        return defaults

    def _binary(self, name: str) -> str:
        binary: str = self._document["Resources"][name]["Metadata"]["BuildProperties"]["Binary"]
        return binary

    def _routes(self, properties: dict[str, Any]) -> list[str]:
        events = properties.get("Events", {}).values()
        return [self.resolve(event["Properties"]["Path"]) for event in events if event["Type"] == "HttpApi"]

    def _queues(self, properties: dict[str, Any]) -> tuple[Queue, ...]:
        events = (event["Properties"] for event in properties.get("Events", {}).values() if event["Type"] == "SQS")
        return tuple(
            Queue(
                arn=self.resolve(event["Queue"]),
                batch_size=int(self.resolve(event.get("BatchSize", 10))),
                reports_failures="ReportBatchItemFailures" in self.resolve(event.get("FunctionResponseTypes", [])),
            )
            for event in events
        )

    def _environment(self, properties: dict[str, Any]) -> dict[str, str]:
        common, own = (part.get("Environment", {}).get("Variables", {}) for part in (self._globals(), properties))
        return {name: str(value) for name, value in self.resolve({**common, **own}).items()}

    def attribute(self, name: str, attribute: str) -> Any:
        """What `!Ref` or `!GetAtt` of a name means."""
        if attribute == "Ref" and name in self._parameters:
            return self._parameters[name]
        try:
            return self._created[name][attribute]
        except KeyError:
            raise StackError(f"template.yaml: the local stack has no {attribute} of {name}") from None

    def condition(self, name: str) -> Any:
        """The expression of a condition."""
        return self._document["Conditions"][name]

    def mapping(self, name: str) -> dict[str, dict[str, Any]]:
        """The keys and values of a mapping."""
        found: dict[str, dict[str, Any]] = self._document["Mappings"][name]
        return found
