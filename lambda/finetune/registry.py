"""The tuned model in SageMaker's model registry."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from typing import Literal

from botocore.exceptions import BotoCoreError, ClientError
from common.artifact import is_archive

from finetune.answer import Answer
from finetune.clients import Kit
from finetune.deployed import check_model
from finetune.run import Run

_MOST_ENTRIES = 50
_MOST_NAME = 128
_MOST_VALUE = 256
_NOT_TAKEN = re.compile(r"[^\w .:/=+@-]")
"""Of the metadata: entries, characters of a name and of a value, and characters that neither may have."""


def register(run: Run, kit: Kit) -> Answer:
    """One version in the stage's group, with where it comes from; it is Approved once it serves."""
    check_model(run, kit)
    if run.package_arn:
        return Answer(run)
    _make_group(kit)
    packed = is_archive(run.artifact)
    made = kit.sagemaker.create_model_package(
        ModelPackageGroupName=kit.settings.package_group,
        ModelPackageDescription=f"{kit.settings.model}, fine-tuned by run {run.id}"[:1024],
        InferenceSpecification={
            "Containers": [
                {
                    "Image": kit.settings.serving_image,
                    "ModelDataSource": {
                        "S3DataSource": {
                            "S3Uri": run.artifact,
                            "S3DataType": "S3Object" if packed else "S3Prefix",
                            "CompressionType": "Gzip" if packed else "None",
                        }
                    },
                }
            ],
            "SupportedContentTypes": ["application/json"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
        ModelApprovalStatus="PendingManualApproval",
        CustomerMetadataProperties=_lineage(run, kit),
        ClientToken=f"{run.id}-package"[:36],
    )
    arn = str(made["ModelPackageArn"])
    said = f"Registered as version {arn.rpartition('/')[2]} of {kit.settings.package_group}."
    return Answer(replace(run, package_arn=arn).saying("Register", kit.now, said))


def judged(run: Run, kit: Kit, status: Literal["Approved", "Rejected"]) -> None:
    """How the run ended, for whoever looks at its version. Where AWS does not take it the end stays what it is."""
    if not run.package_arn:
        return
    try:
        kit.sagemaker.update_model_package(
            ModelPackageArn=run.package_arn,
            ModelApprovalStatus=status,
            ApprovalDescription=" ".join(run.message.split())[:1024],
        )
    except (BotoCoreError, ClientError) as error:
        print(json.dumps({"package": run.package_arn, "status": status, "not_taken": str(error)}))


def _make_group(kit: Kit) -> None:
    """Not the stack's: CloudFormation cannot delete a group that holds versions, and they outlive the stage."""
    group = kit.settings.package_group
    try:
        kit.sagemaker.describe_model_package_group(ModelPackageGroupName=group)
    except ClientError as error:
        if error.response["Error"].get("Code") not in ("ValidationException", "ResourceNotFound"):
            raise
        kit.sagemaker.create_model_package_group(
            ModelPackageGroupName=group,
            ModelPackageGroupDescription=f"What stage {kit.settings.stage} of Pilotlight has fine-tuned",
            Tags=[{"Key": "pilotlight:stage", "Value": kit.settings.stage}],
        )


def _lineage(run: Run, kit: Kit) -> dict[str, str]:
    """From which data, how, by which code, and how good."""
    job = run.job("train")
    data = "evaluation_dataset" if job and job.attached else "dataset"  # what that one learned from nobody here knows
    known: Mapping[str, object] = {
        "run": run.id,
        data: run.asked.get("dataset", ""),
        f"{data}_sha256": run.dataset.get("sha256", ""),
        "training_job": job.name if job else "",
        "base_model": kit.settings.model,
        "code_version": kit.settings.code_version,
        "report": run.report,
        **{f"metric.{name}": value for name, value in _metrics(run).items()},
        **{f"hyperparameter.{name}": value for name, value in _hyperparameters(run, kit).items()},
    }
    said = {_taken(name, _MOST_NAME): _taken(str(value), _MOST_VALUE) for name, value in known.items() if str(value)}
    return dict(islice(said.items(), _MOST_ENTRIES))  # a program of the user's own may have more; the job has them all


def _hyperparameters(run: Run, kit: Kit) -> Mapping[str, object]:
    """Of the job: the plan's are the evaluation's where it was started elsewhere."""
    job = run.job("train")
    if job is None or not job.attached:
        return dict(run.plan.get("hyperparameters", {}))
    found = kit.sagemaker.describe_training_job(TrainingJobName=job.name)
    return dict(found.get("HyperParameters", {}))


def _taken(text: str, most: int) -> str:
    return _NOT_TAKEN.sub("_", text)[:most]


def _metrics(run: Run) -> dict[str, object]:
    """By the evaluation; where nothing was compared, the losses that the training itself ended with."""
    if not run.evaluation or run.evaluation["improvement"] is None:
        return {f"training_{name}": points[-1][1] for name, points in run.losses.items() if points}
    return {
        "base_eval_loss": run.evaluation["base"]["eval_loss"],
        "eval_loss": run.evaluation["tuned"]["eval_loss"],
        "improvement": run.evaluation["improvement"],
    }
