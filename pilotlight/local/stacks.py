"""CloudFormation as ministack has it, where a stack waits for an endpoint or fails to clean up after one, and cdk
hears of a stack's end at once.

An endpoint that does not come up is waited for as long as CloudFormation waits, by the simulated clock, or until the
update is cancelled, and one that bakes until its bake is over; meanwhile an advance of the clock goes on.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from pilotlight.local.sagemaker.bake import ROUNDING_SECONDS
from pilotlight.local.sagemaker.endpoint import Endpoint
from pilotlight.local.sagemaker.endpoints import Endpoints
from pilotlight.local.sagemaker.faults import Faults

Record = dict[str, Any]

ENDPOINT = "AWS::SageMaker::Endpoint"
CREATION_SECONDS = 160 * 60.0
"""How long CloudFormation waits for an endpoint to come up (its resource schema)."""
_CLEANUP_ATTEMPTS = 3
_POLL_SECONDS = 0.05
_HELD_SECONDS = 20.0
"""cdk asks every five seconds whether a stack is done."""


class Cancelled(ValueError):
    """The stack's update was cancelled while it waited."""


class EndpointWaits:
    """Stacks that wait for endpoints. As a source of the clock it stops an advance at the end of a stack's patience and
    of an endpoint's bake.
    """

    def __init__(self, endpoints: Endpoints, *, now: Callable[[], float] = time.time) -> None:
        self._endpoints = endpoints
        self._now = now
        self._waiting: dict[str, tuple[str, float]] = {}

    def settle(self, endpoint: str, stack: str, *, cancellable: bool) -> Endpoint | None:
        """Wait until the endpoint is in no transition; None when it is gone. Raises Cancelled, or TimeoutError."""
        deadline = self._now() + CREATION_SECONDS
        self._waiting[stack] = (endpoint, deadline)
        try:
            while True:
                found = self._endpoints.find_endpoint(endpoint)
                if found is None or found.status in ("InService", "Failed"):
                    return found
                if cancellable and is_cancelled(stack):
                    raise Cancelled("Resource creation cancelled")
                if self._now() >= deadline - ROUNDING_SECONDS:
                    raise TimeoutError(f"Endpoint {endpoint} was still {found.status} after 160 minutes")
                time.sleep(_POLL_SECONDS)
        finally:
            del self._waiting[stack]

    def busy(self) -> str | None:
        """What an advance waits for besides Lambdas and executions: endpoints and stacks that get on."""
        from ministack.services.cloudformation import _stacks  # noqa: PLC0415  reads its environment when imported

        if endpoints := self._endpoints.in_transition():
            return f"endpoint {', '.join(endpoints)} in transition"
        now = self._now()
        parked = {stack for stack in list(self._waiting) if self._is_parked(stack, now)}
        moving = [
            stack["StackName"]
            for stack in list(_stacks._data.values())
            # REVIEW_IN_PROGRESS is a stack that only has a change set yet.
            if stack["StackStatus"].endswith("_IN_PROGRESS") and stack["StackStatus"] != "REVIEW_IN_PROGRESS"
            if stack["StackName"] not in parked
        ]
        return f"stack {', '.join(moving)} in progress" if moving else None

    def due(self, now: float) -> float | None:
        waiting = list(self._waiting.items())
        ends = [deadline for stack, (_, deadline) in waiting if self._is_parked(stack, now)]
        bakes = [self._endpoints.bakes_until(endpoint) for _, (endpoint, _) in waiting]
        return min([*ends, *(end for end in bakes if end is not None)], default=None)

    def fire(self, _now: float) -> None:
        """The waiting thread sees for itself that its time is up."""

    def _is_parked(self, stack: str, now: float) -> bool:
        endpoint, deadline = self._waiting.get(stack, ("", 0.0))
        if self._endpoints.bakes_until(endpoint) is not None:  # which no cancelling shortens
            return True
        in_time = now < deadline - ROUNDING_SECONDS
        return in_time and self._endpoints.is_stuck(endpoint) and not is_cancelled(stack)


def is_cancelled(stack: str) -> bool:
    """Whether somebody has asked CancelUpdateStack, and the update has not heard of it yet."""
    from ministack.services.cloudformation import _stacks  # noqa: PLC0415

    return any(found.get("_cancel_requested") for (_, _, name), found in list(_stacks._data.items()) if name == stack)


def install(faults: Faults) -> None:
    """Make CloudFormation fail on demand. Call before ministack's server starts."""
    _tell_creations()
    _leave_endpoints(faults)
    _fail_rollbacks(faults)
    _answer_cdk_in_time()


