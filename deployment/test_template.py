"""What template.yaml promises, of every example deployment after SAM's own transform; and that the checks can fail.

`BREAKS` is a table of ways to break the template: where, how, and what the checks must say about it.
"""

import copy
import json
import unittest
from collections.abc import Callable
from typing import Any, NamedTuple

from local.cloudformation import Deployment, Source, refusals, router
from local.make_token import digest
from local.processes import StackError
from local.stack import TOKEN

from . import observed
from .checks import CHECKS, Check, functions, logs, metrics, permissions, routes, whole
from .examples import BOTH, DIGEST, EVERYTHING, EXAMPLES, TENCENT_ALONE, example, template

GONE = object()
Change = Callable[[Any], Any]


class Break(NamedTuple):
    """One way to break the template."""

    check: Check
    # Names and numbers, separated by slashes, from the resources on; from the top after a slash.
    path: str
    # The new value, or what makes it of the old one.
    change: Any
    finding: str
    example: str = EVERYTHING


def instead(old: str, new: str) -> Change:
    """Another text wherever it stands in a value."""
    return lambda value: json.loads(json.dumps(value).replace(json.dumps(old)[1:-1], json.dumps(new)[1:-1]))


def added(value: Any) -> Change:
    """One item more in a list."""
    return lambda items: [*items, value]


def without_condition(statement: Any) -> Any:
    """A statement that holds always."""
    return {name: each for name, each in statement.items() if name != "Condition"}


# Where statements are.
NOTIFY = "NotifyRole/Properties/Policies/0/PolicyDocument/Statement"
CALL_EVENT = "CallEventRole/Properties/Policies/0/PolicyDocument/Statement"
SPOOL = "SpoolQueuePolicy/Properties/PolicyDocument/Statement"
DEAD = "DeadLetterQueuePolicy/Properties/PolicyDocument/Statement"
NOT_PUBLISHED = "NotPublishedAlarm/Properties"
EMITS_NO = "which no function emits"
PUT_ASIDE = "what CallEventFunction puts aside"
ATTRIBUTES = f"{CALL_EVENT}/0/Condition/ForAllValues:StringEquals/dynamodb:Attributes"
ALLOWED_SOURCE = "0/Condition/ArnEquals/aws:SourceArn"
DEFAULTS = "/Globals/Function"

