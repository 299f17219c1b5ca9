"""Training jobs as real processes: a stand-in program plays the training image."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from pilotlight.local.sagemaker.control import SageMaker
from pilotlight.local.sagemaker.faults import Fault, FaultKind
from pilotlight.local.sagemaker.wire import AwsError, answer

from .sagemaker_fakes import Buckets, eventually, local_sagemaker

PROGRAM = """
import json, os, pathlib, signal, sys, time
root = pathlib.Path(os.environ["PILOTLIGHT_ML_ROOT"])
asked = json.loads((root / "input/config/hyperparameters.json").read_text())
print("epoch 1: loss=0.5, perplexity=1.6", flush=True)
print("epoch 2: loss=0.25, perplexity=nothing", flush=True)
found = {p.relative_to(root / "input/data").as_posix(): p.read_text()
         for p in sorted((root / "input/data").glob("*/*"))}
resumed = sorted(p.name for p in (root / "checkpoints").iterdir())
(root / "model/seen.json").write_text(json.dumps({"data": found, "asked": asked, "resumed": resumed,
    "channels": sorted(json.loads((root / "input/config/inputdataconfig.json").read_text())),
    "hosts": json.loads((root / "input/config/resourceconfig.json").read_text())["hosts"],
    "environment": os.environ.get("COLOUR")}))
def end(*_):
    (root / "checkpoints/last").write_text("saved at the end")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
if not resumed:
    if asked.get("checkpoint"):
        (root / "checkpoints/1").write_text("saved")
    time.sleep(float(asked.get("sleep", "0")))
if "fail" in asked:
    (root / "output/failure").write_text(asked["fail"])
    sys.exit(1)
"""
ROLE = "arn:aws:iam::000000000000:role/execution"


def _program(environment: Mapping[str, str], output: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", PROGRAM]
    given = os.environ | dict(environment)
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=output, stderr=output, env=given, start_new_session=True
    )


class Cloud:
    """A local SageMaker with a bucket `b` that holds a dataset, asked over the wire."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.buckets = Buckets()
        self.buckets.content["b"] = {"data/train.jsonl": b"row"}
        self.metrics: list[tuple[str, dict[str, str], list[float]]] = []
        weights = folder / "weights"
        weights.mkdir()
        (weights / "config.json").write_text("built in")
        self.sagemaker: SageMaker = local_sagemaker(
            folder,
            self.buckets,
            program=_program,
            weights=lambda: weights,
            sink=lambda name, dimensions, _, values: self.metrics.append((name, dimensions, values)),
        )

    def ask(self, operation: str, **request: Any) -> dict[str, Any]:
        body = json.dumps(request).encode()
        code, _, said = answer(self.sagemaker.operations, {"x-amz-target": f"SageMaker.{operation}"}, body)
        parsed: dict[str, Any] = json.loads(said)
        if code != 200:
            raise AwsError(parsed["__type"], parsed["message"])
        return parsed

    def create(self, name: str = "job", **changed: Any) -> None:
        self.ask("CreateTrainingJob", **asked(name) | changed)

    def job(self, name: str = "job") -> dict[str, Any]:
        return self.ask("DescribeTrainingJob", TrainingJobName=name)

    def over(self, name: str = "job") -> dict[str, Any]:
        eventually(lambda: self.job(name)["TrainingJobStatus"] not in ("InProgress", "Stopping"))
        return self.job(name)

    def fail(self, kind: FaultKind, **options: Any) -> None:
        self.sagemaker.faults.add(Fault(kind, **options))

    def seen(self, name: str = "job") -> dict[str, Any]:
        """What the program wrote into its model."""
        found: dict[str, Any] = json.loads(self.buckets.content["b"][f"models/{name}/output/model/seen.json"])
        return found


