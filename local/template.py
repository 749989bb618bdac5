"""Prints what the local stack takes from template.yaml, as JSON. `local/src/template.rs` reads it.

python -m local.template QUEUES [PARAMETER=VALUE]...

QUEUES is the address in front of the queues' names.
"""

import json
import sys
from typing import Any

from . import cloudformation
from .cloudformation import ACCOUNT, REGION, Deployment, TemplateError

PREFIX = "ringback-local-"


def resources(deployment: Deployment, queues: str) -> dict[str, Any]:
    """Tables, queues, topics, subscriptions and functions, under the names that they have on this machine."""
    kinds = {name: each["Type"] for name, each in deployment.deployed.items()}
    for name, kind in kinds.items():
        own = PREFIX + name
        match kind:
            case "AWS::DynamoDB::Table":
                stream = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{own}/stream/1"
                deployment.created(name, own, StreamArn=stream)
            case "AWS::SQS::Queue":
                arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{own}"
                deployment.created(name, f"{queues}/{own}", Arn=arn, QueueName=own)
            case "AWS::SNS::Topic":
                deployment.created(name, f"arn:aws:sns:{REGION}:{ACCOUNT}:{own}", TopicName=own)

    def named(kind: str) -> dict[str, Any]:
        return {PREFIX + name: properties for name, properties in deployment.of_kind(kind).items()}

    return {
        "tables": named("AWS::DynamoDB::Table"),
        "queues": named("AWS::SQS::Queue"),
        "topics": list(named("AWS::SNS::Topic")),
        "subscriptions": list(named("AWS::SNS::Subscription").values()),
        "functions": [function(deployment, name) for name in deployment.functions()],
    }


def function(deployment: Deployment, name: str) -> dict[str, Any]:
    """One function: what calls it, and what it is started with."""
    mappings = deployment.of_kind("AWS::Lambda::EventSourceMapping").values()
    return {
        "name": deployment.binary(name),
        "routes": [
            {"method": method, "path": path, "iam": deployment.needs_signature(api, path, method)}
            for (api, path, method), called in deployment.routes().items()
            if deployment.function_of(called) == name
        ],
        "memory": str(deployment.functions()[name]["MemorySize"]),
        "environment": deployment.environment(name),
        "queues": [
            {"arn": each["EventSourceArn"], "batch_size": int(each.get("BatchSize", 10))}
            for each in mappings
            if deployment.function_of(each["FunctionName"]) == name and ":sqs:" in each["EventSourceArn"]
        ],
        "streams": [
            {"table": each["EventSourceArn"].split("/")[1], "batch_size": each["BatchSize"]}
            for each in mappings
            if deployment.function_of(each["FunctionName"]) == name and "/stream/" in each["EventSourceArn"]
        ],
    }


def main(queues: str, *given: str) -> None:
    """Reads the template with these parameters."""
    parameters = dict(each.split("=", 1) for each in given)
    print(json.dumps(resources(Deployment(cloudformation.read(), parameters), queues)))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except TemplateError as error:
        sys.exit(str(error))
