"""What a stage costs while its endpoint is off."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from pilotlight.standing_costs import STAGE, Counts, items, table, total

COUNTS = Counts(metrics=5, alarms=7)
PAGE = Path(__file__).parents[2] / "docs" / "costs.md"


def usd(counts: Counts) -> Decimal:
    return sum((item.usd for item in items(counts)), Decimal(0))


def test_the_page_shows_what_a_stage_costs() -> None:
    assert table(items(STAGE)) in PAGE.read_text(encoding="utf-8")


def test_five_metrics_and_seven_alarms_stay_below_three_dollars() -> None:
    assert Decimal(2) < total(items(COUNTS)) <= Decimal(3)


def test_a_metric_costs_thirty_cents_and_an_alarm_ten() -> None:
    assert usd(replace(COUNTS, metrics=6)) - usd(COUNTS) == Decimal("0.30")
    assert usd(replace(COUNTS, alarms=8)) - usd(COUNTS) == Decimal("0.10")


def test_a_dashboard_costs_three_dollars_which_the_page_says() -> None:
    assert usd(replace(STAGE, dashboards=1)) - usd(STAGE) == 3
    assert "`dashboard = true`" in PAGE.read_text(encoding="utf-8")


def test_a_month_has_8760_ticks_and_each_counts_wherever_it_is_billed() -> None:
    assert COUNTS.ticks == 8760
    every_minute = replace(COUNTS, tick_minutes=1)
    more = {item.name for item, once in zip(items(every_minute), items(COUNTS), strict=True) if item.usd > once.usd}
    assert more == {
        "PutMetricData, one a tick",
        "Lambda requests",
        "Lambda time, 256 MB",
        "Logs",
        "Ledger: writes",
        "Ledger: reads",
    }


@pytest.mark.parametrize(
    ("change", "usd_more"),
    [({"traced": True}, "0.0438"), ({"memory_mb": 512}, "0.0588"), ({"lambda_seconds": Decimal(4)}, "0.0588")],
)
def test_what_else_is_paid_for(change: dict[str, object], usd_more: str) -> None:
    changed = replace(COUNTS, **change)  # type: ignore[arg-type]
    assert (usd(changed) - usd(COUNTS)).quantize(Decimal("0.0001")) == Decimal(usd_more)


def test_the_sum_is_rounded_up_and_ends_the_table() -> None:
    costs = items(COUNTS)
    assert usd(COUNTS) <= total(costs) < usd(COUNTS) + Decimal("0.01")
    assert table(costs).splitlines()[-1] == f"| **sum** | | | **{total(costs)}** |"
    assert len(table(costs).splitlines()) == len(costs) + 3
