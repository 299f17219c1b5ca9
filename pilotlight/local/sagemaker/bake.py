"""Deployment guardrails: after an update the new fleet has the traffic and the old one stands by, while alarms decide.

Source: "Deployment guardrails for updating models in production" in the SageMaker developer guide. Of the traffic
modes there is ALL_AT_ONCE, which for one container is as good as any. What the guide leaves open is decided here: the
alarms count once CloudWatch has evaluated them for the new fleet.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pilotlight.local.sagemaker.container import Container
from pilotlight.local.sagemaker.records import Record, now

ROUNDING_SECONDS = 0.001
"""The clock may stop a rounding before a moment that it advances to, and no advance would ever end there."""

InAlarm = Callable[[Sequence[str], float], bool]
"""Whether one of these CloudWatch alarms, by name, is in ALARM by an evaluation after that moment (epoch seconds)."""


@dataclass(frozen=True)
class Guardrail:
    """What a request's DeploymentConfig asks for; without one, all traffic at once and no bake."""

    seconds: int = 0
    alarms: tuple[str, ...] = ()

    @classmethod
    def of(cls, deployment_config: Record | None) -> "Guardrail":
        config = deployment_config or {}
        routing = config.get("BlueGreenUpdatePolicy", {}).get("TrafficRoutingConfiguration", {})
        alarms = config.get("AutoRollbackConfiguration", {}).get("Alarms", [])
        return cls(int(routing.get("WaitIntervalInSeconds", 0)), tuple(alarm["AlarmName"] for alarm in alarms))


@dataclass
class Bake:
    """The new fleet on trial, from `since` `until`, in epoch seconds of simulated time."""

    config: str
    variants: list[Record]
    container: Container
    since: float
    until: float
    alarms: tuple[str, ...]
    in_alarm: InAlarm
    died: bool = False

    @property
    def is_lost(self) -> bool:
        """Whether SageMaker goes back to the old fleet."""
        return self.died or self.in_alarm(self.alarms, self.since)

    @property
    def goes_on(self) -> bool:
        return now().timestamp() < self.until - ROUNDING_SECONDS and not self.is_lost

    def describe(self) -> Record:
        """As PendingDeploymentSummary of DescribeEndpoint."""
        variants = [
            {
                "VariantName": variant["VariantName"],
                "CurrentInstanceCount": variant.get("InitialInstanceCount", 1),
                "VariantStatus": [{"Status": "Baking"}],
            }
            for variant in self.variants
        ]
        return {"EndpointConfigName": self.config, "ProductionVariants": variants}
