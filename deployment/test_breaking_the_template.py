"""The template, broken in memory in one place after another: the check that is meant for it says what is wrong."""

import copy
import unittest
from functools import cache
from pathlib import Path
from typing import Any

from . import observed
from .checks import CHECKS, Check, functions, local_stack, logs, metrics, permissions, routes, whole
from .examples import BOTH, EVERYTHING, EXAMPLES, example, template
from .transformed import ROOT, Deployment, Source, refusals

ALARM_WIDGET = """{"type": "alarm", "properties": {"title": "Alarms", "alarms": ["arn:of:nothing"]}},
{"type": "text", "width": 24, "height": 2, "properties": {"markdown": "# """
TENCENT_ALONE = "Tencent alone in development"


class Broken(unittest.TestCase):
    """A copy of the template that a test may break."""

    def setUp(self) -> None:
        self.source: Source = copy.deepcopy(template())

    def properties(self, resource: str) -> Any:
        """The properties of a resource, to be changed."""
        return self.source["Resources"][resource]["Properties"]

    def found(self, check: Check, deployment: str = EVERYTHING) -> list[str]:
        """What a check finds in the broken template that it does not find in the whole one."""
        before = found_in_the_whole(check, deployment)
        after = check(Deployment(self.source, EXAMPLES[deployment]), observed.read())
        return [finding for finding in after if finding not in before]

    def assert_found(self, check: Check, finding: str, deployment: str = EVERYTHING) -> None:
        """Shows that a check says what is broken."""
        self.assertIn(finding, self.found(check, deployment))


@cache
def found_in_the_whole(check: Check, deployment: str) -> list[str]:
    """What a check finds in the template as it is."""
    return check(example(deployment), observed.read())


def alarms_on(source: Source, metric: str) -> list[str]:
    """The alarms of a template that watch a metric."""
    alarms = {name: each for name, each in source["Resources"].items() if each["Type"] == "AWS::CloudWatch::Alarm"}
    return [name for name, each in alarms.items() if each["Properties"].get("MetricName") == metric]


def replaced(value: Any, old: str, new: str) -> Any:
    """The same with another text in it, in keys too."""
    if isinstance(value, str):
        return value.replace(old, new)
    if isinstance(value, list):
        return [replaced(item, old, new) for item in value]
    if isinstance(value, dict):
        return {replaced(key, old, new): replaced(item, old, new) for key, item in value.items()}
    return value


class Checks(unittest.TestCase):
    """The checks themselves."""

    def test_each_check_is_asked_of_the_template_and_shown_to_catch_something(self) -> None:
        asked, broken = (
            Path(__file__).with_name(name).read_text() for name in ("test_template.py", Path(__file__).name)
        )
        for check in CHECKS:
            name = f"{check.__module__.rsplit('.', 1)[-1]}.{check.__name__}"
            with self.subTest(check=name):
                self.assertIn(name, asked)
                self.assertIn(name, broken)


