"""Dollars and hours of this month, counted from tick to tick: exact, whatever the ticks' spacing."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple

from common.facts import hourly_price, instance_count

from meter.facts import Facts, Policy
from meter.memory import Memory


class Span(NamedTuple):
    """A time in which one endpoint was billed at one price, in epoch seconds and USD per hour of all instances."""

    start: float
    end: float
    usd_per_hour: float


def month_of(moment: float) -> str:
    """The month in UTC, as AWS bills: `2026-11`."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m")


def price(facts: Facts, memory: Memory, policy: Policy) -> float | None:
    """USD per hour of the endpoint's instances; None where their price is not known.

    Instances from a pool are of one of the stage's types: the dearest bounds them from above. A config that could
    not be read is taken to be what it was.
    """
    if facts.endpoint is None:
        return 0.0
    if facts.variant is None and memory.endpoint_created == facts.endpoint.created.timestamp():
        return memory.usd_per_hour
    known = policy.usd_per_hour
    instance_type = facts.variant.instance_type if facts.variant else None
    if facts.variant and instance_type is None:
        instance_type = max(known, key=lambda name: known[name], default=None)
    return hourly_price(instance_type, instance_count(facts.endpoint, facts.variant), known)


def counted(memory: Memory, facts: Facts, now: float, usd_per_hour: float) -> Memory:
    """The memory with everything billed until `now`, of the month that `now` lies in.

    The month is split at its border in UTC. A gap (the meter was dead) is counted from where counting ended, or
    from the endpoint's creation.
    """
    month = month_of(now)
    carried = memory if memory.month == month else replace(memory, usd_this_month=0.0, hours_this_month=0.0)
    first = datetime.fromtimestamp(now, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0).timestamp()
    usd, hours = carried.usd_this_month, carried.hours_this_month
    for span in _spans(memory, facts, now, usd_per_hour):
        billed = max(0.0, min(span.end, now) - max(span.start, first)) / 3600
        hours += billed
        usd += billed * span.usd_per_hour
    return replace(carried, month=month, counted_until=now, usd_this_month=usd, hours_this_month=hours)


def _spans(memory: Memory, facts: Facts, now: float, usd_per_hour: float) -> list[Span]:
    """What was billed since the last tick: an endpoint that is gone, and the one that is there."""
    created = facts.endpoint.created.timestamp() if facts.endpoint else None
    before, until = memory.endpoint_created, memory.counted_until
    spans = []
    if before is not None and before != created:
        start = before if until is None else max(until, before)
        spans.append(Span(start, _gone_at(facts, start, now if created is None else created), memory.usd_per_hour or 0))
    if created is not None:
        spans.append(Span(created if until is None else max(until, created), now, usd_per_hour))
    return spans


def _gone_at(facts: Facts, start: float, latest: float) -> float:
    """When an endpoint that vanished between two ticks was gone: its receipt says, else at the latest moment."""
    return min((at for at in facts.offs if start <= at <= latest), default=latest)
