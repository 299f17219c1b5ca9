"""Dollars of the month: the same to the cent however the ticks fall, never less than before, none while off."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from meter.bill import LIVES_KEPT
from meter.facts import LEDGER, VARIANT, Facts, Life
from meter.memory import Memory

from tests.unit.meter.fakes import HOUR, INSTANCE_TYPE, MINUTE, POLICY, START, USD_PER_HOUR, Meter, dark, endpoint, lit
from tests.unit.meter.fakes import VARIANT as ONE_VARIANT

DECEMBER = datetime(2026, 12, 1, tzinfo=UTC).timestamp()
moments = st.integers(0, 40 * 24 * 3600)


def world(spans: list[tuple[float, float]], moment: float) -> Facts:
    """Each span is an endpoint's life. A tick at its end still sees it; its receipt says when it began and ended."""
    gone = tuple(Life(created, end, USD_PER_HOUR) for created, end in spans if end < moment)[-10:]
    for created, end in spans:
        if created <= moment <= end:
            return lit(created, lives=gone)
    return dark(lives=gone)


def lives(bounds: list[int]) -> list[tuple[float, float]]:
    ordered = sorted(set(bounds))
    return [(START + a, START + b) for a, b in zip(ordered[::2], ordered[1::2], strict=False)]


@given(bounds=st.lists(moments, max_size=8), spare=st.lists(moments, max_size=12))
def test_dollars_do_not_depend_on_how_the_ticks_are_spaced(bounds: list[int], spare: list[int]) -> None:
    """One meter ticks where something happens, the other there and at any other moments besides."""
    spans = lives(bounds)
    turns = [moment + margin for span in spans for moment in span for margin in (0, 1)]
    last = START + 41 * 24 * 3600
    sums = []
    for ticks in (turns, [*turns, *(START + moment for moment in spare)]):
        meter = Meter()
        for moment in sorted({*ticks, last}):
            taken = meter.reads(world(spans, moment), moment)
        sums.append((taken.dollars_this_month, meter.memory.hours_this_month))
    assert sums[0] == pytest.approx(sums[1], abs=1e-4)
    first = datetime.fromtimestamp(last, UTC).replace(day=1, hour=0, minute=0, second=0).timestamp()
    hours = sum(max(0.0, end - max(created, first)) / HOUR for created, end in spans)
    assert sums[1] == pytest.approx((hours * USD_PER_HOUR, hours), abs=1e-4)


@given(
    turns=st.lists(st.integers(2, 40), min_size=2, max_size=60),
    ticks=st.lists(st.integers(0, 1000), max_size=20),
    told=st.lists(st.integers(0, 60), max_size=60),
)
def test_however_late_receipts_come_every_life_is_counted_and_none_twice(
    turns: list[int], ticks: list[int], told: list[int]
) -> None:
    """In half minutes: pause, life, pause, life. `told` is how long after its end each is told of. One that a tick saw,
    and of which nothing was told by the next, counts until then, or until the next creation.
    """
    ends = [START + 30 * sum(turns[: number + 1]) for number in range(len(turns))]
    spans = list(zip(ends[::2], ends[1::2], strict=False))
    waits = [30 * wait for wait in told] + [0] * len(spans)
    last = max([*ends, *(START + 30 * tick for tick in ticks)]) + HOUR
    moments = sorted({START, *(START + 30 * tick for tick in ticks), last, last + HOUR})
    meter, counted = Meter(), [0.0]
    for moment in moments:
        gone = [Life(*span, USD_PER_HOUR) for span, wait in zip(spans, waits, strict=False) if span[1] + wait < moment]
        present = next((created for created, end in spans if created <= moment < end), None)
        facts = dark(lives=tuple(gone)) if present is None else lit(present, lives=tuple(gone))
        meter.reads(facts, moment)
        counted.append(meter.memory.hours_this_month)
    assert counted == sorted(counted)
    assert counted[-1] == counted[-2]
    true = sum(end - created for created, end in spans)
    following = [*(created for created, _ in spans[1:]), last]
    unknown = [
        min(after, *(moment for moment in moments if moment >= end)) - end
        for (_, end), after in zip(spans, following, strict=True)
    ]
    assert true - 1e-3 <= counted[-1] * HOUR <= true + sum(unknown) + 1e-3


