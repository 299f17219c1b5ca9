"""What starts something by itself: rules, schedules and state machines, which `pilot destroy` silences."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from pilotlight.deployment import Deployment

_RULE, _SCHEDULE, _MACHINE = "AWS::Events::Rule", "AWS::Scheduler::Schedule", "AWS::StepFunctions::StateMachine"
# What GetSchedule tells and UpdateSchedule does not take.
_READ_ONLY = ("Arn", "CreationDate", "LastModificationDate", "ResponseMetadata")
_GONE = ("ResourceNotFoundException", "StateMachineDoesNotExist", "ExecutionDoesNotExist")


@dataclass
class Triggers:
    """The two hard stops are none of them: they stay armed until their stack is gone."""

    deployment: Deployment
    _silenced: list[tuple[str, Callable[[], object]]] = field(default_factory=list)

    def silence(self) -> None:
        """Disable what is enabled. `restore` undoes it."""
        events, scheduler = self.deployment.client("events"), self.deployment.client("scheduler")
        for rule in self._names(_RULE):
            with _unless_gone():
                if events.describe_rule(Name=rule)["State"] == "ENABLED":
                    events.disable_rule(Name=rule)
                    self._silenced.append((f"rule {rule}", partial(events.enable_rule, Name=rule)))
        for name in self._names(_SCHEDULE):
            with _unless_gone():
                found = scheduler.get_schedule(Name=name)
                schedule = {key: value for key, value in found.items() if key not in _READ_ONLY}
                if schedule.get("State", "ENABLED") == "ENABLED":
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

    def _names(self, kind: str) -> list[str]:
        return [
            resource["PhysicalResourceId"]
            for role in ("Control", "FineTune")
            for resource in self.deployment.stack_resources(role)
            if resource["ResourceType"] == kind and resource.get("PhysicalResourceId")
        ]


@contextlib.contextmanager
def _unless_gone() -> Iterator[None]:
    """What has gone meanwhile starts nothing any more."""
    try:
        yield
    except ClientError as error:
        code: Any = error.response["Error"].get("Code")
        if code not in _GONE:
            raise
