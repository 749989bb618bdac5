"""What the local stack takes from template.yaml: its resources, its functions, and their environment."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import cloudformation
from .cloudformation import ACCOUNT, REGION, Deployment

__all__ = ["ACCOUNT", "REGION", "Function", "Queue", "Template"]


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


class Template:
    """The template with its parameters filled in."""

    def __init__(self, text: str, parameters: dict[str, str]) -> None:
        self._deployment = Deployment(cloudformation.parse(text), parameters)

    @classmethod
    def read(cls, path: Path, parameters: dict[str, str]) -> "Template":
        """Reads a template from a file."""
        template = cls.__new__(cls)
        template._deployment = Deployment(cloudformation.read(path), parameters)
        return template

    def resources(self, kind: str) -> dict[str, dict[str, Any]]:
        """Name and properties (not yet resolved) of every resource of a kind."""
        deployed = self._deployment.deployed
        return {name: each.get("Properties", {}) for name, each in deployed.items() if each["Type"] == kind}

    def created(self, name: str, ref: str, **attributes: str) -> None:
        """Remembers the real name of a resource that now exists."""
        self._deployment.created(name, ref, **attributes)

    def resolve(self, value: Any) -> Any:
        """The value that an expression stands for."""
        return self._deployment.resolve(value)

    def functions(self) -> list[Function]:
        """Every function; what their environment names must have been created."""
        routes = self.routes()
        return [
            Function(
                name=(binary := self._deployment.binary(name)),
                routes=[path for path, leads_to in routes.items() if leads_to == binary],
                memory=str(properties["MemorySize"]),
                environment=self._deployment.environment(name),
                queues=self._queues(name),
            )
            for name, properties in self._deployment.functions().items()
        ]

    def binaries(self) -> list[str]:
        """The binary of every function."""
        return [self._deployment.binary(name) for name in self.resources("AWS::Lambda::Function")]

    def routes(self) -> dict[str, str]:
        """Which binary each path leads to."""
        called = {path: arn for (_, path, _), arn in self._deployment.routes().items()}
        return {
            path: self._deployment.binary(self._deployment.function_of(arn)) for path, arn in called.items()
        }

    def _queues(self, function: str) -> tuple[Queue, ...]:
        mappings = self._deployment.of_kind("AWS::Lambda::EventSourceMapping").values()
        return tuple(
            Queue(
                arn=each["EventSourceArn"],
                batch_size=int(each.get("BatchSize", 10)),
                reports_failures="ReportBatchItemFailures" in each.get("FunctionResponseTypes", []),
            )
            for each in mappings
            if self._deployment.function_of(each["FunctionName"]) == function
        )
