"""The CreateTrainingJob requests of a run: training by whichever program, and evaluation."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from finetune import programs
from finetune.errors import BadRequest
from finetune.plan import LEAST_EVALUATION_SECONDS, LEAST_RUNTIME_SECONDS, Plan, evaluation_seconds, training_seconds
from finetune.programs import OwnContainer
from finetune.spec import Settings, TrainingSpec

SPOT_WAIT_SECONDS: Final = 24 * 3600
"""Beyond its runtime a spot job waits this long for capacity, all its interruptions together; waiting is not billed."""
MODELS: Final = "models/"
"""Of the stage's bucket: what the endpoint may read, but for the reports there."""
REPORT: Final = "report/"
_GATED: Final = "s3://jumpstart-private-cache-prod-"
"""JumpStart's: read by whoever accepts the EULA in the channel, as sagemaker-train does (JumpStartTrainDefaults)."""
STAGE_TAG: Final = "pilotlight:stage"
RUN_TAG: Final = "pilotlight:run"

Request = dict[str, Any]


def job_name(stage: str, run_id: str, attempt: int, *, evaluation: bool = False) -> str:
    """Unique for each attempt (1 to 99), at most 63 characters: a stage has 28, a run id 18."""
    return f"{job_names(stage)}{run_id}-{'e' if evaluation else ''}{attempt}"


def job_names(stage: str) -> str:
    """How those of a stage's runs begin."""
    return f"pilotlight-{stage}-"


def run_of(stage: str, name: str) -> str:
    """The id of the run that started the job of this name; empty where it is no run's of this stage."""
    return name.removeprefix(job_names(stage)).rpartition("-")[0] if name.startswith(job_names(stage)) else ""


def job_folder(model: str) -> str:
    """s3://…/JOB, of the model that the job has left at s3://…/JOB/output/model/ or s3://…/JOB/output/model.tar.gz."""
    return model.rstrip("/").rsplit("/", 2)[0]


def beside(model: str, bucket: str) -> str:
    """Where what belongs to a job's model lies, s3://…/JOB/report/: never below the model, as whatever lies there is
    downloaded and served. Of one outside the models of the stage's `bucket` it lies among those, as nothing is written
    elsewhere.
    """
    folder, own = job_folder(model), f"s3://{bucket}/{MODELS}"
    return f"{folder if model.startswith(own) else own + folder.rpartition('/')[2]}/{REPORT}"


def training_request(
    plan: Plan,
    settings: Settings,
    *,
    instance_type: str,
    attempt: int,
    spent_usd: Decimal,
    bucket: str,
    role_arn: str,
) -> Request:
    """Attempt number `attempt` (from 1) on this type, after `spent_usd` for the attempts before it.

    Raises BadRequest where what is left does not pay for a training any more.
    """
    spec = settings.spec
    left = plan.max_cost_usd - spent_usd - plan.evaluation_usd
    seconds = training_seconds(settings, instance_type, plan.instance_count, left)
    _check_left(seconds, LEAST_RUNTIME_SECONDS, spent_usd, plan, "another attempt")
    channels = {**spec.channels, **_dataset_channels(plan)}
    task = {"pilotlight_task": "train"} if isinstance(spec.program, OwnContainer) else {}
    request = _request(
        plan,
        settings,
        name=job_name(settings.stage, plan.run_id, attempt),
        image_uri=spec.image_uri,
        hyperparameters={**spec.fixed_hyperparameters, **plan.hyperparameters, **task},
        channels=channels,
        output=f"s3://{bucket}/{MODELS}",
        instance_type=instance_type,
        instance_count=plan.instance_count,
        seconds=seconds,
        role_arn=role_arn,
    )
    return {**request, **_spot(plan, seconds, bucket)}


