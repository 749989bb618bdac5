"""Alarms and the dashboard watch metrics that exist, and alarms reach people who know what to do."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from local.cloudformation import REGION, ROOT, Deployment, Properties

from ..observed import Observed, series_name

# How a description points to the section of the runbook that says what to do.
RUNBOOK = re.compile(r"docs/runbook\.md#([a-z0-9-]+)")
# In an expression, what stands for a metric where it has no data.
FILL = re.compile(r"\bFILL\(\s*(\w+)")
# AWS's own metrics, by namespace and dimensions, as its documentation of each service lists them ("Monitor
# CloudWatch metrics for HTTP APIs", "Types of metrics for Lambda functions", "Available CloudWatch metrics
# for Amazon SQS", "Monitoring Amazon SNS topics", "DynamoDB Metrics and dimensions"). A name that is missing
# here need not be wrong: look it up and add it.
OF_AWS = {
    ("AWS/ApiGateway", "ApiId"): "4xx 5xx Count IntegrationLatency Latency DataProcessed",
    ("AWS/Lambda", "FunctionName Resource"): "Invocations Errors Throttles Duration ConcurrentExecutions "
    "IteratorAge",
    ("AWS/SQS", "QueueName"): "ApproximateAgeOfOldestMessage ApproximateNumberOfMessagesVisible",
    ("AWS/SNS", "TopicName"): "NumberOfNotificationsDelivered NumberOfNotificationsFailed "
    "NumberOfNotificationsFailedToRedriveToDlq",
    (
        "AWS/DynamoDB",
        "TableName",
    ): "ConsumedWriteCapacityUnits ReadThrottleEvents WriteThrottleEvents TimeToLiveDeletedItemCount",
    ("AWS/DynamoDB", "Operation TableName"): "SuccessfulRequestLatency SystemErrors ThrottledRequests",
}
# The kind of resource that a dimension names.
NAMED_BY = {
    "ApiId": "AWS::ApiGatewayV2::Api",
    "FunctionName": "AWS::Lambda::Function",
    "QueueName": "AWS::SQS::Queue",
    "TableName": "AWS::DynamoDB::Table",
    "TopicName": "AWS::SNS::Topic",
}


@dataclass(frozen=True)
class Watched:
    """A metric that an alarm or a widget looks at."""

    namespace: str
    metric: str
    dimensions: dict[str, str]
    unit: str | None = None
    identity: str | None = None

    def __str__(self) -> str:
        return f"{self.namespace} {series_name(self.metric, self.dimensions)}"


@dataclass
class Watching:
    """The metrics of an alarm or a widget, and what is computed from them, by id."""

    metrics: list[Watched] = field(default_factory=list)
    expressions: dict[str, str] = field(default_factory=dict)


def alarms(deployment: Deployment) -> dict[str, Properties]:
    """Every alarm."""
    return deployment.of_kind("AWS::CloudWatch::Alarm")


def alarmed(deployment: Deployment) -> list[Watched]:
    """Every metric that some alarm watches."""
    return [metric for alarm in alarms(deployment).values() for metric in watched_by(alarm).metrics]


def alarm_metrics(deployment: Deployment, observed: Observed) -> Iterator[str]:
    """Each alarm watches metrics that this deployment has, with the very dimensions that they come with."""
    for name, alarm in alarms(deployment).items():
        yield from unknown(name, watched_by(alarm), deployment, observed)


def alarm_duties(deployment: Deployment, observed: Observed) -> Iterator[str]:
    """Each alarm notifies a topic, says what missing data means, and names a section of the runbook."""
    topics = {deployment.ref(name) for name in deployment.of_kind("AWS::SNS::Topic")}
    headings = re.findall(r"^#+ +(.+?) *$", (ROOT / "docs/runbook.md").read_text(), re.MULTILINE)
    sections = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for name, alarm in alarms(deployment).items():
        if not set(alarm.get("AlarmActions", [])) & topics:
            yield f"{name} notifies no topic (AlarmActions)"
        if "TreatMissingData" not in alarm:
            yield f"{name} does not say what missing data means (TreatMissingData)"
        section = RUNBOOK.search(alarm.get("AlarmDescription", ""))
        if not section or section[1] not in sections:
            yield f"{name} names no section of docs/runbook.md in its description"
        results = [
            each for each in alarm.get("Metrics", []) if str(each.get("ReturnData", True)).lower() == "true"
        ]
        if "Metrics" in alarm and len(results) != 1:
            yield f"{name} has {len(results)} results instead of one (ReturnData)"


def missing_data(deployment: Deployment, observed: Observed) -> Iterator[str]:
    """Where a metric has no data, an alarm neither overlooks what comes late nor lasts for ever.

    Metrics arrive late, so that FILL makes the newest minute 0 each time it is looked at. Alarms on metrics
    of DynamoDB ignore missing data, whatever they say themselves (Amazon CloudWatch, "PutMetricAlarm").
    """
    for name, alarm in alarms(deployment).items():
        watching = watched_by(alarm)
        filled = {
            metric for expression in watching.expressions.values() for metric in FILL.findall(expression)
        }
        if filled and _overlooks_late_data(alarm):
            yield f"{name} sees a filled-in 0 in the place of what comes late (DatapointsToAlarm)"
        for metric in watching.metrics:
            if metric.namespace == "AWS/DynamoDB" and metric.identity not in filled:
                yield f"{name} watches {metric} without FILL, so that it does not end"


def _overlooks_late_data(alarm: Properties) -> bool:
    """Whether an alarm must see the newest period above its threshold."""
    periods = int(alarm["EvaluationPeriods"])
    needs_the_newest = int(alarm.get("DatapointsToAlarm", periods)) == periods
    seconds = min(int(each["MetricStat"]["Period"]) for each in alarm["Metrics"] if "MetricStat" in each)
    above = str(alarm["ComparisonOperator"]).startswith("GreaterThan")
    return above and needs_the_newest and (periods == 1 or seconds <= 60)


def alarm_topics(deployment: Deployment, observed: Observed) -> Iterator[str]:
    """The topics of the alarms take messages of CloudWatch, which may not use AWS's own key for SNS."""
    notified = {action for alarm in alarms(deployment).values() for action in alarm.get("AlarmActions", [])}
    open_to_cloudwatch = {
        statement["Resource"]
        for policy in deployment.of_kind("AWS::SNS::TopicPolicy").values()
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
        and statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    }
    for name, topic in deployment.of_kind("AWS::SNS::Topic").items():
        if deployment.ref(name) in notified - open_to_cloudwatch:
            yield f"{name} takes no alarms (TopicPolicy)"
        if deployment.ref(name) in notified and topic.get("KmsMasterKeyId") == "alias/aws/sns":
            yield f"{name} is encrypted with a key that CloudWatch may not use"


