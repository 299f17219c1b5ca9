"""`lambda/proxy/tasks.toml`, which a user extends, checked before anything is built.

By the proxy's own code, so that what is refused here is what it would refuse.
"""

import tomllib
from pathlib import Path
from typing import Final

from proxy.tasks.file import TASKS_FILE
from proxy.tasks.flaws import NOT_WRITTEN, Flaw, flaws

from pilotlight.config_errors import ABSENT, ConfigError, Problem

__all__ = ["check_tasks"]

_ROOT: Final = Path(__file__).parents[1]


def check_tasks(path: Path = TASKS_FILE) -> None:
    """Raises `ConfigError` with every problem of every task."""
    try:
        found = list(flaws(tomllib.loads(path.read_text(encoding="utf-8"))))
    except (OSError, ValueError) as error:
        found = [Flaw("", "", NOT_WRITTEN, f"it cannot be read: {error}", "a text file in UTF-8, valid TOML")]
    if found:
        name = path.relative_to(_ROOT) if path.is_relative_to(_ROOT) else path
        raise ConfigError(str(name), [_problem(flaw) for flaw in found])


def _problem(flaw: Flaw) -> Problem:
    return Problem(
        key=".".join(filter(None, (flaw.task, flaw.key))) or "the file",
        value=ABSENT if flaw.value is NOT_WRITTEN else flaw.value,
        reason=flaw.reason,
        allowed=flaw.allowed,
        fix="correct it there; the head of the file says what each key means",
    )
