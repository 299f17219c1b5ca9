"""Lighting: what is sent, and the walk along the instance types where AWS has no capacity.

SageMaker walks along instance pools itself. For the switch they are one choice, whose failure is that of all types.
"""

from collections.abc import Mapping
from dataclasses import replace

from switch import changes, gate
from switch.decision import Case, Decision, Outcome
from switch.failures import Cause, cause
from switch.request import ROLLBACK
from switch.retreat import fail

MOST_ROUNDS = 3
PAUSE_SECONDS = 5 * 60  # between rounds
# No new attempt begins when the present execution has lasted for two whole wakes and an hour.
LATEST_SECONDS = 60 * 60
_REDEPLOYED = "Another model or instance type was deployed meanwhile, and what was asked for was for the former one."
_NO_FINGERPRINT = "The stack does not state its fingerprint, which overrides need: deploy it again."


def light(case: Case) -> Decision:
    """Turn on what is off, with the first instance type that is left."""
    memory = case.memory
    if memory.resume_at is not None and case.now < memory.resume_at:
        return case.wait("AWS has no capacity: the next round begins soon.", memory.resume_at - case.now)
    if case.since(memory.started_at) > LATEST_SECONDS + 2 * case.settings.wake_limit_seconds:
        return fail(case, "It took too long to find an instance.")
    if no := refused(case):
        return no
    instance_type = _left(case)[0]
    wanted = {**overrides(case), "InstanceType": _override(case, instance_type)}
    overriding = _overriding(case, wanted)
    if overriding is None:
        return fail(case, _NO_FINGERPRINT)
    return case.update(
        {"EndpointState": "on", **_ends(case), **overriding},
        f"The endpoint is lit on {instance_type}.",
        attempt_at=case.now,
        attempt_type=instance_type,
        ours=True,
        replacing=False,
        resume_at=None,
    )


def change(case: Case) -> Decision:
    """Change what is on: its overrides, its end, or both."""
    if no := refused(case):
        return no
    overriding = _overriding(case, overrides(case)) if case.request.overrides else {}
    if overriding is None:
        return fail(case, _NO_FINGERPRINT)
    later = case.request.extend or case.memory.extend
    return case.update(
        {**(_ends(case) if later else {}), **overriding},
        "The stack of the endpoint that is on is changed.",
        attempt_at=case.now,
        ours=True,
        replacing=True,
    )


def leave_off(case: Case) -> Decision:
    """What somebody else turned off is not lit to go back: its overrides are set, which costs nothing and shows only
    when it is lit next.
    """
    wanted = still_wanted(case, changes.overrides_in_force(case.facts.stack))
    if not wanted:
        outcome = Outcome.OFF if case.memory.bill else Outcome.ALREADY_OFF  # the end of what was seen is to be told
        return case.finish(outcome, f"The endpoint {case.settings.endpoint_name} is off, and stays off.")
    overriding = _overriding(case, wanted)
    if overriding is None:
        return fail(case, _NO_FINGERPRINT)
    if case.memory.ours:
        why = case.facts.failure or "its parameters are what they were"
        return fail(case, f"The stack did not take the model from before: {why}.")
    why = "It was turned off meanwhile, and stays off: only its stack is told of the model from before."
    return case.update(overriding, why, attempt_at=case.now, ours=True, replacing=True)


def refused(case: Case) -> Decision | None:
    """The end, where nothing may be lit. The way back from a failed model lights nothing where it changes what is on,
    and refused it would leave that model in force.
    """
    if case.request.reason == ROLLBACK and case.facts.stack_says_on and not case.request.extend:
        return None
    if case.redeployed and overrides(case).get("ModelDataUrl"):
        return fail(case, _REDEPLOYED)
    refusal = gate.refusal(case)
    if refusal and case.memory.relights:
        # It was on before, so a person must hear of it. Nor may the model be lit that was turned off for this one.
        return fail(case.remember(swapping=False), refusal)
    return case.finish(Outcome.REFUSED, refusal) if refusal else None


def joined(case: Case) -> Case:
    """Somebody else, or a killed execution, is turning it on: that is taken for this one's attempt."""
    in_force = changes.overrides_in_force(case.facts.stack)["InstanceType"]
    return case.remember(
        changed=case.memory.changed or not case.facts.in_service,
        attempt_at=case.now,
        attempt_type=in_force or case.settings.choices[0],
        ours=False,
    )


