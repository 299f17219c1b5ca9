"""A training job's folders, as SageMaker would lay them out."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAM = (sys.executable, "-m", "training")


@dataclass(frozen=True)
class Job:
    """A job on a tiny model. `hyperparameters` are strings, as on the wire."""

    root: Path

    def channel(self, name: str) -> Path:
        folder = self.root / "input" / "data" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def rows(self, *rows: dict[str, Any], file: str = "train.jsonl", channel: str = "training") -> None:
        content = "".join(json.dumps(row) + "\n" for row in rows)
        (self.channel(channel) / file).write_text(content)

    def ask(self, **hyperparameters: str) -> None:
        self.config("hyperparameters.json", hyperparameters)

    def config(self, name: str, content: Any) -> None:
        folder = self.root / "input" / "config"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(content))

    def model(self, folder: Path, channel: str = "model") -> None:
        place = self.root / "input" / "data" / channel
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.symlink_to(folder)

    @property
    def facts(self) -> Any:
        return json.loads((self.root / "model" / "pilotlight" / "training.json").read_text())

    @property
    def weights(self) -> bytes:
        return (self.root / "model" / "model.safetensors").read_bytes()

    @property
    def failure(self) -> str:
        return (self.root / "output" / "failure").read_text()


def dolly(count: int) -> list[dict[str, str]]:
    return [
        {"instruction": f"Light lamp {index}", "context": "", "response": f"Lamp {index} burns. Call closed"}
        for index in range(count)
    ]
