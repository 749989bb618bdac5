"""Every function can be watched, is deployed step by step, and has a place for what it cannot do."""

from collections.abc import Iterator

from local.cloudformation import Deployment, Properties, listed

from ..observed import Observed, series_name
from .metrics import alarmed, alarms, emitted_in, watched_by

ALIAS = "live"
# The variables that name the topic for what a function cannot do. Three have none by design. A push job is
# worthless later, so notify answers 503 and the caller is released at once. An app registers its phone again,
# and asks for the history again.
PUTS_ASIDE = ("SPOOL_TOPIC_ARN", "DEAD_LETTERS_TOPIC_ARN")
ANSWERS_AT_ONCE = ("notify", "devices", "history")
# Outcomes that must raise an alarm. Records that replay cannot write do not show in the age of the spool's
# oldest message: SQS leaves out what was received three times ("Available CloudWatch metrics for Amazon
# SQS").
ALARMING = ("not_published", "not_stored", "panicked", "back_to_the_queue", "not_rung", "registry_unreadable")


def log_groups(deployment: Deployment, observed: Observed) -> Iterator[str]:
    """Every function writes JSON to its own log group, which this template makes."""
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


def watched(deployment: Deployment, observed: Observed) -> Iterator[str]:
    """Whatever loses a call or a record raises an alarm."""
    wanted = {(trouble, name) for name in deployment.functions() for trouble in ("Errors", "Throttles")}
    for mapping in deployment.of_kind("AWS::Lambda::EventSourceMapping").values():
        if "/stream/" in mapping["EventSourceArn"]:
            wanted.add(("IteratorAge", deployment.function_of(mapping["FunctionName"])))
    for subscription in deployment.of_kind("AWS::SNS::Subscription").values():
        topic = deployment.named_by(subscription["TopicArn"])
        if subscription["Protocol"] == "sqs":
            wanted.add(("NumberOfNotificationsFailed", topic))
            if subscription.get("RedrivePolicy"):
                wanted.add(("NumberOfNotificationsFailedToRedriveToDlq", topic))
    fed = {each["EventSourceArn"] for each in deployment.of_kind("AWS::Lambda::EventSourceMapping").values()}
    for queue in deployment.of_kind("AWS::SQS::Queue"):
        if deployment.arn(queue) not in fed:
            wanted.add(("ApproximateNumberOfMessagesVisible", queue))
    called = {deployment.called(name): name for name in deployment.deployed}
    seen = {
        (each.metric, called.get(value, ""))
        for each in alarmed(deployment)
        for value in each.dimensions.values()
    }
    yield from (f"no alarm watches {metric} of {name}" for metric, name in sorted(wanted - seen))
    emitted = emitted_in(deployment, observed)
    series = {series_name(each.metric, each.dimensions) for each in alarmed(deployment)}
    for each in observed.series:
        outcome, name = each.dimensions.get("outcome"), series_name(each.metric, each.dimensions)
        if outcome in ALARMING and name in emitted and name not in series:
            callback = each.dimensions.get("callback")
            yield f"no alarm watches {each.metric} of {outcome}{f', {callback}' if callback else ''}"


def aliases(deployment: Deployment, observed: Observed) -> Iterator[str]:
    """Every function is called by an alias, whose traffic CodeDeploy moves and an alarm brings back."""
    by_name = {deployment.called(name): alarm for name, alarm in alarms(deployment).items()}
    groups = deployment.of_kind("AWS::CodeDeploy::DeploymentGroup")
    live = {
        deployment.function_of(each["FunctionName"]): deployment.resources[name].attributes
        for name, each in deployment.of_kind("AWS::Lambda::Alias").items()
        if each["Name"] == ALIAS
    }
    for function in deployment.functions():
        if function not in live:
            yield f"{function} has no alias {ALIAS}"
            continue
        update = live[function].get("UpdatePolicy", {}).get("CodeDeployLambdaAliasUpdate", {})
        group = groups.get(update.get("DeploymentGroupName", ""), {})
        names = [each["Name"] for each in group.get("AlarmConfiguration", {}).get("Alarms", [])]
        for name in names:
            if name not in by_name:
                yield f"the deployment of {function} waits for {name}, which is no alarm here"
        metrics = [each for name in names for each in watched_by(by_name.get(name, {})).metrics]
        if deployment.called(function) not in {each.dimensions.get("FunctionName") for each in metrics}:
            yield f"no alarm of {function} stops its deployment (DeploymentPreference)"


def dead_letters(deployment: Deployment, observed: Observed) -> Iterator[str]:
    """What a function cannot do ends in a queue, by way of topics, policies and redrives that lead there."""
    for function in deployment.functions():
        topics = [value for name, value in deployment.environment(function).items() if name in PUTS_ASIDE]
        if not topics and deployment.binary(function) not in ANSWERS_AT_ONCE:
            yield f"{function} has no place for what it cannot do ({', '.join(PUTS_ASIDE)})"
        for topic in topics:
            yield from (f"what {function} puts aside {why}" for why in _path_of(topic, deployment))
    queues = deployment.of_kind("AWS::SQS::Queue")
    for name, mapping in deployment.of_kind("AWS::Lambda::EventSourceMapping").items():
        queue = deployment.named_by(mapping["EventSourceArn"])
        if "/stream/" in queue:
            yield from (f"{name} {why}" for why in _of_a_stream(mapping, deployment))
        elif "RedrivePolicy" not in queues[queue]:
            yield f"what is tried for too long is lost: {queue} has no dead letters (RedrivePolicy)"
        if "ReportBatchItemFailures" not in mapping.get("FunctionResponseTypes", []):
            yield f"{name} brings a whole batch again for the sake of one message"


def _of_a_stream(mapping: Properties, deployment: Deployment) -> Iterator[str]:
    """Why one change could hold up all others of its shard until they are gone, or vanish."""
    aside = mapping.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
    if deployment.named_by(str(aside)) not in deployment.of_kind("AWS::SQS::Queue"):
        yield "puts aside what fails, but not into a queue of this template (OnFailure)"
    if not 0 < int(mapping.get("MaximumRetryAttempts", -1)) <= 10:
        yield "tries a change that fails for too long (MaximumRetryAttempts)"
    if not mapping.get("BisectBatchOnFunctionError"):
        yield "does not find the change that fails (BisectBatchOnFunctionError)"
    if not int(mapping.get("TumblingWindowInSeconds", 0)):
        yield "does not name the shard of a batch (TumblingWindowInSeconds)"
    if mapping.get("StartingPosition") != "TRIM_HORIZON":
        yield "leaves out what the stream holds already (StartingPosition)"


def _path_of(topic: str, deployment: Deployment) -> Iterator[str]:
    """What is wrong with the way from a topic to a queue."""
    queues = []
    for subscription in deployment.of_kind("AWS::SNS::Subscription").values():
        if (subscription["TopicArn"], subscription["Protocol"]) == (topic, "sqs"):
            queues.append(subscription["Endpoint"])
            # What SNS cannot deliver goes here, in the name of the same topic.
            queues += subscription.get("RedrivePolicy", {}).values()
    if not queues:
        yield f"is published to {deployment.named_by(topic)}, which no queue subscribes to"
    for queue in queues:
        if not _may_send(topic, queue, deployment):
            yield f"may not come from {deployment.named_by(topic)} into {deployment.named_by(queue)}"


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
