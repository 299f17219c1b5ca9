"""What hosting costs: the price list and exact arithmetic on it.

The list is `data/prices.csv` (its header names the sources). Prices are US East, on demand, and change: a row
is what was last seen, `PRICES_AS_OF` is when the list was collected.
"""

import csv
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from math import floor
from pathlib import Path
from typing import Final

PRICES_AS_OF: Final = date(2026, 11, 22)

_PRICE_LIST: Final = Path(__file__).parent / "data" / "prices.csv"
_MICROSECOND: Final = timedelta.resolution
_HOUR: Final = timedelta(hours=1)


def usd_per_hour(instance_type: str) -> Decimal | None:
    """USD for one instance of this type (`ml.g4dn.12xlarge`) for one hour; None where no price is known."""
    return _price_list().get(instance_type)


def every_usd_per_hour() -> Mapping[str, Decimal]:
    """The whole list: USD for one instance-hour by instance type."""
    return _price_list()


def cost(duration: timedelta, *, usd_per_hour: Decimal, instance_count: int = 1) -> Decimal:
    """USD for `instance_count` instances over `duration`, in whole cents (two decimals).

    Exact up to one rounding at the end, to the nearest cent, half a cent upwards. To bill several periods,
    add the durations, not the rounded sums.
    """
    hours = Fraction(duration // _MICROSECOND, _HOUR // _MICROSECOND)
    cents = 100 * hours * Fraction(usd_per_hour) * instance_count
    return Decimal(floor(cents + Fraction(1, 2))).scaleb(-2)


@cache
def _price_list() -> dict[str, Decimal]:
    with _PRICE_LIST.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return {row["instance_type"]: Decimal(row["usd_per_hour"]) for row in rows}
