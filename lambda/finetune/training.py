"""Train: by SageMaker, on the first instance type that there is, or a job that somebody else started."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from finetune.answer import Answer, RunFailed
from finetune.clients import Kit
from finetune.jobs import MODELS, REPORT, job_names, training_request
from finetune.losses import final_losses, live_losses
from finetune.plan import Plan
from finetune.run import Job, Run
from finetune.store import Bucket, located
from finetune.watch import ENDED, Completed, carried_out, looked_at, pause_of


def train(run: Run, kit: Kit) -> Answer:
    """Raises RunFailed where no attempt made a model."""
    if run.asked.get("attach"):
        return _attached(run, kit)
    plan = Plan.from_data(run.plan)

    def request(**attempt: Any) -> dict[str, Any]:
        settings = kit.settings
        return training_request(plan, settings.training, bucket=settings.bucket, role_arn=settings.role_arn, **attempt)

    came = carried_out(run, kit, step="Train", kind="train", plan=plan, request_of=request)
    if isinstance(came, Answer):
        job = came.run.job("train")
        if job is None or job.status in ENDED:
            return came
        return replace(came, run=replace(came.run, losses=_read(came.run, kit, job)))
    return _trained(came, kit)


def _trained(came: Completed, kit: Kit) -> Answer:
    prefix = artifact(came.job)
    bucket, key = located(prefix)
    made = Bucket(kit.s3, bucket).json(f"{key}pilotlight/training.json") if bucket == kit.settings.bucket else None
    job = came.run.job("train")
    losses = final_losses(made) if made else _read(came.run, kit, job)
    run = replace(came.run, artifact=prefix, losses=losses)
    spent = f"It took {job.seconds:.0f} s and about USD {job.usd or 0:.2f}. " if job and job.seconds is not None else ""
    return Answer(run.saying("Train", kit.now, f"{spent}The model lies at {prefix}"))


def _read(run: Run, kit: Kit, job: Job | None) -> Mapping[str, Any]:
    """What CloudWatch has by now, or had when it could be read."""
    return (live_losses(kit, job.name, run.plan["started_at"]) if job else {}) or run.losses


def _attached(run: Run, kit: Kit) -> Answer:
    """A job outlives whoever started it: its name is enough."""
    known = run.job("train") or Job(str(run.asked["attach"]), "train", "", 0, attached=True)
    job, found = looked_at(kit, known)
    run = run.with_job(job)
    if job.status not in ENDED:
        return Answer(run.saying("Train", kit.now, f"{job.name} is {job.status}."), "wait", pause_of(found, kit.now))
    if job.status != "Completed":
        why = job.failure or found.get("SecondaryStatus", "no reason is given")
        raise RunFailed(f"The job {job.name} is {job.status}, so there is no complete model of it: {why}.")
    prefix = artifact(found)
    if prefix.endswith(".tar.gz/"):
        raise RunFailed(
            f"The job {job.name} left a compressed model, {prefix.rstrip('/')}, which cannot be served as it is: "
            "unpack it into a prefix and name that as the stage's model_data_url, or train again with "
            "OutputDataConfig.CompressionType NONE."
        )
    if not _may_be_served(prefix, kit):
        raise RunFailed(
            f"The job {job.name} left its model at {prefix}, which the endpoint's role may not read: train with "
            f"S3OutputPath below s3://{kit.settings.bucket}/{MODELS}."
        )
    return Answer(replace(run, artifact=prefix).saying("Train", kit.now, f"{job.name} has left its model at {prefix}"))


def _may_be_served(prefix: str, kit: Kit) -> bool:
    """By the bucket's policy (stacks/constructs/finetune_bucket.py); what an evaluation has left is no model."""
    is_report = f"/{REPORT}{job_names(kit.settings.stage)}" in prefix
    return prefix.startswith(f"s3://{kit.settings.bucket}/{MODELS}") and not is_report


def artifact(found: Mapping[str, Any]) -> str:
    """The S3 prefix of what a completed job made."""
    made = str(found["ModelArtifacts"]["S3ModelArtifacts"])
    return made if made.endswith("/") else f"{made}/"
