"""What template.yaml promises, of every example deployment; and that the checks can fail.

`BREAKS` is a table of ways to break the template: by check, where, how, and what the check must say.
"""

import copy
import hashlib
import json
import unittest
from collections.abc import Callable
from typing import Any, NamedTuple

from local.cloudformation import Deployment, Source, TemplateError, listed, refusals, router

from . import observed
from .checks import CHECKS, Check, functions, logs, metrics, permissions, routes, whole
from .examples import APP, BOTH, DIGEST, EVERYTHING, EXAMPLES, TENCENT_ALONE, TOKEN, example, template

GONE = object()
Change = Callable[[Any], Any]


class Break(NamedTuple):
    """One way to break the template."""

    # Names and numbers, separated by slashes, from the resources on; from the top after a slash. As in a
    # JSON pointer, ~1 is a slash in a name.
    path: str
    # The new value, or what makes it of the old one.
    change: Any
    finding: str
    example: str = EVERYTHING


def instead(old: str, new: str) -> Change:
    """Another text wherever it stands in a value."""
    return lambda value: json.loads(json.dumps(value).replace(json.dumps(old)[1:-1], json.dumps(new)[1:-1]))


def without(name: str) -> Change:
    """A value without one of its parts."""
    return lambda value: {key: each for key, each in value.items() if key != name}


def added(item: Any) -> Change:
    """A list with one item more."""
    return lambda items: [*listed(items), item]


# Where things are in the template.
ALARM = "NotPublishedAlarm/Properties"
NOTIFY = "NotifyRole/Properties/Policies/0/PolicyDocument/Statement"
CALL_EVENT = "CallEventRole/Properties/Policies/0/PolicyDocument/Statement"
PUTS = f"{CALL_EVENT}/0/Condition/ForAllValues:StringEquals/dynamodb:Attributes"
SPOOL = "SpoolQueuePolicy/Properties/PolicyDocument/Statement/0"
DEAD = "DeadLetterQueuePolicy/Properties/PolicyDocument/Statement/0"
FROM = "Condition/ArnEquals/aws:SourceArn"
PATHS = "DevicesApi/Properties/DefinitionBody/paths"
READING_PATHS = "HistoryApi/Properties/DefinitionBody/paths"
PROJECT = "ProjectRole/Properties/Policies/0/PolicyDocument/Statement"
REPLAY = "ReplayRole/Properties/Policies/0/PolicyDocument/Statement"
HISTORY = "HistoryRole/Properties/Policies/0/PolicyDocument/Statement"
STREAM = "ProjectFunction/Properties/Events/Changes/Properties"
WAITS_FOR = "Properties/DeploymentPreference/Alarms"
DEFAULTS = "/Globals/Function"
LINE_WIDGETS = "Dashboard/Properties/DashboardBody/Fn::Sub/1/LineCalls"
NOT_EMITTED = "which no function emits"
LOST = "what CallEventFunction puts aside"

