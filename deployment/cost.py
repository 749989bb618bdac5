"""What a deployment costs: docs/cost.md, computed from what was measured and from a price list that can be changed.

`python3 -m deployment.cost` (`make cost`) writes the page. It needs nothing but Python.
"""

import json
import math
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from local.processes import StackError

ROOT = Path(__file__).resolve().parent.parent
PRICES = "deployment/prices.json"
FIGURES = "docs/performance.json"
METRICS = "deployment/metrics.txt"
TEMPLATE = "template.yaml"
PAGE = "docs/cost.md"

MILLION = 1_000_000
# DynamoDB, CloudWatch and data transfer are billed by the GB. AWS does not say everywhere whether it is 10^9 or 2^30
# bytes: the smaller one makes the dearer bill.
GB = 10**9
# Lambda gives a function of so many MB a whole core.
MEGABYTES_OF_A_CORE = 1_769
# What SNS and SQS charge as one request.
CHUNK_BYTES = 64 * 1024
COLUMNS = ("API Gateway", "Lambda", "table writes", "table storage", "SNS and SQS", "logs", "transfer out")

# Rows of the page: a callback's kind and the call that it is measured by.
CALLBACKS = {
    "`notify`": "line incoming call",
    "`call-event`": "line one-to-one call",
    "`group-call-event`": "line group call",
    "`agent-call-status`": "line agent call",
    "`tencent-call-event`, one-to-one": "tencent one-to-one call",
    "`tencent-call-event`, one-to-one, older generation": "tencent one-to-one call, older generation",
    "`tencent-call-event`, group": "tencent group call",
    "`tencent-call-event`, group, older generation": "tencent group call, older generation",
}
WRONG_TOKEN = "wrong token"
# Outcomes of callbacks that need no trouble to occur.
QUIET_OUTCOMES = {"published", "recorded", "duplicate", "ignored"}


@dataclass(frozen=True)
class Month:
    """Callbacks of a month, by the call that each tells of."""

    what: str
    told: str
    callbacks: dict[str, int]


MONTHS = (
    Month(
        "a million one-to-one LINE calls",
        "one `notify` and one `call-event` each",
        {"line incoming call": MILLION, "line one-to-one call": MILLION},
    ),
    Month(
        "100,000 LINE group calls of four people",
        "eight callbacks each: the room starts, three join, three leave, the room ends",
        {"line group call": 8 * 100_000},
    ),
    Month(
        "a million one-to-one Tencent calls",
        "four callbacks each: start, answer, hang-up, end",
        {"tencent one-to-one call": 4 * MILLION},
    ),
    Month(
        "a million one-to-one Tencent calls, older generation",
        "seven callbacks each: six events of caller and callee, and the call's status",
        {"tencent one-to-one call, older generation": 7 * MILLION},
    ),
)


@dataclass(frozen=True)
class Settings:
    """A deployment's parameters, and how its calls come in."""

    architecture: str
    memory_mb: int
    retention_days: int
    log_retention_days: int
    requests_a_second: int
    log_level: str = "INFO"
    # The callbacks of one call come to environments in turns: each finds the call changed and needs a request more.
    in_turns: bool = True
    round_trips: float = 1
    cold_starts: float = 1


