"""What one tick of the meter knows, and the limits it measures against: plain values."""

from collections.abc import Mapping
from dataclasses import dataclass

from common.facts import EndpointFacts, StackFacts, VariantFacts

STACK, VARIANT, CALLS, LEDGER = "stack", "variant", "calls", "ledger"


@dataclass(frozen=True)
class Facts:
    """Times are epoch seconds, None what does not exist.

    `unread` names what AWS would not tell this time (of STACK, VARIANT, CALLS and LEDGER): its None then means
    nothing. `last_call` is the end of the last minute with a call among those looked at. `budget_usd` is a ceiling
    for this month in the configured one's place, `offs` are the times of the last receipts of an off.
    """

    endpoint: EndpointFacts | None
    variant: VariantFacts | None = None
    stack: StackFacts | None = None
    last_call: float | None = None
    snooze_until: float | None = None
    budget_usd: float | None = None
    offs: tuple[float, ...] = ()
    unread: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Policy:
    """None: that trigger is switched off. `usd_per_hour` maps an instance type to USD per instance-hour.

    The switch states an end (`TurnOffAt`) that lies `end_after_lifetime_minutes` after the lifetime. The grace is for
    what is meant to be over: CloudFormation's clean-up, and an off that has begun. An endpoint may be Creating for as
    long as SageMaker's two longest timeouts, of an hour each, allow.
    """

    idle_minutes: float | None
    lifetime_hours: float | None
    monthly_budget_usd: float | None
    usd_per_hour: Mapping[str, float]
    end_after_lifetime_minutes: float = 15
    grace_minutes: float = 10
    creating_minutes: float = 130
    deleting_minutes: float = 30
