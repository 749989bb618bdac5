"""The cost page: what its sums are made of, and that the committed one is of the committed inputs."""

import copy
import io
import re
import tempfile
import unittest
from contextlib import redirect_stderr
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

from local.processes import StackError

from . import cost

TEMPLATE = """
Parameters:
  Architecture:
    Type: String
    Default: arm64
  MemorySize:
    Type: Number
    # Comments are not values.
    Default: 256
  RetentionDays:
    Type: Number
    Default: '90'
  LogRetentionDays:
    Type: Number
    Default: 30
  RequestsPerSecond:
    Type: Number
    Default: 1000
  Stage:
    Type: String

Resources:
  SimpleAlarm:
    Type: AWS::CloudWatch::Alarm
    Properties:
      MetricName: Errors
  RatioAlarm:
    Type: AWS::CloudWatch::Alarm
    Properties:
      Metrics:
        - {Id: part, MetricStat: {Stat: Sum}}
        - {Id: whole, MetricStat: {Stat: Sum}}
        - {Id: ratio, Expression: part / whole}
  Dashboard:
    Type: AWS::CloudWatch::Dashboard
  NotifyFunction:
    Type: AWS::Serverless::Function
    Properties:
      Events:
        Callback:
          Type: HttpApi
"""
SERIES = [
    "accepted Count provider=line",
    "callbacks Count callback=notify outcome=published provider=line",
    "callbacks Count callback=notify outcome=unknown_url provider=line",
    "publish_ms Milliseconds callback=notify provider=line",
    "publish_ms Milliseconds callback=call_event provider=line",
    "refused Count provider=line",
    "replayed Count outcome=recorded",
]


def usage(environments: int = 1, **figures: Any) -> dict[str, Any]:
    """What a callback uses: figures that are easily reckoned with."""
    nothing = {"puts": 0, "write_units": 0, "stored_items": 0, "stored_bytes": 0, "publishes": 0, "published_bytes": 0}
    printed = {"log": {"lines": 1, "bytes": 474}, "log_at_warn": {"lines": 1, "bytes": 274}}
    return {"callbacks": 1, "environments": environments, **nothing, "answer_bytes": 0, **printed, **figures}


def inputs() -> cost.Inputs:
    """Inputs of round figures."""
    record = {"puts": 2, "write_units": 3, "stored_items": 2, "stored_bytes": 1_800}
    calls = [
        {"name": name, "function": "call-event", "usage": [usage(1, **record), usage(2, **{**record, "puts": 3})]}
        for name in cost.CALLBACKS.values()
    ]
    calls[0] = {"name": "line incoming call", "function": "notify", "usage": [usage(publishes=1, published_bytes=900)]}
    calls.append({"name": cost.WRONG_TOKEN, "function": "notify", "usage": [usage()]})
    times = {"init_ms": 5, "first_ms": 3, "warm_ms": 1, "warm_held_ms": 1.5, "resident_bytes": 7_000_000}
    replay: dict[str, Any] = {
        "messages": 100,
        "batch": 10,
        "environments": 2,
        "seconds": 0.1,
        "cpu_us": 700,
        "requests": 2,
    }
    replay |= {"capacity": 3, "stored_items": 2, "stored_bytes": 1_800, "log": {"lines": 1, "bytes": 500}}
    return cost.Inputs(
        prices=cost.Prices(copy.deepcopy(cost.read().prices.document)),
        figures={"functions": {"notify": times, "call-event": times}, "calls": calls, "replay": replay},
        series=SERIES,
        template=TEMPLATE,
    )


def with_price(of: cost.Inputs, name: str, factor: float) -> cost.Inputs:
    """The same inputs with another price."""
    document = copy.deepcopy(of.prices.document)
    document["prices"][name]["usd"] *= factor
    return replace(of, prices=cost.Prices(document))


