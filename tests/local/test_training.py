"""Training jobs in the cloud: S3 to S3, the clock, the metrics and the state machines that wait for them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .bare import ROLE, Bare

PROGRAM = """
import json, os, pathlib, signal, sys, time
root = pathlib.Path(os.environ["PILOTLIGHT_ML_ROOT"])
asked = json.loads((root / "input/config/hyperparameters.json").read_text())
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("train_epoch_loss=0.5", flush=True)
(root / "model/config.json").write_text((root / "input/data/training/rows.jsonl").read_text())
(root / "model/weights").write_bytes(bytes(9_000_000))
time.sleep(float(asked.get("sleep", "0")))
if "fail" in asked:
    (root / "output/failure").write_text(asked["fail"])
    sys.exit(1)
"""
BUCKET = "training-bucket"


@pytest.fixture(scope="module")
def asked(bare: Bare, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, Any]]:
    """The request for a job whose training image is played by PROGRAM, on the bucket's dataset."""
    folder: Path = tmp_path_factory.mktemp("program")
    (folder / "training.py").write_text(PROGRAM)
    bare.client("s3").create_bucket(Bucket=BUCKET)
    bare.client("s3").put_object(Bucket=BUCKET, Key="datasets/one/rows.jsonl", Body=b"{}")

    def request(name: str, **hyperparameters: str) -> dict[str, Any]:
        source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/datasets/one/"}
        return {
            "TrainingJobName": name,
            "RoleArn": ROLE,
            "AlgorithmSpecification": {
                "TrainingImage": "image",
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "train-loss", "Regex": "train_epoch_loss=([0-9.]+)"}],
            },
            "InputDataConfig": [{"ChannelName": "training", "DataSource": {"S3DataSource": source}}],
            "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/models/", "CompressionType": "NONE"},
            "ResourceConfig": {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30},
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
            "HyperParameters": hyperparameters,
            # A module of this name elsewhere on the path is not to be taken for the project's own.
            "Environment": {"PYTHONSAFEPATH": "1", "PYTHONPATH": str(folder)},
        }

    return request


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return request.node.name.replace("_", "-").replace("[", "-").replace("]", "")[-60:].strip("-")  # type: ignore[no-any-return]


Asked = Callable[..., dict[str, Any]]


def test_an_advance_waits_for_a_job_and_its_model_is_in_s3(bare: Bare, asked: Asked, name: str) -> None:
    sagemaker = bare.client("sagemaker")
    sagemaker.create_training_job(**asked(name, sleep="1"))
    before = bare.now()
    bare.advance(3600)
    job = sagemaker.describe_training_job(TrainingJobName=name)
    assert job["TrainingJobStatus"] == "Completed", job
    assert (job["TrainingEndTime"] - before).total_seconds() < 60
    assert job["BillableTimeInSeconds"] >= 1
    assert [(metric["MetricName"], metric["Value"]) for metric in job["FinalMetricDataList"]] == [("train-loss", 0.5)]
    found = bare.client("s3").get_object(Bucket=BUCKET, Key=f"models/{name}/output/model/config.json")
    assert found["Body"].read() == b"{}"
    weights = bare.client("s3").head_object(Bucket=BUCKET, Key=f"models/{name}/output/model/weights")
    assert weights["ContentLength"] == 9_000_000  # in parts


def test_metrics_reach_cloudwatch(bare: Bare, asked: Asked, name: str) -> None:
    started = bare.now()
    bare.client("sagemaker").create_training_job(**asked(name))
    bare.advance(120)
    found = bare.client("cloudwatch").get_metric_statistics(
        Namespace="/aws/sagemaker/TrainingJobs",
        MetricName="train-loss",
        Dimensions=[{"Name": "TrainingJobName", "Value": name}],
        StartTime=started.replace(second=0, microsecond=0),
        EndTime=bare.now(),
        Period=60,
        Statistics=["Maximum"],
    )
    assert [point["Maximum"] for point in found["Datapoints"]] == [0.5]


def machine(resource: str, parameters: dict[str, Any], **more: Any) -> dict[str, Any]:
    state = {"Type": "Task", "Resource": f"arn:aws:states:::{resource}", "Parameters": parameters, "End": True}
    return {"StartAt": "Call", "States": {"Call": state | more, "Caught": {"Type": "Pass", "End": True}}}


