"""What concerns a deployment as a whole: its references, its table, its releases, its settings."""

import json
import shlex
import tomllib
from collections.abc import Mapping
from fnmatch import fnmatchcase

from ..observed import Observed
from ..transformed import ROOT, Deployment, Properties, Source, listed, out_of_bounds

# What says that a resource is encrypted when there is no key of the stack's own; log groups always are.
ENCRYPTED = {
    "AWS::DynamoDB::Table": '"SSEEnabled": true',
    "AWS::SNS::Topic": '"KmsMasterKeyId"',
    "AWS::SQS::Queue": '"SqsManagedSseEnabled": true',
    "AWS::Logs::LogGroup": None,
    "AWS::Lambda::Function": None,
}


def references(deployment: Deployment, observed: Observed) -> list[str]:
    """Nothing names a resource that this deployment does not have: CloudFormation would refuse the stack."""
    return sorted(set(deployment.dangling))


def circles(deployment: Deployment, observed: Observed) -> list[str]:
    """No resource needs itself, by way of others: CloudFormation would not know which to make first."""
    left = {
        name: deployment.needs.get(name, set()) - {name} | set(listed(each.attributes.get("DependsOn", [])))
        for name, each in deployment.resources.items()
    }
    while True:
        can_be_made = {name for name, needs in left.items() if not needs & set(left)}
        if not can_be_made:
            break
        left = {name: needs for name, needs in left.items() if name not in can_be_made}
    return [f"{name} is in or behind a circle of references" for name in sorted(left)]


def table(deployment: Deployment, observed: Observed) -> list[str]:
    """The records outlive the stack, can be brought back, and in production cannot be deleted by mistake."""
    production = deployment.parameters["Stage"] == "prod"
    findings = []
    for name, properties in deployment.of_kind("AWS::DynamoDB::Table").items():
        findings += _goes_with_the_stack(name, deployment)
        if production and str(properties.get("DeletionProtectionEnabled")).lower() != "true":
            findings.append(f"{name} can be deleted in production (DeletionProtectionEnabled)")
        recovery = properties.get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled")
        if str(recovery).lower() != "true":
            findings.append(f"{name} cannot be brought back to an earlier moment (PointInTimeRecoverySpecification)")
    return findings


def _goes_with_the_stack(name: str, deployment: Deployment) -> list[str]:
    beside = deployment.resources[name].attributes
    return [
        f"{name} goes with the stack ({policy})"
        for policy in ("DeletionPolicy", "UpdateReplacePolicy")
        if beside.get(policy) not in ("Retain", "RetainExceptOnCreate")
    ]


def queue_policies(deployment: Deployment, observed: Observed) -> list[str]:
    """Each queue has one policy, about itself alone: SQS keeps no second one and may refuse one about two queues."""
    policies = deployment.of_kind("AWS::SQS::QueuePolicy")
    queues = {deployment.ref(name): name for name in deployment.of_kind("AWS::SQS::Queue")}
    findings = []
    for name, policy in policies.items():
        own = [queues.get(url, url) for url in policy["Queues"]]
        if len(own) != 1:
            findings.append(f"{name} is the policy of {' and '.join(own)} instead of one queue")
        for statement in policy["PolicyDocument"]["Statement"]:
            about = [deployment.said(arn) for arn in listed(statement["Resource"])]
            if len(about) != 1 or about != own:
                named = " and ".join(about)
                findings.append(f"{statement['Sid']} of {name} is about {named}, not about its queue alone")
    for url, queue in queues.items():
        count = sum(url in policy["Queues"] for policy in policies.values())
        if count != 1:
            findings.append(f"{queue} has {count} policies instead of one")
    return findings


