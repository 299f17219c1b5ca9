"""A model that serves 10 requests a second, asked 20 times a second for five minutes of simulated time.

The callers' budgets end and the model goes on generating for them all the same: that is how queueing to death
works. Three ways to call it see the same arrivals:

* the reference client: five blind attempts of 60 s each, one after the other, straight to SageMaker;
* the proxy as it was without admission: one attempt within the budget;
* the proxy: the very functions of `proxy.admission` and `proxy.retry` that the Lambda calls, one state a worker.

Lambda gives an idle worker to a request, or a fresh one where none is idle; which idle one is not documented, so both
extremes are played. An answer counts if it comes within the budget and within the five minutes; `attempts` are calls
of the model per request.

    python bench/overload.py [--seeds 3] [--minutes 5]
"""

import argparse
import heapq
import itertools
import math
import random
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean

sys.path.insert(0, str(Path(__file__).parents[1] / "lambda"))

from proxy.admission import admitted_share, after_attempt, after_refusal
from proxy.errors import ModelOverloaded, Problem, ServiceUnavailable
from proxy.invocations import Worker
from proxy.retry import RetryAfter, decide

CAPACITY_PER_SECOND = 10.0
BUDGET_SECONDS = 28.0
SAGEMAKER_SECONDS = 60.0
REFERENCE_ATTEMPTS = 5


@dataclass(frozen=True)
class Model:
    """`slots` requests at once, each of a log-normal time; `queue_limit` is where it refuses (None: never)."""

    name: str
    slots: int
    queue_limit: int | None = None
    variation: float = 0.5

    def seconds(self, chance: random.Random) -> float:
        sigma = math.sqrt(math.log(1 + self.variation**2))
        return chance.lognormvariate(math.log(self.slots / CAPACITY_PER_SECOND) - sigma**2 / 2, sigma)


@dataclass
class Tally:
    requests: int = 0
    attempts: int = 0
    answered: int = 0
    refused: int = 0
    in_vain: int = 0
    workers: int = 0
    latencies: list[float] = field(default_factory=list)


@dataclass
class Attempt:
    """One invocation; `done` is called once, with whether it was answered."""

    done: Callable[[float, bool], None]
    is_awaited: bool = True


class Simulation:
    """Events in the order of their time; nothing here sleeps."""

    def __init__(self, model: Model, *, rate: float, seconds: float, seed: int, routing: str) -> None:
        self.model = model
        self.rate = rate
        self.seconds = seconds
        self.routing = routing
        self.chance = random.Random(seed)  # noqa: S311  a simulation
        self.arrivals = random.Random(seed + 1_000)  # noqa: S311  of its own, so that all see the same
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

    def invoke(self, now: float, timeout: float, done: Callable[[float, bool], None]) -> bool:
        """Queue one invocation; False where the model refuses it."""
        self.tally.attempts += 1
        if self.model.queue_limit is not None and len(self._queue) >= self.model.queue_limit:
            return False
        attempt = Attempt(done)
        self._queue.append(attempt)
        self._start(now)

        def time_out(then: float) -> None:
            if attempt.is_awaited:
                attempt.is_awaited = False
                done(then, False)

        self.at(now + timeout, time_out)
        return True

    def _start(self, now: float) -> None:
        while self._queue and self._busy < self.model.slots:
            self._busy += 1
            attempt = self._queue.popleft()
            self.at(now + self.model.seconds(self.chance), lambda then, attempt=attempt: self._finish(then, attempt))

    def _finish(self, now: float, attempt: Attempt) -> None:
        self._busy -= 1
        self._start(now)
        if not attempt.is_awaited:
            self.tally.in_vain += 1
            return
        attempt.is_awaited = False
        attempt.done(now, True)

    def count(self, now: float, arrived: float) -> None:
        if now - arrived <= BUDGET_SECONDS and now <= self.seconds:
            self.tally.answered += 1
            self.tally.latencies.append(now - arrived)

    def worker(self) -> Worker:
        if not self.idle:
            self.tally.workers += 1
            return Worker(budget_seconds=BUDGET_SECONDS)
        return self.idle.pop(self.chance.randrange(len(self.idle)) if self.routing == "any" else -1)


def reference(simulation: Simulation) -> Callable[[float], None]:
    def arrive(arrived: float) -> None:
        def attempt(now: float, left: int) -> None:
            def done(then: float, answered: bool) -> None:
                if answered:
                    simulation.count(then, arrived)
                elif left > 1:
                    attempt(then, left - 1)

            if not simulation.invoke(now, SAGEMAKER_SECONDS, done) and left > 1:
                simulation.at(now, lambda then: attempt(then, left - 1))

        attempt(arrived, REFERENCE_ATTEMPTS)

    return arrive


