"""Every function can be watched, is deployed step by step, and has a place for what it cannot do."""

from collections.abc import Iterator

from local.cloudformation import Deployment, Properties, listed

from ..observed import Observed, series_name
from .metrics import alarmed, alarms, watched_by

ALIAS = "live"
# Functions that put nothing aside by design, and the outcome that must be watched instead: a push job is worthless
# later, so notify answers 503 and the caller is released at once.
ANSWERS_AT_ONCE = {"notify": "not_published"}
# The variables that name the topic for what a function cannot do.
PUTS_ASIDE = ("SPOOL_TOPIC_ARN", "DEAD_LETTERS_TOPIC_ARN")


def log_groups(deployment: Deployment, observed: Observed) -> Iterator[str]:
    """Every function writes JSON to a log group of its own that this template makes."""
    groups = {deployment.ref(name) for name in deployment.of_kind("AWS::Logs::LogGroup")}
    taken: dict[str, str] = {}
    for function, properties in deployment.functions().items():
        logging = properties.get("LoggingConfig", {})
        group = logging.get("LogGroup")
        if group not in groups:
            yield f"{function} has no log group of this template, so its lines are kept for ever"
        elif taken.setdefault(group, function) != function:
            yield f"{function} writes to the log group of {taken[group]}"
        if logging.get("LogFormat") != "JSON":
            yield f"{function} does not have Lambda's own lines in JSON (LogFormat)"


def trouble_alarms(deployment: Deployment, observed: Observed) -> Iterator[str]:
    """Errors and throttles of every function raise an alarm."""
    watched = {(each.metric, each.dimensions.get("FunctionName")) for each in alarmed(deployment)}
    for function in deployment.functions():
        for trouble in ("Errors", "Throttles"):
            if (trouble, deployment.called(function)) not in watched:
                yield f"no alarm watches the {trouble} of {function}"


def aliases(deployment: Deployment, observed: Observed) -> Iterator[str]:
    """Every function is called by an alias, whose traffic CodeDeploy moves and an alarm brings back."""
    by_name = {deployment.called(name): alarm for name, alarm in alarms(deployment).items()}
    groups = deployment.of_kind("AWS::CodeDeploy::DeploymentGroup")
    live = {
        each["FunctionName"]: deployment.resources[name]
        for name, each in deployment.of_kind("AWS::Lambda::Alias").items()
        if each["Name"] == ALIAS
    }
    for function in deployment.functions():
        if deployment.called(function) not in live:
            yield f"{function} has no alias {ALIAS}"
            continue
        update = live[deployment.called(function)].attributes.get("UpdatePolicy", {})
        group = groups.get(update.get("CodeDeployLambdaAliasUpdate", {}).get("DeploymentGroupName", ""))
        if group is None:
            yield f"a new version of {function} gets all the traffic at once (DeploymentPreference)"
            continue
        watching = [each["Name"] for each in group.get("AlarmConfiguration", {}).get("Alarms", [])]
        yield from (
            f"the deployment of {function} waits for {each}, which is no alarm here"
            for each in watching
            if each not in by_name
        )
        watched = [each for name in watching if name in by_name for each in watched_by(by_name[name]).metrics]
        if deployment.called(function) not in {each.dimensions.get("FunctionName") for each in watched}:
            yield f"no alarm of {function} stops its deployment"
    known = {deployment.ref(name) for name in deployment.of_kind("AWS::Lambda::Alias")}
    for kind in ("AWS::Lambda::EventSourceMapping", "AWS::Lambda::Permission"):
        for name, each in deployment.of_kind(kind).items():
            if each["FunctionName"] not in known:
                yield f"{name} calls {each['FunctionName']} past its alias"


def dead_letters(deployment: Deployment, observed: Observed) -> Iterator[str]:
    """What a function cannot do ends in a queue with an alarm, or is answered at once and raises an alarm."""
    for function in deployment.functions():
        binary = deployment.binary(function)
        topics = [value for name, value in deployment.environment(function).items() if name in PUTS_ASIDE]
        if binary in ANSWERS_AT_ONCE:
            yield from _unwatched_outcome(function, ANSWERS_AT_ONCE[binary], deployment)
        elif not topics:
            yield f"{function} has no place for what it cannot do ({', '.join(PUTS_ASIDE)})"
        for topic in topics:
            yield from (f"what {function} puts aside {why}" for why in _path_of(topic, deployment))
    for name, mapping in deployment.of_kind("AWS::Lambda::EventSourceMapping").items():
        queue = deployment.named_by(mapping["EventSourceArn"])
        yield from (f"what {name} brings {why}" for why in _end_of(queue, deployment))
        if "ReportBatchItemFailures" not in mapping.get("FunctionResponseTypes", []):
            yield f"{name} brings a whole batch again for the sake of one message"


