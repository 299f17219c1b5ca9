"""[stages.NAME.finetune]: what becomes of it, and how each mistake in it is named."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from finetune.programs import JumpStart, OwnContainer, Script
from finetune.sizes import Shape
from finetune.spec import Settings, TrainingSpec
from pydantic import ValidationError

from pilotlight.config import ConfigError, Problem, Stage, load
from pilotlight.fine_tune import LONGEST_SETTINGS, priced_instances
from pilotlight.local.sagemaker import wire
from pilotlight.training_choice import LOCAL_IMAGE
from pilotlight.training_file import JumpStartModel, training, training_instances
from pilotlight.training_specs import resolve

LLAMA = 'model = "llama-2-7b"\naccept_eula = true\n'
FALCON = 'model = "falcon-7b"\n'
TABLE = "[stages.dev.finetune]\n"
IMAGE = "111122223333.dkr.ecr.us-east-1.amazonaws.com/pilotlight-training:1.0"

MINE = "111122223333.dkr.ecr.us-east-1.amazonaws.com/mine:1.0"
CUSTOM = """model = "custom"
contract = "tgi"
image_uri = "111122223333.dkr.ecr.us-east-1.amazonaws.com/tgi:1"
model_data_url = "s3://my-bucket/my-model/"
instance_types = ["ml.g5.2xlarge"]
"""
SHAPE = "shape = { parameters = 1_100_048_384, layers = 22, hidden = 2048, vocabulary = 32000 }\n"
ON = 'instance_types = ["ml.g5.12xlarge"]\n'
OWN = f'image_uri = "{IMAGE}"\n'
SCRIPT = f'program = "script"\nimage_uri = "{MINE}"\n'
ARCHIVE = 'script_url = "s3://my-bucket/code/mine.tar.gz"\nentry_point = "train.py"\n'

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


def test_the_projects_container_can_be_built_by_the_deploy(dev: Loader) -> None:
    for body in (FALCON, LLAMA):  # trained by it, and judged by it
        stage = dev(body + TABLE + 'image_uri = "build"\n')
        assert stage.finetune is not None
        assert stage.finetune.builds
        built = stage.finetune.with_image(IMAGE)
        assert built.settings.spec.evaluation_image_uri == IMAGE
        assert not built.builds
    assert settings_of(dev(FALCON + TABLE + 'image_uri = "build"\n', target="local")).spec.image_uri == LOCAL_IMAGE


def test_beside_a_program_of_ones_own_it_can_only_evaluate(dev: Loader) -> None:
    stage = dev(CUSTOM + TABLE + SCRIPT + ON + 'evaluation_image_uri = "build"\n')
    assert stage.finetune is not None
    spec = stage.finetune.with_image(IMAGE).settings.spec
    assert (spec.image_uri, spec.evaluation_image_uri) == (MINE, IMAGE)
    problem = refusal(lambda: dev(CUSTOM + TABLE + SCRIPT.replace(MINE, "build") + ON))
    assert problem.key.endswith("finetune.image_uri")
    assert "evaluation_image_uri" in problem.fix


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


class TestAnyCausalModel:
    def test_its_size_is_all_that_the_projects_container_wants(self, dev: Loader) -> None:
        stage = dev(CUSTOM + TABLE + OWN + ON + SHAPE)
        spec = settings_of(stage).spec
        assert (spec.image_uri, spec.evaluation_image_uri) == (IMAGE, IMAGE)
        assert spec.channels == {"model": "s3://my-bucket/my-model/"}
        assert isinstance(spec.program, OwnContainer)
        assert spec.program.shape == Shape(parameters=1_100_048_384, layers=22, hidden=2048, vocabulary=32000)
        assert settings_of(stage).instance_types == ("ml.g5.12xlarge",)

    def test_a_model_of_the_catalog_that_nobody_described_can_be_described(self, dev: Loader) -> None:
        size = "shape = { parameters = 41_303_293_952, layers = 60, hidden = 8192, vocabulary = 65024 }\n"
        stage = dev('model = "falcon-40b"\n' + TABLE + OWN + 'instance_types = ["ml.p4d.24xlarge"]\n' + size)
        assert settings_of(stage).spec.channels == {"model": stage.model_data_url}

    def test_the_projects_container_can_train_what_jumpstart_would(self, dev: Loader) -> None:
        spec = settings_of(dev(LLAMA + TABLE + 'program = "own"\n' + OWN)).spec
        assert isinstance(spec.program, OwnContainer)
        assert (spec.image_uri, spec.gated, list(spec.channels)) == (IMAGE, True, ["model"])

    def test_on_the_embedded_cloud_it_needs_no_image(self, dev: Loader) -> None:
        settings = settings_of(dev(CUSTOM + TABLE + ON + SHAPE, target="local"))
        assert settings.spec.image_uri == LOCAL_IMAGE
        assert isinstance(settings.spec.program, OwnContainer)

    def test_a_custom_model_without_a_word_has_none(self, dev: Loader) -> None:
        assert dev(CUSTOM).finetune is None


class TestAProgramOfTheUsersOwn:
    def test_a_script_is_named_as_jumpstarts_is(self, dev: Loader) -> None:
        stage = dev(
            CUSTOM
            + TABLE
            + SCRIPT
            + ARCHIVE
            + ON
            + f"""
            evaluation_image_uri = "{IMAGE}"
            base_model_url = "s3://hub/base.tar.gz"
            metrics = [{{ name = "mine:train-loss", regex = 'loss=([0-9.]+)' }}]
            environment = {{ accept_eula = "true" }}
            hyperparameters = {{ peft_type = "lora", lr = 2e-4, bf16 = true }}
            volume_size_gb = 64
            network_isolation = false
            """
        )
        settings = settings_of(stage)
        spec = settings.spec
        assert spec.program == Script(shape=None)
        assert (spec.image_uri, spec.evaluation_image_uri) == (MINE, IMAGE)
        assert spec.channels == {"code": "s3://my-bucket/code/mine.tar.gz", "model": "s3://hub/base.tar.gz"}
        assert spec.fixed_hyperparameters == {
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": "/opt/ml/input/data/code/mine.tar.gz",
        }
        assert spec.metrics == ({"Name": "mine:train-loss", "Regex": "loss=([0-9.]+)"},)
        assert (spec.environment, spec.volume_size_gb, spec.network_isolation) == ({"accept_eula": "true"}, 64, False)
        assert settings.hyperparameters == {"peft_type": "lora", "lr": 2e-4, "bf16": True}
        assert Settings.from_json(settings.to_json()) == settings
        assert stage.finetune is not None
        assert stage.finetune.inputs == (*spec.channels.values(), "s3://my-bucket/my-model/")
        assert stage.finetune.images == (MINE, IMAGE)

    def test_an_image_can_be_the_whole_program(self, dev: Loader) -> None:
        spec = settings_of(dev(CUSTOM + TABLE + SCRIPT + ON)).spec
        assert (spec.channels, spec.fixed_hyperparameters) == ({"model": "s3://my-bucket/my-model/"}, {})
        assert (spec.evaluation_image_uri, spec.metrics, spec.network_isolation) == (None, (), True)

    @pytest.mark.parametrize("model", ["llama-2-7b", "falcon-7b", "falcon-40b"])
    def test_any_model_can_have_one(self, dev: Loader, model: str) -> None:
        settings = settings_of(dev(f'model = "{model}"\naccept_eula = true\n' + TABLE + SCRIPT + ON))
        row = training().models.get(model)
        known = Shape(**row.shape.model_dump()) if row else None
        assert settings.spec.program == Script(shape=known)

    def test_its_memory_is_nobodys_business(self, dev: Loader) -> None:
        body = LLAMA + TABLE + SCRIPT + 'instance_types = ["ml.g4dn.xlarge"]\n'
        assert settings_of(dev(body)).instance_types == ("ml.g4dn.xlarge",)

    def test_on_the_embedded_cloud_the_projects_container_stands_in(self, dev: Loader) -> None:
        body = CUSTOM + TABLE + 'program = "script"\n' + ARCHIVE + ON + "hyperparameters = { lr = 1 }\n"
        settings = settings_of(dev(body, target="local"))
        assert isinstance(settings.spec.program, OwnContainer)
        assert (settings.spec.image_uri, settings.spec.evaluation_image_uri) == (LOCAL_IMAGE, LOCAL_IMAGE)
        assert (list(settings.spec.channels), settings.hyperparameters) == (["model"], {})


ALEXA = """model = "alexatm-20b"
image_uri = "111122223333.dkr.ecr.us-east-1.amazonaws.com/a:1"
model_data_url = "s3://my-bucket/a/"
"""
_HALF_A_KILOBYTE = '"' + "x" * 512 + '"'
BULKY = "environment = { " + ", ".join(f"{name} = {_HALF_A_KILOBYTE}" for name in "ABCD") + " }"
ABROAD = IMAGE.replace("us-east-1", "eu-west-1")


@pytest.mark.parametrize(
    ("body", "key", "says"),
    [
        (CUSTOM + TABLE + OWN, "", 'program = "script"'),
        (CUSTOM + TABLE + OWN + ON + 'program = "own"', "shape", "how large custom is"),
        (CUSTOM + TABLE + OWN + ON + "shape = { layers = 2, hidden = 2, vocabulary = 2 }", "shape.para", "missing"),
        (
            CUSTOM
            + TABLE
            + OWN
            + ON
            + SHAPE.replace(" }", ", window = 2048 }")
            + "hyperparameters.max_input_length = 4096",
            "hyperparameters.max_input_length",
            "reads 2048 tokens at most",
        ),
        (LLAMA + TABLE + "hyperparameters.max_input_length = 5000", "hyperparameters.max_input_length", "reads 4096"),
        (CUSTOM + TABLE + OWN + ON + SHAPE.replace("22", "0"), "shape.layers", "num_hidden_layers"),
        (CUSTOM + TABLE + OWN + ON + SHAPE.replace("hidden", "width = 1, hidden"), "shape.width", "unknown key"),
        (CUSTOM + TABLE + ON + SHAPE, "image_uri", "the project's own container"),
        (CUSTOM + TABLE + OWN + SHAPE, "instance_types", "on what custom is trained"),
        (CUSTOM + TABLE + OWN + ON + SHAPE + "hyperparameters = { lr = 1 }", "hyperparameters.lr", "no hyperparameter"),
        (CUSTOM + TABLE + OWN + SHAPE + 'instance_types = ["ml.g5.13xlarge"]', "instance_types", "did you mean"),
        (CUSTOM + TABLE + OWN + ON + SHAPE.replace("1_100_", "99_100_"), "instance_types", "GiB free on each GPU"),
        (CUSTOM + TABLE + OWN + ON + SHAPE + 'entry_point = "a.py"', "entry_point", 'program = "script"'),
        (CUSTOM + TABLE + OWN + ON + SHAPE + "volume_size_gb = 9", "volume_size_gb", 'program = "script"'),
        (ALEXA + TABLE + OWN + ON + SHAPE, "shape", "no causal model"),
        (ALEXA + TABLE + OWN + ON + SHAPE + 'program = "own"', "program", "no causal model"),
        (LLAMA + TABLE + SHAPE, "shape", "JumpStart trains its own"),
        (LLAMA + TABLE + 'environment = { a = "b" }', "environment", "JumpStart's script"),
        (LLAMA + TABLE + 'program = "jumpstart"', "program", '"own"'),
        (LLAMA + TABLE + 'program = "script"', "image_uri", "an image of your own"),
        (CUSTOM + TABLE + SCRIPT, "instance_types", "on what custom is trained"),
        (CUSTOM + TABLE + SCRIPT + ON + 'entry_point = "train.py"', "script_url", "both an archive and a file"),
        (CUSTOM + TABLE + SCRIPT + ON + ARCHIVE.splitlines()[0], "entry_point", "both an archive and a file"),
        (CUSTOM + TABLE + SCRIPT + ON + ARCHIVE.replace("train.py", "../train.py"), "entry_point", "a .py or .sh"),
        (CUSTOM + TABLE + SCRIPT + ON + ARCHIVE.replace("mine.tar.gz", "mine/"), "script_url", ".tar.gz"),
        (CUSTOM + TABLE + SCRIPT + ON + 'base_model_url = "my-bucket/a"', "base_model_url", "S3 URI"),
        (CUSTOM + TABLE + SCRIPT.replace(MINE, ABROAD) + ON, "image_uri", "its own Region"),
        (CUSTOM + TABLE + SCRIPT + ON + f'evaluation_image_uri = "{ABROAD}"', "evaluation_image_uri", "its own Region"),
        (CUSTOM + TABLE + SCRIPT + ON + "metrics = [{ name = 'a', regex = 'b' }]", "metrics.0.regex", "first group"),
        (CUSTOM + TABLE + SCRIPT + ON + "metrics = [{ name = 'a', regex = '(b' }]", "metrics.0.regex", "first group"),
        (CUSTOM + TABLE + SCRIPT + ON + "metrics = [{ regex = '(b)' }]", "metrics.0.name", "missing"),
        (CUSTOM + TABLE + SCRIPT + ON + 'environment = { "1" = "b" }', "environment", "letters, digits"),
        (CUSTOM + TABLE + SCRIPT + ON + "hyperparameters = { a = [] }", "hyperparameters.a", "a table"),
        (CUSTOM + TABLE + SCRIPT + ON + f'hyperparameters = {{ a = "{"x" * 2501}" }}', "hyperparameters.a", "2500"),
        (CUSTOM + TABLE + SCRIPT + ON + 'hyperparameters = { a = "x\\ny" }', "hyperparameters.a", "one line"),
        (CUSTOM + TABLE + SCRIPT + ON + f'hyperparameters = {{ {"a" * 257} = 1 }}', "hyperparameters", "256"),
        (CUSTOM + TABLE + SCRIPT + ON + "hyperparameters.sagemaker_program = 1", "hyperparameters", "entry_point"),
        (
            CUSTOM + TABLE + SCRIPT + ON + f"hyperparameters = {{ {', '.join(f'a{n} = 1' for n in range(99))} }}",
            "hyperparameters",
            "98",
        ),
        (CUSTOM + TABLE + SCRIPT + ON + BULKY, "", "holds no more"),
        (LLAMA + TABLE + 'attach_from = "s3://b-1/"', "attach_from", "an array"),
        (LLAMA + TABLE + 'attach_from = ["my-bucket/a/"]', "attach_from.0", "S3 prefixes"),
        (LLAMA + TABLE + 'attach_from = ["s3://b-1"]', "attach_from.0", "S3 prefixes"),
        (LLAMA + TABLE + 'attach_from = ["s3://b-1/*/models/"]', "attach_from.0", "S3 prefixes"),
        (LLAMA + TABLE + 'attach_from = ["s3://b-1/${aws:username}/"]', "attach_from.0", "S3 prefixes"),
        (LLAMA + TABLE + 'attach_from = ["s3://b-1/a/", "s3://b-1/a/"]', "attach_from.1", "twice"),
        (LLAMA + TABLE + 'attach_from = ["s3://b-1/a/b/", "s3://b-1/a"]', "attach_from.0", "within s3://b-1/a,"),
        (LLAMA + TABLE + f"attach_from = {[f's3://b-1/{n}/' for n in range(10, 21)]}", "attach_from", "at most ten"),
    ],
)  # fmt: skip
def test_keys_that_do_not_go_together_are_named(dev: Loader, body: str, key: str, says: str) -> None:
    problem = refusal(lambda: dev(body))
    assert problem.key.startswith(f"stages.dev.finetune.{key}".rstrip("."))
    assert says in f"{problem.reason} {problem.allowed}"
    assert problem.fix


class TestLlama31:
    """A row of the lock file, with hyperparameters that Llama 2's training does not have."""

    BODY = 'model = "meta-textgeneration-llama-3-1-70b"\naccept_eula = true\n'

    def test_it_is_tuned_without_a_word_on_what_its_spec_names(self, dev: Loader) -> None:
        settings = settings_of(dev(self.BODY))
        assert settings.instance_types == ("ml.g5.48xlarge",)
        assert settings.spec.channels == {
            "code": "s3://jumpstart-cache-prod-us-east-1/source-directory-tarballs/training/meta-textgeneration/prepack/"
            "inference-meta-textgeneration/v1.2.0/sourcedir.tar.gz",
            "model": "s3://jumpstart-private-cache-prod-us-east-1/meta-training/g5/v1.0.0/"
            "train-meta-textgeneration-llama-3-1-70b.tar.gz",
        }
        assert settings.spec.environment == {"accept_eula": "true"}

    def test_its_own_hyperparameters_are_held_to_its_spec(self, dev: Loader) -> None:
        table = TABLE + "hyperparameters = { target_modules = %s, epoch = 2 }\n"
        settings = settings_of(dev(self.BODY + table % '"k_proj"'))
        assert settings.hyperparameters == {"target_modules": "k_proj", "epoch": 2}
        problem = refusal(lambda: dev(self.BODY + table % "7"))
        assert (problem.key, problem.value) == ("stages.dev.finetune.hyperparameters.target_modules", 7)
        assert problem.allowed == "a text of at most 2500 characters in one line"
        other = refusal(lambda: dev(LLAMA + table % '"k_proj"'))
        assert 'no hyperparameter "target_modules"' in other.reason

    def test_it_does_not_fit_its_gpus_without_int8(self, dev: Loader) -> None:
        """Its spec lets enable_fsdp be True all the same, which an instance type with more memory can use."""
        body = self.BODY + TABLE + "hyperparameters = { enable_fsdp = true }\n"
        assert refusal(lambda: dev(body)).key == "stages.dev.finetune.instance_types"
        assert dev(body + 'instance_types = ["ml.p4d.24xlarge"]\n').finetune

    def test_on_the_embedded_cloud_the_projects_container_is_not_told_of_them(self, dev: Loader) -> None:
        body = self.BODY + TABLE + 'hyperparameters = { target_modules = "k_proj", epoch = 2 }\n'
        settings = settings_of(dev(body, target="local"))
        assert settings.hyperparameters == {"epoch": 2}
        assert isinstance(settings.spec.program, JumpStart)
        assert settings.spec.program.profile.further == {}


