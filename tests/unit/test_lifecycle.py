"""The promise, over the meter's and the switch's own code: nothing stays lit without a call, and no caller is cut off.

Each example is two simulated days of calls, silences, snoozes, schedules, wakes and faults.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from math import inf
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from meter.facts import Policy
from switch.due import MOST_PUT_OFF_SECONDS, PAUSE_SECONDS
from switch.lease import PUT_OFF
from switch.settings import Settings

from bench.alarms import SILENCE_MINUTES
from bench.cloud import BACK_MINUTES, DELETING_MINUTES, GIVES_UP_MINUTES, INSTANCE_TYPE, UPDATE_MINUTES
from bench.plan import ALARMS, BREAKS, CAPACITY, CLEANUP, CREATIONS, METER, METRICS, STUCK, SWITCH, UPDATES, Plan, Setup
from bench.simulation import TICK_MINUTES, Simulation

USD_PER_HOUR = 4.89
DAYS = 2 * 24 * 60
PAUSE = PAUSE_SECONDS // 60
PUT_OFF_MINUTES = MOST_PUT_OFF_SECONDS // 60
LATE_MINUTES = 15  # that the promise allows after the window
OTHER_HOURS = 5
SECOND_TYPE = "ml.g5.12xlarge"
WAKE_LIMIT_MINUTES = 30
FAULTS = (METER, ALARMS, SWITCH, UPDATES, CLEANUP, METRICS, *CREATIONS)
ON: dict[str, Any] = {"target": "on", "reason": "manual", "by": "a person"}
PROMOTIONS: list[dict[str, Any]] = [
    {"target": "on", "reason": "promotion", "by": "a run", "overrides": {"ModelDataUrl": f"s3://models/{name}/"}}
    for name in ("first", "second")
]
OFF: dict[str, Any] = {"target": "off", "reason": "schedule", "by": "a schedule"}

minutes = st.integers(0, DAYS)


def setup(
    idle: int | None = 60,
    lifetime: int | None = 12,
    budget: float | None = None,
    *,
    wakes: bool = False,
    lag: int = 0,
    clean_up_minutes: int = 0,
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
            instance_types=(INSTANCE_TYPE, SECOND_TYPE),
            lifetime_hours=lifetime,
            idle_minutes=idle,
            monthly_budget_usd=budget,
            wake_limit_seconds=WAKE_LIMIT_MINUTES * 60,
            promotion="blue-green",
            resource_types=(),
            bake_seconds=600,
        ),
        wakes_on_call=wakes,
        lag_minutes=lag,
        clean_up_minutes=clean_up_minutes,
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


asked = ordered(
    st.tuples(
        minutes,
        st.sampled_from([ON, ON, OFF, {**ON, "lifetime_hours": OTHER_HOURS, "extend": True}, *PROMOTIONS]),
    ),
    most=6,
)
# Most minutes find the endpoint off; in the first life an off can meet an update.
promoted = ordered(st.tuples(st.integers(5, 240), st.sampled_from(PROMOTIONS)), most=2)
asks = st.builds(
    lambda first, second: [(0, ON), *sorted([*first, *second], key=lambda entry: entry[0])], asked, promoted
)
snoozes = ordered(st.tuples(minutes, st.integers(1, 400)).map(lambda pair: (pair[0], sum(pair))), most=3)
spans = st.tuples(minutes, st.integers(1, 500)).map(lambda pair: (pair[0], sum(pair)))
faults = st.dictionaries(st.sampled_from(FAULTS), st.lists(spans, min_size=1, max_size=2), max_size=3)
# Who would turn it off is dead from some minute of the first life on: what is left is the hard stop.
blackouts = st.builds(
    lambda at, dead, others: others | {kind: [(at, 10**9)] for kind in dead},
    st.integers(5, 300),
    st.sampled_from([(METER, ALARMS), (METRICS, ALARMS), (SWITCH,), (METER, ALARMS, SWITCH)]),
    faults,
)
setups = st.builds(
    setup,
    idle=st.sampled_from([10, 11, 60]),  # of 11 minutes each tick is late
    lifetime=st.sampled_from([2, 12, None]),
    budget=st.sampled_from([None, None, 30.0]),
    wakes=st.booleans(),
    lag=st.integers(0, 3),
    clean_up_minutes=st.sampled_from([0, 2, 9, 90]),
)
plans = st.builds(
    Plan,
    calls=calls(),
    asks=asks,
    snoozes=snoozes,
    forgets=st.lists(minutes, max_size=2).map(sorted),
    faults=st.one_of(faults, faults, blackouts),
)


def quiet_stretches(simulation: Simulation) -> Iterator[tuple[int, int]]:
    """Every time in service from its start or the end of a call's minute to the next call or its end."""
    for begun, ended in simulation.services:
        since = begun
        for call in [call for call in simulation.served if begun <= call < ended]:
            yield since, call
            since = call + 1
        yield since, ended


