"""`pilot models lock-training`: which of JumpStart's trainings become rows, and what becomes of the others.

specs/meta-textgeneration-llama-2-7b.json is JumpStart's training spec of that model, version 3.0.0, as the project was
given it (facts/jumpstart_llama2_7b_training.json); the SDK knows all of its keys but `gated_training_artifact_key` and
`training_image_example`. specs/meta-textgeneration-llama-3-1-70b.json is the training side of another real one, version
2.16.2, out of the SDK's own test data: aws/sagemaker-python-sdk (Apache-2.0), commit
4459f53d744e24b0e17e037ad0b632dad5a8243d, sagemaker-serve/tests/unit/servers/data/jumpstart_specs. Its hosting,
payloads and lists of packages are left out. The other specs here are made of the first. The bucket is moto's:
JumpStart's was never read from here.
"""

import io
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from finetune.hyperparameters import MAX_INTEGER
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from pilotlight import jumpstart_program, jumpstart_training, training_file
from pilotlight.catalog import locked, model, registry_accounts
from pilotlight.cli import lock_training as command
from pilotlight.cli.models import to_data
from pilotlight.cli.terminal import Refused
from pilotlight.config import ConfigError, Stage, load
from pilotlight.jumpstart import LockError
from pilotlight.jumpstart_bucket import spec_in_file, training_spec
from pilotlight.jumpstart_program import OwnProgram
from pilotlight.jumpstart_training import Training
from pilotlight.training_file import LOCK_FILE, JumpStartModel, merged, training
from pilotlight.training_specs import resolve

SPECS = Path(__file__).parent / "specs"
SPEC = json.loads((SPECS / "meta-textgeneration-llama-2-7b.json").read_text(encoding="utf-8"))
LLAMA_31 = "meta-textgeneration-llama-3-1-70b"
LLAMA = "meta-textgeneration-llama-2-7b"
CODE_LLAMA = "meta-textgeneration-llama-codellama-7b"  # in the catalog by its id only
SHAPE = {"parameters": 6_738_546_688, "layers": 32, "hidden": 4096, "vocabulary": 32016, "window": 16384}
IMAGE = "huggingface-pytorch-training:2.8.0-transformers4.55.0-gpu-py312-cu129-ubuntu22.04"
_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x7f"))
OPEN = {"hosting_eula_key": None, "gated_bucket": False, "training_artifact_key": "open/train.tar.gz"}
ACCOUNTS = registry_accounts()
USUAL = merged(tomllib.loads((LOCK_FILE.parent / "training.toml").read_text(encoding="utf-8")), {})
"""The rows that were written by hand, whatever is locked."""


def spec(**own: Any) -> dict[str, Any]:
    return {**SPEC, "training_supported": True, "model_id": CODE_LLAMA} | own


def said(name: str, **own: Any) -> list[dict[str, Any]]:
    """All hyperparameters, one of them changed, or added."""
    known = {one["name"]: one for one in SPEC["hyperparameters"]}
    return list({**known, name: {"name": name, "scope": "algorithm", **known.get(name, {}), **own}}.values())


def variants(regions: Any = tuple(ACCOUNTS), **own: Any) -> dict[str, Any]:
    """As in the bucket: an image for each Region, and what instance types and families say."""
    return {
        "regional_aliases": {
            name: {"gpu": f"{ACCOUNTS[name]}.dkr.ecr.{name}.amazonaws.com/{IMAGE}", "neuron": "…"} for name in regions
        },
        "variants": {
            "g5": {"regional_properties": {"image_uri": "$gpu"}},
            "p3dn": {"regional_properties": {"image_uri": "$gpu"}},
        }
        | own,
    }


def parsed(found: dict[str, Any]) -> Training:
    return jumpstart_training.parse(
        found, accounts=ACCOUNTS, known_types=training_file.training_instances(), usual=USUAL.jumpstart
    )


def reasons(found: dict[str, Any]) -> list[str]:
    return list(jumpstart_training.differences(parsed(found), model(found["model_id"]), USUAL))


def row(found: dict[str, Any]) -> dict[str, Any]:
    assert reasons(found) == []
    return jumpstart_training.row(parsed(found), accounts=ACCOUNTS, usual=USUAL.jumpstart)


