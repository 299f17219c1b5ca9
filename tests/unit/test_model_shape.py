"""`pilot finetune shape`: a model's size out of its own files."""

import json
import struct
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pilotlight.cli.main import app
from pilotlight.finetune import FineTuneError
from pilotlight.model_shape import read

CONFIG = {"num_hidden_layers": 2, "hidden_size": 8, "vocab_size": 100}


def folder_of(folder: Path, config: Any, **tensors: list[int]) -> Path:
    """Two files, as a sharded model has them."""
    (folder / "config.json").write_text(json.dumps(config))
    for number, (name, shape) in enumerate(tensors.items()):
        entry = {"dtype": "BF16", "shape": shape, "data_offsets": [0, 0]}
        header = json.dumps({"__metadata__": {"format": "pt"}, name: entry}).encode()
        (folder / f"model-{number}.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    return folder


def test_the_headers_of_all_files_tell_the_parameters(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, CONFIG, embed=[100, 8], norm=[8])
    assert read(folder).model_dump() == {
        "parameters": 808,
        "layers": 2,
        "hidden": 8,
        "vocabulary": 100,
        "window": None,
    }


def test_older_models_name_their_sizes_otherwise(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"n_layer": 3, "n_embd": 4, "vocab_size": 5}, a=[1])
    assert (read(folder).layers, read(folder).hidden) == (3, 4)


@pytest.mark.parametrize("name", ["max_position_embeddings", "n_positions"])
def test_what_it_reads_at_most_is_its_window(tmp_path: Path, name: str) -> None:
    folder = folder_of(tmp_path, {**CONFIG, name: 64}, a=[1])
    assert read(folder).window == 64


def test_it_is_printed_as_the_file_takes_it(tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["finetune", "shape", str(folder_of(tmp_path, CONFIG, a=[3, 3]))])
    assert told.exit_code == 0
    assert tomllib.loads(told.stdout) == {"shape": {"parameters": 9, "layers": 2, "hidden": 8, "vocabulary": 100}}


@pytest.mark.parametrize(
    ("config", "weights", "says"),
    [
        ({**CONFIG, "vocab_size": "many"}, b"", "has no number vocab_size"),
        ([], b"", "holds no object"),
        (CONFIG, None, "has no \\*.safetensors"),
        (CONFIG, b"", "is no safetensors file"),
        (CONFIG, struct.pack("<Q", 2**60), "a header of"),
        (CONFIG, struct.pack("<Q", 2) + b"[]", "is no safetensors file"),
        (CONFIG, struct.pack("<Q", 9) + b'{"a": {}}', "is no safetensors file"),
    ],
)
def test_a_folder_that_does_not_say_it_is_refused(
    tmp_path: Path, config: Any, weights: bytes | None, says: str
) -> None:
    folder_of(tmp_path, config)
    if weights is not None:
        (tmp_path / "model.safetensors").write_bytes(weights)
    with pytest.raises(FineTuneError, match=says):
        read(tmp_path)


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FineTuneError, match=r"config\.json cannot be read"):
        read(tmp_path / "nowhere")