class Prices:
    """The price list and the assumptions."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document

    def cost(self, name: str, amount: float) -> float:
        """What so much of something costs."""
        price = self.document.get("prices", {}).get(name, {})
        usd, per = price.get("usd"), price.get("per")
        if not isinstance(usd, int | float) or not isinstance(per, int | float) or per <= 0:
            raise StackError(f"{PRICES} has no price {name}: give its `usd` and how many `per`")
        return amount * usd / per

    def assume(self, name: str) -> float:
        """A figure that nobody measured."""
        value = self.document.get("assumptions", {}).get(name, {}).get("value")
        if not isinstance(value, int | float):
            raise StackError(f"{PRICES} has no assumption {name}: give its `value`")
        return value


@dataclass(frozen=True)
class Bill:
    """Dollars by column."""

    amounts: dict[str, float]

    @property
    def total(self) -> float:
        """All columns together."""
        return sum(self.amounts.values())

    def times(self, count: float) -> "Bill":
        """The bill for so many of it."""
        return Bill({column: amount * count for column, amount in self.amounts.items()})


def together(bills: Iterable[Bill]) -> Bill:
    """The sum of bills."""
    all_of_them = list(bills)
    return Bill({column: sum(bill.amounts.get(column, 0) for bill in all_of_them) for column in COLUMNS})


@dataclass(frozen=True)
class Inputs:
    """Everything that the page is computed from."""

    prices: Prices
    # docs/performance.json, as the benchmark wrote it.
    figures: dict[str, Any]
    # Lines of metrics.txt: the metric, its unit and its dimensions.
    series: list[str]
    template: str

    def settings(self) -> Settings:
        """The template's defaults."""
        return Settings(
            architecture=self.default("Architecture"),
            memory_mb=int(self.default("MemorySize")),
            retention_days=int(self.default("RetentionDays")),
            log_retention_days=int(self.default("LogRetentionDays")),
            requests_a_second=int(self.default("RequestsPerSecond")),
        )

    def default(self, parameter: str) -> str:
        """The default of a parameter. The template is read as text, because this is to run without a YAML reader."""
        declared = re.search(rf"(?m)^  {parameter}:\n((?:    .*\n)+)", self.template)
        found = declared and re.search(r"(?m)^    Default: *(\S+)", declared[1])
        if not found:
            raise StackError(f"{TEMPLATE} has no parameter {parameter} with a default")
        return found[1].strip("'\"")

    def alarm_metrics(self) -> int:
        """Metrics that alarms look at: an alarm that computes is charged for each metric in it."""
        resources = re.split(r"(?m)^  (?=\w+:[ ]*$)", self.template)
        alarms = [resource for resource in resources if "Type: AWS::CloudWatch::Alarm\n" in resource]
        return sum(max(1, len(re.findall(r"\bMetricStat:", alarm))) for alarm in alarms)

    def dashboards(self) -> int:
        """Dashboards of the template."""
        return len(re.findall(r"Type: AWS::CloudWatch::Dashboard\n", self.template))

    def route_series(self) -> int:
        """Series of the gateway's metrics for each route, which are charged like one's own; 0 when they are off."""
        is_on = re.search(r"DetailedMetricsEnabled: true", self.template)
        return 6 * len(re.findall(r"Type: HttpApi\n", self.template)) if is_on else 0

    def function(self, name: str) -> dict[str, Any]:
        """The times of a function."""
        return self._figures("functions", name)

    def usage(self, call: str, in_turns: bool) -> dict[str, Any]:
        """What one callback of a call uses."""
        found = [known for known in self.figures.get("calls", []) if known["name"] == call]
        if not found:
            raise StackError(f"{FIGURES} knows no {call}: run `make bench`")
        usage: list[dict[str, Any]] = sorted(found[0]["usage"], key=lambda usage: int(usage["environments"]))
        return {"function": found[0]["function"], **usage[-1 if in_turns else 0]}

    def replay(self) -> dict[str, Any]:
        """What replay was measured at."""
        return self._figures("replay")

    def _figures(self, *names: str) -> dict[str, Any]:
        found: Any = self.figures
        for name in names:
            found = (found or {}).get(name)
        if not found:
            raise StackError(f"{FIGURES} has no figures of {' '.join(names)}: run `make bench`")
        figures: dict[str, Any] = found
        return figures


def read(root: Path | None = None) -> Inputs:
    """The inputs from their files."""
    root = root or ROOT
    return Inputs(
        prices=Prices(_json(root, PRICES)),
        figures=_json(root, FIGURES),
        series=[line for line in _text(root, METRICS).splitlines() if line],
        template=_text(root, TEMPLATE),
    )


def _text(root: Path, name: str) -> str:
    try:
        return (root / name).read_text(encoding="utf-8")
    except OSError as error:
        raise StackError(f"{name} cannot be read: {error.strerror}") from error


def _json(root: Path, name: str) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(_text(root, name))
    except ValueError as error:
        raise StackError(f"{name} is no JSON: {error}") from error
    return document


