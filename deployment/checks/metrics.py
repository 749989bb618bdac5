"""Alarms and the dashboard look at nothing that nobody emits."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..observed import Observed, said, units
from ..transformed import Deployment, Properties
from .aws_metrics import KNOWN, NAMED_BY

NAMESPACE_VARIABLE = "METRICS_NAMESPACE"
# How a description points to the section of the runbook that tells what to do.
RUNBOOK = re.compile(r"docs/runbook\.md#([a-z0-9-]+)")
# In an expression, what stands for a metric where it has no data.
FILL = re.compile(r"\bFILL\(\s*(\w+)")


@dataclass(frozen=True)
class Watched:
    """A metric that an alarm or a widget looks at."""

    namespace: str
    metric: str
    dimensions: dict[str, str]
    unit: str | None = None
    identity: str | None = None

    def __str__(self) -> str:
        return f"{self.namespace} {said(self.metric, self.dimensions)}"


@dataclass
class Watching:
    """The metrics of an alarm or a widget, and what is computed of them."""

    metrics: list[Watched] = field(default_factory=list)
    # By id; an expression without an id has an invented one, which no other expression can name.
    expressions: dict[str, str] = field(default_factory=dict)


def alarm_metrics(deployment: Deployment, observed: Observed) -> list[str]:
    """Each alarm watches metrics that this deployment has, with the very dimensions that they come with."""
    findings = []
    for name, alarm in deployment.of_kind("AWS::CloudWatch::Alarm").items():
        watching = watched_by(alarm)
        if not watching.metrics:
            findings.append(f"{name} watches no metric")
        findings += nobody_emits(name, watching, deployment, observed)
        findings += undefined_names(name, watching)
    return findings


def alarm_results(deployment: Deployment, observed: Observed) -> list[str]:
    """An alarm compares one number: of several metrics and expressions exactly one is its result."""
    findings = []
    for name, alarm in deployment.of_kind("AWS::CloudWatch::Alarm").items():
        results = [each for each in alarm.get("Metrics", []) if _true(each.get("ReturnData", True))]
        if "Metrics" in alarm and len(results) != 1:
            findings.append(f"{name} has {len(results)} results instead of one (ReturnData)")
    return findings


def alarm_duties(deployment: Deployment, observed: Observed) -> list[str]:
    """Each alarm tells somebody, says what missing data means, and names a section of the runbook."""
    topics = {deployment.ref(name) for name in deployment.of_kind("AWS::SNS::Topic")}
    findings = []
    for name, alarm in deployment.of_kind("AWS::CloudWatch::Alarm").items():
        actions = alarm.get("AlarmActions", [])
        if not actions:
            findings.append(f"{name} tells nobody (AlarmActions)")
        findings += [f"{name} tells {action}, which is no topic here" for action in actions if action not in topics]
        if not _true(alarm.get("ActionsEnabled", True)):
            findings.append(f"{name} has its actions switched off")
        if "TreatMissingData" not in alarm:
            findings.append(f"{name} does not say what missing data means (TreatMissingData)")
        if not RUNBOOK.search(alarm.get("AlarmDescription", "")):
            findings.append(f"{name} names no section of docs/runbook.md in its description")
    return findings


def missing_data(deployment: Deployment, observed: Observed) -> list[str]:
    """Where a metric has no data, an alarm neither overlooks what comes late nor stays as it was for ever.

    Metrics come with a delay, so that FILL makes the newest minute 0 each time that it is looked at. Alarms on metrics
    of DynamoDB ignore missing data, whatever they say themselves (Amazon CloudWatch, "PutMetricAlarm").
    """
    findings = []
    for name, alarm in deployment.of_kind("AWS::CloudWatch::Alarm").items():
        watching = watched_by(alarm)
        filled = {metric for expression in watching.expressions.values() for metric in FILL.findall(expression)}
        if filled and _overlooks_late_data(alarm):
            findings.append(f"{name} sees a filled-in 0 in the place of what comes late (DatapointsToAlarm)")
        findings += [
            f"{name} watches {metric} without FILL, so that it does not end"
            for metric in watching.metrics
            if metric.namespace == "AWS/DynamoDB" and metric.identity not in filled
        ]
    return findings


def _overlooks_late_data(alarm: Properties) -> bool:
    """Whether an alarm wants the newest period above its threshold, be it of one period or of nothing but minutes.

    One that wants a number below its threshold is there to see the 0.
    """
    periods = int(alarm["EvaluationPeriods"])
    wants_the_newest = int(alarm.get("DatapointsToAlarm", periods)) == periods
    seconds = min(int(each["MetricStat"]["Period"]) for each in alarm["Metrics"] if "MetricStat" in each)
    above = str(alarm["ComparisonOperator"]).startswith("GreaterThan")
    return above and wants_the_newest and (periods == 1 or seconds <= 60)


def alarm_topics(deployment: Deployment, observed: Observed) -> list[str]:
    """The topics that alarms tell take messages of CloudWatch, which may not use AWS's own key for SNS."""
    told = {
        action
        for alarm in deployment.of_kind("AWS::CloudWatch::Alarm").values()
        for action in [*alarm.get("AlarmActions", []), *alarm.get("OKActions", [])]
    }
    open_to_cloudwatch = {
        topic
        for policy in deployment.of_kind("AWS::SNS::TopicPolicy").values()
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow" and statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
        for topic in policy["Topics"]
        if statement["Action"] == "sns:Publish" and statement["Resource"] == topic
    }
    findings = []
    for name, topic in deployment.of_kind("AWS::SNS::Topic").items():
        if deployment.ref(name) not in told:
            continue
        if deployment.ref(name) not in open_to_cloudwatch:
            findings.append(f"{name} takes no alarms (TopicPolicy)")
        if topic.get("KmsMasterKeyId") == "alias/aws/sns":
            findings.append(f"{name} is encrypted with a key that CloudWatch may not use")
    return findings


