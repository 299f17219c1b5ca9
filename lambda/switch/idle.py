"""Whether an endpoint that was found idle still is: looked at again just before it is turned off for that."""

from switch.decision import Case


def not_idle(case: Case) -> str | None:
    """Why it is not to be turned off for being idle; None where it is. Counted as the meter counts."""
    facts, window = case.facts, case.settings.idle_minutes
    if case.request.reason != "idle" or not facts.stack_says_on or facts.endpoint is None:
        return None
    if window is None:
        return "Turning off for idleness is switched off (idle_minutes in pilotlight.toml)."
    if facts.snoozed_until is not None and case.now < facts.snoozed_until:
        return f"It is snoozed for {(facts.snoozed_until - case.now) / 60:.0f} more minutes."
    if facts.stack is not None and facts.stack.in_progress:
        return f"The stack is in {facts.stack.status}: whoever changes it wants the endpoint."
    moments = [facts.last_call, facts.endpoint.created.timestamp()]
    if facts.meter is not None:
        moments += [facts.meter.last_call, facts.meter.in_service_since]
    idle_seconds = case.since(max(moment for moment in moments if moment is not None))
    if idle_seconds < window * 60:
        return f"It was last in use {idle_seconds / 60:.0f} minutes ago, and {window:g} make it idle."
    return None
