"""SageMaker's training jobs as a run sees them: started once, looked at until they end, and priced."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from botocore.exceptions import ClientError

from finetune.clients import Kit
from finetune.run import Job

ENDED = ("Completed", "Failed", "Stopped")
_SHORTEST_WAIT, _LONGEST_WAIT = 5, 60


def start(kit: Kit, request: Mapping[str, Any], kind: str) -> Job:
    """The job, started. Its name makes a repeated step harmless. Raises ClientError, as for a quota that is used up."""
    name = request["TrainingJobName"]
    try:
        kit.sagemaker.create_training_job(**request)
    except ClientError as error:
        if error.response["Error"].get("Code") != "ResourceInUse":
            raise
    resources = request["ResourceConfig"]
    return Job(name, kind, resources["InstanceType"], resources["InstanceCount"])


def look(kit: Kit, job: Job) -> tuple[Job, Mapping[str, Any]]:
    """The job as it is now, and SageMaker's description of it."""
    found = kit.sagemaker.describe_training_job(TrainingJobName=job.name)
    seconds = _billed_seconds(found, kit.now)
    price = kit.settings.usd_per_hour.get(job.instance_type)
    usd = None if price is None or seconds is None else round(seconds / 3600 * price * job.instance_count, 4)
    return replace(
        job,
        status=str(found["TrainingJobStatus"]),
        seconds=seconds,
        usd=usd,
        failure=str(found.get("FailureReason", "")),
    ), found


def wait_seconds(begun_at: float, now: float) -> int:
    """Short while a job is young, as small ones are over in a minute; then a look a minute."""
    return int(min(_LONGEST_WAIT, max(_SHORTEST_WAIT, (now - begun_at) / 10)))


def artifact(found: Mapping[str, Any]) -> str:
    """The S3 prefix of what a completed job made, which must not be compressed: it is served as it is."""
    made = str(found["ModelArtifacts"]["S3ModelArtifacts"])
    return made if made.endswith("/") else f"{made}/"


def _billed_seconds(found: Mapping[str, Any], now: float) -> float | None:
    """SageMaker's own count once it is over; until then since the instances were there."""
    if "BillableTimeInSeconds" in found:
        return float(found["BillableTimeInSeconds"])
    begun = found.get("TrainingStartTime")
    if begun is None:
        return 0.0 if found["TrainingJobStatus"] in ENDED else None
    ended = found.get("TrainingEndTime")
    return max(0.0, (ended.timestamp() if ended else now) - begun.timestamp())
