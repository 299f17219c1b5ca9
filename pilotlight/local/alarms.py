"""CloudWatch's documented rules for the state of a single-metric alarm, as a pure function.

Source: "Alarm evaluation" and "Configuring how CloudWatch alarms treat missing data" in the CloudWatch User Guide; the
examples given there are tests. What they leave open is decided here: the evaluation range is two points longer than
the evaluation periods (as in the examples), and a lone young breaching point does not yet raise the alarm: `missing`
makes it OK, `ignore` leaves it as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]
Missing = Literal["missing", "ignore", "breaching", "notBreaching"]

EXTRA_POINTS = 2
"""How much farther back than its evaluation periods an alarm looks for real data."""


@dataclass(frozen=True)
class Rule:
    """What an alarm compares. `evaluation_periods` is the N and `datapoints_to_alarm` the M of "M out of N"."""

    comparison: str
    threshold: float
    evaluation_periods: int
    datapoints_to_alarm: int
    missing: Missing = "missing"

    @property
    def evaluation_range(self) -> int:
        return self.evaluation_periods + EXTRA_POINTS

    def is_breached_by(self, value: float) -> bool:
        match self.comparison:
            case "GreaterThanOrEqualToThreshold":
                return value >= self.threshold
            case "GreaterThanThreshold":
                return value > self.threshold
            case "LessThanThreshold":
                return value < self.threshold
            case "LessThanOrEqualToThreshold":
                return value <= self.threshold
        raise ValueError(f"{self.comparison} is no comparison with one threshold.")


def next_state(rule: Rule, points: Sequence[float | None], state: State) -> State:
    """The state after `state`, given the points of the evaluation range, oldest first, None where one is missing."""
    real = [rule.is_breached_by(value) for value in points if value is not None]
    lacking = rule.evaluation_periods - len(real)
    if lacking <= 0:
        return _alarm_if(sum(real[-rule.evaluation_periods :]) >= rule.datapoints_to_alarm)
    if rule.missing in ("breaching", "notBreaching"):
        filled = lacking if rule.missing == "breaching" else 0
        return _alarm_if(sum(real) + filled >= rule.datapoints_to_alarm)
    if sum(real) >= rule.datapoints_to_alarm:
        return "ALARM"
    if not all(real):
        return "OK"
    if rule.missing == "ignore":
        return state
    return _of_too_few(rule, points)


def _of_too_few(rule: Rule, points: Sequence[float | None]) -> State:
    """No point that is fine, and too few that breach: they raise the alarm once the oldest of them is old enough."""
    ages = [len(points) - index for index, value in enumerate(points) if value is not None]
    return _alarm_if(ages[0] >= rule.datapoints_to_alarm) if ages else "INSUFFICIENT_DATA"


def _alarm_if(breaching: bool) -> State:
    return "ALARM" if breaching else "OK"
