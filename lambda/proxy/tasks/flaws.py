"""What keeps a table of `tasks.toml` from being a task: pure, and told with key, value and what is allowed.

The proxy asks when it reads the file, and `app.py` before anything is built.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

from common.shown import shown

from proxy.tasks.guard import Origin
from proxy.tasks.hidden import GAPS, as_read
from proxy.tasks.prompt import LAST_WORD, pieces_of
from proxy.tasks.shape import Shape

NOT_WRITTEN = object()  # stands for the value of a key that is not there

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_RESERVED = ("shots", "parameters", "prompt_only", "truncate", "split")


class Flaw(NamedTuple):
    """`key` is empty where the table as a whole is meant; `reason` completes what key and value begin."""

    task: str
    key: str
    value: object
    reason: str
    allowed: str

    def __str__(self) -> str:
        value = "" if self.value is NOT_WRITTEN else f" = {_written(self.value)}"
        return f"table [{self.task}]: {self.key}{value} {self.reason}; allowed: {self.allowed}".replace(":  ", ": ")


def flaws(document: Mapping[str, object]) -> Iterator[Flaw]:
    """All that is wrong with a parsed file, table by table. A table's frame is looked at once its keys are right."""
    for name, table in document.items():
        found = list(_table_flaws(name, table))
        yield from found
        if not found:
            yield from _shape_flaws(shape_of(name, table))


def shape_of(name: str, table: Any) -> Shape:
    """The task of a table whose keys are right."""
    return Shape(name=name, **table)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_table(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))


def _is_array_of(holds: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, list) and all(map(holds, value))


_REQUIRED = ("about", "shot", "between", "delimiter", "instead")
_KEYS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    **dict.fromkeys((*_REQUIRED, "lead"), (_is_text, "a string that is not empty")),
    "once": (_is_table, "a table of strings that are not empty"),
    "dummies": (_is_array_of(_is_table), "an array of tables of strings that are not empty"),
    "labels": (_is_array_of(_is_text), "an array of strings that are not empty"),
    "long": (_is_text, "a field of the request"),
    "splits": (lambda value: isinstance(value, bool), "true or false"),
}


def _table_flaws(name: str, table: object) -> Iterator[Flaw]:
    if not _NAME.fullmatch(name):
        yield Flaw(name, "", NOT_WRITTEN, "has no good name", "at most 40 of a-z, 0-9, _ and -, with a letter first")
    if not isinstance(table, dict):
        yield Flaw(name, "", table, "is no table", f"[{name}] with {', '.join(_REQUIRED)}")
        return
    for key in _REQUIRED:
        if key not in table:
            yield Flaw(name, key, NOT_WRITTEN, "is missing", _KEYS[key][1])
    for key, value in table.items():
        if key not in _KEYS:
            yield Flaw(name, key, value, "is not a key", ", ".join(_KEYS))
        elif not _KEYS[key][0](value):
            yield Flaw(name, key, value, "is of another kind", _KEYS[key][1])


def _shape_flaws(shape: Shape) -> Iterator[Flaw]:
    """What the frame's parts do to one another. `shot` is right by itself before the rest is held against it."""
    yield from _delimiter_flaws(shape)
    found = list(_field_flaws(shape))
    yield from found
    if not found:
        yield from _long_flaws(shape)
        yield from _dummy_flaws(shape)
        yield from _border_flaws(shape)


def _delimiter_flaws(shape: Shape) -> Iterator[Flaw]:
    def flaw(key: str, reason: str, allowed: str) -> Flaw:
        return Flaw(shape.name, key, getattr(shape, key), reason, allowed)

    if re.search(f"[{GAPS}]", shape.delimiter):
        yield flaw("delimiter", "cannot be seen", "characters that can be seen")
    if set(as_read(shape.instead)) & set(as_read(shape.delimiter)) or not shape.instead.isprintable():
        allowed = f"printable characters that share no character with delimiter, {shown(shape.delimiter)}"
        yield flaw("instead", "would be a delimiter itself, or cannot be seen", allowed)
    if not shape.between.lstrip().startswith(shape.delimiter):
        allowed = f"{shown(shape.delimiter)} first, after spaces if need be"
        yield flaw("between", "does not begin with the delimiter", allowed)


