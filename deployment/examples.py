"""Deployments that stand for all others: each of the template's conditions is true in one and false in another."""

from collections.abc import Mapping
from functools import cache

from . import transformed
from .transformed import Deployment, Source

DIGEST = "0123456789abcdef" * 4
LINE = {"LineServiceIds": "my-service"}
TENCENT = {"TencentSdkAppIds": "1400000001"}
ALWAYS = {"CallbackTokenSha256": DIGEST, "Release": "first"}

BOTH = "both vendors in production"
EVERYTHING = "everything that can be switched on"
EXAMPLES: dict[str, dict[str, str]] = {
    BOTH: {**ALWAYS, **LINE, **TENCENT, "Stage": "prod"},
    "LINE alone in development": {**ALWAYS, **LINE, "Stage": "dev"},
    "Tencent alone in development": {**ALWAYS, **TENCENT, "Stage": "dev"},
    EVERYTHING: {
        **ALWAYS,
        **LINE,
        **TENCENT,
        "Stage": "prod",
        "AlarmEmail": "operators@example.com",
        "ReservedConcurrency": "100",
        "NotifyProvisionedConcurrency": "2",
        "DomainName": "calls.example.com",
        "CertificateArn": "arn:aws:acm:us-east-1:000000000000:certificate/00000000-0000-0000-0000-000000000000",
        "HostedZoneId": "Z0000000000000",
        "CustomerKey": "yes",
        "MonthlyBudget": "100",
        "SilenceSeconds": "3600",
        "Tracing": "Active",
    },
}


@cache
def template() -> Source:
    """The template as it is written. Nobody may change it: copy it first."""
    return transformed.read()


@cache
def example(name: str) -> Deployment:
    """One of the examples, transformed once for all tests."""
    return Deployment(template(), EXAMPLES[name])


def with_release(release: str) -> Deployment:
    """The first example once more, as another release."""
    return Deployment(template(), {**EXAMPLES[BOTH], "Release": release})


def given(example_name: str, **others: str) -> Mapping[str, str]:
    """The parameters of an example with some of them changed."""
    return {**EXAMPLES[example_name], **others}
