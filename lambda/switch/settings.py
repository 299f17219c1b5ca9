"""What the control stack tells the Lambda, read from its environment once per worker."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

from common import schedule
from common.next_trigger import Limits
from common.schedule import Start

# The end that is stated where the lifetime is switched off: nothing is lit without one.
LONGEST_HOURS = 30 * 24

Promotion = Literal["blue-green", "replace"]


@dataclass(frozen=True)
class Settings:
    """None: that trigger is switched off. `instance_types` are in order of preference, the configured one first; with
    `instance_pools` SageMaker chooses among them. `usd_per_hour` maps an instance type to USD per instance-hour,
    without those of unknown price.
    """

    stage: str
    endpoint_name: str
    endpoint_stack_name: str
    variant_name: str
    ledger_table: str
    notices_topic_arn: str
    switch_arn: str
    usd_per_hour: Mapping[str, float]
    instance_types: tuple[str, ...]
    lifetime_hours: float | None
    idle_minutes: float | None
    monthly_budget_usd: float | None
    wake_limit_seconds: float
    promotion: Promotion
    resource_types: tuple[str, ...]  # what the endpoint stack holds; its permission takes no update that names others
    instance_pools: bool = False
    bake_seconds: float = 0.0  # that an update takes beside all else
    schedules: tuple[Start, ...] = ()

    @property
    def default_hours(self) -> float:
        """How long an endpoint lives where a request does not say."""
        return self.lifetime_hours or LONGEST_HOURS

    @property
    def limits(self) -> Limits:
        return Limits(self.idle_minutes, self.lifetime_hours, self.monthly_budget_usd, self.schedules)

    @property
    def choices(self) -> tuple[str, ...]:
        """What an endpoint can be lit on, first choice first: each type for itself, or all pools as one choice."""
        return (" or ".join(self.instance_types),) if self.instance_pools else self.instance_types

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Settings":
        """Raises KeyError where a variable is missing, ValueError where one is malformed.

        A trigger that is switched off is an empty variable, not a missing one.
        """

        def limit(name: str) -> float | None:
            return float(environ[name]) if environ[name] else None

        return cls(
            stage=environ["STAGE"],
            endpoint_name=environ["ENDPOINT_NAME"],
            endpoint_stack_name=environ["ENDPOINT_STACK_NAME"],
            variant_name=environ["VARIANT_NAME"],
            ledger_table=environ["LEDGER_TABLE"],
            notices_topic_arn=environ["NOTICES_TOPIC_ARN"],
            switch_arn=environ["SWITCH_ARN"],
            usd_per_hour=json.loads(environ["USD_PER_HOUR"]),
            instance_types=tuple(json.loads(environ["INSTANCE_TYPES"])),
            lifetime_hours=limit("LIFETIME_HOURS"),
            idle_minutes=limit("IDLE_MINUTES"),
            monthly_budget_usd=limit("MONTHLY_BUDGET_USD"),
            wake_limit_seconds=float(environ["WAKE_LIMIT_SECONDS"]),
            promotion=cast(Promotion, environ["PROMOTION"]),
            resource_types=tuple(json.loads(environ["RESOURCE_TYPES"])),
            instance_pools=environ.get("INSTANCE_POOLS") == "true",
            bake_seconds=float(environ["BAKE_SECONDS"]),
            schedules=schedule.parse(environ["SCHEDULES"]),
        )