def evaluation_request(
    plan: Plan,
    settings: Settings,
    *,
    tuned_model: str,
    instance_type: str,
    attempt: int,
    spent_usd: Decimal,
    bucket: str,
    role_arn: str,
) -> Request:
    """Base and tuned model (`tuned_model`: an S3 prefix that ends with a slash, or an archive, which the container
    unpacks) side by side, on one instance.

    Raises BadRequest where what is left does not pay for it; ValueError where nothing can evaluate this model.
    """
    spec = settings.spec
    if spec.evaluation_image_uri is None:
        raise ValueError(f"{spec.model} has no image that evaluates.")
    seconds = evaluation_seconds(settings, instance_type, plan.max_cost_usd - spent_usd)
    _check_left(seconds, LEAST_EVALUATION_SECONDS, spent_usd, plan, "the evaluation")
    channels = {"model": spec.base_model, "tuned": tuned_model, **_dataset_channels(plan)}
    told = programs.for_evaluation(spec.program, plan.hyperparameters, plan.format)
    if plan.prompts_uri is not None:
        channels["prompts"] = plan.prompts_uri
    return _request(
        plan,
        settings,
        name=job_name(settings.stage, plan.run_id, attempt, evaluation=True),
        image_uri=spec.evaluation_image_uri,
        hyperparameters={**told, "pilotlight_task": "evaluate"},
        channels=channels,
        output=beside(tuned_model, bucket),
        instance_type=instance_type,
        instance_count=1,
        seconds=seconds,
        role_arn=role_arn,
    )


def _dataset_channels(plan: Plan) -> dict[str, str]:
    found = {"training": plan.train_uri, "validation": plan.validation_uri}
    return {name: uri for name, uri in found.items() if uri is not None}


def _request(
    plan: Plan,
    settings: Settings,
    *,
    name: str,
    image_uri: str,
    hyperparameters: Mapping[str, str],
    channels: Mapping[str, str],
    output: str,
    instance_type: str,
    instance_count: int,
    seconds: int,
    role_arn: str,
) -> Request:
    spec = settings.spec
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": {
            "TrainingImage": image_uri,
            "TrainingInputMode": "File",
            "MetricDefinitions": [dict(metric) for metric in spec.metrics],
        },
        "RoleArn": role_arn,
        "HyperParameters": dict(hyperparameters),
        "InputDataConfig": [_channel(channel, uri, spec) for channel, uri in channels.items()],
        "OutputDataConfig": {"S3OutputPath": output, "CompressionType": "NONE"},
        "ResourceConfig": {
            "InstanceType": instance_type,
            "InstanceCount": instance_count,
            "VolumeSizeInGB": spec.volume_size_gb,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": seconds},
        "EnableNetworkIsolation": spec.network_isolation,
        "EnableInterContainerTrafficEncryption": spec.encrypts_between_containers,
        "Environment": dict(spec.environment),
        "Tags": [{"Key": STAGE_TAG, "Value": settings.stage}, {"Key": RUN_TAG, "Value": plan.run_id}],
    }


def _channel(name: str, uri: str, spec: TrainingSpec) -> dict[str, Any]:
    source: dict[str, Any] = {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    accepted = spec.environment.get("accept_eula") == "true" and uri.startswith(_GATED)
    if accepted or (spec.gated and uri == spec.base_model):
        source["ModelAccessConfig"] = {"AcceptEula": True}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}, "InputMode": "File"}


def _spot(plan: Plan, seconds: int, bucket: str) -> dict[str, Any]:
    if not plan.spot:
        return {}
    return {
        "EnableManagedSpotTraining": True,
        "StoppingCondition": {
            "MaxRuntimeInSeconds": seconds,
            "MaxWaitTimeInSeconds": seconds + SPOT_WAIT_SECONDS,
        },
        "CheckpointConfig": {"S3Uri": f"s3://{bucket}/checkpoints/{plan.run_id}/", "LocalPath": "/opt/ml/checkpoints"},
    }


def _check_left(seconds: int, least: int, spent: Decimal, plan: Plan, what: str) -> None:
    if seconds < least:
        raise BadRequest(
            f"The run has cost USD {spent:.2f} of at most {plan.max_cost_usd}: what is left does not pay for {what}. "
            "Raise max_cost_usd.",
            param="max_cost_usd",
        )