def test_a_life_that_is_forgotten_is_not_counted_again() -> None:
    meter = Meter()
    meter.reads(dark(), START)
    spans = [Life(START + n * MINUTE, START + (n + 0.5) * MINUTE, USD_PER_HOUR) for n in range(1, 3 * LIVES_KEPT)]
    for number in range(len(spans)):
        told = tuple(spans[max(0, number - 9) : number + 1])
        meter.reads(dark(lives=told), told[-1].gone + 1)
    hours = meter.memory.hours_this_month
    assert hours == pytest.approx(len(spans) / 120)
    meter.reads(dark(lives=tuple(spans)), START + 3 * HOUR)
    assert meter.memory.hours_this_month == hours
    assert len(meter.memory.lives_counted) == LIVES_KEPT


@given(bounds=st.lists(moments, max_size=8), ticks=st.lists(moments, min_size=2, max_size=30))
def test_dollars_never_fall_within_a_month_and_rise_only_while_something_is_billed(
    bounds: list[int], ticks: list[int]
) -> None:
    spans, meter = lives(bounds), Meter()
    before, month, last = 0.0, "", START
    for moment in sorted(START + tick for tick in ticks):
        billed = any(created < moment and end > last for created, end in spans)
        facts = world(spans, moment)
        dollars = meter.reads(facts, moment).dollars_this_month
        assert dollars is not None
        if meter.memory.month == month:
            assert dollars >= before
            if not billed:
                assert dollars == before
        before, month, last = dollars, meter.memory.month, moment


def test_an_hour_is_the_price_of_an_hour() -> None:
    meter = Meter()
    meter.reads(lit(), START)
    assert meter.reads(lit(), START + HOUR).dollars_this_month == USD_PER_HOUR
    assert meter.memory.hours_this_month == 1


def test_all_instances_are_billed_from_the_creation_on_in_every_status() -> None:
    meter = Meter()
    for tick, status in enumerate(("Creating", "Failed", "Updating", "Deleting", "Brandnew"), start=1):
        taken = meter.reads(lit(endpoint=endpoint(START, status, instances=2)), START + tick * HOUR)
        assert taken.minutes_on == 60 * tick
        assert taken.dollars_this_month == pytest.approx(2 * USD_PER_HOUR * tick)


def test_a_month_is_split_at_its_border_in_utc() -> None:
    meter = Meter()
    created = DECEMBER - 3 * MINUTE
    assert meter.reads(lit(created), DECEMBER - MINUTE).dollars_this_month == round(2 * USD_PER_HOUR / 60, 4)
    assert meter.reads(lit(created), DECEMBER + 4 * MINUTE).dollars_this_month == round(4 * USD_PER_HOUR / 60, 4)
    assert meter.memory.month == "2026-12"


def test_a_month_without_a_tick_leaves_nothing_behind() -> None:
    meter = Meter()
    meter.reads(lit(), START)
    assert meter.reads(lit(), DECEMBER + 31 * 24 * HOUR).dollars_this_month == pytest.approx(0)


def test_what_a_dead_meter_missed_is_counted_by_the_next_tick() -> None:
    meter = Meter()
    meter.reads(dark(), START)
    taken = meter.reads(lit(START + HOUR), START + 11 * HOUR)
    assert taken.dollars_this_month == pytest.approx(10 * USD_PER_HOUR)


def test_an_endpoint_that_vanished_is_counted_until_now_or_until_its_receipt() -> None:
    earlier = Life(START - 2 * HOUR, START - HOUR, USD_PER_HOUR)
    own = Life(START, START + 2 * MINUTE, USD_PER_HOUR)
    for told, minutes in (((), 5), ((earlier,), 5), ((earlier, own), 2)):
        meter = Meter()
        meter.reads(lit(), START)
        taken = meter.reads(dark(lives=told), START + 5 * MINUTE)
        assert taken.dollars_this_month == pytest.approx(minutes * USD_PER_HOUR / 60, abs=1e-4)
        assert meter.reads(dark(), START + 9 * HOUR).dollars_this_month == taken.dollars_this_month


