"""The benchmark of the policies: its traffic, its peers by hand, and what it writes."""

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from proxy.settings import Settings

from bench import loopback, plot
from bench.lifecycle import between, play, table
from bench.policies import POLICIES, Result, always_on, pilotlight, scale_to_zero
from bench.traffic import DAY, KINDS
from tests.unit.proxy.fakes import SETTINGS


@pytest.mark.parametrize("kind", KINDS)
def test_traffic_comes_in_order_within_its_days_and_again_with_its_seed(kind: str) -> None:
    for seed in range(20):
        calls = list(KINDS[kind](Random(seed), 60))
        assert calls == list(KINDS[kind](Random(seed), 60))
        assert calls == sorted(calls)
        assert 0 <= calls[0] <= calls[-1] < 60 * DAY


class TestScaleToZero:
    """By hand: a wake of 10 minutes and an alarm of 1, scale-in after 15, release after 10 more."""

    def test_one_call(self) -> None:
        assert scale_to_zero([100], 1) == Result(billed_minutes=10 + 25, calls=1, met=1)

    def test_calls_during_the_wake_are_refused_and_later_ones_served(self) -> None:
        assert scale_to_zero([100, 105, 110, 111, 120], 1) == Result(120 + 25 - 101, 5, 3)

    def test_a_call_after_the_release_starts_anew(self) -> None:
        assert scale_to_zero([100, 400], 1) == Result(2 * 35, 2, 2)

    def test_a_call_between_scale_in_and_release_keeps_the_instance(self) -> None:
        ready = 130 + 11
        assert scale_to_zero([100, 130], 1) == Result(ready + 25 - 101, 2, 2)

    def test_no_calls_cost_nothing_and_the_day_ends_the_bill(self) -> None:
        assert scale_to_zero([], 1) == Result(0, 0, 0)
        assert scale_to_zero([DAY - 5], 1).billed_minutes == 4


def test_the_handler_that_is_measured_is_told_all_that_it_reads() -> None:
    assert Settings.from_environment(loopback.environment()) == replace(
        SETTINGS, model_aliases=(), always_on_usd_per_hour=None, finetune_arn=""
    )


def test_always_on_is_billed_for_every_minute() -> None:
    assert always_on([5], 30).usd == pytest.approx(30 * 24 * 4.89)


def test_idle_off_bills_the_wake_the_window_and_the_deletion() -> None:
    result = pilotlight(idle=60)([100, 120], 1)
    assert result == Result(billed_minutes=(120 + 1 + 60 + 4) - 100 + 2, calls=2, met=1)  # the tick after is at 185


def test_a_schedule_alone_refuses_what_comes_outside_it() -> None:
    noon, night, saturday = 12 * 60, 23 * 60, 5 * DAY + 12 * 60
    result = pilotlight(lifetime=12, office=True, wakes=False)([noon, night, saturday], 7)
    assert (result.calls, result.met) == (3, 2)
    assert result.billed_minutes == 5 * (11 * 60 + 2)


def test_each_policy_is_played_and_written(tmp_path: Path) -> None:
    results = play(days=2, seed=4)
    assert list(results) == list(POLICIES)
    rows = table(results, 2).splitlines()
    assert len(rows) == 2 + len(POLICIES)
    assert rows[0].count("|") == rows[-1].count("|") == len(KINDS) + 3
    for name in ("once.svg", "again.svg"):
        plot.write(results, 2, tmp_path / name)
    assert (tmp_path / "once.svg").read_bytes() == (tmp_path / "again.svg").read_bytes()


def test_what_was_written_is_replaced_and_nothing_else() -> None:
    page = "a\n<!-- x: begin -->\nold\n<!-- x: end -->\nb"
    once = between(page, "x", "new")
    assert once == "a\n<!-- x: begin -->\nnew\n<!-- x: end -->\nb"
    assert between(once, "x", "new") == once
    with pytest.raises(ValueError, match="y: begin"):
        between(page, "y", "new")
