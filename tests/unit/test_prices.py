"""The price list, and arithmetic that is exact to the cent."""

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotlight.prices import PRICES_AS_OF, cost, usd_per_hour

PRICES = st.decimals(min_value=0, max_value=200, places=4)
DURATIONS = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=365))
COUNTS = st.integers(min_value=1, max_value=20)


def test_a_known_type_has_the_price_of_the_list() -> None:
    assert usd_per_hour("ml.g4dn.12xlarge") == Decimal("4.89")


def test_an_unknown_type_has_no_price_rather_than_none_to_pay() -> None:
    assert usd_per_hour("ml.nonsense.xlarge") is None


def test_the_list_says_when_it_was_collected() -> None:
    assert date(2026, 11, 22) == PRICES_AS_OF


@pytest.mark.parametrize(
    ("duration", "usd", "count", "expected"),
    [
        (timedelta(hours=412, minutes=23), "4.89", 1, "2016.55"),  # the bill that Pilotlight exists for
        (timedelta(minutes=30), "0.01", 1, "0.01"),  # exactly half a cent
        (timedelta(seconds=1), "4.89", 1, "0.00"),
        (timedelta(hours=1), "1.515", 2, "3.03"),
        (timedelta(0), "113.068", 20, "0.00"),
    ],
)
def test_cost_is_rounded_once_to_the_nearest_cent(duration: timedelta, usd: str, count: int, expected: str) -> None:
    assert str(cost(duration, usd_per_hour=Decimal(usd), instance_count=count)) == expected


@given(DURATIONS, PRICES, COUNTS)
def test_cost_is_within_half_a_cent_of_the_exact_amount(duration: timedelta, usd: Decimal, count: int) -> None:
    microseconds = (duration.days * 86_400 + duration.seconds) * 1_000_000 + duration.microseconds
    exact = Fraction(usd) * count * Fraction(microseconds, 3_600_000_000)
    charged = cost(duration, usd_per_hour=usd, instance_count=count)
    assert -Fraction(1, 200) < Fraction(charged) - exact <= Fraction(1, 200)
    assert charged.as_tuple().exponent == -2


@given(DURATIONS, DURATIONS, PRICES)
def test_a_longer_time_never_costs_less(one: timedelta, other: timedelta, usd: Decimal) -> None:
    shorter, longer = sorted((one, other))
    assert cost(shorter, usd_per_hour=usd) <= cost(longer, usd_per_hour=usd)
