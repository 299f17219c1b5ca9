"""The thin part of `proxy.idempotency`: it claims, waits, calls and keeps."""

import json
import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import Protocol

from proxy.errors import AnswerNotKept, AnswersUnavailable, IdempotencyConflict, KeyInUse, KeyReused
from proxy.idempotency import HEADER, KEPT_SECONDS, Entry, Key, State, Verdict, judge
from proxy.log import LogLine
from proxy.strict_json import JsonObject
from proxy.timing import Deadline
from proxy.trace import Trace

MAX_ANSWER_BYTES = 390_000  # DynamoDB's 400 KB an item, less the rest of it
GRACE_SECONDS = 2.0  # after nobody waits for it any more, before a call that was not heard of counts as dead


class Answers(Protocol):
    """The seam to the table. Every method raises AnswersUnavailable where the table cannot be reached."""

    def claim(self, key_id: str, entry: Entry, *, now: float) -> Entry | None:
        """Put `entry` where `judge` would find nothing or FREE; else return what stands there."""
        ...

    def keep(self, key_id: str, entry: Entry) -> bool:
        """Replace the claim of the same owner; False where another has taken it over."""
        ...

    def release(self, key_id: str, *, owner: str) -> None:
        """Remove the claim of this owner, if it still stands."""
        ...


class Once:
    """One call under a key: `now` is when it began by its event, `owner` a name that no other call has.

    `timeout_seconds` after `now` nobody waits for it any more, however late its worker began: its lease is counted from
    there, as what is left of the deadline does not say how old the request was.
    """

    def __init__(
        self,
        key: Key,
        answers: Answers,
        *,
        owner: str,
        now: datetime,
        timeout_seconds: float,
        deadline: Deadline,
        log: LogLine,
        trace: Trace,
    ) -> None:
        self._key = key
        self._answers = answers
        self._owner = owner
        self._deadline = deadline
        self._log = log
        self._trace = trace
        self._claims = 0
        self._lease_until = now.timestamp() + timeout_seconds + GRACE_SECONDS
        self._epoch_less_clock = now.timestamp() - deadline.clock.monotonic()

    def answer(self, work: Callable[[], JsonObject]) -> JsonObject:
        """The kept answer, or that of `work`, which is then kept. Raises IdempotencyConflict, or what `work` does."""
        with self._trace.subsegment("kept answers", lambda: {"claims": self._claims}):
            kept = self._kept()
        return self._first(work) if kept is None else kept

    def _kept(self) -> JsonObject | None:
        """The kept answer, waited for if need be; None where this call is the first, and the key its own now."""
        for pause in _pauses():
            self._claims += 1
            standing = self._answers.claim(self._key.id, self._claim(), now=self._now())
            if standing is None:
                return None
            verdict = judge(standing, request=self._key.request, now=self._now())
            if verdict is Verdict.REPLAY and standing.answer is not None:
                self._log.idempotency = "replayed"
                kept: JsonObject = json.loads(standing.answer)
                return kept
            if verdict not in (Verdict.WAIT, Verdict.FREE) or self._deadline.seconds_left() < pause:
                raise _conflict(verdict, seconds_of_lease=standing.lease_until - self._now())
            self._wait(pause)
        raise AssertionError("pauses do not end")

    def _claim(self) -> Entry:
        return Entry(
            request=self._key.request,
            owner=self._owner,
            state=State.RUNNING,
            lease_until=self._lease_until,
            expires_at=self._lease_until,
        )

    def _first(self, work: Callable[[], JsonObject]) -> JsonObject:
        try:
            answer = work()
        except BaseException:
            with suppress(AnswersUnavailable):  # the lease ends by itself
                self._answers.release(self._key.id, owner=self._owner)
            raise
        self._log.idempotency = "stored" if self._keep(json.dumps(answer)) else "not-stored"
        return answer

    def _keep(self, text: str) -> bool:
        fits = len(text) <= MAX_ANSWER_BYTES
        entry = self._claim()._replace(expires_at=self._now() + KEPT_SECONDS)
        entry = entry._replace(state=State.ANSWERED, answer=text) if fits else entry._replace(state=State.TOO_LARGE)
        try:
            return self._answers.keep(self._key.id, entry) and fits
        except AnswersUnavailable:  # the answer is there, and paid for
            return False

    def _now(self) -> float:
        return self._epoch_less_clock + self._deadline.clock.monotonic()

    def _wait(self, seconds: float) -> None:
        clock = self._deadline.clock
        started = clock.monotonic()
        clock.sleep(seconds)
        self._log.waited_ms += round((clock.monotonic() - started) * 1000, 1)


def _pauses() -> Iterator[float]:
    seconds = 0.1
    while True:
        yield seconds
        seconds = min(1.0, 2 * seconds)


def _conflict(verdict: Verdict, *, seconds_of_lease: float) -> IdempotencyConflict:
    if verdict is Verdict.OTHER_REQUEST:
        return KeyReused(
            f"This {HEADER} was sent with another method, path or body within the last {KEPT_SECONDS // 60} minutes: "
            "use a new one for a new request.",
            param=HEADER,
        )
    if verdict is Verdict.NOT_KEPT:
        return AnswerNotKept(
            f"The first call with this {HEADER} was answered, with more than the {MAX_ANSWER_BYTES} bytes that can be "
            "kept. To have it generated again, and pay again, use a new key; or ask for less.",
            param=HEADER,
        )
    return KeyInUse(
        f"The first call with this {HEADER} is still at work: send this one again for its answer.",
        param=HEADER,
        retry_after_seconds=max(1, math.ceil(seconds_of_lease)),
    )