def own_program(found: dict[str, Any]) -> OwnProgram:
    return jumpstart_program.own_program(parsed(found), region="us-east-1", accounts=ACCOUNTS)


class TestRow:
    def test_the_real_spec_gives_the_row_that_was_written_by_hand(self) -> None:
        written = USUAL.models["llama-2-7b"]
        made = row(SPEC)
        assert isinstance(written, JumpStartModel)
        assert JumpStartModel.model_validate({**made, "shape": written.shape}) == written.model_copy(
            update={"version": "3.0.0"}
        )
        assert (made["spec"], made["defaults"]) == ({}, {})
        resolved = resolve(
            "llama-2-7b",
            JumpStartModel.model_validate({**made, "shape": written.shape}),
            region="us-west-2",
            account=ACCOUNTS["us-west-2"],
            base_model="s3://b/m/",
            gated=True,
            own_image_uri=None,
        )
        assert resolved.image_uri == SPEC["training_image_example"]
        assert list(resolved.metrics) == SPEC["metrics"]

    def test_hyperparameters_that_llama_2_does_not_have_are_kept_as_the_spec_bounds_them(self) -> None:
        more: list[dict[str, Any]] = [
            {"name": "a", "type": "text", "default": "q_proj,v_proj"},
            {"name": "b", "type": "text", "default": "lora", "options": ["lora", "None"]},
            {"name": "c", "type": "text", "default": "False", "options": ["True", "False"]},
            {"name": "d", "type": "int", "default": 3, "min": 1, "max": 5},
            {"name": "e", "type": "float", "default": 0.5},
        ]
        names = [{**one, "scope": "algorithm"} for one in more]
        found = jumpstart_training.row(
            parsed(spec(hyperparameters=[*SPEC["hyperparameters"], *names])), accounts=ACCOUNTS, usual=USUAL.jumpstart
        )
        assert found["hyperparameters"] == {
            "a": {"kind": "text", "default": "q_proj,v_proj"},
            "b": {"kind": "text", "options": ["lora", "None"], "default": "lora"},
            "c": {"kind": "flag", "default": "False"},
            "d": {"kind": "integer", "least": 1, "most": 5, "default": "3"},
            "e": {"kind": "number", "least": -MAX_INTEGER, "most": MAX_INTEGER, "default": "0.5"},
        }
        assert found["defaults"] == {}

    def test_it_says_what_the_spec_says_differently(self) -> None:
        made = row(
            spec(
                **OPEN,
                training_volume_size=512,
                estimator_kwargs={},
                training_prepacked_script_key=None,
                hyperparameters=said("lora_r", default=16),
                training_instance_type_variants=variants(),
            )
        )
        assert made["artifact_key"] == "open/train.tar.gz"
        assert made["defaults"] == {"lora_r": "16"}
        assert made["spec"] == {
            "image": f"{{account}}.dkr.ecr.{{region}}.amazonaws.com/{IMAGE}",
            "script": f"s3://jumpstart-cache-prod-{{region}}/{SPEC['training_script_key']}",
            "artifact_bucket": "jumpstart-cache-prod-{region}",
            "volume_size_gb": 512,
            "max_run_seconds": 86400,
            "environment": {},
        }
        assert "regions" not in made

    def test_only_instance_types_on_which_it_is_the_same_are_taken(self) -> None:
        other = {"properties": {"gated_model_key_env_var_value": "meta-training/p3dn/train.tar.gz"}}
        own = {"properties": {"gated_model_key_env_var_value": "meta-training/g5/train.tar.gz"}}
        found = spec(training_instance_type_variants=variants())
        named = found["training_instance_type_variants"]["variants"]
        for family, more in (("g5", own), ("p3dn", other)):
            named[family] = {**named[family], **more}
        named["ml.g5.48xlarge"] = {"properties": {"hyperparameters": [{"name": "lora_r", "default": 4}]}}
        made = row(found)
        assert made["instance_types"] == ["ml.g5.12xlarge", "ml.g5.24xlarge"]
        assert made["artifact_key"] == "meta-training/g5/train.tar.gz"

    def test_the_regions_that_have_its_image_are_named_where_not_all_have(self) -> None:
        assert row(spec(training_instance_type_variants=variants(("us-west-2", "us-east-1"))))["regions"] == [
            "us-east-1",
            "us-west-2",
        ]

    def test_a_training_without_fsdp_or_with_neither_says_so(self) -> None:
        never = [one for one in said("enable_fsdp", options=["False"], default="False") if one["name"] != "int8"]
        made = row(spec(hyperparameters=never))
        assert (made["fsdp"], made["neither"], made["defaults"]) == (False, True, {"enable_fsdp": "False"})

    def test_defaults_that_exclude_each_other_are_refused(self) -> None:
        with pytest.raises(LockError, match="do not fit each other"):
            row(spec(hyperparameters=said("int8_quantization", default="True")))

    def test_the_first_ranked_configuration_is_laid_over_the_spec(self) -> None:
        two = {"a": {"component_names": ["small"]}, "b": {"component_names": ["large", "open"]}}
        found = read(
            spec(
                training_configs=two,
                training_config_rankings={"overall": {"rankings": ["b", "a"]}},
                training_config_components={
                    "large": {"training_volume_size": 1024, "estimator_kwargs": {"max_run": 5}},
                    "open": {"estimator_kwargs": {"other": True}},
                },
            )
        )
        assert found["training_volume_size"] == 1024
        assert found["estimator_kwargs"] == {"encrypt_inter_container_traffic": True, "max_run": 5, "other": True}


