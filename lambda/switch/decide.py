"""What to do next: a pure function of the request, what is seen, what is remembered, and the time."""

from dataclasses import replace

from switch import bill, changes
from switch.decision import Case, Decision, Finish, GaveUp, Outcome, Wait
from switch.due import not_due
from switch.facts import Facts, Phase
from switch.lease import Turn
from switch.memory import Memory
from switch.off import toward_off
from switch.on import toward_on
from switch.request import Request
from switch.settings import Settings

# How long the description of a stack may still be the one from before an UpdateStack.
LAG_SECONDS = 10
# How long a step may last that began before its execution was superseded: what it does must be seen.
RIVAL_SECONDS = 15


def remembered(memory: Memory, facts: Facts, now: float, settings: Settings) -> Memory:
    """The memory once these facts are seen: since when, what it cost so far, what the overrides were."""
    before = memory.before
    if before is None and facts.stack is not None:
        before = changes.kept(facts.stack)
    asked_for = memory.asked_for
    if asked_for is None and facts.stack is not None:
        asked_for = changes.fingerprint_of(facts.stack)
    seen = bill.seen(memory.bill, facts.endpoint, facts.variant, now=now, usd_per_hour=settings.usd_per_hour)
    started_at = now if memory.started_at is None else memory.started_at
    deleting = facts.endpoint is not None and facts.endpoint.status == "Deleting"
    since = (memory.deleting_since or now) if deleting else None
    return replace(memory, started_at=started_at, deleting_since=since, asked_for=asked_for, before=before, bill=seen)


def decide(request: Request, facts: Facts, memory: Memory, now: float, settings: Settings) -> Decision:
    """One action, with the memory that goes with it, and why."""
    case = Case(request, facts, remembered(memory, facts, now, settings), now, settings)
    if _lags(case):
        return case.wait("CloudFormation has the update, and does not show it yet.")
    decision = toward_on(case) if request.target == "on" else _toward_off(case)
    finishes = isinstance(decision.action, Finish)
    if finishes and case.memory.rival and case.since(case.memory.started_at) < RIVAL_SECONDS:
        return case.wait("The execution that was taken over may be in the midst of its last step.")
    return decision


def turn_beside(decision: Decision) -> Turn:
    """What becomes of a look beside an execution that lights it: what changes something takes over first. What finds
    nothing to turn off waits, as that may be about to change.
    """
    match decision.action:
        case Finish(outcome=Outcome.OFF | Outcome.ALREADY_OFF):
            return Turn.WAIT
        case Finish() | Wait():
            return Turn.BESIDE
    return Turn.CLAIM


def _toward_off(case: Case) -> Decision:
    if decision := not_due(case):
        return decision
    if not case.facts.is_off:
        case = case.remember(changed=True)
    way = toward_off(case)
    if isinstance(way, Decision):
        return way
    if isinstance(way, GaveUp):
        return case.finish(Outcome.FAILED, f"{way.message} {case.billed}")
    return _off(case)


def _off(case: Case) -> Decision:
    name = case.settings.endpoint_name
    if not case.memory.changed:
        return case.finish(Outcome.ALREADY_OFF, f"The endpoint {name} was off already.")
    late = " Its stack had not removed it in time, so it was deleted directly." if case.memory.deletes else ""
    return case.finish(Outcome.OFF, f"The endpoint {name} is off.{late}")


def _lags(case: Case) -> bool:
    sent, stack = case.memory.sent, case.facts.stack
    if not sent or stack is None or case.facts.phase is not Phase.SETTLED:
        return False
    shown = all(stack.parameters.get(name) == value for name, value in sent.items())
    return not shown and case.since(case.memory.sent_at) < LAG_SECONDS
