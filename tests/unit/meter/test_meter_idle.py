"""When the endpoint counts as idle: a full window after the last call, the start of service or a snooze."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from meter.facts import CALLS, LEDGER
from meter.memory import Memory

from tests.unit.meter.fakes import HOUR, MINUTE, POLICY, START, Meter, dark, lit, stack

minutes = st.floats(0, 10_000)


def test_a_created_endpoint_lives_its_full_window_from_the_start_of_service() -> None:
    meter = Meter()
    assert meter.reads(lit(status="Creating"), START + 5 * MINUTE).idle_minutes == 0
    assert meter.reads(lit(), START + 10 * MINUTE).idle_minutes == 0
    assert meter.reads(lit(), START + 65 * MINUTE).idle_minutes == 55
    assert meter.due() == ()
    assert meter.reads(lit(), START + 70 * MINUTE).idle_minutes == 60
    assert meter.due() == ("idle",)


def test_idle_counts_from_the_last_call_that_was_ever_seen() -> None:
    meter = Meter()
    meter.reads(lit(), START)
    assert meter.reads(lit(last_call=START + 29 * MINUTE), START + 30 * MINUTE).idle_minutes == 1
    assert meter.reads(lit(), START + 35 * MINUTE).idle_minutes == 6  # its datapoint is out of sight by now
    late = lit(last_call=START + 33 * MINUTE)  # and one that CloudWatch showed late
    assert meter.reads(late, START + 40 * MINUTE).idle_minutes == 7


def test_an_update_of_the_endpoint_does_not_start_the_window_anew() -> None:
    meter = Meter()
    meter.reads(lit(), START)
    for status in ("Updating", "SystemUpdating", "RollingBack", "InService"):
        meter.reads(lit(status=status), START + 30 * MINUTE)
    assert meter.reads(lit(), START + 40 * MINUTE).idle_minutes == 40


@pytest.mark.parametrize("status", ["Creating", "Deleting", "Failed", "OutOfService"])
def test_what_nobody_can_call_is_not_idle(status: str) -> None:
    meter = Meter()
    meter.reads(lit(), START)
    assert meter.reads(lit(status=status), START + 5 * HOUR).idle_minutes == 0


def test_nothing_is_idle_while_off_and_the_next_endpoint_has_a_window_of_its_own() -> None:
    meter = Meter()
    meter.reads(lit(last_call=START), START + MINUTE)
    assert meter.reads(dark(), START + 2 * HOUR).idle_minutes == 0
    assert meter.reads(lit(created=START + 3 * HOUR), START + 3 * HOUR).idle_minutes == 0
    assert meter.reads(lit(created=START + 3 * HOUR), START + 4 * HOUR).idle_minutes == 60


def test_an_endpoint_that_was_replaced_between_two_ticks_has_a_window_of_its_own() -> None:
    meter = Meter()
    meter.reads(lit(), START)
    meter.reads(lit(), START + 55 * MINUTE)
    assert meter.reads(lit(created=START + 57 * MINUTE), START + 60 * MINUTE).idle_minutes == 0


def test_a_snooze_puts_the_off_at_its_end_with_the_warning_before() -> None:
    meter = Meter()
    meter.reads(lit(), START)
    until = START + 2 * HOUR
    assert meter.reads(lit(snooze_until=until), START + HOUR).idle_minutes == 0
    assert meter.reads(lit(snooze_until=until), until - 10 * MINUTE).idle_minutes == 50
    assert meter.reads(lit(snooze_until=until), until).idle_minutes == 60
    assert meter.due() == ("idle",)


@given(call=minutes, snooze=minutes, now=minutes)
def test_the_off_is_due_at_the_later_of_call_and_window_or_snooze(call: float, snooze: float, now: float) -> None:
    meter = Meter()
    meter.reads(lit(), START)
    facts = lit(last_call=START + call * MINUTE, snooze_until=START + snooze * MINUTE, stack=stack(ends=None))
    idle = meter.reads(facts, START + now * MINUTE).idle_minutes
    assert idle is not None
    assert idle == pytest.approx(max(0, now - max(call, snooze - 60)), abs=1e-6)
    assert ("idle" in meter.due()) == (idle >= 60)


def test_a_snooze_that_has_passed_or_lies_within_the_window_changes_nothing() -> None:
    meter = Meter()
    meter.reads(lit(), START)
    for until in (START - HOUR, START + 30 * MINUTE):
        assert meter.reads(lit(snooze_until=until), START + HOUR).idle_minutes == 60


def test_without_the_trigger_idle_is_still_read_but_never_due() -> None:
    meter = Meter(replace(POLICY, idle_minutes=None))
    meter.reads(lit(), START)
    assert meter.reads(lit(snooze_until=START + 9 * HOUR), START + 2 * HOUR).idle_minutes == 120
    assert meter.due() == ()


@pytest.mark.parametrize("unread", [CALLS, LEDGER])
def test_idle_is_not_guessed_without_the_calls_or_the_memory(unread: str) -> None:
    meter = Meter()
    meter.reads(lit(), START)
    taken = meter.reads(lit(unread=frozenset({unread})), START + 2 * HOUR)
    assert taken.idle_minutes is None
    assert meter.due() == ()


@given(lost=st.integers(0, 200), later=st.integers(0, 200))
def test_a_lost_memory_never_brings_the_off_forward(lost: int, later: int) -> None:
    meter = Meter()
    meter.reads(lit(stack=stack(ends=None)), START)
    meter.memory = Memory()
    meter.reads(lit(stack=stack(ends=None)), START + lost * MINUTE)
    meter.reads(lit(stack=stack(ends=None)), START + (lost + later) * MINUTE)
    assert ("idle" in meter.due()) == (later >= 60)


def test_a_call_in_the_minute_that_runs_is_no_negative_idleness() -> None:
    meter = Meter()
    meter.reads(lit(), START)
    assert meter.reads(lit(last_call=START + 6 * MINUTE), START + 5.5 * MINUTE).idle_minutes == 0


def test_a_tick_that_comes_late_reads_as_of_the_latest() -> None:
    meter = Meter()
    meter.reads(lit(), START)
    newest = meter.reads(lit(), START + 30 * MINUTE)
    assert meter.reads(lit(), START + 25 * MINUTE) == newest
    assert meter.memory.ticked_at == START + 30 * MINUTE


def test_a_memory_of_another_clock_is_forgotten_but_for_the_dollars() -> None:
    meter = Meter()
    meter.reads(lit(), START)
    meter.reads(lit(last_call=START + 9 * HOUR), START + 10 * HOUR)
    spent = meter.memory.usd_this_month
    assert meter.reads(lit(), START + HOUR).idle_minutes == 0
    assert meter.memory.usd_this_month == spent
    assert meter.reads(lit(), START + 2 * HOUR).idle_minutes == 60