@pytest.mark.parametrize(
    ("own", "says"),
    [
        (
            {"hyperparameters": said("target_modules", default="q_proj")},
            "its own hyperparameters target_modules may be",
        ),
        ({"hyperparameters": said("x", type="text", min=3, default="abc")}, "its own hyperparameters x may be"),
        ({"hyperparameters": said("x", type="float", exclusive_min=0, default=1)}, "its own hyperparameters x may be"),
        ({"hyperparameters": said("x", type="int", options=[1, 2], default=1)}, "its own hyperparameters x may be"),
        ({"hyperparameters": said("x", type="int", min=2, default=1)}, "its own hyperparameters x may be"),
        ({"hyperparameters": said("x", type="text")}, "its own hyperparameters x may be"),
        ({"hyperparameters": said("x", type="text", default="y" * 200)}, "too many for a stage's settings"),
        ({"hyperparameters": SPEC["hyperparameters"][1:]}, "does not have the hyperparameters int8_quantization"),
        ({"hyperparameters": said("lora_r", max=64)}, "its lora_r is not"),
        ({"hyperparameters": said("lora_dropout", exclusive_min=0)}, "its lora_dropout is not"),
        ({"hyperparameters": said("max_input_length", min=1)}, "its max_input_length is not"),
        ({"hyperparameters": said("chat_dataset", options=["False"])}, "its chat_dataset is not"),
        ({"hyperparameters": said("enable_fsdp", options=["True"])}, "its enable_fsdp is not"),
        ({"hyperparameters": said("seed", default=0.5)}, "its seed is not an integer"),
        ({"metrics": SPEC["metrics"][:1]}, "other metrics"),
        ({"training_enable_network_isolation": False}, "network isolation"),
        ({"model_id": "huggingface-llm-nobody-serves"}, "not in the catalog"),
        ({"model_id": "deepseek-llm-r1-distill-llama-8b"}, "asks for a EULA"),
        ({"model_id": "huggingface-llm-falcon-7b-bf16", **OPEN}, "the project's own container"),
    ],
)
def test_what_no_row_can_describe_is_told(own: dict[str, Any], says: str) -> None:
    [reason] = reasons(spec(**own))
    assert says in reason


@pytest.mark.parametrize(
    "own",
    [
        {"hyperparameters": None},
        {"default_training_instance_type": "ml.trn1.32xlarge", "supported_training_instance_types": []},
        {"training_ecr_specs": {**SPEC["training_ecr_specs"], "framework_version": "1.10.2"}},
        {"training_instance_type_variants": variants(g5={})},
        {"gated_bucket": False},
        {"metrics": [{}]},
    ],
)
def test_a_spec_that_lacks_something_is_refused(own: dict[str, Any]) -> None:
    with pytest.raises(LockError):
        parsed(spec(**own))


