"""What the meter carries from tick to tick: what AWS forgets, or never says."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from math import isfinite
from typing import Any, TypeGuard

_TEXTS = ("month", "status", "unpriced")
_AMOUNTS = ("usd_this_month", "hours_this_month", "training_usd_this_month")


@dataclass(frozen=True)
class Memory:
    """Times are epoch seconds, None where nothing is known; the meter then starts anew.

    `whole_at` is the last tick in which nothing failed: what the switch takes for a sign of life.
    `month_counted_since` is where counting began in `month`: its start, the first tick, or the creation of the endpoint
    that the first tick found. `endpoint_created` tells one endpoint from its successor of the same name.
    `lives_counted` are the endpoints that were counted, as [creation, until when]: a receipt may tell of an older one
    later. None is counted that was created until `lives_counted_to`: the first tick, or the newest that is forgotten.
    `usd_this_month` is the endpoint's; `trained` maps a training job that is over to its dollars in `month`.
    `usd_per_hour` is what all its instances cost when it was last seen, `calls_read_at` when the calls last could be
    read, `status_since` when the present status was first seen, `due_since` since when an off is due and not being
    done, `unpriced` the instance type that was last reported to have no price.
    """

    ticked_at: float | None = None
    whole_at: float | None = None
    counted_until: float | None = None
    month: str = ""
    month_counted_since: float | None = None
    usd_this_month: float = 0.0
    hours_this_month: float = 0.0
    training_usd_this_month: float = 0.0
    trained: Mapping[str, float] = field(default_factory=dict)
    endpoint_created: float | None = None
    lives_counted_to: float | None = None
    lives_counted: Sequence[Sequence[float]] = ()
    in_service_since: float | None = None
    last_call: float | None = None
    calls_read_at: float | None = None
    usd_per_hour: float | None = None
    status: str = ""
    status_since: float | None = None
    due_since: float | None = None
    unpriced: str = ""

    @classmethod
    def from_data(cls, data: object) -> "Memory":
        """From what the ledger holds. A value that cannot be meant is forgotten alone: each has a safe default."""
        if not isinstance(data, Mapping):
            return cls()
        given = {known.name: data[known.name] for known in fields(cls) if known.name in data}
        return cls(**{name: value for name, value in given.items() if _is_meant(name, value)})

    def times(self) -> list[float]:
        """Every moment that lay in the past when it was noted."""
        noted = (self.ticked_at, self.counted_until, self.in_service_since, self.last_call, self.calls_read_at)
        return [moment for moment in (*noted, self.whole_at, self.status_since, self.due_since) if moment is not None]

    def to_data(self) -> dict[str, Any]:
        return asdict(self)


def is_number(value: object) -> TypeGuard[float]:
    """Finite and not negative, as every time and every amount is."""
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) and value >= 0


def _is_meant(name: str, value: object) -> bool:
    if name in _TEXTS:
        return isinstance(value, str)
    if name == "trained":
        return isinstance(value, Mapping) and all(is_number(usd) for usd in value.values())
    if name == "lives_counted":
        return isinstance(value, list | tuple) and all(_is_life(life) for life in value)
    return is_number(value) or (value is None and name not in _AMOUNTS)


def _is_life(value: object) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and all(is_number(moment) for moment in value)
