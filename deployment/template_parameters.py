"""The template's parameters: what CloudFormation will take, known before anything is built."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class Parameter:
    """One parameter as the template declares it."""

    default: str = ""
    secret: bool = False
    allowed: tuple[str, ...] = ()
    pattern: str = ""
    # The template's own words for what it must be.
    must: str = ""


class LenientLoader(yaml.SafeLoader):
    """Reads YAML and makes no more than text of CloudFormation's short tags."""


LenientLoader.add_multi_constructor("!", lambda loader, suffix, node: f"!{suffix} {node.value}")


def declared(template: Path) -> dict[str, Parameter]:
    """The parameters that a template declares."""
    parameters = yaml.load(template.read_text(), LenientLoader)["Parameters"]
    return {name: _parameter(each) for name, each in parameters.items()}


def _parameter(each: dict[str, Any]) -> Parameter:
    return Parameter(
        default=str(each.get("Default", "")),
        secret=str(each.get("NoEcho", "false")).lower() == "true",
        allowed=tuple(str(value) for value in each.get("AllowedValues", [])),
        pattern=each.get("AllowedPattern", ""),
        must=each.get("ConstraintDescription", ""),
    )


def refusal(name: str, value: str, parameter: Parameter) -> str:
    """Why CloudFormation would refuse a value; nothing when it would not."""
    shown = "" if parameter.secret else f"={value}"
    if parameter.allowed and value not in parameter.allowed:
        return f"{name}{shown} is none of {', '.join(parameter.allowed)}"
    if parameter.pattern and not re.fullmatch(parameter.pattern, value):
        return f"{name}{shown} {parameter.must or f'does not match {parameter.pattern}'}".rstrip(".")
    return ""
