"""`data/training.toml` and what is locked, `data/training_instances.csv`: how each model is trained, and on what."""

import csv
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from pilotlight.catalog import Instance, instances, locked

_DATA: Final = Path(__file__).parent / "data"

LOCK_FILE: Final = _DATA / "jumpstart_training.lock.json"
"""JumpStart's trainings by their models' names, as `pilot models lock-training` found them."""


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class JumpStartProgram(_Fact):
    """A training of JumpStart's; `image` and the S3 names are templates over {account} and {region}."""

    image: str
    script: str
    artifact_bucket: str
    volume_size_gb: int
    max_run_seconds: int
    environment: Mapping[str, str]
    fixed_hyperparameters: Mapping[str, str]


class OwnProgram(_Fact):
    """The project's own training container."""

    volume_size_gb: int
    max_run_seconds: int


class ModelShape(_Fact):
    parameters: int
    layers: int
    hidden: int
    vocabulary: int
    window: int | None = None


class Metric(_Fact):
    Name: str
    Regex: str


class _Model(_Fact):
    instance_types: tuple[str, ...]
    fsdp: bool = True
    neither: bool = False
    defaults: Mapping[str, str] = Field(default_factory=dict)
    shape: ModelShape


class OwnModel(_Model):
    """A model that the project's own container trains, from the artifact that is served."""

    program: Literal["own"] = "own"


class JumpStartModel(_Model):
    """A model that JumpStart trains, from `artifact_key`. `spec` holds what its training spec says differently from
    the file's [jumpstart]. Its hyperparameters are those of Llama 2's training, with other `defaults`, and further
    ones: `hyperparameters`, as a `Profile` has them. `regions` have its image; empty: all that the catalog knows.
    `source` is where the spec was found; None: where the file says.
    """

    program: Literal["jumpstart"]
    version: str | None = None
    source: str | None = None
    artifact_key: str
    regions: tuple[str, ...] = ()
    spec: Mapping[str, Any] = Field(default_factory=dict)
    hyperparameters: Mapping[str, Mapping[str, Any]] = Field(default_factory=dict)

    def over(self, usual: JumpStartProgram) -> JumpStartProgram:
        """The whole program. Raises ValidationError where `spec` has a key or a value that no program has."""
        return JumpStartProgram.model_validate({**usual.model_dump(), **self.spec})


class TrainingFile(_Fact):
    jumpstart: JumpStartProgram
    own: OwnProgram
    metrics: tuple[Metric, ...]
    not_causal: tuple[str, ...]  # models that no training of a causal model fits
    models: Mapping[str, Annotated[OwnModel | JumpStartModel, Field(discriminator="program")]]


@cache
def training() -> TrainingFile:
    """The whole file, with what was locked in place of its rows."""
    file = tomllib.loads((_DATA / "training.toml").read_text(encoding="utf-8"))
    return merged(file, locked(LOCK_FILE))


def merged(file: Mapping[str, Any], locked: Mapping[str, Mapping[str, Any]]) -> TrainingFile:
    """A locked row takes the place of the file's, but for what no spec says."""
    unsaid = {
        name: {key: value for key, value in row.items() if key in ("shape", "fsdp", "neither")}
        for name, row in file["models"].items()
    }
    rows = {name: {**unsaid.get(name, {}), **row} for name, row in locked.items()}
    return TrainingFile.model_validate({**file, "models": {**file["models"], **rows}})


@cache
def training_instances() -> Mapping[str, Instance]:
    """Every instance type that a training may name: those that host and have a GPU, and those that only train."""
    with (_DATA / "training_instances.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    only_training = {row["instance_type"]: Instance.model_validate(row) for row in rows}
    return {**{name: facts for name, facts in instances().items() if facts.gpus}, **only_training}
