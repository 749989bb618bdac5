"""template.yaml as CloudFormation gets it: after SAM's own transform, with expressions resolved.

This is the only reader of the template. The local stack runs what it finds (`local/template.py` prints it),
and the checks in `deployment/` look at the same. Where AWS would choose a name, the logical id stands in.
"""

import copy
import json
import logging
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import boto3
import yaml
from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator


class TemplateError(Exception):
    """What is wrong with the template or with a parameter, said without a trace."""


ROOT = Path(__file__).resolve().parent.parent
REGION = "us-east-1"
ACCOUNT = "000000000000"
PSEUDO_PARAMETERS = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackName": "ringback-local",
    "AWS::URLSuffix": "amazonaws.com",
}

# SAM's transform warns about feature switches that only its hosted form has.
logging.getLogger("samtranslator").setLevel(logging.ERROR)

Source = dict[str, Any]
Properties = dict[str, Any]
# Stands for "leave this property out", as AWS::NoValue does.
NO_VALUE = object()


def _arn(service: str, rest: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}"


# What `!Ref` means where it is not the name.
REFERENCES: dict[str, Callable[[str], str]] = {
    "AWS::SNS::Topic": lambda name: _arn("sns", name),
    "AWS::SQS::Queue": lambda name: f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{name}",
}
# What `!GetAtt` means.
ATTRIBUTES: dict[tuple[str, str], Callable[[str], str]] = {
    ("AWS::ApiGatewayV2::Api", "ApiEndpoint"): lambda name: (
        f"https://{name}.execute-api.{REGION}.amazonaws.com"
    ),
    ("AWS::ApiGatewayV2::DomainName", "RegionalDomainName"): lambda name: f"regional.{name}",
    ("AWS::ApiGatewayV2::DomainName", "RegionalHostedZoneId"): lambda name: "RegionalHostedZoneId",
    ("AWS::CloudWatch::Alarm", "Arn"): lambda name: _arn("cloudwatch", f"alarm:{name}"),
    ("AWS::DynamoDB::Table", "Arn"): lambda name: _arn("dynamodb", f"table/{name}"),
    ("AWS::DynamoDB::Table", "StreamArn"): lambda name: _arn("dynamodb", f"table/{name}/stream/1"),
    ("AWS::Events::Rule", "Arn"): lambda name: _arn("events", f"rule/{name}"),
    ("AWS::IAM::Role", "Arn"): lambda name: f"arn:aws:iam::{ACCOUNT}:role/{name}",
    ("AWS::KMS::Key", "Arn"): lambda name: _arn("kms", f"key/{name}"),
    ("AWS::Lambda::Function", "Arn"): lambda name: _arn("lambda", f"function:{name}"),
    ("AWS::Lambda::Version", "Version"): lambda name: "1",
    # It ends in `:*`, which stands for the group's streams.
    ("AWS::Logs::LogGroup", "Arn"): lambda name: _arn("logs", f"log-group:{name}:*"),
    ("AWS::SNS::Topic", "TopicName"): lambda name: name,
    ("AWS::SQS::Queue", "Arn"): lambda name: _arn("sqs", name),
    ("AWS::SQS::Queue", "QueueName"): lambda name: name,
}


@dataclass(frozen=True)
class Resource:
    """A resource with no expression left in it."""

    kind: str
    properties: Properties
    # What stands beside the properties: DeletionPolicy, UpdatePolicy, Metadata.
    attributes: dict[str, Any]


class _Loader(yaml.SafeLoader):
    """Reads YAML with CloudFormation's short tags."""


def _tag(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    """Turns a short tag into the long form: `!Sub x` means {"Fn::Sub": x}."""
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    else:
        raise yaml.YAMLError(f"!{suffix} cannot stand before a {type(node).__name__}")
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _tag)


def parse(text: str) -> Source:
    """A template as it is written. Each alias becomes a copy of what its anchor names."""
    try:
        source: Source = json.loads(json.dumps(yaml.load(text, _Loader), default=str))
    except yaml.YAMLError as error:
        raise TemplateError(f"the template is not YAML: {error}") from error
    return source


