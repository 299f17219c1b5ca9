"""What turns the endpoint off or on next, as `GET /endpoint` says it: what the ledger holds is made of use. Pure."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from common import next_trigger, schedule
from common.facts import iso, month_usd
from common.ledger import Data
from common.next_trigger import Seen, Trigger

from proxy.settings import Limits

# Two sweeps in a row have failed by then.
_SWEEP_LATE_SECONDS = 2.5 * 24 * 3600


@dataclass(frozen=True)
class Remembered:
    """What the ledger holds on the endpoint; empty where it holds nothing. Times are epoch seconds."""

    meter: Data
    snooze: Data
    budget: Data
    sweep: Data = field(default_factory=dict)

    def findings(self, now: datetime) -> list[str]:
        """What the daily sweep found that a person must see to; and where it fails, which nobody else tells."""
        found = self.sweep.get("findings")
        said = [str(sentence) for sentence in found] if isinstance(found, list) else []
        swept_at = _number(self.sweep.get("at"))
        if swept_at and now.timestamp() - swept_at > _SWEEP_LATE_SECONDS:
            since = iso(datetime.fromtimestamp(swept_at, UTC))
            said.append(
                f"The daily sweep has told nothing since {since}: look at the log of its Lambda, in the control stack. "
                "`pilot sweep` lists what bills without a stack."
            )
        return said

    @property
    def snoozed_until(self) -> float:
        return _number(self.snooze.get("until"))

    def budget_usd(self, limits: Limits) -> float | None:
        """This month's ceiling: one that was given with `on` comes before the configured one."""
        given = self.budget.get("usd")
        return _number(given) if given is not None else limits.monthly_budget_usd

    def of_month(self, now: datetime) -> Data:
        """The meter's memory; empty where it is of another month."""
        return self.meter if self.meter.get("month") == f"{now:%Y-%m}" else {}


NOTHING = Remembered({}, {}, {})


def seen(
    created: datetime | None,
    ends: datetime | None,
    remembered: Remembered,
    limits: Limits,
    *,
    usd_per_hour: float | None,
    now: datetime,
) -> Seen:
    """`ends` is the hard stop's time."""
    since = created.timestamp() if created else None
    served = _number(remembered.meter.get("in_service_since"))
    return Seen(
        created=since,
        used_at=next_trigger.used_at(since, served, _number(remembered.meter.get("last_call")), now.timestamp()),
        snoozed_until=remembered.snoozed_until,
        ends=ends.timestamp() if ends else None,
        spent_usd=month_usd(remembered.of_month(now)),
        ceiling_usd=remembered.budget_usd(limits),
        usd_per_hour=usd_per_hour,
    )


def told(state: str, facts: Seen, limits: Limits, now: datetime) -> dict[str, str | None]:
    """`{"target", "by", "at", "message"}`; the first three are null where nothing does by itself."""
    known = next_trigger.Limits(
        idle_minutes=limits.idle_minutes,
        lifetime_hours=limits.lifetime_hours,
        monthly_budget_usd=limits.monthly_budget_usd,
        schedules=schedule.parse(limits.schedules),
    )
    if state == "turning_off":
        return _told(None, "It is being turned off: billing ends when it is gone.")
    if state == "off":
        trigger = next_trigger.turns_on(facts, known, now.timestamp())
        return _told(trigger, "It is off: nothing is billed.")
    trigger = next_trigger.turns_off(facts, known, now.timestamp())
    return _told(trigger, "" if trigger else "Nothing does by itself: turn it off with `pilot off`.")


def _told(trigger: Trigger | None, message: str) -> dict[str, str | None]:
    if trigger is None:
        return {"target": None, "by": None, "at": None, "message": message}
    at = iso(datetime.fromtimestamp(trigger.at, UTC))
    said = f"{message} {next_trigger.sentence(trigger)}".strip()
    return {"target": trigger.target, "by": trigger.by, "at": at, "message": said}


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
