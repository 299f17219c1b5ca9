"""The way to on, from wherever the endpoint and its stack are.

On means InService on the config that the stack holds: after a rolled-back change SageMaker says InService on the old
one.
"""

from switch import changes, walk
from switch.decision import Case, Decision, GaveUp, Outcome, Tell
from switch.facts import Phase
from switch.off import DELETING_SECONDS, continued, toward_off
from switch.request import ROLLBACK
from switch.retreat import fail, retreat

# Somebody's deploy that holds the stack: an `on` waits for it, but not for ever.
BUSY_LIMIT_SECONDS = 60 * 60
# An update that is in order is over by then; a person can end one that is not.
TELL_SECONDS = 30 * 60
# Whatever keeps coming in between.
LIMIT_SECONDS = 2 * 60 * 60
MOST_RELIGHTS = 2


def toward_on(case: Case) -> Decision:
    """The next thing to do; Finish where it is on, or where it cannot be."""
    memory = case.memory
    if memory.failure:
        return _old_config(case) if memory.stays and _went_back(case) else retreat(case)
    if memory.refused:
        return fail(case, f"CloudFormation refused the update: {memory.refused}.")
    if case.since(memory.started_at) > LIMIT_SECONDS + 3 * case.settings.wake_limit_seconds:
        return fail(case, "It took too long, as others changed the stack meanwhile.")
    if case.facts.phase is Phase.SETTLED:
        return _says_on(case) if case.facts.stack_says_on else _says_off(case)
    return _unsettled(case)


def _unsettled(case: Case) -> Decision:
    stack = case.facts.stack
    match case.facts.phase:
        case Phase.UPDATING | Phase.BUSY:
            return _under_way(case)
        case Phase.ROLLBACK_FAILED:
            case, _ = case.waiting("rollback")
            return continued(case) or fail(case, f"The stack's rollback failed: {case.facts.failure}.")
    seen = f"in {stack.status}" if stack else "not there"
    return fail(case, f"The stack {case.settings.endpoint_stack_name} is {seen}, and takes no update.")


def _under_way(case: Case) -> Decision:
    facts, limit = case.facts, case.settings.wake_limit_seconds
    if not facts.stack_says_on and facts.endpoint is not None:
        return _old_goes(case)
    if not facts.turning_on:
        case, waited = case.waiting("stack")
        what = f"The stack is in {facts.stack.status if facts.stack else 'no status'}"
        if waited >= BUSY_LIMIT_SECONDS:
            return fail(case, f"{what}, for {waited / 60:.0f} minutes.")
        if waited >= TELL_SECONDS and not case.memory.told_of_waiting:
            return _tell(case, f"{what}, for {waited / 60:.0f} minutes")
        return case.wait(f"{what}: that must end first.")
    case, _ = case.waiting("wake")
    if case.memory.attempt_at is None:
        case = walk.joined(case)
    if facts.endpoint is not None and facts.endpoint.status in ("Updating", "RollingBack"):
        limit += case.settings.bake_seconds
    if case.since(case.memory.attempt_at) >= limit:
        return fail(case, f"It was not on after {limit / 60:.0f} minutes.")
    return case.wait(f"The endpoint is {facts.endpoint.status if facts.endpoint else 'not there yet'}.")


def _tell(case: Case, what: str) -> Decision:
    limit = BUSY_LIMIT_SECONDS // 60
    message = (
        f"{what}: until that ends, the endpoint cannot be turned on. It is given up after {limit} minutes. Look at the "
        f"events of {case.settings.endpoint_stack_name} in CloudFormation; an update that is in UPDATE_IN_PROGRESS can "
        "be cancelled there."
    )
    return Decision(Tell(), case.remember(told_of_waiting=True).memory, message)


def _says_off(case: Case) -> Decision:
    if case.facts.endpoint is None:
        case = case.remember(off_since=None, settled_off_at=None)
        if case.request.reason == ROLLBACK and not case.memory.relights:
            return walk.leave_off(case)
        return walk.light(case) if case.memory.attempt_at is None else walk.after_failure(case)
    return _old_goes(case)


def _old_goes(case: Case) -> Decision:
    """The stack says off, and an endpoint is there."""
    way = toward_off(case)
    if isinstance(way, Decision):
        return way
    why = way.message if isinstance(way, GaveUp) else ""
    return case.finish(
        Outcome.FAILED, f"The last endpoint must go before a new one can come, and does not. {why} {case.billed}"
    )


