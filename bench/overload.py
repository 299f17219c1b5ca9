"""A model that serves 10 requests a second, asked 20 times a second for five minutes of simulated time.

The callers' budgets end and the model goes on generating for them all the same: that is how queueing to death
works. All see the same arrivals:

* the reference client: five blind attempts of 60 s each, one after the other, straight to SageMaker;
* the proxy without admission: one attempt within the budget;
* the proxy: the very functions of `proxy.admission` and `proxy.retry` that the Lambda calls, one state a worker;
* the proxy with `reserved_concurrency = 100`.

Lambda gives an idle worker to a request, or a fresh one where none is idle; which idle one is not documented, so both
any and the last are played. The times that tokens take, and the counts that the proxy has of them, vary by a tenth.
An answer counts if it comes within the budget and within the five minutes; `attempts` are calls of the model a
request.

    python -m bench.overload [--seeds 3] [--minutes 5]
"""

import argparse
import math
from collections.abc import Callable
from statistics import mean

from proxy.admission import admitted_share, after_answer, after_refusal, after_timeout
from proxy.errors import ModelOverloaded
from proxy.invocations import Worker
from proxy.retry import RetryAfter, decide

from bench.overload_simulation import (
    BUDGET_SECONDS,
    CAPACITY_PER_SECOND,
    SETTLED_SHARE,
    Model,
    Simulation,
    Tally,
    counted,
)

SAGEMAKER_SECONDS = 60.0
REFERENCE_ATTEMPTS = 5
RESERVED_CONCURRENCY = 100

Caller = Callable[[Simulation], Callable[[float], None]]


def reference(simulation: Simulation) -> Callable[[float], None]:
    """Tries again whatever happened, at once."""

    def arrive(arrived: float) -> None:
        def attempt(now: float, left: int) -> None:
            def done(then: float, tokens: float | None) -> None:
                if tokens is not None:
                    simulation.count(then, arrived)
                elif left > 1:
                    attempt(then, left - 1)

            if not simulation.invoke(now, SAGEMAKER_SECONDS, done) and left > 1:
                simulation.at(now, lambda then: attempt(then, left - 1))

        attempt(arrived, REFERENCE_ATTEMPTS)

    return arrive


class ProxyCall:
    """One request at one worker, as `proxy.invocations` does it."""

    def __init__(self, simulation: Simulation, worker: Worker, arrived: float) -> None:
        self._simulation = simulation
        self._worker = worker
        self._arrived = arrived

    def refuse(self) -> None:
        worker = self._worker
        worker.sighting = after_refusal(worker.sighting, now=self._arrived)
        self._simulation.tally.refused += 1
        self._simulation.idle.append(worker)

    def attempt(self, now: float, number: int = 1) -> None:
        def done(then: float, tokens: float | None) -> None:
            worker, seconds = self._worker, then - now
            self._simulation.idle.append(worker)
            if tokens is None:
                worker.sighting = after_timeout(worker.sighting, seconds=seconds, now=then, limits=worker.limits)
                return
            tokens = counted(tokens, self._simulation.chance)
            worker.sighting = after_answer(
                worker.sighting, seconds=seconds, tokens=tokens, now=then, limits=worker.limits
            )
            self._simulation.count(then, self._arrived)

        if not self._simulation.invoke(now, self._left(now), done):
            self._refused_by_the_model(now, number)

    def _refused_by_the_model(self, now: float, number: int) -> None:
        verdict = decide(
            ModelOverloaded("busy"),
            attempt=number,
            seconds_left=self._left(now),
            tokens=self._worker.retries.tokens,
            random=self._simulation.chance.random(),
        )
        if isinstance(verdict, RetryAfter):
            self._worker.retries.withdraw()
            self._simulation.at(now + verdict.seconds, lambda then: self.attempt(then, number + 1))
        else:
            self._simulation.idle.append(self._worker)

    def _left(self, now: float) -> float:
        return BUDGET_SECONDS - (now - self._arrived)


def proxy(*, with_admission: bool = True, at_most: int | None = None) -> Caller:
    def caller(simulation: Simulation) -> Callable[[float], None]:
        def arrive(arrived: float) -> None:
            worker = simulation.worker(at_most)
            if worker is None:
                simulation.tally.refused += 1
                return
            call = ProxyCall(simulation, worker, arrived)
            share = admitted_share(worker.sighting, now=arrived, seconds_left=BUDGET_SECONDS)
            if with_admission and simulation.chance.random() >= share:
                call.refuse()
                return
            worker.retries.deposit()
            call.attempt(arrived)

        return arrive

    return caller