class Metrics(Broken):
    """Alarms and widgets that would never show anything."""

    def test_a_wrong_dimension(self) -> None:
        for dimension in self.properties("NotPublishedAlarm")["Dimensions"]:
            dimension["Name"] = dimension["Name"].replace("outcome", "result")
        self.assert_found(
            metrics.alarm_metrics,
            "NotPublishedAlarm watches callbacks{callback=notify, provider=line, result=not_published}, which no "
            "function emits; they do emit callbacks{callback=agent_call_status, outcome=deferred, provider=line}",
        )

    def test_a_dimension_too_few(self) -> None:
        self.properties("NotPublishedAlarm")["Dimensions"].pop()
        dimensions = self.properties("NotPublishedAlarm")["Dimensions"]
        left = ", ".join(sorted(f"{each['Name']}={each['Value']}" for each in dimensions))
        self.assert_found(
            metrics.alarm_metrics,
            f"NotPublishedAlarm watches callbacks{{{left}}}, which no function emits; they do emit "
            "callbacks{callback=agent_call_status, outcome=deferred, provider=line}",
        )

    def test_a_misspelt_value_of_a_dimension(self) -> None:
        alarms = self.source["Resources"]
        alarms["NotPublishedAlarm"] = replaced(alarms["NotPublishedAlarm"], "not_published", "not_publishd")
        self.assert_found(
            metrics.alarm_metrics,
            "NotPublishedAlarm watches callbacks{callback=notify, outcome=not_publishd, provider=line}, which no "
            "function emits; they do emit callbacks{callback=agent_call_status, outcome=deferred, provider=line}",
        )

    def test_an_alarm_on_a_metric_that_nobody_emits(self) -> None:
        self.properties("NotPublishedAlarm")["MetricName"] = "calls_lost"
        self.assert_found(
            metrics.alarm_metrics,
            "NotPublishedAlarm watches calls_lost{callback=notify, outcome=not_published, provider=line}, which no "
            "function emits",
        )

    def test_an_alarm_on_a_unit_that_the_metric_does_not_have(self) -> None:
        self.properties("NotPublishedAlarm")["Unit"] = "Seconds"
        self.assert_found(
            metrics.alarm_metrics,
            "NotPublishedAlarm watches callbacks{callback=notify, outcome=not_published, provider=line} in Seconds, "
            "which comes in Count",
        )

    def test_an_alarm_in_another_namespace(self) -> None:
        self.properties("NotPublishedAlarm")["Namespace"] = "Ringback"
        self.assert_found(
            metrics.alarm_metrics,
            "NotPublishedAlarm watches Ringback callbacks{callback=notify, outcome=not_published, provider=line}: no "
            "function puts metrics into this namespace",
        )

    def test_a_function_with_another_namespace(self) -> None:
        self.properties("NotifyFunction")["Environment"]["Variables"]["METRICS_NAMESPACE"] = "Ringback"
        self.assert_found(
            metrics.one_namespace, "NotifyFunction puts its metrics into Ringback, not into Ringback/ringback-local"
        )

    def test_a_metric_that_aws_has_for_other_apis_alone(self) -> None:
        alarms = self.source["Resources"]
        alarms["ApiErrorsAlarm"] = replaced(alarms["ApiErrorsAlarm"], "5xx", "5XXError")
        self.assert_found(
            metrics.alarm_metrics,
            "ApiErrorsAlarm watches AWS/ApiGateway 5XXError{ApiId=CallbackApi}: AWS has no such metric",
        )

    def test_a_metric_of_aws_with_other_dimensions(self) -> None:
        self.properties("ApiLatencyAlarm")["Dimensions"] = [{"Name": "ApiName", "Value": {"Ref": "CallbackApi"}}]
        self.assert_found(
            metrics.alarm_metrics,
            "ApiLatencyAlarm watches AWS/ApiGateway Latency{ApiName=CallbackApi}: its dimensions are ApiId or ApiId, "
            "Stage",
        )

    def test_an_alarm_about_a_resource_that_does_not_exist(self) -> None:
        self.properties("DeadLettersAlarm")["Dimensions"] = [{"Name": "QueueName", "Value": "dead-letters"}]
        self.assert_found(
            metrics.alarm_metrics,
            "DeadLettersAlarm watches AWS/SQS ApproximateNumberOfMessagesVisible{QueueName=dead-letters}: there is no "
            "dead-letters (QueueName) in this deployment",
        )

    def test_an_alarm_about_an_alias_that_does_not_exist(self) -> None:
        alarms = self.source["Resources"]
        alarms["NotifyErrorsAlarm"] = replaced(alarms["NotifyErrorsAlarm"], ":live", ":newest")
        self.assert_found(
            metrics.alarm_metrics,
            "NotifyErrorsAlarm watches AWS/Lambda Errors{FunctionName=NotifyFunction, Resource=NotifyFunction:newest}: "
            "there is no alias NotifyFunction:newest",
        )

    def test_an_alarm_about_a_vendor_that_is_not_served(self) -> None:
        del self.source["Resources"]["NotPublishedAlarm"]["Condition"]
        self.assert_found(
            metrics.alarm_metrics,
            "NotPublishedAlarm watches callbacks{callback=notify, outcome=not_published, provider=line}, which no "
            "function emits; they do emit callbacks{callback=tencent_call_event, outcome=deferred, provider=tencent}",
            TENCENT_ALONE,
        )

    def test_a_computation_with_a_name_that_nothing_has(self) -> None:
        metrics_of_it = self.properties("ApiErrorsAlarm")["Metrics"]
        expression = next(each for each in metrics_of_it if "Expression" in each)
        expression["Expression"] = "100 * errors / all_requests"
        self.assert_found(
            metrics.alarm_metrics,
            "ApiErrorsAlarm computes with all_requests, which is no metric of it: 100 * errors / all_requests",
        )

    def test_an_alarm_with_two_results(self) -> None:
        for each in self.properties("ApiErrorsAlarm")["Metrics"][:2]:
            each["ReturnData"] = True
        self.assert_found(metrics.alarm_results, "ApiErrorsAlarm has 2 results instead of one (ReturnData)")

    def test_an_alarm_that_tells_nobody(self) -> None:
        del self.properties("NotPublishedAlarm")["AlarmActions"]
        self.assert_found(metrics.alarm_duties, "NotPublishedAlarm tells nobody (AlarmActions)")

    def test_an_alarm_that_does_not_say_what_silence_means(self) -> None:
        del self.properties("NotPublishedAlarm")["TreatMissingData"]
        self.assert_found(
            metrics.alarm_duties, "NotPublishedAlarm does not say what missing data means (TreatMissingData)"
        )

    def test_an_alarm_without_a_section_of_the_runbook(self) -> None:
        self.properties("NotPublishedAlarm")["AlarmDescription"] = "Push jobs are lost."
        self.assert_found(
            metrics.alarm_duties, "NotPublishedAlarm names no section of docs/runbook.md in its description"
        )

    def test_a_section_that_the_runbook_does_not_have(self) -> None:
        self.properties("NotPublishedAlarm")["AlarmDescription"] = "See docs/runbook.md#no-such-section"
        named = metrics.sections_named(Deployment(self.source, EXAMPLES[BOTH]))
        self.assertNotIn(named["NotPublishedAlarm"], metrics.sections_of("# Runbook\n\n## Not published\n"))
        self.assertEqual(metrics.sections_of("# Runbook\n\n## Not published\n"), {"runbook", "not-published"})

    def test_an_alarm_that_overlooks_what_comes_late(self) -> None:
        for name in ("LineNotStoredAlarm", "LinePanicsAlarm"):
            with self.subTest(alarm=name):
                alarm = self.properties(name)
                finding = f"{name} sees a filled-in 0 in the place of what comes late (DatapointsToAlarm)"
                alarm["EvaluationPeriods"] = 1
                self.assert_found(metrics.missing_data, finding)
                alarm |= {"EvaluationPeriods": 5, "DatapointsToAlarm": 5}
                self.assert_found(metrics.missing_data, finding)
                del alarm["DatapointsToAlarm"]
                self.assert_found(metrics.missing_data, finding)

    def test_an_alarm_on_the_table_that_does_not_end(self) -> None:
        result = next(each for each in self.properties("TableErrorsAlarm")["Metrics"] if "Expression" in each)
        result["Expression"] = "errors + 0"
        watched = "AWS/DynamoDB SystemErrors{Operation=PutItem, TableName=RecordsTable}"
        self.assert_found(
            metrics.missing_data, f"TableErrorsAlarm watches {watched} without FILL, so that it does not end"
        )

    def test_a_topic_that_cloudwatch_may_not_publish_to(self) -> None:
        del self.source["Resources"]["AlarmsTopicPolicy"]
        self.assert_found(metrics.alarm_topics, "AlarmsTopic takes no alarms (TopicPolicy)")


