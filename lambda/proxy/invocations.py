"""The thin loop around the retry policy: it alone waits, calls and counts."""

from collections.abc import Callable
from typing import Protocol

from proxy.errors import DeadlineExceeded, Problem
from proxy.retry import MIN_ATTEMPT_SECONDS, GiveUp, RetryBudget, decide
from proxy.timing import Deadline


class Runtime(Protocol):
    """The seam to SageMaker's runtime."""

    def invoke(self, body: bytes, *, timeout_seconds: int) -> bytes:
        """One attempt, answered within the timeout. Raises Problem, and nothing of the vendor's."""
        ...


class Invocations:
    """The invocations of one request, all under its deadline; the counters are for its log line."""

    def __init__(
        self, runtime: Runtime, *, deadline: Deadline, budget: RetryBudget, random: Callable[[], float]
    ) -> None:
        self._runtime = runtime
        self._deadline = deadline
        self._budget = budget
        self._random = random
        self.attempts = 0
        self.model_seconds = 0.0
        self.waited_seconds = 0.0
        self.gave_up: GiveUp | None = None

    def invoke(self, body: bytes) -> bytes:
        """The model's answer to `body`. Raises the last attempt's problem once the policy gives up."""
        if self._deadline.seconds_left() < MIN_ATTEMPT_SECONDS:
            raise DeadlineExceeded(
                "The time budget was spent before the model could be called: send fewer inputs at once, or try again."
            )
        self._budget.deposit()
        attempt = 1
        while True:
            try:
                return self._attempt(body)
            except Problem as failure:
                verdict = decide(
                    failure,
                    attempt=attempt,
                    seconds_left=self._deadline.seconds_left(),
                    tokens=self._budget.tokens,
                    random=self._random(),
                )
                if isinstance(verdict, GiveUp):
                    self.gave_up = verdict
                    raise
            self._budget.withdraw()
            self._wait(verdict.seconds)
            attempt += 1

    def _attempt(self, body: bytes) -> bytes:
        self.attempts += 1
        clock = self._deadline.clock
        started = clock.monotonic()
        try:
            return self._runtime.invoke(body, timeout_seconds=max(1, int(self._deadline.seconds_left())))
        finally:
            self.model_seconds += clock.monotonic() - started

    def _wait(self, seconds: float) -> None:
        clock = self._deadline.clock
        started = clock.monotonic()
        clock.sleep(seconds)
        self.waited_seconds += clock.monotonic() - started
