"""How a model of the catalog is fine-tuned: `data/training.toml`, resolved for one stage without asking the network.

The result is made of the Lambda code's own types, so that what is checked here is what is read there.
"""

import csv
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, cast

from pydantic import BaseModel, ConfigDict, Field

from pilotlight.catalog import Instance, instances

sys.path.insert(0, str(Path(__file__).parents[1] / "lambda"))

from finetune.errors import BadRequest
from finetune.hyperparameters import RULES, Profile, complete
from finetune.memory import check_training
from finetune.spec import InstanceFacts, Settings, Shape, TrainingSpec

__all__ = ["RULES", "BadRequest", "FineTune", "InstanceFacts", "Settings", "check_training", "complete"]

_DATA: Final = Path(__file__).parent / "data"


@dataclass(frozen=True, slots=True, kw_only=True)
class FineTune:
    """A stage's fine-tuning: what its functions are told, and what its jobs must be allowed to read."""

    settings: Settings

    def to_json(self) -> str:
        """What the functions read (`finetune.spec.Settings.from_json`)."""
        return self.settings.to_json()

    @property
    def inputs(self) -> tuple[str, ...]:
        """S3 URIs that jobs read beside the dataset; one that ends with a slash is a prefix."""
        return tuple(dict.fromkeys((*self.settings.spec.channels.values(), self.settings.spec.base_model)))

    @property
    def images(self) -> tuple[str, ...]:
        """Image URIs that jobs run."""
        spec = self.settings.spec
        return tuple(dict.fromkeys(uri for uri in (spec.image_uri, spec.evaluation_image_uri) if uri))


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class JumpStartProgram(_Fact):
    """JumpStart's training of Llama 2; `image` and the S3 names are templates over {account} and {region}."""

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


class TrainedModel(_Fact):
    """One model's part of the file."""

    program: Literal["jumpstart", "own"]
    artifact_key: str | None = None
    instance_types: tuple[str, ...]
    fsdp: bool = True
    neither: bool = False
    defaults: Mapping[str, str] = Field(default_factory=dict)
    shape: ModelShape


class Metric(_Fact):
    Name: str
    Regex: str


class TrainingFile(_Fact):
    jumpstart: JumpStartProgram
    own: OwnProgram
    metrics: tuple[Metric, ...]
    models: Mapping[str, TrainedModel]


@cache
def training() -> TrainingFile:
    """The whole file."""
    return TrainingFile.model_validate(tomllib.loads((_DATA / "training.toml").read_text(encoding="utf-8")))


@cache
def training_instances() -> Mapping[str, Instance]:
    """Every instance type that a training may name: those that host and have a GPU, and those that only train."""
    with (_DATA / "training_instances.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    only_training = {row["instance_type"]: Instance.model_validate(row) for row in rows}
    return {**{name: facts for name, facts in instances().items() if facts.gpus}, **only_training}


def profile(model: str) -> Profile:
    """What the model adds to the table of hyperparameters."""
    facts = training().models[model]
    return Profile(model=model, defaults=dict(facts.defaults), fsdp=facts.fsdp, neither=facts.neither)


def shape(model: str) -> Shape:
    """The model's size."""
    return Shape(**training().models[model].shape.model_dump())


def resolve(
    model: str, *, region: str, account: str | None, base_model: str, gated: bool, own_image_uri: str | None
) -> TrainingSpec:
    """The model's program with its images and artifacts.

    `account` owns JumpStart's images in `region`, for a model that JumpStart trains. `base_model` is the served
    artifact's prefix. `own_image_uri` is the project's training container: needed where it trains, and everywhere
    what evaluates.
    """
    file = training()
    facts = file.models[model]
    common: dict[str, Any] = {
        "model": model,
        "base_model": base_model,
        "gated": gated,
        "profile": profile(model),
        "shape": shape(model),
        "metrics": tuple(metric.model_dump() for metric in file.metrics),
        "evaluation_image_uri": own_image_uri,
        "network_isolation": True,
        "encrypts_between_containers": True,
    }
    if facts.program == "own":
        return TrainingSpec(
            **common,
            image_uri=cast(str, own_image_uri),
            own_container=True,
            channels={"model": base_model},
            environment={},
            fixed_hyperparameters={},
            volume_size_gb=file.own.volume_size_gb,
            max_run_seconds=file.own.max_run_seconds,
        )
    program = file.jumpstart
    bucket = program.artifact_bucket.format(region=region)
    return TrainingSpec(
        **common,
        image_uri=program.image.format(account=account, region=region),
        own_container=False,
        channels={"code": program.script.format(region=region), "model": f"s3://{bucket}/{facts.artifact_key}"},
        environment=dict(program.environment),
        fixed_hyperparameters=dict(program.fixed_hyperparameters),
        volume_size_gb=program.volume_size_gb,
        max_run_seconds=program.max_run_seconds,
    )
