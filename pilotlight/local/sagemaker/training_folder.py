"""The folder that stands for /opt/ml in a training job: what SageMaker puts there, and what it takes from there."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pilotlight.local.sagemaker.records import Record
from pilotlight.local.sagemaker.storage import (
    Location,
    Storage,
    download,
    emptied,
    files_in,
    upload,
    upload_archive,
)

BASE_MODEL = "model"
"""The channel for which the built-in weights stand in when its bucket is not in this cloud: a model hub's."""
CHECKPOINTS = "/opt/ml/checkpoints"


def channel_source(channel: Record) -> Location:
    return Location.of(channel["DataSource"]["S3DataSource"]["S3Uri"])


class TrainingFolder:
    """`root` for one job; a new instance finds it as SageMaker would prepare it."""

    def __init__(self, root: Path, request: Record, storage: Storage) -> None:
        self.root = root
        self._request = request
        self._storage = storage

    @property
    def checkpoints(self) -> Path:
        return self.root / "checkpoints"

    def fill(self, weights: Callable[[], Path]) -> None:
        """Prepare it anew: configuration, channels, and the checkpoints of an instance before this one."""
        emptied(self.root)
        for part in ("input/config", "input/data", "model", "output", "checkpoints"):
            (self.root / part).mkdir(parents=True)
        self._configure()
        for channel in self._request.get("InputDataConfig", []):
            source, target = channel_source(channel), self.root / "input/data" / channel["ChannelName"]
            if channel["ChannelName"] == BASE_MODEL and not self._storage.has_bucket(source.bucket):
                target.symlink_to(weights().resolve(), target_is_directory=True)
            else:
                download(self._storage, source, emptied(target))
        if "CheckpointConfig" in self._request:
            download(self._storage, Location.of(self._request["CheckpointConfig"]["S3Uri"]), self.checkpoints)

    def _configure(self) -> None:
        resources = self._request["ResourceConfig"]
        # One process plays the job, however many instances it asks for.
        self._write(
            "resourceconfig",
            {
                "current_host": "algo-1",
                "current_instance_type": resources["InstanceType"],
                "hosts": ["algo-1"],
                "network_interface_name": "lo",
            },
        )
        self._write("hyperparameters", self._request.get("HyperParameters", {}))
        channels = self._request.get("InputDataConfig", [])
        mode = self._request["AlgorithmSpecification"]["TrainingInputMode"]
        self._write(
            "inputdataconfig",
            {
                channel["ChannelName"]: {
                    "TrainingInputMode": channel.get("InputMode", mode),
                    "S3DistributionType": "FullyReplicated",
                    "RecordWrapperType": channel.get("RecordWrapperType", "None"),
                }
                for channel in channels
            },
        )

    def _write(self, name: str, value: Any) -> None:
        (self.root / f"input/config/{name}.json").write_text(json.dumps(value))

    def failure(self) -> str:
        """What the program says of its failure, if it does."""
        said = self.root / "output/failure"
        return said.read_text(errors="replace").strip() if said.is_file() else ""

    def remove(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)

    def upload_model(self, target: Location) -> None:
        """A folder where the target is one, else an archive."""
        carry = upload if target.prefix.endswith("/") else upload_archive
        carry(self._storage, self.root / "model", target)


class Checkpoints:
    """Carries checkpoints to S3 as they are written; without a place in S3 it only sees them."""

    def __init__(self, folder: Path, storage: Storage, target: Location | None) -> None:
        self._folder = folder
        self._storage = storage
        self._target = target
        self._carried = self._state()

    def are_new(self) -> bool:
        """Whether some were written that were not carried yet."""
        return self._state() != self._carried

    def carry(self) -> None:
        state = self._state()
        if self._target:
            changed = [path for path in state if state[path] != self._carried.get(path)]
            upload(self._storage, self._folder, self._target, (path for path in changed if path.exists()))
        self._carried = state

    def _state(self) -> dict[Path, tuple[int, int]]:
        found = {}
        for path in files_in(self._folder):
            try:
                status = path.stat()
            except FileNotFoundError:  # a program clears away its older ones
                continue
            found[path] = (status.st_mtime_ns, status.st_size)
        return found
