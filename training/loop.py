"""The training loop: epochs of shuffled batches, a measurement after each, the best of them kept."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from training.encode import Example
from training.errors import InterruptedRun, TrainingError
from training.hyperparameters import Hyperparameters
from training.learner import Learner, State
from training.metrics import Epoch
from training.stop import Stop
from training.world import World

DECAY = 0.85
"""The learning rate's factor from epoch to epoch, as in llama-recipes, which JumpStart's script builds on."""
SAY_EVERY = 10
"""Steps from one line of progress to the next."""


@dataclass
class Progress:
    """How far a run is. `loss` and `tokens` are sums over the `rows_done` of the epoch under way."""

    epoch: int = 1
    rows_done: int = 0
    loss: float = 0.0
    tokens: int = 0
    seconds: float = 0.0
    history: list[Epoch] = field(default_factory=list)
    best_epoch: int = 0
    best_adapter: State = field(default_factory=dict)

    def to_state(self) -> State:
        return vars(self) | {"history": [asdict(epoch) for epoch in self.history]}

    @classmethod
    def from_state(cls, state: State) -> "Progress":
        return cls(**state | {"history": [Epoch(**epoch) for epoch in state["history"]]})

    @property
    def name(self) -> str:
        """Sorts by age."""
        return f"epoch-{self.epoch:04d}-row-{self.rows_done:010d}"


@dataclass(frozen=True)
class Loop:
    """What a run is made of. `save` is given the progress, and the adapter and optimizer, which it belongs to."""

    learner: Learner
    train: Sequence[Example]
    validation: Sequence[Example]
    asked: Hyperparameters
    world: World
    stop: Stop
    save: Callable[[Progress, State, State], None]
    say: Callable[[str], None]
    clock: Callable[[], float]

    def run(self, progress: Progress) -> None:
        """Train to the end, from wherever `progress` is.

        Raises:
            InterruptedRun: the process was asked to end, and everything is saved.
            TrainingError: the loss is no number any more.
        """
        began = self.clock() - progress.seconds
        while progress.epoch <= self.asked.epoch:
            try:
                self._learn(progress)
                measured = self._measure(progress)
            except InterruptedRun:
                progress.seconds = self.clock() - began
                self.save(progress, *self.learner.state())
                raise
            progress.seconds = self.clock() - began
            self._close(progress, measured)

    def _learn(self, progress: Progress) -> None:
        """The rest of the epoch's rows, in an order that the seed and the epoch decide."""
        order = list(range(len(self.train)))
        random.Random(f"{self.asked.seed}/{progress.epoch}").shuffle(order)  # noqa: S311 - repeatable, not secret
        size = self.asked.per_device_train_batch_size * self.world.size
        rate = self.asked.learning_rate * DECAY ** (progress.epoch - 1)
        while progress.rows_done < len(order):
            chosen = [self.train[index] for index in order[progress.rows_done : progress.rows_done + size]]
            loss = self.learner.step(chosen, rate=rate, moment=f"{progress.epoch}/{progress.rows_done}")
            total = self._agreed(loss, f"in epoch {progress.epoch}")
            progress.rows_done += len(chosen)
            progress.loss += total.loss
            progress.tokens += sum(example.learned for example in chosen)
            if (progress.rows_done // size) % SAY_EVERY == 0:
                mean = progress.loss / progress.tokens
                self.say(f"Epoch {progress.epoch}: {progress.rows_done} of {len(order)} rows, loss so far {mean:.4f}")
            if total.stopping:
                raise InterruptedRun

    def _measure(self, progress: Progress) -> float | None:
        """The mean loss over the validation rows, None where there are none."""
        if not self.validation:
            return None
        size = self.asked.per_device_eval_batch_size * self.world.size
        loss = 0.0
        for start in range(0, len(self.validation), size):
            part = self.learner.measure(self.validation[start : start + size])
            total = self._agreed(part, f"over the validation rows of epoch {progress.epoch}")
            if total.stopping:
                raise InterruptedRun
            loss += total.loss
        return loss / sum(example.learned for example in self.validation)

    def _close(self, progress: Progress, measured: float | None) -> None:
        adapter, optimizer = self.learner.state()
        epoch = Epoch(progress.epoch, progress.loss / progress.tokens, measured)
        best = next((one.eval_loss for one in progress.history if one.epoch == progress.best_epoch), None)
        if best is None or measured is None or measured < best:
            progress.best_epoch = progress.epoch
            progress.best_adapter = {name: tensor.clone() for name, tensor in adapter.items()}
        progress.history.append(epoch)
        progress.epoch, progress.rows_done, progress.loss, progress.tokens = progress.epoch + 1, 0, 0.0, 0
        for line in epoch.lines():
            self.say(line)
        self.save(progress, adapter, optimizer)

    def _agreed(self, loss: float, where: str) -> "_Total":
        """What all processes know together after a step: they stop at the same one, or one would wait for ever."""
        total, stopping = self.world.total([loss, float(self.stop.asked)])
        if not math.isfinite(total):
            raise TrainingError(
                f"The loss is {total} {where}: lower the hyperparameter learning_rate, which is"
                f" {self.asked.learning_rate:g}."
            )
        return _Total(total, stopping > 0)


@dataclass(frozen=True)
class _Total:
    loss: float
    stopping: bool


def to_data(progress: Progress) -> dict[str, Any]:
    return {
        "epochs": [epoch.to_data() for epoch in progress.history],
        "best_epoch": progress.best_epoch,
        "seconds": round(progress.seconds, 1),
    }