def callback(inputs: Inputs, settings: Settings, call: str) -> Bill:
    """One callback of a call, from the request to the day on which its items and lines expire."""
    usage = inputs.usage(call, settings.in_turns)
    log = usage["log" if settings.log_level == "INFO" else "log_at_warn"]
    assume = inputs.prices.assume
    return together(
        [
            Bill({"API Gateway": inputs.prices.cost("api_gateway_request", 1)}),
            invocation(inputs, settings, inputs.function(usage["function"]), milliseconds(inputs, settings, call)),
            stored(inputs, settings, usage["write_units"], usage["stored_items"], usage["stored_bytes"]),
            published(inputs, usage["publishes"], usage["published_bytes"]),
            logged(inputs, settings, log["lines"], log["bytes"], invocations=1),
            logged(inputs, settings, 1, assume("access_log_bytes"), invocations=0),
            Bill(
                {
                    "transfer out": inputs.prices.cost(
                        "transfer_out", (usage["answer_bytes"] + assume("gateway_answer_bytes")) / GB
                    )
                }
            ),
        ]
    )


def milliseconds(inputs: Inputs, settings: Settings, call: str) -> float:
    """How long a warm callback runs: the function's own time, measured, and AWS's, assumed."""
    usage = inputs.usage(call, settings.in_turns)
    function = inputs.function(usage["function"])
    own = function["warm_held_ms"] or function["warm_ms"]
    waits = usage["puts"] * inputs.prices.assume("dynamodb_round_trip_ms")
    waits += usage["publishes"] * inputs.prices.assume("sns_round_trip_ms")
    return float(own + waits * settings.round_trips)


def replayed(inputs: Inputs, settings: Settings) -> Bill:
    """One record by way of the spool: published, queued, and written by replay."""
    figures = inputs.replay()
    batch = figures["batch"]
    # A batch is more work than a small function's share of a core gets done at once, so that its CPU time decides.
    share = min(1, settings.memory_mb / MEGABYTES_OF_A_CORE)
    wall = figures["seconds"] * 1000 * figures["environments"] * batch / figures["messages"]
    own = max(wall, figures["cpu_us"] / 1000 * batch / share)
    # The records of a batch wait side by side.
    waits = figures["requests"] * inputs.prices.assume("dynamodb_round_trip_ms") * settings.round_trips
    slowest = max(inputs.figures.get("functions", {}), key=lambda name: inputs.function(name)["init_ms"], default="")
    run = invocation(inputs, settings, inputs.function(slowest), own + waits)
    return together(
        [
            run.times(1 / batch),
            stored(inputs, settings, figures["capacity"], figures["stored_items"], figures["stored_bytes"]),
            published(inputs, 1, figures["stored_bytes"]),
            # Delivered one by one, received and deleted by the batch.
            Bill({"SNS and SQS": inputs.prices.cost("sqs_request", 1 + 2 / batch)}),
            logged(inputs, settings, figures["log"]["lines"], figures["log"]["bytes"], invocations=1 / batch),
        ]
    )


def invocation(inputs: Inputs, settings: Settings, function: dict[str, Any], run_ms: float) -> Bill:
    """One invocation, with its share of the cold starts."""
    share = inputs.prices.assume("cold_start_share") * settings.cold_starts
    init = function["init_ms"] + inputs.prices.assume("init_on_lambda_ms")
    init += max(0, function["first_ms"] - function["warm_ms"])
    billed_ms = math.ceil(run_ms) + share * init
    gb_seconds = billed_ms / 1000 * settings.memory_mb / 1024
    duration = inputs.prices.cost(f"lambda_duration_{settings.architecture}", gb_seconds)
    return Bill({"Lambda": inputs.prices.cost("lambda_request", 1) + duration})


def stored(inputs: Inputs, settings: Settings, units: float, items: float, size: float) -> Bill:
    """Writing items and keeping them until they expire. That they expire costs nothing."""
    kept = (size + items * inputs.prices.assume("item_overhead_bytes")) / GB
    months = settings.retention_days / inputs.prices.assume("month_days")
    storage = inputs.prices.cost("dynamodb_storage", kept) + inputs.prices.cost("dynamodb_backup", kept)
    return Bill({"table writes": inputs.prices.cost("dynamodb_write", units), "table storage": storage * months})


def published(inputs: Inputs, messages: float, size: float) -> Bill:
    """Publishing messages. SNS delivers to queues and functions for nothing."""
    chunks = max(1, math.ceil(size / messages / CHUNK_BYTES)) if messages else 0
    return Bill({"SNS and SQS": inputs.prices.cost("sns_publish", messages * chunks)})