class ABill(unittest.TestCase):
    """What a callback costs, reckoned by hand with the committed prices and round figures."""

    def setUp(self) -> None:
        self.inputs = inputs()
        # The prices that are reckoned with; the committed ones may change.
        usd = {"api_gateway_request": 1, "lambda_request": 0.2, "lambda_duration_arm64": 0.00001, "dynamodb_write": 0.5}
        usd |= {"dynamodb_storage": 0.25, "dynamodb_backup": 0.2, "sns_publish": 0.5, "sqs_request": 0.4}
        usd |= {"logs_ingestion": 0.5, "logs_storage": 0.1, "transfer_out": 0.1}
        values = {"dynamodb_round_trip_ms": 5, "sns_round_trip_ms": 15, "cold_start_share": 0, "access_log_bytes": 474}
        values |= {"platform_log_lines": 2, "platform_log_bytes": 448, "log_line_overhead_bytes": 26}
        values |= {"item_overhead_bytes": 100, "gateway_answer_bytes": 1_000, "month_days": 30}
        for name, price in usd.items():
            self.inputs.prices.document["prices"][name]["usd"] = price
        for name, value in values.items():
            self.inputs.prices.document["assumptions"][name]["value"] = value
        self.settings = self.inputs.settings()

    def million(self, call: str, **changes: Any) -> dict[str, float]:
        """The amounts for a million callbacks, to the hundredth of a cent."""
        bill = cost.callback(self.inputs, replace(self.settings, **changes), call).times(cost.MILLION)
        return {column: round(amount, 4) for column, amount in bill.amounts.items()}

    def test_a_callback_with_a_record_is_billed_in_every_column(self) -> None:
        # 1.5 ms of its own and two puts of 5 ms are 12 ms billed, of a quarter of a GB: 0.03. Of 2,000 bytes kept for
        # three months 2.70. Four lines of 500 bytes: 1.0 GB taken in and kept for a month at 0.1 in all 1.2.
        self.assertEqual(
            self.million("line one-to-one call", in_turns=False),
            {
                "API Gateway": 1.0,
                "Lambda": 0.23,
                "table writes": 1.5,
                "table storage": 2.7,
                "SNS and SQS": 0.0,
                "logs": round(0.6 * (474 + 448 + 474 + 4 * 26) / 1000, 4),
                "transfer out": 0.1,
            },
        )

    def test_a_push_job_is_published_and_nothing_is_stored(self) -> None:
        million = self.million("line incoming call")
        self.assertEqual((million["SNS and SQS"], million["table writes"], million["table storage"]), (0.5, 0, 0))
        self.assertEqual(million["Lambda"], round(0.2 + 17 * 0.25 * 0.01, 4))

    def test_a_message_of_more_than_64_kb_is_published_as_two(self) -> None:
        self.inputs.figures["calls"][0]["usage"][0]["published_bytes"] = 64 * 1024 + 1
        self.assertEqual(self.million("line incoming call")["SNS and SQS"], 1.0)

    def test_environments_in_turns_wait_for_a_request_more(self) -> None:
        self.assertEqual(self.million("line one-to-one call")["Lambda"], round(0.2 + 17 * 0.25 * 0.01, 4))

    def test_init_is_billed_for_the_share_of_cold_starts(self) -> None:
        self.inputs.prices.document["assumptions"]["cold_start_share"]["value"] = 0.5
        self.inputs.prices.document["assumptions"]["init_on_lambda_ms"]["value"] = 13
        # INIT of 5 ms and 13, and a first callback that takes 2 ms longer, every other time.
        self.assertEqual(self.million("line incoming call")["Lambda"], round(0.2 + (17 + 10) * 0.25 * 0.01, 4))

    def test_a_share_of_a_core_is_reckoned_with_where_it_was_measured(self) -> None:
        settings, call = self.settings, "line incoming call"
        self.assertEqual(cost.milliseconds(self.inputs, settings, call), 16.5)
        self.inputs.function("notify")["warm_held_ms"] = None
        self.assertEqual(cost.milliseconds(self.inputs, settings, call), 16)

    def test_a_shorter_line_is_cheaper_and_the_lines_of_aws_stay(self) -> None:
        loud, quiet = (self.million("line incoming call", log_level=level)["logs"] for level in ("INFO", "WARN"))
        self.assertAlmostEqual(loud - quiet, 0.6 * 0.2)

    def test_a_spooled_record_is_published_queued_and_written(self) -> None:
        amounts = cost.replayed(self.inputs, self.settings).times(cost.MILLION).amounts
        self.assertAlmostEqual(amounts["SNS and SQS"], 0.5 + 0.4 * 1.2)
        self.assertAlmostEqual(amounts["table writes"], 1.5)
        self.assertEqual(amounts["API Gateway"], 0)
        # Ten records of 0.7 ms take 48.4 ms at 256 MB of the 1,769 that buy a core, and their puts 10: 59 ms a batch.
        self.assertAlmostEqual(amounts["Lambda"], (0.2 + 59 * 0.25 * 0.01) / 10)

    def test_the_months_are_their_callbacks(self) -> None:
        month = cost.month(self.inputs, self.settings, cost.MONTHS[0])
        calls = ("line incoming call", "line one-to-one call")
        each = [cost.callback(self.inputs, self.settings, call).total for call in calls]
        self.assertAlmostEqual(month.total, cost.MILLION * sum(each))


