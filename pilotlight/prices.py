"""What hosting costs: the price list and exact arithmetic on it.

The list is `data/prices.csv` (its header names the sources). Prices are US East, on demand, and change: a row
is what was last seen, `PRICES_AS_OF` is when the list was collected.
"""

import csv
import re
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from math import floor
from pathlib import Path
from typing import Final

from pilotlight.price_list import FROM_THE_API, Row

PRICE_LIST: Final = Path(__file__).parent / "data" / "prices.csv"
_MICROSECOND: Final = timedelta.resolution
_HOUR: Final = timedelta(hours=1)


def usd_per_hour(instance_type: str) -> Decimal | None:
    """USD for one instance of this type (`ml.g4dn.12xlarge`) for one hour; None where no price is known."""
    row = rows().get(instance_type)
    return row.usd_per_hour if row else None


def told(instance_type: str) -> str:
    """Where the price of a listed type comes from, and how old it is."""
    source = rows()[instance_type].source
    if source.startswith(FROM_THE_API):
        return f"the AWS Price List API's for {source.removeprefix(FROM_THE_API)} on {PRICES_AS_OF}"
    return f"a US East price last seen in files of 2023 to 2025, collected by {PRICES_AS_OF}"


def is_of_elsewhere(instance_type: str, region: str) -> bool:
    """Whether a listed type's price was not seen in this Region, nor in one that costs the same."""
    return not region.startswith("us-east-") and region not in told(instance_type)


@cache
def rows(file: Path = PRICE_LIST) -> Mapping[str, Row]:
    """The whole list, by instance type."""
    with file.open(encoding="utf-8", newline="") as lines:
        listed = csv.DictReader(line for line in lines if not line.startswith("#"))
        return {row["instance_type"]: Row(Decimal(row["usd_per_hour"]), row["source"]) for row in listed}


def cost(duration: timedelta, *, usd_per_hour: Decimal, instance_count: int = 1) -> Decimal:
    """USD for `instance_count` instances over `duration`, in whole cents (two decimals).

    Exact up to one rounding at the end, to the nearest cent, half a cent upwards. To bill several periods,
    add the durations, not the rounded sums.
    """
    hours = Fraction(duration // _MICROSECOND, _HOUR // _MICROSECOND)
    cents = 100 * hours * Fraction(usd_per_hour) * instance_count
    return Decimal(floor(cents + Fraction(1, 2))).scaleb(-2)


def _collected() -> date:
    """The file says it in its own header, which `pilot prices refresh` writes with the rows."""
    found = re.search(r"Collected (\d{4}-\d{2}-\d{2})", PRICE_LIST.read_text(encoding="utf-8"))
    if found is None:
        raise ValueError(f"{PRICE_LIST.name} does not say when it was collected: `Collected YYYY-MM-DD` in its header.")
    return date.fromisoformat(found[1])


PRICES_AS_OF: Final = _collected()
