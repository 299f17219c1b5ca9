"""EventBridge's scheduled rules and EventBridge Scheduler, by the simulated clock.

ministack sweeps both every ten seconds by its own reckoning; here they are sources of the clock. Added to Scheduler:
time zones, context attributes, universal targets, and the whole of its CloudFormation type. A universal target is an
ARN like `arn:aws:scheduler:::aws-sdk:sagemaker:deleteEndpoint`: Scheduler calls that API itself, with the target's
Input as the request. Read-only actions are refused, as on AWS.
"""

import json
import logging
import re
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import boto3
from botocore import xform_name

from pilotlight.local.clock import Clock
from pilotlight.local.schedules import next_after

_UNIVERSAL = re.compile(r"arn:aws[\w-]*:scheduler:::aws-sdk:(?P<service>\w+):(?P<action>\w+)")
_READ_ONLY = re.compile(
    r"(get|describe|list|poll|receive|search|scan|query|select|read|lookup|discover|view)", re.IGNORECASE
)
_NEVER = float("-inf")

Record = dict[str, Any]
Key = tuple[str, str, str]
"""Account, Region and name, as ministack keys what it keeps."""

logger = logging.getLogger("scheduler")


@dataclass(frozen=True)
class Entry:
    """One schedule as the timetable sees it."""

    key: Key
    identity: tuple[object, ...]
    """What makes it another schedule when it changes: it starts anew then."""
    expression: str
    zone: str
    anchor: float
    served_from: float
    """Occurrences up to here never happen."""
    enabled: bool = True
    """Whether it happens now; what passes meanwhile never does."""


class Timetable:
    """A source of the clock over schedules that come and go; remembers what each has done."""

    def __init__(self, entries: Callable[[], Iterable[Entry]], fire: Callable[[Key, float], None]) -> None:
        self._entries = entries
        self._fire = fire
        self._served: dict[Key, tuple[tuple[object, ...], float]] = {}

    def due(self, now: float) -> float | None:
        return min((moment for moment, _ in self._to_come(now)), default=None)

    def fire(self, now: float) -> None:
        for moment, entry in sorted(self._to_come(now), key=lambda pair: pair[0]):
            if moment <= now:
                self._served[entry.key] = (entry.identity, max(moment, now))
                self._fire(entry.key, self._last(entry, moment, now))

    def _last(self, entry: Entry, moment: float, now: float) -> float:
        """Occurrences that were missed together (the machine slept) happen once, as the last of them."""
        while (later := self._next(entry, moment)) is not None and later <= now:
            moment = later
        return moment

    def _to_come(self, now: float) -> list[tuple[float, Entry]]:
        entries = list(self._entries())
        present = {entry.key for entry in entries}
        self._served = {key: served for key, served in self._served.items() if key in present}
        self._served |= {entry.key: (entry.identity, now) for entry in entries if not entry.enabled}
        coming = [(self._next(entry, self._served_until(entry)), entry) for entry in entries if entry.enabled]
        return [(moment, entry) for moment, entry in coming if moment is not None]

    def _served_until(self, entry: Entry) -> float:
        identity, served = self._served.get(entry.key, (entry.identity, entry.served_from))
        return served if identity == entry.identity else entry.served_from

    def _next(self, entry: Entry, served: float) -> float | None:
        try:
            return next_after(entry.expression, served, anchor=entry.anchor, zone=entry.zone)
        except (KeyError, ValueError):  # zoneinfo's for a time zone that is none: AWS would have refused the schedule
            return None


def install(clock: Clock) -> None:
    """Extend ministack in process. Call before its server starts."""
    from ministack.services import eventbridge, scheduler  # noqa: PLC0415  read their environment when imported
    from ministack.services.cloudformation import provisioners  # noqa: PLC0415

    for service in (eventbridge, scheduler):
        service.start_scheduler = lambda: None
    clock.add(Timetable(lambda: _rules(clock.now()), _fire_rule))
    clock.add(Timetable(lambda: _schedules(clock.now()), _fire_schedule))
    deliver = eventbridge._invoke_target

    def invoke_target(target: Record, event: object, rule: object, view: object = None) -> None:
        universal = _UNIVERSAL.fullmatch(target.get("Arn", ""))
        if universal:
            call(universal["service"], universal["action"], target.get("Input", "{}"))
        else:
            deliver(target, event, rule, view)

    eventbridge._invoke_target = invoke_target
    provisioners._RESOURCE_HANDLERS["AWS::Scheduler::Schedule"] = _schedule_resource()


# EventBridge rules


def _rules(now: float) -> Iterable[Entry]:
    from ministack.services import eventbridge  # noqa: PLC0415

    for key, rule in list(eventbridge._rules._data.items()):
        expression, made = (
            rule.get("ScheduleExpression"),
            rule.setdefault("CreationTime", now),
        )  # CloudFormation's lack it
        if expression:
            # A rate counts from the rule's creation, and first happens one interval later.
            yield Entry(key, (expression, made), expression, "UTC", made, made, rule.get("State") == "ENABLED")