class Dashboard(Broken):
    """Widgets that stay empty."""

    def dashboard(self, old: str, new: str) -> None:
        """Changes the text of the dashboard."""
        whole_one = self.source["Resources"]["Dashboard"]
        self.source["Resources"]["Dashboard"] = replaced(whole_one, old, new)
        self.assertNotEqual(self.source["Resources"]["Dashboard"], whole_one)

    def test_a_misspelt_metric(self) -> None:
        self.dashboard('"talk_seconds"', '"talk_secs"')
        self.assert_found(
            metrics.dashboard_metrics,
            "the widget 'LINE: calls in talk on average, known when they end' of Dashboard watches "
            "talk_secs{provider=line}, which no function emits",
        )

    def test_a_misspelt_dimension(self) -> None:
        self.dashboard('"call_outcome"', '"ended_as"')
        self.assertIn("watches calls_ended{ended_as=answered, provider=line}, which", self.found_in_widgets())

    def found_in_widgets(self) -> str:
        """What is found of the dashboard's metrics, in one text."""
        return "\n".join(self.found(metrics.dashboard_metrics))

    def test_a_widget_about_a_vendor_that_is_not_served(self) -> None:
        variables = self.properties("Dashboard")["DashboardBody"]["Fn::Sub"][1]
        variables["LineCalls"] = variables["LineCalls"]["Fn::If"][1]
        found = "\n".join(self.found(metrics.dashboard_metrics, TENCENT_ALONE))
        self.assertIn("watches calls_ended{call_outcome=answered, provider=line}, which no function emits", found)

    def test_a_widget_of_another_region(self) -> None:
        self.dashboard('"title": "Dead letters", "region": "${AWS::Region}"', '"title": "Dead letters", "region": "x"')
        self.assert_found(
            metrics.dashboard_metrics, "the widget 'Dead letters' of Dashboard does not say that it is of this region"
        )

    def test_a_query_for_a_field_that_no_line_has(self) -> None:
        self.dashboard("sort timestamp", "sort time_stamp")
        self.assert_found(
            logs.log_queries,
            "the widget 'Failures, newest first' of Dashboard asks for the field time_stamp, which no line has",
        )

    def test_a_saved_query_for_a_field_that_no_line_has(self) -> None:
        query = self.properties("OneCallQuery")
        query["QueryString"] = query["QueryString"].replace("sid =", "session =")
        self.assert_found(logs.log_queries, "OneCallQuery asks for the field session, which no line has")

    def test_a_query_in_a_log_group_that_does_not_exist(self) -> None:
        self.dashboard("${NotifyLogs}", "/aws/lambda/notify")
        self.assert_found(
            logs.log_queries,
            "the widget 'Failures, newest first' of Dashboard reads /aws/lambda/notify, which is no log group here",
        )

    def test_an_alarm_that_does_not_exist(self) -> None:
        self.dashboard('{"type": "text", "width": 24, "height": 2, "properties": {"markdown": "# ', ALARM_WIDGET)
        self.assert_found(
            metrics.dashboard_alarms, "the widget 'Alarms' of Dashboard shows arn:of:nothing, which is no alarm here"
        )