def _field_flaws(shape: Shape) -> Iterator[Flaw]:
    def flaw(reason: str, allowed: str) -> Flaw:
        return Flaw(shape.name, "shot", shape.shot, reason, allowed)

    *others, ending = shape.shot_template.texts
    if ending or not others or not others[-1].strip():
        yield flaw(
            "does not end with a field, the output, after words of its own", 'like "Text: {text} Answer: {answer}"'
        )
        return
    names = (*shape.request_fields, shape.output)
    if shape.output in shape.request_fields or shape.output in shape.once:
        yield flaw(f"has {{{shape.output}}}, the output, elsewhere too", "the output at the end of shot only")
    if not shape.request_fields:
        yield flaw("leaves nothing for the request to give", "a field in lead, or in shot before the output")
    for name in (*names, *shape.once):
        if name in _RESERVED:
            yield flaw(f"has {{{name}}}, by which a request means something else", f"fields but {', '.join(_RESERVED)}")
        if name not in names:
            allowed = f"fields of lead or shot: {', '.join(shape.request_fields)}"
            yield Flaw(shape.name, "once", dict(shape.once), f"has {name}, which is none of the task's fields", allowed)
    if not shape.guard.labels:
        yield flaw("has no words by which the frame is told from the user's text", 'words, like "Text: {text}"')


def _long_flaws(shape: Shape) -> Iterator[Flaw]:
    if shape.long_field not in shape.request_fields:
        allowed = f"a field of the request: {', '.join(shape.request_fields)}"
        yield Flaw(shape.name, "long", shape.long, "is no field that could be cut", allowed)
    if shape.labels and shape.can_split:
        yield Flaw(shape.name, "splits", shape.splits, "would join several labels", "false where there are labels")


def _dummy_flaws(shape: Shape) -> Iterator[Flaw]:
    for index, dummy in enumerate(shape.dummies):
        key = f"dummies[{index}]"
        if set(dummy) != set(shape.shot_fields):
            yield Flaw(shape.name, key, dict(dummy), "is no whole shot", f"exactly {', '.join(shape.shot_fields)}")
        elif shape.labels and dummy[shape.output] not in shape.labels:
            allowed = f"one of labels: {', '.join(shape.labels)}"
            yield Flaw(shape.name, f"{key}.{shape.output}", dummy[shape.output], "is no label", allowed)
        for name, text in dummy.items():
            of = LAST_WORD.fullmatch(text)
            if of and of[1] not in shape.request_fields:
                allowed = f"a field of the request: {', '.join(shape.request_fields)}"
                yield Flaw(shape.name, f"{key}.{name}", text, "names no field of the request", allowed)
    for index, label in enumerate(shape.labels):
        if shape.delimiter in label or label != label.strip():
            allowed = "words without the delimiter and without spaces around them"
            yield Flaw(shape.name, f"labels[{index}]", label, "cannot stand in an output", allowed)


def _border_flaws(shape: Shape) -> Iterator[Flaw]:
    """Where the frame touches the user's text, the two must not make a delimiter together."""

    def flaw(reason: str, allowed: str) -> Flaw:
        return Flaw(shape.name, "shot", shape.shot, reason, allowed)

    texts = dict.fromkeys((*shape.request_fields, *shape.shot_fields), "x")
    for left, right in pairwise(piece for piece in pieces_of(shape, texts, [texts, texts]) if piece.text):
        ours = (left.origin is Origin.FRAME, right.origin is Origin.FRAME)
        if ours == (False, False):
            yield flaw("has two fields that touch", "text of the frame between two fields")
        if ours == (True, False) and _may_open(left.text, shape.delimiter):
            reason = f"makes {shown(left.text)} stand before a field, which ends with a part of the delimiter"
            yield flaw(reason, "a space before that field")
        if ours == (False, True) and _may_close(right.text, shape.delimiter):
            reason = f"makes {shown(right.text)} stand behind a field, which begins with a part of the delimiter"
            yield flaw(reason, "a space behind that field")


def _may_open(text: str, delimiter: str) -> bool:
    return text[-1] in delimiter and not text.endswith(delimiter)


def _may_close(text: str, delimiter: str) -> bool:
    return text[0] in delimiter and not text.startswith(delimiter)


def _written(value: object) -> str:
    """A value of TOML, whose dates JSON has no word for, as short as an error message may quote it."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else text[:77] + "..."
