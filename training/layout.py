"""Where SageMaker puts what a training container reads, and where it collects what the container writes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.errors import TrainingError

FAILURE_CHARACTERS = 1024
"""SageMaker cuts a failure reason there."""


@dataclass(frozen=True)
class Layout:
    """The folders below `root`, which is `/opt/ml` in a container."""

    root: Path

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Layout":
        return cls(Path(environment.get("PILOTLIGHT_ML_ROOT", "/opt/ml")))

    @property
    def checkpoints(self) -> Path:
        return self.root / "checkpoints"

    @property
    def model(self) -> Path:
        """What is uploaded when the job ends."""
        return self.root / "model"

    def channel(self, name: str) -> Path | None:
        """The input channel's folder, None where the job has no such channel."""
        folder = self.root / "input" / "data" / name
        return folder if folder.is_dir() else None

    def required_channel(self, name: str, holds: str) -> Path:
        """Raises TrainingError where the job has no such channel; `holds` says what belongs there."""
        folder = self.channel(name)
        if folder is None:
            raise TrainingError(f"The job has no input channel {name}: add one with {holds}.")
        return folder

    def config(self, name: str) -> dict[str, Any]:
        """A file of `input/config`, empty where SageMaker wrote none.

        Raises:
            TrainingError: the file is not a JSON object.
        """
        path = self.root / "input" / "config" / name
        if not path.exists():
            return {}
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as exc:  # UnicodeDecodeError is one
            raise TrainingError(f"input/config/{name} is not JSON: {exc}.") from exc
        if not isinstance(content, dict):
            raise TrainingError(f"input/config/{name} must hold a JSON object, not a {type(content).__name__}.")
        return content

    def write_failure(self, sentence: str) -> None:
        folder = self.root / "output"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "failure").write_text(sentence[:FAILURE_CHARACTERS], encoding="utf-8")

    @property
    def has_failed(self) -> bool:
        return (self.root / "output" / "failure").is_file()


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