def _says_on(case: Case) -> Decision:
    endpoint = case.facts.endpoint
    if endpoint is None:
        return _relight(case, "The stack says on, and there is no endpoint: somebody deleted it.")
    if endpoint.status == "InService":
        return _old_config(case) if _went_back(case) else _serving(case)
    if endpoint.status in ("Failed", "OutOfService", "UpdateRollbackFailed"):
        return _relight(case, f"The endpoint is {endpoint.status}: {endpoint.failure_reason or 'no reason is given'}.")
    case, waited = case.waiting(endpoint.status)
    limit = DELETING_SECONDS if endpoint.status == "Deleting" else case.settings.wake_limit_seconds
    if waited >= limit:
        return fail(case, f"The endpoint has been {endpoint.status} for {waited / 60:.0f} minutes.")
    return case.wait(f"The endpoint is {endpoint.status}.")


def _relight(case: Case, why: str, *, swapping: bool = False) -> Decision:
    """Off, and then on, with an end that is not before the present one. `swapping` models, that can be taken back."""
    if case.memory.relights >= MOST_RELIGHTS:
        return fail(case, f"{why} Turning it off and on again did not help.")
    # What goes back leaves the failed model with its first step, as its second one may be refused.
    left = changes.overriding(case.facts.stack, walk.overrides(case)) if case.request.reason == ROLLBACK else {}
    return case.update(
        {**changes.off(case.facts.stack), **left},
        f"{why} So it is turned off, and then on again.",
        relights=case.memory.relights + 1,
        ends=changes.ends_of(case.facts.stack),
        swapping=swapping or case.memory.swapping,
        attempt_at=None,
        attempt_type="",
    )


def _serving(case: Case) -> Decision:
    """On, as the stack wants it. Is it what the request wants?"""
    tried = case.memory.ours and case.memory.attempt_at is not None
    wanted = walk.still_wanted(case, changes.overrides_in_force(case.facts.stack))
    later = (case.request.extend or case.memory.extend) and not walk.is_extended(case)
    if (wanted or later) and tried:
        return fail(case, f"The change was taken back: {case.facts.failure or 'SageMaker returned to the old config'}.")
    if "InstanceType" in wanted or (wanted and not case.beside):
        # While a scalable target is registered, SageMaker refuses to change the type of an endpoint.
        what = "instance type" if "InstanceType" in wanted else "model, with one fleet,"
        why = f"Another {what} needs another endpoint."
        return walk.refused(case) or _relight(case, why, swapping="ModelDataUrl" in wanted)
    if wanted or later:
        return walk.change(case)
    if case.memory.lost:
        return case.finish(
            Outcome.FAILED, f"{case.memory.lost} The model that served before is on again. {case.billed}"
        )
    name = case.settings.endpoint_name
    if case.memory.changed:
        return case.finish(Outcome.ON, f"The endpoint {name} is on. {case.running}".strip())
    return case.finish(Outcome.ALREADY_ON, f"The endpoint {name} was on already. {case.running}".strip())


def _went_back(case: Case) -> bool:
    """Whether what serves is on another config than the stack holds, which is settled and says on."""
    facts = case.facts
    settled_on = facts.phase is Phase.SETTLED and facts.stack_says_on
    serves = facts.endpoint if facts.in_service else None
    return settled_on and serves is not None and serves.config_name.lower() != facts.expected_config


def _old_config(case: Case) -> Decision:
    """SageMaker rolled the change back, and CloudFormation may think that it went well."""
    stack, before = case.facts.stack, changes.alive(case.facts.stack, case.memory.before)
    why = "The endpoint went back to its old config: what was to replace it did not come into service, or did not last."
    known = stack is not None and case.memory.before is not None and not case.memory.reverted
    if known and before != changes.overrides_in_force(stack):
        reverting = changes.overriding(stack, before)
        return case.update(reverting, f"{why} The overrides are reverted.", reverted=True, attempt_at=case.now)
    why = f"{why} `pilot off`, then `pilot on`, makes the stack and the endpoint agree."
    if case.memory.failure:
        return retreat(case.remember(failure=f"{case.memory.failure} {why}"))
    return fail(case, why)
