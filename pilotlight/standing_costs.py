"""What a stage costs each month while its endpoint is off: itemised, from counts and list prices.

`data/standing_prices.csv` names the source of each price. Free tiers are left out, so an account's first stage costs
less; what is free without one (IAM, CloudFormation, SNS topics, EventBridge rules, models and endpoint configs) has
no row.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

_PRICE_LIST: Final = Path(__file__).parent / "data" / "standing_prices.csv"
_HOURS_A_MONTH: Final = 730


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What the templates hold and what a month without an endpoint does. `lambda_seconds` is billed time of one tick.

    `reads` and `writes` are DynamoDB's request units of one tick, `log_bytes` what one tick leaves in CloudWatch
    Logs, `daily_invocations` the Lambdas that a schedule starts once a day.
    """

    metrics: int
    alarms: int
    dashboards: int = 0
    tick_minutes: int = 5
    memory_mb: int = 256
    lambda_seconds: Decimal = Decimal(2)
    reads: int = 7
    writes: int = 2
    log_bytes: int = 1000
    traced: bool = False
    daily_invocations: int = 2
    asset_mb: int = 5

    @property
    def ticks(self) -> int:
        return _HOURS_A_MONTH * 60 // self.tick_minutes

    @property
    def invocations(self) -> int:
        return self.ticks + self.daily_invocations * 31


STAGE: Final = Counts(metrics=5, alarms=10)
"""One stage, as the templates have it; with `dashboard = true` there is one more dashboard."""


class Item(NamedTuple):
    """USD a month for one kind of thing, unrounded."""

    name: str
    quantity: Decimal
    unit: str
    usd: Decimal


def items(counts: Counts) -> list[Item]:
    """Every kind of thing that costs money while nothing is called and nothing is switched on."""
    gb_seconds = counts.invocations * counts.lambda_seconds * counts.memory_mb / 1024
    quantities = {
        "custom_metric": ("Custom metrics", Decimal(counts.metrics)),
        "alarm": ("Alarms", Decimal(counts.alarms)),
        "dashboard": ("Dashboards", Decimal(counts.dashboards)),
        "metrics_request": ("PutMetricData, one a tick", Decimal(counts.ticks)),
        "lambda_request": ("Lambda requests", Decimal(counts.invocations)),
        "lambda_arm_gb_second": (f"Lambda time, {counts.memory_mb} MB", gb_seconds),
        "log_ingestion": ("Logs", Decimal(counts.log_bytes * counts.invocations) / 10**9),
        "dynamodb_write": ("Ledger: writes", Decimal(counts.writes * counts.ticks)),
        "dynamodb_read": ("Ledger: reads", Decimal(counts.reads * counts.ticks)),
        "xray_trace": ("X-Ray traces", Decimal(counts.ticks if counts.traced else 0)),
        "scheduler_invocation": ("Scheduler invocations", Decimal(counts.daily_invocations * 31)),
        "s3_storage": ("Lambda's assets in S3", Decimal(counts.asset_mb) / 1000),
    }
    prices = _price_list()
    return [
        Item(name, quantity, prices[key][0], quantity * prices[key][1])
        for key, (name, quantity) in quantities.items()
        if quantity
    ]


def total(costs: Iterable[Item]) -> Decimal:
    """USD a month, to the next cent: what is promised must not be less than what is billed."""
    return sum((item.usd for item in costs), Decimal(0)).quantize(Decimal("0.01"), rounding="ROUND_UP")


def table(costs: Iterable[Item]) -> str:
    """The items as a Markdown table, with their sum."""
    listed = list(costs)
    rows = [f"| {item.name} | {item.quantity:,.6g} | {item.unit} | {item.usd:.4f} |" for item in listed]
    head = ["| item | a month | unit | USD |", "| --- | ---: | --- | ---: |"]
    return "\n".join([*head, *rows, f"| **sum** | | | **{total(listed)}** |"])


@cache
def _price_list() -> dict[str, tuple[str, Decimal]]:
    with _PRICE_LIST.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return {row["item"]: (row["unit"], Decimal(row["usd_per_unit"])) for row in rows}
