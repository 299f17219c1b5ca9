"""How a row of an instruction dataset becomes the prompt that the model reads and the completion that it learns."""

import json
import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.errors import TrainingError

FILE = "template.json"
RESPONSE_HEADING = "### Response:\n"
DOLLY_PROMPT = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Input:\n{context}\n\n### Response:\n"
)
DOLLY_COMPLETION = "{response}"


class RowError(ValueError):
    """A row cannot fill the template; says why, the caller knows where."""


@dataclass(frozen=True)
class Template:
    prompt: str
    completion: str

    def placeholders(self) -> frozenset[str]:
        return frozenset(
            name for part in (self.prompt, self.completion) for _, name in _parts(part) if name is not None
        )

    def fill(self, row: Mapping[str, Any]) -> tuple[str, str]:
        """The prompt and the completion. What a row says is never looked at for placeholders.

        Raises:
            RowError: the row lacks a placeholder, or holds something there that is no text.
        """
        return _fill(self.prompt, row), _fill(self.completion, row)


DOLLY = Template(DOLLY_PROMPT, DOLLY_COMPLETION)


def read(folder: Path, *, demarcated: bool) -> Template:
    """The dataset's template, Dolly's where it brings none.

    `demarcated` adds the heading of the response where a template's prompt lacks it, so that the model sees where
    the question ends.

    Raises:
        TrainingError: template.json is not two strings with placeholders.
    """
    path = folder / FILE
    template = _parsed(path) if path.is_file() else DOLLY
    if not demarcated or RESPONSE_HEADING.strip() in template.prompt:
        return template
    return Template(f"{template.prompt}\n\n{RESPONSE_HEADING}", template.completion)


def _parsed(path: Path) -> Template:
    allowed = (
        f'{FILE} must be a JSON object of two strings: {{"prompt": "… {{question}} …", "completion": "{{answer}}"}}'
    )
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as exc:
        raise TrainingError(f"{FILE} is not JSON ({exc}): {allowed}.") from exc
    if not isinstance(content, dict) or set(content) != {"prompt", "completion"}:
        raise TrainingError(f"{FILE} has other keys than prompt and completion: {allowed}.")
    if not all(isinstance(text, str) for text in content.values()):
        raise TrainingError(f"{FILE} holds something else than text: {allowed}.")
    template = Template(**content)
    for key, text in content.items():
        try:
            names = [name for _, name in _parts(text) if name is not None]
        except ValueError as exc:
            raise TrainingError(
                f"{FILE}: {key} has a brace that opens or closes nothing ({exc}): write {{{{ or }}}}."
            ) from exc
        if not names and key == "completion":
            raise TrainingError(f"{FILE}: completion has no placeholder, so every row would teach the same: {allowed}.")
    return template


def _parts(text: str) -> list[tuple[str, str | None]]:
    """Pieces of literal text, each with the name of the placeholder behind it. Raises ValueError."""
    parts = []
    for literal, name, form, conversion in string.Formatter().parse(text):
        if name is not None and (form or conversion or not name.isidentifier()):
            raise ValueError(f"{{{name}}} is not a plain name")
        parts.append((literal, name))
    return parts


def _fill(text: str, row: Mapping[str, Any]) -> str:
    return "".join(literal + ("" if name is None else _text(row, name)) for literal, name in _parts(text))


def _text(row: Mapping[str, Any], name: str) -> str:
    if name not in row:
        raise RowError(f"the placeholder {{{name}}} is missing (the row has {', '.join(sorted(row)) or 'no key'})")
    value = row[name]
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return json.dumps(value)  # True is true, as the row says it
    raise RowError(f"the placeholder {{{name}}} must be text or a number, not {json.dumps(value)[:40]}")
