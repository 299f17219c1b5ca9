"""What is wrong with a dataset, and what a person should know about it: all is counted, little is kept."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

MAX_SHOWN: Final = 20

Refuse = Callable[[int | None, str], None]
"""Takes a line's number, from 1 (None: the whole file), and what is wrong there."""


@dataclass(frozen=True)
class Problem:
    """`file` is the name below the dataset's prefix, empty for the dataset as a whole; `line` counts from 1."""

    file: str
    line: int | None
    what: str

    def __str__(self) -> str:
        place = ", ".join(part for part in (self.file, f"line {self.line}" if self.line else "") if part)
        return f"{place}: {self.what}" if place else self.what

    def to_data(self) -> dict[str, Any]:
        return {"file": self.file, "line": self.line, "what": self.what}


@dataclass
class Findings:
    """The first `MAX_SHOWN` problems are kept, in the order in which they were met."""

    problems: list[Problem] = field(default_factory=list)
    problem_count: int = 0
    warnings: list[str] = field(default_factory=list)

    def add(self, file: str, line: int | None, what: str) -> None:
        self.problem_count += 1
        if len(self.problems) < MAX_SHOWN:
            self.problems.append(Problem(file, line, what))

    def of(self, file: str) -> Refuse:
        """What adds problems of one file."""
        return partial(self.add, file)
