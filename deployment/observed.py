"""What the built functions were seen to do: a test runs them on the sample events and writes it down here."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Series:
    """A metric with its unit and dimensions."""

    metric: str
    unit: str
    dimensions: frozenset[tuple[str, str]]

    def by(self, dimension: str) -> str | None:
        """The value of a dimension, if the series has it."""
        return dict(self.dimensions).get(dimension)

    def __str__(self) -> str:
        return said(self.metric, dict(self.dimensions))


def said(metric: str, dimensions: dict[str, str]) -> str:
    """A metric and its dimensions in one word."""
    return f"{metric}{{{', '.join(f'{name}={dimensions[name]}' for name in sorted(dimensions))}}}"


@dataclass(frozen=True)
class Observed:
    """Every series that a function emits, and everything that it asks AWS for."""

    series: frozenset[Series]
    # By binary: actions of IAM, each with the logical id of its resource.
    actions: dict[str, frozenset[tuple[str, str]]]
    # By binary and table: the attributes that its items may have.
    attributes: dict[str, dict[str, frozenset[str]]]

    def emitted_by(self, binaries: Iterable[str]) -> frozenset[Series]:
        """The series of a deployment that has these functions: a vendor that is not served says nothing."""
        return _emitted_by(self.series, frozenset(binaries))


@cache
def _emitted_by(series: frozenset[Series], binaries: frozenset[str]) -> frozenset[Series]:
    callbacks = {binary.replace("-", "_") for binary in binaries}
    providers = {each.by("provider") for each in series if each.by("callback") in callbacks}
    return frozenset(
        each
        for each in series
        if each.by("provider") in {None, *providers} and each.by("callback") in {None, *callbacks}
    )


@cache
def units(series: frozenset[Series]) -> dict[str, str]:
    """The unit of each of some series, by the series in one word."""
    return {str(each): each.unit for each in series}


@cache
def read(folder: Path | None = None) -> Observed:
    """Reads metrics.txt and permissions.txt."""
    folder = folder or FOLDER
    series = frozenset(_series(line) for line in (folder / "metrics.txt").read_text().splitlines() if line)
    actions: dict[str, set[tuple[str, str]]] = {}
    attributes: dict[str, dict[str, frozenset[str]]] = {}
    for line in (folder / "permissions.txt").read_text().splitlines():
        match line.split():
            case [binary, "dynamodb:Attributes", resource, names]:
                attributes.setdefault(binary, {})[resource] = frozenset(names.split(","))
            case [binary, action, resource]:
                actions.setdefault(binary, set()).add((action, resource))
    return Observed(series, {binary: frozenset(pairs) for binary, pairs in actions.items()}, attributes)


def _series(line: str) -> Series:
    metric, unit, *dimensions = line.split()
    pairs = (dimension.split("=", 1) for dimension in dimensions)
    return Series(metric, unit, frozenset((name, value) for name, value in pairs))
