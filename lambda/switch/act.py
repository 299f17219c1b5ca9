"""How a decision is carried out: at most one call that changes something, and what came of it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from common.facts import StackFacts

from switch.changes import MissingParameterError, parameters
from switch.clients import Clients
from switch.decision import Cancel, Continue, Decision, Delete, Update
from switch.errors import is_transient, words
from switch.memory import Memory
from switch.observe import endpoint_to_skip
from switch.settings import Settings

_NOTHING = "No updates are to be performed"
_IN_PROGRESS = "_IN_PROGRESS state"


def act(clients: Clients, settings: Settings, decision: Decision, stack: StackFacts | None, before: Memory) -> Memory:
    """The memory that goes on: the decision's; with a refusal, where there was one; or the one from `before`, where
    somebody was faster and the world has to be looked at again.

    Raises what is transient, which is tried again.
    """
    match decision.action:
        case Update(changes=changes) if stack is not None:
            return _update(clients, settings, stack, changes, decision.memory, before)
        case Cancel():
            _unless_refused(lambda: clients.cloudformation.cancel_update_stack(StackName=settings.endpoint_stack_name))
        case Continue(skip_endpoint=skip_endpoint):
            _continue(clients, settings.endpoint_stack_name, skip_endpoint)
        case Delete():
            name = settings.endpoint_name
            refusal = _unless_refused(lambda: clients.sagemaker.delete_endpoint(EndpointName=name))
            return replace(decision.memory, undeleted=refusal)
    return decision.memory


def _update(
    clients: Clients,
    settings: Settings,
    stack: StackFacts,
    changes: Mapping[str, str],
    decided: Memory,
    before: Memory,
) -> Memory:
    try:
        sent = parameters(stack, changes)
        clients.cloudformation.update_stack(
            StackName=settings.endpoint_stack_name,
            UsePreviousTemplate=True,
            Parameters=sent,
            ResourceTypes=list(settings.resource_types),
        )
    except MissingParameterError as error:
        return replace(decided, sent=None, refused=str(error))
    except ClientError as error:
        if is_transient(error):
            raise
        if _NOTHING in words(error):
            return replace(decided, sent=None)
        if _IN_PROGRESS in words(error):
            return before
        return replace(decided, sent=None, refused=words(error))
    return decided


def _continue(clients: Clients, stack_name: str, skip_endpoint: bool) -> None:
    skipped = endpoint_to_skip(clients.cloudformation, stack_name) if skip_endpoint else []
    skip: dict[str, Any] = {"ResourcesToSkip": skipped} if skipped else {}
    _unless_refused(lambda: clients.cloudformation.continue_update_rollback(StackName=stack_name, **skip))


def _unless_refused(call: Callable[[], object]) -> str:
    """Why AWS refused, empty if it did not. A call whose answer was lost counts as made, as it may well have been: the
    next step sees what became of it.
    """
    try:
        call()
    except BotoCoreError:
        return ""
    except ClientError as error:
        if is_transient(error):
            raise
        return words(error)
    return ""
