"""Queries find something, and the access log holds nothing secret."""

import json
import re
from collections.abc import Iterator
from functools import cache

from local.cloudformation import ROOT, Deployment

from ..observed import Observed
from .metrics import widgets

# Amazon CloudWatch Logs, "Supported logs and discovered fields": every line has these.
EVERY_LINE = {"@timestamp", "@message", "@logStream", "@log", "@ingestionTime"}
# Words of CloudWatch Logs Insights.
WORDS = """
    fields filter stats sort limit display dedup by as asc desc and or not in like true false null
"""
# What an access log may hold (Amazon API Gateway, "Customize HTTP API access logs"). The route key has
# `{token}` where the path has the token. Left out: what callers choose (path, domain, user agent) and
# messages that may repeat what was sent.
MAY_BE_LOGGED = """
    requestId extendedRequestId requestTime requestTimeEpoch routeKey stage httpMethod protocol status
    identity.sourceIp responseLength responseLatency dataProcessed integrationLatency integrationStatus
    integration.latency integration.integrationStatus integration.status integration.requestId
    error.responseType
"""


def access_log(deployment: Deployment, observed: Observed) -> Iterator[str]:
    """Every stage of the API writes an access log, and only what may be in one."""
    groups = {deployment.arn(name) for name in deployment.of_kind("AWS::Logs::LogGroup")}
    for name, stage in deployment.of_kind("AWS::ApiGatewayV2::Stage").items():
        settings = stage.get("AccessLogSettings", {})
        if settings.get("DestinationArn") not in groups:
            yield f"{name} writes no access log to a log group here"
            continue
        for value in json.loads(settings["Format"]).values():
            if value.removeprefix("$context.") not in MAY_BE_LOGGED.split():
                yield f"{name} logs {value}, which may hold a secret"


def queries(deployment: Deployment, observed: Observed) -> Iterator[str]:
    """Each query, saved or on the dashboard, reads log groups that exist and fields that their lines have."""
    groups = {deployment.ref(name) for name in deployment.of_kind("AWS::Logs::LogGroup")}
    fields = fields_of_a_line() | {series.metric for series in observed.series} | EVERY_LINE
    for where, sources, query in _queries(deployment):
        if not sources:
            yield f"{where} reads no log group (SOURCE)"
        yield from (f"{where} reads {source}, which is no log group here" for source in sources - groups)
        for name in sorted(asked_for(query) - fields):
            yield f"{where} asks for the field {name}, which no line has"


@cache
def fields_of_a_line() -> frozenset[str]:
    """The fields of a function's line, as the library writes them."""
    code = "".join(path.read_text() for path in (ROOT / "shared/src").rglob("*.rs"))
    return frozenset(re.findall(r'\.(?:detail|dimension|metric)\(\s*"(\w+)"', code))


def _queries(deployment: Deployment) -> Iterator[tuple[str, set[str], str]]:
    """Every query: where, in which log groups, and what."""
    for where, widget in widgets(deployment):
        if widget["type"] == "log":
            # The parts between the bars, but for bars in quotes.
            parts = re.split(r"\|(?=(?:[^']*'[^']*')*[^']*$)", widget["properties"]["query"])
            sources = [part for part in parts if part.strip().startswith("SOURCE")]
            yield where, set(re.findall(r"'([^']+)'", "".join(sources))), "|".join(parts[len(sources) :])
    for name, saved in deployment.of_kind("AWS::Logs::QueryDefinition").items():
        yield name, set(saved.get("LogGroupNames", [])), saved["QueryString"]


def asked_for(query: str) -> set[str]:
    """The fields that a query of CloudWatch Logs Insights names."""
    without_text = re.sub(r"'[^']*'|\"[^\"]*\"|/(?:\\/|[^/|])+/", " ", query)
    given_names = set(re.findall(r"\bas +(\w+)", without_text))
    words = set(re.findall(r"(?<![\w.@])@?[A-Za-z_][\w.]*(?!\w*\s*\()", without_text))
    return words - set(WORDS.split()) - given_names