def _tell_creations() -> None:
    """What an update creates has CREATE_… events, as on AWS; ministack says UPDATE_…."""
    from ministack.services.cloudformation import _stacks, stacks  # noqa: PLC0415

    add_event = stacks._add_event
    created: set[tuple[str, str]] = set()

    def add(stack_id: str, stack: str, logical_id: str, kind: str, status: str, *others: Any, **more: Any) -> None:
        key = (stack_id, logical_id)
        known = {stack, *_stacks[stack].get("_resources", {})}
        if status == "UPDATE_IN_PROGRESS" and logical_id not in known:
            created.add(key)
        if key in created and status.startswith("UPDATE_"):
            if status != "UPDATE_IN_PROGRESS":
                created.discard(key)
            status = status.replace("UPDATE_", "CREATE_")
        add_event(stack_id, stack, logical_id, kind, status, *others, **more)

    stacks._add_event = add


def _leave_endpoints(faults: Faults) -> None:
    """`delete_survives`: in a clean-up phase the endpoint's deletion fails three times and is given up; the stack
    forgets the endpoint and ends as if nothing had been.
    """
    from ministack.services.cloudformation import _stacks, stacks  # noqa: PLC0415

    delete = stacks._delete_resource

    def delete_or_leave(kind: str, physical_id: str, properties: Record, stack: str = "", logical_id: str = "") -> None:
        # ministack cleans up before it says so: its status is still that of the update.
        if kind == ENDPOINT and "UPDATE" in _stacks[stack]["StackStatus"] and faults.take("delete_survives"):
            reason = "Resource handler returned message: the endpoint could not be deleted (injected)"
            stack_id = _stacks[stack]["StackId"]
            for _ in range(_CLEANUP_ATTEMPTS):
                stacks._add_event(stack_id, stack, logical_id, kind, "DELETE_FAILED", reason, physical_id)
            stacks._add_event(stack_id, stack, logical_id, kind, "DELETE_SKIPPED", "", physical_id)
            return
        delete(kind, physical_id, properties, stack, logical_id)

    stacks._delete_resource = delete_or_leave


def _fail_rollbacks(faults: Faults) -> None:
    """`rollback_failed`: an update's rollback ends UPDATE_ROLLBACK_FAILED with everything still to undo;
    ContinueUpdateRollback undoes it.
    """
    from ministack.services.cloudformation import _stacks, handlers, stacks  # noqa: PLC0415

    roll_back, go_on = stacks._roll_back_operation, stacks._continue_update_rollback_async
    undone: dict[str, Record] = {}

    async def roll_back_or_fail(name: str, stack_id: str, stack: Record, operation: Record, reason: str = "") -> None:
        if not operation.get("is_update") or not faults.take("rollback_failed"):
            await roll_back(name, stack_id, stack, operation, reason)
            return
        undone[stack_id] = operation
        said = "The following resource(s) failed to update: (injected)."
        stack.update(StackStatus="UPDATE_ROLLBACK_FAILED", StackStatusReason=said)
        stacks._add_event(stack_id, name, name, "AWS::CloudFormation::Stack", "UPDATE_ROLLBACK_FAILED", said, stack_id)

    async def continue_with_all(name: str, stack_id: str, skipped: Any) -> None:
        if operation := undone.pop(stack_id, None):
            await roll_back(name, stack_id, _stacks[name], operation, "User Initiated")
        else:
            await go_on(name, stack_id, skipped)

    for module in (stacks, handlers):  # the handlers have bound them by name
        module._roll_back_operation = roll_back_or_fail
        module._continue_update_rollback_async = continue_with_all


def _answer_cdk_in_time() -> None:
    """DescribeStacks of one stack is answered to JavaScript's SDK, and so to cdk, when what goes on there is over:
    otherwise cdk would wait for seconds for each stack that is done in one.
    """
    from ministack.services import cloudformation  # noqa: PLC0415

    handle = cloudformation.handle_request

    async def handle_in_time(method: str, path: str, headers: dict[str, str], body: bytes, query: Record) -> Any:
        answer = await handle(method, path, headers, body, query)
        by_javascript = "aws-sdk-js/" in headers.get("user-agent", "")
        if by_javascript and b"Action=DescribeStacks" in body and b"StackName=" in body:
            end = time.monotonic() + _HELD_SECONDS
            while _is_in_progress(answer) and time.monotonic() < end:
                await asyncio.sleep(_POLL_SECONDS)
                answer = await handle(method, path, headers, body, query)
        return answer

    cloudformation.handle_request = handle_in_time


def _is_in_progress(answer: tuple[int, Record, bytes]) -> bool:
    # REVIEW_IN_PROGRESS is a stack that only has a change set yet.
    return b"_IN_PROGRESS</StackStatus>" in answer[2].replace(b"REVIEW_IN_PROGRESS", b"")
