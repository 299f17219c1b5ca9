"""What one row of each format must be: a row becomes the text that is learned, or is refused with the reason."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any, Final

from common.shown import shown

_SYSTEM_ROLE: Final = "system"
_TURNS: Final = ("user", "assistant")


class BadRow(Exception):
    """The message says what is wrong with the row, without saying where it stands."""


@dataclass(frozen=True)
class Template:
    """`prompt` and `completion` with {placeholders}, each the name of a field of every row."""

    prompt: str
    completion: str
    fields: tuple[str, ...]

    @classmethod
    def parse(cls, data: object) -> "Template":
        """From the content of `template.json`. Raises BadRow."""
        if not isinstance(data, Mapping) or set(data) != {"prompt", "completion"}:
            keys = ", ".join(map(str, data)) if isinstance(data, Mapping) else shown(data)
            raise BadRow(f"a template is an object of exactly prompt and completion, and this is {keys or 'empty'}")
        for key in ("prompt", "completion"):
            if not isinstance(data[key], str):
                raise BadRow(f"{key} is {shown(data[key])}, and must be a text")
        if not placeholders(data["completion"]):
            raise BadRow("completion holds no {placeholder}: every row would teach the same answer")
        fields = dict.fromkeys((*placeholders(data["prompt"]), *placeholders(data["completion"])))
        return cls(data["prompt"], data["completion"], tuple(fields))


def placeholders(template: str) -> list[str]:
    """The names in {braces}, in order. Raises BadRow for what is no plain name."""
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise BadRow(f"a brace is wrong in {shown(template)}: {error}; write {{{{ and }}}} for braces") from error
    found = []
    for _, name, specification, conversion in parts:
        if name is None:
            continue
        if not name.isidentifier() or specification or conversion:
            raise BadRow(
                f"{{{name}}} is no placeholder: one is the plain name of a field; write {{{{ and }}}} for braces"
            )
        found.append(name)
    return found


DOLLY: Final = Template(
    prompt="Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Input:\n{context}\n\n### Response:\n",
    completion="{response}",
    fields=("instruction", "context", "response"),
)
"""What applies where a dataset has no template."""
_MAY_BE_EMPTY: Final = ("context",)


def instruction(row: object, template: Template) -> str:
    """The prompt and its completion."""
    fields = _object(row)
    missing = [name for name in template.fields if name not in fields]
    if missing:
        where = "rows without a template hold" if template is DOLLY else "the template names"
        raise BadRow(f"the row lacks {', '.join(missing)}; {where} {', '.join(template.fields)}")
    texts = {name: _text(name, fields[name]) for name in template.fields}
    if template is DOLLY:
        for name in template.fields:
            if name not in _MAY_BE_EMPTY and not texts[name].strip():
                raise BadRow(f"{name} is empty")
    completion = template.completion.format_map(texts)
    if not any(texts[name].strip() for name in placeholders(template.completion)):
        raise BadRow("the completion is empty: there is nothing to learn")
    return template.prompt.format_map(texts) + completion


def chat(row: object) -> str:
    """The turns, one a line."""
    dialog = _object(row).get("dialog")
    if not isinstance(dialog, list):
        raise BadRow(f"dialog is {'missing' if dialog is None else shown(dialog)}, and must be an array of turns")
    turns = [_turn(number, turn) for number, turn in enumerate(dialog, 1)]
    roles = [role for role, _ in turns]
    if roles[:1] == [_SYSTEM_ROLE]:
        del roles[0]
    if len(roles) < len(_TURNS) or len(roles) % 2 or any(role != _TURNS[at % 2] for at, role in enumerate(roles)):
        raise BadRow(
            f"the roles are {', '.join(role for role, _ in turns)[:80] or 'none'}; they must be user and assistant in "
            "turn, the assistant last, after at most one system"
        )
    return "\n".join(content for _, content in turns)


def _turn(number: int, turn: object) -> tuple[str, str]:
    if not isinstance(turn, Mapping) or not {"role", "content"} <= turn.keys():
        raise BadRow(f"turn {number} of the dialog must be an object of role and content")
    content = _text(f"content of turn {number}", turn["content"])
    if not content.strip():
        raise BadRow(f"content of turn {number} is empty")
    return _text(f"role of turn {number}", turn["role"]), content


def domain(row: object, column: str) -> str:
    """The text of the one column that is used."""
    fields = _object(row)
    if column not in fields:
        raise BadRow(f"the row lacks {column}, the column that is learned")
    if column != "text" and "text" in fields:
        raise BadRow(f"the row has a column text, and the first row none, so that {column} is learned; name them alike")
    text = _text(column, fields[column])
    if not text.strip():
        raise BadRow(f"{column} is empty")
    return text


def column_of(fields: Mapping[str, Any]) -> str:
    """`text`, or the first there is. Raises BadRow for a row without columns."""
    if not fields:
        raise BadRow("the row has no columns")
    return "text" if "text" in fields else next(iter(fields))


def prompt(row: object) -> str:
    """A row of `prompts.jsonl`: a question to the tuned model, and how its answer is judged."""
    fields = _object(row)
    if unknown := sorted(set(fields) - {"prompt", "expected", "label"}):
        raise BadRow(f"{unknown[0]} is no key of a prompt; it may have prompt, and expected or label")
    text = _text("prompt", fields.get("prompt"))
    if not text.strip():
        raise BadRow("prompt is empty")
    if ("expected" in fields) == ("label" in fields):
        raise BadRow("a prompt has either expected, an array of texts that the answer must hold, or label, a text")
    if "label" in fields and not _text("label", fields["label"]).strip():
        raise BadRow("label is empty")
    expected = fields.get("expected", [])
    if not isinstance(expected, list) or ("expected" in fields and not expected):
        raise BadRow(f"expected is {json.dumps(expected)[:40]}, and must be an array of one text or more")
    for entry in expected:
        if not _text("an entry of expected", entry).strip():
            raise BadRow("an entry of expected is empty")
    return text


def _object(row: object) -> Mapping[str, Any]:
    if not isinstance(row, Mapping):
        raise BadRow(f"the row is {shown(row)}, and must be an object")
    return row


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise BadRow(f"{name} is {shown(value)}, and must be a text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise BadRow(f"{name} holds half of a surrogate pair at character {error.start}") from error
    return value
