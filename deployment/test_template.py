"""What template.yaml promises, of every example deployment after SAM's own transform."""

import unittest

from local.make_token import digest
from local.stack import TOKEN

from . import examples, observed
from .checks import Check, functions, local_stack, logs, metrics, permissions, routes, whole
from .examples import BOTH, EXAMPLES, example, given, template
from .transformed import ROOT, refusals

RUNBOOK = ROOT / "docs" / "runbook.md"


class InEveryExample(unittest.TestCase):
    """A test of checks, which find nothing in any of the examples."""

    def find_nothing(self, *checks: Check) -> None:
        """Shows what the checks find, by deployment."""
        seen = observed.read()
        for name in EXAMPLES:
            with self.subTest(deployment=name):
                self.assertEqual([finding for check in checks for finding in check(example(name), seen)], [])


class Examples(InEveryExample):
    """The examples are enough to see everything of the template."""

    def test_each_condition_is_true_in_one_example_and_false_in_another(self) -> None:
        for condition in template()["Conditions"]:
            with self.subTest(condition=condition):
                self.assertEqual({example(name).holds(condition) for name in EXAMPLES}, {True, False})

    def test_no_example_is_refused(self) -> None:
        for name, parameters in EXAMPLES.items():
            with self.subTest(deployment=name):
                self.assertEqual(refusals(template(), parameters), [])

    def test_nothing_names_a_resource_that_the_deployment_does_not_have(self) -> None:
        self.find_nothing(whole.references)

    def test_no_resource_needs_itself(self) -> None:
        self.find_nothing(whole.circles)


class Alarms(InEveryExample):
    """An alarm can go off, and then somebody knows what to do."""

    def test_each_alarm_watches_metrics_that_a_function_emits_or_aws_keeps(self) -> None:
        self.find_nothing(metrics.alarm_metrics)

    def test_each_alarm_has_one_result(self) -> None:
        self.find_nothing(metrics.alarm_results)

    def test_each_alarm_tells_somebody_and_says_what_missing_data_means_and_where_to_read_on(self) -> None:
        self.find_nothing(metrics.alarm_duties)

    def test_where_a_metric_has_no_data_each_alarm_neither_overlooks_what_comes_late_nor_goes_on_for_ever(self) -> None:
        self.find_nothing(metrics.missing_data)

    def test_the_alarms_topic_takes_them(self) -> None:
        self.find_nothing(metrics.alarm_topics)

    def test_each_alarm_names_a_section_that_the_runbook_has(self) -> None:
        there = metrics.sections_of(RUNBOOK.read_text()) if RUNBOOK.exists() else set()
        for name in EXAMPLES:
            missing = {
                alarm: section
                for alarm, section in metrics.sections_named(example(name)).items()
                if section not in there
            }
            with self.subTest(deployment=name):
                self.assertEqual(missing, {})

    def test_all_functions_put_their_metrics_into_the_stacks_own_namespace(self) -> None:
        self.find_nothing(metrics.one_namespace)


class Dashboard(InEveryExample):
    """No widget stays empty for ever."""

    def test_there_is_one(self) -> None:
        for name in EXAMPLES:
            with self.subTest(deployment=name):
                self.assertEqual(len(example(name).of_kind("AWS::CloudWatch::Dashboard")), 1)

    def test_each_widget_shows_metrics_that_a_function_emits_or_aws_keeps(self) -> None:
        self.find_nothing(metrics.dashboard_metrics)

    def test_each_alarm_that_is_shown_exists(self) -> None:
        self.find_nothing(metrics.dashboard_alarms)

    def test_the_fields_of_a_line_are_found_in_the_code(self) -> None:
        self.assertLessEqual({"timestamp", "outcome", "sid", "latency_ms", "call_outcome"}, logs.fields_of_a_line())

    def test_each_query_reads_log_groups_that_exist_and_fields_that_their_lines_have(self) -> None:
        self.find_nothing(logs.log_queries)


class Logs(InEveryExample):
    """Lines end some day, and hold no secret."""

    def test_each_log_group_is_kept_for_a_time(self) -> None:
        self.find_nothing(logs.retention)

    def test_the_access_log_holds_nothing_that_may_hold_the_token_or_what_was_sent(self) -> None:
        self.find_nothing(logs.access_log)


class Permissions(InEveryExample):
    """Roles equal the code."""

    def test_each_function_has_a_role_of_its_own_and_there_is_no_other_but_codedeploys(self) -> None:
        self.find_nothing(permissions.roles)

    def test_each_role_allows_what_its_function_was_seen_to_do_and_nothing_else(self) -> None:
        self.find_nothing(permissions.permissions)

    def test_only_the_attributes_of_records_can_be_put(self) -> None:
        self.find_nothing(permissions.attributes)