def dashboard_metrics(deployment: Deployment, observed: Observed) -> list[str]:
    """Each widget shows metrics that this deployment has, of this region."""
    findings = []
    for where, widget in widgets(deployment):
        if widget["type"] != "metric":
            continue
        shown = widget["properties"]
        watching = shown_by(shown)
        if not watching.metrics:
            findings.append(f"{where} shows no metric")
        findings += nobody_emits(where, watching, deployment, observed)
        findings += undefined_names(where, watching)
        if shown.get("region") != deployment.resolve({"Ref": "AWS::Region"}):
            findings.append(f"{where} does not say that it is of this region")
    return findings


def dashboard_alarms(deployment: Deployment, observed: Observed) -> list[str]:
    """Each alarm that a widget shows is one of this deployment."""
    alarms = {deployment.arn(name) for name in deployment.of_kind("AWS::CloudWatch::Alarm")}
    findings = []
    for where, widget in widgets(deployment):
        shown = widget["properties"].get("alarms", []) if widget["type"] == "alarm" else []
        findings += [f"{where} shows {arn}, which is no alarm here" for arn in shown if arn not in alarms]
    return findings


def one_namespace(deployment: Deployment, observed: Observed) -> list[str]:
    """Every function says the same namespace, and it is this stack's own: two stacks in an account do not mix."""
    said_by = {name: deployment.environment(name).get(NAMESPACE_VARIABLE) for name in deployment.functions()}
    own = f"Ringback/{deployment.resolve({'Ref': 'AWS::StackName'})}"
    return [
        f"{name} puts its metrics into {namespace}, not into {own}"
        for name, namespace in said_by.items()
        if namespace != own
    ]


def own_namespaces(deployment: Deployment) -> set[str]:
    """Where the functions put their metrics."""
    spaces = (deployment.environment(name).get(NAMESPACE_VARIABLE) for name in deployment.functions())
    return {space for space in spaces if space}


def watched_by(alarm: Properties) -> Watching:
    """What an alarm looks at, be it one metric or a computation."""
    watching = Watching()
    for each in alarm.get("Metrics", []):
        if "Expression" in each:
            watching.expressions[each["Id"]] = each["Expression"]
        else:
            stat = each["MetricStat"]
            watching.metrics.append(_alarm_metric(stat["Metric"], stat.get("Unit"), each["Id"]))
    if "MetricName" in alarm:
        watching.metrics.append(_alarm_metric(alarm, alarm.get("Unit"), None))
    return watching


def _alarm_metric(metric: Properties, unit: str | None, identity: str | None) -> Watched:
    dimensions = {each["Name"]: str(each["Value"]) for each in metric.get("Dimensions", [])}
    return Watched(metric["Namespace"], metric["MetricName"], dimensions, unit, identity)


