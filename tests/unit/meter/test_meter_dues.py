"""What should be off and is not, and for which reasons the switch is started."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from meter.facts import CALLS, LEDGER, STACK, Facts

from tests.unit.meter.fakes import HOUR, MINUTE, POLICY, START, USD_PER_HOUR, Meter, dark, endpoint, lit, stack

STATUSES = ("Creating", "InService", "Updating", "SystemUpdating", "RollingBack", "Deleting", "Failed", "OutOfService")


class TestMismatch:
    @pytest.mark.parametrize("status", ["UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_FAILED"])
    def test_a_settled_stack_says_off_and_the_endpoint_is_there(self, status: str) -> None:
        meter = Meter()
        assert meter.reads(lit(stack=stack("off", status=status)), START).mismatch
        assert meter.due() == ("mismatch",)

    def test_a_stack_that_still_turns_off_is_not_judged(self) -> None:
        for status in ("UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"):
            assert not Meter().reads(lit(stack=stack("off", status=status)), START).mismatch

    def test_an_endpoint_without_its_stack_should_be_off_unless_the_stack_could_not_be_read(self) -> None:
        assert Meter().reads(lit(stack=None), START).mismatch
        assert not Meter().reads(lit(stack=None, unread=frozenset({STACK})), START).mismatch

    def test_an_end_that_passed_ten_minutes_ago(self) -> None:
        end = START + HOUR
        facts = lit(stack=stack(ends=end))
        assert not Meter().reads(facts, end + 9 * MINUTE).mismatch
        assert Meter().reads(facts, end + 10 * MINUTE).mismatch

    @pytest.mark.parametrize("end", ["soon", "2026-13-01T00:00:00", ""])
    def test_an_end_that_cannot_be_read_is_no_end(self, end: str) -> None:
        unreadable = replace(stack(), parameters={"EndpointState": "on", "TurnOffAt": end})
        assert not Meter().reads(lit(stack=unreadable), START + 99 * HOUR).mismatch

    def test_a_failed_endpoint_bills_unless_cloudformation_is_about_to_remove_it(self) -> None:
        meter, rolling_back = Meter(), stack(status="UPDATE_ROLLBACK_IN_PROGRESS")
        assert Meter().reads(lit(status="Failed"), START).mismatch
        assert not meter.reads(lit(status="Failed", stack=rolling_back), START).mismatch
        assert not meter.reads(lit(status="Failed", stack=rolling_back), START + 9 * MINUTE).mismatch
        assert meter.reads(lit(status="Failed", stack=rolling_back), START + 10 * MINUTE).mismatch

    def test_creating_takes_too_long_counted_from_the_creation(self) -> None:
        creating = lit(status="Creating", stack=stack(status="UPDATE_IN_PROGRESS"))
        assert not Meter().reads(creating, START + 129 * MINUTE).mismatch
        assert Meter().reads(creating, START + 130 * MINUTE).mismatch

    @pytest.mark.parametrize(("status", "limit"), [("Deleting", 30), ("OutOfService", 10)])
    def test_a_status_takes_too_long_counted_from_when_it_was_first_seen(self, status: str, limit: int) -> None:
        meter, on = Meter(), stack(status="UPDATE_IN_PROGRESS")
        meter.reads(lit(stack=on), START)
        seen = START + HOUR
        meter.reads(lit(status=status, stack=on), seen)
        assert not meter.reads(lit(status=status, stack=on), seen + (limit - 1) * MINUTE).mismatch
        assert meter.reads(lit(status=status, stack=on), seen + limit * MINUTE).mismatch
        assert meter.due() == ("mismatch",)

    def test_an_endpoint_on_its_way_out_is_not_turned_off_again(self) -> None:
        meter = Meter()
        assert not meter.reads(lit(status="Deleting", stack=stack("off")), START + 20 * HOUR).mismatch
        assert meter.due() == ()

    def test_nothing_that_is_absent_should_be_off(self) -> None:
        for facts in (dark(), dark(stack=stack("on")), dark(stack=None)):
            assert not Meter().reads(facts, START + 99 * HOUR).mismatch


class TestLifetime:
    def test_it_is_over_after_its_hours(self) -> None:
        meter = Meter()
        meter.reads(lit(last_call=START + 12 * HOUR), START + 12 * HOUR - MINUTE)
        assert meter.due() == ()
        meter.reads(lit(last_call=START + 12 * HOUR), START + 12 * HOUR)
        assert meter.due() == ("lifetime",)

    def test_an_end_that_was_moved_holds(self) -> None:
        meter, moved = Meter(), stack(ends=START + 20 * HOUR)
        for hours in (12, 15, 19.7):
            meter.reads(lit(last_call=START + hours * HOUR, stack=moved), START + hours * HOUR)
            assert meter.due() == ()
        meter.reads(lit(last_call=START + 19.75 * HOUR, stack=moved), START + 19.75 * HOUR)
        assert meter.due() == ("lifetime",)

    def test_an_end_that_was_moved_nearer_holds_too(self) -> None:
        """Else the hard stop would end it, a quarter of an hour late and without waiting for a pause in the calls."""
        meter, moved = Meter(), stack(ends=START + 5.25 * HOUR)
        meter.reads(lit(last_call=START + 5 * HOUR, stack=moved), START + 5 * HOUR - MINUTE)
        assert meter.due() == ()
        meter.reads(lit(last_call=START + 5 * HOUR, stack=moved), START + 5 * HOUR)
        assert meter.due() == ("lifetime",)

    def test_without_a_stated_end_its_hours_hold(self) -> None:
        meter = Meter()
        meter.reads(lit(last_call=START + 12 * HOUR, stack=stack(ends=None)), START + 12 * HOUR)
        assert meter.due() == ("lifetime",)

    def test_it_can_be_switched_off(self) -> None:
        meter = Meter(replace(POLICY, lifetime_hours=None, monthly_budget_usd=None))
        meter.reads(lit(last_call=START + 90 * HOUR, stack=stack(ends=None)), START + 90 * HOUR)
        assert meter.due() == ()


class TestBudget:
    hours = 101 / USD_PER_HOUR
    facts = lit(last_call=START + hours * HOUR, stack=stack(ends=START + 99 * HOUR))

    def due(self, facts: Facts, policy: float | None = 100) -> tuple[str, ...]:
        meter = Meter(replace(POLICY, monthly_budget_usd=policy))
        meter.reads(facts, START + self.hours * HOUR)
        return meter.due()

    def test_a_month_over_its_ceiling_is_due(self) -> None:
        assert self.due(self.facts) == ("budget",)
        assert self.due(self.facts, policy=102) == ()
        assert self.due(self.facts, policy=None) == ()

    def test_the_ledgers_ceiling_replaces_the_configured_one(self) -> None:
        assert self.due(replace(self.facts, budget_usd=102.0)) == ()
        assert self.due(replace(self.facts, budget_usd=50.0), policy=None) == ("budget",)

    def test_without_the_ledger_it_is_not_guessed(self) -> None:
        assert self.due(replace(self.facts, unread=frozenset({LEDGER}))) == ()

    def test_nothing_is_due_while_off(self) -> None:
        meter = Meter()
        meter.reads(self.facts, START + self.hours * HOUR)
        meter.reads(dark(), START + self.hours * HOUR + MINUTE)
        assert meter.due() == ()


def test_the_surest_reason_comes_first() -> None:
    meter = Meter()
    meter.reads(lit(), START)
    meter.reads(lit(), START + 30 * HOUR)
    assert meter.due() == ("lifetime", "budget", "mismatch", "idle")


class TestOverdue:
    """An off that is due is started at every tick; one that is due for half an hour is not being done."""

    over = START + 12 * HOUR

    def reads(self, meter: Meter, minutes: float, **others: Any) -> bool:
        now = self.over + minutes * MINUTE
        given: dict[str, Any] = {"last_call": now, "stack": stack(ends=None), **others}
        return meter.reads(lit(**given), now).overdue

    def test_it_is_told_after_half_an_hour_for_as_long_as_it_is_due(self) -> None:
        meter = Meter()
        assert [self.reads(meter, minutes) for minutes in (0, 5, 29, 30, 35)] == [False, False, False, True, True]
        assert meter.due() == ("lifetime",)  # and is no reason of its own

    def test_an_idle_off_that_a_call_puts_away_is_due_anew(self) -> None:
        meter = Meter(replace(POLICY, lifetime_hours=None))
        facts = lit(stack=stack(ends=None))
        meter.reads(facts, START)
        for minutes in (60, 85, 89):
            assert not meter.reads(facts, START + minutes * MINUTE).overdue
        called = replace(facts, last_call=START + 90 * MINUTE)
        for minutes in (95, 150, 179):
            assert not meter.reads(called, START + minutes * MINUTE).overdue
        assert meter.reads(called, START + 180 * MINUTE).overdue

    def test_one_that_waits_for_an_update_is_not(self) -> None:
        meter = Meter()
        self.reads(meter, 0)
        assert not self.reads(meter, 40, stack=stack(status="UPDATE_IN_PROGRESS", ends=None))
        assert not self.reads(meter, 69)
        assert self.reads(meter, 99)

    def test_a_tick_that_could_not_read_the_calls_changes_nothing(self) -> None:
        meter = Meter(replace(POLICY, lifetime_hours=None))
        facts = lit(stack=stack(ends=None))
        for minutes in (0, 60):
            meter.reads(facts, START + minutes * MINUTE)
        assert not meter.reads(replace(facts, unread=frozenset({CALLS})), START + 65 * MINUTE).overdue
        assert meter.reads(facts, START + 90 * MINUTE).overdue

    def test_another_endpoint_is_not_due_for_as_long_as_its_predecessor_was(self) -> None:
        meter = Meter()
        self.reads(meter, 0)
        assert not self.reads(meter, 40, endpoint=endpoint(START + 1))
        assert meter.due() == ("lifetime",)


@given(
    status=st.sampled_from(STATUSES),
    ticks=st.lists(st.tuples(st.integers(0, 90), st.booleans(), st.booleans()), max_size=30),
)
def test_an_idle_off_is_never_due_within_five_minutes_of_a_call(
    status: str, ticks: list[tuple[int, bool, bool]]
) -> None:
    """Whatever the pauses, statuses and losses of memory."""
    meter, now, called = Meter(), START, START
    for pause, calls, forgets in ticks:
        now += pause * MINUTE
        called = now if calls else called
        if forgets:
            meter = Meter()
        facts = lit(endpoint=endpoint(START, status), last_call=called, stack=stack(ends=None))
        meter.reads(facts, now)
        if "idle" in meter.due():
            assert now - called >= 60 * MINUTE
