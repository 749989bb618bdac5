"""Each function's role allows what the function was seen to do, what Lambda itself needs for it, and nothing else."""

from collections.abc import Iterator
from typing import Any

from ..observed import Observed
from ..transformed import Deployment, Properties, listed

# Permission to act on a resource: an action of IAM and an ARN.
Permission = tuple[str, str]

# AWS Lambda, "Sending Lambda function logs to CloudWatch Logs"; the group is there already.
TO_LOG = ("logs:CreateLogStream", "logs:PutLogEvents")
# AWS Lambda, "Creating and configuring an Amazon SQS event source mapping": Lambda polls as the function.
TO_POLL = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
# AWS X-Ray, "Actions, resources, and condition keys": neither can be narrowed to a resource.
TO_TRACE = ("xray:PutTraceSegments", "xray:PutTelemetryRecords")
# What an action on an encrypted resource needs of the key: AWS KMS is asked in the name of whoever acts.
# Amazon SNS, "Managing Amazon SNS encryption keys and costs"; Amazon SQS, "Key management"; Amazon DynamoDB,
# "DynamoDB encryption at rest: usage notes".
OF_THE_KEY: dict[str, tuple[str, ...]] = {
    "sns:Publish": ("kms:Decrypt", "kms:GenerateDataKey"),
    "sqs:ReceiveMessage": ("kms:Decrypt",),
    "dynamodb:PutItem": ("kms:Decrypt",),
}
KEY_OF = {
    "AWS::SNS::Topic": ("KmsMasterKeyId",),
    "AWS::SQS::Queue": ("KmsMasterKeyId",),
    "AWS::DynamoDB::Table": ("SSESpecification", "KMSMasterKeyId"),
}


def roles(deployment: Deployment, observed: Observed) -> list[str]:
    """Each function has a role of its own that Lambda alone may take on; there is no other but CodeDeploy's."""
    findings = []
    used: dict[str, list[str]] = {}
    for function, properties in deployment.functions().items():
        used.setdefault(deployment.said(str(properties["Role"])), []).append(function)
    existing = deployment.of_kind("AWS::IAM::Role")
    for name, functions in used.items():
        if len(functions) > 1:
            findings.append(f"{name} is the role of more than one function: {', '.join(functions)}")
        if name not in existing:
            findings.append(f"{functions[0]} has the role {name}, which is none of this template's")
    for name, role in existing.items():
        service = _who_takes_it_on(role)
        if name not in used and service != ["codedeploy.amazonaws.com"]:
            findings.append(f"{name} is the role of no function")
        if name in used and service != ["lambda.amazonaws.com"]:
            findings.append(f"{name} may be taken on by {', '.join(service)}")
        if name in used and role.get("ManagedPolicyArns"):
            findings.append(f"{name} has managed policies, whose rights somebody else decides")
    for kind in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy", "AWS::IAM::UserPolicy"):
        findings += [f"{name} gives rights outside of the roles" for name in deployment.of_kind(kind)]
    return findings


def _who_takes_it_on(role: Properties) -> list[str]:
    principals = [statement["Principal"] for statement in role["AssumeRolePolicyDocument"]["Statement"]]
    return [who for each in principals for who in (["anybody"] if each == "*" else _flat(list(each.values())))]


def permissions(deployment: Deployment, observed: Observed) -> list[str]:
    """What a role allows is what its function was seen to do, and what Lambda needs."""
    findings = []
    for function in deployment.functions():
        name, statements = _statements_of(function, deployment)
        allowed = {pair for statement in statements for pair in _pairs(statement)}
        needed = set(_needed(function, deployment, observed))
        findings += [f"{name} lacks {said(each, deployment)}" for each in sorted(needed - allowed)]
        for each in sorted(allowed - needed):
            star = "a wildcard, " if "*" in each[0] or each[1].endswith("*") else ""
            findings.append(f"{name} allows {star}{said(each, deployment)}, which {function} was not seen to need")
        for statement in statements:
            if statement.get("Effect") != "Allow" or {"NotAction", "NotResource"} & set(statement):
                findings.append(f"{name} has a statement that does not name what it allows")
    return findings