def channel(name: str, uri: str) -> dict[str, Any]:
    return {"ChannelName": name, "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}}}


def asked(name: str) -> dict[str, Any]:
    return {
        "TrainingJobName": name,
        "RoleArn": ROLE,
        "AlgorithmSpecification": {
            "TrainingImage": "image",
            "TrainingInputMode": "File",
            "MetricDefinitions": [
                {"Name": "loss", "Regex": "loss=([0-9.]+)"},
                {"Name": "perplexity", "Regex": r"perplexity=(\S+)"},
            ],
        },
        "InputDataConfig": [channel("training", "s3://b/data/"), channel("model", "s3://hub/model/")],
        "OutputDataConfig": {"S3OutputPath": "s3://b/models/", "CompressionType": "NONE"},
        "ResourceConfig": {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    }


SPOT: dict[str, Any] = {
    "EnableManagedSpotTraining": True,
    "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 60},
}
CHECKPOINTS: dict[str, Any] = {"CheckpointConfig": {"S3Uri": "s3://b/checkpoints/run"}}
HANGING: dict[str, Any] = {"HyperParameters": {"sleep": "60"}}
SAVING: dict[str, Any] = {"HyperParameters": {"sleep": "60", "checkpoint": "yes"}}


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    return Cloud(tmp_path)


def statuses(job: dict[str, Any]) -> list[str]:
    return [transition["Status"] for transition in job["SecondaryStatusTransitions"]]


class TestRun:
    def test_the_program_gets_what_sagemaker_gives_it_and_its_model_is_uploaded(self, cloud: Cloud) -> None:
        cloud.create(HyperParameters={"epoch": "3"}, Environment={"COLOUR": "red"})
        job = cloud.over()
        assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Completed", "Completed")
        assert statuses(job) == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
        assert job["ModelArtifacts"]["S3ModelArtifacts"] == "s3://b/models/job/output/model/"
        assert cloud.seen() == {
            "data": {"training/train.jsonl": "row", "model/config.json": "built in"},
            "asked": {"epoch": "3"},
            "resumed": [],
            "channels": ["model", "training"],
            "hosts": ["algo-1"],
            "environment": "red",
        }

    def test_what_it_takes_is_paid_for(self, cloud: Cloud) -> None:
        cloud.create(HyperParameters={"sleep": "1"})
        job = cloud.over()
        assert job["BillableTimeInSeconds"] == job["TrainingTimeInSeconds"] >= 1

    def test_its_log_is_kept_and_its_disk_is_not(self, cloud: Cloud) -> None:
        cloud.create()
        cloud.over()
        assert "loss=0.5" in (cloud.folder / "training/job/container.log").read_text()
        assert not (cloud.folder / "training/job/opt/ml").exists()
        assert (cloud.folder / "weights/config.json").exists()

    def test_metrics_are_read_from_the_log(self, cloud: Cloud) -> None:
        cloud.create()
        final = cloud.over()["FinalMetricDataList"]
        assert {metric["MetricName"]: metric["Value"] for metric in final} == {"loss": 0.25, "perplexity": 1.6}
        own = {"TrainingJobName": "job"}
        assert cloud.metrics == [("loss", own, [0.5]), ("perplexity", own, [1.6]), ("loss", own, [0.25])]

    def test_without_a_compression_type_the_model_is_an_archive(self, cloud: Cloud) -> None:
        cloud.create(OutputDataConfig={"S3OutputPath": "s3://b/models"})
        assert cloud.over()["ModelArtifacts"]["S3ModelArtifacts"] == "s3://b/models/job/output/model.tar.gz"
        assert "models/job/output/model.tar.gz" in cloud.buckets.content["b"]

    def test_a_model_in_this_cloud_is_the_one_that_is_trained(self, cloud: Cloud) -> None:
        cloud.buckets.content["b"]["base/config.json"] = b"own"
        cloud.create(InputDataConfig=[channel("model", "s3://b/base/")])
        cloud.over()
        assert cloud.seen()["data"] == {"model/config.json": "own"}

    def test_a_script_beside_its_image_comes_as_sagemaker_would_bring_it(self, cloud: Cloud) -> None:
        cloud.buckets.content["b"]["code/mine.tar.gz"] = b"an archive"
        named = {
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": "/opt/ml/input/data/code/mine.tar.gz",
            "peft_type": "lora",
        }
        inputs = [channel("code", "s3://b/code/mine.tar.gz"), channel("model", "s3://hub/model/")]
        cloud.create(HyperParameters=named, InputDataConfig=inputs)
        cloud.over()
        assert cloud.seen()["data"] == {"code/mine.tar.gz": "an archive", "model/config.json": "built in"}
        assert cloud.seen()["asked"] == named

    def test_its_failure_is_what_the_program_says(self, cloud: Cloud) -> None:
        cloud.create(HyperParameters={"fail": "No row is usable."})
        job = cloud.over()
        assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Failed", "Failed")
        assert job["FailureReason"] == "AlgorithmError: No row is usable., exit code: 1"
        assert not [key for key in cloud.buckets.content["b"] if key.startswith("models/")]

    def test_an_output_bucket_that_does_not_exist_fails_it(self, cloud: Cloud) -> None:
        cloud.create(OutputDataConfig={"S3OutputPath": "s3://nowhere/models/", "CompressionType": "NONE"})
        assert cloud.over()["FailureReason"].startswith("ClientError: Artifact upload failed")

    def test_a_job_that_takes_too_long_is_stopped_with_what_it_has(self, cloud: Cloud) -> None:
        cloud.create(**HANGING, StoppingCondition={"MaxRuntimeInSeconds": 1})
        job = cloud.over()
        assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
        assert cloud.seen()["asked"] == {"sleep": "60"}


def at_work(cloud: Cloud) -> Callable[[], bool]:
    return lambda: bool(cloud.metrics)


class TestStop:
    def test_it_ends_with_what_it_has(self, cloud: Cloud) -> None:
        cloud.create(**HANGING, **CHECKPOINTS)
        eventually(at_work(cloud))
        cloud.ask("StopTrainingJob", TrainingJobName="job")
        job = cloud.over()
        assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
        assert statuses(job)[-3:] == ["Stopping", "Uploading", "Stopped"]
        assert cloud.buckets.content["b"]["checkpoints/run/last"] == b"saved at the end"

    def test_one_that_is_over_cannot_be_stopped(self, cloud: Cloud) -> None:
        cloud.create()
        cloud.over()
        with pytest.raises(AwsError, match="in status Completed"):
            cloud.ask("StopTrainingJob", TrainingJobName="job")

    def test_no_process_outlives_the_cloud(self, cloud: Cloud) -> None:
        cloud.create(**HANGING)
        eventually(at_work(cloud))
        cloud.sagemaker.stop()
        assert cloud.over()["FailureReason"].endswith("exit code: 137")


class TestFaults:
    def test_no_capacity_for_one_type_leaves_the_others(self, cloud: Cloud) -> None:
        cloud.fail("training_no_capacity", instance_type="ml.g5.xlarge")
        cloud.create("other", ResourceConfig=asked("other")["ResourceConfig"] | {"InstanceType": "ml.g6.xlarge"})
        cloud.create()
        assert cloud.over("other")["TrainingJobStatus"] == "Completed"
        job = cloud.over()
        assert job["FailureReason"].startswith("CapacityError: Unable to provision requested ML compute capacity")
        assert "TrainingStartTime" not in job
        assert "BillableTimeInSeconds" not in job

    def test_a_crash_leaves_the_checkpoints(self, cloud: Cloud) -> None:
        cloud.fail("training_crash")
        cloud.create(**SAVING, **CHECKPOINTS)
        assert cloud.over()["FailureReason"].startswith("AlgorithmError")
        assert cloud.buckets.content["b"]["checkpoints/run/1"] == b"saved"

    def test_a_crash_comes_after_a_while_where_there_are_no_checkpoints(self, cloud: Cloud) -> None:
        cloud.fail("training_crash", seconds=0.5)
        cloud.create(**HANGING)
        assert cloud.over()["FailureReason"].endswith("exit code: 137")

    def test_an_interrupted_spot_job_goes_on_from_its_checkpoints(self, cloud: Cloud) -> None:
        cloud.fail("spot_interruption")
        cloud.create(**SAVING, **CHECKPOINTS, **SPOT)
        job = cloud.over()
        assert job["TrainingJobStatus"] == "Completed"
        again = ["Interrupted", "Starting", "Downloading", "Training", "Uploading", "Completed"]
        assert statuses(job) == ["Starting", "Downloading", "Training", *again]
        assert cloud.seen()["resumed"] == ["1", "last"]

    def test_an_interrupted_job_on_demand_fails(self, cloud: Cloud) -> None:
        cloud.fail("spot_interruption")
        cloud.create(**SAVING, **CHECKPOINTS)
        assert cloud.over()["FailureReason"].startswith("InternalServerError")


class TestRefusals:
    @pytest.mark.parametrize(
        ("changed", "says"),
        [
            ({"RoleArn": "nobody"}, "RoleArn"),
            ({"Colour": "red"}, "Colour"),
            ({"InputDataConfig": [channel("training", "s3://b/nothing/")]}, "No S3 objects found .*s3://b/nothing/"),
            ({"InputDataConfig": [channel("training", "s3://hub/data/")]}, "No S3 objects found"),
            ({"EnableManagedSpotTraining": True}, "Invalid MaxWaitTimeInSeconds: None"),
            (SPOT | {"StoppingCondition": {"MaxRuntimeInSeconds": 9, "MaxWaitTimeInSeconds": 8}}, "equal to .* 9"),
            ({"StoppingCondition": {"MaxWaitTimeInSeconds": 8}}, "only supported when EnableManagedSpotTraining"),
            ({"CheckpointConfig": {"S3Uri": "s3://b/c", "LocalPath": "/tmp/c"}}, "/opt/ml/checkpoints"),  # noqa: S108
        ],
    )
    def test_what_sagemaker_refuses_is_refused(self, cloud: Cloud, changed: dict[str, Any], says: str) -> None:
        with pytest.raises(AwsError, match=says):
            cloud.create(**changed)
        assert cloud.ask("ListTrainingJobs")["TrainingJobSummaries"] == []

    def test_a_metric_without_a_sound_expression_is_refused(self, cloud: Cloud) -> None:
        algorithm = asked("job")["AlgorithmSpecification"]
        algorithm["MetricDefinitions"] = [{"Name": "loss", "Regex": "loss=("}]
        with pytest.raises(AwsError, match="Regex of metric loss"):
            cloud.create(AlgorithmSpecification=algorithm)

    def test_a_name_is_used_once(self, cloud: Cloud) -> None:
        cloud.create()
        cloud.over()
        with pytest.raises(AwsError, match="already exists") as refused:
            cloud.create()
        assert refused.value.code == "ResourceInUse"

    def test_nobody_is_not_found(self, cloud: Cloud) -> None:
        with pytest.raises(AwsError) as refused:
            cloud.job("nobody")
        assert refused.value.code == "ValidationException"


def test_jobs_are_listed_by_name_and_status(cloud: Cloud) -> None:
    cloud.fail("training_no_capacity")
    for name in ("a-first", "b-second", "a-third"):
        cloud.create(name)
        cloud.over(name)

    def listed(**request: Any) -> list[str]:
        return [job["TrainingJobName"] for job in cloud.ask("ListTrainingJobs", **request)["TrainingJobSummaries"]]

    assert listed(NameContains="a-") == ["a-first", "a-third"]
    assert listed(StatusEquals="Failed") == ["a-first"]
    assert listed(SortBy="Name", SortOrder="Descending") == ["b-second", "a-third", "a-first"]
    assert listed(CreationTimeAfter=cloud.job("a-third")["CreationTime"]) == ["a-third"]
    first = cloud.ask("ListTrainingJobs", MaxResults=2)
    assert len(first["TrainingJobSummaries"]) == 2
    assert listed(NextToken=first["NextToken"]) == ["a-third"]


def test_its_tags_are_kept(cloud: Cloud) -> None:
    cloud.create(Tags=[{"Key": "run", "Value": "1"}])
    assert cloud.ask("ListTags", ResourceArn=cloud.job()["TrainingJobArn"])["Tags"] == [{"Key": "run", "Value": "1"}]
    cloud.over()
