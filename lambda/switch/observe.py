"""How a step looks at the world: each thing once, and only what this step may need."""

from collections.abc import Iterable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from common import calls, describe
from common.facts import month_usd, pool_types

from switch.clients import Clients, CloudFormationClient
from switch.due import PAUSE_SECONDS
from switch.facts import Facts, Meter, Phase
from switch.gate import month_of
from switch.lease import CONDITIONAL, PUT_OFF
from switch.memory import Memory
from switch.request import Request
from switch.settings import Settings

_CONFIG, _ENDPOINT, _STACK = (
    "AWS::SageMaker::EndpointConfig",
    "AWS::SageMaker::Endpoint",
    "AWS::CloudFormation::Stack",
)


def observe(clients: Clients, settings: Settings, request: Request, memory: Memory, now: float) -> Facts:
    """The facts of now. The stack is read before the endpoint: one that says off is then older than an endpoint that
    is there.
    """
    stack = describe.stack(clients.cloudformation, settings.endpoint_stack_name)
    endpoint = describe.endpoint(clients.sagemaker, settings.endpoint_name)
    seen = Facts(stack, endpoint)
    settled_on = seen.phase is Phase.SETTLED and seen.stack_says_on
    ask_why = stack is not None and ("ROLLBACK" in stack.status or stack.status.endswith("_FAILED"))
    wakes = request.target == "on"
    conditional = request.reason in (*CONDITIONAL, *PUT_OFF)
    # A receipt says when a schedule lights it again, which it does not while the month's money is spent.
    counts = wakes or conditional or bool(settings.schedules)
    variant = describe.variant(clients.sagemaker, endpoint.config_name) if endpoint else None
    looks_back = endpoint and conditional and seen.stack_says_on  # also while it is updated, and serves
    types = pool_types(endpoint, variant)
    return Facts(
        stack=stack,
        endpoint=endpoint,
        variant=variant,
        expected_config=_expected_config(clients, settings) if wakes and settled_on else None,
        failure=_failure(clients, settings) if ask_why and (wakes or memory.off_updates) else None,
        meter=_meter(clients.ledger.get("meter", "memory"), now) if counts else None,
        awaiting_meter_since=_number(clients.ledger.get("switch", "awaiting-meter"), "since") if wakes else None,
        budget_usd=_number(clients.ledger.get("budget", month_of(now)), "usd") if counts else None,
        snoozed_until=_number(clients.ledger.get("snooze", "endpoint"), "until"),
        last_call=_last_call(clients, settings, request, types, now) if looks_back else None,
    )


def endpoint_to_skip(cloudformation: CloudFormationClient, stack_name: str) -> list[str]:
    """The endpoint's logical id, if it is what CloudFormation could not roll back: only such a one may be skipped."""
    return [
        str(resource["LogicalResourceId"])
        for resource in cloudformation.describe_stack_resources(StackName=stack_name)["StackResources"]
        if resource["ResourceType"] == _ENDPOINT and resource["ResourceStatus"] == "UPDATE_FAILED"
    ]


def _expected_config(clients: Clients, settings: Settings) -> str | None:
    """A config's physical id is its ARN, which is in lower case."""
    listed = clients.cloudformation.describe_stack_resources(StackName=settings.endpoint_stack_name)
    found = [str(r["PhysicalResourceId"]) for r in listed["StackResources"] if r["ResourceType"] == _CONFIG]
    return found[0].rpartition("/")[2].lower() if found else None


def _failure(clients: Clients, settings: Settings) -> str | None:
    answer = clients.cloudformation.describe_stack_events(StackName=settings.endpoint_stack_name)
    return first_failure(answer["StackEvents"])


def first_failure(newest_first: Iterable[Mapping[str, Any]]) -> str | None:
    """Why the last operation failed: its first failure, as what was under way is then cancelled, and fails too."""
    found = None
    for event in newest_first:
        status = str(event["ResourceStatus"])
        reason = event.get("ResourceStatusReason")
        if event.get("ResourceType") == _STACK and status in ("UPDATE_IN_PROGRESS", "CREATE_IN_PROGRESS"):
            break
        if status.endswith("_FAILED") and reason and "cancelled" not in reason:
            found = str(reason)
    return found


def _meter(data: Mapping[str, Any] | None, now: float) -> Meter | None:
    """None where the meter has never ticked. Dollars of another month are not of this one."""
    if data is None or _number(data, "ticked_at") is None:
        return None
    this_month = data.get("month") == month_of(now)
    return Meter(
        heard_at=_number(data, "whole_at"),
        usd_this_month=(month_usd(data) or 0.0) if this_month else 0.0,
        in_service_since=_number(data, "in_service_since"),
        last_call=_number(data, "last_call"),
    )


def _number(data: Mapping[str, Any] | None, name: str) -> float | None:
    found = data.get(name) if data else None
    return found if isinstance(found, int | float) and not isinstance(found, bool) else None


def _last_call(
    clients: Clients, settings: Settings, request: Request, types: tuple[str, ...], now: float
) -> float | None:
    """Within what the reason looks back on. Only an idle off rests on the calls: another goes on where they cannot be
    read, as what should end must not depend on CloudWatch.
    """
    window = settings.idle_minutes * 60 if request.reason == "idle" and settings.idle_minutes else PAUSE_SECONDS
    try:
        return calls.last_call(
            clients.cloudwatch,
            endpoint_name=settings.endpoint_name,
            variant_name=settings.variant_name,
            since=now - window,
            now=now,
            pool_types=types,
        )
    except (ClientError, BotoCoreError):
        if request.reason == "idle":
            raise
        return None
