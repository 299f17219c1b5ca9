"""Step Functions: runs the steps of executions, waits in simulated time, and can be killed anywhere."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any

from switch.settings import Settings
from switch.step import Switch

from tests.unit.switch.fake_aws import Aws
from tests.unit.switch.world import ENDPOINT, FIRST_TYPE, MINUTE, RESOURCE_TYPES, STACK

SETTINGS = Settings(
    stage="test",
    endpoint_name=ENDPOINT,
    endpoint_stack_name=STACK,
    variant_name="AllTraffic",
    ledger_table="pilotlight-test-ledger",
    notices_topic_arn="arn:aws:sns:us-east-1:1:pilotlight-test-notices",
    switch_arn="arn:aws:states:us-east-1:1:stateMachine:pilotlight-test-switch",
    usd_per_hour={FIRST_TYPE: 1.41, "ml.g5.2xlarge": 1.52, "ml.g5.4xlarge": 2.03},
    instance_types=(FIRST_TYPE, "ml.g5.2xlarge", "ml.g5.4xlarge"),
    lifetime_hours=12,
    idle_minutes=60,
    monthly_budget_usd=100,
    wake_limit_seconds=40 * 60,
    promotion="blue-green",
    resource_types=RESOURCE_TYPES,
)
MOST_STEPS = 1_500


@dataclass
class Execution:
    arn: str
    request: Mapping[str, Any]
    at: float  # when its next step is due
    memory: dict[str, Any] = field(default_factory=dict)
    answer: dict[str, Any] | None = None
    left: str = ""  # what it left behind: on, off, billing or nothing
    steps: int = 0
    forgotten: int = 0
    calls: list[str] = field(default_factory=list)  # what it asked of AWS that changes something

    @property
    def outcome(self) -> str:
        assert self.answer is not None
        return str(self.answer["result"]["outcome"])


class Machine:
    def __init__(self, aws: Aws, settings: Settings = SETTINGS) -> None:
        self.aws = aws
        self.switch = Switch(aws.clients, settings)
        self.executions: list[Execution] = []
        self.meter: dict[str, Any] | None = {"usd_this_month": 12.5, "month": "2026-11"}  # None: it is dead
        self._names = count(1)
        self._attributed: set[int] = set()

    def start(self, target: str, reason: str = "manual", **asked: Any) -> Execution:
        request = {"by": "a test", "target": target, "reason": reason, **asked}
        execution = Execution(f"arn:execution:{next(self._names)}", request, self.aws.world.now)
        self.aws.stepfunctions.running.add(execution.arn)
        self.executions.append(execution)
        return execution

    @property
    def running(self) -> list[Execution]:
        alive = self.aws.stepfunctions.running
        return [execution for execution in self.executions if execution.arn in alive]

    def kill(self, execution: Execution) -> None:
        self.aws.stepfunctions.running.discard(execution.arn)

    def step(self, execution: Execution, *, forgets: bool = False) -> None:
        """One step, when it is due. `forgets`: the Lambda died after it had acted, and the step is repeated."""
        world = self.aws.world
        world.advance(execution.at)
        execution.steps += 1
        assert execution.steps < MOST_STEPS
        if self.meter is not None:
            self.aws.ledger.put("meter", "memory", {"ticked_at": world.now, "whole_at": world.now, **self.meter})
        seen = len(world.calls)
        event = {
            "request": execution.request,
            "execution": execution.arn,
            "now": datetime.fromtimestamp(world.now, UTC).isoformat(),
            "memory": execution.memory,
        }
        answer = json.loads(json.dumps(self.switch.step(event)))
        while self.aws.stepfunctions.asked:
            self.start(**self.aws.stepfunctions.asked.pop())
        own = [
            at for at in range(seen, len(world.calls)) if at not in self._attributed
        ]  # not of a step within this one
        self._attributed.update(own)
        execution.calls += [world.calls[at] for at in own]
        if forgets:
            execution.forgotten += 1
            return
        execution.memory = answer["memory"]
        execution.at = world.now + answer["wait_seconds"]
        assert 0 <= answer["wait_seconds"] <= 60
        if answer["next"] != "wait":
            execution.answer = answer
            execution.left = self._left()
            self.kill(execution)

    def _left(self) -> str:
        world = self.aws.world
        if world.is_off or world.is_on:
            return world.says if world.is_on else "off"
        return "billing" if world.endpoint is not None else "nothing"

    def forget_calls(self) -> None:
        self.aws.world.calls.clear()
        self._attributed.clear()

    def step_all(self) -> None:
        """Every step that is due now, or else the next one."""
        due = [execution for execution in self.running if execution.at <= self.aws.world.now]
        for execution in due or sorted(self.running, key=lambda execution: execution.at)[:1]:
            self.step(execution)

    def finish(self, *executions: Execution) -> None:
        """Run everything that runs until these have ended."""
        while any(execution in self.running for execution in executions):
            self.step(min(self.running, key=lambda execution: execution.at))

    def start_and_step(self, target: str) -> None:
        self.step(self.start(target))

    def run_out(self) -> None:
        self.finish(*self.running)

    def run(self, target: str, reason: str = "manual", **asked: Any) -> Execution:
        execution = self.start(target, reason, **asked)
        self.finish(execution)
        return execution


def lit(machine: Machine, **asked: Any) -> None:
    """Bring it on by the switch itself, a good while ago."""
    assert machine.run("on", **asked).outcome == "on"
    world = machine.aws.world
    world.advance(world.now + 90 * MINUTE)
    machine.forget_calls()
    machine.aws.sns.published.clear()


def last_message(aws: Aws) -> str:
    return aws.sns.published[-1]["Message"]
