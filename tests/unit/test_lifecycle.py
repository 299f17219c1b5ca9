"""The promise, over the meter's and the switch's own code: nothing stays lit without a call, and no caller is cut off.

Each example is two simulated days of calls, silences, snoozes, schedules, wakes and faults.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meter.facts import Policy
from switch.due import MOST_PUT_OFF_SECONDS, PAUSE_SECONDS
from switch.lease import PUT_OFF
from switch.settings import Settings

from bench.cloud import INSTANCE_TYPE
from bench.plan import ALARMS, CLEANUP, METER, METRICS, SWITCH, UPDATES, Plan, Setup
from bench.simulation import TICK_MINUTES, Simulation

USD_PER_HOUR = 4.89
DAYS = 2 * 24 * 60
PAUSE = PAUSE_SECONDS // 60
FAULTS = (METER, ALARMS, SWITCH, UPDATES, CLEANUP, METRICS)
ON: dict[str, Any] = {"target": "on", "reason": "manual", "by": "a person"}
OFF: dict[str, Any] = {"target": "off", "reason": "schedule", "by": "a schedule"}

minutes = st.integers(0, DAYS)


def setup(
    idle: int | None = 60, lifetime: int | None = 12, budget: float | None = None, *, wakes: bool = False, lag: int = 0
) -> Setup:
    usd_per_hour = {INSTANCE_TYPE: USD_PER_HOUR}
    return Setup(
        policy=Policy(idle, lifetime, budget, usd_per_hour),
        settings=Settings(
            stage="test",
            endpoint_name="pilotlight-test",
            endpoint_stack_name="Pilotlight-test-Endpoint",
            variant_name="AllTraffic",
            ledger_table="ledger",
            notices_topic_arn="notices",
            switch_arn="switch",
            usd_per_hour=usd_per_hour,
            instance_types=(INSTANCE_TYPE,),
            lifetime_hours=lifetime,
            idle_minutes=idle,
            monthly_budget_usd=budget,
            wake_limit_seconds=1800,
            promotion="blue-green",
            resource_types=(),
        ),
        wakes_on_call=wakes,
        lag_minutes=lag,
    )


def simulated(given_setup: Setup, until: int = DAYS, *, skip: bool = False, **plan: Any) -> Simulation:
    return Simulation(given_setup, Plan(**plan)).run(until, skip=skip)


@st.composite
def calls(draw: st.DrawFn) -> list[int]:
    """Bursts of calls."""
    bursts = draw(st.lists(st.tuples(minutes, st.integers(1, 40), st.integers(1, 75)), max_size=6))
    return sorted(start + number * gap for start, count, gap in bursts for number in range(count))


def ordered(entries: st.SearchStrategy[Any], most: int) -> st.SearchStrategy[list[Any]]:
    return st.lists(entries, max_size=most).map(lambda listed: sorted(listed, key=lambda entry: entry[0]))


asks = ordered(
    st.tuples(minutes, st.sampled_from([ON, ON, OFF, {**ON, "lifetime_hours": 5, "extend": True}])), most=6
).map(lambda listed: [(0, ON), *listed])
snoozes = ordered(st.tuples(minutes, st.integers(1, 400)).map(lambda pair: (pair[0], sum(pair))), most=3)
spans = st.tuples(minutes, st.integers(1, 500)).map(lambda pair: (pair[0], sum(pair)))
faults = st.dictionaries(st.sampled_from(FAULTS), st.lists(spans, min_size=1, max_size=2), max_size=3)
setups = st.builds(
    setup,
    idle=st.sampled_from([10, 20, 60]),
    lifetime=st.sampled_from([2, 12, None]),
    budget=st.sampled_from([None, None, 30.0]),
    wakes=st.booleans(),
    lag=st.integers(0, 3),
)
plans = st.builds(
    Plan,
    calls=calls(),
    asks=asks,
    snoozes=snoozes,
    forgets=st.lists(minutes, max_size=2).map(sorted),
    faults=faults,
)


def quiet_stretches(simulation: Simulation) -> Iterator[tuple[int, int]]:
    """Every time in service from its start or the end of a call's minute to the next call or its end."""
    for begun, ended in simulation.services:
        since = begun
        for call in [call for call in simulation.served if begun <= call < ended]:
            yield since, call
            since = call + 1
        yield since, ended


def latest_end(plan: Plan, setup: Setup, since: int) -> int:
    """When an endpoint that nobody calls any more must be out of service, as the issue says: window + snooze + 15.

    A fault excuses until it is over, and then for a window, as the meter may not have seen what happened meanwhile;
    so does a loss of the memory. Broken alarms alone excuse nothing.
    """
    window = setup.policy.idle_minutes or 0
    end = since + int(window) + 15
    before = None
    while before != end:
        before = end
        excuses = [until + 15 for at, until in plan.snoozes if at < end]
        excuses += [at + 5 + int(window) + 15 for at in plan.forgets if since <= at < end]
        for kind, listed in plan.faults.items():
            if kind != ALARMS:
                excuses += [until + int(window) + 25 for start, until in listed if since < until and start < end]
        end = max(end, *excuses, 0)
    return end