class Functions(InEveryExample):
    """Each function is watched, deployed bit by bit, and has a place for what it cannot do."""

    def test_each_function_has_a_log_group_of_its_own(self) -> None:
        self.find_nothing(functions.log_groups)

    def test_errors_and_throttles_of_each_function_raise_an_alarm(self) -> None:
        self.find_nothing(functions.trouble_alarms)

    def test_what_a_function_cannot_do_ends_in_a_queue_with_an_alarm_or_is_answered_at_once_and_raises_one(
        self,
    ) -> None:
        self.find_nothing(functions.dead_letters)

    def test_records_that_are_tried_in_vain_raise_an_alarm_before_they_are_dead_letters(self) -> None:
        self.find_nothing(functions.vain_tries)

    def test_each_function_has_an_alias_that_an_alarm_of_it_brings_back(self) -> None:
        self.find_nothing(functions.aliases)

    def test_nothing_calls_a_function_past_its_alias(self) -> None:
        self.find_nothing(functions.callers)

    def test_a_new_release_publishes_a_version_of_each_function_whatever_else_is_new(self) -> None:
        self.assertEqual(whole.releases(example(BOTH), examples.with_release("second")), [])


class Routes(InEveryExample):
    """A URL that is told leads to the function that reads it."""

    def test_each_route_calls_the_alias_of_the_function_that_serves_its_path(self) -> None:
        self.find_nothing(routes.integrations)

    def test_each_function_has_a_route_that_an_output_tells_or_a_queue(self) -> None:
        self.find_nothing(routes.every_function_is_routed)

    def test_each_url_is_that_of_the_function_whose_name_it_bears(self) -> None:
        self.find_nothing(routes.outputs)

    def test_the_paths_are_found_in_the_code(self) -> None:
        self.assertEqual(len(routes.paths_of_the_code()), 5)
        self.assertEqual(routes.paths_of_the_code(), routes.paths_of_the_router())


class LocalStack(unittest.TestCase):
    """What `make run` shows is what AWS would run."""

    def test_it_makes_the_templates_resources_and_gives_its_functions_the_same_environment(self) -> None:
        self.assertEqual(local_stack.agrees(local_stack.same_parameters(template())), [])


class Protection(InEveryExample):
    """What production must not be without."""

    def test_the_table_outlives_its_stack_and_is_protected_in_production(self) -> None:
        self.find_nothing(whole.table)

    def test_whatever_keeps_what_was_sent_is_encrypted(self) -> None:
        self.find_nothing(whole.encryption)

    def test_each_queue_has_one_policy_about_itself_alone(self) -> None:
        self.find_nothing(whole.queue_policies)

    def test_the_stacks_own_key_outlives_it_and_may_be_used_by_the_services_that_write(self) -> None:
        self.find_nothing(whole.key_policy)

    def test_production_is_refused_when_everybodys_calls_are_ours(self) -> None:
        for parameter in ("LineServiceIds", "TencentSdkAppIds"):
            with self.subTest(parameter=parameter):
                self.assertEqual(len(refusals(template(), given(BOTH, **{parameter: "any"}))), 1)
                self.assertEqual(refusals(template(), given(BOTH, Stage="dev", **{parameter: "any"})), [])

    def test_a_stack_without_a_token_is_refused(self) -> None:
        for token in ("", "secret", examples.DIGEST.upper(), f"{examples.DIGEST},"):
            with self.subTest(token=token):
                self.assertNotEqual(refusals(template(), given(BOTH, CallbackTokenSha256=token)), [])
        without = {name: value for name, value in EXAMPLES[BOTH].items() if name != "CallbackTokenSha256"}
        self.assertEqual(refusals(template(), without), ["CallbackTokenSha256 has no value"])

    def test_the_local_stacks_published_token_is_refused(self) -> None:
        published = digest(TOKEN)
        for token in (published, f"{published},{examples.DIGEST}", f"{examples.DIGEST},{published}"):
            with self.subTest(token=token):
                self.assertNotEqual(refusals(template(), given(BOTH, CallbackTokenSha256=token)), [])

    def test_two_tokens_at_once_are_allowed(self) -> None:
        two = f"{examples.DIGEST},{digest('another')}"
        self.assertEqual(refusals(template(), given(BOTH, CallbackTokenSha256=two)), [])

    def test_a_stack_without_a_vendor_is_refused(self) -> None:
        for stage in ("dev", "prod"):
            with self.subTest(stage=stage):
                without = given(BOTH, Stage=stage, LineServiceIds="", TencentSdkAppIds="")
                self.assertNotEqual(refusals(template(), without), [])

    def test_a_domain_without_a_certificate_is_refused(self) -> None:
        self.assertNotEqual(refusals(template(), given(BOTH, DomainName="calls.example.com")), [])

    def test_a_release_must_be_named(self) -> None:
        without = {name: value for name, value in EXAMPLES[BOTH].items() if name != "Release"}
        self.assertEqual(refusals(template(), without), ["Release has no value"])


class Settings(unittest.TestCase):
    """samconfig.toml."""

    def test_it_gives_parameters_that_exist_with_values_that_are_allowed_and_no_secret(self) -> None:
        self.assertEqual(whole.settings(template()), [])