class Permissions(Broken):
    """Roles that differ from the code."""

    def statements(self, role: str) -> Any:
        """The statements of a role, to be changed."""
        return self.properties(role)["Policies"][0]["PolicyDocument"]["Statement"]

    def of_action(self, role: str, action: str) -> Any:
        """The statement of a role for an action."""
        return next(each for each in self.statements(role) if each.get("Action") == action)

    def test_a_missing_permission(self) -> None:
        self.statements("CallEventRole").remove(self.of_action("CallEventRole", "dynamodb:PutItem"))
        self.assert_found(permissions.permissions, "CallEventRole lacks dynamodb:PutItem on RecordsTable")

    def test_an_extra_permission(self) -> None:
        self.of_action("CallEventRole", "dynamodb:PutItem")["Action"] = ["dynamodb:PutItem", "dynamodb:DeleteItem"]
        self.assert_found(
            permissions.permissions,
            "CallEventRole allows dynamodb:DeleteItem on RecordsTable, which CallEventFunction was not seen to need",
        )

    def test_a_permission_on_another_resource(self) -> None:
        self.of_action("CallEventRole", "sns:Publish")["Resource"] = {"Ref": "PushJobsTopic"}
        self.assert_found(permissions.permissions, "CallEventRole lacks sns:Publish on SpoolTopic")
        self.assert_found(
            permissions.permissions,
            "CallEventRole allows sns:Publish on PushJobsTopic, which CallEventFunction was not seen to need",
        )

    def test_a_wildcard_for_a_resource(self) -> None:
        self.of_action("NotifyRole", "sns:Publish")["Resource"] = "*"
        self.assert_found(
            permissions.permissions,
            "NotifyRole allows a wildcard, sns:Publish on *, which NotifyFunction was not seen to need",
        )

    def test_a_wildcard_for_an_action(self) -> None:
        self.of_action("NotifyRole", "sns:Publish")["Action"] = "sns:*"
        self.assert_found(
            permissions.permissions,
            "NotifyRole allows a wildcard, sns:* on PushJobsTopic, which NotifyFunction was not seen to need",
        )

    def test_an_attribute_that_no_record_has(self) -> None:
        put = self.of_action("CallEventRole", "dynamodb:PutItem")
        put["Condition"]["ForAllValues:StringEquals"]["dynamodb:Attributes"] = ["sid", "cc_param"]
        self.assert_found(
            permissions.attributes,
            "CallEventRole lets CallEventFunction put the attribute cc_param, which no record has",
        )
        self.assert_found(
            permissions.attributes, "CallEventRole does not let CallEventFunction put the attribute facts"
        )

    def test_no_bound_of_attributes(self) -> None:
        del self.of_action("CallEventRole", "dynamodb:PutItem")["Condition"]
        self.assert_found(
            permissions.attributes, "CallEventRole does not bound the attributes of an item (dynamodb:Attributes)"
        )

    def test_a_managed_policy(self) -> None:
        self.properties("NotifyRole")["ManagedPolicyArns"] = ["arn:aws:iam::aws:policy/AdministratorAccess"]
        self.assert_found(permissions.roles, "NotifyRole has managed policies, whose rights somebody else decides")

    def test_a_role_of_two_functions(self) -> None:
        self.properties("CallEventFunction")["Role"] = {"Fn::GetAtt": ["GroupCallEventRole", "Arn"]}
        self.assert_found(
            permissions.roles,
            "GroupCallEventRole is the role of more than one function: CallEventFunction, GroupCallEventFunction",
        )
        self.assert_found(permissions.roles, "CallEventRole is the role of no function")

    def test_a_role_that_sam_makes(self) -> None:
        del self.properties("NotifyFunction")["Role"]
        self.assert_found(
            permissions.roles, "NotifyFunctionRole has managed policies, whose rights somebody else decides"
        )

    def test_a_role_for_others_than_lambda(self) -> None:
        statement = self.properties("NotifyRole")["AssumeRolePolicyDocument"]["Statement"][0]
        statement["Principal"] = {"AWS": "*"}
        self.assert_found(permissions.roles, "NotifyRole may be taken on by *")