@given(setups, plans)
@settings(max_examples=150, deadline=None)
def test_nothing_stays_in_service_without_a_call(given_setup: Setup, plan: Plan) -> None:
    simulation = Simulation(given_setup, plan).run(DAYS)
    for since, ended in quiet_stretches(simulation):
        assert ended <= latest_end(plan, given_setup, since)


@given(setups, plans)
@settings(max_examples=150, deadline=None)
def test_an_idle_off_comes_a_whole_window_after_the_last_call_that_can_be_known_of(
    given_setup: Setup, plan: Plan
) -> None:
    """So never within five minutes of one, but for calls that CloudWatch has not shown yet."""
    simulation = Simulation(given_setup, plan).run(DAYS)
    for minute, reason in simulation.executions.offs:
        if reason != "idle":
            continue
        shown = [call + 1 for call in simulation.served if call + 1 + given_setup.lag_minutes <= minute]
        begun = [start for start, _ in simulation.services if start <= minute]
        assert minute - max([*shown, *begun]) >= (given_setup.policy.idle_minutes or 0)
        assert not any(at <= minute < until for at, until in active(plan))


@given(setups, plans)
@settings(max_examples=150, deadline=None)
def test_nobody_who_called_within_five_minutes_is_cut_off_unless_the_off_was_put_off_for_ten(
    given_setup: Setup, plan: Plan
) -> None:
    """Whatever the reason; but for the hard stop, and for calls that CloudWatch cannot show."""
    simulation = Simulation(given_setup, plan).run(DAYS)
    for minute, reason in simulation.executions.offs:
        if reason in ("hard_stop", "mismatch") or plan.fails(METRICS, minute):
            continue
        shown = [call + 1 for call in simulation.served if call + 1 + given_setup.lag_minutes <= minute]
        if shown and minute - shown[-1] < PAUSE:
            assert reason in PUT_OFF
            assert left_no_pause(shown, minute, given_setup.lag_minutes)


def left_no_pause(shown: list[int], minute: int, lag: int) -> bool:
    """Whether no call but the last ten minutes' ones, as late as CloudWatch shows them, left time to turn it off."""
    begun = minute - MOST_PUT_OFF_SECONDS // 60
    recent = [call for call in shown if call > begun]
    return all(later - earlier <= PAUSE + lag + 1 for earlier, later in pairwise([begun, *recent]))


def active(plan: Plan) -> list[tuple[int, int]]:
    """A later snooze replaces an earlier one."""
    ends = [*(at for at, _ in plan.snoozes[1:]), DAYS]
    return [(at, min(until, end)) for (at, until), end in zip(plan.snoozes, ends, strict=False)]


@given(setups, plans)
@settings(max_examples=60, deadline=None)
def test_under_a_meter_that_never_ticks_nothing_is_on_for_longer_than_half_an_hour(
    given_setup: Setup, plan: Plan
) -> None:
    """Whoever lights it, and how often; but for what a call in the last minutes puts off."""
    silent = Plan(asks=plan.asks, faults={METER: ((0, 10**9),)})
    simulation = Simulation(given_setup, silent).run(DAYS)
    assert all(ended - begun <= 30 for begun, ended in simulation.services)


@given(setups, plans)
@settings(max_examples=100, deadline=None)
def test_nobody_is_told_of_an_off_that_is_overdue_while_the_switch_works(given_setup: Setup, plan: Plan) -> None:
    faults = {kind: spans for kind, spans in plan.faults.items() if kind not in (SWITCH, UPDATES, CLEANUP)}
    simulation = Simulation(given_setup, replace(plan, faults=faults)).run(DAYS)
    assert simulation.overdue == []


@given(setups, plans)
@settings(max_examples=100, deadline=None)
def test_no_endpoint_outlives_its_second_hard_stop(given_setup: Setup, plan: Plan) -> None:
    simulation = Simulation(given_setup, plan).run(DAYS)
    assert simulation.minutes_past_the_end == 0


@given(setups, plans)
@settings(max_examples=100, deadline=None)
def test_the_meter_counts_what_is_billed(given_setup: Setup, plan: Plan) -> None:
    """Until the minute in which the switch saw that it was gone, also where it came and went between two ticks. Not
    surely one that comes with the meter's very first tick and is gone by its second.
    """
    kept = Plan(plan.calls, plan.asks, plan.snoozes)
    simulation = Simulation(given_setup, kept).run(DAYS + 1)  # the last minute is a tick
    present = simulation.cloud.endpoint
    lives = [*simulation.cloud.lives, *([(present.created, DAYS)] if present else [])]
    billed = [gone - created for created, gone in lives]
    metered = simulation.memory.hours_this_month * 60
    surely_seen = sum(minutes for minutes in billed if minutes > TICK_MINUTES)
    assert surely_seen - 1e-6 <= metered <= sum(billed) + len(billed) + 1e-6


