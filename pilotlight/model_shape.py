"""A model's size, read from its Transformers folder: config.json, and the headers of its safetensors files."""

import json
import math
import struct
from pathlib import Path
from typing import Any, Final

from pilotlight.finetune import FineTuneError
from pilotlight.training_file import ModelShape

_NAMES: Final = {
    "layers": ("num_hidden_layers", "n_layer", "num_layers"),
    "hidden": ("hidden_size", "n_embd", "d_model"),
    "vocabulary": ("vocab_size",),
}
_WINDOW: Final = ("max_position_embeddings", "n_positions")
_MOST_HEADER_BYTES: Final = 100_000_000
"""As safetensors itself has it."""


def read(folder: Path) -> ModelShape:
    """Raises FineTuneError where the folder does not say it."""
    config = _config(folder / "config.json")
    known = {name: _whole(config, names, folder) for name, names in _NAMES.items()}
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise FineTuneError(f"{folder} has no *.safetensors, whose headers tell the number of parameters.")
    window = next((config[name] for name in _WINDOW if type(config.get(name)) is int), None)  # some leave it out
    return ModelShape(parameters=sum(_parameters(file) for file in files), window=window, **known)


def toml(shape: ModelShape) -> str:
    """The key `shape` of [stages.NAME.finetune]."""
    return (
        "shape = { "
        + ", ".join(f"{name} = {value}" for name, value in shape.model_dump(exclude_none=True).items())
        + " }"
    )


def _config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FineTuneError(f"{path} cannot be read as JSON: {error}. Name a model's Transformers folder.") from error
    if not isinstance(config, dict):
        raise FineTuneError(f"{path} holds no object. Name a model's Transformers folder.")
    return config


def _whole(config: dict[str, Any], names: tuple[str, ...], folder: Path) -> int:
    for name in names:
        if type(config.get(name)) is int:
            return int(config[name])
    raise FineTuneError(f"{folder / 'config.json'} has no number {' or '.join(names)}: write the shape by hand.")


def _parameters(file: Path) -> int:
    """Of the tensors that the header lists. It begins with its own length, in eight bytes."""
    try:
        with file.open("rb") as opened:
            (length,) = struct.unpack("<Q", opened.read(8))
            if length > _MOST_HEADER_BYTES:
                raise ValueError(f"a header of {length} bytes")
            header = json.loads(opened.read(length))
        return sum(math.prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")
    except (OSError, ValueError, struct.error, KeyError, TypeError, AttributeError) as error:
        raise FineTuneError(f"{file} is no safetensors file: {error}. Download it again.") from error