def dashboard(deployment: Deployment, observed: Observed) -> Iterator[str]:
    """There is one, and each widget shows metrics of this deployment and of its region."""
    found = list(widgets(deployment))
    if not found:
        yield "there is no dashboard"
    for where, widget in found:
        shown = widget["properties"]
        if widget["type"] == "metric":
            yield from unknown(where, shown_by(shown), deployment, observed)
        if widget["type"] in ("metric", "log") and shown.get("region") != REGION:
            yield f"{where} does not say that it is of this region"


def one_namespace(deployment: Deployment, observed: Observed) -> Iterator[str]:
    """Every function writes to the stack's own namespace, so that two stacks in an account do not mix."""
    own = _own_namespace(deployment)
    for name in deployment.functions():
        namespace = deployment.environment(name).get("METRICS_NAMESPACE")
        if namespace != own:
            yield f"{name} writes its metrics to {namespace}, not to {own}"


def _own_namespace(deployment: Deployment) -> str:
    return f"Ringback/{deployment.ref('AWS::StackName')}"


def watched_by(alarm: Properties) -> Watching:
    """What an alarm looks at, be it one metric or a computation."""
    watching = Watching()
    for each in alarm.get("Metrics", []):
        if "Expression" in each:
            watching.expressions[each["Id"]] = each["Expression"]
        else:
            stat = each["MetricStat"]
            watching.metrics.append(_metric(stat["Metric"], stat.get("Unit"), each["Id"]))
    if "MetricName" in alarm:
        watching.metrics.append(_metric(alarm, alarm.get("Unit"), None))
    return watching


