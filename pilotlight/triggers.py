"""What starts something by itself: rules, schedules and state machines, which `pilot destroy` silences."""

import contextlib
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from pilotlight.deployment import Deployment

_RULE, _SCHEDULE, _MACHINE = "AWS::Events::Rule", "AWS::Scheduler::Schedule", "AWS::StepFunctions::StateMachine"
# What GetSchedule tells and UpdateSchedule does not take.
_READ_ONLY = ("Arn", "CreationDate", "LastModificationDate", "ResponseMetadata")
_ENABLED, _DISABLED = "ENABLED", "DISABLED"
_ROLES = ("Control", "FineTune")
_GONE = ("ResourceNotFoundException", "StateMachineDoesNotExist", "ExecutionDoesNotExist")


class _Trigger(Protocol):
    """Its name with its kind is its `str`."""

    def is_(self, state: str) -> bool: ...
    def bring(self, state: str) -> None: ...


@dataclass(frozen=True)
class _Rule:
    events: Any
    name: str

    def __str__(self) -> str:
        return f"rule {self.name}"

    def is_(self, state: str) -> bool:
        return bool(self.events.describe_rule(Name=self.name)["State"] == state)

    def bring(self, state: str) -> None:
        change = self.events.enable_rule if state == _ENABLED else self.events.disable_rule
        change(Name=self.name)


@dataclass(frozen=True)
class _Schedule:
    scheduler: Any
    name: str

    def __str__(self) -> str:
        return f"schedule {self.name}"

    def is_(self, state: str) -> bool:
        return bool(self._found().get("State", _ENABLED) == state)

    def bring(self, state: str) -> None:
        self.scheduler.update_schedule(**self._found() | {"State": state})

    def turns_off(self) -> bool:
        """By what it gives to the switch."""
        asked: Any = json.loads(self._found()["Target"].get("Input") or "{}")
        return isinstance(asked, dict) and asked.get("target") == "off"

    def _found(self) -> dict[str, Any]:
        found = self.scheduler.get_schedule(Name=self.name)
        return {key: value for key, value in found.items() if key not in _READ_ONLY}


@dataclass(frozen=True)
class Triggers:
    """The two hard stops are none of them: they stay armed until their stack is gone.

    The templates make all of them enabled, so `enable` asks nothing about before: a `pilot destroy` that was killed may
    have silenced them, and no deploy undoes that, as CloudFormation sees no change.
    """

    deployment: Deployment

    def silence_lighting(self) -> None:
        """Disable what may light the endpoint: schedules, and what starts or mends a fine-tuning run. What turns it off
        stays armed.
        """
        for rule in self._rules("FineTune"):
            _bring(rule, _DISABLED)
        for schedule in self._schedules():
            with _unless_gone():
                if not schedule.turns_off():
                    _bring(schedule, _DISABLED)

    def silence(self) -> None:
        """Disable whatever is still enabled. `enable` undoes both."""
        for trigger in self._all():
            _bring(trigger, _DISABLED)

    def enable(self) -> tuple[list[str], list[str]]:
        """What was disabled and is enabled now, and what stays disabled, by name; one that AWS refuses keeps none of
        the others from it.
        """
        enabled, refused = [], []
        for trigger in self._all():
            try:
                if _bring(trigger, _ENABLED):
                    enabled.append(str(trigger))
            except (ClientError, BotoCoreError) as error:
                refused.append(f"{trigger} ({error})")
        return enabled, refused

    def disabled(self) -> list[str]:
        """By name; nothing is changed."""
        found = []
        for trigger in self._all():
            with _unless_gone():
                if trigger.is_(_DISABLED):
                    found.append(str(trigger))
        return found

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

    def _all(self) -> list[_Trigger]:
        return [*self._rules(*_ROLES), *self._schedules()]

    def _rules(self, *roles: str) -> list[_Rule]:
        return [_Rule(self.deployment.client("events"), name) for name in self._names(_RULE, roles)]

    def _schedules(self) -> list[_Schedule]:
        return [_Schedule(self.deployment.client("scheduler"), name) for name in self._names(_SCHEDULE)]

    def _names(self, kind: str, roles: Collection[str] = _ROLES) -> list[str]:
        return [
            resource["PhysicalResourceId"]
            for role in roles
            for resource in self.deployment.stack_resources(role)
            if resource["ResourceType"] == kind and resource.get("PhysicalResourceId")
        ]


def _bring(trigger: _Trigger, state: str) -> bool:
    """Whether it was in another state before."""
    with _unless_gone():
        if not trigger.is_(state):
            trigger.bring(state)
            return True
    return False


@contextlib.contextmanager
def _unless_gone() -> Iterator[None]:
    """What has gone meanwhile starts nothing any more."""
    try:
        yield
    except ClientError as error:
        code: Any = error.response["Error"].get("Code")
        if code not in _GONE:
            raise