def proxy(simulation: Simulation, *, with_admission: bool) -> Callable[[float], None]:
    def arrive(arrived: float) -> None:
        worker = simulation.worker()
        if with_admission:
            share = admitted_share(worker.sighting, now=arrived, seconds_left=BUDGET_SECONDS, budget=BUDGET_SECONDS)
            if simulation.chance.random() >= share:
                worker.sighting = after_refusal(worker.sighting, now=arrived)
                simulation.tally.refused += 1
                simulation.idle.append(worker)
                return
        worker.retries.deposit()
        attempt(arrived, arrived, worker, 1)

    def attempt(now: float, arrived: float, worker: Worker, number: int) -> None:
        def done(then: float, answered: bool) -> None:
            worker.sighting = after_attempt(worker.sighting, started=now, now=then, budget=BUDGET_SECONDS)
            simulation.idle.append(worker)
            if answered:
                simulation.count(then, arrived)

        left = BUDGET_SECONDS - (now - arrived)
        if not simulation.invoke(now, left, done):
            retry(now, arrived, worker, number, ModelOverloaded("busy"))

    def retry(now: float, arrived: float, worker: Worker, number: int, failure: Problem) -> None:
        verdict = decide(
            failure,
            attempt=number,
            seconds_left=BUDGET_SECONDS - (now - arrived),
            tokens=worker.retries.tokens,
            random=simulation.chance.random(),
        )
        if isinstance(verdict, RetryAfter):
            worker.retries.withdraw()
            simulation.at(now + verdict.seconds, lambda then: attempt(then, arrived, worker, number + 1))
        else:
            simulation.idle.append(worker)

    return arrive


CALLERS: dict[str, Callable[[Simulation], Callable[[float], None]]] = {
    "reference: five blind attempts": reference,
    "proxy without admission": lambda simulation: proxy(simulation, with_admission=False),
    "proxy": lambda simulation: proxy(simulation, with_admission=True),
}
MODELS = (
    Model("one at a time, 0.1 s each, unbounded queue", 1),
    Model("8 at once, 0.8 s each, unbounded queue", 8),
    Model("40 at once, 4 s each, unbounded queue", 40),
    Model("8 at once, 0.8 s each, refuses beyond 100", 8, queue_limit=100),
)


def play(caller: str, model: Model, *, rate: float, seconds: float, seeds: int) -> list[Tally]:
    tallies = []
    for seed in range(1, seeds + 1):
        for routing in ("any", "last"):
            simulation = Simulation(model, rate=rate, seconds=seconds, seed=seed, routing=routing)
            tallies.append(simulation.run(CALLERS[caller](simulation)))
    return tallies


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--rates", type=float, nargs="+", default=[5, 11, 20, 30])
    given = parser.parse_args()
    print(f"Capacity {CAPACITY_PER_SECOND:.0f} requests/s, {given.minutes:g} minutes, {given.seeds} seeds × 2 routings.")
    print("Goodput: answers in time, in % of what could be served; the worst run in brackets.")
    for model, rate in itertools.product(MODELS, given.rates):
        print(f"\n{model.name}; {rate:g} requests/s")
        print(f"  {'':32}{'goodput':>14}{'attempts':>10}{'refused':>9}{'in vain':>9}{'median':>9}{'workers':>9}")
        for caller in CALLERS:
            tallies = play(caller, model, rate=rate, seconds=given.minutes * 60, seeds=given.seeds)
            could = min(rate, CAPACITY_PER_SECOND) * given.minutes * 60
            goodputs = [100 * tally.answered / could for tally in tallies]
            latencies = sorted(latency for tally in tallies for latency in tally.latencies)
            print(
                f"  {caller:32}{mean(goodputs):6.0f} ({min(goodputs):3.0f}) %"
                f"{mean(t.attempts / t.requests for t in tallies):9.2f}×"
                f"{mean(100 * t.refused / t.requests for t in tallies):7.0f} %"
                f"{mean(100 * t.in_vain / max(1, t.attempts) for t in tallies):7.0f} %"
                f"{latencies[len(latencies) // 2] if latencies else math.nan:7.1f} s"
                f"{mean(t.workers for t in tallies):9.0f}"
            )


if __name__ == "__main__":
    main()
