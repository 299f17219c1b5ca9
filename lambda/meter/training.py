"""Training jobs: what they cost this month, and which of them run for nobody any more. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from common.facts import hourly_price

from meter.facts import TRAINING, Facts, Job, Policy, Run
from meter.memory import Memory

RUNNING = "running"
_IN_PROGRESS = ("InProgress", "Stopping")


def is_over(job: Job) -> bool:
    """Whether it costs nothing more."""
    return job.status not in _IN_PROGRESS


def counted(memory: Memory, before: Memory, facts: Facts, now: float, first: float, policy: Policy) -> Memory:
    """The memory with what was trained since `first`, the beginning of its month.

    What is over is remembered with its dollars of this month, and not asked about again.
    """
    same_month = memory.month == before.month
    over = dict(before.trained) if same_month else {}
    if TRAINING in facts.unread:
        return replace(
            memory, trained=over, training_usd_this_month=before.training_usd_this_month if same_month else 0.0
        )
    dollars = {job.name: usd(job, now, first, policy.usd_per_hour) for job in facts.jobs}
    over |= {job.name: dollars[job.name] for job in facts.jobs if is_over(job)}
    running = sum(dollars[job.name] for job in facts.jobs if not is_over(job))
    return replace(memory, trained=over, training_usd_this_month=sum(over.values()) + running)


def usd(job: Job, now: float, first: float, usd_per_hour: Mapping[str, float]) -> float:
    """USD since `first`. What spot saves is known at the end only; a job over two months is split by their shares.

    A type without a known price counts as nothing; `unpriced` names it.
    """
    if job.started is None:
        return 0.0
    end = now if job.ended is None else job.ended
    seconds = max(0.0, end - job.started)
    share = max(0.0, end - max(job.started, first)) / seconds if seconds else 0.0
    billed = seconds if job.billable_seconds is None else job.billable_seconds
    return (hourly_price(job.instance_type, job.instances, usd_per_hour) or 0.0) * billed / 3600 * share


def unpriced(jobs: Iterable[Job], usd_per_hour: Mapping[str, float]) -> list[str]:
    """The instance types of what was trained that have no price."""
    return sorted(
        {job.instance_type or "unknown" for job in jobs if job.instance_type not in usd_per_hour and job.ours}
    )


def broken_off(runs: Iterable[Run]) -> list[Run]:
    """Runs that say that they run, and do not: nobody is left to end them."""
    return [run for run in runs if run.says == RUNNING and run.execution_ended]


def without_a_run(jobs: Iterable[Job], runs: Iterable[Run]) -> list[Job]:
    """Jobs in progress whose run has ended. One whose run is not known is somebody's who started it by hand."""
    ended = {run.id for run in runs if run.says != RUNNING or run.execution_ended}
    return [job for job in jobs if job.status == "InProgress" and job.run in ended]