class Functions(Broken):
    """Functions that nobody would see fail."""

    def test_a_missing_log_group(self) -> None:
        del self.properties("NotifyFunction")["LoggingConfig"]["LogGroup"]
        self.assert_found(
            functions.log_groups, "NotifyFunction has no log group of this template, so its lines are kept for ever"
        )

    def test_a_log_group_without_retention(self) -> None:
        del self.properties("NotifyLogs")["RetentionInDays"]
        self.assert_found(logs.retention, "NotifyLogs keeps its lines for ever (RetentionInDays)")

    def test_a_log_group_of_two_functions(self) -> None:
        self.properties("CallEventFunction")["LoggingConfig"]["LogGroup"] = {"Ref": "NotifyLogs"}
        self.assert_found(functions.log_groups, "CallEventFunction writes into the log group of NotifyFunction")

    def test_a_function_whose_errors_raise_no_alarm(self) -> None:
        del self.source["Resources"]["ReplayThrottlesAlarm"]
        self.assert_found(functions.trouble_alarms, "no alarm watches the Throttles of ReplayFunction")

    def test_a_function_without_a_path_to_the_dead_letters(self) -> None:
        del self.properties("CallEventFunction")["Environment"]["Variables"]["SPOOL_TOPIC_ARN"]
        self.assert_found(
            functions.dead_letters,
            "CallEventFunction has no place for what it cannot do (SPOOL_TOPIC_ARN, DEAD_LETTERS_TOPIC_ARN)",
        )

    def test_a_spool_that_reaches_no_queue(self) -> None:
        del self.source["Resources"]["SpoolSubscription"]
        self.assert_found(
            functions.dead_letters,
            "what CallEventFunction puts aside is published to SpoolTopic, which no queue subscribes to",
        )

    def test_a_queue_that_takes_nothing_from_its_topic(self) -> None:
        for statement in self.properties("SpoolQueuePolicy")["PolicyDocument"]["Statement"]:
            if statement["Effect"] == "Allow":
                statement["Condition"]["ArnEquals"]["aws:SourceArn"] = [{"Ref": "DeadLettersTopic"}]
        self.assert_found(
            functions.dead_letters,
            "what CallEventFunction puts aside may not come from SpoolTopic into SpoolQueue (QueuePolicy)",
        )

    def test_a_policy_that_is_given_to_another_queue(self) -> None:
        self.properties("SpoolQueuePolicy")["Queues"] = [{"Ref": "DeadLetterQueue"}]
        self.assert_found(
            functions.dead_letters,
            "what CallEventFunction puts aside may not come from SpoolTopic into SpoolQueue (QueuePolicy)",
        )

    def test_dead_letters_that_take_nothing_of_what_sns_cannot_deliver(self) -> None:
        for statement in self.properties("DeadLetterQueuePolicy")["PolicyDocument"]["Statement"]:
            if statement["Effect"] == "Allow":
                statement["Condition"]["ArnEquals"]["aws:SourceArn"] = [{"Ref": "DeadLettersTopic"}]
        self.assert_found(
            functions.dead_letters,
            "what CallEventFunction puts aside may not come into DeadLetterQueue when SpoolSubscription cannot be "
            "delivered to (QueuePolicy)",
        )

    def test_records_that_sns_loses_without_an_alarm(self) -> None:
        del self.source["Resources"]["SpoolLostAlarm"]
        self.assert_found(
            functions.dead_letters,
            "what CallEventFunction puts aside is lost without an alarm when SNS can put it neither where "
            "SpoolSubscription says nor into DeadLetterQueue",
        )

    def test_a_spool_whose_messages_vanish_at_last(self) -> None:
        del self.properties("SpoolQueue")["RedrivePolicy"]
        self.assert_found(
            functions.dead_letters,
            "what CallEventFunction puts aside is lost when it was tried for too long: SpoolQueue has no dead letters "
            "(RedrivePolicy)",
        )

    def test_dead_letters_that_raise_no_alarm(self) -> None:
        del self.source["Resources"]["DeadLettersAlarm"]
        self.assert_found(
            functions.dead_letters, "what ReplayFunction puts aside ends in DeadLetterQueue, which no alarm watches"
        )

    def test_records_that_are_tried_in_vain_and_raise_no_alarm(self) -> None:
        for name in alarms_on(self.source, "replayed"):
            del self.source["Resources"][name]
        seen = functions.vain_tries(Deployment(self.source, EXAMPLES[EVERYTHING]), observed.read())
        self.assertEqual(
            seen, ["no alarm watches replayed{outcome=back_to_the_queue}, records that replay tries in vain"]
        )

    def test_a_spool_that_loses_what_sns_cannot_deliver(self) -> None:
        del self.properties("SpoolSubscription")["RedrivePolicy"]
        del self.source["Resources"]["SpoolDeliveryAlarm"]
        self.assert_found(
            functions.dead_letters,
            "what CallEventFunction puts aside is lost without an alarm when SpoolSubscription cannot be delivered to",
        )

    def test_lost_push_jobs_that_raise_no_alarm(self) -> None:
        del self.source["Resources"]["NotPublishedAlarm"]
        alarms = self.properties("NotifyFunction")["DeploymentPreference"]["Alarms"]
        alarms.remove({"Ref": "NotPublishedAlarm"})
        self.assert_found(
            functions.dead_letters,
            "no alarm watches callbacks{callback=notify, outcome=not_published}, and NotifyFunction puts nothing aside",
        )

    def test_a_function_without_alias(self) -> None:
        del self.source["Globals"]["Function"]["AutoPublishAlias"]
        del self.source["Globals"]["Function"]["DeploymentPreference"]
        for name in example(EVERYTHING).functions():
            self.properties(name).pop("DeploymentPreference", None)
            self.properties(name).pop("ProvisionedConcurrencyConfig", None)
        self.assert_found(functions.aliases, "ReplayFunction has no alias live")
        self.assert_found(functions.callers, "ReplayFunctionSpool calls ReplayFunction past its alias")

    def test_a_deployment_that_its_functions_alarms_do_not_stop(self) -> None:
        preference = self.properties("ReplayFunction")["DeploymentPreference"]
        preference["Alarms"] = [{"Ref": "NotifyErrorsAlarm"}]
        self.assert_found(functions.aliases, "no alarm of ReplayFunction stops its deployment")

    def test_a_deployment_that_waits_for_an_alarm_that_does_not_exist(self) -> None:
        self.properties("ReplayFunction")["DeploymentPreference"]["Alarms"] += ["replay-errors"]
        self.assert_found(
            functions.aliases, "the deployment of ReplayFunction waits for replay-errors, which is no alarm here"
        )

    def test_a_deployment_group_of_a_function_that_is_not_deployed(self) -> None:
        del self.source["Globals"]["Function"]["DeploymentPreference"]["PassthroughCondition"]
        self.assert_found(
            functions.aliases,
            "NotifyFunctionDeploymentGroup deploys a function that is not there (PassthroughCondition)",
            TENCENT_ALONE,
        )

    def test_a_version_that_does_not_change_with_the_release(self) -> None:
        self.properties("NotifyFunction")["VersionDescription"] = "notify"
        self.properties("CallEventFunction")["Description"] = "a call has ended"
        first, second = (Deployment(self.source, {**EXAMPLES[BOTH], "Release": release}) for release in ("1", "2"))
        self.assertEqual(
            sorted(whole.releases(first, second)),
            [
                "CallEventFunction is the same when the release is new, so that Lambda refuses to publish it "
                "(Description)",
                "NotifyFunction has no new version when the release is new (VersionDescription)",
            ],
        )