class TestOwnProgram:
    """A training with other hyperparameters, as a program of the user's own."""

    @pytest.mark.parametrize("more", [1, 30])
    def test_its_table_is_accepted_as_it_is_printed(self, more: int, tmp_path: Path) -> None:
        """Where its hyperparameters are many they go into run.toml."""
        new = [{"name": f"hyperparameter_{n}", "default": 1e-05, "scope": "algorithm"} for n in range(more)]
        found = spec(
            hyperparameters=[*SPEC["hyperparameters"], *new],
            training_enable_network_isolation=False,
            training_instance_type_variants=variants(),
        )
        program = own_program(found)
        stage = loaded(tmp_path, CODE_LLAMA, "[stages.dev.finetune]\n" + jumpstart_program.to_toml(program.table))
        assert stage.finetune is not None
        settings = stage.finetune.settings
        assert settings.spec.channels == {
            "code": f"s3://jumpstart-cache-prod-us-east-1/{SPEC['training_prepacked_script_key']}",
            "model": f"s3://jumpstart-private-cache-prod-us-east-1/{SPEC['gated_training_artifact_key']}",
        }
        assert settings.spec.image_uri == f"{ACCOUNTS['us-east-1']}.dkr.ecr.us-east-1.amazonaws.com/{IMAGE}"
        assert settings.spec.fixed_hyperparameters == {
            "sagemaker_program": "transfer_learning.py",
            "sagemaker_submit_directory": "/opt/ml/input/data/code/sourcedir.tar.gz",
        }
        assert list(settings.spec.metrics) == SPEC["metrics"]
        assert (settings.spec.environment, settings.spec.network_isolation) == ({"accept_eula": "true"}, False)
        told = {one["name"]: one["default"] for one in found["hyperparameters"] if one["scope"] == "algorithm"}
        assert told == {**settings.hyperparameters, **program.run.get("hyperparameters", {})}
        assert bool(program.run) == (more == 30)

    def test_a_region_without_its_image_is_refused(self) -> None:
        with pytest.raises(LockError, match="us-east-1"):
            own_program(spec(training_instance_type_variants=variants(("us-west-2",))))

    @given(
        st.dictionaries(
            _TEXT.filter(bool),
            st.recursive(
                _TEXT
                | st.integers(-(2**63), 2**63 - 1)
                | st.floats(allow_nan=False, allow_infinity=False)
                | st.booleans(),
                lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("aé\" '.-", min_size=1), inner),
                max_leaves=5,
            ),
        )
    )
    def test_toml_reads_what_is_written(self, table: dict[str, Any]) -> None:
        assert tomllib.loads(jumpstart_program.to_toml(table)) == table


def loaded(folder: Path, name: str, more: str = "", region: str = "us-east-1") -> Stage:
    path = folder / "pilotlight.toml"
    stage = f'default_stage = "dev"\n[stages.dev]\nmodel = "{name}"\naccept_eula = true\n'
    path.write_text(stage + more, encoding="utf-8")
    return load(path, "dev", target="aws", region=region)


def bucket(*specs: dict[str, Any]) -> Any:
    """boto3's client of moto's S3, with JumpStart's bucket in it."""
    client, name = boto3.client("s3", region_name="us-east-1"), "jumpstart-cache-prod-us-east-1"
    client.create_bucket(Bucket=name)
    manifest = []
    for one in specs:
        key = f"community_models/{one['model_id']}/specs_v{one['version']}.json"
        header = {"model_id": one["model_id"], "version": one["version"], "min_version": "2.0.0", "spec_key": key}
        manifest.append(header)
        client.put_object(Bucket=name, Key=key, Body=json.dumps(one).encode())
    client.put_object(Bucket=name, Key="models_manifest.json", Body=json.dumps(manifest).encode())
    return client


def read(*specs: dict[str, Any], model_id: str = CODE_LLAMA, version: str | None = None) -> dict[str, Any]:
    with mock_aws():
        return training_spec(bucket(*specs), "us-east-1", model_id, version)


