"""What turns the endpoint off next, or on again, if no person does: the earliest of the triggers that are on. Pure.

The switch's receipts and `GET /endpoint` say it by this.
"""

from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

from common.facts import iso
from common.schedule import Start, next_start

# The lifetime's alarm acts first, then the hard stop.
AFTER_LIFETIME_SECONDS = 15 * 60


class Limits(NamedTuple):
    """As configured. None: that trigger is switched off."""

    idle_minutes: float | None = None
    lifetime_hours: float | None = None
    monthly_budget_usd: float | None = None
    schedules: tuple[Start, ...] = ()


class Seen(NamedTuple):
    """Times are epoch seconds, None where nothing is known.

    `used_at` is the last call, or the start of service. `ends` is the hard stop's time. `spent_usd` and `ceiling_usd`
    are of this month in UTC, `usd_per_hour` is of all instances.
    """

    created: float | None = None
    used_at: float | None = None
    snoozed_until: float = 0.0
    ends: float | None = None
    spent_usd: float | None = None
    ceiling_usd: float | None = None
    usd_per_hour: float | None = None


class Trigger(NamedTuple):
    """`by` is idle, lifetime, budget, schedule or hard_stop; `at` in epoch seconds, now where it is overdue."""

    target: Literal["on", "off"]
    by: str
    at: float


def used_at(created: float | None, served: float | None, called: float | None, now: float) -> float:
    """The last call, or the start of service; now, where the meter has not seen this endpoint in service: it has just
    been lit.
    """
    if created is None or served is None or served < created:
        return now
    return max(served, called or 0.0)


def turns_off(seen: Seen, limits: Limits, now: float) -> Trigger | None:
    """Of an endpoint that is on, or on its way there, and is not called any more."""
    moments = {
        "idle": _idle(seen, limits),
        "lifetime": _lifetime(seen, limits),
        "budget": _budget(seen, limits, now),
        "schedule": next_start(limits.schedules, "off", now),
        "hard_stop": seen.ends,
    }
    known = {by: at for by, at in moments.items() if at is not None}
    if not known:
        return None
    by = min(known, key=lambda name: known[name])
    return Trigger("off", by, max(known[by], now))


def turns_on(seen: Seen, limits: Limits, now: float) -> Trigger | None:
    """Of an endpoint that is off. With the month's money spent nothing is lit before the next month."""
    # A moment before, as a start at the very border is the new month's.
    after = _next_month(now) - 1 if _is_spent(seen) else now
    at = next_start(limits.schedules, "on", after)
    return None if at is None else Trigger("on", "schedule", at)


def sentence(trigger: Trigger) -> str:
    """For a person."""
    about = "about " if trigger.by == "budget" else ""
    condition = " if nobody calls it, give or take five minutes" if trigger.by == "idle" else ""
    at = iso(datetime.fromtimestamp(trigger.at, UTC))
    by = trigger.by.replace("_", " ")
    return (
        f"It is turned {trigger.target} next by {by}, at {about}{at}{condition}; `pilot {trigger.target}` does before."
    )


def _idle(seen: Seen, limits: Limits) -> float | None:
    if limits.idle_minutes is None or seen.used_at is None:
        return None
    return max(seen.used_at + limits.idle_minutes * 60, seen.snoozed_until)


def _lifetime(seen: Seen, limits: Limits) -> float | None:
    """By the stated end, which `pilot on --hours` moves either way; by the configured hours where none is stated."""
    if limits.lifetime_hours is None:
        return None
    if seen.ends is not None:
        return seen.ends - AFTER_LIFETIME_SECONDS
    return None if seen.created is None else seen.created + limits.lifetime_hours * 3600


def _budget(seen: Seen, limits: Limits, now: float) -> float | None:
    """At the present price. What this month's ceiling outlasts is counted anew from the next month on, for which the
    configured ceiling holds.
    """
    if seen.ceiling_usd is None or seen.spent_usd is None:
        return None
    if _is_spent(seen):
        return now
    if not seen.usd_per_hour:
        return None
    spent_at = now + (seen.ceiling_usd - seen.spent_usd) / seen.usd_per_hour * 3600
    border = _next_month(now)
    if spent_at < border or limits.monthly_budget_usd is None:
        return spent_at if spent_at < border else None
    return border + limits.monthly_budget_usd / seen.usd_per_hour * 3600


def _is_spent(seen: Seen) -> bool:
    """Whether the month's money is."""
    return seen.spent_usd is not None and seen.ceiling_usd is not None and seen.spent_usd >= seen.ceiling_usd


def _next_month(now: float) -> float:
    """When the next month begins, as AWS bills."""
    first = datetime.fromtimestamp(now, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=32)).replace(day=1).timestamp()
