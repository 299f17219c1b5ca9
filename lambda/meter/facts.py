"""What one tick of the meter knows, and the limits it measures against: plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from common.facts import EndpointFacts, StackFacts, VariantFacts

STACK, VARIANT, CALLS, LEDGER, TRAINING = "stack", "variant", "calls", "ledger", "training"
SECOND = "second fleet"


@dataclass(frozen=True)
class Job:
    """A training job. Times are epoch seconds; `billable_seconds`, of one instance, are known at its end. `run` is the
    fine-tuning run that it belongs to. One that is not `ours` has a name, and nothing else to say.
    """

    name: str
    status: str = ""
    run: str | None = None
    started: float | None = None
    ended: float | None = None
    billable_seconds: float | None = None
    instance_type: str | None = None
    instances: int = 1
    ours: bool = True


@dataclass(frozen=True)
class Run:
    """A fine-tuning run: what its record says, and what Step Functions says of an execution that should still run."""

    id: str
    says: str
    execution_status: str = ""
    execution_ended: bool = False


class Life(NamedTuple):
    """An endpoint that is gone, as a receipt tells: epoch seconds, and USD per hour of all its instances."""

    created: float
    gone: float
    usd_per_hour: float


@dataclass(frozen=True)
class Facts:
    """Times are epoch seconds, None what does not exist.

    `unread` names what AWS would not tell this time (STACK, VARIANT, SECOND, CALLS, LEDGER, TRAINING): its None then
    means nothing. `last_call` is the end of the last minute with a call among those looked at. `budget_usd` is a
    ceiling for this month in the configured one's place, `lives` are what the last receipts tell of endpoints that are
    gone.
    `jobs` are those that were asked about this time.
    """

    endpoint: EndpointFacts | None
    variant: VariantFacts | None = None
    stack: StackFacts | None = None
    last_call: float | None = None
    snooze_until: float | None = None
    budget_usd: float | None = None
    lives: tuple[Life, ...] = ()
    jobs: tuple[Job, ...] = ()
    runs: tuple[Run, ...] = ()
    unread: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Policy:
    """None: that trigger is switched off. `usd_per_hour` maps an instance type to USD per instance-hour.

    The switch states an end (`TurnOffAt`) that lies `end_after_lifetime_minutes` after the lifetime. The grace is for
    what is meant to be over: CloudFormation's clean-up, and an off that has begun. An endpoint may be Creating for as
    long as SageMaker's two longest timeouts, of an hour each, allow. A switch that works puts an off off for ten
    minutes at most: one that is due for `overdue_minutes` is not being done.
    """

    idle_minutes: float | None
    lifetime_hours: float | None
    monthly_budget_usd: float | None
    usd_per_hour: Mapping[str, float]
    end_after_lifetime_minutes: float = 15
    grace_minutes: float = 10
    creating_minutes: float = 130
    deleting_minutes: float = 30
    overdue_minutes: float = 30