class Routes(Broken):
    """URLs that lead nowhere, or elsewhere."""

    def test_a_function_without_route(self) -> None:
        del self.properties("CallEventFunction")["Events"]
        self.assert_found(routes.every_function_is_routed, "CallEventFunction has no route")
        self.assert_found(routes.outputs, "LineCallEventUrl is /{token}/line/call_event, which is no route")

    def test_a_route_that_the_code_does_not_serve(self) -> None:
        self.properties("CallEventFunction")["Events"]["Callback"]["Properties"]["Path"] = "/{token}/line/call_events"
        self.assert_found(
            routes.integrations,
            "/{token}/line/call_events leads to call-event, but in shared/src/route.rs no function serves it",
        )
        self.assert_found(
            routes.integrations,
            "/{token}/line/call_events leads to call-event, but in Cargo.toml no function serves it",
        )

    def test_routes_that_are_exchanged(self) -> None:
        first, second = (
            self.properties(name)["Events"]["Callback"]["Properties"]
            for name in ("CallEventFunction", "NotifyFunction")
        )
        first["Path"], second["Path"] = second["Path"], first["Path"]
        self.assert_found(
            routes.integrations,
            "/{token}/line/call_event leads to notify, but in shared/src/route.rs call-event serves it",
        )

    def test_a_route_for_one_method(self) -> None:
        self.properties("CallEventFunction")["Events"]["Callback"]["Properties"]["Method"] = "GET"
        self.assert_found(
            routes.integrations,
            "/{token}/line/call_event takes get alone, so the gateway and not the function answers other methods",
        )

    def test_an_output_that_is_no_route(self) -> None:
        outputs = self.source["Outputs"]
        outputs["LineNotifyUrl"] = replaced(outputs["LineNotifyUrl"], "/line/notify_cb", "/line/notify")
        self.assert_found(routes.outputs, "LineNotifyUrl is /{token}/line/notify, which is no route")
        self.assert_found(routes.every_function_is_routed, "NotifyFunction has a route that no output tells")

    def test_an_output_that_leads_to_another_function(self) -> None:
        outputs = self.source["Outputs"]
        outputs["LineNotifyUrl"] = replaced(outputs["LineNotifyUrl"], "/line/notify_cb", "/line/call_event")
        self.assert_found(routes.outputs, "LineNotifyUrl leads to CallEventFunction")

    def test_a_reference_to_what_is_not_deployed(self) -> None:
        self.source["Outputs"]["Extra"] = {"Value": {"Fn::GetAtt": ["NotifyFunction", "Arn"]}}
        self.assert_found(
            whole.references,
            "the output Extra names NotifyFunction, which this deployment does not have",
            TENCENT_ALONE,
        )

    def test_a_circle_by_way_of_depends_on(self) -> None:
        self.source["Resources"]["AlarmsTopic"]["DependsOn"] = "DeadLettersAlarm"
        self.assert_found(whole.circles, "AlarmsTopic is in or behind a circle of references")

    def test_a_circle_of_references(self) -> None:
        self.properties("SpoolTopic")["DisplayName"] = {"Ref": "SpoolSubscription"}
        self.assert_found(whole.circles, "SpoolTopic is in or behind a circle of references")


