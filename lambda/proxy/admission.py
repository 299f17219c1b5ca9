"""Whether a request is let through to a model that has too much to do: a pure decision on what one worker saw.

A model with an unbounded queue answers nobody in time once the queue is longer than their budgets, and goes on
generating for callers who have left. So the load is thinned out before. A worker serves one request at a time and
sees no other, so all it has is how long its own last answer took: past a latency that counts as calm it lets fewer
through, at random, and soon one in ten, which keeps it informed. Hundreds of workers that each see a sample of the
same queue hold it together.

A slow model looks the same from here. What tells it from a crowd is that nobody else comes: a worker that was left
alone for `QUIET_SECONDS` lets the next request through, and one that was left alone after a refusal stops refusing
for `TRUST_SECONDS`. So a lone caller of a slow model is refused once in a while, and is through after `Retry-After`.
A slow model that many call at once cannot be told from a queue: its owner has to say what is calm there.

`bench/overload.py` shows what this is worth. What a model refuses by itself (429) is no evidence here: it does not
queue.
"""

import math
from typing import NamedTuple

CALM_SHARE = 0.4  # of the budget, where nobody says otherwise
SLOPE_SHARE = 0.1  # of the budget, over which it goes from all to one in ten
PROBE_SHARE = 0.1
QUIET_SECONDS = 5.0
TRUST_SECONDS = 120.0
LATE_SHARE = 0.9  # an answer that took this much of the budget ends the trust
RETRY_AFTER_SECONDS = math.ceil(QUIET_SECONDS) + 1


class Sighting(NamedTuple):
    """What one worker saw last. Times are in seconds on its monotonic clock.

    `latency` is 0 before the first answer; `active_at` is when it last answered or refused.
    """

    latency: float = 0.0
    active_at: float = -math.inf
    has_refused: bool = False
    trusted_until: float = -math.inf


class Limits(NamedTuple):
    """`budget` is what a request has that arrives in good time, `calm` the latency up to which nothing is refused.

    Both in seconds. A `calm` of `budget` or more refuses only what has less time left than the last answer took.
    """

    budget: float
    calm: float

    @classmethod
    def of(cls, budget: float, *, calm: float | None) -> "Limits":
        return cls(budget, CALM_SHARE * budget if calm is None else calm)


def admitted_share(sighting: Sighting, *, now: float, seconds_left: float, limits: Limits) -> float:
    """The share of requests with `seconds_left` to let through, from `PROBE_SHARE` to 1."""
    if now - sighting.active_at > QUIET_SECONDS or now < sighting.trusted_until:
        return 1.0
    if sighting.latency > seconds_left:
        return PROBE_SHARE
    thinned = (sighting.latency - limits.calm) / (SLOPE_SHARE * limits.budget)
    return min(1.0, max(PROBE_SHARE, 1.0 - thinned))


def after_refusal(sighting: Sighting, *, now: float) -> Sighting:
    """What the worker knows once it has refused a request at `now`."""
    return sighting._replace(active_at=now, has_refused=True)


def after_attempt(sighting: Sighting, *, started: float, now: float, limits: Limits) -> Sighting:
    """What the worker knows once an attempt that `started` was answered, or timed out, at `now`."""
    latency = now - started
    left_alone = sighting.has_refused and started - sighting.active_at > QUIET_SECONDS
    trusted_until = started + TRUST_SECONDS if left_alone else sighting.trusted_until
    if latency > LATE_SHARE * limits.budget:
        trusted_until = -math.inf
    return Sighting(latency=latency, active_at=now, trusted_until=trusted_until)
