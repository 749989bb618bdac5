"""What concerns a deployment as a whole: its table, its queues, its key, its releases, its settings."""

import graphlib
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from local.cloudformation import REGION, ROOT, Deployment, Properties, Source, listed, out_of_bounds

from ..observed import Observed

# Properties that show encryption when the stack has no key. Log groups are always encrypted.
ENCRYPTED = {
    "AWS::DynamoDB::Table": '"SSEEnabled": true',
    "AWS::SNS::Topic": '"KmsMasterKeyId"',
    "AWS::SQS::Queue": '"SqsManagedSseEnabled": true',
    "AWS::Logs::LogGroup": "",
    "AWS::Lambda::Function": "",
}
# The table that `ringback rebuild` makes again.
MADE_OF_RECORDS = "ViewsTable"


def circles(deployment: Deployment, observed: Observed) -> Iterator[str]:
    """No resource needs itself, by way of what SAM makes: the linter sees only what is written."""
    needs = {name: set(_needs(each)) & set(deployment.deployed) for name, each in deployment.deployed.items()}
    try:
        graphlib.TopologicalSorter(needs).prepare()
    except graphlib.CycleError as error:
        yield f"these need each other: {', '.join(sorted(set(error.args[1])))}"


def _needs(value: Any) -> Iterator[str]:
    """The resources that a resource names."""
    if isinstance(value, list):
        for item in value:
            yield from _needs(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key in ("Ref", "DependsOn"):
                yield from map(str, listed(item))
            elif key == "Fn::GetAtt":
                yield (item.split(".") if isinstance(item, str) else item)[0]
            elif key == "Fn::Sub":
                yield from re.findall(r"\$\{(\w+)", str(item))
            if key != "Ref":
                yield from _needs(item)


def table(deployment: Deployment, observed: Observed) -> Iterator[str]:
    """What cannot be made again outlives the stack, and in production cannot be deleted by mistake."""
    for name, properties in deployment.of_kind("AWS::DynamoDB::Table").items():
        if name == MADE_OF_RECORDS:
            continue
        yield from _goes_with_the_stack(name, deployment)
        protected = str(properties.get("DeletionProtectionEnabled")).lower() == "true"
        if deployment.parameters["Stage"] == "prod" and not protected:
            yield f"{name} can be deleted in production (DeletionProtectionEnabled)"


def _goes_with_the_stack(name: str, deployment: Deployment) -> Iterator[str]:
    beside = deployment.resources[name].attributes
    for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
        if beside.get(policy) not in ("Retain", "RetainExceptOnCreate"):
            yield f"{name} goes with the stack ({policy})"


def policies(deployment: Deployment, observed: Observed) -> Iterator[str]:
    """Each queue has one policy, about itself alone, and policies allow something to services alone.

    SQS keeps no second policy and may refuse one about two queues. The scanner does not look at whom they let
    in.
    """
    of_queues = deployment.of_kind("AWS::SQS::QueuePolicy")
    urls = {deployment.arn(queue): deployment.ref(queue) for queue in deployment.of_kind("AWS::SQS::Queue")}
    for name, policy in of_queues.items():
        for statement in policy["PolicyDocument"]["Statement"]:
            about = [urls.get(arn, arn) for arn in listed(statement["Resource"])]
            if about != policy["Queues"] or len(about) != 1:
                yield f"{statement['Sid']} of {name} is not about its one queue alone"
    for kind in ("AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy"):
        for name, policy in deployment.of_kind(kind).items():
            for statement in policy["PolicyDocument"]["Statement"]:
                if statement["Effect"] == "Allow" and "Service" not in statement["Principal"]:
                    yield f"{name} allows {statement['Action']} to {statement['Principal']}"
    for arn, url in urls.items():
        count = sum(url in policy["Queues"] for policy in of_queues.values())
        if count != 1:
            yield f"{deployment.named_by(arn)} has {count} policies instead of one"


def customer_key(deployment: Deployment, observed: Observed) -> Iterator[str]:
    """What keeps data is encrypted; with a key of the stack's own all of it is, and services can use it."""
    arns = {name: deployment.arn(name) for name in deployment.of_kind("AWS::KMS::Key")}
    # CloudWatch may not use AWS's own key for SNS; an alarm says nothing of a call.
    alarms = deployment.of_kind("AWS::CloudWatch::Alarm").values()
    notified = {deployment.named_by(action) for alarm in alarms for action in alarm.get("AlarmActions", [])}
    for kind, switched_on in ENCRYPTED.items():
        for name, properties in deployment.of_kind(kind).items():
            if arns and not any(arn in json.dumps(properties) for arn in arns.values()):
                yield f"{name} is not encrypted with the stack's own key"
            if not arns and switched_on not in json.dumps(properties) and name not in notified:
                yield f"{name} is not encrypted"
    for name, key in deployment.of_kind("AWS::KMS::Key").items():
        yield from _goes_with_the_stack(name, deployment)
        allowed = [each for each in key["KeyPolicy"]["Statement"] if each["Effect"] == "Allow"]
        for service in ("sns.amazonaws.com", "cloudwatch.amazonaws.com", f"logs.{REGION}.amazonaws.com"):
            if not _by_service(allowed, service):
                yield f"{name} is closed to {service}"
        patterns = [
            pattern
            for statement in _by_service(allowed, f"logs.{REGION}.amazonaws.com")
            for pattern in statement["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"]
        ]
        for group in deployment.of_kind("AWS::Logs::LogGroup"):
            arn = deployment.arn(group).removesuffix(":*")
            if not any(fnmatchcase(arn, pattern) for pattern in patterns):
                yield f"{name} is closed to CloudWatch Logs for {group}"


def _by_service(statements: list[Properties], service: str) -> list[Properties]:
    return [each for each in statements if service in listed(each["Principal"].get("Service", []))]


def releases(earlier: Deployment, later: Deployment) -> Iterator[str]:
    """Two deployments with nothing new but the release publish a version of every function.

    SAM asks for one when the template's text changes, which a parameter's value is no part of; CloudFormation
    replaces a version when a property of it changes; and Lambda publishes none while the function itself is
    as it was. So the release must be in both, or a new digest of the token would not reach the alias.
    """
    before, after = (
        {each["FunctionName"]: each for each in deployment.of_kind("AWS::Lambda::Version").values()}
        for deployment in (earlier, later)
    )
    for name, properties in later.functions().items():
        if before.get(name) == after.get(name):
            yield f"{name} has no new version when the release is new (VersionDescription)"
        if properties == earlier.functions()[name]:
            yield f"{name} does not change with the release, so that Lambda publishes nothing (Description)"


def settings(source: Source, text: str | None = None) -> Iterator[str]:
    """samconfig.toml gives parameters that the template has, values that they may have, and no secret."""
    for stage, commands in tomllib.loads(text or (ROOT / "samconfig.toml").read_text()).items():
        if stage == "version":
            continue
        given = parameter_overrides(commands.get("deploy", {}).get("parameters", {}))
        for name, value in given.items():
            declared = source["Parameters"].get(name)
            if declared is None:
                yield f"samconfig.toml [{stage}] gives {name}, which template.yaml does not have"
                continue
            yield from (
                f"samconfig.toml [{stage}]: {reason}" for reason in out_of_bounds(name, declared, value)
            )
            if str(declared.get("NoEcho")).lower() == "true":
                yield f"samconfig.toml [{stage}] gives {name}, which is a secret"
        if given.get("Stage") != stage:
            yield f"samconfig.toml [{stage}] deploys with Stage={given.get('Stage')}"


def parameter_overrides(parameters: dict[str, Any]) -> dict[str, str]:
    """The parameters of the template that a section of samconfig.toml sets."""
    return dict(shlex.split(each)[0].split("=", 1) for each in parameters.get("parameter_overrides", []))
