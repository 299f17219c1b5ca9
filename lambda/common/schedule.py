"""When a schedule of the stage's starts the switch next: data of the stack's, and pure.

As text, in a function's environment: `on 08:00 MON,TUE Europe/Paris;off 19:00 MON,TUE Europe/Paris`.
"""

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

_DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
# Once a week, and the one in a week may fall into the hour that the clock skips.
_DAYS_AHEAD = 14


class Start(NamedTuple):
    """At `at` by the clock of `zone`, on `days` (0 is Monday), the switch is started towards `target`."""

    target: str
    at: time
    days: frozenset[int]
    zone: str


def parse(text: str) -> tuple[Start, ...]:
    """Raises ValueError where a start is malformed; a zone is looked up when it is needed."""
    return tuple(_start(*part.split()) for part in text.split(";") if part)


def _start(target: str, at: str, days: str, zone: str) -> Start:
    return Start(target, time.fromisoformat(at), frozenset(_DAYS.index(day) for day in days.split(",")), zone)


def next_start(starts: Iterable[Start], target: str, after: float) -> float | None:
    """The first start towards `target` later than `after`, in epoch seconds; None where there is none."""
    moments = [_next(start, after) for start in starts if start.target == target]
    return min((moment for moment in moments if moment is not None), default=None)


def _next(start: Start, after: float) -> float | None:
    """As Scheduler documents it: a time that the clock skips in spring is skipped, and one that comes twice in autumn
    happens once. Which of the two is not said, and is taken to be the first.
    """
    try:
        zone = ZoneInfo(start.zone)
    except (KeyError, ValueError, OSError):  # a runtime without that zone: nothing may fail for want of a forecast
        return None
    today = datetime.fromtimestamp(after, zone).date()
    for ahead in range(_DAYS_AHEAD + 1):
        wall = datetime.combine(today + timedelta(days=ahead), start.at, zone)
        moment = wall.timestamp()
        exists = datetime.fromtimestamp(moment, zone).replace(tzinfo=None) == wall.replace(tzinfo=None)
        if wall.weekday() in start.days and exists and moment > after:
            return moment
    return None
