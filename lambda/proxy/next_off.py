"""Who turns the endpoint off next, and when: the earliest of the triggers that are on. Pure."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from common.facts import iso, month_usd
from common.ledger import Data

from proxy.settings import Limits


@dataclass(frozen=True)
class Remembered:
    """What the ledger holds on the endpoint; empty where it holds nothing. Times are epoch seconds."""

    meter: Data
    snooze: Data
    budget: Data
    sweep: Data = field(default_factory=dict)

    @property
    def findings(self) -> list[str]:
        """What the daily sweep found that a person must see to."""
        found = self.sweep.get("findings")
        return [str(sentence) for sentence in found] if isinstance(found, list) else []

    @property
    def snoozed_until(self) -> float:
        return _number(self.snooze.get("until"))

    def budget_usd(self, limits: Limits) -> float | None:
        """This month's ceiling: one that was given with `on` comes before the configured one."""
        given = self.budget.get("usd")
        return _number(given) if given is not None else limits.monthly_budget_usd


NOTHING = Remembered({}, {}, {})


def next_off(
    ends: datetime | None, remembered: Remembered, limits: Limits, *, hourly_usd: float | None, now: datetime
) -> dict[str, str | None]:
    """`{"by", "at", "message"}` for an endpoint that is on, or on its way there; `ends` is the hard stop's time."""
    moments = {
        "idle": _idle(remembered, limits),
        "budget": _budget(remembered, limits, hourly_usd, now),
        "hard_stop": ends,
    }
    known = {by: at for by, at in moments.items() if at is not None}
    if not known:
        return {"by": "you", "at": None, "message": "Nothing does by itself: turn it off with `pilot off`."}
    by = min(known, key=lambda trigger: known[trigger])
    at = iso(max(known[by], now))
    says = {
        "idle": f"Without another call it is turned off at {at}, give or take five minutes.",
        "budget": f"The month's budget is spent at about {at}: it is turned off then.",
        "hard_stop": f"Its time is over at {at}: it is turned off then, called or not.",
    }
    return {"by": by, "at": at, "message": f"{says[by]} `pilot off` does it now."}


def _idle(remembered: Remembered, limits: Limits) -> datetime | None:
    served = remembered.meter.get("in_service_since")
    if limits.idle_minutes is None or served is None:
        return None
    window = limits.idle_minutes * 60
    last = max(_number(served), _number(remembered.meter.get("last_call")), remembered.snoozed_until - window)
    return datetime.fromtimestamp(last + window, UTC)


def _budget(remembered: Remembered, limits: Limits, hourly_usd: float | None, now: datetime) -> datetime | None:
    ceiling, spent = remembered.budget_usd(limits), month_usd(remembered.meter)
    if ceiling is None or spent is None or not hourly_usd:
        return None
    return now + timedelta(hours=max(0.0, ceiling - _number(spent)) / hourly_usd)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
