"""Every function can be watched, deployed bit by bit, and has a place for what it cannot do."""

from collections.abc import Iterator

from ..observed import Observed, said
from ..transformed import Deployment, Properties, listed
from .metrics import Watched, watched_by

ALIAS = "live"
# What a function's errors and throttles are called by AWS.
TROUBLE = ("Errors", "Throttles")
# Functions that put nothing aside by design, and the outcome that must be watched instead: a push job is worth nothing
# later, so notify answers 503 and the caller is released at once.
ANSWERS_AT_ONCE = {"notify": "not_published"}
# The variable that names the topic for what a function cannot do.
PUTS_ASIDE = ("SPOOL_TOPIC_ARN", "DEAD_LETTERS_TOPIC_ARN")


def log_groups(deployment: Deployment, observed: Observed) -> list[str]:
    """Every function writes JSON into a log group of its own that this template makes."""
    groups = {deployment.ref(name): name for name in deployment.of_kind("AWS::Logs::LogGroup")}
    findings = []
    taken: dict[str, str] = {}
    for function, properties in deployment.functions().items():
        logging = properties.get("LoggingConfig", {})
        group = logging.get("LogGroup")
        if group not in groups:
            findings.append(f"{function} has no log group of this template, so its lines are kept for ever")
        elif group in taken:
            findings.append(f"{function} writes into the log group of {taken[group]}")
        else:
            taken[group] = function
        if logging.get("LogFormat") != "JSON":
            findings.append(f"{function} does not have Lambda's own lines in JSON (LogFormat)")
    return findings


def trouble_alarms(deployment: Deployment, observed: Observed) -> list[str]:
    """Errors and throttles of every function raise an alarm."""
    watched = [metric for _, metric in _alarmed(deployment)]
    findings = []
    for function in deployment.functions():
        for trouble in TROUBLE:
            if not any(
                metric.namespace == "AWS/Lambda"
                and metric.metric == trouble
                and metric.dimensions.get("FunctionName") == deployment.called(function)
                for metric in watched
            ):
                findings.append(f"no alarm watches the {trouble} of {function}")
    return findings


def _alarmed(deployment: Deployment) -> Iterator[tuple[str, Watched]]:
    for name, alarm in deployment.of_kind("AWS::CloudWatch::Alarm").items():
        for metric in watched_by(alarm).metrics:
            yield name, metric


def aliases(deployment: Deployment, observed: Observed) -> list[str]:
    """Every function is called by an alias, whose traffic CodeDeploy moves and an alarm brings back."""
    alarms = {deployment.called(name): name for name in deployment.of_kind("AWS::CloudWatch::Alarm")}
    groups = deployment.of_kind("AWS::CodeDeploy::DeploymentGroup")
    findings = []
    for function in deployment.functions():
        found = [
            name
            for name, each in deployment.of_kind("AWS::Lambda::Alias").items()
            if _is_alias(each, deployment.called(function))
        ]
        if not found:
            findings.append(f"{function} has no alias {ALIAS}")
            continue
        policy = (
            deployment.resources[found[0]].attributes.get("UpdatePolicy", {}).get("CodeDeployLambdaAliasUpdate", {})
        )
        group = groups.get(policy.get("DeploymentGroupName", ""))
        if group is None:
            findings.append(f"a new version of {function} gets all the traffic at once (DeploymentPreference)")
            continue
        watching = [each["Name"] for each in group.get("AlarmConfiguration", {}).get("Alarms", [])]
        findings += [
            f"the deployment of {function} waits for {each}, which is no alarm here"
            for each in watching
            if each not in alarms
        ]
        if not any(function in _functions_of(alarms[each], deployment) for each in watching if each in alarms):
            findings.append(f"no alarm of {function} stops its deployment")
    for name in groups:
        if name.removesuffix("DeploymentGroup") not in deployment.functions():
            findings.append(f"{name} deploys a function that is not there (PassthroughCondition)")
    return findings


def _is_alias(alias: Properties, function: str) -> bool:
    return (alias["FunctionName"], alias["Name"]) == (function, ALIAS)


def _functions_of(alarm: str, deployment: Deployment) -> set[str]:
    """The functions that an alarm watches."""
    watched = watched_by(deployment.of_kind("AWS::CloudWatch::Alarm")[alarm]).metrics
    called = {deployment.called(function): function for function in deployment.functions()}
    return {called[value] for metric in watched for value in metric.dimensions.values() if value in called}


def callers(deployment: Deployment, observed: Observed) -> list[str]:
    """Whatever calls a function calls its alias; what called the function itself would pass by the deployment."""
    known = {deployment.ref(name) for name in deployment.of_kind("AWS::Lambda::Alias")}
    findings = []
    for kind in ("AWS::Lambda::EventSourceMapping", "AWS::Lambda::Permission"):
        for name, each in deployment.of_kind(kind).items():
            if each["FunctionName"] not in known:
                findings.append(f"{name} calls {each['FunctionName']} past its alias")
    return findings


def dead_letters(deployment: Deployment, observed: Observed) -> list[str]:
    """What a function cannot do ends in a queue with an alarm, or is answered at once and raises an alarm."""
    findings = []
    for function in deployment.functions():
        outcome = ANSWERS_AT_ONCE.get(deployment.binary(function))
        topics = [value for name, value in deployment.environment(function).items() if name in PUTS_ASIDE]
        if outcome is not None:
            findings += _watched_outcome(function, outcome, deployment)
        elif not topics:
            findings.append(f"{function} has no place for what it cannot do (SPOOL_TOPIC_ARN, DEAD_LETTERS_TOPIC_ARN)")
        for topic in topics:
            findings += [f"what {function} puts aside {why}" for why in _path_of(topic, deployment)]
    for name, mapping in deployment.of_kind("AWS::Lambda::EventSourceMapping").items():
        queue = deployment.said(mapping["EventSourceArn"])
        findings += [f"what {name} brings {why}" for why in _end_of(queue, deployment)]
        if "ReportBatchItemFailures" not in mapping.get("FunctionResponseTypes", []):
            findings.append(f"{name} brings a whole batch again for the sake of one message")
    return findings


