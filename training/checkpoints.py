"""Checkpoints: everything that the rest of a run needs, in one file that is complete or absent."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from training.errors import TrainingError

SUFFIX = ".pt"


def save(folder: Path, name: str, content: dict[str, Any]) -> None:
    """Write the checkpoint and remove older ones. Names are sorted by age."""
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f"{name}.writing"
    torch.save(content, unfinished)
    unfinished.replace(folder / f"{name}{SUFFIX}")
    for older in sorted(folder.glob(f"*{SUFFIX}"))[:-1]:
        older.unlink()


def newest(folder: Path, fingerprint: str, say: Callable[[str], None]) -> dict[str, Any] | None:
    """The newest checkpoint that can be read, None where there is none.

    Raises:
        TrainingError: it belongs to a run with other rows, hyperparameters or another model.
    """
    for path in sorted(folder.glob(f"*{SUFFIX}"), reverse=True):
        try:
            content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, KeyError, ValueError) as exc:
            say(f"The checkpoint {path.name} is passed over, because it cannot be read: {exc}")
            continue
        if content.get("fingerprint") != fingerprint:
            raise TrainingError(
                f"The checkpoint {path.name} is of a run with other rows, hyperparameters or another model: start this"
                " run with a checkpoint location of its own."
            )
        return content
    return None
