"""Training jobs. Each public method of the first part is the operation of the same name; a job runs on a thread of its
own, and DescribeTrainingJob tells how it goes.
"""

import re
import threading
from collections.abc import Callable
from typing import Any

from pilotlight.local.sagemaker.records import Account, Record, page
from pilotlight.local.sagemaker.training_folder import BASE_MODEL, CHECKPOINTS, channel_source
from pilotlight.local.sagemaker.training_job import MAX_RUNTIME_SECONDS, Job
from pilotlight.local.sagemaker.training_run import Machine, Run
from pilotlight.local.sagemaker.wire import AwsError

Spawn = Callable[[Callable[[], None]], None]
"""Runs a job to its end, on a thread of its own."""


class TrainingJobs:
    """The training jobs of one account, run on `machine`."""

    def __init__(self, account: Account, machine: Machine, spawn: Spawn) -> None:
        self._account = account
        self._machine = machine
        self._spawn = spawn
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._runs: list[Run] = []

    def create_training_job(self, *, TrainingJobName: str, Tags: list[Record] | None = None, **asked: Any) -> Record:
        request = asked | {"TrainingJobName": TrainingJobName}
        self._check(request)
        arn = self._account.arn("training-job", TrainingJobName)
        with self._lock:
            if TrainingJobName in self._jobs:
                raise AwsError(
                    "ResourceInUse",
                    "Training job names must be unique within an AWS account and region, and a training job with "
                    f"this name already exists ({arn})",
                )
            job = self._jobs[TrainingJobName] = Job(arn, request)
            run = Run(job, self._machine)
            self._runs.append(run)
            self._account.enter(arn, Tags)
        self._spawn(run)
        return {"TrainingJobArn": arn}

    def describe_training_job(self, *, TrainingJobName: str) -> Record:
        return self._job(TrainingJobName).describe()

    def stop_training_job(self, *, TrainingJobName: str) -> Record:
        job = self._job(TrainingJobName)
        if not job.ask_to_stop():
            raise AwsError(
                "ValidationException", f"The request was rejected because the training job is in status {job.status}."
            )
        return {}

    def list_training_jobs(self, **asked: Any) -> Record:
        with self._lock:
            found = [job.summary() for job in self._jobs.values()]
        wanted = asked.get("StatusEquals")
        found = [job for job in found if wanted in (None, job["TrainingJobStatus"])]
        return page(found, "TrainingJobSummaries", "TrainingJobName", asked)

    # What Step Functions and the cloud ask

    def at_end(self, name: str, tell: Callable[[], None]) -> None:
        """Call `tell` when the job is over."""
        self._job(name).at_end(tell)

    def stop(self) -> None:
        """End every process: the cloud is going down."""
        with self._lock:
            runs = list(self._runs)
        for run in runs:
            run.kill()

    def _job(self, name: str) -> Job:
        try:
            return self._jobs[name]
        except KeyError:
            # Not the ResourceNotFound of the service model (aws/aws-sdk issue 165).
            raise AwsError("ValidationException", "Requested resource not found.") from None

    # What the service refuses, beyond its model

    def _check(self, request: Record) -> None:
        for member in ("AlgorithmSpecification", "ResourceConfig", "StoppingCondition"):
            if member not in request:
                raise _refused(f"{member} is missing. Only jobs on instances are run here, and they need it.")
        if "InstanceType" not in request["ResourceConfig"]:
            raise _refused("ResourceConfig.InstanceType is missing. Instance groups and plans are not run here.")
        _check_spot(request)
        for definition in request["AlgorithmSpecification"].get("MetricDefinitions", []):
            try:
                re.compile(definition["Regex"])
            except re.error as error:
                raise _refused(f"The Regex of metric {definition['Name']} is invalid: {error}.") from error
        checkpoints = request.get("CheckpointConfig", {})
        if checkpoints.get("LocalPath", CHECKPOINTS).rstrip("/") != CHECKPOINTS:
            raise _refused(f"CheckpointConfig.LocalPath is {checkpoints['LocalPath']}; here it is {CHECKPOINTS}.")
        for channel in request.get("InputDataConfig", []):
            self._check_channel(channel, request["RoleArn"])

    def _check_channel(self, channel: Record, role: str) -> None:
        if "S3DataSource" not in channel["DataSource"]:
            raise _refused(f"Channel {channel['ChannelName']} is not in S3; no other source is played here.")
        source, storage = channel_source(channel), self._machine.storage
        elsewhere = channel["ChannelName"] == BASE_MODEL and not storage.has_bucket(source.bucket)
        if not elsewhere and not storage.keys(source.bucket, source.prefix):
            raise _refused(
                f'No S3 objects found under S3 URL "{source}" given in input data source. Please ensure that the '
                f"bucket exists in the selected region ({self._account.region}), that objects exist under that S3 "
                f'prefix, and that the role "{role}" has "s3:ListBucket" permissions on bucket "{source.bucket}".'
            )


def _check_spot(request: Record) -> None:
    condition, spot = request["StoppingCondition"], request.get("EnableManagedSpotTraining", False)
    longest, wait = condition.get("MaxRuntimeInSeconds", MAX_RUNTIME_SECONDS), condition.get("MaxWaitTimeInSeconds")
    if spot and (wait is None or wait < longest):
        raise _refused(
            f"Invalid MaxWaitTimeInSeconds: {wait}. With EnableManagedSpotTraining it must be present, and greater "
            f"than or equal to MaxRuntimeInSeconds, {longest}."
        )
    if wait is not None and not spot:
        raise _refused("MaxWaitTimeInSeconds is only supported when EnableManagedSpotTraining is true.")


def _refused(why: str) -> AwsError:
    return AwsError("ValidationException", why)