def vain_tries(deployment: Deployment, observed: Observed) -> list[str]:
    """Messages that are tried again and again raise an alarm before they are dead letters.

    The age of a queue's oldest message does not tell: SQS leaves messages out of it that were received three times
    (Amazon SQS, "Available CloudWatch metrics for Amazon SQS"), so it only grows while nothing is received at all.
    """
    if "replay" not in deployment.binaries():
        return []
    watched = [metric.dimensions.get("outcome") for _, metric in _alarmed(deployment) if metric.metric == "replayed"]
    if "back_to_the_queue" in watched:
        return []
    return [f"no alarm watches {said('replayed', {'outcome': 'back_to_the_queue'})}, records that replay tries in vain"]


def _watched_outcome(function: str, outcome: str, deployment: Deployment) -> list[str]:
    callback = deployment.binary(function).replace("-", "_")
    watched = [metric.dimensions for _, metric in _alarmed(deployment) if metric.metric == "callbacks"]
    if any(each.get("callback") == callback and each.get("outcome") == outcome for each in watched):
        return []
    series = said("callbacks", {"callback": callback, "outcome": outcome})
    return [f"no alarm watches {series}, and {function} puts nothing aside"]


def _path_of(topic: str, deployment: Deployment) -> list[str]:
    """What is wrong with the way from a topic to a queue in which a message ends."""
    subscriptions = deployment.of_kind("AWS::SNS::Subscription")
    own = {
        name: each for name, each in subscriptions.items() if each["TopicArn"] == topic and each["Protocol"] == "sqs"
    }
    if not own:
        return [f"is published to {deployment.said(topic)}, which no queue subscribes to"]
    problems = []
    for name, subscription in own.items():
        queue = subscription["Endpoint"]
        if queue not in {deployment.arn(each) for each in deployment.of_kind("AWS::SQS::Queue")}:
            problems.append(f"is sent to {queue} by {name}, which is no queue here")
            continue
        if not _may_send(topic, queue, deployment):
            problems.append(f"may not come from {deployment.said(topic)} into {deployment.said(queue)} (QueuePolicy)")
        problems += _undelivered(name, subscription, deployment)
        problems += _end_of(deployment.said(queue), deployment)
    return problems


def _undelivered(name: str, subscription: Properties, deployment: Deployment) -> list[str]:
    """What is wrong with the way that a message takes when SNS cannot deliver it."""
    topic = subscription["TopicArn"]
    if not subscription.get("RedrivePolicy"):
        if _watched_of(topic, "NumberOfNotificationsFailed", deployment):
            return []
        return [f"is lost without an alarm when {name} cannot be delivered to"]
    target = subscription["RedrivePolicy"]["deadLetterTargetArn"]
    into = deployment.said(target)
    problems = []
    if not _may_send(topic, target, deployment):
        problems.append(f"may not come into {into} when {name} cannot be delivered to (QueuePolicy)")
    if not _watched_of(topic, "NumberOfNotificationsFailedToRedriveToDlq", deployment):
        problems.append(f"is lost without an alarm when SNS can put it neither where {name} says nor into {into}")
    return problems


def _watched_of(topic: str, name: str, deployment: Deployment) -> bool:
    """Whether an alarm watches what SNS says of a topic."""
    watched = [metric for _, metric in _alarmed(deployment) if metric.metric == name]
    return deployment.called(deployment.said(topic)) in {metric.dimensions.get("TopicName") for metric in watched}


def _may_send(topic: str, queue: str, deployment: Deployment) -> bool:
    """Whether a queue takes messages of a topic."""
    queues = deployment.of_kind("AWS::SQS::Queue")
    for policy in deployment.of_kind("AWS::SQS::QueuePolicy").values():
        if queue not in [deployment.arn(name) for name in queues if deployment.ref(name) in policy["Queues"]]:
            continue
        for statement in policy["PolicyDocument"]["Statement"]:
            if statement["Effect"] != "Allow" or statement.get("Principal") != {"Service": "sns.amazonaws.com"}:
                continue
            sources = statement.get("Condition", {}).get("ArnEquals", {}).get("aws:SourceArn", [])
            if queue in listed(statement["Resource"]) and topic in listed(sources):
                return True
    return False


def _end_of(queue: str, deployment: Deployment) -> list[str]:
    """What is wrong with a queue as the place where a message ends: it has an alarm, or hands on to one that has."""
    read = {mapping["EventSourceArn"] for mapping in deployment.of_kind("AWS::Lambda::EventSourceMapping").values()}
    redrive = deployment.of_kind("AWS::SQS::Queue")[queue].get("RedrivePolicy")
    if deployment.arn(queue) in read:
        if not redrive:
            return [f"is lost when it was tried for too long: {queue} has no dead letters (RedrivePolicy)"]
        queue = deployment.said(redrive["deadLetterTargetArn"])
    if queue not in deployment.of_kind("AWS::SQS::Queue"):
        return [f"ends in {queue}, which is no queue here"]
    watched = [metric for _, metric in _alarmed(deployment) if metric.metric == "ApproximateNumberOfMessagesVisible"]
    if deployment.called(queue) not in {metric.dimensions.get("QueueName") for metric in watched}:
        return [f"ends in {queue}, which no alarm watches"]
    return []
