"""How one model is trained, and what the stage sets for its runs: handed to the functions as one JSON object."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from finetune import programs
from finetune.hyperparameters import Scalar
from finetune.programs import Program
from finetune.sizes import InstanceFacts


@dataclass(frozen=True, kw_only=True)
class TrainingSpec:
    """How one model is trained.

    `channels` are inputs beside the dataset, S3 URIs by channel name. `base_model` is the served artifact, a prefix,
    for evaluation. `fixed_hyperparameters` are the container's own. `evaluation_image_uri` is the project's container;
    None: nothing can evaluate, and the training's own metrics judge.
    """

    model: str
    program: Program
    image_uri: str
    channels: Mapping[str, str]
    base_model: str
    gated: bool  # the EULA was accepted in the config: the jobs say so
    environment: Mapping[str, str]
    fixed_hyperparameters: Mapping[str, str]
    metrics: tuple[Mapping[str, str], ...]  # {"Name", "Regex"}
    evaluation_image_uri: str | None
    volume_size_gb: int
    network_isolation: bool
    encrypts_between_containers: bool
    max_run_seconds: int

    @property
    def uploaded_bytes(self) -> int:
        """The most that a training leaves."""
        return programs.uploaded_bytes(self.program, self.volume_size_gb)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A stage's part: defaults of a run, the facts of the instance types that it may name, and the S3 prefixes beside
    the stage's own from which a job's model may be attached.
    """

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
    attach_from: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Compact, for an environment variable (all of a function's have 4 KB together), and always the same."""
        data = asdict(self)
        data["instances"] = {
            name: [facts.gpus, facts.gpu_memory_gib, str(facts.usd_per_hour)] for name, facts in self.instances.items()
        }
        return json.dumps(data, default=str, separators=(",", ":"))

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
                        "program": programs.from_data(spec["program"]),
                        "metrics": tuple(spec["metrics"]),
                    }
                ),
                "instance_types": tuple(data["instance_types"]),
                "attach_from": tuple(data["attach_from"]),
                "max_cost_usd": Decimal(data["max_cost_usd"]),
                "instances": {name: _instance(facts) for name, facts in data["instances"].items()},
            }
        )


def _instance(facts: Sequence[Any]) -> InstanceFacts:
    gpus, gpu_memory_gib, usd_per_hour = facts
    return InstanceFacts(gpus=gpus, gpu_memory_gib=gpu_memory_gib, usd_per_hour=Decimal(usd_per_hour))
