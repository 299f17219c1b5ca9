"""Train: by SageMaker, on the first instance type that there is, or a job that somebody else started."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from botocore.exceptions import ClientError
from common.artifact import is_archive

from finetune.answer import Answer, RunFailed
from finetune.clients import Kit
from finetune.jobs import MODELS, REPORT, job_folder, job_names, training_request
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
    made = artifact(found)
    _check_readable(made, job, kit)
    size = f"{_size(made, job, kit) / 1e9:.2f} GB{', compressed' if is_archive(made) else ''}"
    said = f"{job.name} has left its model ({size}) at {made}"
    return Answer(replace(run, artifact=made).saying("Train", kit.now, said))


def _check_readable(made: str, job: Job, kit: Kit) -> None:
    """Whether the endpoint's role may read it: by the bucket's policy (stacks/constructs/finetune_bucket.py), or as the
    stage's own file says. What an evaluation has left is no model.
    """
    settings = kit.settings
    own = f"s3://{settings.bucket}/{MODELS}"
    if made.startswith(own) and f"/{REPORT}{job_names(settings.stage)}" in made:
        raise RunFailed(f"The job {job.name} is an evaluation, and {made} its report: attach a job that trained.")
    listed = settings.training.attach_from
    if made.startswith((own, *listed)):
        return
    needed = ", ".join(f'"{prefix}"' for prefix in (*listed, f"{job_folder(made)}/"))
    raise RunFailed(
        f"The job {job.name} left its model at {made}, which the endpoint's role may not read. Write attach_from = "
        f"[{needed}] in [stages.{settings.stage}.finetune], deploy, and attach it again; or train with S3OutputPath "
        f"below {own}."
    )


def _size(made: str, job: Job, kit: Kit) -> int:
    """Bytes. Raises RunFailed where there is nothing, or it cannot be listed."""
    bucket, key = located(made)
    try:
        sizes = [size for name, size in Bucket(kit.s3, bucket).list(key) if name == key or key.endswith("/")]
    except ClientError as error:
        code = error.response["Error"].get("Code")
        if code == "AccessDenied":
            raise RunFailed(
                f"The job {job.name} left its model at {made}, and that cannot be listed: {error}. What attach_from "
                "names counts once it is deployed, and a bucket of another account must allow it by its own policy "
                "(docs/finetuning.md)."
            ) from error
        if code != "NoSuchBucket":
            raise
        sizes = []
    if not sizes:
        raise RunFailed(f"The job {job.name} left its model at {made}, and it is not there any more.")
    return sum(sizes)


def artifact(found: Mapping[str, Any]) -> str:
    """What a completed job made: its S3 prefix, or its archive."""
    made = str(found["ModelArtifacts"]["S3ModelArtifacts"])
    return made if made.endswith("/") or is_archive(made) else f"{made}/"
