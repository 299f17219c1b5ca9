"""The clock's engine with hands of our own: order, settling, waiting."""

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotlight.local import clock as clocks
from pilotlight.local.activity import Activity
from pilotlight.local.clock import Clock, EachMinute
from pilotlight.local.scheduler import Entry, Timetable
from pilotlight.local.waits import Cancelled, Waits


class Hands:
    """Time that only an advance moves."""

    def __init__(self, now: float = 0.0) -> None:
        self.time = now
        self.held = False

    def now(self) -> float:
        return self.time

    def hold(self) -> None:
        self.held = True

    def move(self, moment: float) -> None:
        assert self.held
        assert moment >= self.time
        self.time = moment

    def release(self) -> None:
        self.held = False


class CoarseHands(Hands):
    """A process's clock counts in whole microseconds: it stops just before most moments."""

    def move(self, moment: float) -> None:
        super().move(max(self.time, int(moment * 1e6) / 1e6))


class Every:
    """A source that happens every so many seconds."""

    def __init__(self, seconds: float, seen: Callable[[float], None]) -> None:
        self.seconds = self.moment = seconds
        self._seen = seen

    def due(self, _now: float) -> float:
        return self.moment

    def fire(self, now: float) -> None:
        self.moment += self.seconds
        self._seen(now)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=4), st.lists(st.integers(0, 120), max_size=6))
def test_everything_happens_once_and_in_order_however_time_is_advanced(periods: list[int], steps: list[int]) -> None:
    clock = Clock(Hands(), Activity())
    seen: list[tuple[float, int]] = []
    for number, period in enumerate(periods):
        clock.add(Every(period, lambda now, number=number: seen.append((now, number))))  # type: ignore[misc]
    for step in steps:
        clock.advance(step)
    end = sum(steps)
    expected = [(float(t), n) for n, period in enumerate(periods) for t in range(period, end + 1, period)]
    assert seen == sorted(expected)
    assert clock.now() == clock.advanced_seconds == end


@pytest.mark.parametrize("source", ["timetable", "minute"])
def test_a_clock_that_stops_just_before_a_moment_does_not_wait_for_it_for_ever(source: str) -> None:
    begun, seen = 1_790_000_000.1234567, []
    clock = Clock(CoarseHands(begun), Activity())
    entry = Entry(("account", "region", "name"), (), "rate(5 minutes)", "UTC", begun, begun)
    timetable = Timetable(lambda: [entry], lambda _key, moment: seen.append(moment))
    clock.add(timetable if source == "timetable" else EachMinute(seen.append, since=begun))
    clock.advance(601)
    assert len(seen) == (2 if source == "timetable" else 10)


EACH_MINUTE = Entry(("account", "region", "name"), (), "rate(1 minute)", "UTC", 0, 0)


def test_what_passes_while_a_rule_is_disabled_never_happens() -> None:
    entry, seen = EACH_MINUTE, list[float]()
    timetable = Timetable(lambda: [entry], lambda _key, moment: seen.append(moment))
    clock = Clock(Hands(), Activity())
    clock.add(timetable)
    clock.advance(125)
    entry = replace(entry, enabled=False)
    clock.advance(3600)
    entry = replace(entry, enabled=True)
    clock.advance(60)
    assert seen == [60, 120, 3780]


def test_what_was_missed_together_happens_once_as_the_last() -> None:
    seen = list[float]()
    timetable = Timetable(lambda: [EACH_MINUTE], lambda _key, moment: seen.append(moment))
    timetable.fire(3630)  # the machine slept for an hour
    assert seen == [3600]
    assert timetable.due(3630) == 3660


def test_work_set_off_is_over_before_time_goes_on() -> None:
    hands, activity = Hands(), Activity()
    clock = Clock(hands, activity)
    ended: list[tuple[float, float]] = []
    go_on = threading.Event()

    def work(begun: float) -> None:
        go_on.wait(0.02)
        ended.append((begun, hands.time))

    clock.add(Every(10, lambda now: activity.spawn("work", work, now)))
    clock.advance(30)
    assert ended == [(10, 10), (20, 20), (30, 30)]