@given(setups, plans)
@settings(max_examples=60, deadline=None)
def test_leaving_out_the_minutes_in_which_nothing_happens_changes_nothing(given_setup: Setup, plan: Plan) -> None:
    kept = Plan(plan.calls, plan.asks, plan.snoozes)
    slow, fast = (Simulation(given_setup, kept).run(DAYS, skip=skip) for skip in (False, True))
    assert (slow.services, slow.cloud.lives, slow.met, slow.served) == (
        fast.services,
        fast.cloud.lives,
        fast.met,
        fast.served,
    )


class TestAnHourOfNothing:
    def test_a_call_a_minute_keeps_it_and_silence_ends_it(self) -> None:
        simulation = simulated(setup(), asks=[(0, ON)], calls=range(10, 130))
        assert simulation.services == [(10, 190)]
        assert simulation.executions.offs == [(190, "idle")]

    def test_just_created_and_never_called_it_lives_its_window(self) -> None:
        assert simulated(setup(), asks=[(3, ON)]).services == [(13, 75)]  # seen in service at 15

    def test_it_goes_off_again_the_second_time(self) -> None:
        simulation = simulated(setup(), asks=[(0, ON), (600, ON)])
        assert simulation.services == [(10, 70), (610, 670)]

    def test_a_snooze_delays_it(self) -> None:
        assert simulated(setup(), asks=[(0, ON)], snoozes=[(20, 300)]).services == [(10, 300)]


class TestBroken:
    """The meter, the alarms, the switch: what is left acts."""

    forever = ((100, 10**9),)
    busy = range(10, DAYS, 3)

    def services(self, *broken: str, lifetime: int | None = 12) -> list[tuple[int, int]]:
        faults = dict.fromkeys(broken, self.forever)
        return simulated(setup(lifetime=lifetime), asks=[(0, ON)], calls=self.busy, faults=faults).services

    def test_the_meter_dead_it_is_off_by_the_heartbeat(self) -> None:
        [(_, ended)] = self.services(METER)
        assert 100 + 25 <= ended <= 100 + 31 + 10  # put off, as it is called

    def test_a_meter_that_never_ticked_lets_it_be_lit_once_and_for_half_an_hour(self) -> None:
        """Its alarm went off before anything was lit, and stays in ALARM."""
        asks = [(3, ON), (20, ON), (200, ON)]
        simulation = simulated(setup(lifetime=None), asks=asks, faults={METER: ((0, 10**9),)})
        assert simulation.services == [(13, 3 + 30)]
        assert (simulation.executions.offs, simulation.executions.refusals) == ([(33, "heartbeat")], 1)

    def test_who_lights_it_while_its_meter_is_waited_for_does_not_end_the_wait(self) -> None:
        faults = {METER: ((0, 10**9),)}
        for asked in range(4, 40):
            simulation = simulated(setup(), asks=[(3, ON), (asked, {**ON, "extend": True})], faults=faults)
            assert simulation.services[-1][1] <= 3 + 30 + 10

    def test_the_alarms_dead_the_meter_starts_the_switch(self) -> None:
        assert self.services(ALARMS) == [(10, 720 + 10)]  # put off, as it is called

    def test_meter_and_alarms_dead_it_is_off_by_the_first_hard_stop(self) -> None:
        assert self.services(METER, ALARMS) == [(10, 735)]

    def test_all_three_dead_it_is_deleted_by_the_second(self) -> None:
        assert self.services(METER, ALARMS, SWITCH) == [(10, 765)]

    def test_a_switch_that_is_dead_is_told_of_half_an_hour_after_its_off_was_due(self) -> None:
        simulation = simulated(setup(), asks=[(0, ON)], calls=range(10, 195), faults={SWITCH: self.forever})
        assert simulation.overdue[0] == 195 + 60 + 30

    def test_the_next_working_switch_repairs_the_stacks_view(self) -> None:
        faults = dict.fromkeys((METER, ALARMS, SWITCH), ((100, 1000),))
        simulation = simulated(setup(), asks=[(0, ON), (1500, OFF)], calls=self.busy, faults=faults)
        assert simulation.services == [(10, 765)]
        assert not simulation.cloud.says_on
        lit = simulated(setup(), asks=[(0, ON), (1500, ON)], calls=range(10, 100), faults=faults)
        assert len(lit.services) == 2

    def test_nothing_is_lit_while_the_meter_is_silent(self) -> None:
        faults = {METER: ((100, 2000),)}
        simulation = simulated(setup(), asks=[(0, ON), (500, ON), (2100, ON)], faults=faults)
        assert [begun for begun, _ in simulation.services] == [10, 2110]
        assert simulation.executions.refusals == 1

    def test_an_endpoint_that_survives_its_off_is_deleted_beside_the_stack(self) -> None:
        simulation = simulated(setup(), asks=[(0, ON)], faults={CLEANUP: self.forever})
        [(_, ended)] = simulation.services
        assert ended <= 70 + 15


def test_a_month_over_its_budget_is_off_and_stays_off() -> None:
    simulation = simulated(setup(budget=10.0), asks=[(0, ON), (1000, ON)], calls=range(10, DAYS, 5))
    [(_, ended)] = simulation.services
    assert ended == pytest.approx(10 / USD_PER_HOUR * 60 + 10, abs=5)  # put off, as it is called
    assert simulation.executions.refusals == 1
