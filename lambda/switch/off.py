"""The way to off, from wherever the endpoint and its stack are. Also taken by an `on` that has to be taken back.

SageMaker is believed: off means that DescribeEndpoint finds nothing. The stack does the work; DeleteEndpoint is called
beside it only where the stack had its chance, or can take no update.
"""

from common.facts import EndpointFacts

from switch import changes
from switch.decision import Cancel, Case, Continue, Decision, Delete, GaveUp, Reached
from switch.facts import Phase

# CloudFormation says UPDATE_COMPLETE once its clean-up is over, whether or not that could delete the endpoint. One that
# is not Deleting by then was left behind, and nothing is waited for but a description that lags.
SURVIVOR_SECONDS = 60
# A clean-up deletes the endpoint within its first minutes. To delete it as well does that no harm: it finds it gone.
CLEAN_UP_PATIENCE_SECONDS = 3 * 60
# What CloudFormation does on the way to off takes minutes; an endpoint's creation may keep it for 160.
STACK_PATIENCE_SECONDS = 20 * 60
# An update of an endpoint that was there before is not stopped: it is finished, then undone, and bakes both times.
UNDOING_PATIENCE_SECONDS = 5 * 60
# An endpoint is gone some minutes after it was told to go.
DELETING_SECONDS = 30 * 60
# Everything above, one after the other; then a person must know.
LIMIT_SECONDS = 60 * 60
# After each DeleteEndpoint. A refusal may be a passing one, and a second call comes within the promise; what stays
# refused is a person's, who is not to be told every few minutes.
DELETE_PAUSES_SECONDS = (2 * 60, 8 * 60, 20 * 60)
MOST_DELETES = len(DELETE_PAUSES_SECONDS)
MOST_UPDATES = 3
MOST_CONTINUES = 2

_FIRST_FAILED = "Its first deploy failed: delete the stack and deploy again."
_ADVICE = {
    "CREATE_FAILED": _FIRST_FAILED,
    "ROLLBACK_COMPLETE": _FIRST_FAILED,
    "ROLLBACK_FAILED": _FIRST_FAILED,
    "REVIEW_IN_PROGRESS": "Its first deploy never ran: delete the stack and deploy again.",
    "DELETE_FAILED": "Its deletion failed: `pilot destroy` deletes it again.",
    "UPDATE_FAILED": "A deploy without rollback failed: roll the stack back in CloudFormation.",
}


def toward_off(case: Case) -> Decision | Reached | GaveUp:
    """The next thing to do. The same case gives the same answer, whoever asks and whatever was done before."""
    if case.memory.off_since is None:
        case = case.remember(off_since=case.now)
    if case.facts.is_off:
        return _reaffirmed(case)
    if case.since(case.memory.off_since) >= LIMIT_SECONDS:
        return GaveUp(f"It is not off after {LIMIT_SECONDS // 60} minutes. {_stack(case)} {advice(case)}")
    if case.facts.phase is Phase.SETTLED:
        return _says_on(case) if case.facts.stack_says_on else _survivor(case)
    return _unsettled(case)


def delete(case: Case, why: str) -> Decision | GaveUp:
    """DeleteEndpoint, a few times at most and with time in between."""
    endpoint, memory = case.facts.endpoint, case.memory
    if endpoint is None:
        return GaveUp(f"{why} {advice(case)}")
    if endpoint.status == "Deleting":
        return _deleting(case, endpoint)
    if endpoint.status == "SystemUpdating":
        return case.wait("SageMaker maintains the endpoint, and refuses to delete it meanwhile.")
    left = DELETE_PAUSES_SECONDS[memory.deletes - 1] - case.since(memory.deleted_at) if memory.deletes else 0.0
    if left > 0:
        return case.wait("The endpoint was told to go, and is still there.", left)
    if memory.deletes >= MOST_DELETES:
        refusal = f" ({memory.undeleted})" if memory.undeleted else ""
        return GaveUp(f"The endpoint is still there, {MOST_DELETES} calls of DeleteEndpoint later{refusal}.")
    again = {"deletes": memory.deletes + 1, "deleted_at": case.now, "undeleted": ""}
    return case.act(Delete(), f"{why} So the endpoint is deleted directly.", **again)


def _unsettled(case: Case) -> Decision | GaveUp:
    match case.facts.phase:
        case Phase.UPDATING | Phase.BUSY:
            return _under_way(case)
        case Phase.ROLLBACK_FAILED:
            return _rollback_failed(case)
    return delete(case, f"{_stack(case)} It takes no update.")


