"""Whether a failed invocation is tried again, and when: a pure decision and the budget it draws on.

Only failures that left nothing generated are retried (TransientFailure): a generation that was started is
paid for, and reissuing it pays twice. That excludes a read timeout and a connection cut after the request was
sent. A model's own error (4xx or 5xx) is excluded too: it answered this very input, and would most likely
answer it the same again. A caller who sent an idempotency key has said that once is enough but that it must
be: for that one, what may have been generated and was lost is generated again.
"""

from enum import StrEnum
from typing import NamedTuple

from proxy.errors import ConnectionLost, DeadlineExceeded, Problem, TransientFailure

MAX_ATTEMPTS = 5
BASE_SECONDS = 0.5  # the fifth attempt then waits 4 s at most, and all of them together 7.5 s

# Less than this is not worth an attempt: it would time out in the middle of a generation that is then paid
# for.
MIN_ATTEMPT_SECONDS = 2.0


class GiveUp(StrEnum):
    """Why there is no further attempt."""

    NOT_TRANSIENT = "not_transient"
    LAST_ATTEMPT = "last_attempt"
    NO_BUDGET = "no_budget"
    NO_TIME = "no_time"


class RetryAfter(NamedTuple):
    """Try again once this long has passed."""

    seconds: float


def decide(
    failure: Problem, *, attempt: int, seconds_left: float, tokens: float, random: float, reissue: bool = False
) -> RetryAfter | GiveUp:
    """What follows the failure of attempt number `attempt` (from 1).

    `tokens` is what the retry budget holds and `random` is uniform in [0, 1): back-off is exponential with
    full jitter, so that callers who were throttled together do not come back together. `reissue` allows what
    may be paid for twice.
    """
    lost = isinstance(failure, ConnectionLost | DeadlineExceeded)
    if not isinstance(failure, TransientFailure) and not (reissue and lost):
        return GiveUp.NOT_TRANSIENT
    if attempt >= MAX_ATTEMPTS:
        return GiveUp.LAST_ATTEMPT
    if tokens < 1:
        return GiveUp.NO_BUDGET
    seconds = random * BASE_SECONDS * 2 ** (attempt - 1)
    if seconds_left - seconds < MIN_ATTEMPT_SECONDS:
        return GiveUp.NO_TIME
    return RetryAfter(seconds)


class RetryBudget:
    """A token bucket that bounds retries to a tenth of first attempts, so that they cannot feed an overload.

    One a worker, starting empty: a crowd of fresh workers, which is what an overload brings, retries nothing
    at all. Counted in tenths of a token, which are exact where floats would drift.
    """

    _TENTHS_PER_RETRY = 10
    _MAX_TENTHS = 100

    def __init__(self) -> None:
        self._tenths = 0

    @property
    def tokens(self) -> float:
        """Retries that the budget allows now."""
        return self._tenths / self._TENTHS_PER_RETRY

    def deposit(self) -> None:
        """Count one first attempt."""
        self._tenths = min(self._tenths + 1, self._MAX_TENTHS)

    def withdraw(self) -> None:
        """Pay for one retry, which `decide` has allowed."""
        self._tenths -= self._TENTHS_PER_RETRY
