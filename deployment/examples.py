"""Deployments that stand for all others: each condition is true in one and false in another."""

from functools import cache

from local import cloudformation
from local.cloudformation import Deployment, Source

# The token of the sample events. It is public.
TOKEN = "local-stack-token-never-deploy-this-one"
DIGEST = "0123456789abcdef" * 4
LINE = {"LineServiceIds": "my-service"}
TENCENT = {"TencentSdkAppIds": "1400000001"}
ALWAYS = {"CallbackTokenSha256": DIGEST, "Release": "first"}
CERTIFICATE = "arn:aws:acm:us-east-1:000000000000:certificate/00000000-0000-0000-0000-000000000000"

APP = {
    "JwtIssuer": "https://id.example.com",
    "JwtAudience": "ios,android",
    "JwtServiceId": "my-service",
}

PUSH_KEYS = {"ApnsKeyParameter": "/ringback/apns", "FcmKeyParameter": "/ringback/fcm"}

BOTH = "both vendors in production"
TENCENT_ALONE = "Tencent alone in development"
EVERYTHING = "everything that can be switched on"
EXAMPLES: dict[str, dict[str, str]] = {
    BOTH: {**ALWAYS, **LINE, **TENCENT, "Stage": "prod"},
    "LINE alone in development": {**ALWAYS, **LINE, "Stage": "dev"},
    TENCENT_ALONE: {**ALWAYS, **TENCENT, "Stage": "dev", "Reading": "no"},
    EVERYTHING: {
        **ALWAYS,
        **LINE,
        **TENCENT,
        "Stage": "prod",
        "AlarmEmail": "operators@example.com",
        "ReservedConcurrency": "100",
        "NotifyProvisionedConcurrency": "2",
        "DomainName": "calls.example.com",
        "CertificateArn": CERTIFICATE,
        "HostedZoneId": "Z0000000000000",
        "CustomerKey": "yes",
        "MonthlyBudget": "100",
        "SilenceSeconds": "3600",
        "Tracing": "Active",
        **PUSH_KEYS,
        **APP,
    },
}


@cache
def template() -> Source:
    """The template as it is written. Copy it before changing it."""
    return cloudformation.read()


@cache
def ringing() -> Deployment:
    """The example of both vendors, with keys for ringing."""
    return Deployment(template(), {**EXAMPLES[BOTH], **PUSH_KEYS})


@cache
def example(name: str) -> Deployment:
    """One of the examples, transformed once for all tests."""
    return Deployment(template(), EXAMPLES[name])