CALLERS: dict[str, Caller] = {
    "reference: five blind attempts": reference,
    "proxy without admission": proxy(with_admission=False),
    "proxy": proxy(),
    f"proxy, {RESERVED_CONCURRENCY} workers reserved": proxy(at_most=RESERVED_CONCURRENCY),
}
QUICK = Model("8 at once, 0.8 s each, takes all", 8)
SLOW = Model("160 at once, 16 s each, takes all", 160, variation=0.25, pace=0.08)
TWO_LENGTHS = Model(
    "80 at once, 2 s each or 17 s, takes all", 80, variation=0.15, pace=0.08, lengths=((0.6, 0.25), (0.4, 2.125))
)
BATCHING = Model("160 at once, 8 s alone, 16 s in company, takes all", 160, variation=0.25, pace=0.08, slowdown=1.0)
SCENARIOS = (
    (QUICK, 5.0),
    (QUICK, 11.0),
    (QUICK, 20.0),
    (Model("1 at once, 0.1 s each, takes all", 1), 20.0),
    (Model("40 at once, 4 s each, takes all", 40), 20.0),
    (Model("8 at once, 0.8 s each, refuses beyond a queue of 100", 8, queue_limit=100), 20.0),
    (QUICK, 30.0),
    (QUICK, 50.0),
    (SLOW, 5.0),
    (SLOW, 9.0),
    (SLOW, 20.0),
    (TWO_LENGTHS, 5.0),
    (TWO_LENGTHS, 20.0),
    (BATCHING, 5.0),
    (BATCHING, 9.0),
    (BATCHING, 20.0),
)


def play(caller: Caller, model: Model, *, rate: float, seconds: float, seeds: int) -> list[Tally]:
    """One run for each seed and each way in which Lambda may choose a worker."""
    runs = [
        Simulation(model, rate=rate, seconds=seconds, seed=seed, routing=routing)
        for seed in range(1, seeds + 1)
        for routing in ("any", "last")
    ]
    return [simulation.run(caller(simulation)) for simulation in runs]


def goodput(tally: Tally, *, rate: float, seconds: float) -> float:
    """Answers in time, as a share of what was asked for and could be served."""
    return tally.answered / (min(rate, CAPACITY_PER_SECOND) * seconds)


def settled(tally: Tally, *, rate: float, seconds: float) -> float:
    """The same for the last two of five minutes."""
    return tally.answered_late / (min(rate, CAPACITY_PER_SECOND) * SETTLED_SHARE * seconds)


def row(name: str, tallies: list[Tally], *, rate: float, seconds: float) -> str:
    goodputs = [goodput(tally, rate=rate, seconds=seconds) for tally in tallies]
    latencies = sorted(latency for tally in tallies for latency in tally.latencies)
    return (
        f"  {name:36}{mean(goodputs):6.0%} ({min(goodputs):4.0%})"
        f"{mean(settled(tally, rate=rate, seconds=seconds) for tally in tallies):8.0%}"
        f"{mean(t.attempts / t.requests for t in tallies):9.2f}×"
        f"{mean(t.refused / t.requests for t in tallies):9.0%}"
        f"{mean(t.in_vain / max(1, t.attempts) for t in tallies):9.0%}"
        f"{latencies[len(latencies) // 2] if latencies else math.nan:7.1f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=5)
    given = parser.parse_args()
    seconds = given.minutes * 60
    print(
        f"Capacity {CAPACITY_PER_SECOND:.0f} requests/s, {given.minutes:g} minutes, {given.seeds} seeds × 2 routings;"
    )
    print("goodput: answers in time of what was asked for and could be served (the worst run), arrivals are random;")
    print("settled: the same in the last two of five minutes;")
    print("in vain: of the attempts, those that the model worked on after their caller had left")
    for model, rate in SCENARIOS:
        print(f"\n{model.name}; {rate:g} requests/s")
        print(f"  {'':36}{'goodput':>13}{'settled':>8}{'attempts':>10}{'refused':>9}{'in vain':>9}{'median':>9}")
        for name, caller in CALLERS.items():
            tallies = play(caller, model, rate=rate, seconds=seconds, seeds=given.seeds)
            print(row(name, tallies, rate=rate, seconds=seconds))


if __name__ == "__main__":
    main()
