"""What starts something by itself: rules, schedules and state machines, which `pilot destroy` silences."""

import contextlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from pilotlight.deployment import Deployment

_RULE, _SCHEDULE, _MACHINE = "AWS::Events::Rule", "AWS::Scheduler::Schedule", "AWS::StepFunctions::StateMachine"
# What GetSchedule tells and UpdateSchedule does not take.
_READ_ONLY = ("Arn", "CreationDate", "LastModificationDate", "ResponseMetadata")
_ROLES = ("Control", "FineTune")
_GONE = ("ResourceNotFoundException", "StateMachineDoesNotExist", "ExecutionDoesNotExist")


@dataclass
class Triggers:
    """The two hard stops are none of them: they stay armed until their stack is gone."""

    deployment: Deployment
    _silenced: list[tuple[str, Callable[[], object]]] = field(default_factory=list)

    def silence_lighting(self) -> None:
        """Disable what may light the endpoint: schedules, and what starts or mends a fine-tuning run. What turns it off
        stays armed.
        """
        self._disable_rules("FineTune")
        self._disable_schedules(lambda schedule: not _turns_off(schedule))

    def silence(self) -> None:
        """Disable whatever is still enabled. `restore` undoes both."""
        self._disable_rules(*_ROLES)
        self._disable_schedules(lambda _: True)

    def _disable_rules(self, *roles: str) -> None:
        events = self.deployment.client("events")
        for rule in self._names(_RULE, roles):
            with _unless_gone():
                if events.describe_rule(Name=rule)["State"] == "ENABLED":
                    events.disable_rule(Name=rule)
                    self._silenced.append((f"rule {rule}", partial(events.enable_rule, Name=rule)))

    def _disable_schedules(self, chosen: Callable[[Mapping[str, Any]], bool]) -> None:
        scheduler = self.deployment.client("scheduler")
        for name in self._names(_SCHEDULE):
            with _unless_gone():
                found = scheduler.get_schedule(Name=name)
                schedule = {key: value for key, value in found.items() if key not in _READ_ONLY}
                if schedule.get("State", "ENABLED") == "ENABLED" and chosen(schedule):
                    scheduler.update_schedule(**schedule | {"State": "DISABLED"})
                    self._silenced.append((f"schedule {name}", partial(scheduler.update_schedule, **schedule)))

    def restore(self) -> list[str]:
        """As it was before: a stage whose destruction failed must still turn itself off. What stays disabled, by name;
        one that AWS refuses keeps none of the others from it.
        """
        refused = []
        while self._silenced:
            name, enable = self._silenced.pop()
            try:
                with _unless_gone():
                    enable()
            except (ClientError, BotoCoreError) as error:
                refused.append(f"{name} ({error})")
        return refused

    def stop_executions(self) -> list[str]:
        """Stop what runs of the switch, and of fine-tuning. They remember nothing that they need: the next start of the
        switch looks at the world, and jobs are found by their tags.
        """
        states = self.deployment.client("stepfunctions")
        stopped = []
        for machine in self._names(_MACHINE):
            with _unless_gone():
                pages = states.get_paginator("list_executions").paginate(
                    stateMachineArn=machine, statusFilter="RUNNING"
                )
                for execution in [found["executionArn"] for page in pages for found in page["executions"]]:
                    with _unless_gone():
                        states.stop_execution(executionArn=execution, cause="pilot destroy")
                        stopped.append(execution)
        return stopped

    def _names(self, kind: str, roles: Collection[str] = _ROLES) -> list[str]:
        return [
            resource["PhysicalResourceId"]
            for role in roles
            for resource in self.deployment.stack_resources(role)
            if resource["ResourceType"] == kind and resource.get("PhysicalResourceId")
        ]


def _turns_off(schedule: Mapping[str, Any]) -> bool:
    """By what it gives to the switch."""
    given: Any = json.loads(schedule["Target"].get("Input") or "{}")
    return isinstance(given, dict) and given.get("target") == "off"


@contextlib.contextmanager
def _unless_gone() -> Iterator[None]:
    """What has gone meanwhile starts nothing any more."""
    try:
        yield
    except ClientError as error:
        code: Any = error.response["Error"].get("Code")
        if code not in _GONE:
            raise