def lives(simulation: Simulation) -> list[tuple[int, int]]:
    """From creation until it was gone, or to the end of the simulated days."""
    present = simulation.cloud.endpoint
    return [*simulation.cloud.lives, *([(present.created, DAYS)] if present else [])]


def updates(simulation: Simulation) -> list[tuple[int, int]]:
    """While two fleets were there."""
    present = simulation.cloud.endpoint
    since = present.updated if present else None
    return [*simulation.cloud.updates, *([] if since is None else [(since, DAYS)])]


def latest_end(simulation: Simulation, since: int, ended: int) -> float:
    """When an endpoint that nobody calls any more must be out of service, as the issue says: window + snooze + 15 min,
    whatever cannot be created, updated or cleaned up, and whatever alarm is dead. Where the meter or the switch is
    broken, or the memory was lost: when that is over and seen, and at the hard stop's time at the latest. An update
    that is under way is waited for: whoever changes it wants it.
    """
    plan, window = simulation.plan, int(simulation.setup.policy.idle_minutes or 0)
    end, before = float(since + window + LATE_MINUTES), 0.0
    while before != end:
        before = end
        snoozed = [until + LATE_MINUTES for at, until in plan.snoozes if at < end]
        forgotten = [at + 5 + window + LATE_MINUTES for at in plan.forgets if since <= at < end]
        updated = [until + LATE_MINUTES for begun, until in updates(simulation) if since < until and begun < end]
        broken = [
            min(until + window + 10 + LATE_MINUTES, told_of_silence(plan, kind, start, until))
            for kind in (METER, METRICS, SWITCH)
            for start, until in plan.faults.get(kind, ())
            if since < until and start < end
        ]
        end = max(end, *snoozed, *forgotten, *updated, *broken, 0)
    return min(end, stopped(simulation, ended))


def told_of_silence(plan: Plan, kind: str, since: int, until: int) -> float:
    """When the heartbeat's alarm has turned it off, where that works and the silence is long enough: it acts once."""
    acts = until - since > SILENCE_MINUTES and kind != SWITCH and not plan.faults.keys() & {ALARMS, SWITCH}
    return since + SILENCE_MINUTES + PAUSE + 5 if acts else inf


def stopped(simulation: Simulation, ended: int) -> float:
    """When the hard stop in force has ended what was there until `ended`: the first needs a switch, the second nothing.
    Not so what outlives an off whose switch dies meanwhile, which a person is told of (docs/decisions.md).
    """
    faults = simulation.plan.faults.keys()
    if faults >= {SWITCH, CLEANUP}:
        return inf
    [*_, (_, first, second)] = [entry for entry in simulation.ends if entry[0] < ended]
    return second + DELETING_MINUTES if SWITCH in faults else first + 15


