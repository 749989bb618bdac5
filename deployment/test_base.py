"""The stack for functions that cargo-lambda deploys, and its settings for them, held to the template."""

import json
import tomllib
import unittest
from typing import Any

from local.cloudformation import ROOT, Deployment, refusals

from .base import OF_THE_API, POLICIES, base, policies
from .examples import BOTH, EXAMPLES, example, ringing, template


def given(name: str) -> dict[str, str]:
    """The parameters of an example that this stack has."""
    return {key: value for key, value in EXAMPLES[name].items() if key in base(template())["Parameters"]}


def deploy_settings(binary: str) -> dict[str, Any]:
    """What cargo-lambda reads in a function's Cargo.toml."""
    manifest = tomllib.loads((ROOT / "functions" / binary / "Cargo.toml").read_text())
    settings: dict[str, Any] = manifest["package"]["metadata"]["lambda"]["deploy"]
    return settings


class Base(unittest.TestCase):
    """The stack is the template's without its functions and its API."""

    def test_it_is_plain_cloudformation(self) -> None:
        self.assertNotIn("AWS::Serverless", json.dumps(base(template())))
        self.assertNotIn("Transform", base(template()))

    def test_it_lacks_the_functions_and_what_is_of_the_api_and_nothing_else(self) -> None:
        written = template()["Resources"]
        functions = {name for name, each in written.items() if each["Type"] == "AWS::Serverless::Function"}
        api = {"ApiErrorsAlarm", "ApiLatencyAlarm", "ApiRefusalsAlarm", "Dashboard"}
        api |= {"DevicesApiErrorsAlarm", "DevicesApiPermission"}
        api |= {"HistoryApiErrorsAlarm", "HistoryApiPermission"}
        domain = {"DomainMapping", "DomainRecord"}
        lacking = set(written) - set(base(template())["Resources"])
        self.assertEqual(lacking, functions | {*OF_THE_API} | api | domain)

    def test_what_it_has_is_what_the_template_has_and_refers_to_nothing_that_is_gone(self) -> None:
        for name in EXAMPLES:
            made, whole = Deployment(base(template()), given(name)), example(name)
            for resource, each in made.resources.items():
                # Here a function has its name, there its logical id.
                if each.kind != "AWS::CloudWatch::Alarm":
                    with self.subTest(deployment=name, resource=resource):
                        self.assertEqual(each, whole.resources[resource])
            self.assertTrue(made.outputs)

    def test_its_alarms_and_log_groups_expect_the_names_that_the_functions_are_deployed_with(self) -> None:
        made = Deployment(base(template()), given(BOTH))
        alarms = made.of_kind("AWS::CloudWatch::Alarm").values()
        watched = {
            (alarm["MetricName"], each["Value"])
            for alarm in alarms
            for each in alarm.get("Dimensions", [])
            if each["Name"] in ("FunctionName", "Resource")
        }
        groups = {each["LogGroupName"] for each in made.of_kind("AWS::Logs::LogGroup").values()}
        for function in example(BOTH).functions():
            called = f"ringback-local-{example(BOTH).binary(function)}"
            self.assertIn(f"/aws/lambda/{called}", groups)
            for metric in ("Errors", "Throttles"):
                self.assertLessEqual({(metric, called), (metric, f"{called}:live")}, watched)

    def test_it_refuses_the_ids_that_the_template_refuses(self) -> None:
        for wrong in ({"LineServiceIds": "any"}, {"LineServiceIds": "", "TencentSdkAppIds": ""}):
            self.assertTrue(refusals(base(template()), {**given(BOTH), **wrong}), wrong)
        self.assertFalse(refusals(base(template()), given(BOTH)))

    def test_it_remembers_the_functions_settings_but_no_secret(self) -> None:
        parameters = base(template())["Parameters"]
        settings = {
            "LineServiceIds",
            "LineSourceCidrs",
            "TencentSdkAppIds",
            "TencentSourceCidrs",
            "RetentionDays",
        }
        self.assertLessEqual(settings, set(parameters))
        self.assertEqual([name for name, each in parameters.items() if each.get("NoEcho")], [])

    def test_each_policy_file_is_what_the_templates_role_allows(self) -> None:
        written = {path.stem: json.loads(path.read_text()) for path in POLICIES.iterdir()}
        self.assertEqual(written, policies(ringing()), "python -m deployment.base policies writes them")

    def test_cargo_lambda_gives_each_function_what_the_template_gives_it(self) -> None:
        # A URL that cargo-lambda makes is open to everyone, so that of the registry is made by hand.
        open_to_all = {
            key: arn for key, arn in example(BOTH).routes().items() if key[1].startswith("/{token}/")
        }
        called = {example(BOTH).function_of(arn) for arn in open_to_all.values()}
        for function, properties in example(BOTH).functions().items():
            memory, timeout = int(properties["MemorySize"]), properties["Timeout"]
            expected = {"memory": memory, "timeout": timeout, "alias": "live"}
            if function in called:
                expected["enable_function_url"] = True
            with self.subTest(function=function):
                self.assertEqual(deploy_settings(example(BOTH).binary(function)), expected)