class TestALifeBetweenTwoTicks:
    """It is over before the meter could see it: its receipt tells."""

    SHORT = Life(START + MINUTE, START + 4 * MINUTE, USD_PER_HOUR)
    THREE_MINUTES = round(3 * USD_PER_HOUR / 60, 4)

    def test_it_is_counted_once_however_often_its_receipt_is_read(self) -> None:
        meter = Meter()
        meter.reads(dark(), START)
        for tick in range(5, 30, 5):
            taken = meter.reads(dark(lives=(self.SHORT,)), START + tick * MINUTE)
            assert taken.dollars_this_month == self.THREE_MINUTES
        assert meter.memory.hours_this_month == pytest.approx(0.05)

    def test_also_where_its_receipt_comes_late(self) -> None:
        meter = Meter()
        for tick in (0, 5):
            meter.reads(dark(), START + tick * MINUTE)
        assert meter.reads(dark(lives=(self.SHORT,)), START + 10 * MINUTE).dollars_this_month == self.THREE_MINUTES

    @pytest.mark.parametrize("apart", [-0.4, 0.0, 0.4])
    @pytest.mark.parametrize("usd_per_hour", [0.0, USD_PER_HOUR])
    def test_two_receipts_of_one_life_count_it_once_as_the_first_that_saw_it_gone(
        self, apart: float, usd_per_hour: float
    ) -> None:
        again = Life(self.SHORT.created + apart, self.SHORT.gone + 40, usd_per_hour)
        for told in ((self.SHORT, again), (again, self.SHORT), (again, self.SHORT, again)):
            meter = Meter()
            meter.reads(dark(), START)
            taken = meter.reads(dark(lives=told), START + 5 * MINUTE)
            assert taken.dollars_this_month == pytest.approx(self.THREE_MINUTES, abs=0.001)

    def test_also_where_its_successor_was_seen_before_its_receipt_came(self) -> None:
        """A walk from type to type writes one receipt, at its end."""
        meter = Meter()
        meter.reads(dark(), START)
        second = START + 4.5 * MINUTE
        meter.reads(lit(second), START + 5 * MINUTE)
        for tick in (10, 15):
            taken = meter.reads(lit(second, lives=(self.SHORT,)), START + tick * MINUTE)
            assert taken.dollars_this_month == pytest.approx((3 + tick - 4.5) * USD_PER_HOUR / 60, abs=1e-4)

    def test_but_not_where_the_one_before_it_counted_for_its_time(self) -> None:
        meter = Meter()
        meter.reads(lit(START - HOUR), START)
        third = START + 4.5 * MINUTE
        meter.reads(lit(third), START + 5 * MINUTE)
        gone = (Life(START - HOUR, START + 30, USD_PER_HOUR), self.SHORT)
        taken = meter.reads(lit(third, lives=gone), START + 10 * MINUTE)
        assert taken.dollars_this_month == pytest.approx(70 * USD_PER_HOUR / 60, abs=1e-4)

    def test_what_one_before_it_had_ended_at_its_creation_at_the_latest(self) -> None:
        meter = Meter()
        meter.reads(lit(START - HOUR), START)
        taken = meter.reads(dark(lives=(self.SHORT,)), START + 5 * MINUTE)
        assert taken.dollars_this_month == pytest.approx(64 * USD_PER_HOUR / 60, abs=1e-4)

    def test_several_are_counted_each(self) -> None:
        meter = Meter()
        meter.reads(dark(), START)
        second = Life(START + 4.5 * MINUTE, START + 5 * MINUTE, USD_PER_HOUR)
        taken = meter.reads(dark(lives=(second, self.SHORT)), START + 6 * MINUTE)
        assert taken.dollars_this_month == pytest.approx(3.5 * USD_PER_HOUR / 60, abs=1e-4)

    def test_one_before_the_first_tick_is_not_the_meters_to_count(self) -> None:
        meter = Meter()
        for tick in (5, 10):
            assert meter.reads(dark(lives=(self.SHORT,)), START + tick * MINUTE).dollars_this_month == 0


def test_an_endpoint_and_its_successor_are_not_counted_twice() -> None:
    meter = Meter()
    meter.reads(lit(), START)
    taken = meter.reads(lit(START + 4 * MINUTE, lives=(Life(START, START + MINUTE, USD_PER_HOUR),)), START + 5 * MINUTE)
    assert taken.dollars_this_month == pytest.approx(2 * USD_PER_HOUR / 60, abs=1e-4)


def test_a_month_that_was_forgotten_is_counted_from_the_creation() -> None:
    meter = Meter()
    meter.reads(lit(), START + 5 * HOUR)
    assert meter.memory.usd_this_month == pytest.approx(5 * USD_PER_HOUR)


def test_without_the_ledger_no_dollars_are_told() -> None:
    assert Meter().reads(lit(unread=frozenset({LEDGER})), START + HOUR).dollars_this_month is None


