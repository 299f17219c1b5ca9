"""[stages.NAME.finetune]: what becomes of it, and how each mistake in it is named."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from finetune.spec import Settings

from pilotlight.config import ConfigError, Problem, Stage, load
from pilotlight.fine_tune import LONGEST_SETTINGS, priced_instances
from pilotlight.local.sagemaker import wire
from pilotlight.training_choice import LOCAL_IMAGE
from pilotlight.training_file import training, training_instances

LLAMA = 'model = "llama-2-7b"\naccept_eula = true\n'
FALCON = 'model = "falcon-7b"\n'
TABLE = "[stages.dev.finetune]\n"
IMAGE = "111122223333.dkr.ecr.us-east-1.amazonaws.com/pilotlight-training:1.0"

Loader = Callable[..., Stage]


@pytest.fixture
def dev(tmp_path: Path) -> Loader:
    """Loads a file whose one stage, `dev`, has the given body."""

    def load_body(body: str, **where: Any) -> Stage:
        path = tmp_path / "pilotlight.toml"
        path.write_text(f'default_stage = "dev"\n[stages.dev]\n{body}', encoding="utf-8")
        return load(path, "dev", **({"target": "aws", "region": "us-east-1"} | where))

    return load_body


def settings_of(stage: Stage) -> Settings:
    assert stage.finetune is not None
    return stage.finetune.settings


def refusal(call: Callable[[], object]) -> Problem:
    with pytest.raises(ConfigError) as caught:
        call()
    [problem] = caught.value.problems
    return problem


def test_llama_can_be_tuned_without_a_word(dev: Loader) -> None:
    settings = settings_of(dev(LLAMA))
    assert settings.instance_types == ("ml.g5.12xlarge", "ml.g5.24xlarge", "ml.g5.48xlarge", "ml.p3dn.24xlarge")
    assert (settings.max_cost_usd, settings.min_improvement, settings.approval_hours) == (Decimal(50), 0.0, 72)
    assert (settings.spot, settings.approve, settings.spec.gated) == (False, False, True)
    assert settings.spec.evaluation_image_uri is None


def test_what_is_written_replaces_every_default(dev: Loader) -> None:
    stage = dev(
        FALCON
        + TABLE
        + f"""
        image_uri = "{IMAGE}"
        instance_types = ["ml.g5.48xlarge"]
        max_cost_usd = 12.5
        min_improvement = 0.05
        spot = true
        approve = true
        approval_hours = 5
        hyperparameters = {{ epoch = 3, learning_rate = "2e-4", int8_quantization = true }}
        """
    )
    settings = settings_of(stage)
    assert (settings.spec.image_uri, settings.spec.evaluation_image_uri) == (IMAGE, IMAGE)
    assert (settings.instance_types, settings.max_cost_usd) == (("ml.g5.48xlarge",), Decimal("12.5"))
    assert (settings.min_improvement, settings.spot, settings.approve, settings.approval_hours) == (0.05, True, True, 5)
    assert settings.hyperparameters == {"epoch": 3, "learning_rate": "2e-4", "int8_quantization": True}
    assert stage.finetune is not None
    assert stage.finetune.inputs == (stage.model_data_url,)
    assert stage.finetune.images == (IMAGE,)


@pytest.mark.parametrize("model", list(training().models))
def test_the_functions_read_what_the_stack_hands_them(dev: Loader, model: str) -> None:
    settings = settings_of(dev(f'model = "{model}"\naccept_eula = true\n', target="local"))
    text = settings.to_json()
    assert Settings.from_json(text) == settings
    assert len(text) <= LONGEST_SETTINGS


def test_a_model_that_nobody_can_train_has_none(dev: Loader) -> None:
    assert dev(FALCON).finetune is None  # no image of the training container
    own = 'image_uri = "111122223333.dkr.ecr.us-east-1.amazonaws.com/a:1"\nmodel_data_url = "s3://my-bucket/a/"\n'
    assert dev('model = "alexatm-20b"\n' + own).finetune is None


def test_on_the_embedded_cloud_no_image_is_needed(dev: Loader) -> None:
    assert settings_of(dev('model = "smollm2-135m-instruct"\n', target="local")).spec.image_uri == LOCAL_IMAGE


@pytest.mark.parametrize(
    ("body", "key", "says"),
    [
        (LLAMA + TABLE + "spots = true", "spots", "did you mean spot"),
        (LLAMA + TABLE + "max_cost_usd = 0", "max_cost_usd", "a number from 1 to 1000000"),
        (LLAMA + TABLE + "min_improvement = 5", "min_improvement", "a number from -1 to 1"),
        (LLAMA + TABLE + "approval_hours = 0", "approval_hours", "an integer from 1 to 720"),
        (LLAMA + TABLE + 'spot = "yes"', "spot", "true or false"),
        (LLAMA + TABLE + "instance_types = []", "instance_types", "one to five"),
        (LLAMA + TABLE + 'instance_types = ["ml.g5.13xlarge"]', "instance_types", "did you mean"),
        (LLAMA + TABLE + 'instance_types = ["ml.inf2.xlarge"]', "instance_types", "no facts"),
        (LLAMA + TABLE + 'instance_types = ["ml.g5.4xlarge"]', "instance_types", "no price is known"),
        (LLAMA + TABLE + 'instance_types = ["ml.g4dn.xlarge"]', "instance_types", "GiB free on each GPU"),
        (LLAMA + TABLE + 'instance_types = ["ml.g5.12xlarge", "ml.g5.12xlarge"]', "instance_types", "twice"),
        (LLAMA + TABLE + "hyperparameters = { epoch = 0 }", "hyperparameters.epoch", "an integer from 1 to 1000"),
        (LLAMA + TABLE + "hyperparameters = { epohc = 1 }", "hyperparameters.epohc", "did you mean epoch"),
        (LLAMA + TABLE + "hyperparameters = { epoch = [] }", "hyperparameters.epoch", "a table"),
        (FALCON + TABLE + "spot = true", "image_uri", "the project's own container"),
        (LLAMA + TABLE + f'image_uri = "{IMAGE.replace("us-east-1", "eu-west-1")}"', "image_uri", "its own Region"),
        (LLAMA + TABLE + 'image_uri = "docker.io/x"', "image_uri", "Amazon ECR"),
    ],
)
def test_a_mistake_is_named(dev: Loader, body: str, key: str, says: str) -> None:
    problem = refusal(lambda: dev(body))
    assert problem.key.startswith(f"stages.dev.finetune.{key}")
    assert says in f"{problem.reason} {problem.allowed}"
    assert problem.fix


def test_a_table_for_a_model_that_nobody_can_train_is_refused(dev: Loader) -> None:
    problem = refusal(lambda: dev('model = "falcon-40b"\n' + TABLE + "spot = true"))
    assert problem.key == "stages.dev.finetune"
    assert "llama-2-7b" in problem.allowed


def test_sagemaker_trains_on_every_type_that_may_be_named() -> None:
    """The service model is the judge; `training_instances.csv` holds those that it does not host on."""
    trains = set(wire.service_model().shape_for("TrainingInstanceType").metadata["enum"])
    assert set(training_instances()) <= trains
    assert set(priced_instances()) <= trains
    for facts in training().models.values():
        assert set(facts.instance_types) <= set(priced_instances())