def test_what_else_is_busy_is_waited_for() -> None:
    left = ["stack"] * 3
    clock = Clock(Hands(), Activity(), busy=lambda: left.pop() if left else None)
    clock.advance(1)
    assert not left


def test_work_that_does_not_end_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clocks, "SETTLE_SECONDS", 0.01)
    activity = Activity()
    activity.begin("long thing")
    hands = Hands()
    with pytest.raises(clocks.Unsettled, match="1 × long thing"):
        Clock(hands, activity).advance(60)
    assert not hands.held


def test_work_with_a_limit_of_its_own_is_waited_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clocks, "SETTLE_SECONDS", 0.01)
    activity, ended = Activity(), threading.Event()
    activity.spawn("job", lambda: ended.wait(0.6))
    Clock(Hands(), activity, limited=frozenset({"job"})).advance(0)
    assert activity.under_way() == {}


def test_a_source_that_fails_stops_nobody() -> None:
    clock = Clock(Hands(), Activity())
    seen: list[float] = []

    def fail(now: float) -> None:
        raise OSError(now)

    clock.add(Every(10, fail))
    clock.add(Every(10, seen.append))
    clock.advance(20)
    assert seen == [10, 20]


def waiting(clock: Clock, activity: Activity) -> tuple[Waits, list[str], Callable[[float, str], None]]:
    waits = Waits(activity, "work", now=clock.now)
    clock.add(waits)
    said: list[str] = []

    def wait(seconds: float, name: str) -> None:
        try:
            waits.until(clock.now() + seconds, name)
            said.append(f"{name} at {clock.now():g}")
        except Cancelled:
            said.append(f"{name} cancelled")

    return waits, said, lambda seconds, name: activity.spawn("work", wait, seconds, name)


def test_waits_end_at_their_moment_and_hold_nobody_up() -> None:
    activity = Activity()
    clock = Clock(Hands(), activity)
    _, said, wait = waiting(clock, activity)
    for seconds, name in ((30, "c"), (10, "a"), (20, "b"), (0, "now"), (-5, "past")):
        wait(seconds, name)
    clock.advance(25)
    assert sorted(said[:2]) == ["now at 0", "past at 0"]
    assert said[2:] == ["a at 10", "b at 20"]
    clock.advance(5)
    assert said[4:] == ["c at 30"]
    assert activity.under_way() == {}


def test_only_the_owners_waits_are_cancelled() -> None:
    activity = Activity()
    clock = Clock(Hands(), activity)
    waits, said, wait = waiting(clock, activity)
    wait(30, "kept")
    wait(30, "dropped")
    clock.advance(1)
    waits.cancel("dropped")
    clock.advance(1)
    assert said == ["dropped cancelled"]
    clock.advance(30)
    assert said[1:] == ["kept at 30"]


@pytest.mark.parametrize("given_before", [True, False])
def test_a_signal_ends_a_wait_with_nobody_seeing_a_gap(given_before: bool) -> None:
    activity = Activity()
    clock = Clock(Hands(), activity)
    waits = Waits(activity, "work", now=clock.now)
    clock.add(waits)
    signal = waits.signal()
    seen: list[bool] = []
    if given_before:
        signal.set()
    activity.spawn("work", lambda: seen.append(waits.until(30, signal=signal)))
    clock.advance(10)
    signal.set()
    at_work = activity.under_way()
    assert at_work or seen
    clock.advance(0)
    assert seen == [True]


def test_a_wait_without_its_signal_ends_at_its_moment() -> None:
    activity = Activity()
    clock = Clock(Hands(), activity)
    waits = Waits(activity, "work", now=clock.now)
    clock.add(waits)
    signal = waits.signal()
    seen: list[bool] = []
    activity.spawn("work", lambda: seen.append(waits.until(30, signal=signal)))
    clock.advance(31)
    assert seen == [False]
    signal.set()  # too late, and nobody's
    assert activity.under_way() == {}


def test_each_minute_is_each_full_minute() -> None:
    clock = Clock(Hands(90.0), Activity())
    seen: list[float] = []
    clock.add(EachMinute(seen.append, since=clock.now()))
    clock.advance(150)
    assert seen == [120, 180, 240]
