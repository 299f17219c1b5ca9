"""Dollars and hours of this month, counted from tick to tick: exact, whatever the ticks' spacing."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple

from common.facts import endpoint_price, own_price

from meter.facts import Facts, Life, Policy
from meter.memory import Memory

# An endpoint is told from another by its creation, which a receipt holds as the switch was told it.
SAME_SECONDS = 1.0
# More than the receipts that are read can tell of, but for walks beyond the usual.
LIVES_KEPT = 30


class Span(NamedTuple):
    """A time in which one endpoint was billed at one price, in epoch seconds and USD per hour of all instances."""

    created: float
    start: float
    end: float
    usd_per_hour: float


def month_of(moment: float) -> str:
    """The month in UTC, as AWS bills: `2026-11`."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m")


def month_start(moment: float) -> float:
    """When that month began, in epoch seconds."""
    return datetime.fromtimestamp(moment, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0).timestamp()


def price(facts: Facts, memory: Memory, policy: Policy) -> float | None:
    """USD per hour of the endpoint's instances, of both fleets during an update where the second one's price is known;
    None where the first one's is not.

    A config that could not be read is taken to be what it was. So is an endpoint that is being deleted: it counts its
    instances down, of pools too, and of them nobody could then say which they were.
    """
    if facts.endpoint is None:
        return 0.0
    untold = facts.variant is None or facts.endpoint.status == "Deleting"
    if untold and memory.endpoint_created == facts.endpoint.created.timestamp():
        return memory.usd_per_hour
    both = endpoint_price(facts.endpoint, facts.variant, policy.usd_per_hour)
    return own_price(facts.endpoint, facts.variant, policy.usd_per_hour) if both is None else both


def counted(memory: Memory, facts: Facts, now: float, usd_per_hour: float) -> Memory:
    """The memory with everything billed until `now`, of the month that `now` lies in.

    The month is split at its border in UTC. A gap (the meter was dead) is counted from where counting ended, or
    from the endpoint's creation.
    """
    month = month_of(now)
    carried = memory if memory.month == month else replace(memory, usd_this_month=0.0, hours_this_month=0.0)
    first = month_start(now)
    usd, hours = carried.usd_this_month, carried.hours_this_month
    spans = _spans(memory, facts, now, usd_per_hour)
    for span in spans:
        billed = max(0.0, min(span.end, now) - max(span.start, first)) / 3600
        hours += billed
        usd += billed * span.usd_per_hour
    known, forgotten = _lives_counted(memory, spans, now)
    return replace(
        carried,
        month=month,
        month_counted_since=_counted_since(memory, month, first, [now, *(span.start for span in spans)]),
        counted_until=now,
        usd_this_month=usd,
        hours_this_month=hours,
        lives_counted_to=forgotten,
        lives_counted=known,
    )


def _counted_since(memory: Memory, month: str, first: float, counted: list[float]) -> float:
    """Where this month's sums begin: what came before the first tick was seen by nobody, unless it is billed."""
    if memory.month == month and memory.month_counted_since is not None:
        return memory.month_counted_since
    earliest = min(counted) if memory.counted_until is None else min(memory.counted_until, *counted)
    return max(first, earliest)


def _spans(memory: Memory, facts: Facts, now: float, usd_per_hour: float) -> list[Span]:
    """What was billed since the last tick: an endpoint that is gone, those that came and went meanwhile, and the one
    that is there.
    """
    created = facts.endpoint.created.timestamp() if facts.endpoint else None
    before, until = memory.endpoint_created, memory.counted_until
    spans = [Span(life.created, *life) for life in _unseen(memory, facts, now)]
    if before is not None and before != created:
        start = before if until is None else max(until, before)
        latest = min([now if created is None else created, *(span.start for span in spans if span.start > start)])
        spans.append(Span(before, start, _gone_at(facts, before, start, latest), memory.usd_per_hour or 0))
    if created is not None:
        spans.append(Span(created, created if until is None else max(until, created), now, usd_per_hour))
    return spans


def _gone_at(facts: Facts, created: float, start: float, latest: float) -> float:
    """When an endpoint that vanished between two ticks was gone: its receipt says, else at the latest moment."""
    told = [life.gone for life in facts.lives if abs(life.created - created) < SAME_SECONDS]
    return min((gone for gone in told if start <= gone <= latest), default=latest)


def _unseen(memory: Memory, facts: Facts, now: float) -> list[Life]:
    """Lives that no tick saw. Without a memory nobody knows which were counted."""
    if memory.lives_counted_to is None:
        return []
    first = memory.lives_counted_to + SAME_SECONDS
    present = facts.endpoint.created.timestamp() if facts.endpoint else now
    lives = [life for life in _distinct(facts.lives) if first < life.created < min(present, now) - SAME_SECONDS]
    return [life for life in lives if not _is_counted(memory, life.created)]


def _is_counted(memory: Memory, created: float) -> bool:
    """Itself, or as time of another: one that vanished without a receipt counts until the next that a tick saw."""
    return any(abs(known - created) < SAME_SECONDS or known < created < until for known, until in memory.lives_counted)


def _distinct(lives: Iterable[Life]) -> list[Life]:
    """One for each endpoint, the earliest first. Two receipts may tell of the same one: it was gone when the first saw
    that, and a price that one of them did not know is the other's.
    """
    found: list[Life] = []
    for life in sorted(lives):
        if found and life.created - found[-1].created < SAME_SECONDS:
            same = found.pop()
            found.append(Life(same.created, min(same.gone, life.gone), max(same.usd_per_hour, life.usd_per_hour)))
        else:
            found.append(life)
    return found


def _lives_counted(memory: Memory, spans: Iterable[Span], now: float) -> tuple[list[list[float]], float]:
    """The endpoints that are counted by now, and until which creation none is counted any more."""
    ends = {life[0]: life[1] for life in memory.lives_counted}
    for span in spans:
        ends[span.created] = max(span.end, ends.get(span.created, span.end))
    lives = [[created, until] for created, until in sorted(ends.items())]
    first = now if memory.lives_counted_to is None else memory.lives_counted_to
    return lives[-LIVES_KEPT:], max([first, *(created for created, _ in lives[:-LIVES_KEPT])])
