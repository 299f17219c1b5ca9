"""Prompts with what their answers must look like, and what a model answers to them."""

import json
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training import files
from training.errors import TrainingError

NEW_TOKENS = 96
"""How far an answer may go: evaluated answers are looked at for their shape."""
BATCH = 16
ALLOWED = '{"prompt": "…", "expected": ["text that the answer holds", …]} or {"prompt": "…", "label": "the answer"}'


@dataclass(frozen=True)
class Prompt:
    """Exactly one of `expected` (substrings, all of which must be there) and `label` is not None."""

    text: str
    expected: tuple[str, ...] | None
    label: str | None

    def accepts(self, answer: str) -> bool:
        """A label counts without regard to case, outer spaces and closing punctuation, as the answer's first line."""
        if self.expected is not None:
            return all(part in answer for part in self.expected)
        first = answer.strip().partition("\n")[0]
        return _bare(first) == _bare(self.label or "")

    def to_data(self) -> dict[str, Any]:
        wanted = {"label": self.label} if self.expected is None else {"expected": list(self.expected)}
        return {"prompt": self.text} | wanted


def read_prompts(path: Path) -> list[Prompt]:
    """The rows of prompts.jsonl, which are sent to the model as they are. Raises TrainingError."""
    return [_prompt(row, f"{path.name}, line {number}") for number, row in files.json_lines(path)]


def answer(
    model: Any, tokenizer: Any, prompts: Sequence[Prompt], window: int, *, look_up: Callable[[], None]
) -> list[str]:
    """What the model says after each prompt, always the likeliest token: the same every time.

    `look_up` is called between batches, and may raise to end it.

    Raises:
        TrainingError: a prompt and its answer do not fit the model's `window` of tokens.
    """
    texts: list[str] = []
    for start in range(0, len(prompts), BATCH):
        look_up()
        batch = prompts[start : start + BATCH]
        inputs = tokenizer([prompt.text for prompt in batch], return_tensors="pt", padding=True, padding_side="left")
        length = inputs["input_ids"].shape[1]
        if length + NEW_TOKENS > window:
            raise TrainingError(
                f"{files.PROMPTS}: of the prompts {start + 1} to {start + len(batch)} one has {length} tokens, but the"
                f" model reads {window} tokens at most, of which {NEW_TOKENS} are for the answer: shorten it."
            )
        written = model.generate(
            input_ids=inputs["input_ids"].to(model.device),
            attention_mask=inputs["attention_mask"].to(model.device),
            do_sample=False,
            min_new_tokens=1,  # as the endpoint's server: an empty answer says nothing about a model
            max_new_tokens=NEW_TOKENS,
            pad_token_id=tokenizer.pad_token_id,
        )
        texts += tokenizer.batch_decode(written[:, length:], skip_special_tokens=True)
    return texts


def _prompt(row: dict[str, Any], where: str) -> Prompt:
    text, expected, label = row.get("prompt"), row.get("expected"), row.get("label")
    extra = sorted(set(row) - {"prompt", "expected", "label"})
    if extra or not isinstance(text, str) or not text or (expected is None) == (label is None):
        what = f"the key {extra[0]} is unknown" if extra else "a prompt and either expected or label are needed"
        raise TrainingError(f"{where}: {what}: allowed is {ALLOWED}.")
    if label is not None and (not isinstance(label, str) or not label.strip()):
        raise TrainingError(f"{where}: label is {json.dumps(label)[:40]}: it must be text.")
    if expected is not None and (
        not isinstance(expected, list) or not expected or not all(isinstance(part, str) and part for part in expected)
    ):
        raise TrainingError(f"{where}: expected is {json.dumps(expected)[:40]}: it must be a list of texts.")
    return Prompt(text, None if expected is None else tuple(expected), label)


def _bare(text: str) -> str:
    text = text.strip().casefold()
    return text.rstrip(string.punctuation).rstrip() or text