def _reaffirmed(case: Case) -> Decision | Reached:
    """After a deletion beside the stack, the stack is told off once more: it must not go on believing otherwise."""
    if case.memory.deletes and not case.memory.reaffirmed and case.facts.phase is Phase.SETTLED:
        return case.update(
            changes.off(case.facts.stack), "The endpoint is gone; its stack is told off again.", reaffirmed=True
        )
    return Reached()


def _under_way(case: Case) -> Decision | GaveUp:
    case, waited = case.waiting("stack" if case.facts.stack_says_on else "clean-up")
    waited = max(waited, _told_off_for(case))
    if case.facts.phase is Phase.UPDATING and case.facts.stack_says_on and not case.memory.cancels:
        return case.act(Cancel(), "The stack is on its way to on: that is cancelled.", cancels=1)
    if case.facts.endpoint is None or waited < _patience(case):
        return case.wait(_stack(case))
    way = delete(case, f"{_stack(case)} That has been so for {waited / 60:.0f} minutes.")
    if isinstance(way, GaveUp) and case.memory.undeleted and case.facts.endpoint.status != "Deleting":
        return case.wait(f"{_stack(case)} {way.message}")  # once it has ended, its stack can be told off
    return way


def _patience(case: Case) -> float:
    """How long the stack may take, in seconds."""
    endpoint = case.facts.endpoint
    if not case.facts.stack_says_on:
        return CLEAN_UP_PATIENCE_SECONDS
    undoes = case.memory.cancels and endpoint is not None and endpoint.status in ("Updating", "RollingBack")
    return UNDOING_PATIENCE_SECONDS if undoes else STACK_PATIENCE_SECONDS


def _told_off_for(case: Case) -> float:
    """Seconds since the update began that says off, however many executions it has outlived; none in any other."""
    stack = case.facts.stack
    tells = stack is not None and stack.is_turning and not case.facts.stack_says_on
    return case.since(stack.updated.timestamp()) if stack is not None and tells and stack.updated else 0.0


def _rollback_failed(case: Case) -> Decision | GaveUp:
    """Continue; if that fails, remove what may have made it fail, and continue once more."""
    case, _ = case.waiting("rollback")
    done = case.memory.continues
    if done and case.facts.endpoint is not None:
        return delete(case, f"{_stack(case)} Continuing it did not help.")
    return continued(case) or GaveUp(f"{_stack(case)} Continuing it did not help. {advice(case)}")


def continued(case: Case) -> Decision | None:
    """ContinueUpdateRollback, unless that was tried as often as is sensible."""
    done = case.memory.continues
    if done >= MOST_CONTINUES:
        return None
    action = Continue(skip_endpoint=case.facts.endpoint is None)
    return case.act(action, f"{_stack(case)} Its rollback is continued.", continues=done + 1)


def _says_on(case: Case) -> Decision | GaveUp:
    """Also where the endpoint is gone already: somebody deleted it, and the stack must learn of it."""
    case, _ = case.waiting("off")
    done = case.memory.off_updates
    if done < MOST_UPDATES:
        left = {} if done else changes.left(case.facts.stack, case.memory.leaves)  # with which it may be refused
        off = {**changes.off(case.facts.stack), **left}
        return case.update(off, "The stack is told off.", off_updates=done + 1)
    refusal = f" CloudFormation says: {case.memory.refused}." if case.memory.refused else ""
    return delete(case, f"The stack says on after {done} updates that say off.{refusal}")


def _survivor(case: Case) -> Decision | GaveUp:
    """The stack is settled and says off, and the endpoint is there."""
    case, _ = case.waiting("survivor")
    if case.memory.settled_off_at is None:
        case = case.remember(settled_off_at=case.now)
    left = SURVIVOR_SECONDS - case.since(case.memory.settled_off_at)
    if left > 0:
        return case.wait("The stack says off; the endpoint is still there.", left)
    return delete(case, "The stack's clean-up is over, and the endpoint is still there.")


def _deleting(case: Case, endpoint: EndpointFacts) -> Decision | GaveUp:
    waited = case.since(case.memory.deleting_since)
    if waited < DELETING_SECONDS:
        return case.wait("The endpoint is being deleted.")
    reason = f" SageMaker says: {endpoint.failure_reason}." if endpoint.failure_reason else ""
    return GaveUp(f"The endpoint has been Deleting for {waited / 60:.0f} minutes.{reason} Ask AWS Support.")


def _stack(case: Case) -> str:
    stack = case.facts.stack
    if stack is None:
        return f"There is no stack {case.settings.endpoint_stack_name}."
    return f"The stack {case.settings.endpoint_stack_name} is in {stack.status}."


def advice(case: Case) -> str:
    """What a person can do about the stack."""
    if case.facts.stack is None:
        return "Deploy it."
    return _ADVICE.get(case.facts.stack.status, "Look at its events in CloudFormation and repair it there.")
