"""template.yaml as CloudFormation gets it: after SAM's own transform, with parameters filled in and conditions decided.

Nothing is created, so whatever AWS would name is named by its logical id here: an ARN tells whose it is.
"""

import copy
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

from local.expressions import NO_VALUE, Expressions, decide
from local.processes import StackError
from local.template import ACCOUNT, PSEUDO_PARAMETERS, REGION

ROOT = Path(__file__).resolve().parent.parent

# SAM's transform warns of feature switches and of its own statistics, which only its hosted form has.
logging.getLogger("samtranslator").setLevel(logging.ERROR)

Source = dict[str, Any]
Properties = dict[str, Any]

# The property by which a resource can be given a name of its own.
NAME_PROPERTIES = {
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::CloudWatch::Dashboard": "DashboardName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::IAM::Role": "RoleName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::ApiGatewayV2::DomainName": "DomainName",
    "AWS::ApiGatewayV2::Stage": "StageName",
}


def _arn(service: str, rest: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}"


# What `!Ref` means where it is not the name.
REFERENCES: dict[str, Callable[[str], str]] = {
    "AWS::SNS::Topic": lambda name: _arn("sns", name),
    "AWS::SQS::Queue": lambda name: f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{name}",
}
# What `!GetAtt` means.
ATTRIBUTES: dict[tuple[str, str], Callable[[str], str]] = {
    ("AWS::ApiGatewayV2::Api", "ApiEndpoint"): lambda name: f"https://{name}.execute-api.{REGION}.amazonaws.com",
    ("AWS::ApiGatewayV2::Api", "ApiId"): lambda name: name,
    ("AWS::ApiGatewayV2::DomainName", "RegionalDomainName"): lambda name: f"regional.{name}",
    ("AWS::ApiGatewayV2::DomainName", "RegionalHostedZoneId"): lambda name: "RegionalHostedZoneId",
    ("AWS::CloudWatch::Alarm", "Arn"): lambda name: _arn("cloudwatch", f"alarm:{name}"),
    ("AWS::DynamoDB::Table", "Arn"): lambda name: _arn("dynamodb", f"table/{name}"),
    ("AWS::IAM::Role", "Arn"): lambda name: f"arn:aws:iam::{ACCOUNT}:role/{name}",
    ("AWS::KMS::Key", "Arn"): lambda name: _arn("kms", f"key/{name}"),
    ("AWS::KMS::Key", "KeyId"): lambda name: name,
    ("AWS::Lambda::Function", "Arn"): lambda name: _arn("lambda", f"function:{name}"),
    ("AWS::Lambda::Version", "Version"): lambda name: "1",
    # It ends in `:*`, which stands for the group's streams.
    ("AWS::Logs::LogGroup", "Arn"): lambda name: _arn("logs", f"log-group:{name}:*"),
    ("AWS::SNS::Topic", "TopicArn"): lambda name: _arn("sns", name),
    ("AWS::SNS::Topic", "TopicName"): lambda name: name,
    ("AWS::SQS::Queue", "Arn"): lambda name: _arn("sqs", name),
    ("AWS::SQS::Queue", "QueueName"): lambda name: name,
    ("AWS::SQS::Queue", "QueueUrl"): lambda name: REFERENCES["AWS::SQS::Queue"](name),
}


@dataclass(frozen=True)
class Resource:
    """A resource of a deployment, with no expression left in it."""

    name: str
    kind: str
    properties: Properties
    # What stands beside the properties: DeletionPolicy, UpdatePolicy, Metadata.
    attributes: dict[str, Any]


def read(path: Path = ROOT / "template.yaml") -> Source:
    """The template as it is written."""
    source: Source = yaml_parse(path.read_text())
    return source


def parameter_values(source: Source, given: Mapping[str, str]) -> dict[str, str]:
    """Every parameter's value, as CloudFormation fills them in."""
    declared = source.get("Parameters", {})
    unknown = sorted(set(given) - set(declared))
    if unknown:
        raise StackError(f"template.yaml has no parameter {', '.join(unknown)}")
    values = {name: given.get(name, each.get("Default")) for name, each in declared.items()}
    missing = sorted(name for name, value in values.items() if value is None)
    if missing:
        raise StackError(f"template.yaml wants a value of {', '.join(missing)}")
    return {name: str(value) for name, value in values.items()}