def logged(inputs: Inputs, settings: Settings, lines: float, size: float, invocations: float) -> Bill:
    """Lines of a function or of the gateway, and Lambda's own lines for so many invocations."""
    assume = inputs.prices.assume
    lines += invocations * assume("platform_log_lines")
    size += invocations * assume("platform_log_bytes") + lines * assume("log_line_overhead_bytes")
    months = settings.log_retention_days / assume("month_days")
    kept = inputs.prices.cost("logs_storage", size / GB) * months
    return Bill({"logs": inputs.prices.cost("logs_ingestion", size / GB) + kept})


def month(inputs: Inputs, settings: Settings, of: Month) -> Bill:
    """The callbacks of a month."""
    return together(callback(inputs, settings, call).times(count) for call, count in of.callbacks.items())


def only_in_trouble(series: str) -> bool:
    """Whether a series is sent only when callbacks are turned away or AWS fails."""
    metric, _, *dimensions = series.split()
    by = dict(dimension.split("=", 1) for dimension in dimensions)
    if metric in ("refused", "failed", "replayed"):
        return True
    if metric == "callbacks":
        return by.get("outcome") not in QUIET_OUTCOMES
    # All but notify publish into the spool alone.
    return metric == "publish_ms" and by.get("callback") != "notify"


def fixed(inputs: Inputs) -> list[tuple[str, str, float]]:
    """What a month costs without any callback, and of how much."""
    cost, assume = inputs.prices.cost, inputs.prices.assume
    quiet = [series for series in inputs.series if not only_in_trouble(series)]
    loud = len(inputs.series) - len(quiet)
    rows = [
        ("own metrics while all is well", f"{len(quiet)} series", cost("custom_metric", len(quiet))),
        ("own metrics that only trouble sends", f"{loud} series, at most", cost("custom_metric", loud)),
        ("alarms", f"{inputs.alarm_metrics()} metrics", cost("alarm_metric", inputs.alarm_metrics())),
        ("dashboard", str(inputs.dashboards()), cost("dashboard", inputs.dashboards())),
        (
            "asking the empty spool",
            f"{assume('sqs_idle_requests'):,.0f} requests",
            cost("sqs_request", assume("sqs_idle_requests")),
        ),
        (
            "KMS requests",
            f"{assume('kms_idle_requests'):,.0f} requests",
            cost("kms_request", assume("kms_idle_requests")),
        ),
    ]
    if inputs.route_series():
        series = inputs.route_series()
        rows.append(("the gateway's metrics by route", f"{series} series", cost("custom_metric", series)))
    return rows


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown. Columns of figures stand to the right."""
    names, cells = list(head), [list(row) for row in rows]
    figures = [all(re.fullmatch(r"[-\d.,<* %]*", line[column]) for line in cells) for column in range(len(names))]
    rule = "|".join("---:" if of_figures else "---" for of_figures in figures)
    lines = [f"| {' | '.join(line)} |\n" for line in [names, *cells]]
    return "".join([lines[0], f"|{rule}|\n", *lines[1:]])


def dollars(amount: float) -> str:
    """An amount in cents, and smaller ones as what they are: not nothing."""
    return "0.00" if amount == 0 else f"{amount:,.2f}" if amount >= 0.005 else "< 0.01"


def plain(figure: float) -> str:
    """A figure without an exponent or zeros that say nothing."""
    return f"{figure:,.10f}".rstrip("0").rstrip(".")


def row(bill: Bill) -> list[str]:
    """A bill's columns, its largest in bold, and its total."""
    largest = max(bill.amounts.values())
    cells = [dollars(bill.amounts[column]) for column in COLUMNS]
    marked = (
        f"**{cell}**" if bill.amounts[column] == largest else cell for column, cell in zip(COLUMNS, cells, strict=True)
    )
    return [*marked, dollars(bill.total)]


def page(inputs: Inputs) -> str:
    """The whole page."""
    settings = inputs.settings()
    parts = [
        introduction(inputs, settings),
        callbacks_part(inputs, settings),
        fixed_part(inputs),
        months_part(inputs, settings),
        levers_part(inputs, settings),
        flood_part(inputs, settings),
        inputs_part(inputs, settings),
    ]
    return "\n".join(parts)


