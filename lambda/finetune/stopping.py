"""A run that failed leaves no job running, and ends with what its jobs have cost: a job that is stopped still uploads,
and is billed for that.
"""

from dataclasses import replace
from typing import Final

from botocore.exceptions import ClientError

from finetune.answer import Answer, RunFailed
from finetune.clients import Kit
from finetune.run import Job, Run
from finetune.waits import pause
from finetune.watch import ENDED, looked_at

LONGEST_SECONDS: Final = 900
"""From the failure on; a job that is not seen to end by then is kept as it was seen last."""


def stop_jobs(run: Run, kit: Kit) -> Answer:
    """One look at each job that the run has left, of which those that run are stopped; `wait` until all have ended."""
    for job in left_running(run):
        seen = _seen(job, kit)
        run = run.with_job(seen)
        if seen.status == "InProgress":
            ask_to_stop(seen, kit)
    since_the_failure = run.silent_seconds(kit.now)
    if not left_running(run) or since_the_failure >= LONGEST_SECONDS:
        return Answer(run)
    return Answer(run, "wait", pause(since_the_failure))


def left_running(run: Run) -> tuple[Job, ...]:
    """Those that are not known to have ended. One that was started elsewhere is not ours to stop."""
    return tuple(job for job in run.jobs if job.status not in ENDED and not job.attached)


def ask_to_stop(job: Job, kit: Kit) -> None:
    """A job that has ended meanwhile cannot be stopped, and need not be."""
    try:
        kit.sagemaker.stop_training_job(TrainingJobName=job.name)
    except ClientError as error:
        if error.response["Error"].get("Code") not in ("ValidationException", "ResourceNotFound"):
            raise


def _seen(job: Job, kit: Kit) -> Job:
    try:
        return looked_at(kit, job)[0]
    except RunFailed as unknown:  # as it was never created
        return replace(job, status="Failed", failure=str(unknown))
