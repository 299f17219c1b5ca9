"""A model that serves so many requests a second, and Lambda's workers before it, in simulated time."""

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from proxy.admission import Limits
from proxy.invocations import Worker

CAPACITY_PER_SECOND = 10.0
BUDGET_SECONDS = 28.0
SETTLED_SHARE = 0.4  # of the time, its end, by which a policy has found its way


PACE_VARIATION = 0.1  # of the time that a token takes, from answer to answer
COUNT_VARIATION = 0.1  # of the tokens that the proxy estimates, from those that were generated


@dataclass(frozen=True)
class Model:
    """`slots` requests at once, the tokens of each log-normal; `queue_limit` is where it refuses (None: never).

    `pace` is how many seconds a token takes when all slots are full, which is (1 + `slowdown`) times what it takes
    alone. `lengths` are (share of the answers, times the mean length).
    """

    name: str
    slots: int
    queue_limit: int | None = None
    variation: float = 0.5
    pace: float = 0.025
    slowdown: float = 0.0
    lengths: tuple[tuple[float, float], ...] = ((1.0, 1.0),)

    def tokens(self, chance: random.Random) -> float:
        shares, means = zip(*self.lengths, strict=True)
        (mean,) = chance.choices(means, shares) if len(means) > 1 else means
        return _about(chance, mean * self.slots / CAPACITY_PER_SECOND / self.pace, self.variation)

    def seconds(self, tokens: float, busy: int, chance: random.Random) -> float:
        company = (1 + self.slowdown * busy / self.slots) / (1 + self.slowdown)
        return tokens * self.pace * company * _about(chance, 1.0, PACE_VARIATION)


def counted(tokens: float, chance: random.Random) -> float:
    """What the proxy takes `tokens` for."""
    return max(1.0, tokens * _about(chance, 1.0, COUNT_VARIATION))


def _about(chance: random.Random, mean: float, variation: float) -> float:
    sigma = math.sqrt(math.log(1 + variation**2))
    return chance.lognormvariate(math.log(mean) - sigma**2 / 2, sigma)


@dataclass
class Tally:
    requests: int = 0
    attempts: int = 0
    answered: int = 0
    answered_late: int = 0
    refused: int = 0
    in_vain: int = 0
    workers: int = 0
    latencies: list[float] = field(default_factory=list)


@dataclass
class Attempt:
    """One invocation; `done` is called once, with the tokens of its answer, None where there was none in time."""

    done: Callable[[float, float | None], None]
    tokens: float
    is_awaited: bool = True


class Simulation:
    """Events in the order of their time; nothing here sleeps."""

    def __init__(self, model: Model, *, rate: float, seconds: float, seed: int, routing: str) -> None:
        self.model = model
        self.rate = rate
        self.seconds = seconds
        self.routing = routing
        self.limits = Limits(BUDGET_SECONDS)
        self.chance = random.Random(seed)
        self.arrivals = random.Random(seed + 1_000)
        self.tally = Tally()
        self.idle: list[Worker] = []
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = itertools.count()
        self._queue: deque[Attempt] = deque()
        self._busy = 0

    def at(self, moment: float, act: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (moment, next(self._order), act))

    def run(self, arrive: Callable[[float], None]) -> Tally:
        def next_arrival(now: float) -> None:
            if now <= self.seconds:
                self.at(now + self.arrivals.expovariate(self.rate), next_arrival)
                self.tally.requests += 1
                arrive(now)

        self.at(self.arrivals.expovariate(self.rate), next_arrival)
        while self._events:
            now, _, act = heapq.heappop(self._events)
            act(now)
        return self.tally

    def invoke(self, now: float, timeout: float, done: Callable[[float, float | None], None]) -> bool:
        """Queue one invocation; False where the model refuses it."""
        self.tally.attempts += 1
        if self.model.queue_limit is not None and len(self._queue) >= self.model.queue_limit:
            return False
        attempt = Attempt(done, self.model.tokens(self.chance))
        self._queue.append(attempt)
        self._start(now)

        def time_out(then: float) -> None:
            if attempt.is_awaited:
                attempt.is_awaited = False
                done(then, None)

        self.at(now + timeout, time_out)
        return True

    def _start(self, now: float) -> None:
        while self._queue and self._busy < self.model.slots:
            self._busy += 1
            attempt = self._queue.popleft()
            seconds = self.model.seconds(attempt.tokens, self._busy, self.chance)
            self.at(now + seconds, partial(self._finish, attempt))

    def _finish(self, attempt: Attempt, now: float) -> None:
        self._busy -= 1
        self._start(now)
        if not attempt.is_awaited:
            self.tally.in_vain += 1
            return
        attempt.is_awaited = False
        attempt.done(now, attempt.tokens)

    def count(self, now: float, arrived: float) -> None:
        if now - arrived <= BUDGET_SECONDS and now <= self.seconds:
            self.tally.answered += 1
            self.tally.answered_late += now > (1 - SETTLED_SHARE) * self.seconds
            self.tally.latencies.append(now - arrived)

    def worker(self, at_most: int | None) -> Worker | None:
        """An idle worker, else a fresh one; None where `at_most` are at work."""
        if self.idle:
            return self.idle.pop(self.chance.randrange(len(self.idle)) if self.routing == "any" else -1)
        if self.tally.workers == at_most:
            return None
        self.tally.workers += 1
        return Worker(self.limits)
