"""What follows a training job that did not complete: another instance type, a later time, or the end."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from finetune.money import EVALUATION_SECONDS
from finetune.plan import Plan

GIVE_UP_SECONDS: Final = 24 * 3600
"""So long a step waits for capacity."""
_FIRST_WAIT_SECONDS: Final = 900
_LONGEST_WAIT_SECONDS: Final = 7200
MAX_ATTEMPTS: Final = 60
_SERVER_FAULTS: Final = 2

_NO_CAPACITY: Final = re.compile(
    r"CapacityError|InsufficientCapacity|Unable to provision requested ML compute capacity"
)
_NO_QUOTA: Final = re.compile(r"ResourceLimitExceeded|service limit")
_SERVER_FAULT: Final = re.compile(r"InternalServerError")
_PROGRAMS_FAULT: Final = "AlgorithmError"
"""How SageMaker begins what the program itself said, which may quote any of the others."""


@dataclass(frozen=True)
class Retry:
    """Start the next attempt at once, on this instance type."""

    instance_type: str


@dataclass(frozen=True)
class Later:
    """Start the next attempt after so many seconds, on this instance type."""

    seconds: int
    instance_type: str


@dataclass(frozen=True)
class GiveUp:
    """The run has failed; the message says why and what to do."""

    message: str


Next = Retry | Later | GiveUp


def after_failure(plan: Plan, job: Mapping[str, Any], *, attempt: int, waited: float, evaluation: bool = False) -> Next:
    """What follows attempt number `attempt` (from 1) of the training, or of the evaluation, after `waited` seconds in
    which none of them ran.

    `job` is DescribeTrainingJob's answer for a job that has ended without completing: a stopped job is not a completed
    one. A job that was refused when it was to be created counts as Failed, with the refusal's code and text as its
    FailureReason.
    """
    instance_types = plan.evaluation_types if evaluation else plan.instance_types
    reason = job.get("FailureReason", "")
    if job["TrainingJobStatus"] == "Stopped":
        return GiveUp(_stopped(job, evaluation=evaluation))
    if attempt >= MAX_ATTEMPTS:
        return GiveUp(
            f"{MAX_ATTEMPTS} attempts failed; the last with: {reason}. Run again later, or name other types in "
            "instance_types."
        )
    here = job["ResourceConfig"]["InstanceType"]
    if reason.startswith(_PROGRAMS_FAULT):
        return _crashed(reason)
    if _SERVER_FAULT.search(reason) and attempt <= _SERVER_FAULTS:
        return Retry(here)
    if _NO_CAPACITY.search(reason) or _NO_QUOTA.search(reason):
        return _elsewhere(instance_types, here, reason, attempt=attempt, waited=waited)
    return _crashed(reason or "SageMaker gives no reason")


def _crashed(why: str) -> GiveUp:
    return GiveUp(f"The job failed: {why}. Nothing was promoted. Its log has more: mend what it names, and run again.")


def _elsewhere(instance_types: Sequence[str], here: str, reason: str, *, attempt: int, waited: float) -> Next:
    """The next type of the list; behind the last one it is a matter of time, or, without a quota, of asking for one."""
    place = instance_types.index(here) if here in instance_types else -1
    if place + 1 < len(instance_types):
        return Retry(instance_types[place + 1])
    names = ", ".join(instance_types)
    if _NO_QUOTA.search(reason):
        return GiveUp(
            f"The account may not train on {names}: {reason}. Ask for a higher quota in Service Quotas, or name "
            "another type in instance_types."
        )
    rounds = max(0, attempt // len(instance_types) - 1)
    seconds = min(_FIRST_WAIT_SECONDS * 2 ** min(rounds, 8), _LONGEST_WAIT_SECONDS)
    if waited + seconds > GIVE_UP_SECONDS:
        return GiveUp(
            f"No capacity on {names} for {waited / 3600:.0f} hours. Nothing was paid for it. Name other types in "
            "instance_types, or deploy the stage in another Region."
        )
    return Later(seconds, instance_types[0])


def _stopped(job: Mapping[str, Any], *, evaluation: bool) -> str:
    match job.get("SecondaryStatus"):
        case "MaxRuntimeExceeded" if evaluation:
            return (
                f"The evaluation was stopped at its runtime limit: {EVALUATION_SECONDS / 3600:.0f} hour, or less where "
                "max_cost_usd pays for less. Lower max_val_samples, give fewer prompts, or raise max_cost_usd."
            )
        case "MaxRuntimeExceeded":
            return (
                "The job was stopped at its runtime limit, which follows from max_cost_usd: what it leaves is not "
                "complete. Raise max_cost_usd, or lower epoch or max_train_samples."
            )
        case "MaxWaitTimeExceeded":
            return "Spot capacity did not suffice within the longest wait. Run again with spot = false, or later."
        case _:
            return "Somebody stopped the job. Nothing was promoted: start the run again with `pilot finetune`."
