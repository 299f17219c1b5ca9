"""`tasks.toml`, read and checked: a table that makes no task is refused by name, with what is wrong."""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from common.shown import shown

from proxy.errors import TasksBroken
from proxy.tasks.guard import UNSEEN, Origin
from proxy.tasks.prompt import LAST_WORD, pieces_of
from proxy.tasks.shape import Shape

TASKS_FILE = Path(__file__).parents[1] / "tasks.toml"

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_RESERVED = ("shots", "parameters", "prompt_only")


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
}


@cache
def shipped_tasks() -> Mapping[str, Shape]:
    """The tasks of the file beside the code, read when the first request asks for them: a cold start is spared it.

    Raises TasksBroken.
    """
    import tomllib  # noqa: PLC0415 (see above)

    try:
        document = tomllib.loads(TASKS_FILE.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise TasksBroken(f"{TASKS_FILE.name} cannot be read: {exc}.") from exc
    return shapes(document)


def shapes(document: Mapping[str, object]) -> Mapping[str, Shape]:
    """The tasks of a parsed file. Raises TasksBroken naming the first table that makes none, and why."""
    found = {}
    for name, table in document.items():
        problem = next(_table_problems(name, table), None)
        if problem is None:
            found[name] = Shape(name=name, **_table(table))
            problem = next(_shape_problems(found[name]), None)
        if problem is not None:
            raise TasksBroken(f"{TASKS_FILE.name}, table [{name}]: {problem}.")
    return found


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _table_problems(name: str, value: object) -> Iterator[str]:
    if not _NAME.fullmatch(name):
        yield "its name must be at most 40 of a-z, 0-9, _ and -, with a letter first"
    if not isinstance(value, dict):
        yield "it must be a table"
    table = _table(value)
    for key in _REQUIRED:
        if key not in table:
            yield f"{key} is missing"
    for key, given in table.items():
        if key not in _KEYS:
            yield f"{key} is not a key; allowed: {', '.join(_KEYS)}"
        elif not _KEYS[key][0](given):
            yield f"{key} must be {_KEYS[key][1]}"


def _shape_problems(shape: Shape) -> Iterator[str]:
    yield from _delimiter_problems(shape)
    yield from _field_problems(shape)
    yield from _dummy_problems(shape)
    yield from _border_problems(shape)


def _delimiter_problems(shape: Shape) -> Iterator[str]:
    if re.search(rf"[\s{UNSEEN}]", shape.delimiter):
        yield "delimiter must be of characters that can be seen"
    if set(shape.instead) & set(shape.delimiter) or not shape.instead.isprintable():
        yield "instead must be printable, and share no character with delimiter"
    if not shape.between.lstrip().startswith(shape.delimiter):
        yield f"between must begin with the delimiter {shown(shape.delimiter)}, after spaces if need be"


def _field_problems(shape: Shape) -> Iterator[str]:
    *others, ending = shape.shot_template.texts
    if ending or not others or not others[-1].strip():
        yield "shot must end with a field, the output, after words of its own"
        return
    names = (*shape.request_fields, shape.output)
    if shape.output in shape.request_fields or shape.output in shape.once:
        yield f"{{{shape.output}}}, the output, must stand at the end of shot only"
    if not shape.request_fields:
        yield "lead and shot must hold a field for what the request gives"
    for name in (*names, *shape.once):
        if name in _RESERVED:
            yield f"{{{name}}} cannot be a field: a request means something else by it"
        if name not in names:
            yield f"once has {name}, which is no field of lead or shot"
    if not shape.guard.labels:
        yield "shot must hold words of its own, by which the frame is told from the user's text"


def _dummy_problems(shape: Shape) -> Iterator[str]:
    for dummy in shape.dummies:
        if set(dummy) != set(shape.shot_fields):
            yield f"a dummy must hold exactly {', '.join(shape.shot_fields)}"
        elif shape.labels and dummy[shape.output] not in shape.labels:
            yield f"a dummy's {shape.output} must be one of labels"
        for text in dummy.values():
            of = LAST_WORD.fullmatch(text)
            if of and of[1] not in shape.request_fields:
                yield f"{text} must name a field of the request: {', '.join(shape.request_fields)}"
    for label in shape.labels:
        if shape.delimiter in label or label != label.strip():
            yield f"the label {shown(label)} must be without delimiter and without spaces around it"


def _border_problems(shape: Shape) -> Iterator[str]:
    """Where the frame touches the user's text, the two must not make a delimiter together."""
    texts = dict.fromkeys((*shape.request_fields, *shape.shot_fields), "x")
    for left, right in pairwise(piece for piece in pieces_of(shape, texts, [texts, texts]) if piece.text):
        ours = (left.origin is Origin.FRAME, right.origin is Origin.FRAME)
        if ours == (False, False):
            yield "there must be text of the frame between two fields"
        if ours == (True, False) and _may_open(left.text, shape.delimiter):
            yield f"{shown(left.text)} stands before a field and ends with a part of the delimiter: add a space"
        if ours == (False, True) and _may_close(right.text, shape.delimiter):
            yield f"{shown(right.text)} stands behind a field and begins with a part of the delimiter: add a space"


def _may_open(text: str, delimiter: str) -> bool:
    return text[-1] in delimiter and not text.endswith(delimiter)


def _may_close(text: str, delimiter: str) -> bool:
    return text[0] in delimiter and not text.startswith(delimiter)