@given(setups, plans)
@settings(max_examples=150, deadline=None)
def test_nothing_stays_in_service_without_a_call(given_setup: Setup, plan: Plan) -> None:
    simulation = Simulation(given_setup, plan).run(DAYS)
    for _, reason in simulation.executions.offs:
        event(reason)
    for since, ended in quiet_stretches(simulation):
        assert ended <= latest_end(simulation, since, ended)


@given(setups, plans)
@settings(max_examples=100, deadline=None)
def test_nothing_is_there_past_its_hard_stop_nor_is_that_further_away_than_a_life_is_long(
    given_setup: Setup, plan: Plan
) -> None:
    """Nor what never came into service."""
    simulation = Simulation(given_setup, plan).run(DAYS)
    longest = max(given_setup.settings.default_hours, OTHER_HOURS) * 60
    assert all(first - at <= longest + 15 and second - first == 30 for at, first, second in simulation.ends)
    assert all(gone <= stopped(simulation, gone) for _, gone in lives(simulation))


@given(setups, plans)
@settings(max_examples=100, deadline=None)
def test_what_never_comes_into_service_is_given_up_when_a_wake_has_lasted_too_long(
    given_setup: Setup, plan: Plan
) -> None:
    """Without a capacity, broken, or stuck in Creating: while the switch works."""
    faults = {kind: spans for kind, spans in plan.faults.items() if kind != SWITCH}
    simulation = Simulation(given_setup, replace(plan, faults=faults)).run(DAYS)
    for created, gone in lives(simulation):
        if any(created <= begun < gone for begun, _ in simulation.services):
            continue
        asked = [at for at, request in plan.asks if request["target"] == "on" and created <= at < gone]
        event("never came into service")
        assert gone <= max([created, *asked]) + WAKE_LIMIT_MINUTES + 20


@given(setups, plans)
@settings(max_examples=100, deadline=None)
def test_while_meter_alarms_and_switch_work_the_hard_stop_has_nothing_to_end_and_the_budget_holds(
    given_setup: Setup, plan: Plan
) -> None:
    """But for the tick that sees it, the pause that is waited for, and the deletion."""
    faults = {kind: spans for kind, spans in plan.faults.items() if kind in CREATIONS}
    simulation = Simulation(given_setup, replace(plan, faults=faults, forgets=())).run(DAYS)
    policy = given_setup.policy
    assert policy.lifetime_hours is None or "hard_stop" not in [reason for _, reason in simulation.executions.offs]
    if policy.monthly_budget_usd is not None:
        late = TICK_MINUTES + PUT_OFF_MINUTES + DELETING_MINUTES + 1
        if updates(simulation):
            event("two fleets")
            late = 2 * (late + BACK_MINUTES + 2)  # it is taken back first
        assert simulation.billed_minutes() <= policy.monthly_budget_usd / USD_PER_HOUR * 60 + late


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
    faults = {kind: spans for kind, spans in plan.faults.items() if kind in CREATIONS}
    kept = Plan(plan.calls, plan.asks, plan.snoozes, faults=faults)
    simulation = Simulation(given_setup, kept).run(DAYS + 1)  # the last minute is a tick
    billed = [gone - created for created, gone in lives(simulation)]
    metered = simulation.memory.hours_this_month * 60
    surely_seen = sum(minutes for minutes in billed if minutes > TICK_MINUTES)
    assert surely_seen - 1e-6 <= metered <= sum(billed) + len(billed) + 1e-6
    fleets = simulation.memory.usd_this_month / USD_PER_HOUR * 60 - metered
    second = [until - begun for begun, until in updates(simulation)]
    assert sum(second) - TICK_MINUTES * len(second) <= fleets + 1e-6  # each tick's price is of the time before it
    assert fleets <= sum(second) + (TICK_MINUTES + 1) * len(second) + 1e-6


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