def widgets(deployment: Deployment) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every widget of every dashboard, with a name for findings."""
    for name, dashboard in deployment.of_kind("AWS::CloudWatch::Dashboard").items():
        for number, widget in enumerate(json.loads(dashboard["DashboardBody"])["widgets"], start=1):
            title = widget["properties"].get("title", f"number {number}")
            yield f"the widget {title!r} of {name}", widget


def shown_by(properties: dict[str, Any]) -> Watching:
    """What a widget shows. In its rows `.` repeats a part of the row above and `...` all the parts up to the last."""
    watching = Watching()
    above: list[str] = []
    for number, row in enumerate(properties.get("metrics", [])):
        options = row[-1] if isinstance(row[-1], dict) else {}
        parts = row[:-1] if options else row
        if "expression" in options:
            watching.expressions[options.get("id", f"row {number}")] = options["expression"]
            continue
        if "..." in parts:
            position = parts.index("...")
            left_out = len(above) - len(parts) + 1
            parts = [*parts[:position], *above[position : position + left_out], *parts[position + 1 :]]
        parts = [above[index] if part == "." and index < len(above) else part for index, part in enumerate(parts)]
        above = [str(part) for part in parts]
        namespace, metric, *dimensions = above
        pairs = dict(zip(dimensions[::2], dimensions[1::2], strict=True))
        watching.metrics.append(Watched(namespace, metric, pairs, None, options.get("id")))
    return watching


def nobody_emits(where: str, watching: Watching, deployment: Deployment, observed: Observed) -> list[str]:
    """What is watched though no function of this deployment emits it and it is not AWS's own of a resource in it."""
    findings = []
    spaces = own_namespaces(deployment)
    emitted = units(observed.emitted_by(deployment.binaries()))
    for metric in watching.metrics:
        if metric.namespace.startswith("AWS/"):
            findings += [f"{where} watches {metric}: {why}" for why in _not_of_aws(metric, deployment)]
            continue
        series = said(metric.metric, metric.dimensions)
        if metric.namespace not in spaces:
            findings.append(f"{where} watches {metric}: no function puts metrics into this namespace")
        elif series not in emitted:
            findings.append(f"{where} watches {series}, which no function emits{_but(metric.metric, emitted)}")
        elif metric.unit is not None and metric.unit != emitted[series]:
            findings.append(f"{where} watches {series} in {metric.unit}, which comes in {emitted[series]}")
    return findings


def _but(metric: str, emitted: dict[str, str]) -> str:
    """The dimensions that a metric does have, for the reader of a finding."""
    examples = sorted(series for series in emitted if series.startswith(f"{metric}{{"))
    return f"; they do emit {examples[0]}" if examples else ""


def _not_of_aws(metric: Watched, deployment: Deployment) -> Iterator[str]:
    known = KNOWN.get((metric.namespace, metric.metric))
    if known is None:
        yield "AWS has no such metric"
        return
    if frozenset(metric.dimensions) not in known:
        yield f"its dimensions are {' or '.join(', '.join(sorted(each)) for each in known)}"
    for name, value in metric.dimensions.items():
        if name in NAMED_BY and value not in {deployment.called(each) for each in deployment.of_kind(NAMED_BY[name])}:
            yield f"there is no {value} ({name}) in this deployment"
        if name == "Operation" and value != "PutItem":
            yield f"no function does {value}"
        if name == "Resource" and value not in _aliases(metric.dimensions.get("FunctionName", ""), deployment):
            yield f"there is no alias {value}"


def _aliases(function: str, deployment: Deployment) -> set[str]:
    """As Lambda writes them in the dimension Resource: function:alias."""
    aliases = deployment.of_kind("AWS::Lambda::Alias").values()
    return {f"{each['FunctionName']}:{each['Name']}" for each in aliases if each["FunctionName"] == function}


def names(expression: str) -> set[str]:
    """The ids in an expression of metric math: they begin with a small letter, functions and words like AND do not."""
    without_text = re.sub(r"'[^']*'|\"[^\"]*\"", "", expression)
    return set(re.findall(r"(?<![\w.])[a-z]\w*", without_text))


def undefined_names(where: str, watching: Watching) -> list[str]:
    """What expressions name though nothing bears the name, and the search for metrics, which nobody can check."""
    defined = {metric.identity for metric in watching.metrics} | set(watching.expressions)
    findings = []
    for expression in watching.expressions.values():
        for name in sorted(names(expression) - defined):
            findings.append(f"{where} computes with {name}, which is no metric of it: {expression}")
        if re.search(r"\bSEARCH\s*\(|\bMETRICS\s*\(", expression):
            findings.append(f"{where} finds its metrics by itself instead of naming them: {expression}")
    return findings


def sections_named(deployment: Deployment) -> dict[str, str]:
    """The section of the runbook that each alarm names."""
    found = {
        name: RUNBOOK.search(alarm.get("AlarmDescription", ""))
        for name, alarm in deployment.of_kind("AWS::CloudWatch::Alarm").items()
    }
    return {name: section[1] for name, section in found.items() if section}


def sections_of(markdown: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ +(.+?) *$", markdown, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _true(value: Any) -> bool:
    return str(value).lower() == "true"
