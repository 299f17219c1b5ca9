"""What is known of the endpoint and of its stack: plain values, without the client that read them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime


@dataclass(frozen=True)
class Fleet:
    """The instances that an update has beside those of the endpoint's own config. `types` are those that they may be
    of, empty where SageMaker does not say; `pools` as in EndpointFacts.
    """

    instances: int
    config_name: str
    types: tuple[str, ...] = ()
    pools: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class EndpointFacts:
    """From DescribeEndpoint. `instance_count` is of the config's fleet alone, and None until SageMaker states one;
    `second` is the other one during an update. `pools` maps the instance types of instance pools to how many instances
    each has; it is empty without pools, and until SageMaker states them. `baking` is the config of a new fleet that has
    the traffic while the old one stands by.
    """

    status: str
    created: datetime
    config_name: str
    instance_count: int | None
    failure_reason: str | None
    pools: Mapping[str, int] = field(default_factory=dict)
    baking: str | None = None
    second: Fleet | None = None


@dataclass(frozen=True)
class VariantFacts:
    """From DescribeEndpointConfig. A variant of instance pools has their types, first choice first, in the place of an
    `instance_type`.
    """

    instance_type: str | None
    initial_instance_count: int
    pool_types: tuple[str, ...] = ()


@dataclass(frozen=True)
class StackFacts:
    """From DescribeStacks: the status, its reason where one is given, every parameter's and every output's value.
    `updated` is when its last update began.
    """

    status: str
    parameters: Mapping[str, str]
    status_reason: str | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)
    updated: datetime | None = None

    @property
    def endpoint_state(self) -> str | None:
        return self.parameters.get("EndpointState")

    @property
    def turn_off_at(self) -> str | None:
        """UTC, as `2026-11-22T10:00:00`; None while the endpoint is meant to be off."""
        return self.parameters.get("TurnOffAt") or None

    @property
    def ends(self) -> datetime | None:
        """`turn_off_at` as a moment. Raises ValueError where it is malformed."""
        return datetime.fromisoformat(self.turn_off_at).replace(tzinfo=UTC) if self.turn_off_at else None

    def override(self, name: str) -> str:
        """`ModelDataUrl` or `InstanceType` in force; empty where the template's own value holds: an override counts
        only for the fingerprint that it was made for.
        """
        fingerprint = self.outputs.get("Fingerprint")
        holds = bool(fingerprint) and self.parameters.get("OverrideFor") == fingerprint
        return self.parameters.get(name, "") if holds else ""

    @property
    def in_progress(self) -> bool:
        return self.status.endswith("_IN_PROGRESS")

    @property
    def is_turning(self) -> bool:
        """Whether CloudFormation is on its way to what the parameters say; a rollback is on its way back."""
        return self.in_progress and "ROLLBACK" not in self.status


def instance_count(endpoint: EndpointFacts | None, variant: VariantFacts | None) -> int:
    """Instances that are billed now, of both fleets during an update; none without an endpoint."""
    second = endpoint.second.instances if endpoint and endpoint.second else 0
    return _own_count(endpoint, variant) + second


def _own_count(endpoint: EndpointFacts | None, variant: VariantFacts | None) -> int:
    """Of the config's fleet: SageMaker's number, else the config's, else one."""
    if endpoint is None:
        return 0
    return endpoint.instance_count or (variant.initial_instance_count if variant else 1)


def pool_types(endpoint: EndpointFacts | None, variant: VariantFacts | None) -> tuple[str, ...]:
    """The types that the instances of pools may be of; none without pools."""
    return (variant.pool_types if variant else ()) or tuple(endpoint.pools if endpoint else ())


def type_in_use(endpoint: EndpointFacts | None, variant: VariantFacts | None) -> str | None:
    """The type of the instances; of pools the types that have instances, with commas. None where none is known yet."""
    placed = [name for name, count in endpoint.pools.items() if count] if endpoint else []
    return ", ".join(placed) or (variant.instance_type if variant else None)


def endpoint_price(
    endpoint: EndpointFacts | None, variant: VariantFacts | None, usd_per_hour: Mapping[str, float]
) -> float | None:
    """USD per hour for all instances that are billed now, of both fleets during an update; None where a price is not
    known. A second fleet of which no type is known counts at the types of the first.
    """
    own = own_price(endpoint, variant, usd_per_hour)
    if endpoint is None or endpoint.second is None or own is None:
        return own
    second = endpoint.second
    other = _price(second.instances, second.types or instance_types(endpoint, variant), second.pools, usd_per_hour)
    return None if other is None else round(own + other, 4)


def own_price(
    endpoint: EndpointFacts | None, variant: VariantFacts | None, usd_per_hour: Mapping[str, float]
) -> float | None:
    """USD per hour for the instances of the endpoint's own config; None where a price is not known. What a whole life
    is multiplied with: a second fleet was there for minutes of it.
    """
    placed = endpoint.pools if endpoint else {}
    return _price(_own_count(endpoint, variant), instance_types(endpoint, variant), placed, usd_per_hour)


def instance_types(endpoint: EndpointFacts | None, variant: VariantFacts | None) -> tuple[str, ...]:
    """Those that the instances may be of: of pools all, else the one; none where nothing is known."""
    alone = (variant.instance_type,) if variant and variant.instance_type else ()
    return pool_types(endpoint, variant) or alone


def _price(
    count: int, types: tuple[str, ...], placed: Mapping[str, int], usd_per_hour: Mapping[str, float]
) -> float | None:
    """Instances of pools count at the price of their type. One of which SageMaker has not said the type counts as one
    of the dearest.
    """
    untold = max(0, count - sum(placed.values()))
    bounds = [hourly_price(name, untold, usd_per_hour) for name in types or (None,)]
    prices = [hourly_price(name, instances, usd_per_hour) for name, instances in placed.items()]
    known = [price for price in (*bounds, *prices) if price is not None]
    if len(known) < len(bounds) + len(prices):
        return None
    return round(max(known[: len(bounds)]) + sum(known[len(bounds) :]), 4)


def hourly_price(instance_type: str | None, instances: int, usd_per_hour: Mapping[str, float]) -> float | None:
    """USD per hour for all instances; nothing for none, None where the price is not known."""
    if instances == 0:
        return 0.0
    if instance_type is None or instance_type not in usd_per_hour:
        return None
    return round(usd_per_hour[instance_type] * instances, 4)


def month_usd(metered: Mapping[str, object]) -> float | None:
    """USD of the month, endpoint and training, by the meter's entry in the ledger; None where it has none."""
    endpoint, training = (metered.get(name) for name in ("usd_this_month", "training_usd_this_month"))
    if not isinstance(endpoint, int | float):
        return None
    return endpoint + (training if isinstance(training, int | float) else 0.0)


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC, to the second."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
