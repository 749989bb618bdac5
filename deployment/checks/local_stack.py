"""The local stack makes the very resources of the template, and its functions get the same environment."""

from collections.abc import Mapping
from typing import Any

from local import emulator, template
from local.stack import parameters

from ..transformed import ROOT, Deployment, Source

# What the local stack makes, by the kind of the template's resource.
MADE = ("AWS::DynamoDB::Table", "AWS::SNS::Topic", "AWS::SQS::Queue", "AWS::SNS::Subscription")
LOCAL_NAME = "ringback-local-"


class Written(emulator.Emulator):
    """The local stack's emulator with nobody behind it: what it would be told to make is written down."""

    def __init__(self) -> None:
        self.made: dict[str, set[str]] = {kind: set() for kind in MADE}
        self.dynamodb = self.sns = self.sqs = self

    def create_table(self, TableName: str, **properties: Any) -> dict[str, Any]:
        """DynamoDB's CreateTable."""
        self.made["AWS::DynamoDB::Table"].add(_bare(TableName))
        return {"TableDescription": {"TableArn": template_arn("dynamodb", f"table/{_bare(TableName)}")}}

    def update_time_to_live(self, TableName: str, **properties: Any) -> None:
        """DynamoDB's UpdateTimeToLive."""

    def create_queue(self, name: str, attributes: dict[str, str] | None = None) -> tuple[str, str]:
        """SQS's CreateQueue, with the queue's URL and ARN."""
        self.made["AWS::SQS::Queue"].add(_bare(name))
        arn = template_arn("sqs", _bare(name))
        return f"https://sqs.{template.REGION}.amazonaws.com/{template.ACCOUNT}/{_bare(name)}", arn

    def create_topic(self, Name: str, Attributes: Mapping[str, str]) -> dict[str, str]:
        """SNS's CreateTopic."""
        self.made["AWS::SNS::Topic"].add(_bare(Name))
        return {"TopicArn": template_arn("sns", _bare(Name))}

    def subscribe(self, topic: str, subscription: dict[str, Any]) -> None:
        """SNS's Subscribe."""
        self.made["AWS::SNS::Subscription"].add(f"{_last(topic)} to {_last(subscription['Endpoint'])}")


def _bare(name: str) -> str:
    return name.removeprefix(LOCAL_NAME)


def _last(arn: str) -> str:
    return arn.rsplit(":", 1)[-1]


def template_arn(service: str, rest: str) -> str:
    """An ARN as the transformed template has it."""
    return f"arn:aws:{service}:{template.REGION}:{template.ACCOUNT}:{rest}"


def same_parameters(source: Source) -> Deployment:
    """The deployment that AWS would make of the local stack's parameters."""
    return Deployment(source, parameters())


def agrees(deployment: Deployment, text: str | None = None) -> list[str]:
    """What the local stack makes and sets otherwise than AWS would."""
    read = template.Template(text or (ROOT / "template.yaml").read_text(), parameters())
    written = Written()
    written.create(read)
    findings = _resources(deployment, written.made)
    of_aws = {deployment.binary(name): deployment.environment(name) for name in deployment.functions()}
    here = {function.name: function.environment for function in read.functions()}
    findings += [f"the local stack has the function {name}, AWS has not" for name in sorted(set(here) - set(of_aws))]
    findings += [f"AWS has the function {name}, the local stack has not" for name in sorted(set(of_aws) - set(here))]
    for binary in sorted(set(of_aws) & set(here)):
        for name in sorted(set(of_aws[binary]) | set(here[binary])):
            on_aws, locally = of_aws[binary].get(name, "not there"), _bare(here[binary].get(name, "not there"))
            if on_aws != locally:
                findings.append(f"{name} of {binary} is {locally} in the local stack and {on_aws} on AWS")
    return findings


def _resources(deployment: Deployment, made: dict[str, set[str]]) -> list[str]:
    findings = []
    for kind in MADE:
        on_aws = set(deployment.of_kind(kind))
        if kind == "AWS::SNS::Subscription":
            subscriptions = deployment.of_kind(kind).values()
            on_aws = {f"{_last(each['TopicArn'])} to {_last(each['Endpoint'])}" for each in subscriptions}
        word = kind.rsplit("::", 1)[-1].lower()
        findings += [f"the local stack has the {word} {name}, AWS has not" for name in sorted(made[kind] - on_aws)]
        findings += [f"AWS has the {word} {name}, the local stack has not" for name in sorted(on_aws - made[kind])]
    return findings
