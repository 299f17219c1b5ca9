"""The alarms, as plain thresholds on one datapoint that act on their transition alone."""

from dataclasses import dataclass, field
from math import inf

from meter.facts import Policy
from meter.readings import Readings

SILENCE_MINUTES = 30  # of the heartbeat, until its alarm turns off


@dataclass
class Alarms:
    """Each acts when it enters ALARM, once; its metric missing leaves it as it is, the heartbeat's raises it. So that
    one is raised before minute 0, by the deploy, when there was nothing to turn off.
    """

    policy: Policy
    heard_at: float = -inf
    raised: set[str] = field(default_factory=lambda: {"heartbeat"})

    def after(self, taken: Readings | None, now: int) -> list[str]:
        """The reasons for which an alarm goes off now."""
        if taken is not None:
            self.heard_at = now
        due = {"heartbeat": now - self.heard_at >= SILENCE_MINUTES, **self._thresholds(taken)}
        entered = [reason for reason, is_due in due.items() if is_due and reason not in self.raised]
        self.raised = {*(self.raised - due.keys()), *(reason for reason, is_due in due.items() if is_due)}
        return entered

    def _thresholds(self, taken: Readings | None) -> dict[str, bool]:
        if taken is None:
            return {}
        policy = self.policy
        values = {
            "idle": (taken.idle_minutes, policy.idle_minutes),
            "lifetime": (taken.minutes_on, (policy.lifetime_hours or inf) * 60),
            "budget": (taken.dollars_this_month, policy.monthly_budget_usd),
        }
        return {reason: value >= limit for reason, (value, limit) in values.items() if value is not None and limit}
