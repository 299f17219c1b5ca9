"""How one model is trained, and what the stage sets for its runs: handed to the functions as one JSON object."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from finetune.hyperparameters import Profile, Scalar


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The model's size, for the estimate of its memory."""

    parameters: int
    layers: int
    hidden: int
    vocabulary: int


@dataclass(frozen=True, kw_only=True)
class TrainingSpec:
    """One model's training program. `own_container`: it speaks the project's training contract, so it also evaluates,
    trains on several instances, and takes no notice of other files beside the training files. Else it is JumpStart's.

    `channels` are inputs beside the dataset, S3 URIs by channel name: one ending with a slash is a prefix. `base_model` is
    the one of the served artifact, as a Transformers folder, for evaluation. `fixed_hyperparameters` are the container's own.
    `evaluation_image_uri` is the project's own container; None: nothing can evaluate, and the job's own metrics judge.
    """

    model: str
    image_uri: str
    own_container: bool
    channels: Mapping[str, str]
    base_model: str
    gated: bool  # the EULA was accepted in the config: the jobs say so
    environment: Mapping[str, str]
    fixed_hyperparameters: Mapping[str, str]
    profile: Profile
    shape: Shape
    metrics: tuple[Mapping[str, str], ...]  # {"Name", "Regex"}
    evaluation_image_uri: str | None
    volume_size_gb: int
    network_isolation: bool
    encrypts_between_containers: bool
    max_run_seconds: int


@dataclass(frozen=True, kw_only=True)
class InstanceFacts:
    """All GPUs together. `usd_per_hour` is None where no price is known."""

    gpus: int
    gpu_memory_gib: int
    usd_per_hour: Decimal | None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A stage's part: defaults of a run, and the facts of the instance types that it may name."""

    stage: str
    spec: TrainingSpec
    instance_types: tuple[str, ...]  # first choice first
    max_cost_usd: Decimal
    min_improvement: float
    spot: bool
    approve: bool
    approval_hours: int
    hyperparameters: Mapping[str, Scalar]
    instances: Mapping[str, InstanceFacts]

    def to_json(self) -> str:
        """Compact, and the same for the same settings."""
        return json.dumps(asdict(self), default=str, separators=(",", ":"), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Settings":
        """What `to_json` gave. Raises KeyError or ValueError for anything else."""
        data = json.loads(text)
        spec = data["spec"]
        return cls(
            **{
                **data,
                "spec": TrainingSpec(
                    **{
                        **spec,
                        "profile": Profile.from_data(spec["profile"]),
                        "shape": Shape(**spec["shape"]),
                        "metrics": tuple(spec["metrics"]),
                    }
                ),
                "instance_types": tuple(data["instance_types"]),
                "max_cost_usd": Decimal(data["max_cost_usd"]),
                "instances": {name: _instance(facts) for name, facts in data["instances"].items()},
            }
        )


def _instance(facts: Mapping[str, Any]) -> InstanceFacts:
    usd = facts["usd_per_hour"]
    return InstanceFacts(**{**facts, "usd_per_hour": None if usd is None else Decimal(usd)})