BREAKS = (
    # Alarms that never go off, or reach nobody.
    Break(metrics.alarm_metrics, f"{NOT_PUBLISHED}/Dimensions", instead("outcome", "result"), EMITS_NO),
    Break(metrics.alarm_metrics, f"{NOT_PUBLISHED}/Dimensions", lambda old: old[:2], EMITS_NO),
    Break(metrics.alarm_metrics, f"{NOT_PUBLISHED}/Dimensions", instead("not_pub", "not_bup"), EMITS_NO),
    Break(metrics.alarm_metrics, f"{NOT_PUBLISHED}/MetricName", "calls_lost", EMITS_NO),
    Break(metrics.alarm_metrics, "NotPublishedAlarm/Condition", GONE, EMITS_NO, TENCENT_ALONE),
    Break(metrics.alarm_metrics, f"{NOT_PUBLISHED}/Unit", "Seconds", "in Seconds, which comes in Count"),
    Break(
        metrics.alarm_metrics,
        f"{NOT_PUBLISHED}/Namespace",
        "Ringback",
        "no function writes to this namespace",
    ),
    Break(metrics.alarm_metrics, "ApiErrorsAlarm", instead("5xx", "5XXError"), "AWS has no such metric"),
    Break(metrics.alarm_metrics, "ApiLatencyAlarm", instead("ApiId", "ApiName"), "with these dimensions"),
    Break(
        metrics.alarm_metrics, "DeadLettersAlarm/Properties/Dimensions/0/Value", "dead", "no dead (QueueName)"
    ),
    Break(
        metrics.alarm_metrics, "NotifyErrorsAlarm", instead(":live", ":new"), "no alias NotifyFunction:new"
    ),
    Break(metrics.alarm_metrics, "ApiErrorsAlarm", instead("/ requests", "/ all"), "computes with all"),
    Break(metrics.alarm_duties, "ApiErrorsAlarm/Properties/Metrics/1/ReturnData", True, "2 results"),
    Break(metrics.alarm_duties, f"{NOT_PUBLISHED}/AlarmActions", GONE, "notifies no topic"),
    Break(metrics.alarm_duties, f"{NOT_PUBLISHED}/TreatMissingData", GONE, "what missing data means"),
    Break(metrics.alarm_duties, f"{NOT_PUBLISHED}/AlarmDescription", "docs/runbook.md#nowhere", "no section"),
    Break(
        metrics.missing_data,
        "LinePanicsAlarm/Properties/EvaluationPeriods",
        1,
        "LinePanicsAlarm sees a filled-in 0",
    ),
    Break(
        metrics.missing_data,
        "LineNotStoredAlarm/Properties/DatapointsToAlarm",
        5,
        "StoredAlarm sees a filled-in 0",
    ),
    Break(metrics.missing_data, "TableErrorsAlarm", instead("FILL(errors, 0)", "errors + 0"), "without FILL"),
    Break(metrics.alarm_topics, "AlarmsTopicPolicy", GONE, "AlarmsTopic takes no alarms"),
    Break(
        metrics.one_namespace,
        f"{DEFAULTS}/Environment/Variables/METRICS_NAMESPACE",
        "x",
        "writes its metrics to x",
    ),
    # Widgets and queries that stay empty.
    Break(metrics.dashboard, "Dashboard", GONE, "there is no dashboard"),
    Break(metrics.dashboard, "Dashboard", instead('"talk_seconds"', '"talk_secs"'), EMITS_NO),
    Break(metrics.dashboard, "Dashboard", instead('"call_outcome"', '"ended_as"'), EMITS_NO),
    Break(
        metrics.dashboard,
        "Dashboard/Properties/DashboardBody/Fn::Sub/1/LineCalls",
        lambda old: old["Fn::If"][1],
        EMITS_NO,
        TENCENT_ALONE,
    ),
    Break(
        metrics.dashboard,
        "Dashboard",
        instead('letters", "region": "${AWS', '", "x": "${AWS'),
        "of this region",
    ),
    Break(logs.queries, "Dashboard", instead("sort timestamp", "sort moment"), "asks for the field moment"),
    Break(
        logs.queries,
        "Dashboard",
        instead("${NotifyLogs}", "/x/notify"),
        "reads /x/notify, which is no log group",
    ),
    Break(logs.queries, "OneCallQuery", instead("sid =", "session ="), "asks for the field session"),
    # Roles that differ from the code.
    Break(permissions.permissions, f"{CALL_EVENT}/0", GONE, "lacks dynamodb:PutItem on RecordsTable"),
    Break(
        permissions.permissions, f"{CALL_EVENT}/0/Action", "dynamodb:*", "allows dynamodb:* on RecordsTable"
    ),
    Break(
        permissions.permissions,
        f"{CALL_EVENT}/1/Resource",
        {"Ref": "PushJobsTopic"},
        "sns:Publish on PushJobsTopic",
    ),
    Break(
        permissions.permissions,
        f"{CALL_EVENT}/1/Resource",
        {"Ref": "PushJobsTopic"},
        "lacks sns:Publish on Spool",
    ),
    Break(permissions.permissions, f"{NOTIFY}/0/Resource", "*", "NotifyRole allows sns:Publish on *"),
    Break(permissions.permissions, f"{NOTIFY}/0/NotAction", "s3:Get*", "does not name what it allows"),
    Break(permissions.attributes, ATTRIBUTES, ["sid", "cc_param"], "differ in app_data, at, callback"),
    Break(permissions.attributes, f"{CALL_EVENT}/0", without_condition, "does not bound the attributes"),
    Break(permissions.roles, "NotifyRole/Properties/ManagedPolicyArns", ["arn:x"], "has managed policies"),
    Break(
        permissions.roles, "NotifyFunction/Properties/Role", GONE, "NotifyFunctionRole has managed policies"
    ),
    Break(
        permissions.roles,
        "CallEventFunction",
        instead("CallEventRole", "NotifyRole"),
        "role of NotifyFunction and",
    ),
    Break(
        permissions.roles,
        "CallEventFunction",
        instead("CallEventRole", "NotifyRole"),
        "CallEventRole is the role of no",
    ),
    Break(permissions.roles, "NotifyRole", instead("lambda.amazonaws.com", "x"), "may be assumed by x"),
    # Functions whose failures go unseen.
    Break(
        functions.log_groups, "NotifyFunction/Properties/LoggingConfig/LogGroup", GONE, "no log group of this"
    ),
    Break(
        functions.log_groups,
        "CallEventFunction",
        instead("CallEventLogs", "NotifyLogs"),
        "the log group of Notify",
    ),
    Break(functions.log_groups, f"{DEFAULTS}/LoggingConfig/LogFormat", "Text", "own lines in JSON"),
    Break(
        functions.trouble_alarms,
        "ReplayThrottlesAlarm",
        GONE,
        "no alarm watches the Throttles of ReplayFunction",
    ),
    Break(functions.vain_tries, "ReplayInVainAlarm", GONE, "replayed{outcome=back_to_the_queue}"),
    Break(
        functions.dead_letters,
        "CallEventFunction",
        instead("SPOOL_TOPIC_ARN", "X"),
        "has no place for what it",
    ),
    Break(
        functions.dead_letters, "SpoolSubscription", GONE, f"{PUT_ASIDE} is published to SpoolTopic, which no"
    ),
    Break(
        functions.dead_letters,
        f"{SPOOL}/{ALLOWED_SOURCE}",
        [],
        f"{PUT_ASIDE} may not come from SpoolTopic into",
    ),
    Break(
        functions.dead_letters,
        f"{DEAD}/{ALLOWED_SOURCE}",
        [],
        f"{PUT_ASIDE} may not come into DeadLetterQueue when",
    ),
    Break(
        functions.dead_letters,
        "SpoolLostAlarm",
        GONE,
        f"{PUT_ASIDE} is lost without an alarm when SNS can put it",
    ),
    Break(
        functions.dead_letters,
        "SpoolQueue/Properties/RedrivePolicy",
        GONE,
        "is lost when it was tried for too long",
    ),
    Break(
        functions.dead_letters, "DeadLettersAlarm", GONE, "ends in DeadLetterQueue, which no alarm watches"
    ),
    Break(
        functions.dead_letters,
        "DeadLetterDeliveryAlarm",
        GONE,
        "alarm when DeadLettersSubscription cannot be",
    ),
    Break(
        functions.dead_letters,
        NOT_PUBLISHED,
        instead("not_published", "published"),
        "NotifyFunction puts nothing",
    ),
    Break(
        functions.dead_letters,
        "ReplayFunction",
        instead("ReportBatchItemFailures", "X"),
        "a whole batch again",
    ),
    Break(
        functions.aliases,
        "ReplayFunction/Properties/AutoPublishAlias",
        "old",
        "ReplayFunction has no alias live",
    ),
    Break(
        functions.aliases,
        "ReplayFunction",
        instead("ReplayErrors", "NotifyErrors"),
        "no alarm of ReplayFunction",
    ),
    Break(
        functions.aliases,
        "ReplayFunction/Properties/DeploymentPreference/Alarms",
        added("replay-errors"),
        "ReplayFunction waits for replay-errors, which is no alarm",
    ),
    Break(
        functions.aliases,
        f"{DEFAULTS}/DeploymentPreference/PassthroughCondition",
        GONE,
        "refers to NotifyErrorsAlarm, which this deployment does not have",
        TENCENT_ALONE,
    ),
    # URLs that lead nowhere, or elsewhere.
    Break(
        routes.integrations, "CallEventFunction/Properties/Events", GONE, "nothing calls CallEventFunction"
    ),
    Break(
        routes.integrations,
        "CallEventFunction",
        instead("line/call_event", "line/x"),
        "in Cargo.toml to None",
    ),
    Break(routes.integrations, "CallEventFunction", instead("ANY", "GET"), "takes get alone"),
    Break(
        routes.outputs,
        "/Outputs/LineNotifyUrl",
        instead("notify_cb", "notify"),
        "LineNotifyUrl is https://calls",
    ),
    Break(routes.outputs, "/Outputs/LineNotifyUrl", GONE, "LineNotifyUrl is None"),
    # Secrets in logs, and what production must not be without.
    Break(
        logs.access_log, "CallbackApi", instead("$context.routeKey", "$context.path"), "logs $context.path"
    ),
    Break(logs.access_log, "CallbackApi/Properties/AccessLogSettings", GONE, "writes no access log"),
    Break(whole.table, "RecordsTable/DeletionPolicy", GONE, "RecordsTable goes with the stack"),
    Break(
        whole.table, "RecordsTable/Properties/DeletionProtectionEnabled", GONE, "can be deleted in production"
    ),
    Break(
        whole.customer_key, "DeadLetterQueue/Properties/SqsManagedSseEnabled", GONE, "is not encrypted", BOTH
    ),
    Break(
        whole.customer_key, "PushJobsTopic/Properties/KmsMasterKeyId", "alias/aws/sns", "the stack's own key"
    ),
    Break(whole.customer_key, "Key/DeletionPolicy", GONE, "Key goes with the stack"),
    Break(whole.customer_key, "Key", instead("cloudwatch.amazonaws.com", "x"), "Key is closed to cloudwatch"),
    Break(
        whole.customer_key,
        "NotifyLogs/Properties/LogGroupName",
        "x",
        "closed to CloudWatch Logs for NotifyLogs",
    ),
    Break(whole.queue_policies, "DeadLetterQueuePolicy", GONE, "DeadLetterQueue has 0 policies"),
    Break(
        whole.queue_policies,
        f"{SPOOL}/0/Resource",
        lambda old: [old, "x"],
        "is not about its one queue alone",
    ),
    Break(
        whole.queue_policies,
        "SpoolQueuePolicy/Properties/Queues",
        added("x"),
        "is not about its one queue alone",
    ),
    Break(
        whole.circles,
        "NotifyFunction/Properties/DeploymentPreference/Alarms/0",
        {"Ref": "ApiErrorsAlarm"},
        "these need each other: ApiErrorsAlarm, CallbackApi",
    ),
)