def introduction(inputs: Inputs, settings: Settings) -> str:
    """What the page is and what it is not."""
    document, figures = inputs.prices.document, inputs.figures
    return f"""# What it costs

Written by `python3 -m deployment.cost` (`make cost`) from `{PRICES}`, `{FIGURES}`, `{METRICS}` and the
defaults of `{TEMPLATE}`. Change the prices or the assumptions in the first and run it again.

* **Measured**: requests, write units, bytes of items, messages, answers and log lines, and the functions' own time, by
  `{figures.get("command")}` (`make bench`) on {figures.get("date")}. The calls are sample events
  ([below](#measured)).
* **Read**: list prices of {document.get("region")} in {document.get("currency")}, on {document.get("read_on")}, partly
  in pages that quote AWS's. Check them against AWS's own before you rely on them: `{PRICES}` has the
  addresses of both. Free tiers and discounts are left out.
* **Assumed**: AWS's own time, the lines that Lambda and API Gateway write, the share of cold starts
  ([below](#assumptions)). No bill was ever compared with this page.

Figures are for {settings.architecture}, {settings.memory_mb} MB, records kept for {settings.retention_days} days and
logs for {settings.log_retention_days}.
"""


def callbacks_part(inputs: Inputs, settings: Settings) -> str:
    """A million of each."""
    rows = [
        [
            name,
            *row(callback(inputs, settings, call).times(MILLION)),
            str(math.ceil(milliseconds(inputs, settings, call))),
        ]
        for name, call in CALLBACKS.items()
    ]
    rows.append(["`replay`, spooled records", *row(replayed(inputs, settings).times(MILLION)), ""])
    return f"""## A million callbacks of each kind

{table(["", *COLUMNS, "total, $", "billed ms"], rows)}
* Each row's largest part is bold. **Table storage** is all of the {settings.retention_days} days, with point-in-time
  recovery; expiry is free. **Logs** are the function's line, Lambda's two and the gateway's one, until they expire.
  **Billed ms** is a warm invocation; cold starts are in the sum.
* The callbacks of one call are taken to come to two environments in turns. Each then finds the call changed by the
  other and writes once more. With one environment it is [less](#what-moves-it).
* `replay` is what a million records that went by way of the spool cost from there on: publishing, queue, function,
  table. Whatever subscribes to the push jobs is yours and not in `notify`.
"""


def fixed_part(inputs: Inputs) -> str:
    """A month without callbacks."""
    rows = fixed(inputs)
    total = sum(amount for _, _, amount in rows)
    lines = [[what, of, dollars(amount)] for what, of, amount in rows]
    key = dollars(inputs.prices.cost("kms_key", 1))
    return f"""## A month without any

{table(["", "of", "$"], [*lines, ["**all**", "", f"**{dollars(total)}**"]])}
With both vendors served. A series is charged for the hours in which it is sent, so that a quiet stack pays less. An
alarm that computes is charged for each metric in it. A KMS key of your own (`CustomerKey=yes`) is ${key} more.
"""


def months_part(inputs: Inputs, settings: Settings) -> str:
    """Worked examples."""
    bills = [(example, month(inputs, settings, example)) for example in MONTHS]
    rows = [[f"{example.what}: {example.told}", *row(bill)] for example, bill in bills]
    first, bill = bills[0]
    largest = sorted(COLUMNS, key=lambda column: -bill.amounts[column])[:3]
    shares = ", ".join(f"{column} {100 * bill.amounts[column] / bill.total:.0f} %" for column in largest)
    return f"""## Months of calls

{table(["a month of", *COLUMNS, "total, $"], rows)}
On top comes what a month costs without any. Storage is that of a table which has filled up for
{settings.retention_days} days. Of {first.what}, most is {shares}. Group calls of four are priced by the
callbacks of a call of three, which were measured.
"""


