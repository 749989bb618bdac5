"""Each role allows what its function was seen to do, what Lambda itself needs for it, and nothing else."""

from collections.abc import Iterator
from typing import Any

from local.cloudformation import ACCOUNT, REGION, Deployment, Properties, listed

from ..observed import Observed

# AWS Lambda, "Sending Lambda function logs to CloudWatch Logs"; the group is there already.
TO_LOG = ("logs:CreateLogStream", "logs:PutLogEvents")
# AWS Lambda, "Creating and configuring an Amazon SQS event source mapping": Lambda polls as the function.
TO_POLL = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
# AWS Lambda, "Process DynamoDB records with Lambda": it reads the stream as the function too.
TO_READ_A_STREAM = tuple(
    f"dynamodb:{action}" for action in ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")
)
# AWS X-Ray, "Actions, resources, and condition keys": neither can be narrowed to a resource.
TO_TRACE = ("xray:PutTraceSegments", "xray:PutTelemetryRecords")
# The template's parameters that name SecureStrings; any key may encrypt those.
PUSH_KEYS = ("ApnsKeyParameter", "FcmKeyParameter")
ANY_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/*"
# What an action on an encrypted resource needs of the key (Amazon SNS, "Managing Amazon SNS encryption keys";
# Amazon SQS, "Key management"; Amazon DynamoDB, "DynamoDB encryption at rest: usage notes").
OF_THE_KEY: dict[str, tuple[str, ...]] = {
    "sns:Publish": ("kms:Decrypt", "kms:GenerateDataKey"),
    "sqs:ReceiveMessage": ("kms:Decrypt",),
    "sqs:SendMessage": ("kms:Decrypt", "kms:GenerateDataKey"),
    "dynamodb:PutItem": ("kms:Decrypt",),
}
# The keys of the items that a function may write into the table of devices. What notify deletes has any key.
MAY_WRITE = {"notify": ["ring#*"], "devices": ["user#*", "address#*"]}
WRITES = {"dynamodb:PutItem", "dynamodb:UpdateItem"}
# The variable without which a function does not touch a table, or does one thing less with it.
TOLD_BY: dict[object, str] = {
    "DevicesTable": "DEVICES_TABLE",
    "ViewsTable": "VIEWS_TABLE",
    ("dynamodb:Query", "RecordsTable"): "VIEWS_TABLE",
}
# All that history may write is when a user last looked.
SEEN = {
    "ForAllValues:StringLike": {"dynamodb:LeadingKeys": "user#*"},
    "ForAllValues:StringEquals": {"dynamodb:Attributes": ["pk", "sk", "seen_at", "seen_to", "expires_at"]},
}


def roles(deployment: Deployment, observed: Observed) -> Iterator[str]:
    """Each function has its own role, which only Lambda may assume. The one other role is CodeDeploy's."""
    existing = deployment.of_kind("AWS::IAM::Role")
    used: dict[str, str] = {}
    for function, properties in deployment.functions().items():
        name = deployment.named_by(str(properties["Role"]))
        if used.setdefault(name, function) != function:
            yield f"{name} is the role of {used[name]} and of {function}"
        if name not in existing:
            yield f"{function} has the role {name}, which is not in this template"
    for name, role in existing.items():
        who = [each["Principal"] for each in role["AssumeRolePolicyDocument"]["Statement"]]
        services = _flat([[each] if each == "*" else list(each.values()) for each in who])
        if name not in used and services != ["codedeploy.amazonaws.com"]:
            yield f"{name} is the role of no function"
        if name in used and services != ["lambda.amazonaws.com"]:
            yield f"{name} may be assumed by {', '.join(services)}"
        if name in used and role.get("ManagedPolicyArns"):
            yield f"{name} has managed policies, whose rights others decide"
    for kind in (
        "AWS::IAM::Policy",
        "AWS::IAM::ManagedPolicy",
        "AWS::IAM::RolePolicy",
        "AWS::IAM::UserPolicy",
    ):
        yield from (f"{name} gives rights outside of the roles" for name in deployment.of_kind(kind))


def permissions(deployment: Deployment, observed: Observed) -> Iterator[str]:
    """What a role allows is what its function was seen to do, and what Lambda needs."""
    for function in deployment.functions():
        role, statements = _statements_of(function, deployment)
        allowed = {
            (action, resource)
            for statement in statements
            for action in _flat(statement.get("Action", []))
            for resource in _flat(statement.get("Resource", []))
        }
        needed = set(_needed(function, deployment, observed))
        for action, resource in sorted(needed - allowed):
            yield f"{role} lacks {action} on {deployment.named_by(resource)}"
        for action, resource in sorted(allowed - needed):
            where = deployment.named_by(resource)
            yield f"{role} allows {action} on {where}, which {function} was not seen to need"
        for statement in statements:
            if statement.get("Effect") != "Allow" or {"NotAction", "NotResource"} & set(statement):
                yield f"{role} has a statement that does not name what it allows"


def attributes(deployment: Deployment, observed: Observed) -> Iterator[str]:
    """A function may put items of the attributes that records have, and of no others."""
    for function in deployment.functions():
        role, statements = _statements_of(function, deployment)
        put = observed.attributes.get(deployment.binary(function), set())
        for statement in statements:
            if "dynamodb:PutItem" not in _flat(statement.get("Action", [])):
                continue
            if statement["Resource"] != deployment.arn("RecordsTable"):
                continue
            condition = statement.get("Condition", {}).get("ForAllValues:StringEquals", {})
            allowed = set(_flat(condition.get("dynamodb:Attributes", [])))
            if not allowed:
                yield f"{role} does not bound the attributes of an item (dynamodb:Attributes)"
            elif allowed != put:
                yield f"{role} and the records of {function} differ in {', '.join(sorted(allowed ^ put))}"


def bounded(deployment: Deployment, observed: Observed) -> Iterator[str]:
    """Notify registers no phone, the registry touches no guard, history writes no call, and a key decrypts
    the push keys alone.
    """
    for function in deployment.functions():
        role, statements = _statements_of(function, deployment)
        for statement in statements:
            actions, condition = set(_flat(statement["Action"])), statement.get("Condition", {})
            if statement["Resource"] == deployment.arn("DevicesTable") and actions & WRITES:
                keys = _flat(condition.get("ForAllValues:StringLike", {}).get("dynamodb:LeadingKeys", []))
                if keys != MAY_WRITE[deployment.binary(function)]:
                    yield f"{role} may write items of any key into DevicesTable (dynamodb:LeadingKeys)"
            if deployment.binary(function) == "history" and actions & WRITES and condition != SEEN:
                yield f"{role} may write more than when a user last looked"
            if statement["Resource"] == ANY_KEY:
                parameters = condition["StringEquals"].get("kms:EncryptionContext:PARAMETER_ARN")
                if parameters != [_parameter(name, deployment) for name in PUSH_KEYS]:
                    yield f"{role} may decrypt more than the push keys (kms:EncryptionContext)"
                if condition["StringEquals"].get("kms:ViaService") != f"ssm.{REGION}.amazonaws.com":
                    yield f"{role} may decrypt outside of Parameter Store (kms:ViaService)"


def _parameter(name: str, deployment: Deployment) -> str:
    """The ARN of the SecureString that a parameter of the template names."""
    return f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{deployment.parameters[name]}"


def _statements_of(function: str, deployment: Deployment) -> tuple[str, list[Properties]]:
    """The role of a function and what it allows."""
    name = deployment.named_by(str(deployment.functions()[function]["Role"]))
    policies = deployment.of_kind("AWS::IAM::Role").get(name, {}).get("Policies", [])
    return name, [
        statement for policy in policies for statement in listed(policy["PolicyDocument"]["Statement"])
    ]


def _needed(function: str, deployment: Deployment, observed: Observed) -> Iterator[tuple[str, str]]:
    """What a function was seen to do, and what Lambda does in its name."""
    done: set[tuple[str, str]] = set()
    for mapping in deployment.of_kind("AWS::Lambda::EventSourceMapping").values():
        if deployment.function_of(mapping["FunctionName"]) == function:
            done |= set(_to_be_fed(mapping))
    key = next((deployment.arn(name) for name in deployment.of_kind("AWS::KMS::Key")), None)
    environment = {name: value for name, value in deployment.environment(function).items() if value}
    for action, resource in observed.actions.get(deployment.binary(function), ()):
        if resource in PUSH_KEYS:
            if deployment.parameters[resource] in environment.values():
                yield action, _parameter(resource, deployment)
                yield "kms:Decrypt", ANY_KEY
            continue
        # Without keys notify is not told of the devices, without reading replay not of the views.
        told_by = TOLD_BY.get(resource) or TOLD_BY.get((action, resource))
        if told_by is None or told_by in environment:
            done.add((action, deployment.arn(resource)))
    yield from done
    if key:
        yield from ((of_the_key, key) for action, _ in done for of_the_key in OF_THE_KEY.get(action, ()))
    properties = deployment.functions()[function]
    group = properties.get("LoggingConfig", {}).get("LogGroup", f"/aws/lambda/{function}")
    streams = next(
        (name for name in deployment.of_kind("AWS::Logs::LogGroup") if deployment.ref(name) == group), ""
    )
    yield from ((action, deployment.arn(streams) if streams else group) for action in TO_LOG)
    if properties.get("TracingConfig", {}).get("Mode") == "Active":
        yield from ((action, "*") for action in TO_TRACE)


def _to_be_fed(mapping: Properties) -> Iterator[tuple[str, str]]:
    """What Lambda does as the function, to feed it from a queue or from a stream."""
    table, stream, _ = mapping["EventSourceArn"].partition("/stream/")
    if not stream:
        yield from ((action, table) for action in TO_POLL)
        return
    yield from ((action, f"{table}/stream/*") for action in TO_READ_A_STREAM)
    if aside := mapping.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination"):
        yield "sqs:SendMessage", aside


def _flat(value: Any) -> list[str]:
    """A text, a list of texts, or a list of such lists as one list."""
    return [
        each for item in listed(value) for each in (_flat(item) if isinstance(item, list) else [str(item)])
    ]