def test_where_a_job_may_be_attached_from_is_read_by_the_stages_jobs_and_known_to_its_functions(dev: Loader) -> None:
    prefixes = ("s3://sagemaker-us-east-1-111122223333/", "s3://my-bucket/jumpstart-dft-")
    stage = dev(LLAMA + TABLE + f"attach_from = {list(prefixes)}\n")
    assert stage.finetune is not None
    assert set(prefixes) < set(stage.finetune.inputs)
    assert Settings.from_json(stage.finetune.to_json()).attach_from == settings_of(stage).attach_from == prefixes


def test_it_is_no_part_of_the_model_so_that_a_promoted_one_stays(dev: Loader) -> None:
    assert dev(LLAMA + TABLE + 'attach_from = ["s3://my-bucket/"]').fingerprint == dev(LLAMA).fingerprint


def test_a_row_can_say_what_its_jumpstart_spec_says_differently() -> None:
    row = JumpStartModel.model_validate(
        {
            "program": "jumpstart",
            "artifact_key": "training/other.tar.gz",
            "instance_types": ["ml.g5.12xlarge"],
            "spec": {"script": "s3://scripts-{region}/other.tar.gz", "environment": {}, "volume_size_gb": 512},
            "shape": {"parameters": 1, "layers": 1, "hidden": 1, "vocabulary": 1},
        }
    )
    spec = resolve(
        "other",
        row,
        region="us-east-1",
        account="763104351884",
        base_model="s3://b/other/",
        gated=False,
        own_image_uri=None,
    )
    usual = settings_spec("llama-2-7b")
    assert spec.channels["code"] == "s3://scripts-us-east-1/other.tar.gz"
    assert (spec.environment, spec.volume_size_gb, spec.image_uri) == ({}, 512, usual.image_uri)
    with pytest.raises(ValidationError):
        row.model_copy(update={"spec": {"scripts": "x"}}).over(training().jumpstart)


def settings_spec(model: str) -> TrainingSpec:
    return resolve(
        model,
        training().models[model],
        region="us-east-1",
        account="763104351884",
        base_model="s3://b/m/",
        gated=True,
        own_image_uri=None,
    )


def test_sagemaker_trains_on_every_type_that_may_be_named() -> None:
    """The service model is the judge; `training_instances.csv` holds those that it does not host on."""
    trains = set(wire.service_model().shape_for("TrainingInstanceType").metadata["enum"])
    assert set(training_instances()) <= trains
    assert set(priced_instances()) <= trains
    for facts in training().models.values():
        assert set(facts.instance_types) <= set(priced_instances())
