"""What each policy makes of the same calls: minutes billed, and calls that met a sleeping endpoint."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from meter.facts import Policy
from switch.settings import Settings

from bench.cloud import INSTANCE_TYPE
from bench.plan import Plan, Setup
from bench.simulation import Simulation
from bench.traffic import DAY

USD_PER_HOUR = 4.89  # ml.g4dn.12xlarge in pilotlight/data/prices.csv
WAKE_MINUTES = 10  # AlexaTM 20B in pilotlight/data/models.toml

# SageMaker's own scale to zero, of an inference component: target tracking scales in after 15 minutes below target, the
# empty instance is released 10 minutes later, and an alarm on the first refused call starts the way back. The mechanism
# is https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling-zero-instances.html; its minutes are not on
# that page and were taken as the task states them.
SCALE_IN_MINUTES = 15
RELEASE_MINUTES = 10
SCALE_OUT_ALARM_MINUTES = 1


class Result(NamedTuple):
    billed_minutes: int
    calls: int
    met: int

    @property
    def usd(self) -> float:
        return self.billed_minutes / 60 * USD_PER_HOUR


Play = Callable[[Sequence[int], int], Result]


def always_on(calls: Sequence[int], days: int) -> Result:
    return Result(days * DAY, len(calls), 0)


def scale_to_zero(calls: Sequence[int], days: int) -> Result:
    """Starts at zero, as all the others do. A call during the way back is refused too.

    A call between scale-in and release finds the instance, and no copy of the model on it: billing goes on, and the
    copy takes a whole wake, as most of one is the download and the load of the model.
    """
    billed = met = 0
    billed_from, copy_from, last = None, 0, 0
    for call in calls:
        if billed_from is None or call > last + SCALE_IN_MINUTES:
            copy_from = call + SCALE_OUT_ALARM_MINUTES + WAKE_MINUTES
            released = last + SCALE_IN_MINUTES + RELEASE_MINUTES
            if billed_from is None or call >= released:
                billed += 0 if billed_from is None else released - billed_from
                billed_from = call + SCALE_OUT_ALARM_MINUTES
        met += call < copy_from
        last = max(call, copy_from)
    if billed_from is not None:
        billed += min(days * DAY, last + SCALE_IN_MINUTES + RELEASE_MINUTES) - billed_from
    return Result(billed, len(calls), met)


def pilotlight(
    *,
    idle: int | None = None,
    lifetime: int | None = None,
    budget: float | None = None,
    wakes: bool = True,
    office: bool = False,
) -> Play:
    """Pilotlight with these triggers; `office` switches on at 08:00 and off at 19:00, Monday to Friday."""

    def play(calls: Sequence[int], days: int) -> Result:
        plan = Plan(calls, _office(days) if office else ())
        simulation = Simulation(_setup(idle, lifetime, budget, wakes=wakes), plan).run(days * DAY, skip=True)
        return Result(simulation.billed_minutes(), len(calls), simulation.met)

    return play


def _office(days: int) -> list[tuple[int, dict[str, Any]]]:
    asks: dict[int, dict[str, Any]] = {
        8 * 60: {"target": "on", "reason": "schedule", "by": "schedule", "lifetime_hours": 12},
        19 * 60: {"target": "off", "reason": "schedule", "by": "schedule"},
    }
    return [(day * DAY + minute, ask) for day in range(days) if day % 7 < 5 for minute, ask in asks.items()]


def _setup(idle: int | None, lifetime: int | None, budget: float | None, *, wakes: bool) -> Setup:
    usd_per_hour = {INSTANCE_TYPE: USD_PER_HOUR}
    settings = Settings(
        stage="bench",
        endpoint_name="pilotlight-bench",
        endpoint_stack_name="Pilotlight-bench-Endpoint",
        variant_name="AllTraffic",
        ledger_table="pilotlight-bench-ledger",
        notices_topic_arn="arn:aws:sns:us-east-1:000000000000:Notices",
        switch_arn="arn:aws:states:us-east-1:000000000000:stateMachine:switch",
        usd_per_hour=usd_per_hour,
        instance_types=(INSTANCE_TYPE,),
        lifetime_hours=lifetime,
        idle_minutes=idle,
        monthly_budget_usd=budget,
        wake_limit_seconds=3600,
        promotion="blue-green",
        resource_types=(),
    )
    return Setup(Policy(idle, lifetime, budget, usd_per_hour), settings, WAKE_MINUTES, wakes_on_call=wakes)


POLICIES: dict[str, Play] = {
    "always on": always_on,
    "SageMaker's scale to zero": scale_to_zero,
    "idle off after 60 min, wake on call": pilotlight(idle=60, lifetime=12),
    "idle off after 20 min, wake on call": pilotlight(idle=20, lifetime=12),
    "idle off after 60 min, USD 100 a month": pilotlight(idle=60, lifetime=12, budget=100),
    "lifetime of 12 h alone, wake on call": pilotlight(lifetime=12),
    "schedule alone, Mon–Fri 8–19 h": pilotlight(lifetime=12, office=True, wakes=False),
}