class TestBucket:
    def test_the_newest_version_that_can_be_trained_is_read(self) -> None:
        specs = [spec(version="9.0.0"), spec(version="10.0.0"), spec(version="10.1.0", training_supported=False)]
        assert read(*specs)["version"] == "10.0.0"
        assert read(*specs, version="9.0.0")["version"] == "9.0.0"

    @pytest.mark.parametrize(
        ("own", "asked", "says"),
        [
            ({}, {"model_id": f"{CODE_LLAMA}b"}, f"did you mean {CODE_LLAMA}"),
            ({}, {"version": "4.0.0"}, "there are 3.0.0"),
            ({"training_supported": False}, {}, "cannot be trained"),
            ({"deprecated": True}, {}, "deprecated"),
            ({"training_vulnerable": True}, {}, "vulnerable"),
            ({"training_model_package_artifact_uris": {"us-east-1": "s3://…"}}, {}, "model package"),
            ({"training_configs": {"a": {"component_names": ["b"]}}}, {}, "not made as"),
        ],
    )
    def test_what_cannot_be_trained_is_refused(self, own: dict[str, Any], asked: dict[str, Any], says: str) -> None:
        with pytest.raises(LockError) as refused:
            read(spec(**own), **asked)
        assert says in str(refused.value)

    def test_a_bucket_that_cannot_be_read_is_said(self) -> None:
        with mock_aws(), pytest.raises(LockError, match="NoSuchBucket"):
            training_spec(boto3.client("s3", region_name="eu-west-3"), "eu-west-3", LLAMA, None)
        nowhere = boto3.client(
            "s3",
            region_name="us-east-1",
            endpoint_url="http://127.0.0.1:9",
            aws_access_key_id="a",
            aws_secret_access_key="b",  # noqa: S106 - nobody asks for it
            config=Config(retries={"total_max_attempts": 1}),
        )
        with pytest.raises(LockError, match="cannot be read: Could not connect"):
            training_spec(nowhere, "us-east-1", LLAMA, None)


class TestFile:
    def test_a_file_has_what_the_bucket_has(self, tmp_path: Path) -> None:
        found = spec(training_configs={"a": {"component_names": ["b"]}})
        found["training_config_components"] = {"b": {"training_volume_size": 1024}}
        file = tmp_path / "spec.json"
        file.write_text(json.dumps(found), encoding="utf-8")
        assert spec_in_file(file, CODE_LLAMA) == read(found)

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            (None, "cannot be read"),
            ("[]", "not made as JumpStart's specs are"),
            ("{", "not made as JumpStart's specs are"),
            (json.dumps(spec(model_id=LLAMA)), f"the spec of {LLAMA}"),
            (json.dumps(spec(deprecated=True)), "version 3.0.0 is deprecated"),
        ],
    )
    def test_what_is_no_spec_to_train_by_is_refused(self, text: str | None, says: str, tmp_path: Path) -> None:
        file = tmp_path / "spec.json"
        if text is not None:
            file.write_text(text, encoding="utf-8")
        with pytest.raises(LockError) as refused:
            spec_in_file(file, CODE_LLAMA)
        assert says in str(refused.value)


