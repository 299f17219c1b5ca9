"""Schedule expressions against the calendar. Here and not among the unit tests because ministack reads its
environment when it is imported.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotlight.local.schedules import next_after

BERLIN = "Europe/Berlin"


def berlin(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(BERLIN)).timestamp()


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        ("cron(0 8 * * ? *)", "2026-11-22T07:59:59", "2026-11-22T08:00"),
        ("cron(0 8 * * ? *)", "2026-11-22T08:00", "2026-11-23T08:00"),
        ("cron(0 8 ? * MON-FRI *)", "2026-11-20T08:00", "2026-11-23T08:00"),
        ("cron(30 2 * * ? *)", "2026-03-28T03:00", "2026-03-30T02:30"),  # skipped with the hour of the 29th
        ("cron(30 2 * * ? *)", "2026-10-24T03:00", "2026-10-25T02:30"),  # that hour comes twice
        ("cron(30 2 * * ? *)", "2026-10-25T02:30", "2026-10-26T02:30"),  # and it happens once
        ("at(2026-11-22T10:00:00)", "2026-11-22T09:59:59", "2026-11-22T10:00"),
    ],
)
def test_wall_clock_expressions_go_by_their_time_zone(expression: str, after: str, expected: str) -> None:
    assert next_after(expression, berlin(after), anchor=0, zone=BERLIN) == berlin(expected)


def test_the_second_of_a_repeated_hour_does_not_repeat_its_schedules() -> None:
    second = berlin("2026-10-25T02:10") + 3600
    assert next_after("cron(30 2 * * ? *)", second, anchor=0, zone=BERLIN) == berlin("2026-10-26T02:30")


@pytest.mark.parametrize("expression", ["at(2026-11-22T10:00:00)", "at(noon)", "cron(nonsense)", "every(5 minutes)"])
def test_nothing_comes_of_what_is_over_or_makes_no_sense(expression: str) -> None:
    assert next_after(expression, berlin("2026-11-22T10:00"), anchor=0, zone=BERLIN) is None


@given(st.integers(0, 10**9), st.integers(1, 10_000), st.floats(0, 2 * 10**9))
def test_a_rate_is_its_anchor_plus_whole_intervals(anchor: int, minutes: int, after: float) -> None:
    moment = next_after(f"rate({minutes} minutes)", after, anchor=anchor)
    assert moment is not None
    assert moment > after
    assert (moment - anchor) % (minutes * 60) == 0
    assert moment == anchor or moment - minutes * 60 <= after
