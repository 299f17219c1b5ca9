"""Whether the reason for an off still holds: looked at again just before the endpoint is turned off for it.

An alarm acts on a reading that is minutes old, and knows nothing of a call, a snooze, a later end or a higher ceiling
that came since. And nobody is cut off in the midst of a conversation if a few minutes can help it: an off that has
nothing to do with the calls waits for a pause in them, but not for long, as a caller who never pauses must not keep on
what should be over.
"""

from datetime import datetime

from common.facts import EndpointFacts, iso
from common.next_trigger import AFTER_LIFETIME_SECONDS

from switch import gate
from switch.decision import Case, Decision, Outcome
from switch.lease import PUT_OFF

SILENCE_SECONDS = 30 * 60
PAUSE_SECONDS = 5 * 60
MOST_PUT_OFF_SECONDS = 10 * 60
# The hard stop waits for nobody; what ends before it leaves a receipt with the true reason.
BEFORE_HARD_STOP_SECONDS = 60


def not_due(case: Case) -> Decision | None:
    """Not to turn it off, or not yet; None where it is due, or where something else is to be mended."""
    facts = case.facts
    if facts.stack is None or not facts.stack_says_on:
        return None
    return _reason_gone(case) or (_until_pause(case) if case.request.reason in PUT_OFF else None)


def _reason_gone(case: Case) -> Decision | None:
    match case.request.reason:
        case "idle":
            return _unless_idle(case)
        case "lifetime":
            return _unless(case, _has_time(case))
        case "budget":
            return _unless(case, _has_money(case))
        case "heartbeat":
            return _until_silent(case)
    return None


def _unless(case: Case, still: str | None) -> Decision | None:
    return case.finish(Outcome.NOT_DUE, f"It stays on. {still}") if still else None


def _until_pause(case: Case) -> Decision | None:
    """Nobody called for five minutes, or it was put off for as long as it may be."""
    known = [case.facts.last_call, case.facts.meter.last_call if case.facts.meter else None]
    called = max((moment for moment in known if moment is not None), default=None)
    if case.facts.endpoint is None or called is None or case.since(called) >= PAUSE_SECONDS:
        return None
    if case.memory.put_off_since is None:
        case = case.remember(put_off_since=case.now)
    until = (case.memory.put_off_since or case.now) + MOST_PUT_OFF_SECONDS
    if end := _ends(case):
        until = min(until, end.timestamp() - BEFORE_HARD_STOP_SECONDS)
    if case.now >= until:
        return None
    left = min(PAUSE_SECONDS - case.since(called), until - case.now)
    return case.wait("It was called within the last five minutes: a pause is waited for.", left)


def _has_time(case: Case) -> str | None:
    """`pilot on --hours` moves the end; the alarm on the minutes since its creation does not know."""
    end = _ends(case)
    if end is None:
        return None
    if case.now >= end.timestamp() - AFTER_LIFETIME_SECONDS:
        return None
    return f"Its end was moved to {iso(end)}."


def _ends(case: Case) -> datetime | None:
    return case.facts.stack.ends if case.facts.stack else None


def _has_money(case: Case) -> str | None:
    ceiling, spent = gate.ceiling(case), case.facts.meter.usd_this_month if case.facts.meter else None
    if ceiling is None:
        return "Turning off for the budget is switched off (monthly_budget_usd in pilotlight.toml)."
    if spent is None or spent >= ceiling:
        return None
    return f"USD {spent:.2f} of the month's USD {ceiling:.2f} are spent."


def _until_silent(case: Case) -> Decision | None:
    """A meter that was never heard has half an hour from the lighting on."""
    heard_at, endpoint = case.facts.heard_at or 0.0, case.facts.endpoint
    if endpoint is None:
        return case.wait("The stack is on its way to on.") if case.facts.turning_on else None
    if heard_at > (case.memory.started_at or case.now):
        return case.finish(Outcome.NOT_DUE, "It stays on. The meter is heard again.")
    left = SILENCE_SECONDS - case.since(max(heard_at, endpoint.created.timestamp()))
    return case.wait("The meter is silent, for less than half an hour so far.", left) if left > 0 else None


def _unless_idle(case: Case) -> Decision | None:
    reason = _not_idle(case)
    return case.finish(Outcome.NOT_IDLE, f"It is not idle any more, and stays on. {reason}") if reason else None


def _not_idle(case: Case) -> str | None:
    facts = case.facts
    if case.settings.idle_minutes is None:
        return "Turning off for idleness is switched off (idle_minutes in pilotlight.toml)."
    if facts.stack is not None and facts.stack.in_progress:
        return f"The stack is in {facts.stack.status}: whoever changes it wants the endpoint."
    return _in_use(case, facts.endpoint, case.settings.idle_minutes)


def _in_use(case: Case, endpoint: EndpointFacts | None, window_minutes: float) -> str | None:
    """Counted as the meter counts; an endpoint that somebody deleted leaves a stack to mend."""
    facts = case.facts
    if endpoint is None:
        return None
    if facts.snoozed_until is not None and case.now < facts.snoozed_until:
        return f"It is snoozed for {(facts.snoozed_until - case.now) / 60:.0f} more minutes."
    moments = [facts.last_call, endpoint.created.timestamp()]
    if facts.meter is not None:
        moments += [facts.meter.last_call, facts.meter.in_service_since]
    idle_minutes = case.since(max(moment for moment in moments if moment is not None)) / 60
    if idle_minutes < window_minutes:
        return f"It was last in use {idle_minutes:.0f} minutes ago, and {window_minutes:g} make it idle."
    return None