def _metric(metric: Properties, unit: str | None, identity: str | None) -> Watched:
    dimensions = {each["Name"]: str(each["Value"]) for each in metric.get("Dimensions", [])}
    return Watched(metric["Namespace"], metric["MetricName"], dimensions, unit, identity)


def widgets(deployment: Deployment) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every widget of every dashboard, with a name for findings."""
    for body in deployment.of_kind("AWS::CloudWatch::Dashboard").values():
        for number, widget in enumerate(json.loads(body["DashboardBody"])["widgets"], start=1):
            yield f"the widget {widget['properties'].get('title', number)!r}", widget


def shown_by(properties: dict[str, Any]) -> Watching:
    """What a widget shows. In a row `.` repeats a part of the row above, `...` all parts up to the last."""
    watching = Watching()
    above: list[str] = []
    for number, row in enumerate(properties.get("metrics", [])):
        options = row[-1] if isinstance(row[-1], dict) else {}
        parts = row[:-1] if options else row
        if "expression" in options:
            watching.expressions[options.get("id", f"row {number}")] = options["expression"]
            continue
        if "..." in parts:
            at = parts.index("...")
            parts = [*parts[:at], *above[at : at + len(above) - len(parts) + 1], *parts[at + 1 :]]
        above = [str(above[index] if part == "." and above else part) for index, part in enumerate(parts)]
        namespace, metric, *dimensions = above
        pairs = dict(zip(dimensions[::2], dimensions[1::2], strict=True))
        watching.metrics.append(Watched(namespace, metric, pairs, None, options.get("id")))
    return watching


def unknown(where: str, watching: Watching, deployment: Deployment, observed: Observed) -> Iterator[str]:
    """What is watched though no function of this deployment emits it and AWS does not keep it."""
    if not watching.metrics:
        yield f"{where} watches no metric"
    emitted = emitted_in(deployment, observed)
    for metric in watching.metrics:
        series = series_name(metric.metric, metric.dimensions)
        if metric.namespace.startswith("AWS/"):
            yield from (f"{where} watches {metric}: {why}" for why in _not_of_aws(metric, deployment))
        elif metric.namespace != _own_namespace(deployment):
            yield f"{where} watches {metric}: no function writes to this namespace"
        elif series not in emitted:
            yield f"{where} watches {series}, which no function emits"
        elif metric.unit not in (None, emitted[series]):
            yield f"{where} watches {series} in {metric.unit}, which comes in {emitted[series]}"
    defined = {metric.identity for metric in watching.metrics} | set(watching.expressions)
    for expression in watching.expressions.values():
        # Ids begin with a small letter; functions and words like AND do not.
        for name in sorted(set(re.findall(r"(?<![\w.])[a-z]\w*", expression)) - defined):
            yield f"{where} computes with {name}, which is no metric of it: {expression}"


def emitted_in(deployment: Deployment, observed: Observed) -> dict[str, str]:
    """Name and unit of every series that the functions of a deployment emit."""
    functions = deployment.functions()
    rings = any("RING_SECONDS" in deployment.environment(function) for function in functions)
    return observed.emitted_by(map(deployment.binary, functions), rings)


def _not_of_aws(metric: Watched, deployment: Deployment) -> Iterator[str]:
    known = OF_AWS.get((metric.namespace, " ".join(sorted(metric.dimensions))), "")
    if metric.metric not in known.split():
        yield "AWS has no such metric with these dimensions"
    for name, value in metric.dimensions.items():
        if name in NAMED_BY and value not in map(deployment.called, deployment.of_kind(NAMED_BY[name])):
            yield f"there is no {value} ({name}) in this deployment"
        if name == "Operation" and value != "PutItem":
            yield f"no function does {value}"
        aliases = deployment.of_kind("AWS::Lambda::Alias").values()
        if name == "Resource" and value not in {f"{each['FunctionName']}:{each['Name']}" for each in aliases}:
            yield f"there is no alias {value}"
