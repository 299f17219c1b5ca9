"""The one exception of the configuration, and the shape of what it reports."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

_LONGEST_VALUE: Final = 80


class Absent(Enum):
    """Stands for the value of a key that is not written."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One refused value: where it stands, why it cannot be, what could stand there, what to do."""

    key: str  # dotted path in the file, "stages.dev.volume_size_gb"
    value: object = ABSENT
    reason: str
    allowed: str
    fix: str

    def __str__(self) -> str:
        subject = self.key if self.value is ABSENT else f"{self.key} = {_as_toml(self.value)}"
        return f"{subject}: {self.reason}\n    allowed: {self.allowed}\n    fix:     {self.fix}"


class ConfigError(ValueError):
    """The configuration is refused. `str()` is the whole text for a person: the file, every problem in it."""

    def __init__(self, file: str, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        super().__init__("\n".join([f"{file} is refused, {count}:", *(f"  {problem}" for problem in self.problems)]))


def _as_toml(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."
