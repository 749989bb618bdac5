"""What the built functions were seen to do: `OBSERVE=write make test` runs them and writes it down here."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
# Metrics and outcomes that notify has only when it rings phones.
OF_RINGING = {"rung", "no_device", "dead_devices", "provider_refused_us", "push_ms"}
OF_RINGING |= {"provider_refused", "not_rung", "registry_unreadable"}


@dataclass(frozen=True)
class Series:
    """A metric with its unit and dimensions."""

    metric: str
    unit: str
    dimensions: Mapping[str, str]


@dataclass(frozen=True)
class Observed:
    """Every series that a function emits, and everything that it asks AWS for."""

    series: tuple[Series, ...]
    # By binary: actions of IAM, each with the logical id of its resource.
    actions: dict[str, set[tuple[str, str]]]
    # By binary: the attributes that the items it puts may have.
    attributes: dict[str, set[str]]

    def emitted_by(self, binaries: Iterable[str], rings: bool) -> dict[str, str]:
        """Name and unit of the series of these functions: a vendor that is not served has none."""
        callbacks = {binary.replace("-", "_") for binary in binaries}
        of_them = [each for each in self.series if each.dimensions.get("callback") in callbacks]
        providers = {None, *(each.dimensions.get("provider") for each in of_them)}
        return {
            series_name(each.metric, each.dimensions): each.unit
            for each in self.series
            if (
                rings
                if {each.metric, each.dimensions.get("outcome")} & OF_RINGING
                else each.dimensions.get("provider") in providers
                and each.dimensions.get("callback") in {None, *callbacks}
            )
        }


def series_name(metric: str, dimensions: Mapping[str, str]) -> str:
    """A metric and its dimensions as one text."""
    return f"{metric}{{{', '.join(f'{name}={dimensions[name]}' for name in sorted(dimensions))}}}"


@cache
def read() -> Observed:
    """Reads metrics.txt and permissions.txt."""
    series = []
    for line in (FOLDER / "metrics.txt").read_text().splitlines():
        metric, unit, *dimensions = line.split()
        series.append(Series(metric, unit, dict(each.split("=", 1) for each in dimensions)))
    actions: dict[str, set[tuple[str, str]]] = {}
    attributes: dict[str, set[str]] = {}
    for line in (FOLDER / "permissions.txt").read_text().splitlines():
        match line.split():
            case [binary, "dynamodb:Attributes", _, names]:
                attributes.setdefault(binary, set()).update(names.split(","))
            case [binary, action, resource]:
                actions.setdefault(binary, set()).add((action, resource))
    return Observed(tuple(series), actions, attributes)