def transform(source: Source, given: Mapping[str, str]) -> Source:
    """What SAM's transform makes of a template. The code is said to be in S3, where `sam package` puts it."""
    packaged = copy.deepcopy(source)
    functions = [each for each in packaged["Resources"].values() if each["Type"] == "AWS::Serverless::Function"]
    for properties in (packaged.get("Globals", {}).get("Function", {}), *(each["Properties"] for each in functions)):
        if "CodeUri" in properties:
            properties["CodeUri"] = "s3://packaged/code"
    try:
        made: Source = Translator({}, Parser(), None, _session()).translate(packaged, dict(given), feature_toggle=None)
    except InvalidDocumentException as error:
        raise StackError(f"SAM refuses template.yaml: {'; '.join(each.message for each in error.causes)}") from error
    return made


@cache
def _session() -> boto3.session.Session:
    return boto3.session.Session(region_name=REGION)


class Deployment(Expressions):
    """The stack that a template and values of its parameters make."""

    def __init__(self, source: Source, given: Mapping[str, str]) -> None:
        self.parameters = parameter_values(source, given)
        self.written = source
        self._template = transform(source, self.parameters)
        self._conditions: dict[str, Any] = self._template.get("Conditions", {})
        # References to what this deployment does not have: CloudFormation would refuse them.
        self.dangling: list[str] = []
        # By resource: those that it names, so that it can only be made after them.
        self.needs: dict[str, set[str]] = {}
        self._resolving = ""
        self._deployed = {
            name: each
            for name, each in self._template["Resources"].items()
            if "Condition" not in each or self.holds(each["Condition"])
        }
        self.resources = {name: self._resource(name, each) for name, each in self._deployed.items()}
        self.outputs: dict[str, str] = {}
        for name, output in self._template.get("Outputs", {}).items():
            if "Condition" not in output or self.holds(output["Condition"]):
                self._resolving = f"the output {name}"
                self.outputs[name] = str(self.resolve(output["Value"]))

    def _resource(self, name: str, written: dict[str, Any]) -> Resource:
        self._resolving = name
        beside = {key: value for key, value in written.items() if key not in ("Type", "Condition", "Properties")}
        return Resource(name, written["Type"], self.resolve(written.get("Properties", {})), self.resolve(beside))

    def of_kind(self, kind: str) -> dict[str, Properties]:
        """Name and properties of every resource of a kind."""
        return {name: each.properties for name, each in self.resources.items() if each.kind == kind}

    def functions(self) -> dict[str, Properties]:
        """Every function."""
        return self.of_kind("AWS::Lambda::Function")

    def binary(self, function: str) -> str:
        """The binary that a function runs."""
        binary: str = self.resources[function].attributes["Metadata"]["BuildProperties"]["Binary"]
        return binary

    def binaries(self) -> dict[str, str]:
        """The function of each binary."""
        return {self.binary(function): function for function in self.functions()}

    def environment(self, function: str) -> dict[str, str]:
        """The environment variables of a function."""
        variables = self.functions()[function].get("Environment", {}).get("Variables", {})
        return {name: str(value) for name, value in variables.items()}

    def ref(self, name: str) -> str:
        """What `!Ref` of a resource means."""
        return str(self.attribute(name, "Ref"))

    def arn(self, name: str) -> str:
        """The ARN of a resource."""
        return self.ref(name) if self.resources[name].kind == "AWS::SNS::Topic" else str(self.attribute(name, "Arn"))

    def said(self, arn: str) -> str:
        """An ARN as a reader knows it: by the logical id of the resource, when it is one."""
        names = [name for name, each in self.resources.items() if self._known_arn(name, each.kind) == arn]
        return names[0] if names else arn

    def _known_arn(self, name: str, kind: str) -> str | None:
        if kind == "AWS::SNS::Topic" or kind == "AWS::Lambda::Alias":
            return self.ref(name)
        return self.arn(name) if (kind, "Arn") in ATTRIBUTES else None

    def function_of(self, arn: str) -> str:
        """The function that the ARN of its alias, its own ARN or its name stands for."""
        called = str(arn).split(":function:")[-1].split(":")[0]
        return next((function for function in self.functions() if self.called(function) == called), called)

    def streams_of(self, group: str) -> str:
        """The ARN of the streams of a log group, by the group's name."""
        return _arn("logs", f"log-group:{group}:*")

    def condition(self, name: str) -> Any:
        """The expression of a condition."""
        return self._conditions[name]

    def mapping(self, name: str) -> dict[str, dict[str, Any]]:
        """The keys and values of a mapping."""
        found: dict[str, dict[str, Any]] = self._template["Mappings"][name]
        return found

    def attribute(self, name: str, attribute: str) -> Any:
        """What `!Ref` or `!GetAtt` of a name means."""
        if attribute == "Ref" and name in PSEUDO_PARAMETERS:
            return PSEUDO_PARAMETERS[name]
        if attribute == "Ref" and name in self.parameters:
            return self.parameters[name]
        if name not in self._deployed:
            self.dangling.append(f"{self._resolving} names {name}, which this deployment does not have")
            return f"nothing-{name}"
        self.needs.setdefault(self._resolving, set()).add(name)
        kind, called = self._deployed[name]["Type"], self.called(name)
        if kind in ("AWS::Lambda::Alias", "AWS::Lambda::Version"):
            if attribute == "Ref":
                return _arn("lambda", f"function:{self._version_of(name)}")
        elif attribute == "Ref":
            return REFERENCES.get(kind, str)(called)
        if (kind, attribute) not in ATTRIBUTES:
            raise StackError(
                f"template.yaml: {attribute} of {kind} is not known; teach it in deployment/transformed.py"
            )
        return ATTRIBUTES[kind, attribute](called)

    def called(self, name: str) -> str:
        """The name of a resource: the one it is given, or its logical id in the place of what AWS would make up."""
        deployed = self._deployed[name]
        given = deployed.get("Properties", {}).get(NAME_PROPERTIES.get(deployed["Type"], ""))
        called = name if given is None else self.resolve(given)
        return name if called is NO_VALUE else str(called)

    def _version_of(self, name: str) -> str:
        """`function:alias`, and `function:1` of a version."""
        properties = self._deployed[name]["Properties"]
        return f"{self.resolve(properties['FunctionName'])}:{self.resolve(properties.get('Name', '1'))}"


