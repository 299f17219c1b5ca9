"""`tasks.toml`, read: a table that makes no task is refused by name, with what is wrong."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from proxy.errors import TasksBroken
from proxy.tasks.flaws import flaws, shape_of
from proxy.tasks.shape import Shape

TASKS_FILE = Path(__file__).parents[1] / "tasks.toml"


@cache
def shipped_tasks() -> Mapping[str, Shape]:
    """The tasks of the file beside the code. Raises TasksBroken."""
    try:
        document = tomllib.loads(TASKS_FILE.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise TasksBroken(f"{TASKS_FILE.name} cannot be read: {exc}.") from exc
    return shapes(document)


def shapes(document: Mapping[str, object]) -> Mapping[str, Shape]:
    """The tasks of a parsed file. Raises TasksBroken naming the first table that makes none, and why."""
    for flaw in flaws(document):
        raise TasksBroken(f"{TASKS_FILE.name}, {flaw}.")
    return {name: shape_of(name, table) for name, table in document.items()}