class Secrets(Broken):
    """Logs that would hold the token."""

    def test_a_path_in_the_access_log(self) -> None:
        api = self.source["Resources"]["CallbackApi"]
        self.source["Resources"]["CallbackApi"] = replaced(api, "$context.routeKey", "$context.path")
        self.assert_found(
            logs.access_log,
            "CallbackApiApiGatewayDefaultStage logs $context.path (as routeKey), which may hold what nobody should "
            "read",
        )

    def test_no_access_log(self) -> None:
        del self.properties("CallbackApi")["AccessLogSettings"]
        self.assert_found(logs.access_log, "CallbackApiApiGatewayDefaultStage writes no access log")


class Protection(Broken):
    """What production must not be without."""

    def test_a_table_that_can_be_deleted(self) -> None:
        table = self.source["Resources"]["RecordsTable"]
        del table["DeletionPolicy"]
        del table["Properties"]["DeletionProtectionEnabled"]
        self.assert_found(whole.table, "RecordsTable goes with the stack (DeletionPolicy)")
        self.assert_found(whole.table, "RecordsTable can be deleted in production (DeletionProtectionEnabled)")

    def test_a_queue_that_is_not_encrypted(self) -> None:
        del self.properties("DeadLetterQueue")["SqsManagedSseEnabled"]
        self.assert_found(whole.encryption, "DeadLetterQueue is not encrypted", BOTH)

    def test_a_resource_that_is_not_encrypted_with_the_stacks_own_key(self) -> None:
        self.properties("PushJobsTopic")["KmsMasterKeyId"] = "alias/aws/sns"
        self.assert_found(whole.encryption, "PushJobsTopic is not encrypted with the stack's own key")

    def test_a_policy_of_two_queues(self) -> None:
        self.properties("SpoolQueuePolicy")["Queues"].append({"Ref": "DeadLetterQueue"})
        self.assert_found(
            whole.queue_policies,
            "SpoolQueuePolicy is the policy of SpoolQueue and DeadLetterQueue instead of one queue",
        )
        self.assert_found(whole.queue_policies, "DeadLetterQueue has 2 policies instead of one")

    def test_a_statement_about_two_queues(self) -> None:
        for statement in self.properties("SpoolQueuePolicy")["PolicyDocument"]["Statement"]:
            statement["Resource"] = [statement["Resource"], {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}]
        self.assert_found(
            whole.queue_policies,
            "TopicDelivers of SpoolQueuePolicy is about SpoolQueue and DeadLetterQueue, not about its queue alone",
        )

    def test_a_queue_without_a_policy(self) -> None:
        del self.source["Resources"]["DeadLetterQueuePolicy"]
        self.assert_found(whole.queue_policies, "DeadLetterQueue has 0 policies instead of one")

    def test_a_key_that_goes_with_the_stack(self) -> None:
        del self.source["Resources"]["Key"]["DeletionPolicy"]
        self.assert_found(whole.key_policy, "Key goes with the stack (DeletionPolicy)")

    def test_a_key_that_is_closed_to_a_service(self) -> None:
        self.source["Resources"]["Key"] = replaced(self.source["Resources"]["Key"], "cloudwatch.amazonaws.com", "x")
        self.assert_found(whole.key_policy, "Key does not let cloudwatch.amazonaws.com use it to tell an alarm")

    def test_a_key_that_is_closed_to_a_log_group(self) -> None:
        self.properties("NotifyLogs")["LogGroupName"] = "notify"
        self.assert_found(whole.key_policy, "Key does not let CloudWatch Logs use it for NotifyLogs")

    def test_rules_that_let_everybodys_calls_into_production(self) -> None:
        everybody = {**EXAMPLES[BOTH], "LineServiceIds": "any"}
        self.assertNotEqual(refusals(self.source, everybody), [])
        del self.source["Rules"]
        self.assertEqual(refusals(self.source, everybody), [])

    def test_a_token_that_need_not_be_given(self) -> None:
        without = {name: value for name, value in EXAMPLES[BOTH].items() if name != "CallbackTokenSha256"}
        self.source["Parameters"]["CallbackTokenSha256"] |= {"Default": "", "AllowedPattern": ".*"}
        self.assertNotEqual(refusals(self.source, without), ["CallbackTokenSha256 has no value"])

    def test_settings_that_the_template_does_not_have(self) -> None:
        given = '["Stage=production", "Stages=prod", "CallbackTokenSha256=x"]'
        text = f"[prod.deploy.parameters]\nparameter_overrides = {given}\n"
        crossed = '[prod.deploy.parameters]\nparameter_overrides = "Stage=dev"\n'
        found = whole.settings(self.source, text)
        self.assertIn("samconfig.toml [prod.deploy] gives Stages, which template.yaml does not have", found)
        self.assertIn("samconfig.toml [prod.deploy]: Stage may not be production", found)
        self.assertIn("samconfig.toml [prod.deploy] gives CallbackTokenSha256, which is a secret", found)
        self.assertIn("samconfig.toml [prod.deploy] deploys with Stage=dev", whole.settings(self.source, crossed))

    def test_a_local_stack_that_differs(self) -> None:
        written = (ROOT / "template.yaml").read_text()
        found = local_stack.agrees(
            local_stack.same_parameters(template()), written.replace("SpoolQueue", "WaitingQueue")
        )
        self.assertIn("the local stack has the queue WaitingQueue, AWS has not", found)
        self.assertIn("AWS has the queue SpoolQueue, the local stack has not", found)
        other = local_stack.agrees(
            local_stack.same_parameters(template()), written.replace("RETENTION_DAYS:", "KEEP_DAYS:")
        )
        self.assertIn("KEEP_DAYS of call-event is 90 in the local stack and not there on AWS", other)
