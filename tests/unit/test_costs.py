"""What `pilot cost` adds to the API's report."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from pilotlight.config import load
from pilotlight.costs import summary
from pilotlight.stage import Stage

CONFIG = """
default_stage = "falcon"

[stages.falcon]
model = "falcon-7b-instruct"
instance_types = ["ml.g5.2xlarge", "ml.g5.16xlarge"]
"""
REPORT = {"state": "on", "usd_per_hour": 1.515, "cost_usd": 3.03, "budget_usd": 100.0, "model": "of no interest"}


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    (tmp_path / "pilotlight.toml").write_text(CONFIG)
    return load(tmp_path / "pilotlight.toml", "falcon", target="aws", region="us-east-1")


def test_it_keeps_what_the_api_says_of_money(stage: Stage) -> None:
    following = {"target": "off", "by": "idle", "at": "2026-11-18T12:00:00Z", "message": "It is turned off."}
    costs = summary({**REPORT, "next_trigger": following}, [{"at": 1.0}], stage)
    assert costs["next_trigger"] == following
    assert (costs["usd_per_hour"], costs["cost_usd"], costs["usd_saved_this_month"]) == (1.515, 3.03, None)
    assert costs["receipts"] == [{"at": 1.0}]
    assert "model" not in costs


@pytest.mark.parametrize(("budget", "worst"), [(100.0, 105.12), (20.0, 25.12), (None, 3737.60)])
def test_the_worst_month_is_the_dearest_types_under_this_months_ceiling(
    stage: Stage, budget: float | None, worst: float
) -> None:
    """Half an hour of two fleets of ml.g5.16xlarge at USD 5.12 passes before a spent budget ends it."""
    assert summary({**REPORT, "budget_usd": budget}, [], stage)["worst_month_usd"] == worst


def test_one_fleet_at_a_time_costs_half_of_that_beyond_the_budget(stage: Stage) -> None:
    assert summary(REPORT, [], replace(stage, promotion="replace"))["worst_month_usd"] == 102.56


def test_an_unknown_price_or_configuration_has_no_worst_month(stage: Stage) -> None:
    assert summary(REPORT, [], None)["worst_month_usd"] is None
    unknown = replace(stage, instance_types=("ml.nonsense.xlarge",), usd_per_hour={})
    assert summary(REPORT, [], unknown)["worst_month_usd"] is None


def test_always_on_counts_every_instance(stage: Stage) -> None:
    assert replace(stage, instance_count=2).always_on_usd_per_hour == Decimal("3.030")
    assert replace(stage, usd_per_hour={}).always_on_usd_per_hour is None