def listed(value: Any) -> list[Any]:
    """A list, which CloudFormation and IAM let one write without its brackets when it has one member."""
    return value if isinstance(value, list) else [value]


def refusals(source: Source, given: Mapping[str, str]) -> list[str]:
    """Why CloudFormation would not even begin with these parameters: their own bounds, then the Rules."""
    declared = source["Parameters"]
    unset = [name for name, each in declared.items() if name not in given and "Default" not in each]
    if unset:
        return [f"{name} has no value" for name in unset]
    values = parameter_values(source, given)
    reasons = [reason for name, value in values.items() for reason in out_of_bounds(name, declared[name], value)]
    for rule in source.get("Rules", {}).values():
        if "RuleCondition" in rule and not _judge(rule["RuleCondition"], values):
            continue
        failed = [each for each in rule["Assertions"] if not _judge(each["Assert"], values)]
        reasons += [each["AssertDescription"] for each in failed]
    return reasons


def out_of_bounds(name: str, declared: dict[str, Any], value: str) -> list[str]:
    """Why a parameter may not have a value."""
    allowed, pattern = declared.get("AllowedValues"), declared.get("AllowedPattern")
    number = declared["Type"] == "Number"
    size = float(value) if number else len(value)
    kind = "Value" if number else "Length"
    reasons = []
    if allowed is not None and value not in map(str, allowed):
        reasons.append(f"{name} may not be {value}")
    if pattern is not None and not re.search(pattern, value):
        reasons.append(f"{name} {declared.get('ConstraintDescription', f'must be like {pattern}')}")
    if size < float(declared.get(f"Min{kind}", "-inf")) or size > float(declared.get(f"Max{kind}", "inf")):
        reasons.append(f"{name} is too small, too large, too short or too long: {value}")
    return reasons


def _judge(value: Any, values: Mapping[str, str]) -> Any:
    """What an expression of a rule says; rules know parameters and nothing else."""
    if isinstance(value, list):
        return [_judge(item, values) for item in value]
    if not isinstance(value, dict):
        return value
    ((function, argument),) = value.items()
    return values[argument] if function == "Ref" else decide(function, _judge(argument, values))