def key_policy(deployment: Deployment, observed: Observed) -> list[str]:
    """A key of the stack's own outlives it, and serves every service that must write what is encrypted with it."""
    region = deployment.resolve({"Ref": "AWS::Region"})
    findings = []
    for name, key in deployment.of_kind("AWS::KMS::Key").items():
        findings += _goes_with_the_stack(name, deployment)
        allowed = [each for each in key["KeyPolicy"]["Statement"] if each["Effect"] == "Allow"]
        for service, does in (("sns", "deliver into a queue"), ("cloudwatch", "tell an alarm")):
            if not _by_service(allowed, f"{service}.amazonaws.com"):
                findings.append(f"{name} does not let {service}.amazonaws.com use it to {does}")
        logs = _by_service(allowed, f"logs.{region}.amazonaws.com")
        patterns = [
            pattern
            for statement in logs
            for pattern in statement.get("Condition", {})
            .get("ArnLike", {})
            .get("kms:EncryptionContext:aws:logs:arn", [])
        ]
        for group, properties in deployment.of_kind("AWS::Logs::LogGroup").items():
            arn = deployment.arn(group).removesuffix(":*")
            if "KmsKeyId" in properties and not any(fnmatchcase(arn, pattern) for pattern in patterns):
                findings.append(f"{name} does not let CloudWatch Logs use it for {group}")
    return findings


def _by_service(statements: list[Properties], service: str) -> list[Properties]:
    services = [(each, each["Principal"].get("Service", []) if each["Principal"] != "*" else []) for each in statements]
    return [each for each, named in services if service in ([named] if isinstance(named, str) else named)]


def encryption(deployment: Deployment, observed: Observed) -> list[str]:
    """Everything that keeps or passes on what was sent is encrypted; with a key of the stack's own all of it is."""
    key = next((deployment.arn(name) for name in deployment.of_kind("AWS::KMS::Key")), None)
    # CloudWatch may not use AWS's own key for SNS; an alarm tells nothing of a call.
    alarms = deployment.of_kind("AWS::CloudWatch::Alarm").values()
    told = {deployment.said(action) for alarm in alarms for action in alarm.get("AlarmActions", [])}
    findings = []
    for kind, switched_on in ENCRYPTED.items():
        for name, properties in deployment.of_kind(kind).items():
            text = json.dumps(properties)
            if key is not None and key not in text:
                findings.append(f"{name} is not encrypted with the stack's own key")
            if key is None and switched_on is not None and switched_on not in text and name not in told:
                findings.append(f"{name} is not encrypted")
    return findings


def releases(earlier: Deployment, later: Deployment) -> list[str]:
    """Two deployments with nothing new but the release publish a version of every function.

    SAM asks for one when the template's text changes, which a parameter's value is no part of; CloudFormation replaces
    a version when a property of it changes; and Lambda publishes none while the function itself is as it was. So the
    release must be in both, or a new digest of the token would not reach the alias.
    """
    before, after = _versions(earlier), _versions(later)
    findings = []
    for name, properties in later.functions().items():
        if before.get(name) == after.get(name):
            findings.append(f"{name} has no new version when the release is new (VersionDescription)")
        if properties == earlier.functions()[name]:
            findings.append(
                f"{name} is the same when the release is new, so that Lambda refuses to publish it (Description)"
            )
    return findings


def _versions(deployment: Deployment) -> dict[str, Properties]:
    """The version that is published, by its function."""
    return {each["FunctionName"]: each for each in deployment.of_kind("AWS::Lambda::Version").values()}


def settings(source: Source, text: str | None = None) -> list[str]:
    """samconfig.toml gives parameters that the template has, values that they may have, and no secret."""
    declared = source["Parameters"]
    findings = []
    for environment, commands in tomllib.loads(text or (ROOT / "samconfig.toml").read_text()).items():
        if not isinstance(commands, dict):
            continue
        for command, tables in commands.items():
            given = parameter_overrides(tables.get("parameters", {}))
            where = f"samconfig.toml [{environment}.{command}]"
            for name, value in given.items():
                if name not in declared:
                    findings.append(f"{where} gives {name}, which template.yaml does not have")
                    continue
                findings += [f"{where}: {reason}" for reason in out_of_bounds(name, declared[name], value)]
                if str(declared[name].get("NoEcho")).lower() == "true":
                    findings.append(f"{where} gives {name}, which is a secret")
            if command == "deploy" and given.get("Stage") != environment:
                findings.append(f"{where} deploys with Stage={given.get('Stage')}")
    return findings


def parameter_overrides(parameters: Mapping[str, object]) -> dict[str, str]:
    """The parameters of the template that a section of samconfig.toml sets."""
    overrides = parameters.get("parameter_overrides", [])
    words = shlex.split(overrides) if isinstance(overrides, str) else [str(each) for each in listed(overrides)]
    return dict(word.split("=", 1) for word in words)
