"""Whether a request is let through to a model that has too much to do: a pure decision on what one worker saw.

A model with an unbounded queue answers nobody in time once the queue is longer than their budgets, and goes on
generating for callers who have left. So the load is thinned out before. A worker serves one request at a time and
sees no other: all it has is how long its own answers took. How long a healthy model takes nobody can say beforehand,
16 s may be a queue before a quick model or a long answer of a slow one. So the worker learns how long a token takes
when it takes little, and calls a delay what an answer took beyond its tokens. The larger the delay, the more requests
are refused before the next is let through, at random, `MOST_REFUSALS` on average at most: hundreds of workers that
each see a sample of the same queue hold it together. What they saw does not age, or they would all try again at once.

A worker that was born in the crowd knows no calm, and takes the queue for the model's pace until it sees a shorter
wait. What corrects it is attempts that time out: one may be a long answer, two in a row are a queue.

A lone caller may be wrongly refused too, after an answer of unusual length. Nobody else comes to its worker, so who is
back at the time that `Retry-After` said is let through.

`bench/overload.py` shows what this is worth. What a model refuses by itself (429) is no evidence here: it does not
queue.
"""

import math
from typing import NamedTuple

TOLERANCE = 1.5  # times the learnt pace: tokens are estimated where none are told, and come slower in company
LEAST_DELAY_SHARE = 0.1  # of the time left: a smaller delay refuses nothing
FULL_DELAY_SHARE = 0.3
MOST_REFUSALS = 15.0
FALL = 0.3  # of the way to a quicker answer, so that one wrong count does not set the pace
RISE = 1.03  # at most, an answer: a model that was changed for a slower one is learnt within some dozens
LATE_SHARE = 0.9  # of the budget: a shorter attempt without an answer ended for reasons of its own
DOUBT = 0.12  # what the first of several timeouts counts, one or two refusals of the next
PROMPT_TOKENS_PER_TOKEN = 20.0  # read in the time that one is written, roughly
RETRY_AFTER_SECONDS = 6
PUNCTUAL_SECONDS = (5.5, 8.0)  # after a refusal: that is when a lone caller is back
FORGOTTEN_SECONDS = 600.0


class Sighting(NamedTuple):
    """What one worker saw. Times are in seconds on its monotonic clock.

    `pace` is how many seconds a token takes in calm; `delay` how many the last attempt that tells took beyond that.
    """

    pace: float = math.inf
    delay: float = 0.0
    timed_out: bool = False
    seen_at: float = -math.inf
    refused_at: float = -math.inf


class Limits(NamedTuple):
    """`budget` is what a request has that arrives in good time, `calm` a latency up to which there is no delay.

    Both in seconds. A `calm` of `budget` or more refuses nothing.
    """

    budget: float
    calm: float = 0.0


def tokens_of(*, read: int, written: int) -> float:
    """What an answer took to generate, in tokens written."""
    return max(1.0, written + read / PROMPT_TOKENS_PER_TOKEN)


def admitted_share(sighting: Sighting, *, now: float, seconds_left: float) -> float:
    """The share of requests with `seconds_left` to let through, from 1 / (1 + `MOST_REFUSALS`) to 1."""
    earliest, latest = PUNCTUAL_SECONDS
    is_punctual = earliest <= now - sighting.refused_at <= latest
    if is_punctual or now - max(sighting.seen_at, sighting.refused_at) > FORGOTTEN_SECONDS:
        return 1.0
    beyond = sighting.delay / seconds_left - LEAST_DELAY_SHARE
    crowded = min(1.0, max(0.0, beyond / (FULL_DELAY_SHARE - LEAST_DELAY_SHARE)))
    return 1 / (1 + MOST_REFUSALS * crowded)


def after_refusal(sighting: Sighting, *, now: float) -> Sighting:
    """What the worker knows once it has refused a request at `now`."""
    return sighting._replace(refused_at=now)


def after_answer(sighting: Sighting, *, seconds: float, tokens: float, now: float, limits: Limits) -> Sighting:
    """What the worker knows once an answer worth `tokens` came after `seconds`, at `now`."""
    measured, pace = seconds / tokens, sighting.pace
    if math.isinf(pace):
        pace = measured
    elif measured < pace:
        pace += FALL * (measured - pace)
    else:
        pace = min(measured, pace * RISE)
    delay = 0.0 if seconds <= limits.calm else max(0.0, seconds - TOLERANCE * pace * tokens)
    return Sighting(pace=pace, delay=delay, seen_at=now)


def after_timeout(sighting: Sighting, *, seconds: float, now: float, limits: Limits) -> Sighting:
    """What the worker knows once an attempt ended after `seconds`, at `now`, without an answer."""
    if seconds < max(LATE_SHARE * limits.budget, limits.calm):
        return sighting
    delay = seconds if sighting.timed_out else DOUBT * seconds
    return Sighting(pace=sighting.pace, delay=delay, timed_out=True, seen_at=now)
