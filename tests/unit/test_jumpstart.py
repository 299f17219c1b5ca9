"""`pilot models lock`: which versions of JumpStart's specs become rows of the catalog, and what they say there."""

import io
import json
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotlight import jumpstart
from pilotlight.catalog import LOCK_FILE, Model, instances, jumpstart_models, models, registry_accounts
from pilotlight.cli import models as command
from pilotlight.cli.terminal import Refused
from pilotlight.config import load
from pilotlight.jumpstart import LockError
from pilotlight.training_file import training

ID = "huggingface-llm-example-7b"
TGI = "huggingface-pytorch-tgi-inference:2.4.0-tgi2.4.0-gpu-py311-cu124-ubuntu22.04"
LMI = "djl-inference:0.29.0-lmi11.0.0-cu124"
ACCOUNTS = {"us-east-1": "763104351884", "af-south-1": "626614931356"}


def spec(
    version: str = "1.0.0", *, image: str | None = TGI, regions: tuple[str, ...] = tuple(ACCOUNTS), **own: Any
) -> Any:
    """One version as the package has it."""
    uris = {region: f"{ACCOUNTS[region]}.dkr.ecr.{region}.amazonaws.com/{image}" for region in regions}
    return {
        "modelId": ID,
        "version": version,
        "defaultInstanceType": "ml.g5.2xlarge",
        "instanceTypes": ["ml.g5.2xlarge", "ml.g5.12xlarge", "ml.x9.large", "ml.inf2.xlarge"],
        "prepackedArtifactKey": "huggingface-llm/example/artifacts/inference-prepack/v1.0.0/",
        "environment": {"ENDPOINT_SERVER_TIMEOUT": 3600, "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"},
        "instanceAliases": [{"region": region, "aliases": {"gpu": uri}} for region, uri in uris.items() if image],
        "instanceVariants": [
            {"instanceType": "g5", "imageUri": "$gpu"},
            {"instanceType": "inf2", "imageUri": "$neuron"},
            {"instanceType": "ml.g5.12xlarge", "environment": {"SM_NUM_GPUS": 4}},
        ],
    } | own


def row(*versions: Any) -> dict[str, Any]:
    taken, left = rows(*versions)
    assert (list(taken), left) == ([ID], [])
    return taken[ID]


def rows(*versions: Any) -> tuple[dict[str, dict[str, Any]], list[jumpstart.Left]]:
    return jumpstart.rows(versions, accounts=ACCOUNTS, hosting=instances(), known=["pytorch-textgeneration1-alexa20b"])


def test_a_row_says_what_the_spec_says() -> None:
    assert row(spec()) == {
        "jumpstart_id": ID,
        "jumpstart_version": "1.0.0",
        "image": f"{{account}}.dkr.ecr.{{region}}.amazonaws.com/{TGI}",
        "artifact": "s3://jumpstart-cache-prod-{region}/huggingface-llm/example/artifacts/inference-prepack/v1.0.0/",
        "default_instance_type": "ml.g5.2xlarge",
        "known_instance_types": ["ml.g5.2xlarge", "ml.g5.12xlarge"],
        "environment": {"ENDPOINT_SERVER_TIMEOUT": "3600"},
        "environment_by_instance_type": {"ml.g5.12xlarge": {"SM_NUM_GPUS": "4"}},
    }


def test_the_newest_version_that_can_be_deployed_is_taken() -> None:
    newer = spec("10.0.0", image=None)
    assert row(spec("9.1.0"), newer, spec("9.2.0"), spec("2.0.0"))["jumpstart_version"] == "9.2.0"


def test_a_gated_model_lies_in_the_gated_bucket_and_has_its_eula() -> None:
    gated = row(spec(gatedBucket=True, requiresEula="fmhMetadata/eula/exampleEula.txt"))
    assert gated["artifact"].startswith("s3://jumpstart-private-cache-prod-{region}/")
    assert gated["eula_key"] == "fmhMetadata/eula/exampleEula.txt"


def test_a_model_that_some_regions_lack_says_which_have_it() -> None:
    assert row(spec(regions=("us-east-1",)))["regions"] == ["us-east-1"]


def test_an_lmi_container_is_taken_and_djls_older_ones_are_not() -> None:
    assert row(spec(image=LMI))["image"].endswith(LMI)
    taken, left = rows(spec(image="djl-inference:0.23.0-deepspeed0.9.5-cu118"))
    assert taken == {}
    assert "djl-inference, does not speak the contract tgi" in left[0].reason


@pytest.mark.parametrize(
    ("own", "reason"),
    [
        ({"image": None}, "no version names an image"),
        ({"prepackedArtifactKey": "a/b/infer.tar.gz"}, "a .tar.gz"),
        ({"defaultInstanceType": "ml.g5.999xlarge"}, "ml.g5.999xlarge"),
    ],
)
def test_what_cannot_be_deployed_is_left_out_with_a_reason(own: dict[str, Any], reason: str) -> None:
    taken, left = rows(spec(**own))
    assert taken == {}
    assert [one.model_id for one in left] == [ID]
    assert reason in left[0].reason


