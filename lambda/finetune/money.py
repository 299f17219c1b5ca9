"""A run's dollars: what it may still cost, and for how long a job may therefore run. Exact arithmetic.

SageMaker stops a job itself, at MaxRuntimeInSeconds. Beyond that it bills the two minutes in which the program may
still save, and the upload of the artifact: both are taken off beforehand.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from math import ceil, floor
from typing import Any, Final

from finetune.sizes import InstanceFacts

_HOUR: Final = 3600
_GRACE_SECONDS: Final = 120
_LEAST_UPLOAD_SECONDS: Final = 300
_UPLOAD_BYTES_PER_SECOND: Final = 50_000_000
"""A slow upload to S3 from one instance; not measured."""
EVALUATION_SHARE: Final = Decimal("0.2")
EVALUATION_SECONDS: Final = 3600


def after_limit_seconds(uploaded_bytes: int) -> int:
    """What a job is billed for beyond its runtime limit: grace, and the upload of what it leaves."""
    return _GRACE_SECONDS + max(_LEAST_UPLOAD_SECONDS, ceil(uploaded_bytes / _UPLOAD_BYTES_PER_SECOND))


def rate_usd(facts: InstanceFacts, count: int) -> Decimal:
    """An hour of all instances."""
    return facts.usd_per_hour * count


def runtime_seconds(budget_usd: Decimal, rate: Decimal, margin_seconds: int) -> int:
    """The longest runtime limit with which a job costs at most the budget; below 1 where there is none."""
    return floor(budget_usd * _HOUR / rate) - margin_seconds


def worst_usd(limit_seconds: int, rate: Decimal, margin_seconds: int) -> Decimal:
    """What a job with this runtime limit costs at most."""
    return rate * (limit_seconds + margin_seconds) / _HOUR


def over_budget(max_cost_usd: Decimal, monthly_budget_usd: Decimal | None) -> tuple[str, ...]:
    """A warning, where a run may cost more than a month of the endpoint may."""
    if monthly_budget_usd is None or max_cost_usd <= monthly_budget_usd:
        return ()
    return (
        f"max_cost_usd is {max_cost_usd}, and monthly_budget_usd {monthly_budget_usd}: training counts in the month, "
        "and once that is spent the endpoint is turned off and nothing lights it for a promotion. Lower the one, or "
        "raise the other.",
    )


def spent_usd(job: Mapping[str, Any], instances: Mapping[str, InstanceFacts], now: datetime) -> Decimal:
    """What a job has cost until now, by its DescribeTrainingJob answer; at the price on demand, also for spot."""
    resources = job["ResourceConfig"]
    rate = rate_usd(instances[resources["InstanceType"]], resources["InstanceCount"])
    started = job.get("TrainingStartTime")
    if "BillableTimeInSeconds" in job:
        seconds = Decimal(job["BillableTimeInSeconds"])
    elif started is None:
        seconds = Decimal(0)
    else:
        elapsed = (job.get("TrainingEndTime") or now) - started
        seconds = Decimal(ceil(elapsed.total_seconds()))
    return rate * seconds / _HOUR