def overrides(case: Case) -> dict[str, str]:
    """What the request overrides. The configured instance type is no override. On the way back from a model that was
    given up, it is the model from before, unless another one was deployed since.
    """
    if case.memory.lost:
        return {"ModelDataUrl": changes.alive(case.facts.stack, case.memory.before)["ModelDataUrl"]}
    asked = dict(case.request.overrides)
    if case.request.reason == ROLLBACK and case.redeployed and "ModelDataUrl" in asked:
        asked["ModelDataUrl"] = ""  # what is gone back to was for the former model, too
    if "InstanceType" in asked:
        asked["InstanceType"] = _override(case, asked["InstanceType"])
    return asked


def still_wanted(case: Case, in_force: Mapping[str, str]) -> dict[str, str]:
    """What the request overrides, and the stack does not: an instance type that was fallen back on is as good."""
    asked = overrides(case)
    if "InstanceType" in asked and case.memory.ours and case.memory.attempt_type:
        asked["InstanceType"] = _override(case, case.memory.attempt_type)
    return {name: value for name, value in asked.items() if value != in_force.get(name, "")}


def is_extended(case: Case) -> bool:
    """Whether the stack has the end that this execution sent."""
    sent, stack = case.memory.sent or {}, case.facts.stack
    return stack is not None and "TurnOffAt" in sent and stack.parameters.get("TurnOffAt") == sent["TurnOffAt"]


def after_failure(case: Case) -> Decision:
    """The attempt was rolled back: another instance type, another round, or the end."""
    facts, memory = case.facts, case.memory
    if facts.stack is None or facts.stack.status != "UPDATE_ROLLBACK_COMPLETE":
        # Nor is the model lit again that this execution turned off.
        return fail(case.remember(swapping=False), "Another change turned it off meanwhile.")
    why = cause(facts.failure)
    if why is Cause.OTHER:
        why_not = facts.failure or "no failure is recorded, so somebody may have cancelled it"
        return fail(case, f"It could not be lit: {why_not}.")
    memory = replace(memory, attempt_at=None, tried=(*memory.tried, memory.attempt_type))
    if why is Cause.QUOTA:
        memory = replace(memory, without_quota=(*memory.without_quota, memory.attempt_type))
    case = replace(case, memory=memory)
    if _left(case):
        return light(case)
    types = ", ".join(_types(case))
    if not _left(replace(case, memory=replace(memory, tried=()))):
        return fail(
            case,
            f"The account's quota has no room for {types}: ask for more under Service Quotas, SageMaker, "
            "`TYPE for endpoint usage`, or configure other instance types.",
        )
    if memory.rounds + 1 >= MOST_ROUNDS:
        return fail(
            case,
            f"AWS has no capacity for {types} now, asked {MOST_ROUNDS} times each: try later, or configure more "
            f"instance types. It says: {facts.failure}.",
        )
    case = case.remember(tried=(), rounds=memory.rounds + 1, resume_at=case.now + PAUSE_SECONDS)
    return light(case)


def _left(case: Case) -> list[str]:
    spent = (*case.memory.tried, *case.memory.without_quota)
    return [name for name in _types(case) if name not in spent]


def _types(case: Case) -> list[str]:
    """The one asked for first, then the others; without a fingerprint nothing can be overridden."""
    listed = case.settings.choices
    asked = (not case.memory.lost and case.request.overrides.get("InstanceType")) or listed[0]
    stack = case.facts.stack
    if stack is None or not stack.outputs.get("Fingerprint"):
        return [asked]
    return [asked, *(name for name in listed if name != asked)]


def _ends(case: Case) -> dict[str, str]:
    """Only who asks for another end brings a present one forward."""
    ends = changes.ends(case.now, case.request.lifetime_hours, case.settings)
    known = {**(case.memory.ends or {}), **changes.ends_of(case.facts.stack)}
    return ends if case.request.extend else changes.later(ends, known)


def _override(case: Case, instance_type: str) -> str:
    return "" if instance_type == case.settings.choices[0] else instance_type


def _overriding(case: Case, wanted: Mapping[str, str]) -> dict[str, str] | None:
    """None where `wanted` cannot be said."""
    sent = changes.overriding(case.facts.stack, wanted)
    return None if any(wanted.values()) and not sent else sent
