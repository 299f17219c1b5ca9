"""The requests themselves, judged by the service model that botocore ships."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from finetune.errors import BadRequest
from finetune.hyperparameters import RULES
from finetune.jobs import beside, evaluation_request, job_name, training_request
from finetune.money import spent_usd
from finetune.plan import Plan
from finetune.spec import Settings
from hypothesis import given
from hypothesis import strategies as st

from pilotlight.local.sagemaker import wire
from pilotlight.training_file import training
from tests.unit.finetune.bucket import DATASET, GOOD, jsonl, report_of
from tests.unit.finetune.runs import BUCKET, LLAMA_31, MINE, OWN_IMAGE, ROLE, RUN_ID, own_program, planned, settings_of

PROMPTS = jsonl({"prompt": "Say 7.", "label": "7"})
WHOLE = {"train/a.jsonl": GOOD, "validation/a.jsonl": GOOD, "prompts.jsonl": PROMPTS}


def train(made: Plan, settings: Settings, *, spent: str = "0", attempt: int = 1) -> dict[str, Any]:
    return training_request(
        made,
        settings,
        instance_type=made.instance_types[0],
        attempt=attempt,
        spent_usd=Decimal(spent),
        bucket=BUCKET,
        role_arn=ROLE,
    )


def evaluate(made: Plan, settings: Settings, *, spent: str = "0") -> dict[str, Any]:
    return evaluation_request(
        made,
        settings,
        tuned_model=f"s3://{BUCKET}/models/job/output/model/",
        instance_type=made.evaluation_types[0],
        attempt=1,
        spent_usd=Decimal(spent),
        bucket=BUCKET,
        role_arn=ROLE,
    )


def channels(request: dict[str, Any]) -> dict[str, str]:
    return {entry["ChannelName"]: entry["DataSource"]["S3DataSource"]["S3Uri"] for entry in request["InputDataConfig"]}


@pytest.mark.parametrize("spot", [False, True])
@pytest.mark.parametrize("model", list(training().models))
def test_sagemaker_would_take_every_request(model: str, spot: bool) -> None:
    settings = settings_of(model)
    made = planned(settings, report_of(WHOLE), spot=spot)
    for request in (train(made, settings), evaluate(made, settings)):
        assert wire.request("CreateTrainingJob", request) == request
        assert request["OutputDataConfig"]["CompressionType"] == "NONE"
        assert {"Key": "pilotlight:stage", "Value": "dev"} in request["Tags"]
        assert {"Key": "pilotlight:run", "Value": RUN_ID} in request["Tags"]


def test_llama_is_trained_as_jumpstart_trains_it() -> None:
    settings = settings_of("llama-2-7b")
    request = train(planned(settings, report_of(WHOLE)), settings)
    assert request["AlgorithmSpecification"]["TrainingImage"].startswith(
        "763104351884.dkr.ecr.us-east-1.amazonaws.com/"
    )
    assert channels(request) == {
        "code": "s3://jumpstart-cache-prod-us-east-1/source-directory-tarballs/meta/transfer_learning/textgeneration/"
        "prepack/v1.0.1/sourcedir.tar.gz",
        "model": "s3://jumpstart-private-cache-prod-us-east-1/meta-training/train-meta-textgeneration-llama-2-7b.tar.gz",
        "training": f"{DATASET}train/",
        "validation": f"{DATASET}validation/",
    }
    assert request["Environment"] == {"accept_eula": "true"}
    assert request["HyperParameters"]["sagemaker_program"] == "transfer_learning.py"
    assert "pilotlight_task" not in request["HyperParameters"]
    assert request["ResourceConfig"] == {"InstanceType": "ml.g5.12xlarge", "InstanceCount": 1, "VolumeSizeInGB": 256}
    assert request["EnableNetworkIsolation"]
    assert request["EnableInterContainerTrafficEncryption"]
    names = [metric["Name"] for metric in request["AlgorithmSpecification"]["MetricDefinitions"]]
    assert names == [f"huggingface-textgeneration:{name}" for name in ("eval-loss", "eval-ppl", "train-loss")]


def test_falcon_is_trained_by_the_projects_container_from_what_is_served() -> None:
    settings = settings_of("falcon-7b")
    request = train(planned(settings), settings)
    assert request["AlgorithmSpecification"]["TrainingImage"] == OWN_IMAGE
    assert channels(request) == {"model": "s3://served-bucket/falcon-7b/", "training": f"{DATASET}train/"}
    assert request["HyperParameters"]["pilotlight_task"] == "train"


def test_a_script_of_the_users_own_is_started_as_jumpstarts_is() -> None:
    settings = own_program(hyperparameters={"lr": 2e-4, "bf16": True})
    made = planned(settings, report_of(WHOLE), hyperparameters={"peft_type": "lora"}, instance_count=2, spot=True)
    request = train(made, settings)
    assert wire.request("CreateTrainingJob", request) == request
    assert request["AlgorithmSpecification"] == {
        "TrainingImage": MINE,
        "TrainingInputMode": "File",
        "MetricDefinitions": [{"Name": "mine:train-loss", "Regex": "loss=([0-9.]+)"}],
    }
    assert channels(request) == {
        "code": "s3://my-bucket/code/mine.tar.gz",
        "model": "s3://served-bucket/custom/",
        "training": f"{DATASET}train/",
        "validation": f"{DATASET}validation/",
    }
    assert request["HyperParameters"] == {
        "lr": "0.0002",
        "bf16": "True",
        "peft_type": "lora",
        "sagemaker_program": "train.py",
        "sagemaker_submit_directory": "/opt/ml/input/data/code/mine.tar.gz",
    }
    assert request["Environment"] == {"COLOUR": "red"}
    assert (request["ResourceConfig"]["VolumeSizeInGB"], request["ResourceConfig"]["InstanceCount"]) == (64, 2)
    assert not request["EnableNetworkIsolation"]
    assert request["OutputDataConfig"] == {"S3OutputPath": f"s3://{BUCKET}/models/", "CompressionType": "NONE"}


def test_what_a_script_trained_is_evaluated_by_the_projects_container_which_knows_none_of_its_hyperparameters() -> None:
    settings = own_program()
    made = planned(settings, report_of(WHOLE), hyperparameters={"lr": 1})
    request = evaluate(made, settings)
    assert wire.request("CreateTrainingJob", request) == request
    assert request["AlgorithmSpecification"]["TrainingImage"] == OWN_IMAGE
    assert request["HyperParameters"] == {
        "instruction_tuned": "True",
        "chat_dataset": "False",
        "pilotlight_task": "evaluate",
    }


def test_what_only_one_training_of_jumpstarts_takes_is_sent_to_it_and_not_to_the_evaluation() -> None:
    settings = settings_of(LLAMA_31, hyperparameters={"chat_template": "Llama3"})
    made = planned(settings, report_of(WHOLE), hyperparameters={"target_modules": "k_proj"})
    sent = train(made, settings)["HyperParameters"]
    assert (sent["target_modules"], sent["chat_template"], sent["int8_quantization"]) == ("k_proj", "Llama3", "True")
    told = evaluate(made, settings)["HyperParameters"]
    assert told == {**{name: text for name, text in sent.items() if name in RULES}, "pilotlight_task": "evaluate"}


@pytest.mark.parametrize(("environment", "accepts"), [({"accept_eula": "true"}, {"AcceptEula": True}), ({}, None)])
def test_jumpstarts_gated_artifact_is_read_by_who_accepts_its_eula(environment: Any, accepts: Any) -> None:
    settings = settings_of("llama-2-7b")
    settings = replace(settings, spec=replace(settings.spec, environment=environment))
    request = train(planned(settings, report_of(WHOLE)), settings)
    assert wire.request("CreateTrainingJob", request) == request
    sources = {entry["ChannelName"]: entry["DataSource"]["S3DataSource"] for entry in request["InputDataConfig"]}
    assert sources["model"].get("ModelAccessConfig") == accepts
    assert not any("ModelAccessConfig" in source for name, source in sources.items() if name != "model")


def test_an_evaluation_has_both_models_and_the_prompts() -> None:
    settings = settings_of("llama-2-7b")
    request = evaluate(planned(settings, report_of(WHOLE)), settings)
    assert request["AlgorithmSpecification"]["TrainingImage"] == OWN_IMAGE
    assert channels(request) == {
        "model": "s3://served-bucket/llama-2-7b/",
        "tuned": f"s3://{BUCKET}/models/job/output/model/",
        "training": f"{DATASET}train/",
        "validation": f"{DATASET}validation/",
        "prompts": f"{DATASET}prompts.jsonl",
    }
    assert request["HyperParameters"]["pilotlight_task"] == "evaluate"
    [base, *others] = [entry["DataSource"]["S3DataSource"] for entry in request["InputDataConfig"]]
    assert base["ModelAccessConfig"] == {"AcceptEula": True}
    assert not any("ModelAccessConfig" in other for other in others)
    assert request["OutputDataConfig"]["S3OutputPath"] == f"s3://{BUCKET}/models/job/report/"


FOLDERS = st.from_regex(r"(s3://[a-z]{3,9}/(models/|team/|)){1}[a-z0-9-]{1,63}/", fullmatch=True)


@given(FOLDERS, st.sampled_from(["model/", "model.tar.gz"]), st.booleans())
def test_a_report_is_never_served_with_its_model_and_lies_where_the_stage_may_write(
    folder: str, form: str, is_ours: bool
) -> None:
    """Beside the model, where that is among the stage's own."""
    model = f"{folder}output/{form}"
    bucket = folder.split("/")[2] if is_ours else BUCKET
    report, own = beside(model, bucket), f"s3://{bucket}/models/"
    job = folder.rstrip("/").rpartition("/")[2]
    assert report == (f"{folder}report/" if model.startswith(own) else f"{own}{job}/report/")
    assert not report.startswith(model)


