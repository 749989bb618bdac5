"""Log groups are bounded in time, queries find something, and the access log holds nothing secret."""

import json
import re
from collections.abc import Iterator
from functools import cache

from ..observed import Observed
from ..transformed import ROOT, Deployment
from .metrics import widgets

# Amazon CloudWatch Logs, "Supported logs and discovered fields": every line has these.
EVERY_LINE = {"@timestamp", "@message", "@logStream", "@log", "@ingestionTime"}
# CloudWatch Logs Insights' own words.
WORDS = set(
    """
    fields filter stats sort limit display dedup by as asc desc and or not in like bin avg sum min max count pct
    count_distinct earliest latest ispresent strcontains concat coalesce true false null
    """.split()  # noqa: SIM905  (a list of them would be a line each)
)

# What an access log may hold (Amazon API Gateway, "Customize HTTP API access logs"). The route key has `{token}` where
# the path has the token. Left out for a reason: path, customDomain.basePathMatched, domainName, domainPrefix and
# identity.userAgent (whoever calls chooses them), error.message and integrationErrorMessage (they may repeat what was
# sent).
MAY_BE_LOGGED = {
    "$context.apiId",
    "$context.awsEndpointRequestId",
    "$context.dataProcessed",
    "$context.error.responseType",
    "$context.extendedRequestId",
    "$context.httpMethod",
    "$context.identity.sourceIp",
    "$context.integration.integrationStatus",
    "$context.integration.latency",
    "$context.integration.requestId",
    "$context.integration.status",
    "$context.integrationLatency",
    "$context.integrationStatus",
    "$context.protocol",
    "$context.requestId",
    "$context.requestTime",
    "$context.requestTimeEpoch",
    "$context.responseLatency",
    "$context.responseLength",
    "$context.routeKey",
    "$context.stage",
    "$context.status",
}


def retention(deployment: Deployment, observed: Observed) -> list[str]:
    """Every log group is emptied some day."""
    groups = deployment.of_kind("AWS::Logs::LogGroup").items()
    return [f"{name} keeps its lines for ever (RetentionInDays)" for name, group in groups if not days(group)]


def days(group: dict[str, object]) -> int:
    """The days that a log group keeps a line."""
    return int(str(group.get("RetentionInDays", 0)))


def access_log(deployment: Deployment, observed: Observed) -> list[str]:
    """Every stage of the API writes an access log, and only what may be in one."""
    groups = {deployment.arn(name) for name in deployment.of_kind("AWS::Logs::LogGroup")}
    bare = {arn.removesuffix(":*") for arn in groups}
    findings = []
    for name, stage in deployment.of_kind("AWS::ApiGatewayV2::Stage").items():
        settings = stage.get("AccessLogSettings")
        if not settings:
            findings.append(f"{name} writes no access log")
            continue
        if settings.get("DestinationArn") not in groups | bare:
            findings.append(
                f"{name} writes its access log to {settings.get('DestinationArn')}, which is no log group here"
            )
        for field, value in json.loads(settings["Format"]).items():
            if value not in MAY_BE_LOGGED:
                findings.append(f"{name} logs {value} (as {field}), which may hold what nobody should read")
    return findings


def access_log_fields(deployment: Deployment) -> set[str]:
    """The fields of an access log's line."""
    stages = deployment.of_kind("AWS::ApiGatewayV2::Stage").values()
    formats = [stage["AccessLogSettings"]["Format"] for stage in stages if "AccessLogSettings" in stage]
    return {field for each in formats for field in json.loads(each)}


@cache
def fields_of_a_line() -> frozenset[str]:
    """The fields of a function's line, as shared/src/telemetry.rs has them."""
    code = (ROOT / "shared/src/telemetry.rs").read_text()
    return frozenset(re.findall(r'\.(?:detail|dimension|metric)\(\s*"(\w+)"', code))


def queries(deployment: Deployment) -> Iterator[tuple[str, list[str], str]]:
    """Every query of a widget and every one that is saved: where, in which log groups, and what."""
    for where, widget in widgets(deployment):
        if widget["type"] == "log":
            stages = stages_of(widget["properties"]["query"])
            sources = [stage for stage in stages if stage.upper().startswith("SOURCE")]
            groups = [group for source in sources for group in re.findall(r"['\"]([^'\"]+)['\"]", source)]
            yield where, groups, " | ".join(stage for stage in stages if stage not in sources)
    for name, saved in deployment.of_kind("AWS::Logs::QueryDefinition").items():
        yield name, saved.get("LogGroupNames", []), saved["QueryString"]


def stages_of(query: str) -> list[str]:
    """The parts of a query between the bars, but for those in quotes."""
    return [stage.strip() for stage in re.split(r"\|(?=(?:[^']*'[^']*')*[^']*$)", query)]


def log_queries(deployment: Deployment, observed: Observed) -> list[str]:
    """A query reads log groups that exist, and fields that their lines have."""
    named = {deployment.ref(name) for name in deployment.of_kind("AWS::Logs::LogGroup")}
    of_functions = {each.get("LoggingConfig", {}).get("LogGroup") for each in deployment.functions().values()}
    fields_of_functions = fields_of_a_line() | {series.metric for series in observed.series}
    findings = []
    for where, groups, query in queries(deployment):
        if not groups:
            findings.append(f"{where} reads no log group (SOURCE)")
        findings += [f"{where} reads {group}, which is no log group here" for group in groups if group not in named]
        fields = fields_of_functions if set(groups) & of_functions else access_log_fields(deployment)
        unknown = sorted(asked_for(query) - fields - EVERY_LINE)
        findings += [f"{where} asks for the field {field}, which no line has" for field in unknown]
    return findings


def asked_for(query: str) -> set[str]:
    """The fields that a query of CloudWatch Logs Insights names."""
    without_text = re.sub(r"'[^']*'|\"[^\"]*\"|/(?:\\/|[^/|])+/", " ", query)
    given_names = set(re.findall(r"\bas +(\w+)", without_text))
    words = set(re.findall(r"(?<![\w.@])@?[A-Za-z_][\w.]*(?!\w*\s*\()", without_text))
    return words - WORDS - given_names
