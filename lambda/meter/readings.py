"""What the facts mean: five readings, what to remember, and for which reasons the endpoint is to be off now.

Pure. The same instant may be read twice and a tick may be lost: nothing is counted twice, and what was missed is
counted by the next.
"""

from dataclasses import dataclass, replace

from common.facts import EndpointFacts, type_in_use

from meter import bill, training
from meter.facts import CALLS, LEDGER, VARIANT, Facts, Policy
from meter.memory import Memory
from meter.mismatch import mismatch, turn_off_at

# Ticks come five minutes apart and may overtake each other, by no more than this. A memory further ahead is of
# another clock (an embedded cloud that was started anew).
CLOCK_TOLERANCE_SECONDS = 15 * 60

# Statuses in which nobody can call the endpoint. One that AWS adds counts as in service: watched, and billed.
_NOT_SERVING = ("Creating", "Deleting", "Failed", "OutOfService")


@dataclass(frozen=True)
class Readings:
    """None: cannot be told this time, and is not published.

    `idle_minutes` counts from the last call, the start of service or the snooze's end less the window, whichever is
    latest; 0 while there is nothing to call. `minutes_on` counts from the creation, as billing does. `overdue`: an off
    is due, for so long that no switch seems to do it.
    """

    idle_minutes: float | None
    minutes_on: float
    dollars_this_month: float | None
    mismatch: bool
    overdue: bool = False


def readings(facts: Facts, memory: Memory, now: float, policy: Policy) -> tuple[Readings, Memory, tuple[str, ...]]:
    """The readings at `now` (epoch seconds), the next tick's memory, and why an off is due, the surest reason first.

    The memory is not to be kept where the ledger could not be read: it would replace what is there.
    """
    memory, now = _on_one_clock(memory, now)
    usd_per_hour = bill.price(facts, memory, policy)
    after = _remembered(bill.counted(memory, facts, now, usd_per_hour or 0.0), memory, facts, now)
    after = _priced(after, facts, usd_per_hour)
    after = training.counted(after, memory, facts, now, bill.month_start(now), policy)
    blind = LEDGER in facts.unread
    taken = Readings(
        idle_minutes=None if blind or CALLS in facts.unread else _idle_minutes(facts, after, now, policy),
        minutes_on=_minutes_on(facts.endpoint, now),
        dollars_this_month=None if blind else round(after.usd_this_month + after.training_usd_this_month, 4),
        mismatch=mismatch(facts, after, now, policy),
    )
    dues = _dues(taken, facts, now, policy)
    after = replace(after, due_since=_due_since(dues, memory, facts, now))
    overdue = after.due_since is not None and now - after.due_since >= policy.overdue_minutes * 60
    return replace(taken, overdue=overdue), after, dues


def _on_one_clock(memory: Memory, now: float) -> tuple[Memory, float]:
    """A tick that comes late reads as of the latest one: the meter's time never runs backwards.

    Of a memory that is ahead of the clock only the month's sums are kept, and counting goes on from now.
    """
    latest = now + CLOCK_TOLERANCE_SECONDS
    if max(memory.times(), default=now) > latest:
        return Memory(
            counted_until=None if memory.counted_until is None else min(memory.counted_until, now),
            month=memory.month,
            month_counted_since=memory.month_counted_since,
            usd_this_month=memory.usd_this_month,
            hours_this_month=memory.hours_this_month,
            training_usd_this_month=memory.training_usd_this_month,
            trained=memory.trained,
        ), now
    return memory, max(now, now if memory.ticked_at is None else memory.ticked_at)


def _remembered(counted: Memory, before: Memory, facts: Facts, now: float) -> Memory:
    """Since when which endpoint is in which status, and the last call that was ever seen."""
    endpoint = facts.endpoint
    calls = [call for call in (before.last_call, facts.last_call) if call is not None]
    read_at = before.calls_read_at if CALLS in facts.unread else now
    counted = replace(counted, ticked_at=now, last_call=max(calls, default=None), calls_read_at=read_at)
    if endpoint is None:
        return replace(counted, endpoint_created=None, in_service_since=None, status="", status_since=None)
    created = endpoint.created.timestamp()
    known = before if before.endpoint_created == created else Memory()
    in_service = known.in_service_since
    return replace(
        counted,
        endpoint_created=created,
        in_service_since=now if in_service is None and endpoint.status not in _NOT_SERVING else in_service,
        status=endpoint.status,
        status_since=known.status_since if known.status == endpoint.status else now,
    )


def _priced(memory: Memory, facts: Facts, usd_per_hour: float | None) -> Memory:
    """The price that an endpoint which is gone at the next tick will have had, or the type that has none."""
    if facts.endpoint is None or VARIANT in facts.unread:
        return memory
    if usd_per_hour is not None:
        return replace(memory, usd_per_hour=usd_per_hour)
    kind = type_in_use(facts.endpoint, facts.variant) or facts.endpoint.config_name
    return replace(memory, usd_per_hour=None, unpriced=kind)


def _idle_minutes(facts: Facts, memory: Memory, now: float, policy: Policy) -> float:
    if facts.endpoint is None or facts.endpoint.status in _NOT_SERVING or memory.in_service_since is None:
        return 0.0
    since = [memory.in_service_since]
    if memory.last_call is not None:
        since.append(memory.last_call)
    if facts.snooze_until is not None and policy.idle_minutes is not None:
        since.append(facts.snooze_until - policy.idle_minutes * 60)
    return max(0.0, now - max(since)) / 60


def _minutes_on(endpoint: EndpointFacts | None, now: float) -> float:
    return 0.0 if endpoint is None else max(0.0, now - endpoint.created.timestamp()) / 60


def _dues(taken: Readings, facts: Facts, now: float, policy: Policy) -> tuple[str, ...]:
    """An idle off comes last: the switch looks at the calls again and may refuse it."""
    if facts.endpoint is None:
        return ()
    if facts.endpoint.status == "Deleting":
        return ("mismatch",) if taken.mismatch else ()
    budget = policy.monthly_budget_usd if facts.budget_usd is None else facts.budget_usd
    due = {
        "lifetime": _outlived(taken, facts, now, policy),
        "budget": budget is not None and taken.dollars_this_month is not None and taken.dollars_this_month >= budget,
        "mismatch": taken.mismatch,
        "idle": policy.idle_minutes is not None
        and taken.idle_minutes is not None
        and taken.idle_minutes >= policy.idle_minutes,
    }
    return tuple(reason for reason, is_due in due.items() if is_due)


def _due_since(dues: tuple[str, ...], memory: Memory, facts: Facts, now: float) -> float | None:
    """Without a break. While the stack moves, an off waits for it or is being done; without the calls nobody knows."""
    if facts.endpoint is None or (facts.stack is not None and facts.stack.in_progress):
        return None
    known = memory.due_since if memory.endpoint_created == facts.endpoint.created.timestamp() else None
    if dues:
        return now if known is None else known
    return known if CALLS in facts.unread else None


def _outlived(taken: Readings, facts: Facts, now: float, policy: Policy) -> bool:
    """By the stated end: `pilot on --hours` moves it either way, and the hard stops with it."""
    if policy.lifetime_hours is None:
        return False
    end = turn_off_at(facts.stack)
    if end is None:
        return taken.minutes_on >= policy.lifetime_hours * 60
    return now >= end - policy.end_after_lifetime_minutes * 60