def test_models_of_other_tasks_and_those_with_a_name_here_are_no_rows() -> None:
    others = [spec(modelId="huggingface-asr-whisper"), spec(modelId="pytorch-textgeneration1-alexa20b")]
    assert rows(*others) == ({}, [])


@given(st.permutations([spec(f"{major}.{minor}.0") for major in (1, 2, 11) for minor in (0, 3)]))
def test_the_order_of_the_specs_does_not_matter(versions: list[Any]) -> None:
    assert row(*versions)["jumpstart_version"] == "11.3.0"


def wheel(found: dict[str, Any]) -> bytes:
    """The package as PyPI has it: a wheel around a .tgz around JSON around deflate around JSON."""
    squeeze = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    data = squeeze.compress(json.dumps(found).encode()) + squeeze.flush()
    inner, outer = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:gz") as archive:
        content = json.dumps({"type": "Buffer", "data": list(data)}).encode()
        member = tarfile.TarInfo("package/lib/patterns/gen-ai/aws-model-deployment-sagemaker/jumpstart-models.json")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    with zipfile.ZipFile(outer, "w") as archive_outside:
        archive_outside.writestr("cdklabs/_jsii/package.jsii.tgz", inner.getvalue())
    return outer.getvalue()


def test_the_specs_are_read_out_of_the_package() -> None:
    assert jumpstart.specs(wheel({"EXAMPLE_1_0_0": spec()})) == [spec()]


@pytest.mark.parametrize("broken", [b"", b"no wheel", wheel({"EXAMPLE": {"version": "1"}})])
def test_a_package_that_is_made_differently_is_refused(broken: bytes) -> None:
    with pytest.raises(LockError, match="does not hold the specs as version"):
        jumpstart.specs(broken)


class TestLock:
    def update(self, file: Path, *versions: Any, yes: bool = True) -> None:
        command.update(file, list(versions), version="1.2.3", yes=yes, as_json=False)

    def test_it_writes_a_file_that_the_catalog_reads(self, tmp_path: Path) -> None:
        file = tmp_path / "lock.json"
        self.update(file, spec())
        written = json.loads(file.read_text())
        assert "1.2.3" in written["source"]
        assert list(written["models"]) == [ID]

    def test_it_says_what_is_new_changed_and_gone(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        file = tmp_path / "lock.json"
        self.update(file, spec(), spec(modelId="huggingface-llm-gone"))
        capsys.readouterr()
        self.update(file, spec("2.0.0"), spec(modelId="huggingface-llm-new"))
        said = capsys.readouterr().out
        assert f"changed: {ID}" in said
        assert "new: huggingface-llm-new" in said
        assert "gone: huggingface-llm-gone" in said

    def test_without_a_yes_nothing_is_written(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO(""))
        file = tmp_path / "lock.json"
        with pytest.raises(Refused):
            self.update(file, spec(), yes=False)
        assert not file.exists()


class TestList:
    def test_each_model_has_a_line_that_says_where_it_runs(self, capsys: pytest.CaptureFixture[str]) -> None:
        command.list_models("smol")
        assert capsys.readouterr().out == "smollm2-135m-instruct  on the embedded cloud only\n"

    def test_an_id_of_hugging_face_is_known_to_work_although_no_row_has_it(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        command.list_models("Qwen/Qwen2.5-7B-Instruct")
        assert "huggingface.co" in capsys.readouterr().out


class TestLockFile:
    """What lies in the repository."""

    def test_it_is_as_the_command_writes_it(self) -> None:
        text = LOCK_FILE.read_text(encoding="utf-8")
        assert text == jumpstart.to_text(json.loads(text)["models"], version=jumpstart.VERSION)

    @pytest.mark.parametrize("model", jumpstart_models().values(), ids=lambda model: model.name)
    def test_every_model_of_it_can_be_deployed_as_it_stands(self, model: Model, tmp_path: Path) -> None:
        agreed = "accept_eula = true\n" if model.eula_key else ""
        file = tmp_path / "pilotlight.toml"
        file.write_text(f'default_stage = "dev"\n[stages.dev]\nmodel = "{model.name}"\n{agreed}', encoding="utf-8")
        stage = load(file, target="aws", region="us-east-1")
        account = registry_accounts()["us-east-1"]
        assert stage.image_uri.startswith(f"{account}.dkr.ecr.us-east-1.amazonaws.com/")
        assert str(stage.model_data_url).startswith("s3://jumpstart-")
        assert stage.gated == ("-private-" in str(stage.model_data_url))
        assert stage.finetune is None or model.name in training().models

    def test_nothing_of_it_has_a_name_of_its_own_in_the_catalog(self) -> None:
        assert not set(models()) & set(jumpstart_models())
