"""How large a model is, and how large an instance type."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The model's size, for the estimate of its memory. `window` is what it reads at most, in tokens, where known."""

    parameters: int
    layers: int
    hidden: int
    vocabulary: int
    window: int | None = None


@dataclass(frozen=True, kw_only=True)
class InstanceFacts:
    """An instance type that can be trained on and whose price is known. The memory is that of all GPUs together."""

    gpus: int
    gpu_memory_gib: int
    usd_per_hour: Decimal
