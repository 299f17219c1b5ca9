"""What the endpoints that an execution saw have cost: exact sums of their times in existence.

A bill is a tuple of plain objects, so that it can be carried as JSON, one for each endpoint seen:
{"created", "until": epoch seconds, "instance_type": text or None, "usd_per_hour": for all instances, or None}.

The price last seen counts for the whole of a life. So the second fleet of an update, which is there for minutes, is in
none of them; the month's dollars, which the meter counts from tick to tick, have it.
"""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from math import floor
from typing import Any

from common.facts import EndpointFacts, VariantFacts, own_price, type_in_use

Bill = tuple[Mapping[str, Any], ...]


def seen(
    bill: Bill,
    endpoint: EndpointFacts | None,
    variant: VariantFacts | None,
    *,
    now: float,
    usd_per_hour: Mapping[str, float],
) -> Bill:
    """The bill once this was seen at `now`. SageMaker bills from creation on, until it is gone.

    A price that was known stays known: a config may be gone before its endpoint. An endpoint that is Deleting
    counts its instances down, so its price stays what it was.
    """
    last = bill[-1] if bill else None
    if endpoint is None:
        return (*bill[:-1], {**last, "until": now, "gone": True}) if last and not last.get("gone") else bill
    created = endpoint.created.timestamp()
    known = last if last and last["created"] == created else None
    price, kind = own_price(endpoint, variant, usd_per_hour), type_in_use(endpoint, variant)
    if known and (price is None or endpoint.status == "Deleting"):
        price = known["usd_per_hour"]
    kind = kind or (known["instance_type"] if known else None)
    entry = {"created": created, "until": now, "instance_type": kind, "usd_per_hour": price}
    return (*(bill[:-1] if known else bill), entry)


def tells_more(bill: Bill, known: Bill) -> bool:
    """Whether it tells of more than that the last endpoint is still there."""
    return _outline(bill) != _outline(known)


def _outline(bill: Bill) -> list[dict[str, Any]]:
    return [{**entry, "until": entry["until"] if entry.get("gone") else None} for entry in bill]


def lives(bill: Bill) -> list[dict[str, Any]]:
    """The endpoints that are gone, for the meter, which may not have seen all of them."""
    gone = [entry for number, entry in enumerate(bill, start=1) if entry.get("gone") or number < len(bill)]
    return [
        {"created": entry["created"], "gone_at": entry["until"], "usd_per_hour": entry["usd_per_hour"]}
        for entry in gone
    ]


def hours(bill: Bill) -> float | None:
    """Hours in existence, to four decimals; None where no endpoint was seen."""
    return round(float(sum(_hours(entry) for entry in bill)), 4) if bill else None


def usd(bill: Bill) -> float | None:
    """USD to the cent, rounded once, half a cent upwards; None where a price is not known or nothing was seen."""
    if not bill or any(entry["usd_per_hour"] is None for entry in bill):
        return None
    exact = sum((_hours(entry) * _exact(entry["usd_per_hour"]) for entry in bill), Fraction(0))
    return floor(exact * 100 + Fraction(1, 2)) / 100


def _hours(entry: Mapping[str, Any]) -> Fraction:
    return max(Fraction(0), _exact(entry["until"]) - _exact(entry["created"])) / 3600


def _exact(number: float) -> Fraction:
    """The number that was written, not its nearest binary fraction."""
    return Fraction(str(number))


def types(bill: Iterable[Mapping[str, Any]]) -> list[str]:
    """The instance types that were paid for, in order."""
    return list(dict.fromkeys(entry["instance_type"] for entry in bill if entry["instance_type"]))
