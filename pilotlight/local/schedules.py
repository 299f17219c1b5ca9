"""When a schedule expression of EventBridge or of its Scheduler happens next.

`rate(5 minutes)`, `cron(0 8 ? * MON-FRI *)` and, for Scheduler, `at(2026-11-22T10:00:00)`; cron and at in a time zone.
"""

import math
import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_AT = re.compile(r"at\((?P<moment>[^)]+)\)")


def next_after(expression: str, after: float, *, anchor: float, zone: str = "UTC") -> float | None:
    """The first occurrence later than `after`, in epoch seconds; None when there is none or the expression is not
    understood. A rate counts from `anchor`, which is its first occurrence.
    """
    from ministack.services import eventbridge  # noqa: PLC0415  reads its environment when imported

    expression = expression.strip()
    if at := _AT.fullmatch(expression):
        moment = _at(at["moment"].strip(), zone)
        return moment if moment is not None and moment > after else None
    interval: int | None = eventbridge._parse_rate_seconds(expression)
    if interval is not None:
        return anchor if after < anchor else anchor + (math.floor((after - anchor) / interval) + 1) * interval
    fields = eventbridge._parse_cron_fields(expression)
    return None if fields is None else _cron_after(fields, after, ZoneInfo(zone))


def _at(text: str, zone: str) -> float | None:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()
    except ValueError:
        return None


def _cron_after(fields: object, after: float, zone: ZoneInfo) -> float | None:
    """By the zone's wall clock. A time that a spring-forward skips is skipped, one that comes twice happens once, as
    Scheduler documents.
    """
    from ministack.services import eventbridge  # noqa: PLC0415

    # Searched as if the wall clock were UTC, an hour early: the wall clock may have been put back.
    wall = datetime.fromtimestamp(math.floor(after), zone).replace(tzinfo=UTC) - timedelta(hours=1)
    while (wall := eventbridge._cron_next_fire(fields, wall)) is not None:
        moment: datetime = wall.replace(tzinfo=zone)
        exists = moment.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == wall.replace(tzinfo=None)
        if exists and moment.timestamp() > after:
            return moment.timestamp()
    return None
