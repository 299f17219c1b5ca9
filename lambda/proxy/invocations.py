"""The thin loop around the admission and retry policies: it alone waits, calls and counts."""

import math
from collections.abc import Callable
from typing import Protocol

from proxy.admission import (
    RETRY_AFTER_SECONDS,
    Limits,
    Sighting,
    admitted_share,
    after_answer,
    after_refusal,
    after_timeout,
    tokens_of,
)
from proxy.errors import (
    DeadlineExceeded,
    EndpointMissing,
    ModelFailed,
    ModelOverloaded,
    ModelRefused,
    Problem,
    TooBusy,
    TransientFailure,
)
from proxy.retry import MIN_ATTEMPT_SECONDS, GiveUp, RetryBudget, decide
from proxy.tally import Counts, Tally
from proxy.timing import Deadline
from proxy.trace import Trace

_NOT_REACHED = (TransientFailure, EndpointMissing)
_NOTHING_GENERATED = (ModelRefused, ModelOverloaded, ModelFailed)
"""What the container says at once, however long its queue: no evidence of the load."""


class Runtime(Protocol):
    """The seam to SageMaker's runtime."""

    def invoke(self, body: bytes, *, timeout_seconds: int) -> bytes:
        """One attempt, answered within the timeout. Raises Problem, and nothing of the vendor's."""
        ...


class Worker:
    """What outlives a request: the retry budget, and what was last seen of the load."""

    def __init__(self, limits: Limits) -> None:
        self.retries = RetryBudget()
        self.sighting = Sighting()
        self.limits = limits


class Invocations:
    """The invocations of one request, all under its deadline; the counters are for its log line and headers.

    `reissue` allows an attempt after one that may have generated something, which is then paid for twice.
    """

    def __init__(
        self,
        runtime: Runtime,
        *,
        deadline: Deadline,
        worker: Worker,
        random: Callable[[], float],
        trace: Trace,
        reissue: bool = False,
    ) -> None:
        self._runtime = runtime
        self._deadline = deadline
        self._worker = worker
        self._random = random
        self._trace = trace
        self._reissue = reissue
        self.attempts = 0
        self.retries = 0
        self.model_seconds = 0.0
        self.last_attempt_seconds = 0.0
        self.model_was_reached = False
        self.waited_seconds = 0.0
        self.tally = Tally()
        self.gave_up: GiveUp | None = None

    def invoke(self, body: bytes) -> bytes:
        """The model's answer to `body`. Raises the last attempt's problem once the policy gives up.

        Raises TooBusy before the first invocation of a request only: what follows finishes what is paid for.
        """
        left = self._deadline.seconds_left()
        if left < MIN_ATTEMPT_SECONDS:
            raise DeadlineExceeded(
                f"{math.floor(10 * max(0.0, left)) / 10} s of the time budget are left, and calling the model needs "
                f"{MIN_ATTEMPT_SECONDS:.0f} s: send fewer inputs at once, allow more time, or try again."
            )
        if self.attempts == 0:
            self._refuse_what_cannot_finish(left)
        self._worker.retries.deposit()
        before = self.attempts
        with self._trace.subsegment("model", lambda: _counted(self.attempts - before)):
            return self._attempts(body)

    def count(self, sent: bytes, received: bytes, told: Counts, *, texts: int) -> None:
        """Count what the last invocation was answered, and learn from it how busy the model is.

        An answer of several `texts` tells nothing of that: how many of them were generated at once nobody knows.
        """
        read, written = self.tally.add(sent, received, told)
        if texts == 1:
            worker = self._worker
            worker.sighting = after_answer(
                worker.sighting,
                seconds=self.last_attempt_seconds,
                tokens=tokens_of(read=read, written=written),
                now=self._deadline.clock.monotonic(),
                limits=worker.limits,
            )

    def _refuse_what_cannot_finish(self, seconds_left: float) -> None:
        worker, now = self._worker, self._deadline.clock.monotonic()
        if self._random() < admitted_share(worker.sighting, now=now, seconds_left=seconds_left):
            return
        worker.sighting = after_refusal(worker.sighting, now=now)
        raise TooBusy(
            f"The model has more to do than it can answer in time, and {seconds_left:.0f} s are left for this request: "
            f"it is refused rather than queued. Try again in {RETRY_AFTER_SECONDS} s.",
            retry_after_seconds=RETRY_AFTER_SECONDS,
        )

    def _attempts(self, body: bytes) -> bytes:
        attempt = 1
        while True:
            try:
                return self._attempt(body)
            except Problem as failure:
                verdict = decide(
                    failure,
                    attempt=attempt,
                    seconds_left=self._deadline.seconds_left(),
                    tokens=self._worker.retries.tokens,
                    random=self._random(),
                    reissue=self._reissue,
                )
                if isinstance(verdict, GiveUp):
                    self.gave_up = verdict
                    raise
            self._worker.retries.withdraw()
            self.retries += 1
            self._wait(verdict.seconds)
            attempt += 1

    def _attempt(self, body: bytes) -> bytes:
        self.attempts += 1
        clock, worker = self._deadline.clock, self._worker
        started = clock.monotonic()
        failure: Problem | None = None
        try:
            return self._runtime.invoke(body, timeout_seconds=max(1, int(self._deadline.seconds_left())))
        except Problem as problem:
            failure = problem
            raise
        finally:
            now = clock.monotonic()
            self.last_attempt_seconds = now - started
            self.model_seconds += now - started
            self.model_was_reached = not isinstance(failure, _NOT_REACHED)
            if isinstance(failure, EndpointMissing):
                worker.sighting = Sighting()  # its queue has gone with it
            if failure and self.model_was_reached and not isinstance(failure, _NOTHING_GENERATED):
                worker.sighting = after_timeout(
                    worker.sighting, seconds=self.last_attempt_seconds, now=now, limits=worker.limits
                )

    def _wait(self, seconds: float) -> None:
        clock = self._deadline.clock
        started = clock.monotonic()
        clock.sleep(seconds)
        self.waited_seconds += clock.monotonic() - started


def _counted(attempts: int) -> dict[str, int]:
    return {"attempts": attempts, "retries": attempts - 1}