def test_a_creation_in_the_future_costs_nothing_yet() -> None:
    meter = Meter()
    taken = meter.reads(lit(START + HOUR), START)
    assert (taken.dollars_this_month, taken.minutes_on, taken.idle_minutes) == (0, 0, 0)
    assert meter.reads(lit(START + HOUR), START + 2 * HOUR).dollars_this_month == pytest.approx(USD_PER_HOUR)


class TestPrice:
    def test_an_unknown_type_counts_as_nothing_and_is_named(self) -> None:
        unknown = lit(variant=ONE_VARIANT.__class__("ml.nonsense.xlarge", 1))
        meter = Meter()
        assert meter.reads(unknown, START + HOUR).dollars_this_month == 0
        assert meter.memory.unpriced == "ml.nonsense.xlarge"
        assert meter.memory.hours_this_month == 1

    def test_instances_of_pools_count_by_their_types(self) -> None:
        """As they are at each tick; before SageMaker says which they are, as the dearest."""
        dear, cheap = INSTANCE_TYPE, "ml.g5.xlarge"
        meter = Meter(policy=replace(POLICY, usd_per_hour={dear: USD_PER_HOUR, cheap: 1.0}))
        pools = ONE_VARIANT.__class__(None, 2, (cheap, dear))
        waking = lit(status="Creating", variant=pools, endpoint=endpoint(instances=None))
        assert meter.reads(waking, START + HOUR / 2).dollars_this_month == USD_PER_HOUR
        served = lit(variant=pools, endpoint=replace(endpoint(instances=3), pools={cheap: 2, dear: 1}))
        assert meter.reads(served, START + HOUR * 3 / 2).dollars_this_month == round(USD_PER_HOUR * 2 + 2, 4)
        emptied = replace(endpoint(status="Deleting", instances=None), pools={cheap: 0, dear: 0})
        going = lit(variant=pools, endpoint=emptied)
        assert meter.reads(going, START + HOUR * 5 / 2).dollars_this_month == round(USD_PER_HOUR * 3 + 4, 4)
        assert meter.memory.unpriced == ""

    def test_a_config_that_cannot_be_read_keeps_its_price(self) -> None:
        meter = Meter()
        meter.reads(lit(), START)
        unread = lit(variant=None, unread=frozenset({VARIANT}))
        assert meter.reads(unread, START + HOUR).dollars_this_month == USD_PER_HOUR
        assert meter.reads(dark(), START + 2 * HOUR).dollars_this_month == 2 * USD_PER_HOUR
        assert meter.memory.unpriced == ""


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=5))
def test_a_malformed_memory_starts_anew_and_switches_nothing_off(junk: object) -> None:
    fields = Memory().to_data()
    for data in (junk, *({**fields, name: junk} for name in fields)):
        meter = Meter(memory=Memory.from_data(data))
        taken = meter.reads(lit(), START + MINUTE)
        assert taken.idle_minutes == 0
        assert meter.due() == ()


def test_what_is_remembered_survives_the_ledger() -> None:
    meter = Meter()
    meter.reads(lit(last_call=START), START + HOUR)
    assert Memory.from_data(meter.memory.to_data()) == meter.memory
    assert INSTANCE_TYPE not in meter.memory.to_data().values()


class TestWhereTheMonthsSumsBegin:
    """What is saved is counted from there."""

    def test_at_the_first_tick(self) -> None:
        meter = Meter()
        for moment in (START, START + HOUR):
            meter.reads(dark(), moment)
        assert meter.memory.month_counted_since == START

    def test_or_with_the_endpoint_that_the_first_tick_found(self) -> None:
        meter = Meter()
        meter.reads(lit(START - HOUR), START)
        assert meter.memory.month_counted_since == START - HOUR

    def test_or_with_the_month(self) -> None:
        meter = Meter()
        for moment in (START, DECEMBER + HOUR):
            meter.reads(dark(), moment)
        assert meter.memory.month_counted_since == DECEMBER

    @given(bounds=st.lists(moments, max_size=8), ticks=st.lists(moments, min_size=1, max_size=30))
    def test_no_hour_is_billed_before_it(self, bounds: list[int], ticks: list[int]) -> None:
        spans, meter = lives(bounds), Meter()
        for moment in sorted(START + tick for tick in ticks):
            meter.reads(world(spans, moment), moment)
            since = meter.memory.month_counted_since
            assert since is not None
            assert meter.memory.hours_this_month <= (moment - since) / HOUR + 1e-6