CATCH = {"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]}


def test_a_task_waits_for_its_job(bare: Bare, asked: Asked, name: str) -> None:
    run = bare.start(bare.machine(name, machine("sagemaker:createTrainingJob.sync", asked(name, sleep="1"))))
    bare.advance(0)
    job = json.loads(bare.execution(run)["output"])
    assert (job["TrainingJobName"], job["TrainingJobStatus"]) == (name, "Completed")
    assert job["TrainingEndTime"] > 1e12  # milliseconds


def test_a_task_fails_with_its_job(bare: Bare, asked: Asked, name: str) -> None:
    given = asked(name, fail="No row is usable.")
    run = bare.start(bare.machine(name, machine("sagemaker:createTrainingJob.sync", given, **CATCH)))
    bare.advance(0)
    caught = json.loads(bare.execution(run)["output"])
    assert caught["Error"] == "States.TaskFailed"
    assert json.loads(caught["Cause"])["FailureReason"] == "AlgorithmError: No row is usable., exit code: 1"


def test_a_task_fails_where_the_job_is_refused(bare: Bare, asked: Asked, name: str) -> None:
    given = asked(name) | {"StoppingCondition": {"MaxWaitTimeInSeconds": 5}}
    run = bare.start(bare.machine(name, machine("sagemaker:createTrainingJob.sync", given, **CATCH)))
    caught = json.loads(bare.ended(run)["output"])
    assert caught["Error"] == "SageMaker.AmazonSageMakerException"
    assert "EnableManagedSpotTraining" in caught["Cause"]


def test_an_execution_that_is_stopped_stops_its_job(bare: Bare, asked: Asked, name: str) -> None:
    given = asked(name, sleep="60")
    run = bare.start(bare.machine(name, machine("sagemaker:createTrainingJob.sync", given)))
    sagemaker = bare.client("sagemaker")

    def started() -> bool:
        return bool(sagemaker.list_training_jobs(NameContains=name, StatusEquals="InProgress")["TrainingJobSummaries"])

    bare.until(started)
    bare.client("stepfunctions").stop_execution(executionArn=run)
    bare.advance(0)
    assert bare.execution(run)["status"] == "ABORTED"
    assert sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"] == "Stopped"


def test_a_task_out_of_time_stops_its_job(bare: Bare, asked: Asked, name: str) -> None:
    given = asked(name, sleep="60")
    task = machine("sagemaker:createTrainingJob.sync", given, TimeoutSeconds=3, **CATCH)
    run = bare.start(bare.machine(name, task))
    assert json.loads(bare.ended(run)["output"])["Error"] == "States.Timeout"
    bare.advance(0)
    job = bare.client("sagemaker").describe_training_job(TrainingJobName=name)
    assert job["TrainingJobStatus"] == "Stopped"


def test_tasks_create_describe_and_stop_jobs_by_the_sdk(bare: Bare, asked: Asked, name: str) -> None:
    def call(action: str, parameters: dict[str, Any]) -> Any:
        made = bare.machine(f"{name[-40:]}-{action}", machine(f"aws-sdk:sagemaker:{action}", parameters))
        return json.loads(bare.ended(bare.start(made))["output"])

    assert call("createTrainingJob", asked(name, sleep="60"))["TrainingJobArn"].endswith(f"/{name}")
    job = call("describeTrainingJob", {"TrainingJobName": name})
    assert job["TrainingJobStatus"] == "InProgress"
    assert job["CreationTime"].endswith("Z")
    assert job["SecondaryStatusTransitions"][0]["StartTime"].endswith("Z")
    assert job["HyperParameters"] == {"sleep": "60"}
    call("stopTrainingJob", {"TrainingJobName": name})
    bare.advance(0)
    assert call("describeTrainingJob", {"TrainingJobName": name})["SecondaryStatus"] == "Stopped"


def test_a_group_by_cloudformation_takes_packages_by_the_sdk(bare: Bare, name: str) -> None:
    stacks, sagemaker = bare.client("cloudformation"), bare.client("sagemaker")
    properties = {"ModelPackageGroupName": "tuned", "Tags": [{"Key": "stage", "Value": "local"}]}
    group = {"Type": "AWS::SageMaker::ModelPackageGroup", "Properties": properties}
    stacks.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": {"Group": group}}))
    bare.advance(0)
    [found] = stacks.describe_stack_resources(StackName=name)["StackResources"]
    assert sagemaker.list_tags(ResourceArn=found["PhysicalResourceId"])["Tags"] == properties["Tags"]
    given = {"ModelPackageGroupName": "tuned", "CustomerMetadataProperties": {"run_id": "1"}}
    made = bare.ended(bare.start(bare.machine(name, machine("aws-sdk:sagemaker:createModelPackage", given))))
    package = sagemaker.describe_model_package(ModelPackageName=json.loads(made["output"])["ModelPackageArn"])
    assert package["CustomerMetadataProperties"] == {"run_id": "1"}
    sagemaker.delete_model_package(ModelPackageName=package["ModelPackageArn"])
    stacks.delete_stack(StackName=name)
    bare.advance(0)
    assert sagemaker.list_model_package_groups()["ModelPackageGroupSummaryList"] == []
