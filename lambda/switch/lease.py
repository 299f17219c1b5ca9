"""Of several executions one acts: the newest request wins, and one that asks for nothing new joins the present one.

The lease is the ledger's entry switch/lease: {"target", "reason", "by", "execution", "asked_at"}, and for who takes
over "lifetime_hours", "rival", "changed", "extend", "before", "leaves" and "bill" (see memory). Once its holder is
done, it has "finished_at".
"""

from collections.abc import Mapping
from dataclasses import replace
from enum import Enum
from typing import Any

from switch.memory import Memory
from switch.request import ROLLBACK, Request

Lease = Mapping[str, Any]

CONDITIONAL = ("idle", "lifetime", "budget", "heartbeat")
# What waits for a pause in the calls (see due). An idle off has waited for longer than that.
PUT_OFF = ("lifetime", "budget", "heartbeat", "schedule", "promotion over")


class Turn(Enum):
    MINE = "mine"
    CLAIM = "claim"
    JOINED = "joined"
    YIELDED = "yielded"
    SUPERSEDED = "superseded"
    BESIDE = "beside"
    WAIT = "wait"


def needs_holder(lease: Lease | None, memory: Memory, execution: str) -> bool:
    """Whether it matters if the holder's execution still runs."""
    return lease is not None and not _finished(lease) and lease.get("execution") != execution and not memory.holding


def turn(
    lease: Lease | None, request: Request, memory: Memory, *, execution: str, now: float, holder_runs: bool
) -> Turn:
    """Whose turn it is. `holder_runs` counts only where `needs_holder` said so."""
    if lease is not None and lease.get("execution") == execution:
        return Turn.MINE
    if lease is not None and memory.holding:
        return Turn.SUPERSEDED
    if not needs_holder(lease, memory, execution) or not holder_runs:
        return Turn.CLAIM
    if float((lease or {}).get("asked_at", 0)) > now:  # it was asked for after us: we were slow, or killed meanwhile
        return Turn.SUPERSEDED
    if request.reason == "idle" and (lease or {}).get("target") == "on":
        return Turn.YIELDED  # what is being lit is not idle, and needs its execution to the end
    return _beside(lease or {}, request)


def _beside(lease: Lease, request: Request) -> Turn:
    """Beside a holder that runs. A conditional off is older than the lighting, which taken over would end half way: it
    looks on without the lease, and takes over only to act, once its reason is seen to hold (see step). So there are
    never two that act. On the way back from a failed model it would cancel that, and leave the failed one in force, so
    it waits.
    """
    if request.target == "off" and request.reason in CONDITIONAL and lease.get("target") == "on":
        return Turn.WAIT if lease.get("reason") == ROLLBACK else Turn.BESIDE
    return Turn.JOINED if _asks_nothing_new(request, lease) else Turn.CLAIM


def claimed(lease: Lease | None, memory: Memory, request: Request, *, ran: bool = False) -> Memory:
    """The memory of a new holder. What an unfinished one of the same target did is carried on, and told. `ran`: the
    last holder did so until now.
    """
    memory = replace(memory, holding=True)
    if lease is None or _finished(lease):
        return memory
    if lease.get("target") != request.target:
        # The rival's last step may have begun just now. What a dead one left may have been in use for long.
        leaves = lease.get("leaves") if ran and request.target == "off" else None
        memory = replace(memory, rival=True, started_at=None, leaves=leaves)
        return _billed(memory, lease, request)
    longer = request.extend or _lives_longer(request, lease)
    return replace(_carried(memory, lease), changed=True, extend=bool(lease.get("extend")) or longer)


def held(lease: Lease, memory: Memory) -> Memory:
    """The memory of the present holder: what its claim knew, should its first step have died after it."""
    if memory.holding:
        return memory
    return replace(
        _carried(memory, lease),
        holding=True,
        rival=bool(lease.get("rival")),
        changed=bool(lease.get("changed")),
        extend=bool(lease.get("extend")),
    )


def entry(request: Request, memory: Memory, *, execution: str, now: float, lifetime_hours: float) -> dict[str, Any]:
    """What a new holder writes. `lifetime_hours` is what holds where the request says nothing."""
    return {
        "target": request.target,
        "reason": request.reason,
        "by": request.by,
        "execution": execution,
        "asked_at": now,
        "lifetime_hours": request.lifetime_hours or lifetime_hours,
        "rival": memory.rival,
        "changed": memory.changed,
        "extend": memory.extend,
        "before": memory.before,
        "leaves": _leaves(request, memory),
        "bill": list(memory.bill),
    }


def billed(lease: Lease, memory: Memory) -> dict[str, Any]:
    """With what its holder has seen since the claim, for whoever takes over."""
    return {**lease, "bill": list(memory.bill)}


def finished(lease: Lease, now: float) -> dict[str, Any]:
    return {**lease, "finished_at": now}


def _leaves(request: Request, memory: Memory) -> Mapping[str, str] | None:
    """The overrides that an off in the midst of this request leaves: those from before, as what it was to bring has
    not proven itself, and may have been taken back. A way back is gone to its end.
    """
    if request.target == "off":
        return memory.leaves
    back = request.overrides if request.reason == ROLLBACK else {}
    return None if memory.before is None else {**memory.before, **back}


def _billed(memory: Memory, lease: Lease, request: Request) -> Memory:
    """With the endpoints that the rival saw, as it writes no receipt. So an off has one to write, though all is off."""
    seen = {entry["created"] for entry in memory.bill}
    owed = tuple(entry for entry in lease.get("bill") or () if entry["created"] not in seen)
    changed = memory.changed or (request.target == "off" and bool(owed))
    return replace(memory, bill=(*owed, *memory.bill), changed=changed)


def _carried(memory: Memory, lease: Lease) -> Memory:
    leaves = lease.get("leaves") if lease.get("target") == "off" else None
    return replace(memory, before=lease.get("before"), leaves=leaves, bill=tuple(lease.get("bill") or ()))


def _finished(lease: Lease) -> bool:
    return lease.get("finished_at") is not None


def _asks_nothing_new(request: Request, lease: Lease) -> bool:
    if request.target != lease.get("target"):
        return False
    if request.target == "off":
        # One that may wait, or end where its reason has gone (see due), would lose another reason.
        return request.reason == lease.get("reason") or lease.get("reason") not in (*CONDITIONAL, *PUT_OFF)
    return not (request.extend or request.overrides or request.budget_usd or _lives_longer(request, lease))


def _lives_longer(request: Request, lease: Lease) -> bool:
    """A request that says no lifetime takes the one that there is."""
    return (request.lifetime_hours or 0.0) > float(lease.get("lifetime_hours") or 0.0)
