"""Whether an endpoint that was found idle still is: looked at again just before it is turned off for that."""

from common.facts import EndpointFacts

from switch.decision import Case


def not_idle(case: Case) -> str | None:
    """Why it is not to be turned off for being idle; None where it is, or where something else is to be mended."""
    facts = case.facts
    if case.request.reason != "idle" or facts.stack is None or not facts.stack_says_on:
        return None
    if case.settings.idle_minutes is None:
        return "Turning off for idleness is switched off (idle_minutes in pilotlight.toml)."
    if facts.stack.in_progress:
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