BREAKS: dict[Check, tuple[Break, ...]] = {
    metrics.alarm_metrics: (
        Break(f"{ALARM}/Dimensions", instead("outcome", "result"), NOT_EMITTED),
        Break(f"{ALARM}/Dimensions", lambda old: old[:2], NOT_EMITTED),
        Break(f"{ALARM}/Dimensions", instead("not_published", "not_pub"), NOT_EMITTED),
        Break(f"{ALARM}/MetricName", "calls_lost", NOT_EMITTED),
        Break("NotPublishedAlarm/Condition", GONE, NOT_EMITTED, TENCENT_ALONE),
        Break("ProviderRefusedAlarm/Condition", "ServesLine", NOT_EMITTED, BOTH),
        Break(f"{ALARM}/Unit", "Seconds", "in Seconds, which comes in Count"),
        Break(f"{ALARM}/Namespace", "Ringback", "no function writes to this namespace"),
        Break("ApiErrorsAlarm", instead("5xx", "5XXError"), "AWS has no such metric"),
        Break("ApiLatencyAlarm", instead("ApiId", "ApiName"), "with these dimensions"),
        Break("DeadLettersAlarm/Properties/Dimensions/0/Value", "dead", "there is no dead (QueueName)"),
        Break("NotifyErrorsAlarm", instead(":live", ":new"), "there is no alias NotifyFunction:new"),
        Break("ApiErrorsAlarm", instead("/ requests", "/ all"), "computes with all, which is no metric"),
        Break("ProjectBehindAlarm", instead("IteratorAge", "Age"), "AWS has no such metric"),
    ),
    metrics.alarm_duties: (
        Break("ApiErrorsAlarm/Properties/Metrics/1/ReturnData", True, "has 2 results instead of one"),
        Break(f"{ALARM}/AlarmActions", GONE, "notifies no topic"),
        Break(f"{ALARM}/TreatMissingData", GONE, "does not say what missing data means"),
        Break(f"{ALARM}/AlarmDescription", "See docs/runbook.md#nowhere", "names no section"),
    ),
    metrics.missing_data: (
        Break("LinePanicsAlarm/Properties/EvaluationPeriods", 1, "LinePanicsAlarm sees a filled-in 0"),
        Break("LineNotStoredAlarm/Properties/DatapointsToAlarm", 5, "LineNotStoredAlarm sees a filled-in 0"),
        Break("TableErrorsAlarm", instead("FILL(errors, 0)", "errors + 0"), "without FILL, so that it does"),
        Break("ProjectStoppedAlarm", instead("FILL(writes, 0)", "writes"), "without FILL, so that it does"),
    ),
    metrics.alarm_topics: (Break("AlarmsTopicPolicy", GONE, "AlarmsTopic takes no alarms"),),
    metrics.one_namespace: (
        Break(f"{DEFAULTS}/Environment/Variables/METRICS_NAMESPACE", "x", "writes its metrics to x"),
    ),
    metrics.dashboard: (
        Break("Dashboard", GONE, "there is no dashboard"),
        Break("Dashboard", instead('"talk_seconds"', '"talk_secs"'), NOT_EMITTED),
        Break("Dashboard", instead('"call_outcome"', '"ended_as"'), NOT_EMITTED),
        Break(LINE_WIDGETS, lambda old: old["Fn::If"][1], NOT_EMITTED, TENCENT_ALONE),
        Break("Dashboard", instead('"region": "${AWS', '"x": "${AWS'), "that it is of this"),
    ),
    logs.queries: (
        Break("Dashboard", instead("sort timestamp", "sort moment"), "asks for the field moment"),
        Break("Dashboard", instead("${NotifyLogs}", "/x/notify"), "reads /x/notify, which is no log group"),
        Break("OneCallQuery", instead("sid =", "session ="), "asks for the field session"),
    ),
    logs.access_log: (
        Break("CallbackApi", instead("$context.routeKey", "$context.path"), "logs $context.path"),
        Break("CallbackApi/Properties", without("AccessLogSettings"), "writes no access log"),
    ),
    permissions.permissions: (
        Break(f"{CALL_EVENT}/0", GONE, "CallEventRole lacks dynamodb:PutItem on RecordsTable"),
        Break(f"{CALL_EVENT}/0/Action", "dynamodb:*", "allows dynamodb:* on RecordsTable, which CallEvent"),
        Break(f"{CALL_EVENT}/1/Resource", {"Ref": "PushJobsTopic"}, "allows sns:Publish on PushJobsTopic"),
        Break(f"{CALL_EVENT}/1/Resource", {"Ref": "PushJobsTopic"}, "lacks sns:Publish on SpoolTopic"),
        Break(f"{NOTIFY}/0/Resource", "*", "NotifyRole allows sns:Publish on *"),
        Break(f"{NOTIFY}/1", lambda old: old["Fn::If"][1], "allows dynamodb:Query on DevicesTable", BOTH),
        Break(f"{NOTIFY}/3/Fn::If/1/Resource", "*", "allows ssm:GetParameters on *"),
        Break(f"{NOTIFY}/0/NotAction", "s3:Get*", "does not name what it allows"),
        Break(f"{PROJECT}/0", GONE, "ProjectRole lacks dynamodb:GetRecords on arn:aws:dynamodb"),
        Break(f"{PROJECT}/0/Resource", "*", "ProjectRole allows dynamodb:GetRecords on *"),
        Break(f"{PROJECT}/1", GONE, "ProjectRole lacks sqs:SendMessage on ProjectDeadLetterQueue"),
        Break(f"{PROJECT}/2/Action", added("dynamodb:Scan"), "allows dynamodb:Scan on ViewsTable"),
        Break(f"{HISTORY}/1/Action", added("dynamodb:Scan"), "allows dynamodb:Scan on RecordsTable"),
        Break(f"{REPLAY}/1", lambda old: old["Fn::If"][1], "Query on RecordsTable, which", TENCENT_ALONE),
    ),
    permissions.attributes: (
        Break(PUTS, ["sid", "cc_param"], "CallEventRole and the records of CallEventFunction differ in"),
        Break(f"{CALL_EVENT}/0", without("Condition"), "does not bound the attributes"),
    ),
    permissions.bounded: (
        Break(f"{NOTIFY}/2/Fn::If/1", instead("ring#*", "*"), "NotifyRole may write items of any key"),
        Break("DevicesRole", instead("address#*", "ring#*"), "DevicesRole may write items of any key"),
        Break(f"{NOTIFY}/4/Fn::If/1", instead("PARAMETER_ARN", "X"), "may decrypt more than the push keys"),
        Break(f"{NOTIFY}/4/Fn::If/1", instead("ssm.", "s3."), "may decrypt outside of Parameter Store"),
        Break(f"{HISTORY}/2", without("Condition"), "HistoryRole may write more than when a user"),
        Break(f"{HISTORY}/2", instead("seen_at", "outcome"), "HistoryRole may write more than when a user"),
    ),
    permissions.roles: (
        Break("NotifyRole/Properties/ManagedPolicyArns", ["arn:x"], "NotifyRole has managed policies"),
        Break("NotifyFunction/Properties/Role", GONE, "NotifyFunctionRole has managed policies"),
        Break("CallEventFunction", instead("CallEventRole", "NotifyRole"), "is the role of NotifyFunction"),
        Break("CallEventFunction", instead("CallEventRole", "NotifyRole"), "CallEventRole is the role of no"),
        Break("NotifyRole", instead("lambda.amazonaws.com", "x"), "NotifyRole may be assumed by x"),
    ),
    functions.log_groups: (
        Break("NotifyFunction/Properties", without("LoggingConfig"), "NotifyFunction has no log group of"),
        Break("CallEventFunction", instead("CallEventLogs", "NotifyLogs"), "to the log group of"),
        Break(f"{DEFAULTS}/LoggingConfig/LogFormat", "Text", "own lines in JSON"),
    ),
    functions.watched: (
        Break("ReplayThrottlesAlarm", GONE, "no alarm watches Throttles of ReplayFunction"),
        Break("ReplayInVainAlarm", GONE, "no alarm watches replayed of back_to_the_queue"),
        Break("HistoryThrottlesAlarm", GONE, "no alarm watches Throttles of HistoryFunction"),
        Break("ProjectBehindAlarm", GONE, "no alarm watches IteratorAge of ProjectFunction"),
        Break("ProjectDeadLettersAlarm", GONE, "Visible of ProjectDeadLetterQueue"),
        Break("SpoolLostAlarm", GONE, "no alarm watches NumberOfNotificationsFailedToRedriveToDlq of"),
        Break("DeadLettersAlarm", GONE, "Visible of DeadLetterQueue"),
        Break("DeadLetterDeliveryAlarm", GONE, "watches NumberOfNotificationsFailed of DeadLettersTopic"),
        Break(ALARM, instead("not_published", "published"), "no alarm watches callbacks of not_published"),
        Break("TencentPanicsAlarm", instead("panicked", "panic"), "callbacks of panicked,"),
        Break("NotRungAlarm", instead("not_rung", "rung"), "callbacks of not_rung, notify"),
        Break(
            "LineNotStoredAlarm/Properties/Metrics", lambda old: old[:2], "of not_stored, agent_call_status"
        ),
    ),
    functions.dead_letters: (
        Break("CallEventFunction", instead("SPOOL_TOPIC_ARN", "X"), "CallEventFunction has no place for"),
        Break("SpoolSubscription", GONE, f"{LOST} is published to SpoolTopic, which no queue subscribes to"),
        Break(f"{SPOOL}/{FROM}", [], f"{LOST} may not come from SpoolTopic into SpoolQueue"),
        Break(f"{DEAD}/{FROM}", [], f"{LOST} may not come from SpoolTopic into DeadLetterQueue"),
        Break("SpoolQueue/Properties", without("RedrivePolicy"), "SpoolQueue has no dead letters"),
        Break("ReplayFunction", instead("ReportBatchItemFailures", "X"), "brings a whole batch again"),
        Break(STREAM, without("DestinationConfig"), "not into a queue of this template (OnFailure)"),
        Break(STREAM, without("MaximumRetryAttempts"), "tries a change that fails for too long"),
        Break(STREAM, without("BisectBatchOnFunctionError"), "does not find the change that fails"),
        Break(STREAM, instead("TRIM_HORIZON", "LATEST"), "leaves out what the stream holds already"),
    ),
    functions.aliases: (
        Break("ReplayFunction/Properties/AutoPublishAlias", "old", "ReplayFunction has no alias live"),
        Break("ReplayFunction", instead("ReplayErrors", "NotifyErrors"), "no alarm of ReplayFunction stops"),
        Break(f"ReplayFunction/{WAITS_FOR}", added("replay-errors"), "waits for replay-errors, which is no"),
        Break(
            f"{DEFAULTS}/DeploymentPreference", without("PassthroughCondition"), "to Notify", TENCENT_ALONE
        ),
    ),
    routes.authorizers: (
        Break(f"{PATHS}/~1users~1{{service}}~1{{user}}~1devices", instead("AWS_IAM", "x"), "ask for AWS_IAM"),
        Break(f"{PATHS}/~1devices~1{{device}}", instead("JWT", "AWS_IAM"), "does not ask for JWT"),
        Break("DevicesApi", instead("JwtAudience", "JwtServiceId"), "not those of JwtIssuer for JwtAudience"),
        Break("DevicesApi", instead("awsSigv4", "none"), "AWS_IAM does not check signatures"),
        Break(f"{READING_PATHS}/~1stats", instead("AWS_IAM", "x"), "/stats does not ask for AWS_IAM"),
        Break(f"{READING_PATHS}/~1me~1seen", instead("JWT", "AWS_IAM"), "/me/seen does not ask for JWT"),
    ),
    routes.integrations: (
        Break("CallEventFunction/Properties", without("Events"), "nothing calls CallEventFunction"),
        Break("CallEventFunction", instead("line/call_event", "line/x"), "in Cargo.toml to None"),
        Break("CallEventFunction", instead("ANY", "GET"), "takes get alone"),
        Break("HistoryApi", instead("HistoryFunction", "DevicesFunction"), "nothing calls HistoryFunction"),
    ),
    routes.outputs: (
        Break("/Outputs/LineNotifyUrl", instead("notify_cb", "notify"), "LineNotifyUrl is https://calls"),
        Break("/Outputs/LineNotifyUrl", GONE, "LineNotifyUrl is None"),
        Break("/Outputs/Extra", {"Value": {"Ref": "NotifyLogs"}}, "refers to NotifyLogs", TENCENT_ALONE),
    ),
    whole.table: (
        Break("RecordsTable/DeletionPolicy", GONE, "RecordsTable goes with the stack"),
        Break("RecordsTable/Properties/DeletionProtectionEnabled", GONE, "can be deleted in production"),
        Break("FiguresTable/UpdateReplacePolicy", "Delete", "FiguresTable goes with the stack"),
    ),
    whole.customer_key: (
        Break("DeadLetterQueue/Properties/SqsManagedSseEnabled", GONE, "DeadLetterQueue is not", BOTH),
        Break("PushJobsTopic/Properties/KmsMasterKeyId", "alias/aws/sns", "encrypted with the stack's own"),
        Break("Key/DeletionPolicy", GONE, "Key goes with the stack"),
        Break("Key", instead("cloudwatch.amazonaws.com", "x"), "Key is closed to cloudwatch"),
        Break("NotifyLogs/Properties/LogGroupName", "x", "closed to CloudWatch Logs for NotifyLogs"),
    ),
    whole.policies: (
        Break("DeadLetterQueuePolicy", GONE, "DeadLetterQueue has 0 policies"),
        Break(f"{SPOOL}/Principal", "*", "SpoolQueuePolicy allows sqs:SendMessage to *"),
        Break(f"{SPOOL}/Resource", added("x"), "SpoolQueuePolicy is not about its one queue alone"),
        Break("SpoolQueuePolicy/Properties/Queues", added("x"), "SpoolQueuePolicy is not about its one"),
    ),
    whole.circles: (
        Break(
            f"NotifyFunction/{WAITS_FOR}/Fn::If/1/0",
            {"Ref": "ApiErrorsAlarm"},
            "need each other: ApiErrorsAlarm",
        ),
    ),
}


