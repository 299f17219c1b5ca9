"""A step's job of SageMaker: started, looked at until it ends, and started again where that helps."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from botocore.exceptions import ClientError

from finetune.answer import Answer, RunFailed
from finetune.attempts import GiveUp, Later, Retry, after_failure
from finetune.clients import Kit
from finetune.errors import BadRequest
from finetune.money import spent_usd
from finetune.plan import Plan
from finetune.run import Job, Run
from finetune.waits import SHORTEST_SECONDS, pause

ENDED = ("Completed", "Failed", "Stopped")
# What another attempt, elsewhere or later, may well get past.
_REFUSALS = ("ResourceLimitExceeded", "CapacityError")
# What the state machine repeats the step for, so under the same name: the job may have been created all the same.
_PASSING = ("InternalFailure", "InternalServerError", "ServiceUnavailable", "ThrottlingException")

RequestOf = Callable[..., dict[str, Any]]
"""The job's request, given instance_type, attempt and spent_usd. Raises BadRequest where the dollars are gone."""


@dataclass(frozen=True)
class Completed:
    """The run with its job, and SageMaker's description of that."""

    run: Run
    job: Mapping[str, Any]


def carried_out(run: Run, kit: Kit, *, step: str, kind: str, plan: Plan, request_of: RequestOf) -> Answer | Completed:
    """One look, or one start. Raises RunFailed where no attempt is left, with why."""
    job = run.job(kind)
    if run.resume_at is not None and kit.now < run.resume_at:
        return Answer(run, "wait", int(run.resume_at - kit.now) + 1)
    if job is None or job.status in ENDED[1:]:
        return _started(run, kit, step=step, kind=kind, plan=plan, request_of=request_of)
    job, found = looked_at(kit, job)
    run = run.with_job(job)
    if job.status == "Completed":
        return Completed(replace(run, attempt=0, next_type="", resume_at=None, refused_at=None), found)
    if job.status in ENDED:
        return _after(run, kit, found, step=step, kind=kind, plan=plan)
    said = f"{job.name} on {job.instance_count} × {job.instance_type}: {found.get('SecondaryStatus', job.status)}."
    return Answer(run.saying(step, kit.now, said), "wait", pause_of(found, kit.now))


def looked_at(kit: Kit, job: Job) -> tuple[Job, Mapping[str, Any]]:
    """The job as it is now, and SageMaker's description of it. Raises RunFailed where there is none."""
    try:
        found = kit.sagemaker.describe_training_job(TrainingJobName=job.name)
    except ClientError as error:
        if error.response["Error"].get("Code") not in ("ResourceNotFound", "ValidationException"):
            raise
        raise RunFailed(
            f"SageMaker knows no training job {job.name} in this account and Region. Is that its name?"
        ) from error
    resources = found["ResourceConfig"]
    return replace(
        job,
        instance_type=resources["InstanceType"],
        instance_count=resources["InstanceCount"],
        status=str(found["TrainingJobStatus"]),
        seconds=None if "BillableTimeInSeconds" not in found else float(found["BillableTimeInSeconds"]),
        usd=_usd(kit, found),
        failure=str(found.get("FailureReason", "")),
    ), found


def _usd(kit: Kit, found: Mapping[str, Any]) -> float | None:
    facts = kit.settings.training.instances.get(found["ResourceConfig"]["InstanceType"])
    if facts is None or facts.usd_per_hour is None:
        return None
    return round(float(spent_usd(found, kit.settings.training.instances, datetime.fromtimestamp(kit.now, UTC))), 4)


def _started(run: Run, kit: Kit, *, step: str, kind: str, plan: Plan, request_of: RequestOf) -> Answer:
    types = plan.evaluation_types if kind == "evaluate" else plan.instance_types
    instance_type, attempt = run.next_type or types[0], run.attempt + 1
    try:
        request = request_of(instance_type=instance_type, attempt=attempt, spent_usd=Decimal(str(run.usd)))
    except BadRequest as bad:
        raise RunFailed(bad.message) from bad
    resources = request["ResourceConfig"]
    job = Job(request["TrainingJobName"], kind, resources["InstanceType"], resources["InstanceCount"])
    run = replace(run, attempt=attempt, resume_at=None).with_job(job)
    refusal = _refusal(kit, request)
    if refusal:
        return _after(
            run.with_job(replace(job, status="Failed", failure=refusal, usd=0.0)),
            kit,
            {"TrainingJobStatus": "Failed", "FailureReason": refusal, "ResourceConfig": resources},
            step=step,
            kind=kind,
            plan=plan,
        )
    limit = request["StoppingCondition"]["MaxRuntimeInSeconds"]
    said = f"{job.name} is started on {job.instance_count} × {job.instance_type}, for {limit / 3600:.2f} hours at most."
    return Answer(run.saying(step, kit.now, said), "wait", SHORTEST_SECONDS)


def _refusal(kit: Kit, request: Mapping[str, Any]) -> str:
    """Why the job could not be created, empty where it was. Its name makes a repeated step harmless.

    Raises ClientError for what passes in a moment.
    """
    try:
        kit.sagemaker.create_training_job(**request)
    except ClientError as error:
        code, message = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
        if code == "ResourceInUse":
            return ""
        if code in _REFUSALS:
            return f"{code}: {message}"
        if code in _PASSING:
            raise
        raise RunFailed(f"SageMaker refused the job: {code}: {message}. Mend what it names, and run again.") from error
    return ""


def _after(run: Run, kit: Kit, found: Mapping[str, Any], *, step: str, kind: str, plan: Plan) -> Answer:
    """Elsewhere, later, or not at all."""
    job = run.job(kind)
    if run.refused_at is None or (job is not None and job.seconds):  # one that ran ends the waiting
        run = replace(run, refused_at=kit.now)
    waited = kit.now - (run.refused_at or kit.now)
    match after_failure(plan, found, attempt=run.attempt, waited=waited, evaluation=kind == "evaluate"):
        case Retry(instance_type=instance_type):
            here = found["ResourceConfig"]["InstanceType"]
            said = f"{found.get('FailureReason')} The next attempt, after {here}, is on {instance_type}."
            return Answer(replace(run, next_type=instance_type).saying(step, kit.now, said), "wait", SHORTEST_SECONDS)
        case Later(seconds=seconds, instance_type=instance_type):
            later = replace(run, next_type=instance_type, resume_at=kit.now + seconds)
            said = (
                f"{found.get('FailureReason')} The next attempt is in {seconds / 60:.0f} minutes, on {instance_type}."
            )
            return Answer(later.saying(step, kit.now, said), "wait", seconds)
        case GiveUp(message=message):
            trained = run.job("train") if kind == "evaluate" else None
            kept = f" The model is kept: `pilot finetune DATA --attach {trained.name}` evaluates it." if trained else ""
            raise GaveUp(run, f"{message}{kept}")


class GaveUp(RunFailed):
    """With the run as it is by then: what the attempts cost must not be forgotten."""

    def __init__(self, run: Run, message: str) -> None:
        super().__init__(message)
        self.run = run


def pause_of(found: Mapping[str, Any], now: float) -> int:
    """By the job's age, which no change of its status makes young again."""
    created = found.get("CreationTime")
    return pause(now - created.timestamp() if created else 0.0)