def changed(source: Source, path: str, change: Any) -> Source:
    """The template with one value changed, made or taken away."""
    *way, last = (
        path.removeprefix("/").split("/") if path.startswith("/") else ["Resources", *path.split("/")]
    )
    broken = copy.deepcopy(source)
    holder: Any = broken
    for each in way:
        holder = holder[int(each) if isinstance(holder, list) else each]
    place: Any = int(last) if isinstance(holder, list) else last
    if change is GONE:
        del holder[place]
    else:
        holder[place] = change(holder[place]) if callable(change) else change
    return broken


class Template(unittest.TestCase):
    """The checks, of the template as it is and of broken ones."""

    def test_no_check_finds_anything_in_any_example(self) -> None:
        for name in EXAMPLES:
            for check in CHECKS:
                with self.subTest(deployment=name, check=f"{check.__module__}.{check.__name__}"):
                    self.assertEqual(list(check(example(name), observed.read())), [])

    def test_each_way_to_break_the_template_is_found(self) -> None:
        for broken in BREAKS:
            with self.subTest(path=broken.path, finding=broken.finding):
                source = changed(template(), broken.path, broken.change)
                try:
                    found = list(broken.check(Deployment(source, EXAMPLES[broken.example]), observed.read()))
                except StackError as error:
                    # The reader refuses what refers to a resource that is not there.
                    found = [str(error)]
                self.assertIn(broken.finding, "\n".join(found))

    def test_each_check_is_shown_to_find_something(self) -> None:
        self.assertEqual({broken.check for broken in BREAKS}, set(CHECKS))

    def test_each_condition_is_true_in_one_example_and_false_in_another(self) -> None:
        for condition in template()["Conditions"]:
            with self.subTest(condition=condition):
                self.assertEqual({example(name).holds(condition) for name in EXAMPLES}, {True, False})

    def test_the_fields_of_a_line_and_the_callbacks_are_found(self) -> None:
        self.assertLessEqual({"timestamp", "outcome", "sid", "latency_ms"}, logs.fields_of_a_line())
        self.assertEqual(len(router()), 5)

    def test_a_new_release_publishes_a_version_of_each_function_whatever_else_is_new(self) -> None:
        def found(source: Source) -> list[str]:
            first, second = (Deployment(source, {**EXAMPLES[BOTH], "Release": name}) for name in ("1", "2"))
            return list(whole.releases(first, second))

        self.assertEqual(found(template()), [])
        for property_name, finding in (
            ("VersionDescription", "no new version"),
            ("Description", "does not change"),
        ):
            broken = changed(template(), f"NotifyFunction/Properties/{property_name}", "notify")
            self.assertIn(
                f"NotifyFunction {'has ' if finding[0] == 'n' else ''}{finding}", "\n".join(found(broken))
            )

    def test_parameters_that_would_let_anybody_in_are_refused(self) -> None:
        public = digest(TOKEN)
        for given, refused in (
            ({}, False),
            ({"CallbackTokenSha256": f"{DIGEST},{digest('another')}"}, False),
            ({"LineServiceIds": "any"}, True),
            ({"TencentSdkAppIds": "any"}, True),
            ({"LineServiceIds": "any", "Stage": "dev"}, False),
            ({"LineServiceIds": "", "TencentSdkAppIds": ""}, True),
            ({"LineServiceIds": "", "TencentSdkAppIds": "", "Stage": "dev"}, True),
            ({"DomainName": "calls.example.com"}, True),
            ({"HostedZoneId": "Z0"}, True),
            *(
                ({"CallbackTokenSha256": token}, True)
                for token in ("", "secret", DIGEST.upper(), f"{DIGEST},", public, f"{DIGEST},{public}")
            ),
        ):
            with self.subTest(given=given):
                self.assertEqual(bool(refusals(template(), {**EXAMPLES[BOTH], **given})), refused)
        for name in ("CallbackTokenSha256", "Release"):
            self.assertNotIn("Default", template()["Parameters"][name])

    def test_samconfig_gives_parameters_that_exist_with_allowed_values_and_no_secret(self) -> None:
        self.assertEqual(list(whole.settings(template())), [])
        text = '[prod.deploy.parameters]\nparameter_overrides = ["Stage=x", "Stages=y", "CallbackTokenSha256=z"]\n'
        found = "\n".join(whole.settings(template(), text))
        for finding in ("gives Stages, which", "Stage=x is not one of", "which is a secret", "with Stage=x"):
            self.assertIn(finding, found)