def attributes(deployment: Deployment, observed: Observed) -> list[str]:
    """A function may put items of the attributes that records have, and of no others."""
    findings = []
    for function in deployment.functions():
        name, statements = _statements_of(function, deployment)
        tables = observed.attributes.get(deployment.binary(function), {}).values()
        put = {attribute for attributes in tables for attribute in attributes}
        for statement in statements:
            if "dynamodb:PutItem" not in _flat(statement.get("Action", [])):
                continue
            bound = statement.get("Condition", {}).get("ForAllValues:StringEquals", {}).get("dynamodb:Attributes", [])
            allowed = set(_flat(bound))
            if not allowed:
                findings.append(f"{name} does not bound the attributes of an item (dynamodb:Attributes)")
                continue
            findings += [f"{name} does not let {function} put the attribute {each}" for each in sorted(put - allowed)]
            findings += [
                f"{name} lets {function} put the attribute {each}, which no record has"
                for each in sorted(allowed - put)
            ]
    return findings


def _statements_of(function: str, deployment: Deployment) -> tuple[str, list[Properties]]:
    """The role of a function and what it allows."""
    name = deployment.said(str(deployment.functions()[function]["Role"]))
    policies = deployment.of_kind("AWS::IAM::Role").get(name, {}).get("Policies", [])
    return name, [statement for policy in policies for statement in listed(policy["PolicyDocument"]["Statement"])]


def _pairs(statement: Properties) -> Iterator[Permission]:
    for action in _flat(statement.get("Action", [])):
        for resource in _flat(statement.get("Resource", [])):
            yield action, resource


def _needed(function: str, deployment: Deployment, observed: Observed) -> Iterator[Permission]:
    """What a function was seen to do, and what Lambda does in its name."""
    actions = set(observed.actions.get(deployment.binary(function), ()))
    actions |= {(action, queue) for queue in _queues_of(function, deployment) for action in TO_POLL}
    for action, resource in actions:
        yield action, deployment.arn(resource)
        key = _key_of(resource, deployment)
        for of_the_key in OF_THE_KEY.get(action, ()) if key else ():
            yield of_the_key, str(key)
    properties = deployment.functions()[function]
    group = properties.get("LoggingConfig", {}).get("LogGroup", f"/aws/lambda/{function}")
    for action in TO_LOG:
        yield action, deployment.streams_of(group)
    if properties.get("TracingConfig", {}).get("Mode") == "Active":
        for action in TO_TRACE:
            yield action, "*"


def _queues_of(function: str, deployment: Deployment) -> Iterator[str]:
    """The queues that Lambda polls for a function."""
    for mapping in deployment.of_kind("AWS::Lambda::EventSourceMapping").values():
        if deployment.function_of(mapping["FunctionName"]) == function:
            yield deployment.said(mapping["EventSourceArn"])


def _key_of(resource: str, deployment: Deployment) -> str | None:
    """The ARN of the customer's key that a resource is encrypted with; AWS's own keys ask for no permission."""
    found = deployment.resources[resource]
    value: Any = found.properties
    for name in KEY_OF.get(found.kind, ()):
        value = value.get(name, {})
    keys = deployment.of_kind("AWS::KMS::Key")
    return next((deployment.arn(key) for key in keys if value in (deployment.ref(key), deployment.arn(key))), None)


def said(permission: Permission, deployment: Deployment) -> str:
    """A permission in words."""
    action, resource = permission
    return f"{action} on {deployment.said(resource)}"


def _flat(value: Any) -> list[str]:
    """A text, a list of texts, or a list of such lists as one list."""
    return [each for item in listed(value) for each in (_flat(item) if isinstance(item, list) else [str(item)])]