def read(path: Path = ROOT / "template.yaml") -> Source:
    """Reads a template from a file."""
    try:
        return parse(path.read_text())
    except OSError as error:
        raise TemplateError(f"{path} cannot be read: {error.strerror}") from error


def transform(source: Source, parameters: Mapping[str, str]) -> Source:
    """Runs SAM's transform. The code is said to be in S3, where `sam deploy` puts it."""
    packaged = copy.deepcopy(source)
    functions = [
        each for each in packaged["Resources"].values() if each["Type"] == "AWS::Serverless::Function"
    ]
    defaults = packaged.get("Globals", {}).get("Function", {})
    for properties in (defaults, *(each["Properties"] for each in functions)):
        if "CodeUri" in properties:
            properties["CodeUri"] = "s3://packaged/code"
    translator = Translator({}, Parser(), None, _session())
    try:
        made: Source = translator.translate(packaged, dict(parameters), feature_toggle=None)
    except InvalidDocumentException as error:
        reasons = "; ".join(each.message for each in error.causes)
        raise TemplateError(f"SAM refuses the template: {reasons}") from error
    return made


@cache
def _session() -> boto3.session.Session:
    return boto3.session.Session(region_name=REGION)


class Deployment:
    """The stack that a template and values of its parameters make."""

    def __init__(self, source: Source, given: Mapping[str, str]) -> None:
        self.parameters = parameter_values(source, given)
        self._template = transform(source, self.parameters) if source["Resources"] else source
        self._created: dict[str, dict[str, str]] = {}
        self.deployed = self._present("Resources")

    def created(self, name: str, ref: str, **attributes: str) -> None:
        """Remembers the real name of a resource that now exists."""
        self._created[name] = {"Ref": ref, **attributes}
        for known in ("resources", "outputs", "_by_arn"):
            self.__dict__.pop(known, None)

    def _present(self, section: str) -> dict[str, dict[str, Any]]:
        return {
            name: each
            for name, each in self._template.get(section, {}).items()
            if "Condition" not in each or self.holds(each["Condition"])
        }

    @cached_property
    def resources(self) -> dict[str, Resource]:
        """Every resource of this deployment."""
        return {name: self._resource(each) for name, each in self.deployed.items()}

    def _resource(self, written: dict[str, Any]) -> Resource:
        beside = {
            key: value for key, value in written.items() if key not in ("Type", "Condition", "Properties")
        }
        return Resource(written["Type"], self.resolve(written.get("Properties", {})), self.resolve(beside))

    @cached_property
    def outputs(self) -> dict[str, str]:
        """The outputs of the deployment."""
        return {name: str(self.resolve(each["Value"])) for name, each in self._present("Outputs").items()}

    def of_kind(self, kind: str) -> dict[str, Properties]:
        """Name and properties of every resource of a kind."""
        return {name: each.properties for name, each in self.resources.items() if each.kind == kind}

    def functions(self) -> dict[str, Properties]:
        """Every function."""
        return self.of_kind("AWS::Lambda::Function")

    def binary(self, function: str) -> str:
        """The binary that a function runs."""
        binary: str = self.deployed[function]["Metadata"]["BuildProperties"]["Binary"]
        return binary

    def environment(self, function: str) -> dict[str, str]:
        """The environment variables of a function."""
        variables = self.functions()[function].get("Environment", {}).get("Variables", {})
        return {name: str(value) for name, value in variables.items()}

    def routes(self) -> dict[tuple[str, str, str], str]:
        """The ARN that each route calls, by API, path and method."""
        return {
            (api, path, method): operation["x-amazon-apigateway-integration"]["uri"]
            .partition("/functions/")[2]
            .removesuffix("/invocations")
            for api, properties in self.of_kind("AWS::ApiGatewayV2::Api").items()
            for path, methods in properties["Body"]["paths"].items()
            for method, operation in methods.items()
        }

    def needs_signature(self, api: str, path: str, method: str) -> bool:
        """Whether a route takes only requests that are signed with AWS credentials."""
        operation = self.of_kind("AWS::ApiGatewayV2::Api")[api]["Body"]["paths"][path][method]
        return any("AWS_IAM" in each for each in operation.get("security", []))

    def ref(self, name: str) -> str:
        """What `!Ref` of a resource means."""
        return str(self.attribute(name, "Ref"))

    def arn(self, name: str) -> str:
        """The ARN of a resource."""
        kind = self.deployed[name]["Type"]
        ref_is_the_arn = kind in ("AWS::SNS::Topic", "AWS::Lambda::Alias")
        return self.ref(name) if ref_is_the_arn else str(self.attribute(name, "Arn"))

    def named_by(self, arn: str) -> str:
        """The logical id of the resource with an ARN, or the ARN if no resource has it."""
        return self._by_arn.get(arn, arn)

    @cached_property
    def _by_arn(self) -> dict[str, str]:
        kinds = {kind for kind, attribute in ATTRIBUTES if attribute == "Arn"}
        kinds |= {"AWS::SNS::Topic", "AWS::Lambda::Alias"}
        return {self.arn(name): name for name, each in self.deployed.items() if each["Type"] in kinds}

    def function_of(self, arn: str) -> str:
        """The function that the ARN of its alias, its own ARN or its name stands for."""
        called = str(arn).split(":function:")[-1].split(":")[0]
        return next((function for function in self.functions() if self.called(function) == called), called)

    def holds(self, condition: str) -> bool:
        """Whether a condition is true."""
        return bool(self.resolve(self._template["Conditions"][condition]))

    def resolve(self, value: Any) -> Any:
        """The value that an expression stands for."""
        if isinstance(value, list):
            return [item for item in map(self.resolve, value) if item is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((function, argument),) = value.items()
            # A policy's `Condition` is no condition of the template.
            if (function in ("Ref", "Condition") and isinstance(argument, str)) or function.startswith(
                "Fn::"
            ):
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
                return self._substitute(*([argument, {}] if isinstance(argument, str) else argument))
            case "Fn::FindInMap":
                name, first, second = self.resolve(argument)
                return self._template["Mappings"][name][first][second]
            case "Fn::If":
                condition, when_true, when_false = argument
                return self.resolve(when_true if self.holds(condition) else when_false)
            case "Fn::Split":
                return self.resolve(argument[1]).split(argument[0])
            case "Condition":
                return self.holds(argument)
        return decide(function, self.resolve(argument))

    def _substitute(self, text: str, variables: dict[str, Any]) -> str:
        def value(found: re.Match[str]) -> str:
            if found[1] in variables:
                return str(self.resolve(variables[found[1]]))
            resource, _, attribute = found[1].partition(".")
            return str(self._meaning(resource, attribute or "Ref"))

        # `${!Name}` is how a template writes a literal ${Name}.
        return re.sub(r"\$\{!", "${", re.sub(r"\$\{([^!}]+)\}", value, text))

    def _meaning(self, name: str, attribute: str) -> Any:
        return NO_VALUE if name == "AWS::NoValue" else self.attribute(name, attribute)

    def attribute(self, name: str, attribute: str) -> Any:
        """What `!Ref` or `!GetAtt` of a name means."""
        if attribute == "Ref" and name in PSEUDO_PARAMETERS:
            return PSEUDO_PARAMETERS[name]
        if attribute == "Ref" and name in self.parameters:
            return self.parameters[name]
        if attribute in self._created.get(name, {}):
            return self._created[name][attribute]
        if name not in self.deployed:
            raise TemplateError(f"template.yaml refers to {name}, which this deployment does not have")
        kind, called = self.deployed[name]["Type"], self.called(name)
        if kind in ("AWS::Lambda::Alias", "AWS::Lambda::Version") and attribute == "Ref":
            return _arn("lambda", f"function:{self._version_of(name)}")
        if attribute == "Ref":
            return REFERENCES.get(kind, str)(called)
        if (kind, attribute) not in ATTRIBUTES:
            unknown = f"{attribute} of {kind} ({name}) is unknown"
            raise TemplateError(f"{unknown}: add it to local/cloudformation.py")
        return ATTRIBUTES[kind, attribute](called)

    def called(self, name: str) -> str:
        """The name of a resource: the one it is given, or its logical id."""
        deployed = self.deployed[name]
        # A table has a TableName, and so on.
        own = f"{deployed['Type'].rsplit('::', 1)[-1].removesuffix('Name')}Name"
        given = deployed.get("Properties", {}).get(own)
        called = name if given is None else self.resolve(given)
        return name if called is NO_VALUE else str(called)

    def _version_of(self, name: str) -> str:
        """`function:alias`, and `function:1` of a version."""
        properties = self.deployed[name]["Properties"]
        return f"{self.resolve(properties['FunctionName'])}:{self.resolve(properties.get('Name', '1'))}"


def decide(function: str, arguments: list[Any]) -> bool:
    """The value of a condition function."""
    match function:
        case "Fn::Equals":
            return str(arguments[0]) == str(arguments[1])
        case "Fn::Not":
            return not arguments[0]
        case "Fn::And":
            return all(arguments)
        case "Fn::Or":
            return any(arguments)
    raise TemplateError(f"template.yaml: {function} is unknown: add it to local/cloudformation.py")


def parameter_values(source: Source, given: Mapping[str, str]) -> dict[str, str]:
    """Every parameter's value, as CloudFormation fills them in."""
    declared = source.get("Parameters", {})
    if unknown := sorted(set(given) - set(declared)):
        raise TemplateError(f"template.yaml has no parameter {', '.join(unknown)}")
    values = {name: given.get(name, each.get("Default")) for name, each in declared.items()}
    if missing := sorted(name for name, value in values.items() if value is None):
        raise TemplateError(f"template.yaml needs a value of {', '.join(missing)}")
    return {name: str(value) for name, value in values.items()}


def refusals(source: Source, given: Mapping[str, str]) -> list[str]:
    """Why CloudFormation would refuse these parameters: their own limits, then the Rules."""
    declared = source["Parameters"]
    values = parameter_values(source, given)
    reasons = [
        reason for name, value in values.items() for reason in out_of_bounds(name, declared[name], value)
    ]
    for rule in source.get("Rules", {}).values():
        if "RuleCondition" in rule and not _judge(rule["RuleCondition"], values):
            continue
        failed = [each for each in rule["Assertions"] if not _judge(each["Assert"], values)]
        reasons += [each["AssertDescription"] for each in failed]
    return reasons


def out_of_bounds(name: str, declared: dict[str, Any], value: str) -> list[str]:
    """Why a parameter may not have a value. The value of a secret is not repeated."""
    allowed, pattern = declared.get("AllowedValues"), declared.get("AllowedPattern")
    number = declared["Type"] == "Number"
    size = float(value) if number else len(value)
    kind = "Value" if number else "Length"
    shown = name if str(declared.get("NoEcho")).lower() == "true" else f"{name}={value}"
    reasons = []
    if allowed is not None and value not in map(str, allowed):
        reasons.append(f"{shown} is not one of {', '.join(map(str, allowed))}")
    if pattern is not None and not re.search(pattern, value):
        reasons.append(
            f"{shown} {declared.get('ConstraintDescription', f'does not match {pattern}')}".rstrip(".")
        )
    if not float(declared.get(f"Min{kind}", "-inf")) <= size <= float(declared.get(f"Max{kind}", "inf")):
        reasons.append(f"{shown} is out of bounds")
    return reasons


def _judge(value: Any, values: Mapping[str, str]) -> Any:
    """The value of an expression in a rule, which can refer only to parameters."""
    if isinstance(value, list):
        return [_judge(item, values) for item in value]
    if not isinstance(value, dict):
        return value
    ((function, argument),) = value.items()
    return values[argument] if function == "Ref" else decide(function, _judge(argument, values))


def listed(value: Any) -> list[Any]:
    """A list. CloudFormation and IAM accept a single member without brackets."""
    return value if isinstance(value, list) else [value]


def router(root: Path = ROOT) -> dict[str, str]:
    """The binary that serves each path, by the router table of Cargo.toml: the one list of callbacks here."""
    manifest = tomllib.loads((root / "Cargo.toml").read_text())
    table: dict[str, str] = manifest["workspace"]["metadata"]["lambda"]["watch"]["router"]
    return table
