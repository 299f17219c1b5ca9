"""What turns the endpoint off next, or on again: the earliest of the triggers that are on, by the clock of the zone."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from common.next_trigger import Limits, Seen, sentence, turns_off, turns_on
from common.schedule import Start, next_start, parse
from hypothesis import given
from hypothesis import strategies as st

DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
# Clocks that are put forward and back on other dates and at other hours, by half an hour too, and none.
ZONES = ("Europe/Paris", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Africa/Cairo", "UTC")
MIDDAY = datetime(2026, 11, 18, 12, tzinfo=UTC).timestamp()
HOUR = 3600.0


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def starts(target: str = "on") -> st.SearchStrategy[Start]:
    return st.builds(
        Start,
        st.just(target),
        st.builds(time, st.integers(0, 23), st.sampled_from((0, 30, 59))),
        st.frozensets(st.integers(0, 6), min_size=1),
        st.sampled_from(ZONES),
    )


def occurrences(start: Start, first: date, days: int) -> list[float]:
    """Every minute of UTC at which the clock of the zone shows the start's time, for the first time on that day."""
    zone = ZoneInfo(start.zone)
    found: dict[date, float] = {}
    begin = datetime.combine(first, time(), UTC)
    for minutes in range(0, days * 24 * 60, 1 if start.at.minute == 59 else 30):
        moment = begin + timedelta(minutes=minutes)
        wall = moment.astimezone(zone)
        if (wall.hour, wall.minute) == (start.at.hour, start.at.minute) and wall.weekday() in start.days:
            found.setdefault(wall.date(), moment.timestamp())
    return list(found.values())


class TestSchedule:
    @given(starts(), st.dates(date(2026, 1, 1), date(2027, 12, 1)), st.integers(0, 86_399))
    def test_it_is_the_next_time_that_the_clock_shows(self, start: Start, day: date, second: int) -> None:
        after = datetime.combine(day, time(), UTC).timestamp() + second
        coming = [moment for moment in occurrences(start, day - timedelta(days=2), 18) if moment > after]
        assert next_start([start], "on", after) == coming[0]

    def test_a_time_that_the_clock_skips_is_skipped(self) -> None:
        """In Paris, on 2027-03-28, it is three o'clock after 01:59."""
        daily = parse("off 02:30 MON,TUE,WED,THU,FRI,SAT,SUN Europe/Paris")
        assert next_start(daily, "off", at("2027-03-27T12:00Z")) == at("2027-03-29T02:30+02:00")
        weekly = parse("off 02:30 SUN Europe/Paris")
        assert next_start(weekly, "off", at("2027-03-21T12:00Z")) == at("2027-04-04T02:30+02:00")

    def test_a_time_that_comes_twice_happens_once(self) -> None:
        daily = parse("off 02:30 SAT,SUN,MON Europe/Paris")
        first = at("2026-10-25T02:30+02:00")
        assert next_start(daily, "off", first - 1) == first
        assert next_start(daily, "off", first) == at("2026-10-26T02:30+01:00")

    def test_a_zone_that_the_runtime_does_not_know_is_left_out(self) -> None:
        known = parse("on 08:00 MON Mars/Olympus;on 09:00 MON UTC")
        assert next_start(known, "on", MIDDAY) == at("2026-11-23T09:00Z")
        assert next_start(known[:1], "on", MIDDAY) is None

    def test_nothing_is_no_schedule(self) -> None:
        assert (parse(""), next_start((), "on", MIDDAY)) == ((), None)

    @pytest.mark.parametrize("text", ["on 08:00 MON", "on 8 MON UTC", "on 08:00 MONDAY UTC"])
    def test_what_is_malformed_is_not_taken(self, text: str) -> None:
        with pytest.raises((ValueError, TypeError)):
            parse(text)


LIMITS = Limits(60, 12, 100.0, parse("off 19:00 WED UTC;on 08:00 THU UTC"))
SEEN = Seen(
    created=MIDDAY - HOUR,
    used_at=MIDDAY,
    ends=MIDDAY + 20 * HOUR,
    spent_usd=50.0,
    ceiling_usd=100.0,
    usd_per_hour=10.0,
)