def changed(source: Source, path: str, change: Any) -> Source:
    """The template with one value changed, made or taken away."""
    *way, last = (
        path.removeprefix("/").split("/") if path.startswith("/") else ["Resources", *path.split("/")]
    )
    broken = copy.deepcopy(source)
    holder: Any = broken
    for each in (part.replace("~1", "/") for part in way):
        holder = holder[int(each) if isinstance(holder, list) else each]
    place: Any = int(last) if isinstance(holder, list) else last.replace("~1", "/")
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
        for check, broken in ((check, each) for check, breaks in BREAKS.items() for each in breaks):
            with self.subTest(path=broken.path, finding=broken.finding):
                source = changed(template(), broken.path, broken.change)
                try:
                    found = list(check(Deployment(source, EXAMPLES[broken.example]), observed.read()))
                except TemplateError as error:
                    # The reader refuses what refers to a resource that is not there.
                    found = [str(error)]
                self.assertIn(broken.finding, "\n".join(found))

    def test_each_check_is_shown_to_find_something(self) -> None:
        self.assertEqual(set(BREAKS), set(CHECKS))

    def test_each_condition_is_true_in_one_example_and_false_in_another(self) -> None:
        for condition in template()["Conditions"]:
            with self.subTest(condition=condition):
                self.assertEqual({example(name).holds(condition) for name in EXAMPLES}, {True, False})

    def test_the_fields_of_a_line_and_the_callbacks_are_found(self) -> None:
        self.assertLessEqual({"timestamp", "outcome", "sid", "latency_ms"}, logs.fields_of_a_line())
        self.assertEqual(len(router()), 5)

    def test_without_keys_notify_is_told_of_no_phones(self) -> None:
        expected = "CALLBACK_TOKEN_SHA256 METRICS_NAMESPACE LINE_SERVICE_IDS LINE_SOURCE_CIDRS"
        self.assertEqual(
            set(example(BOTH).environment("NotifyFunction")), {*expected.split(), "PUSH_JOBS_TOPIC_ARN"}
        )

    def test_what_has_no_url_with_a_token_is_not_told_the_tokens_digest(self) -> None:
        for name in (BOTH, EVERYTHING):
            for function in ("DevicesFunction", "HistoryFunction", "ProjectFunction"):
                self.assertNotIn("CALLBACK_TOKEN_SHA256", example(name).environment(function))

    def test_without_reading_nothing_of_it_is_there_and_the_rest_is_as_it_was(self) -> None:
        with_it, without_it = (
            Deployment(template(), {**EXAMPLES[EVERYTHING], "Reading": word}) for word in ("yes", "no")
        )
        of_reading = ("Project", "History", "Views", "Figures", "CallsTopic")
        gone = set(with_it.resources) - set(without_it.resources)
        self.assertEqual({name for name in with_it.resources if name.startswith(of_reading)}, gone)
        changed = {name for name, each in without_it.resources.items() if each != with_it.resources[name]} - {
            "Dashboard"
        }
        queries = {"FailuresQuery", "OneCallQuery", "RefusalsQuery"}
        self.assertEqual(changed, {"RecordsTable", "ReplayFunction", "ReplayRole", *queries})
        self.assertNotIn("StreamSpecification", without_it.resources["RecordsTable"].properties)
        text = json.dumps([each.properties for each in without_it.resources.values()])
        self.assertEqual([name for name in gone if name in text], [])
        self.assertEqual(
            set(with_it.outputs) - set(without_it.outputs),
            {"CallsTopicArn", "FiguresTableName", "HistoryUrl", "ProjectDeadLetterQueueArn"}
            | {"RecordsStreamArn", "ViewsTableName"},
        )

    def test_project_gets_each_change_of_the_records_and_sums_up_once_a_day(self) -> None:
        deployment = example(BOTH)
        stream = {"StreamViewType": "NEW_AND_OLD_IMAGES"}
        self.assertEqual(
            deployment.of_kind("AWS::DynamoDB::Table")["RecordsTable"]["StreamSpecification"], stream
        )
        (mapping,) = (
            each
            for each in deployment.of_kind("AWS::Lambda::EventSourceMapping").values()
            if deployment.function_of(each["FunctionName"]) == "ProjectFunction"
        )
        self.assertEqual((mapping["BatchSize"], mapping["MaximumBatchingWindowInSeconds"]), (1000, 1))
        self.assertEqual(mapping["ParallelizationFactor"], 1)
        (rule,) = deployment.of_kind("AWS::Events::Rule").values()
        ((target,),) = (rule["Targets"],)
        self.assertEqual(json.loads(target["Input"]), {"roll_up": True})
        self.assertEqual(target["Arn"], deployment.arn("ProjectFunctionAliaslive"))

    def test_users_read_their_calls_only_with_an_issuer_and_tencents_users_register_no_phones(self) -> None:
        def paths(given: dict[str, str]) -> set[str]:
            routes = Deployment(template(), {**EXAMPLES[BOTH], **given}).routes()
            return {path for _, path, _ in routes if path.startswith(routes_of_the_app)}

        routes_of_the_app = ("/me/", "/devices/")
        me = {"/me/calls", "/me/missed", "/me/seen"}
        self.assertEqual(paths({}), set())
        self.assertEqual(paths(APP), me | {"/devices/{device}"})
        self.assertEqual(paths({**APP, "JwtProvider": "tencent"}), me)

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

    def test_parameters_that_would_let_anyone_in_are_refused(self) -> None:
        public, another = (hashlib.sha256(each.encode()).hexdigest() for each in (TOKEN, "another"))
        for given, refused in (
            ({}, False),
            ({"CallbackTokenSha256": f"{DIGEST},{another}"}, False),
            ({"LineServiceIds": "any"}, True),
            ({"TencentSdkAppIds": "any"}, True),
            ({"LineServiceIds": "any", "Stage": "dev"}, False),
            ({"LineServiceIds": "", "TencentSdkAppIds": ""}, True),
            ({"LineServiceIds": "", "TencentSdkAppIds": "", "Stage": "dev"}, True),
            ({"DomainName": "calls.example.com"}, True),
            (APP, False),
            *(({name: value}, True) for name, value in APP.items()),
            ({**APP, "JwtProvider": "tencent"}, False),
            ({**APP, "JwtProvider": "tencent", "TencentSdkAppIds": ""}, True),
            ({**APP, "LineServiceIds": ""}, True),
            ({"Reading": "maybe"}, True),
            ({"Shards": "0"}, True),
            ({"StaleHours": "25"}, True),
            ({"ApnsKeyParameter": "ringback/apns"}, True),
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
        given = '["Stage=x", "Stages=y", "CallbackTokenSha256=z"]'
        text = f"[prod.deploy.parameters]\nparameter_overrides = {given}\n"
        found = "\n".join(whole.settings(template(), text))
        for finding in ("gives Stages, which", "Stage=x is not one of", "which is a secret", "with Stage=x"):
            self.assertIn(finding, found)