class TestAnUpdateThatBakes:
    """Two fleets are there; one of them serves."""

    def test_an_idle_off_waits_for_it_and_comes_at_once_then(self) -> None:
        simulation = simulated(setup(), asks=[(0, ON), (65, PROMOTIONS[0])])
        [(begun, ended)] = updates(simulation)
        [(off, reason)] = simulation.executions.offs
        assert (begun, reason) == (65, "idle")
        assert ended == begun + UPDATE_MINUTES
        assert 0 <= off - ended <= TICK_MINUTES + 1

    @pytest.mark.parametrize("minute", [105, 110, 118])
    def test_the_lifetimes_off_takes_it_back(self, minute: int) -> None:
        simulation = simulated(setup(60, 2), asks=[(0, ON), (minute, PROMOTIONS[0])], calls=range(10, 100))
        [(off, reason)] = simulation.executions.offs
        assert (reason, off <= 120 + 10 + BACK_MINUTES) == ("lifetime", True)

    def test_the_budgets_off_takes_it_back(self) -> None:
        simulation = simulated(setup(60, 12, 8.0), asks=[(0, ON), (70, PROMOTIONS[0])], calls=range(10, 300))
        [(off, reason)] = simulation.executions.offs
        assert (reason, updates(simulation)[0][0]) == ("budget", 70)
        assert off < 70 + UPDATE_MINUTES + BACK_MINUTES + PUT_OFF_MINUTES
        assert simulation.billed_minutes() <= 8 / USD_PER_HOUR * 60 + 2 * (TICK_MINUTES + PUT_OFF_MINUTES + 8)


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

    @pytest.mark.parametrize(("tries", "late"), [(0, 2), (2, 3), (90, 3)])
    def test_an_endpoint_that_survives_its_off_is_deleted_beside_the_stack(self, tries: int, late: int) -> None:
        faults = {CLEANUP: ((0, DAYS),)}
        simulation = simulated(setup(clean_up_minutes=tries), asks=[(0, ON)], faults=faults)
        assert simulation.services == [(10, 70 + late)]


class TestWhatCannotBeCreated:
    def test_without_capacity_every_type_is_tried_for_three_rounds_and_nothing_is_left(self) -> None:
        simulation = simulated(setup(), asks=[(0, ON)], faults={CAPACITY: ((0, DAYS),)})
        assert (len(simulation.cloud.lives), simulation.services, simulation.cloud.says_on) == (2 * 3, [], False)

    def test_a_creation_that_fails_is_not_tried_again(self) -> None:
        simulation = simulated(setup(), asks=[(0, ON)], faults={BREAKS: ((0, DAYS),)})
        assert (len(simulation.cloud.lives), simulation.services, simulation.cloud.says_on) == (1, [], False)

    def test_what_is_stuck_in_creating_is_given_up(self) -> None:
        simulation = simulated(setup(), asks=[(0, ON)], faults={STUCK: ((0, DAYS),)})
        [(_, gone)] = simulation.cloud.lives
        assert gone <= WAKE_LIMIT_MINUTES + 10

    def test_under_a_switch_that_is_dead_cloudformation_gives_up(self) -> None:
        simulation = simulated(setup(), asks=[(0, ON)], faults={STUCK: ((0, DAYS),), SWITCH: ((1, DAYS),)})
        assert simulation.cloud.lives == [(0, GIVES_UP_MINUTES + DELETING_MINUTES)]


def test_an_end_that_was_asked_for_waits_for_a_pause_as_a_lifetime_does() -> None:
    asks = [(0, ON), (100, {**ON, "lifetime_hours": 5, "extend": True})]
    simulation = simulated(setup(), asks=asks, calls=[*range(10, 398), *range(405, 500)])
    assert simulation.executions.offs == [(403, "lifetime")]


def test_a_month_over_its_budget_is_off_and_stays_off() -> None:
    simulation = simulated(setup(budget=10.0), asks=[(0, ON), (1000, ON)], calls=range(10, DAYS, 5))
    [(_, ended)] = simulation.services
    assert ended == pytest.approx(10 / USD_PER_HOUR * 60 + 10, abs=5)  # put off, as it is called
    assert simulation.executions.refusals == 1
