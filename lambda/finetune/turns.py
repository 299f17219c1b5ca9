"""Whose turn it is to be promoted: first come, first served, and whoever died on the way is passed over. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

MOST_WAITING = 100
"""Whoever comes when so many wait has no place yet, and gets one by looking again."""


@dataclass(frozen=True)
class Turns:
    """As the ledger's entry promotion/endpoint holds it.

    run      whose turn it is; empty where it is nobody's
    waiting  who comes next, in order of arrival
    off      the switch's execution that turns the endpoint off after the run before; empty where there is none
    """

    run: str = ""
    waiting: tuple[str, ...] = ()
    off: str = ""

    def asked_by(self, run: str, is_at_it: Callable[[str], bool], *, most: int = MOST_WAITING) -> "Turns":
        """It has a place among those who wait; the turn, where nobody has it who is still at it, is the first one's
        who is. `run` itself is: it asks.
        """
        if self.run == run:
            return self
        waiting = self.waiting
        if run not in waiting:
            if len(waiting) >= most:
                waiting = tuple(filter(is_at_it, waiting))
            waiting = (*waiting, run)
        if self.run and is_at_it(self.run):
            return replace(self, waiting=waiting[:most])
        first = next(place for place, other in enumerate(waiting) if other == run or is_at_it(other))
        return replace(self, run=waiting[first], waiting=waiting[first + 1 :])

    def left_by(self, run: str, off: str) -> "Turns":
        """Without the run. Where it had the turn nobody has it, and the next one finds `off`."""
        if self.run == run:
            return replace(self, run="", off=off)
        return replace(self, waiting=tuple(other for other in self.waiting if other != run))

    @classmethod
    def from_data(cls, data: Mapping[str, Any] | None) -> "Turns":
        found = data or {}
        return cls(found.get("run", ""), tuple(found.get("waiting", ())), found.get("off", ""))

    def to_data(self) -> dict[str, Any]:
        """Without what is empty."""
        return {
            name: value
            for name, value in (("run", self.run), ("waiting", list(self.waiting)), ("off", self.off))
            if value
        }
