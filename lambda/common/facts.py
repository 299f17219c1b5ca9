"""What is known of the endpoint and of its stack: plain values, without the client that read them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime


@dataclass(frozen=True)
class EndpointFacts:
    """From DescribeEndpoint. `instance_count` is None until SageMaker states one."""

    status: str
    created: datetime
    config_name: str
    instance_count: int | None
    failure_reason: str | None


@dataclass(frozen=True)
class VariantFacts:
    """From DescribeEndpointConfig. `instance_type` is None for a variant of instance pools."""

    instance_type: str | None
    initial_instance_count: int


@dataclass(frozen=True)
class StackFacts:
    """From DescribeStacks: the status, its reason where one is given, every parameter's and every output's value."""

    status: str
    parameters: Mapping[str, str]
    status_reason: str | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def endpoint_state(self) -> str | None:
        return self.parameters.get("EndpointState")

    @property
    def turn_off_at(self) -> str | None:
        """UTC, as `2026-11-22T10:00:00`; None while the endpoint is meant to be off."""
        return self.parameters.get("TurnOffAt") or None

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
    """Instances that are billed: SageMaker's number, else the config's, else one; none without an endpoint."""
    if endpoint is None:
        return 0
    return endpoint.instance_count or (variant.initial_instance_count if variant else 1)


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
