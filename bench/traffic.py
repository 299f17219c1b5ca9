"""Random traffic of a few kinds: minutes with a call, from a seeded generator, in UTC; minute 0 is a Monday."""

from collections.abc import Callable, Iterator
from random import Random

DAY = 24 * 60
Traffic = Callable[[Random, int], Iterator[int]]


def office_hours(random: Random, days: int) -> Iterator[int]:
    """A small team, Monday to Friday from 9 to 17: on average a call every 8 minutes, and nobody at lunch."""
    for day in range(days):
        if day % 7 < 5:
            for begin, end in ((9 * 60, 12 * 60), (13 * 60, 17 * 60)):
                yield from _poisson(random, day * DAY + begin, day * DAY + end, mean_minutes=8)


def bursts(random: Random, days: int) -> Iterator[int]:
    """One person who works for 40 minutes on average, and comes back at any hour, 15 hours later on average."""
    begin = random.expovariate(1 / (15 * 60))
    while begin < days * DAY:
        end = min(begin + random.expovariate(1 / 40), days * DAY)
        yield from _poisson(random, begin, end, mean_minutes=2)
        begin = end + random.expovariate(1 / (15 * 60))


def nightly_job(random: Random, days: int) -> Iterator[int]:
    """A job at 02:00 each night that calls every minute for 20 to 40 minutes."""
    for day in range(days):
        begin = day * DAY + 2 * 60
        yield from range(begin, begin + random.randint(20, 40))


def tutorial(random: Random, days: int) -> Iterator[int]:
    """Somebody follows a tutorial for an hour or so, once in 30 days, and forgets the endpoint."""
    for month in range(0, days, 30):
        begin = month * DAY + random.randint(8 * 60, 18 * 60)
        yield from _poisson(random, begin, begin + random.randint(30, 90), mean_minutes=3)


def constant(random: Random, days: int) -> Iterator[int]:
    """Callers day and night: on average a call every 5 minutes."""
    yield from _poisson(random, 0, days * DAY, mean_minutes=5)


def _poisson(random: Random, begin: float, end: float, *, mean_minutes: float) -> Iterator[int]:
    moment = begin + random.expovariate(1 / mean_minutes)
    while moment < end:
        yield int(moment)
        moment += random.expovariate(1 / mean_minutes)


KINDS: dict[str, Traffic] = {
    "office hours": office_hours,
    "bursts": bursts,
    "nightly job": nightly_job,
    "forgotten tutorial": tutorial,
    "constant": constant,
}
