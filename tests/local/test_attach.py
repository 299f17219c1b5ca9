"""Jobs that somebody started with the SDK, as it leaves its models: compressed, in a bucket of its own.

Seen from outside, as one story: refused, deployed with what the refusal names, served, gone back to.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import Cdk, LocalCloud, Pilot
from .test_promotion import Stage
from .tuning import HYPERPARAMETERS, ROWS, Tuning, said_at

THEIRS = "sagemaker-us-east-1-000000000000"
PACKED, LOOSE = (
    f"s3://{THEIRS}/{name}/output/{form}" for name, form in (("packed", "model.tar.gz"), ("loose", "model/"))
)
pytestmark = pytest.mark.usefixtures("cloud")  # no fault outlives its test


@pytest.fixture(scope="module")
def tuning(up: LocalCloud, cdk: Cdk) -> Iterator[Tuning]:
    """With two jobs in the account that no run has started; the stage is as it was afterwards."""
    up.turn("on", budget_usd=100000)
    made = Tuning(up)
    made.s3.create_bucket(Bucket=THEIRS)
    rows = "\n".join(map(json.dumps, ROWS)).encode()
    made.s3.put_object(Bucket=THEIRS, Key="rows/train.jsonl", Body=rows)
    for name, form in (("packed", {}), ("loose", {"CompressionType": "NONE"})):
        up.client("sagemaker").create_training_job(**job(name, **form))
    while made.jobs_running():
        made.pass_by()
    yield made
    up.fault()
    stage = Stage(up, cdk)
    stage.deploy(roles=("Foundation", "FineTune", "Endpoint"))
    stage.promote("")


def job(name: str, **form: str) -> dict[str, Any]:
    """As an estimator of the SDK asks for it: nothing is said of compression."""

    def channel(name: str, uri: str) -> dict[str, Any]:
        return {"ChannelName": name, "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}}}

    return {
        "TrainingJobName": name,
        "RoleArn": "arn:aws:iam::000000000000:role/somebody",
        "AlgorithmSpecification": {"TrainingImage": "theirs", "TrainingInputMode": "File"},
        "InputDataConfig": [channel("model", "s3://a-model-hub/base/"), channel("training", f"s3://{THEIRS}/rows/")],
        "OutputDataConfig": {"S3OutputPath": f"s3://{THEIRS}/", **form},
        "ResourceConfig": {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        "HyperParameters": {**HYPERPARAMETERS, "instruction_tuned": "True"},
    }


@pytest.fixture(scope="module")
def refused(tuning: Tuning, pilot: Pilot) -> str:
    """What the run said that the stage's file as it comes has refused."""
    assert tuning.job("packed")["ModelArtifacts"]["S3ModelArtifacts"] == PACKED
    started = pilot("finetune", "--attach", "packed", "--yes", "--json")
    assert started.returncode == 0, started.stderr
    record = tuning.ended(json.loads(started.stdout)["id"])
    assert (record["status"], record["step"], record["usd"]) == ("failed", "Train", 0)
    return str(record["message"])


@pytest.fixture(scope="module")
def lines(tuning: Tuning, cdk: Cdk, refused: str) -> str:
    """The stage's configuration with what the refusal names, deployed. The other job's prefix comes to it."""
    found = re.search(r"attach_from = \[(.*)\] in \[stages\.local\.finetune\]", refused)
    assert found, refused
    made = f'finetune.attach_from = [{found[1]}, "s3://{THEIRS}/loose/"]'
    Stage(tuning.cloud, cdk).deploy(made, roles=("Foundation", "FineTune"))
    return made


@pytest.fixture(scope="module")
def served(tuning: Tuning, lines: str) -> dict[str, Any]:
    """How the run ended that has evaluated the archive with a dataset and promoted it, as the API tells it."""
    assert lines
    asked = {"attach": "packed", "dataset": tuning.dataset("judges"), "min_improvement": -1}
    answer = tuning.cloud.call("POST", "/finetunes", asked, headers={"x-api-key": tuning.deployment.admin_key})
    assert answer.status_code == 200, answer.text
    record = tuning.ended(answer.json()["id"])
    assert record["status"] == "done", record["message"]
    return record


def lies(tuning: Tuning) -> tuple[str, str, str]:
    """Where and how what SageMaker serves does, whatever the stack says; it answers through the API."""
    tuning.serves(tuning.cloud.model_data())
    found = tuning.cloud.model_source()
    return found["S3Uri"], found["S3DataType"], found["CompressionType"]


def is_not_served(tuning: Tuning, attached: str, artifact: str, *, before: str) -> None:
    """A job's model that does not answer gives way to the one from before."""
    tuning.faults({"fault": "model_error_5xx", "times": 100})
    record = tuning.ended(tuning.start("mute", attach=attached))
    tuning.cloud.fault()
    assert (record["step"], record["artifact"]) == ("Smoke", artifact)
    tuning.is_as_before(record, before)


AS_ARCHIVE, AS_PREFIX = (PACKED, "S3Object", "Gzip"), (LOOSE, "S3Prefix", "None")


def test_without_a_word_in_the_stages_file_nothing_of_it_is_served(tuning: Tuning, refused: str) -> None:
    assert (
        f'{PACKED}, which the endpoint\'s role may not read. Write attach_from = ["s3://{THEIRS}/packed/"]' in refused
    )
    assert tuning.override() == ""


def test_an_archive_from_another_bucket_is_evaluated_registered_and_served(
    tuning: Tuning, served: dict[str, Any]
) -> None:
    assert "compressed) at s3://" in said_at(served, "Train")
    assert served["evaluation"]["tuned"]["eval_loss"] != served["evaluation"]["base"]["eval_loss"]
    assert served["report"].startswith(f"s3://{tuning.bucket}/models/packed/report/")  # nothing is written elsewhere
    assert "<svg" in tuning.read(served["report"])
    package = tuning.cloud.client("sagemaker").describe_model_package(ModelPackageName=served["package_arn"])
    source = package["InferenceSpecification"]["Containers"][0]["ModelDataSource"]["S3DataSource"]
    assert (source["S3Uri"], source["S3DataType"], source["CompressionType"]) == AS_ARCHIVE
    assert lies(tuning) == AS_ARCHIVE


@pytest.mark.usefixtures("served")
def test_a_diff_is_clean_after_it_and_a_deploy_and_a_night_off_leave_it(tuning: Tuning, cdk: Cdk, lines: str) -> None:
    stage = Stage(tuning.cloud, cdk)
    diff = cdk("diff --all --fail", lines)
    assert diff.returncode == 0, diff.stdout + diff.stderr
    stage.deploy(f"{lines}\ncontainer_startup_timeout_seconds = 901")
    assert lies(tuning) == AS_ARCHIVE
    tuning.cloud.turn("off")
    tuning.cloud.turn("on")
    assert lies(tuning) == AS_ARCHIVE


@pytest.mark.usefixtures("served")
def test_what_fails_its_smoke_test_leaves_the_archive_that_served_before(tuning: Tuning) -> None:
    is_not_served(tuning, "loose", LOOSE, before=PACKED)
    assert lies(tuning) == AS_ARCHIVE


@pytest.mark.usefixtures("served")
def test_and_an_archive_that_fails_leaves_the_prefix(tuning: Tuning) -> None:
    record = tuning.ended(tuning.start("loose", attach="loose"))
    assert record["status"] == "done", record["message"]
    assert lies(tuning) == AS_PREFIX
    is_not_served(tuning, "packed", PACKED, before=LOOSE)
    assert lies(tuning) == AS_PREFIX
