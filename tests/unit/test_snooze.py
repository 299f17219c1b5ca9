"""How long a person may leave an idle endpoint on."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotlight.snooze import LONGEST, BadDuration, duration, until

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "minutes"), [("2h", 120), ("90m", 90), ("1h30m", 90), (" 2H ", 120), ("0", 0), ("0h", 0), ("24h", 1440)]
)
def test_what_may_be_written(text: str, minutes: int) -> None:
    assert duration(text) == timedelta(minutes=minutes)


@pytest.mark.parametrize(
    "text", ["", "2", "h", "-1h", "1.5h", "2x", "2h 30m", "30m2h", "1d", "99999h", "\u0663h", "nan", "0x1h"]
)
def test_anything_else_is_named_with_what_may_be(text: str) -> None:
    with pytest.raises(BadDuration) as caught:
        duration(text)
    assert repr(text) in str(caught.value)
    assert "90m" in str(caught.value)


@pytest.mark.parametrize("text", ["25h", "24h1m", "1441m"])
def test_a_day_is_the_most(text: str) -> None:
    with pytest.raises(BadDuration, match=r"24h.*pilot on --hours"):
        duration(text)


@given(st.text(alphabet="0123456789hm. -", max_size=8))
def test_whatever_is_written_is_within_a_day_or_refused(text: str) -> None:
    with suppress(BadDuration):
        assert timedelta(0) <= duration(text) <= LONGEST


@given(st.timedeltas(timedelta(0), LONGEST), st.none() | st.timedeltas(timedelta(-2), timedelta(days=2)))
def test_it_never_outlasts_the_hard_stop(wanted: timedelta, left: timedelta | None) -> None:
    ends = None if left is None else NOW + left
    held = until(NOW, wanted, ends)
    assert held == NOW + wanted or held == ends
    assert held <= NOW + wanted
    assert ends is None or held <= ends