class TestCommand:
    @pytest.fixture
    def file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
        """The lock file that everything reads."""
        file = tmp_path / "training.lock.json"
        file.write_text('{"models": {}}', encoding="utf-8")
        monkeypatch.setattr(training_file, "LOCK_FILE", file)
        training.cache_clear()
        yield file
        training.cache_clear()

    def update(self, file: Path, found: dict[str, Any], name: str, **how: Any) -> None:
        with mock_aws():
            asked: dict[str, Any] = {"region": "us-east-1", "yes": True, "as_json": False} | how
            s3 = bucket(found)
            command.update(lambda known: training_spec(s3, "us-east-1", known, None), file, name, **asked)
        training.cache_clear()

    def test_a_model_that_is_locked_can_be_tuned(self, file: Path, tmp_path: Path) -> None:
        assert loaded(tmp_path, CODE_LLAMA).finetune is None
        found = spec(training_instance_type_variants=variants(("us-east-1",)), training_volume_size=300)
        self.update(file, found, CODE_LLAMA, shape=SHAPE)
        stage = loaded(tmp_path, CODE_LLAMA)
        assert stage.finetune is not None
        settings = stage.finetune.settings
        assert settings.spec.channels["model"].endswith(SPEC["gated_training_artifact_key"])
        assert (settings.spec.volume_size_gb, settings.spec.environment) == (300, {"accept_eula": "true"})
        assert settings.instance_types == tuple(SPEC["supported_training_instance_types"])
        known = model(CODE_LLAMA)
        assert known is not None
        assert to_data(known)["trained_by"] == "jumpstart"
        assert loaded(tmp_path, CODE_LLAMA, region="eu-west-1").finetune is None
        with pytest.raises(ConfigError, match="not known to be in eu-west-1"):
            loaded(tmp_path, CODE_LLAMA, "[stages.dev.finetune]\n", region="eu-west-1")

    def test_a_row_of_ours_is_replaced_but_for_what_no_spec_says(self, file: Path) -> None:
        before = training().models["llama-2-70b"]
        self.update(file, spec(model_id="meta-textgeneration-llama-2-70b", training_volume_size=512), "llama-2-70b")
        after = training().models["llama-2-70b"]
        assert isinstance(after, JumpStartModel)
        assert (after.version, after.spec, after.defaults) == ("3.0.0", {"volume_size_gb": 512}, {})
        assert (after.shape, after.fsdp) == (before.shape, False)

    def test_a_size_that_nobody_knows_is_asked_for_once(self, file: Path) -> None:
        with pytest.raises(Refused, match="--shape"):
            self.update(file, spec(), CODE_LLAMA)
        assert json.loads(file.read_text()) == {"models": {}}
        self.update(file, spec(), CODE_LLAMA, shape=SHAPE)
        self.update(file, spec(version="3.1.0"), CODE_LLAMA)
        written = json.loads(file.read_text())["models"]
        assert (list(written), written[CODE_LLAMA]["version"]) == ([CODE_LLAMA], "3.1.0")
        assert written[CODE_LLAMA]["shape"] == SHAPE

    def test_the_size_is_taken_as_pilot_finetune_shape_prints_it(self) -> None:
        text = ", ".join(f"{name} = {value}" for name, value in SHAPE.items())
        assert command.sized(f"shape = {{ {text} }}") == command.sized(f"{{ {text} }}") == SHAPE
        for wrong in ("7b", "{ parameters = 7 }", "{ layers = 1 }\na = 1"):
            with pytest.raises(Refused, match="pilot finetune shape"):
                command.sized(wrong)

    def test_what_is_no_row_is_printed_and_not_written(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        found = spec(hyperparameters=said("target_modules", default="q_proj,v_proj"))
        self.update(file, found, CODE_LLAMA, yes=False)
        told = capsys.readouterr()
        assert tomllib.loads(told.out)["stages"]["NAME"]["finetune"] == own_program(found).table
        assert "target_modules" in told.err
        assert "EULA" in told.err
        self.update(file, found, CODE_LLAMA, as_json=True)
        answer = json.loads(capsys.readouterr().out)
        assert (answer["finetune"], answer["run"], answer["model"]) == (own_program(found).table, {}, None)
        assert json.loads(file.read_text()) == {"models": {}}

    def test_the_row_is_printed_as_json(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.update(file, SPEC | {"training_supported": True}, "llama-2-7b", as_json=True)
        answer = json.loads(capsys.readouterr().out)
        assert (answer["jumpstart_id"], answer["model"]) == (LLAMA, "llama-2-7b")
        assert answer["row"] == json.loads(file.read_text())["models"]["llama-2-7b"]

    def test_the_shipped_lock_file_is_as_the_command_writes_it(self, file: Path) -> None:
        """Its one row is from a file; the size is that of the model's config.json, and of its weights in all."""
        shape = "parameters = 70553706496, layers = 80, hidden = 8192, vocabulary = 128256, window = 131072"
        source = locked(LOCK_FILE)[LLAMA_31]["source"]
        assert "aws/sagemaker-python-sdk 4459f53d" in source
        found = SPECS / f"{LLAMA_31}.json"
        command.lock_training(LLAMA_31, spec=found, source=source, shape=f"{{ {shape} }}", yes=True)
        assert file.read_text(encoding="utf-8") == LOCK_FILE.read_text(encoding="utf-8")

    def test_without_a_yes_nothing_is_written(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO(""))
        with pytest.raises(Refused, match="--yes"):
            self.update(file, spec(), CODE_LLAMA, shape=SHAPE, yes=False)
        assert json.loads(file.read_text()) == {"models": {}}


def test_a_file_has_one_version_and_only_a_file_has_a_source() -> None:
    for wrong in ({"spec": SPECS, "version": "1.0.0"}, {"source": "elsewhere"}):
        with pytest.raises(Refused):
            command.lock_training(LLAMA_31, **wrong)