def levers_part(inputs: Inputs, settings: Settings) -> str:
    """What changes the totals, by how much."""
    changes = [
        ("as above", settings),
        ("`LogLevel=WARN`", replace(settings, log_level="WARN")),
        ("`RetentionDays=30`", replace(settings, retention_days=30)),
        ("`MemorySize=128`", replace(settings, memory_mb=128)),
        (f"`MemorySize={MEGABYTES_OF_A_CORE}`, a whole core", replace(settings, memory_mb=MEGABYTES_OF_A_CORE)),
        ("`Architecture=x86_64`", replace(settings, architecture="x86_64")),
        ("one environment", replace(settings, in_turns=False)),
        ("AWS answers in half the time", replace(settings, round_trips=0.5)),
        ("AWS takes four times as long", replace(settings, round_trips=4)),
        ("ten times the cold starts", replace(settings, cold_starts=10)),
    ]
    rows = [[what, *(dollars(month(inputs, changed, of).total) for of in MONTHS)] for what, changed in changes]
    months_kept = inputs.prices.cost("logs_ingestion", 1) / inputs.prices.cost("logs_storage", 1)
    return f"""## What moves it

{table(["total, $", *(of.what for of in MONTHS)], rows)}
* `LogLevel=WARN` leaves the metrics and drops what a person reads: what happened to one call can then no longer be
  looked up in the logs. What Lambda and the gateway write stays, and most of a line is metrics.
* `RetentionDays` is how long you can look back. As for `LogRetentionDays`, taking a line in costs what keeping it for
  {months_kept:.0f} months does.
* A callback runs for some milliseconds, so that memory, processor and the assumed times move less than what is
  written does.
"""


def flood_part(inputs: Inputs, settings: Settings) -> str:
    """What a flood of guesses costs."""
    guess = callback(inputs, settings, WRONG_TOKEN)
    million, hour = guess.times(MILLION), guess.times(3600 * settings.requests_a_second)
    return f"""## A flood of guesses

A million requests with a wrong token cost ${dollars(million.total)}: {described(million)}.
They reach no table and no topic. At the gateway's limit (`RequestsPerSecond`, {settings.requests_a_second:,}) it is
${dollars(hour.total)} an hour and ${dollars(hour.times(24).total)} a day, until somebody lowers the limit or puts a
firewall in front. `MonthlyBudget` says when it has begun to cost.
"""


def described(bill: Bill) -> str:
    """The columns of a bill that are not nothing, the largest first."""
    spent = sorted((column for column in COLUMNS if bill.amounts[column] > 0), key=lambda name: -bill.amounts[name])
    return ", ".join(f"{column} ${dollars(bill.amounts[column])}" for column in spent)


def inputs_part(inputs: Inputs, settings: Settings) -> str:
    """Prices, assumptions and the measured figures."""
    document = inputs.prices.document
    prices = [
        [f"`{name}`", plain(price["usd"]), f"{price['per']:,}", price.get("unit", ""), price.get("dated", "undated")]
        for name, price in document["prices"].items()
    ]
    assumptions = [
        [f"`{name}`", f"{assumption['value']:,}", assumption.get("unit", ""), assumption.get("why", "")]
        for name, assumption in document["assumptions"].items()
    ]
    measured = []
    for name, call in {**CALLBACKS, "wrong token": WRONG_TOKEN}.items():
        usage = inputs.usage(call, settings.in_turns)
        cells = ("puts", "write_units", "stored_items", "stored_bytes", "publishes", "published_bytes", "answer_bytes")
        figures = [*(usage[cell] for cell in cells), usage["log"]["bytes"], usage["log_at_warn"]["bytes"]]
        measured.append([name, *(plain(round(figure, 2)) for figure in figures)])
    head = ["a callback", "puts", "write units", "items", "their bytes", "publishes", "their bytes", "answer, bytes"]
    return f"""## Measured

{table([*head, "log, bytes", "log at WARN, bytes"], measured)}
A mean over the callbacks of a sample call. Items are those that stay; a put that its condition refuses is paid for
too.

## Prices

{table(["", "$", "for", "unit", "page dated"], prices)}
## Assumptions

{table(["", "", "", "why"], assumptions)}
## Not in it

Free tiers and discounts; taxes and support; what subscribes to the push jobs; reads of the table; queries of the logs;
X-Ray (`Tracing=Active`); provisioned concurrency; the zone of a domain of your own; the bucket that `sam deploy`
uploads to; e-mails of alarms; restoring the table.
"""


def main() -> int:
    """Writes the page and returns the exit code."""
    try:
        text = page(read())
    except StackError as error:
        print(f"cost: {error}", file=sys.stderr)
        return 1
    (ROOT / PAGE).write_text(text, encoding="utf-8")
    print(f"written: {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
