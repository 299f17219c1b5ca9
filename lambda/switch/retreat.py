"""How an `on` ends that did not get there: everything is turned off again, unless an endpoint serves, and a person is
told.
"""

from dataclasses import replace

from switch.decision import Cancel, Case, Decision, GaveUp, Outcome
from switch.facts import Phase
from switch.memory import Memory
from switch.off import advice, toward_off

_SERVING = ("InService", "Updating", "SystemUpdating", "RollingBack")
# After a cancelled change of an endpoint that serves, CloudFormation brings its old config back.
LIMIT_SECONDS = 60 * 60
# What is remembered of a way to on, and is not true of the next one.
_OF_ONE_WAY = (
    "failure",
    "refused",
    "off_since",
    "settled_off_at",
    "off_updates",
    "attempt_at",
    "attempt_type",
    "tried",
    "without_quota",
    "rounds",
    "resume_at",
)


def fail(case: Case, why: str) -> Decision:
    """Give this `on` up. What serves is left as it is: to turn it off was not asked for."""
    endpoint = case.facts.endpoint
    if case.memory.lost:
        why = f"{case.memory.lost} The model that served before could not be lit again: {why}"
    stays = endpoint is not None and endpoint.status in _SERVING
    return retreat(case.remember(failure=why, stays=stays))


def retreat(case: Case) -> Decision:
    """The next step of an `on` that was given up."""
    failure = case.memory.failure
    if case.memory.stays and case.facts.endpoint is not None:
        return _stay(case)
    way = toward_off(case)
    if isinstance(way, Decision):
        return replace(way, message=f"{failure} {way.message}")
    if isinstance(way, GaveUp) and case.facts.endpoint is None:
        return case.finish(Outcome.FAILED, f"{failure} {advice(case)} {case.billed}")
    if isinstance(way, GaveUp):
        return case.finish(Outcome.FAILED, f"{failure} Taking it back failed too: {way.message} {case.billed}")
    if case.memory.swapping and not case.memory.lost:
        return _back(case)
    return case.finish(Outcome.FAILED, f"{failure} It is off, and nothing is billed.")


def _back(case: Case) -> Decision:
    """What served was turned off for a model that does not: that way is taken anew, with the old model."""
    fresh = Memory()
    anew = {name: getattr(fresh, name) for name in _OF_ONE_WAY}
    case = case.remember(**anew, lost=case.memory.failure, started_at=case.now)
    return case.wait(f"{case.memory.lost} The model that served before is lit again.")


def _stay(case: Case) -> Decision:
    case, waited = case.waiting("stay")
    failure, phase = case.memory.failure, case.facts.phase
    if phase is Phase.UPDATING and case.memory.ours and not (case.memory.cancels or case.memory.reverted):
        return case.act(Cancel(), f"{failure} The update is cancelled.", cancels=1)
    if phase in (Phase.UPDATING, Phase.BUSY) and case.memory.ours and waited < LIMIT_SECONDS:
        return case.wait(f"{failure} The stack returns to what it was.")
    return case.finish(Outcome.FAILED, f"{failure} {case.billed} `pilot off` turns it off.")