class TestOff:
    def test_the_earliest_comes_first_and_then_the_next(self) -> None:
        busy = SEEN._replace(used_at=None)
        unbounded = busy._replace(ceiling_usd=None)
        cases = [
            (SEEN, LIMITS, ("idle", 1)),
            (busy, LIMITS, ("budget", 5)),
            (unbounded, LIMITS, ("schedule", 7)),
            (unbounded, LIMITS._replace(schedules=()), ("lifetime", 19.75)),
            (unbounded, Limits(), ("hard_stop", 20)),
        ]
        for seen, limits, (by, hours) in cases:
            assert turns_off(seen, limits, MIDDAY) == ("off", by, MIDDAY + hours * HOUR)
        assert turns_off(unbounded._replace(ends=None), Limits(), MIDDAY) is None

    @given(
        used=st.floats(-10, 0) | st.none(),
        snoozed=st.floats(-5, 30),
        ends=st.floats(-1, 100) | st.none(),
        spent=st.floats(0, 200) | st.none(),
        price=st.floats(0.1, 100) | st.none(),
        limits=st.builds(
            Limits,
            st.integers(15, 600) | st.none(),
            st.integers(1, 48) | st.none(),
            st.floats(1, 200) | st.none(),
            st.lists(starts("off"), max_size=2).map(tuple),
        ),
    )
    def test_it_is_no_later_than_any_trigger_and_never_past(
        self,
        used: float | None,
        snoozed: float,
        ends: float | None,
        spent: float | None,
        price: float | None,
        limits: Limits,
    ) -> None:
        seen = Seen(
            MIDDAY - 11 * HOUR,
            None if used is None else MIDDAY + used * HOUR,
            MIDDAY + snoozed * HOUR,
            None if ends is None else MIDDAY + ends * HOUR,
            spent,
            limits.monthly_budget_usd,
            price,
        )
        alone = [
            turns_off(*case, MIDDAY)
            for case in (
                (seen._replace(ends=None), Limits(idle_minutes=limits.idle_minutes)),
                (seen, Limits()),
                (seen, Limits(lifetime_hours=limits.lifetime_hours)),
                (seen._replace(ends=None), Limits(schedules=limits.schedules)),
            )
        ]
        together = turns_off(seen, limits, MIDDAY)
        known = [trigger.at for trigger in alone if trigger is not None]
        if together is None:
            assert known == []
        else:
            assert MIDDAY <= together.at <= min(known, default=together.at)

    def test_a_snooze_puts_idle_off_and_nothing_else(self) -> None:
        snoozed = SEEN._replace(snoozed_until=MIDDAY + 2 * HOUR)
        trigger = turns_off(snoozed, LIMITS, MIDDAY)
        assert trigger == ("off", "idle", MIDDAY + 2 * HOUR)
        assert turns_off(snoozed._replace(snoozed_until=MIDDAY + 9 * HOUR), LIMITS, MIDDAY) == (
            "off",
            "budget",
            MIDDAY + 5 * HOUR,
        )

    @pytest.mark.parametrize(("ends", "by", "hours"), [(2.25, "lifetime", 2), (30.25, "lifetime", 30)])
    def test_an_end_that_was_moved_moves_the_lifetime(self, ends: float, by: str, hours: float) -> None:
        seen = Seen(created=MIDDAY, ends=MIDDAY + ends * HOUR)
        assert turns_off(seen, Limits(lifetime_hours=12), MIDDAY) == ("off", by, MIDDAY + hours * HOUR)

    def test_what_this_months_money_outlasts_is_the_next_months(self) -> None:
        """At USD 1 an hour, with USD 990 for this month alone and 100 for every month."""
        seen = Seen(spent_usd=10.0, ceiling_usd=1000.0, usd_per_hour=1.0)
        border = datetime(2026, 12, 1, tzinfo=UTC).timestamp()
        assert turns_off(seen, Limits(monthly_budget_usd=100), MIDDAY) == ("off", "budget", border + 100 * HOUR)
        assert turns_off(seen, Limits(), MIDDAY) is None

    def test_an_unknown_price_is_never_spent_and_what_is_spent_is_due(self) -> None:
        seen = Seen(spent_usd=10.0, ceiling_usd=100.0, usd_per_hour=None)
        limits = Limits(monthly_budget_usd=100)
        assert turns_off(seen, limits, MIDDAY) is None
        assert turns_off(seen._replace(spent_usd=100.0), limits, MIDDAY) == ("off", "budget", MIDDAY)


class TestOn:
    def test_a_schedule_alone_lights_it(self) -> None:
        assert turns_on(SEEN, LIMITS, MIDDAY) == ("on", "schedule", at("2026-11-19T08:00Z"))
        assert turns_on(SEEN, Limits(60, 12, 100.0), MIDDAY) is None

    def test_not_before_there_is_money_again(self) -> None:
        spent = SEEN._replace(spent_usd=100.0)
        assert turns_on(spent, LIMITS, MIDDAY) == ("on", "schedule", at("2026-12-03T08:00Z"))
        midnight = Limits(schedules=parse("on 00:00 TUE UTC"))
        assert turns_on(spent, midnight, MIDDAY) == ("on", "schedule", at("2026-12-01T00:00Z"))


def test_a_sentence_says_what_a_person_can_do() -> None:
    off, on = turns_off(SEEN, LIMITS, MIDDAY), turns_on(SEEN, LIMITS, MIDDAY)
    assert off is not None
    assert on is not None
    assert sentence(off) == (
        "It is turned off next by idle, at 2026-11-18T13:00:00Z if nobody calls it, give or take five minutes; "
        "`pilot off` does before."
    )
    assert sentence(on) == "It is turned on next by schedule, at 2026-11-19T08:00:00Z; `pilot on` does before."
    assert "at about" in sentence(off._replace(by="budget"))
