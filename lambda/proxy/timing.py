"""The one time budget of a request.

API Gateway's clock starts when the request arrives, before a cold start; Lambda's starts when the handler
does. The deadline is the earlier of the two ends, less a margin for the way back. A caller may ask for an
earlier one with `X-Request-Timeout-Ms`, counted as API Gateway's is; one that is too short for an attempt is refused
by name, not let run out.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from proxy.errors import InvalidParameter

TIMEOUT_HEADER = "X-Request-Timeout-Ms"
MAX_TIMEOUT_MS = 999_999_999

# The way back through Lambda and API Gateway, and a connect that took its whole timeout before the read's
# began.
MARGIN_SECONDS = 1.0

# The way there: API Gateway, its authorizer, and what the proxy does before it asks anybody. Without it the least that
# a caller may allow would be spent on arrival.
ARRIVAL_SECONDS = 0.5

# A look at AWS's control plane, with its time-outs.
LOOK_SECONDS = 5

# An invocation waits for a cold start at most, and Lambda allows an init 10 s before it starts over on the
# handler's own clock. A request that looks older, or younger than now, shows two clocks that disagree (or
# simulated time).
MAX_CREDIBLE_AGE_SECONDS = 15.0


class Clock(Protocol):
    """What the proxy reads time from. The module `time` is one."""

    def time(self) -> float: ...
    def monotonic(self) -> float: ...
    def sleep(self, seconds: float, /) -> None: ...


class Deadline(NamedTuple):
    """A point on the monotonic clock that all work on one request shares."""

    at: float
    clock: Clock

    def seconds_left(self) -> float:
        """Seconds until the deadline; negative once it has passed."""
        return self.at - self.clock.monotonic()


def least_timeout_ms(work_seconds: float) -> int:
    """The shortest time that a caller may allow a route whose work is not begun with less than this left, without an
    `Idempotency-Key`.
    """
    return round(1000 * (ARRIVAL_SECONDS + work_seconds + MARGIN_SECONDS))


def caller_timeout(headers: Mapping[str, str], *, work_seconds: float, reserve_seconds: float) -> float | None:
    """Seconds that the caller allows for the whole request; None if it does not say.

    Raises InvalidParameter, also for what leaves less than `work_seconds` beside the `reserve_seconds` that are kept
    back.
    """
    given = headers.get(TIMEOUT_HEADER.lower())
    if given is None:
        return None
    least = least_timeout_ms(work_seconds) + round(1000 * reserve_seconds)
    if not re.fullmatch(r"[1-9][0-9]{0,8}", given) or int(given) < least:
        working = f", what is asked for {work_seconds:.0f} s" if work_seconds else ""
        keeping = f", keeping its answer {reserve_seconds:.0f} s" if reserve_seconds else ""
        raise InvalidParameter(
            f"{TIMEOUT_HEADER} is {given[:40]!r}, but must be a whole number of milliseconds from {least} to "
            f"{MAX_TIMEOUT_MS}: the way there and back takes {ARRIVAL_SECONDS + MARGIN_SECONDS} s{working}{keeping}. "
            "More than the API's own limit changes nothing.",
            param=TIMEOUT_HEADER,
        )
    return int(given) / 1000


def seconds_allowed(
    *,
    request_age: float | None,
    integration_timeout: float,
    lambda_remaining: float | None,
    caller_timeout: float | None = None,
) -> float:
    """Seconds that the work may take, counted from the handler's start.

    `request_age` is the wall clock less the request's own start, None where the event does not state it. An
    age that cannot be true counts as zero: a wrong clock may cost one request its last seconds, but must not
    refuse them all. Without a Lambda context (`lambda_remaining` is None) the integration timeout alone
    binds.
    """
    credible = request_age is not None and 0 <= request_age <= MAX_CREDIBLE_AGE_SECONDS
    from_arrival = integration_timeout if caller_timeout is None else min(integration_timeout, caller_timeout)
    gateway_remaining = from_arrival - (request_age if credible and request_age is not None else 0.0)
    ends = [gateway_remaining] if lambda_remaining is None else [gateway_remaining, lambda_remaining]
    return min(ends) - MARGIN_SECONDS