class Prices(unittest.TestCase):
    """What a change of the price list changes."""

    def test_a_doubled_price_doubles_its_column_and_no_other(self) -> None:
        of = inputs()
        columns = {
            "api_gateway_request": ("API Gateway", "line one-to-one call"),
            "dynamodb_write": ("table writes", "line one-to-one call"),
            "sns_publish": ("SNS and SQS", "line incoming call"),
            "transfer_out": ("transfer out", "line one-to-one call"),
        }
        for price, (column, call) in columns.items():
            before = cost.callback(of, of.settings(), call).amounts
            after = cost.callback(with_price(of, price, 2), of.settings(), call).amounts
            self.assertGreater(before[column], 0, price)
            for other in cost.COLUMNS:
                self.assertAlmostEqual(after[other], before[other] * (2 if other == column else 1), msg=price)

    def test_every_price_of_the_list_is_part_of_the_page(self) -> None:
        # The section of prices itself would show any change.
        def sums(of: cost.Inputs) -> str:
            return cost.page(of).split("## Prices")[0]

        of = inputs()
        for price in of.prices.document["prices"]:
            self.assertNotEqual(sums(with_price(of, price, 50)), sums(of), price)

    def test_every_assumption_is_part_of_the_page(self) -> None:
        def sums(of: cost.Inputs) -> str:
            return cost.page(of).split("## Prices")[0]

        for name in inputs().prices.document["assumptions"]:
            of = inputs()
            of.prices.document["assumptions"][name]["value"] *= 20
            self.assertNotEqual(sums(of), sums(inputs()), name)

    def test_a_missing_price_is_named(self) -> None:
        for broken in ({}, {"usd": None, "per": 1}, {"usd": 1}, {"usd": 1, "per": 0}):
            of = inputs()
            of.prices.document["prices"]["sns_publish"] = broken
            with self.assertRaisesRegex(StackError, "no price sns_publish"):
                cost.callback(of, of.settings(), "line incoming call")

    def test_a_missing_assumption_is_named(self) -> None:
        of = inputs()
        del of.prices.document["assumptions"]["access_log_bytes"]
        with self.assertRaisesRegex(StackError, "no assumption access_log_bytes"):
            cost.page(of)

    def test_every_price_says_where_it_was_read_and_where_to_check_it(self) -> None:
        for name, price in cost.read().prices.document["prices"].items():
            for link in ("official", "found"):
                self.assertTrue(price[link].startswith("https://"), name)
            self.assertTrue(price["unit"] and price["dated"], name)


class WhatIsCounted(unittest.TestCase):
    """The template, the series and the figures."""

    def test_the_template_s_defaults_are_the_settings(self) -> None:
        self.assertEqual(inputs().settings(), cost.Settings("arm64", 256, 90, 30, 1000))

    def test_a_parameter_without_a_default_is_named(self) -> None:
        for parameter in ("Stage", "Unheard"):
            with self.assertRaisesRegex(StackError, parameter):
                inputs().default(parameter)

    def test_an_alarm_that_computes_counts_each_metric(self) -> None:
        self.assertEqual((inputs().alarm_metrics(), inputs().dashboards()), (3, 1))

    def test_metrics_by_route_are_counted_when_they_are_on(self) -> None:
        self.assertEqual(inputs().route_series(), 0)
        on = replace(inputs(), template=TEMPLATE + "      DetailedMetricsEnabled: true\n")
        self.assertEqual(on.route_series(), 6)
        self.assertIn("the gateway's metrics by route", cost.page(on))

    def test_series_that_only_trouble_sends_are_told_apart(self) -> None:
        loud = [series for series in SERIES if cost.only_in_trouble(series)]
        self.assertEqual(loud, [SERIES[2], *SERIES[4:]])

    def test_figures_that_were_not_measured_are_named(self) -> None:
        of = inputs()
        of.figures["replay"] = None
        with self.assertRaisesRegex(StackError, "no figures of replay: run `make bench`"):
            cost.page(of)
        of = inputs()
        of.figures["calls"] = of.figures["calls"][:1]
        with self.assertRaisesRegex(StackError, "knows no line one-to-one call"):
            cost.page(of)
        of = inputs()
        del of.figures["functions"]["notify"]
        with self.assertRaisesRegex(StackError, "no figures of functions notify"):
            cost.page(of)


class ThePage(unittest.TestCase):
    """What is committed."""

    def test_the_committed_page_is_made_of_the_committed_inputs(self) -> None:
        committed = (cost.ROOT / cost.PAGE).read_text(encoding="utf-8")
        self.assertEqual(committed, cost.page(cost.read()), "run `make cost` and commit docs/cost.md")

    def test_its_links_lead_to_its_own_headings(self) -> None:
        page = cost.page(inputs())
        headings = {line.lstrip("# ").lower().replace(" ", "-") for line in page.splitlines() if line.startswith("#")}
        for link in re.findall(r"\]\(#([^)]*)\)", page):
            self.assertIn(link, headings)

    def test_amounts_too_small_for_cents_are_not_nothing(self) -> None:
        shown = [cost.dollars(amount) for amount in (0, 0.004, 0.005, 1234.5)]
        self.assertEqual(shown, ["0.00", "< 0.01", "0.01", "1,234.50"])

    def test_what_is_missing_is_said_in_one_line(self) -> None:
        said = io.StringIO()
        with (
            tempfile.TemporaryDirectory() as folder,
            mock.patch.object(cost, "ROOT", Path(folder)),
            redirect_stderr(said),
        ):
            self.assertEqual(cost.main(), 1)
        self.assertEqual(said.getvalue(), "cost: deployment/prices.json cannot be read: No such file or directory\n")


if __name__ == "__main__":
    unittest.main()