def _fire_rule(key: Key, moment: float) -> None:
    from ministack.services import eventbridge  # noqa: PLC0415

    rule = eventbridge._rules._data[key]
    event = _event("aws.events", rule["Arn"], key, moment) | {"EventBusName": rule.get("EventBusName", "default")}
    for target in list(eventbridge._targets._data.get(key, [])):
        _deliver(target, event, rule, key)


# Scheduler's schedules


def _schedules(now: float) -> Iterable[Entry]:
    from ministack.services import scheduler  # noqa: PLC0415

    for key, schedule in list(scheduler._schedules._data.items()):
        start, end = (scheduler._to_epoch(schedule.get(bound)) for bound in ("StartDate", "EndDate"))
        if end is not None and now > end:
            continue
        expression, zone = schedule["ScheduleExpression"], schedule.get("ScheduleExpressionTimezone") or "UTC"
        made = schedule.get("CreationDate", now)
        one_time = expression.strip().startswith("at(")
        anchor = made if start is None else start
        # A rate without a start date begins at once; a one-time schedule in the past happens at once.
        served_from = _NEVER if one_time else anchor - 1e-6
        enabled = schedule.get("State") == "ENABLED"
        yield Entry(key, (expression, zone, made, start), expression, zone, anchor, served_from, enabled)


def _fire_schedule(key: Key, moment: float) -> None:
    from ministack.services import scheduler  # noqa: PLC0415

    schedule = scheduler._schedules._data[key]
    target = dict(schedule.get("Target") or {})
    event = _event("aws.scheduler", schedule["Arn"], key, moment)
    if target.get("Input"):
        target["Input"] = _with_context(target["Input"], schedule["Arn"], event)
    _deliver(target, event, schedule, key)
    if schedule["ScheduleExpression"].strip().startswith("at(") and schedule.get("ActionAfterCompletion") == "DELETE":
        scheduler._schedules._data.pop(key, None)


def _with_context(text: str, arn: str, event: Record) -> str:
    from ministack.services import eventbridge  # noqa: PLC0415

    attributes = {
        "schedule-arn": arn,
        "scheduled-time": eventbridge._iso_time(event["Time"]),
        "execution-id": event["EventId"],
        "attempt-number": "1",
    }
    for name, value in attributes.items():
        text = text.replace(f"<aws.scheduler.{name}>", value)
    return text


def _schedule_resource() -> dict[str, Callable[..., Any]]:
    """AWS::Scheduler::Schedule through the service itself: ministack's own drops the time zone and the dates."""
    from ministack.services import scheduler  # noqa: PLC0415
    from ministack.services.cloudformation import provisioners  # noqa: PLC0415

    def accepted(answer: tuple[int, Any, bytes]) -> Record:
        body: Record = json.loads(answer[2])
        if answer[0] >= 400:
            raise ValueError(body.get("Message", str(body)))
        return body

    def create(logical_id: str, properties: Record, stack_name: str) -> tuple[str, Record]:
        name = properties.get("Name") or provisioners._physical_name(stack_name, logical_id, max_len=64)
        made = accepted(scheduler._create_schedule(name, dict(properties)))
        return name, {"Arn": made["ScheduleArn"]}

    def update(physical_id: str, _old: Record, properties: Record, _stack_name: str) -> tuple[str, Record]:
        made = accepted(scheduler._update_schedule(physical_id, dict(properties)))
        return physical_id, {"Arn": made["ScheduleArn"]}

    def delete(physical_id: str, properties: Record) -> None:
        scheduler._delete_schedule(physical_id, {"groupName": properties.get("GroupName", "default")})

    return {"create": create, "update": update, "delete": delete}


# Both


def _event(source: str, arn: str, key: Key, moment: float) -> Record:
    return {
        "EventId": str(uuid.uuid4()),
        "Source": source,
        "DetailType": "Scheduled Event",
        "Detail": "{}",
        "Time": int(moment),
        "Resources": [arn],
        "Account": key[0],
        "Region": key[1],
    }


def _deliver(target: Record, event: Record, rule: Record, key: Key) -> None:
    from ministack.core.responses import request_scope  # noqa: PLC0415
    from ministack.services import eventbridge  # noqa: PLC0415

    with request_scope(key[0], key[1]):
        try:
            eventbridge._invoke_target(target, event, rule)
        except Exception:
            logger.exception("%s was not delivered to %s", rule["Arn"], target.get("Arn"))


def call(service: str, action: str, request: str) -> None:
    """One call of an AWS API of this cloud; a refusal is logged, as a schedule has nobody to tell."""
    if _READ_ONLY.match(action):
        logger.error("%s:%s is read-only: Scheduler does not call it", service, action)
        return
    client = boto3.client({"sfn": "stepfunctions"}.get(service, service))  # type: ignore[call-overload]
    operation = action[0].upper() + action[1:]
    try:
        getattr(client, xform_name(operation))(**_members(client, operation, json.loads(request)))
    except Exception:
        logger.exception("%s:%s was refused", service, action)


def _members(client: Any, operation: str, request: Record) -> Record:
    """A universal target's members are in Pascal case, whatever the API's own are."""
    shape = client.meta.service_model.operation_model(operation).input_shape
    known = {name.lower(): name for name in shape.members} if shape else {}
    return {known.get(name.lower(), name): value for name, value in request.items()}
