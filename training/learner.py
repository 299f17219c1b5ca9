"""One step of learning, one measurement: the only place that computes a loss."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)

from training.encode import IGNORED, Example, batch
from training.world import World

State = dict[str, Any]


def loss_of(model: Any, examples: Sequence[Example], padding: int, device: torch.device) -> torch.Tensor:
    """The negative log-likelihood of the learned tokens, summed; in natural logarithms."""
    tensors = batch(examples, padding, device)
    labels = tensors.pop("labels")
    # Before the first learned token nothing is asked: the logits there, the widest tensor of all, are left out.
    first = int((labels[:, 1:] != IGNORED).any(dim=0).nonzero()[0]) + 1
    kept = labels.shape[1] - first + 1
    logits = model(**tensors, use_cache=False, logits_to_keep=kept).logits[:, -kept:]
    return torch.nn.functional.cross_entropy(
        logits[:, :-1].flatten(0, 1).float(), labels[:, first:].flatten(), ignore_index=IGNORED, reduction="sum"
    )


class Learner:
    """A model, its optimizer and this process's part of every batch."""

    def __init__(self, model: Any, padding: int, world: World, *, seed: int) -> None:
        self._model = model
        self._padding = padding
        self._world = world
        self._seed = seed
        self._learned = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
        self._optimizer = torch.optim.AdamW(self._learned.values(), weight_decay=0.0)

    def step(self, examples: Sequence[Example], *, rate: float, moment: str) -> float:
        """Learn from `examples`, of which each process takes its share. Returns its share's summed loss.

        `moment` names the step: dropout depends on it alone, so that a resumed run is the same run.
        """
        self._model.train()
        torch.manual_seed(random.Random(f"{self._seed}/{moment}/{self._world.rank}").getrandbits(63))  # noqa: S311
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        loss: Any = self._loss(examples)  # a tensor whose backward() has no types
        # FSDP averages the gradients of the processes; the mean over the batch's tokens is wanted.
        (loss * self._world.size / sum(example.learned for example in examples)).backward()
        self._optimizer.step()
        self._optimizer.zero_grad()
        return float(loss.detach())

    @torch.no_grad()
    def measure(self, examples: Sequence[Example]) -> float:
        """This process's share of the examples' summed loss, without learning."""
        self._model.eval()
        return float(self._loss(examples))

    def state(self) -> tuple[State, State]:
        """The adapter and the optimizer, whole and on the CPU. Every process must call it."""
        whole = get_model_state_dict(self._model, options=_WHOLE)
        # A frozen weight under a second name (an output layer tied to the embedding) would come along.
        adapter = {name: tensor for name, tensor in whole.items() if name in self._learned}
        return adapter, get_optimizer_state_dict(self._model, self._optimizer, options=_WHOLE)

    def restore(self, adapter: Mapping[str, Any], optimizer: Mapping[str, Any]) -> None:
        partial = StateDictOptions(full_state_dict=True, strict=False)  # the frozen base is not in it
        set_model_state_dict(self._model, dict(adapter), options=partial)
        set_optimizer_state_dict(self._model, self._optimizer, dict(optimizer), options=_WHOLE)

    def _loss(self, examples: Sequence[Example]) -> torch.Tensor:
        share = examples[self._world.rank :: self._world.size]
        if share:
            return loss_of(self._model, share, self._padding, self._world.device)
        # Sharded layers are computed by all or none: who has no row takes another's, and does not count it.
        return loss_of(self._model, examples[:1], self._padding, self._world.device) * 0.0


_WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True, ignore_frozen_params=True)
