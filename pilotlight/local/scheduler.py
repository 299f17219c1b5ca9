"""EventBridge Scheduler as ministack has it, with what it lacks: universal targets, and one-time schedules set anew.

A universal target is an ARN like `arn:aws:scheduler:::aws-sdk:sagemaker:deleteEndpoint`: Scheduler calls that API
itself, with the target's Input as the request. Read-only actions are refused, as on AWS.
"""

import json
import logging
import re
from collections.abc import Callable
from typing import Any

import boto3
from botocore import xform_name

TICK_SECONDS = 1
_UNIVERSAL = re.compile(r"arn:aws[\w-]*:scheduler:::aws-sdk:(?P<service>\w+):(?P<action>\w+)")
_READ_ONLY = re.compile(
    r"(get|describe|list|poll|receive|search|scan|query|select|read|lookup|discover|view)", re.IGNORECASE
)

logger = logging.getLogger("scheduler")


def install() -> None:
    """Extend ministack's scheduler in process. Call before its server starts."""
    from ministack.services import eventbridge, scheduler  # noqa: PLC0415
    from ministack.services.cloudformation import provisioners  # noqa: PLC0415

    scheduler._SCHEDULE_TICK_INTERVAL = TICK_SECONDS
    deliver = eventbridge._invoke_target

    def invoke_target(target: dict[str, Any], event: object, rule: object, view: object = None) -> None:
        universal = _UNIVERSAL.fullmatch(target.get("Arn", ""))
        if universal:
            call(universal["service"], universal["action"], target.get("Input", "{}"))
        else:
            deliver(target, event, rule, view)

    eventbridge._invoke_target = invoke_target
    handlers = provisioners._RESOURCE_HANDLERS["AWS::Scheduler::Schedule"]
    for operation in ("create", "update", "delete"):
        handlers[operation] = _forgetting(handlers[operation], scheduler._schedule_last_fired)


def call(service: str, action: str, request: str) -> None:
    """One call of an AWS API of this cloud; a refusal is logged, as a schedule has nobody to tell."""
    if _READ_ONLY.match(action):
        logger.error("%s:%s is read-only: Scheduler does not call it", service, action)
        return
    operation = getattr(boto3.client(service), xform_name(action[0].upper() + action[1:]))  # type: ignore[call-overload]
    try:
        operation(**json.loads(request))
    except Exception:
        logger.exception("%s:%s was refused", service, action)


def _forgetting(handler: Callable[..., Any], fired: dict[Any, float]) -> Callable[..., Any]:
    """A schedule that is made, changed or removed has not fired yet; ministack remembers it by its name."""

    def handle(*arguments: Any) -> Any:
        made = handler(*arguments)
        name = made[0] if made else arguments[0]
        for key in [key for key in fired if key[2].endswith(f"/{name}")]:
            del fired[key]
        return made

    return handle
