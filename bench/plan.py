"""What a simulation is given: what happens to a stage from outside, and how the stage is set up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from meter.facts import Policy
from switch.settings import Settings

METER, ALARMS, SWITCH, UPDATES, CLEANUP, METRICS = "meter", "alarms", "switch", "updates", "clean-up", "metrics"
CAPACITY, BREAKS, STUCK = CREATIONS = "no capacity", "failed creation", "stuck creating"


@dataclass(frozen=True)
class Plan:
    """What happens from outside, in minutes and in order.

    `calls` are minutes with a call, `asks` starts of the switch with their input, `snoozes` (when, until when),
    `forgets` losses of the meter's memory. `faults` maps METER, SWITCH or ALARMS (dead), UPDATES (refused), CLEANUP
    (leaves the endpoint behind), METRICS (cannot be read), CAPACITY or BREAKS (a creation that begins will fail) or
    STUCK (no creation ends) to spans (from, until).
    """

    calls: Sequence[int] = ()
    asks: Sequence[tuple[int, dict[str, Any]]] = ()
    snoozes: Sequence[tuple[int, int]] = ()
    forgets: Sequence[int] = ()
    faults: Mapping[str, Sequence[tuple[int, int]]] = field(default_factory=dict)

    def fails(self, what: str, now: int) -> bool:
        return any(start <= now < end for start, end in self.faults.get(what, ()))


@dataclass(frozen=True)
class Setup:
    """`lag_minutes` is how late CloudWatch shows a call, `clean_up_minutes` how long a clean-up tries in vain."""

    policy: Policy
    settings: Settings
    wake_minutes: int = 10
    wakes_on_call: bool = False
    lag_minutes: int = 0
    clean_up_minutes: int = 0
