"""CloudFormation's expressions: what a template's intrinsic functions stand for, once names have a meaning."""

import json
import re
from abc import ABC, abstractmethod
from typing import Any

from .processes import StackError

# Stands for "leave this property out", as AWS::NoValue does.
NO_VALUE = object()


class Expressions(ABC):
    """Resolves expressions. What `!Ref`, `!GetAtt`, conditions and mappings mean, a reader of templates says."""

    @abstractmethod
    def attribute(self, name: str, attribute: str) -> Any:
        """What `!Ref` (attribute `Ref`) or `!GetAtt` of a name means."""

    @abstractmethod
    def condition(self, name: str) -> Any:
        """The expression of a condition."""

    @abstractmethod
    def mapping(self, name: str) -> dict[str, dict[str, Any]]:
        """The keys and values of a mapping."""

    def holds(self, condition: str) -> bool:
        """Whether a condition is true."""
        return bool(self.resolve(self.condition(condition)))

    def resolve(self, value: Any) -> Any:
        """The value that an expression stands for."""
        if isinstance(value, list):
            return [item for item in map(self.resolve, value) if item is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((function, argument),) = value.items()
            # A policy's `Condition` is no condition of the template.
            if (function in ("Ref", "Condition") and isinstance(argument, str)) or function.startswith("Fn::"):
                return self._apply(function, argument)
        resolved = {key: self.resolve(item) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item is not NO_VALUE}

    def _apply(self, function: str, argument: Any) -> Any:
        match function:
            case "Ref":
                return self._meaning(argument, "Ref")
            case "Fn::GetAtt":
                return self._meaning(*(argument.split(".", 1) if isinstance(argument, str) else argument))
            case "Fn::Sub":
                return self._substitute(argument)
            case "Fn::Join":
                separator, parts = argument
                return separator.join(str(part) for part in self.resolve(parts))
            case "Fn::Split":
                separator, text = argument
                return str(self.resolve(text)).split(separator)
            case "Fn::Select":
                index, items = argument
                return self.resolve(items)[int(index)]
            case "Fn::ToJsonString":
                return json.dumps(self.resolve(argument))
            case "Fn::FindInMap":
                name, first, second = self.resolve(argument)
                return self.mapping(name)[first][second]
            case "Fn::If":
                condition, when_true, when_false = argument
                return self.resolve(when_true if self.holds(condition) else when_false)
            case "Condition":
                return self.holds(argument)
        return decide(function, self.resolve(argument))

    def _meaning(self, name: str, attribute: str) -> Any:
        return NO_VALUE if name == "AWS::NoValue" else self.attribute(name, attribute)

    def _substitute(self, argument: str | list[Any]) -> str:
        text, variables = (argument, {}) if isinstance(argument, str) else argument

        def value(found: re.Match[str]) -> str:
            name = found[1]
            if name in variables:
                return str(self.resolve(variables[name]))
            resource, _, attribute = name.partition(".")
            return str(self._meaning(resource, attribute or "Ref"))

        # `${!Name}` is how a template writes a literal ${Name}.
        return re.sub(r"\$\{!", "${", re.sub(r"\$\{([^!}]+)\}", value, text))


def decide(function: str, arguments: list[Any]) -> bool:
    """What a condition function says of its arguments."""
    match function:
        case "Fn::Equals":
            return str(arguments[0]) == str(arguments[1])
        case "Fn::Not":
            return not arguments[0]
        case "Fn::And":
            return all(arguments)
        case "Fn::Or":
            return any(arguments)
        case "Fn::Contains":
            return str(arguments[1]) in map(str, arguments[0])
    raise StackError(f"template.yaml: {function} is not known here; teach it in local/expressions.py")
