"""From rows to token numbers, with a label for each token that is learned."""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from training.errors import TrainingError
from training.rows import Row

IGNORED = -100
"""The label of a token that the loss does not count; PyTorch's own number for it."""
LONGEST = 1024
"""What `max_input_length` -1 means, unless the model's window is shorter."""


@dataclass(frozen=True)
class Example:
    """Token numbers and their labels, of equal length. Four bytes a token: a dataset of a gigabyte fits."""

    tokens: "array[int]"
    labels: "array[int]"

    @property
    def learned(self) -> int:
        """How many of its tokens the loss counts: the first one has nothing before it."""
        return sum(label != IGNORED for label in self.labels[1:])


def window(asked: int, limit: int) -> int:
    """The longest example in tokens. Raises TrainingError where the model cannot read as much as was asked for."""
    if asked > limit:
        raise TrainingError(f"Hyperparameter max_input_length is {asked}: this model reads {limit} tokens at most.")
    return min(LONGEST, limit) if asked == -1 else asked


def examples(rows: Iterable[Row], tokenizer: Any, longest: int, *, marked: bool) -> list[Example]:
    """One example a row, cut at `longest` tokens.

    `marked` says that the text brings its own marks of begin and end, as a chat template does; otherwise they are
    added. A row whose learned part was cut away is left out.
    """
    encoded = (_example(row, tokenizer, longest, marked=marked) for row in rows)
    return [example for example in encoded if example.learned]


def packed(rows: Iterable[Row], tokenizer: Any, longest: int) -> list[Example]:
    """Documents one behind the other, each with its end mark, in blocks of `longest` tokens; the last is shorter."""
    tokens: array[int] = array("i")
    for row in rows:
        tokens.extend(_example(row, tokenizer, None, marked=False).tokens)
    blocks = (tokens[start : start + longest] for start in range(0, len(tokens), longest))
    return [Example(block, block) for block in blocks if len(block) > 1]


def batch(chosen: Sequence[Example], padding: int, device: Any) -> dict[str, Any]:
    """Tensors (examples × the longest of them) of `input_ids`, `attention_mask` and `labels`, padded on the right."""
    import torch  # noqa: PLC0415 - the rest of this module is used without it

    length = max(len(example.tokens) for example in chosen)

    def filled(values: Iterable["array[int]"], filler: int) -> Any:
        rows = [row.tolist() + [filler] * (length - len(row)) for row in values]
        return torch.tensor(rows, dtype=torch.long, device=device)

    return {
        "input_ids": filled((example.tokens for example in chosen), padding),
        "attention_mask": filled((array("i", [1]) * len(example.tokens) for example in chosen), 0),
        "labels": filled((example.labels for example in chosen), IGNORED),
    }


def _example(row: Row, tokenizer: Any, longest: int | None, *, marked: bool) -> Example:
    tokens: array[int] = array("i")
    labels: array[int] = array("i")
    for index, segment in enumerate(row.segments):
        numbers = tokenizer(segment.text, add_special_tokens=index == 0 and not marked)["input_ids"]
        if index == len(row.segments) - 1 and not marked and (not numbers or numbers[-1] != tokenizer.eos_token_id):
            numbers = [*numbers, tokenizer.eos_token_id]
        tokens.extend(numbers)
        labels.extend(numbers if segment.learned else [IGNORED] * len(numbers))
    return Example(tokens[:longest], labels[:longest])
