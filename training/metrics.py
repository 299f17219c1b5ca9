"""The lines that SageMaker reads metrics from, in the shape that JumpStart's own regular expressions expect."""

import math
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to: mean losses over the learned tokens. None where there is no validation row."""

    epoch: int
    train_loss: float
    eval_loss: float | None

    @property
    def eval_perplexity(self) -> float | None:
        return None if self.eval_loss is None else perplexity(self.eval_loss)

    def to_data(self) -> dict[str, Any]:
        return asdict(self) | {"eval_perplexity": self.eval_perplexity}

    def lines(self) -> list[str]:
        train = f"train_perplexity={perplexity(self.train_loss):.6f}, train_epoch_loss={self.train_loss:.6f}"
        said = [f"Epoch {self.epoch}: {train}"]
        if self.eval_loss is not None:
            measured = f"eval_ppl=tensor({self.eval_perplexity:.6f}) eval_epoch_loss=tensor({self.eval_loss:.6f})"
            said.append(f"Epoch {self.epoch}: {measured}")
        return said


def perplexity(loss: float) -> float:
    return math.exp(min(loss, 700))  # beyond that it is no number any more
