"""The AWS Price List API's answer as rows of `data/prices.csv`, and what they change. Pure.

Each item of `GetProducts` is a JSON text: `product.attributes` with `instanceName` ("ml.g5.2xlarge"), `component`
("Hosting") and `regionCode`; `terms.OnDemand.*.priceDimensions.*` with `unit` ("Hrs") and `pricePerUnit.USD` (a
number as text). That is how public code which asks for SageMaker's prices reads it, and how the API's own guide shows
EC2's; it has not been seen on AWS from here, so whatever looks different is refused rather than guessed.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final

HIGHEST_USD_PER_HOUR: Final = Decimal(1000)
"""Above this, something else than one instance's hour is priced."""
FROM_THE_API: Final = "A "
"""Begins a source; the Region follows."""
_HOURS: Final = ("hrs", "hours", "hour")
_HEADER: Final = """\
# SageMaker real-time hosting, USD per instance-hour, on demand. Collected {on} from the AWS Price List API for {region}
# by `pilot prices refresh`. source: A = that; any other is what was last seen of a type that the API did not list, in
# public files written 2023-2025: Z = ZindiAfrica/AI-for-Equity-Challenges sagemaker_instance_pricing.md (us-east-2),
# G = goerlitz/nlp-classification notebooks README, P = a public benchmark tool's pricing file (us-east-1).
instance_type,usd_per_hour,source
"""


class BadPriceListError(Exception):
    """The API's answer cannot be used; the message says why. Nothing has been written."""


@dataclass(frozen=True)
class Row:
    usd_per_hour: Decimal
    source: str


@dataclass(frozen=True)
class Change:
    """None: not listed."""

    instance_type: str
    before: Decimal | None
    after: Decimal | None


def parse(items: Iterable[object], region: str) -> dict[str, Decimal]:
    """USD per instance-hour by instance type. Raises BadPriceListError; items that are no instance are left out."""
    found: dict[str, Decimal] = {}
    for number, item in enumerate(items, start=1):
        try:
            product: Any = json.loads(item) if isinstance(item, str) else item
            attributes = product["product"]["attributes"]
            name = attributes.get("instanceName", "")
            if attributes.get("component") != "Hosting" or not name.startswith("ml."):
                continue
            if attributes.get("regionCode") != region:
                raise BadPriceListError(
                    f"Item {number} of the answer is of {attributes.get('regionCode')!r}, and {region!r} was asked for."
                )
            prices = {usd for usd in _prices(product) if usd}  # a row without a charge is no price
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadPriceListError(
                f"Item {number} of the answer is not shaped as the Price List API documents "
                f"({type(error).__name__}: {error}): {str(item)[:200]}"
            ) from error
        if prices:
            _take(found, name, prices)
    if not found:
        raise BadPriceListError(f"The answer holds no price of an instance in {region}: is the Region's code right?")
    return found


def changes(before: Mapping[str, Row], found: Mapping[str, Decimal]) -> list[Change]:
    """What is new, what costs something else, and what the API does not list and so stays as it was."""
    listed = sorted({*before, *found})
    both = [Change(name, before[name].usd_per_hour if name in before else None, found.get(name)) for name in listed]
    return [change for change in both if change.before != change.after]


def merged(before: Mapping[str, Row], found: Mapping[str, Decimal], region: str) -> dict[str, Row]:
    """Rows of the API in place of what was there; what it does not list is kept under its old source."""
    return {**before, **{name: Row(usd, f"{FROM_THE_API}{region}") for name, usd in found.items()}}


def rendered(rows: Mapping[str, Row], *, region: str, on: date) -> str:
    """The whole file."""
    ordered = sorted(rows.items(), key=_by_size)
    lines = [f"{name},{row.usd_per_hour.normalize():f},{row.source}\n" for name, row in ordered]
    return _HEADER.format(on=on.isoformat(), region=region) + "".join(lines)


def filters(region: str) -> list[dict[str, str]]:
    """What GetProducts is asked for, beside the service code."""
    wanted = {"component": "Hosting", "regionCode": region}
    return [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in wanted.items()]


def endpoint_for(region: str) -> str:
    """The nearest of the three Regions that answer for all."""
    return {"eu": "eu-central-1", "ap": "ap-south-1"}.get(region.partition("-")[0], "us-east-1")


def _prices(product: Mapping[str, Any]) -> Iterable[Decimal]:
    for term in product["terms"].get("OnDemand", {}).values():
        for dimension in term["priceDimensions"].values():
            text = dimension["pricePerUnit"]["USD"]
            try:
                usd = Decimal(text)
            except InvalidOperation:
                raise ValueError(f"pricePerUnit.USD is {text!r}") from None
            if dimension["unit"].lower() not in _HOURS:
                raise ValueError(f"unit is {dimension['unit']!r}")
            if not (usd.is_finite() and 0 <= usd < HIGHEST_USD_PER_HOUR):
                raise ValueError(f"pricePerUnit.USD is {text!r}")
            yield usd


def _take(found: dict[str, Decimal], name: str, prices: set[Decimal]) -> None:
    known = prices | ({found[name]} if name in found else set())
    if len(known) > 1:
        several: Sequence[str] = sorted(str(price) for price in known)
        raise BadPriceListError(f"The answer has several prices for {name}: {', '.join(several)}. Which one is it?")
    (found[name],) = known


def _by_size(item: tuple[str, Row]) -> tuple[str, Decimal, str]:
    """Families together, the smallest first."""
    name, row = item
    return name.rpartition(".")[0], row.usd_per_hour, name