def test_a_spot_job_keeps_checkpoints_and_waits_beyond_its_runtime() -> None:
    settings = settings_of("falcon-7b", spot=True)
    request = train(planned(settings), settings)
    stopping = request["StoppingCondition"]
    assert request["EnableManagedSpotTraining"]
    assert stopping["MaxWaitTimeInSeconds"] > stopping["MaxRuntimeInSeconds"]
    assert request["CheckpointConfig"]["S3Uri"] == f"s3://{BUCKET}/checkpoints/{RUN_ID}/"


def test_what_was_spent_shortens_the_next_attempt_until_there_is_none() -> None:
    settings = settings_of()
    made = planned(settings)
    first, second = train(made, settings), train(made, settings, spent="20", attempt=2)
    assert first["StoppingCondition"]["MaxRuntimeInSeconds"] == made.max_runtime_seconds
    shorter = first["StoppingCondition"]["MaxRuntimeInSeconds"] - second["StoppingCondition"]["MaxRuntimeInSeconds"]
    assert shorter == pytest.approx(20 / 7.09 * 3600, abs=1)
    assert first["TrainingJobName"] != second["TrainingJobName"]
    with pytest.raises(BadRequest, match=r"has cost USD 39\.50 of at most 50"):
        train(made, settings, spent="39.5", attempt=3)
    with pytest.raises(BadRequest, match="the evaluation"):
        evaluate(made, settings, spent="49.9")


def test_the_longest_name_fits() -> None:
    name = job_name("s" * 28, "r" * 18, 99, evaluation=True)
    assert len(name) <= 63
    assert name != job_name("s" * 28, "r" * 18, 99)


def test_what_a_job_cost_is_what_it_was_billed_for() -> None:
    settings = settings_of()
    started = datetime(2026, 11, 24, 17, tzinfo=UTC)
    resources = {"InstanceType": "ml.g5.12xlarge", "InstanceCount": 2}
    hour = timedelta(hours=1)
    job: dict[str, Any] = {"ResourceConfig": resources}
    assert spent_usd(job, settings.instances, started) == 0
    job["TrainingStartTime"] = started
    assert spent_usd(job, settings.instances, started + hour) == Decimal("14.18")
    job["TrainingEndTime"] = started + hour / 2
    assert spent_usd(job, settings.instances, started + 9 * hour) == Decimal("7.09")
    job["BillableTimeInSeconds"] = 900
    assert spent_usd(job, settings.instances, started + 9 * hour) == Decimal("3.545")