def vain_tries(deployment: Deployment, observed: Observed) -> Iterator[str]:
    """Messages that are tried again and again raise an alarm before they are dead letters.

    The age of a queue's oldest message does not show it: SQS leaves out messages that were received three times
    (Amazon SQS, "Available CloudWatch metrics for Amazon SQS"), so it only grows while nothing is received at all.
    """
    outcome = {"outcome": "back_to_the_queue"}
    if not any(each.metric == "replayed" and each.dimensions == outcome for each in alarmed(deployment)):
        yield f"no alarm watches {series_name('replayed', outcome)}, records that replay tries in vain"


def _unwatched_outcome(function: str, outcome: str, deployment: Deployment) -> Iterator[str]:
    wanted = {"callback": deployment.binary(function).replace("-", "_"), "outcome": outcome}
    if not any(wanted.items() <= each.dimensions.items() for each in alarmed(deployment)):
        yield f"no alarm watches {series_name('callbacks', wanted)}, and {function} puts nothing aside"


def _path_of(topic: str, deployment: Deployment) -> Iterator[str]:
    """What is wrong with the way from a topic to a queue in which a message ends."""
    subscriptions = deployment.of_kind("AWS::SNS::Subscription")
    to_queues = {
        name: each
        for name, each in subscriptions.items()
        if each["TopicArn"] == topic and each["Protocol"] == "sqs"
    }
    if not to_queues:
        yield f"is published to {deployment.named_by(topic)}, which no queue subscribes to"
    for name, subscription in to_queues.items():
        queue = subscription["Endpoint"]
        if not _may_send(topic, queue, deployment):
            yield (
                f"may not come from {deployment.named_by(topic)} into {deployment.named_by(queue)} (QueuePolicy)"
            )
        yield from _undelivered(name, subscription, deployment)
        yield from _end_of(deployment.named_by(queue), deployment)


def _undelivered(name: str, subscription: Properties, deployment: Deployment) -> Iterator[str]:
    """What is wrong with the way of a message that SNS cannot deliver."""
    topic = subscription["TopicArn"]
    if not subscription.get("RedrivePolicy"):
        if not _watched_of(topic, "NumberOfNotificationsFailed", deployment):
            yield f"is lost without an alarm when {name} cannot be delivered to"
        return
    target = subscription["RedrivePolicy"]["deadLetterTargetArn"]
    into = deployment.named_by(target)
    if not _may_send(topic, target, deployment):
        yield f"may not come into {into} when {name} cannot be delivered to (QueuePolicy)"
    if not _watched_of(topic, "NumberOfNotificationsFailedToRedriveToDlq", deployment):
        yield f"is lost without an alarm when SNS can put it neither where {name} says nor into {into}"


def _watched_of(topic: str, metric: str, deployment: Deployment) -> bool:
    """Whether an alarm watches what SNS says of a topic."""
    watched = {each.dimensions.get("TopicName") for each in alarmed(deployment) if each.metric == metric}
    return deployment.called(deployment.named_by(topic)) in watched


def _may_send(topic: str, queue: str, deployment: Deployment) -> bool:
    """Whether a queue takes messages of a topic."""
    url = deployment.ref(deployment.named_by(queue))
    return any(
        statement["Effect"] == "Allow"
        and statement["Principal"] == {"Service": "sns.amazonaws.com"}
        and queue in listed(statement["Resource"])
        and topic in listed(statement.get("Condition", {}).get("ArnEquals", {}).get("aws:SourceArn", []))
        for policy in deployment.of_kind("AWS::SQS::QueuePolicy").values()
        if url in policy["Queues"]
        for statement in policy["PolicyDocument"]["Statement"]
    )


def _end_of(queue: str, deployment: Deployment) -> Iterator[str]:
    """What is wrong with a queue as the end of a message: it has an alarm, or hands on to one that has."""
    mappings = deployment.of_kind("AWS::Lambda::EventSourceMapping").values()
    if deployment.arn(queue) in {mapping["EventSourceArn"] for mapping in mappings}:
        redrive = deployment.of_kind("AWS::SQS::Queue")[queue].get("RedrivePolicy")
        if not redrive:
            yield f"is lost when it was tried for too long: {queue} has no dead letters (RedrivePolicy)"
            return
        queue = deployment.named_by(redrive["deadLetterTargetArn"])
    watched = [each for each in alarmed(deployment) if each.metric == "ApproximateNumberOfMessagesVisible"]
    if deployment.called(queue) not in {each.dimensions.get("QueueName") for each in watched}:
        yield f"ends in {queue}, which no alarm watches"
