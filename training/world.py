"""The processes that train together: one for each GPU of each host, or this one alone."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist


@dataclass(frozen=True)
class World:
    """This process's place: `rank` of `size`, on `device`."""

    rank: int
    size: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Whether this process is the one that prints and writes."""
        return self.rank == 0

    def total(self, numbers: Sequence[float]) -> list[float]:
        """Each number, summed over all processes. Everyone must call it."""
        if self.size == 1:
            return list(numbers)
        tensor = torch.tensor(numbers, dtype=torch.float64, device=self.device)
        dist.all_reduce(tensor)
        totals: list[float] = tensor.tolist()
        return totals


def join(environment: Mapping[str, str] | None = None) -> World:
    """This process's world, by the variables that torchrun sets; alone where it did not start this process."""
    environment = os.environ if environment is None else environment
    size = int(environment.get("WORLD_SIZE", "1"))
    gpus = torch.cuda.is_available()
    device = torch.device("cuda", int(environment.get("LOCAL_RANK", "0"))) if gpus else torch.device("cpu")
    if gpus:
        torch.cuda.set_device(device)
    if size > 1:
        dist.init_process_group("nccl" if gpus else "gloo")
    return World(int(environment.get("RANK", "0")), size, device)


def leave(world: World) -> None:
    if world.size > 1:
        dist.destroy_process_group()
