"""Whether something bills that should not: the endpoint should be off and is not, or hangs where it earns nothing."""

from datetime import UTC, datetime

from common.facts import EndpointFacts, StackFacts

from meter.facts import STACK, Facts, Policy
from meter.memory import Memory


def mismatch(facts: Facts, memory: Memory, now: float, policy: Policy) -> bool:
    """`memory` is this tick's: it knows since when the endpoint has its status.

    Deleting is the way out, so only its length counts, whatever the stack says meanwhile.
    """
    endpoint = facts.endpoint
    if endpoint is None:
        return False
    minutes_in_status = (now - (now if memory.status_since is None else memory.status_since)) / 60
    if endpoint.status == "Deleting":
        return minutes_in_status >= policy.deleting_minutes
    return (
        _said_off(facts)
        or _past_its_end(facts.stack, now, policy)
        or _stuck(endpoint, facts.stack, minutes_in_status, now, policy)
    )


def _said_off(facts: Facts) -> bool:
    """A stack that is settled says off, or is not there at all."""
    if STACK in facts.unread:
        return False
    return facts.stack is None or (not facts.stack.in_progress and facts.stack.endpoint_state == "off")


def _past_its_end(stack: StackFacts | None, now: float, policy: Policy) -> bool:
    end = turn_off_at(stack)
    return end is not None and now >= end + policy.grace_minutes * 60


def _stuck(
    endpoint: EndpointFacts, stack: StackFacts | None, minutes_in_status: float, now: float, policy: Policy
) -> bool:
    match endpoint.status:
        case "Creating":
            return now - endpoint.created.timestamp() >= policy.creating_minutes * 60
        case "Failed":  # CloudFormation may be about to remove it
            handled = stack is not None and stack.in_progress
            return not handled or minutes_in_status >= policy.grace_minutes
        case "OutOfService":
            return minutes_in_status >= policy.grace_minutes
    return False


def turn_off_at(stack: StackFacts | None) -> float | None:
    """The stack's `TurnOffAt` in epoch seconds; None where there is none, or none that can be read."""
    if stack is None or stack.turn_off_at is None:
        return None
    try:
        stated = datetime.fromisoformat(stack.turn_off_at)
    except ValueError:
        return None
    return (stated if stated.tzinfo else stated.replace(tzinfo=UTC)).timestamp()
