"""`pilot destroy`: in which order a stage goes, and what happens where a step of it fails."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from pilotlight.cli import endpoint, stacks
from pilotlight.cli.terminal import Refused
from pilotlight.deployment import Deployment, NotDeployedError
from pilotlight.switch import SwitchError
from pilotlight.teardown import SETTLE_SECONDS, Teardown, TeardownError


def refusal(code: str, message: str = "no") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "Call")


ENABLED = {"Tick": True, "Idle": True, "On1": True, "Off1": True}


class Killed(BaseException):
    """By SIGKILL: nothing of the process goes on."""


@dataclass
class World:
    """A stage and every client of it. `done` is what happened, in order; `statuses` are the endpoint stack's, `stuck`
    the rules that cannot be enabled; `killed_in`: where SIGKILL comes; `unlisted`: no stack is listed once cdk failed.
    `armed` is what was enabled at every look at the switch that turns it off.
    """

    stacks: list[str] = field(default_factory=lambda: ["Foundation", "Control", "Endpoint", "Api"])
    statuses: list[str] = field(default_factory=lambda: ["UPDATE_COMPLETE"])
    switch: str = "already off"
    cdk_fails: bool = False
    killed_in: str = ""
    survivors: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    enabled: dict[str, bool] = field(default_factory=lambda: dict(ENABLED))
    armed: list[list[str]] = field(default_factory=list)
    seconds: float = 0.0
    killed: bool = False
    unlisted: bool = False
    lists: bool = True
    stage: str = "test"
    place: str = "a place"
    endpoint_name: str = "pilotlight-test"

    # What Deployment offers

    def client(self, _service: str) -> "World":
        return self

    def stack_name(self, role: str) -> str:
        return role

    def stack_status(self, role: str) -> str | None:
        if role not in self.stacks:
            return None
        if role != "Endpoint":
            return "CREATE_COMPLETE"
        return self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]

    def describe_stack(self, role: str) -> dict[str, str]:
        return {"StackStatus": self.stack_status(role) or ""}

    def stacks_left(self) -> list[str]:
        return self.stacks

    def stack_resources(self, role: str) -> list[dict[str, str]]:
        assert role in ("Control", "FineTune")
        if not self.lists:
            raise refusal("ThrottlingException")
        if role not in self.stacks:
            return []
        if role == "FineTune":
            return [{"ResourceType": "AWS::Events::Rule", "PhysicalResourceId": "Dropped"}]
        kinds = {"Tick": "Events::Rule", "Idle": "Events::Rule", "On1": "Scheduler::Schedule"}
        kinds |= {"Off1": "Scheduler::Schedule"}
        kinds |= {"machine": "StepFunctions::StateMachine", "table": "DynamoDB::Table"}
        listed = [{"ResourceType": f"AWS::{kind}", "PhysicalResourceId": name} for name, kind in kinds.items()]
        return [*listed, {"ResourceType": "AWS::Events::Rule"}]  # one that was never created

    @property
    def switch_arn(self) -> str:
        if "Control" not in self.stacks:
            raise NotDeployedError("no stack")
        return "arn:machine"

    def receipts(self, _limit: int) -> list[dict[str, Any]]:
        return []

    # What its clients do

    def describe_rule(self, **request: str) -> dict[str, str]:
        self._answers()
        return {"State": "ENABLED" if self.enabled[request["Name"]] else "DISABLED"}

    def disable_rule(self, **request: str) -> None:
        self._set(request["Name"], False)

    def enable_rule(self, **request: str) -> None:
        self._answers()
        if request["Name"] in self.stuck:
            raise refusal("ThrottlingException")
        self._set(request["Name"], True)

    def get_schedule(self, **request: str) -> dict[str, Any]:
        self._answers()
        name, read_only = request["Name"], {"Arn": "arn", "ResponseMetadata": {}}
        target = {"Arn": "x", "Input": f'{{"target": "{name[:-1].lower()}"}}'}
        state = "ENABLED" if self.enabled[name] else "DISABLED"
        return {"Name": name, "State": state, "Target": target, **read_only}

    def update_schedule(self, **request: Any) -> None:
        assert request.keys() == {"Name", "State", "Target"}
        self._set(request["Name"], request["State"] == "ENABLED")

    def get_paginator(self, _name: str) -> "World":
        return self

    def paginate(self, **_: str) -> Iterator[dict[str, Any]]:
        yield {"executions": [{"executionArn": "arn:waking"}]}

    def stop_execution(self, **request: str) -> None:
        self.done.append(f"stop {request['executionArn']}")
        raise refusal("ExecutionDoesNotExist")  # it ended meanwhile

    def start_execution(self, **_: str) -> dict[str, str]:
        self.done.append("switch off")
        if self.switch == "gone":
            raise refusal("StateMachineDoesNotExist")
        return {"executionArn": "arn:off"}

    def describe_execution(self, **_: str) -> dict[str, Any]:
        self.armed.append([name for name, enabled in self.enabled.items() if enabled])
        if self.switch == "fails":
            return {"status": "ABORTED"}
        return {"status": "SUCCEEDED", "output": f'{{"outcome": "{self.switch}", "message": ""}}'}

    def cancel_update_stack(self, **_: str) -> None:
        self.done.append("cancel")

    def describe_endpoint(self, **_: str) -> dict[str, str]:
        if "endpoint" in self.survivors:
            return {"EndpointStatus": "InService"}
        raise refusal("ValidationException", "Could not find endpoint")

    def describe_table(self, **_: str) -> None:
        raise refusal("ResourceNotFoundException")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("list_"):
            return lambda **_: {}
        raise AttributeError(name)

    # The rest

    def cdk(self, *arguments: str) -> None:
        self.done.append(f"cdk {' '.join(arguments)}")
        if self.killed_in and self.killed_in in arguments:
            self.killed = True
            raise Killed
        if "--all" not in arguments:
            self.stacks.remove("Api")
        elif self.cdk_fails:
            self.lists = not self.unlisted
            raise RuntimeError("cdk failed")
        else:
            assert not any(self.enabled.values())
            self.stacks = [name for name in self.stacks if name in self.survivors]

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def destroy(self) -> list[str]:
        deployment = cast(Deployment, self)
        teardown = Teardown(deployment, "pilotlight-test", self.cdk, sleep=self.sleep, monotonic=lambda: self.seconds)
        teardown.destroy()
        return self.done

    def _answers(self) -> None:
        """A process that was killed asks nothing more."""
        if self.killed:
            raise Killed

    def _set(self, name: str, enabled: bool) -> None:
        self.enabled[name] = enabled


API, ALL = "cdk destroy Api --exclusively --force", "cdk destroy --all --force"
STOP = "stop arn:waking"


def test_callers_go_first_then_triggers_then_the_endpoint_then_the_rest() -> None:
    assert World().destroy() == [API, STOP, "switch off", STOP, ALL]


def test_one_that_is_killed_before_the_endpoint_is_gone_leaves_armed_what_turns_it_off() -> None:
    """And nothing that lights it: neither a schedule nor what starts a run."""
    world = World(stacks=["Foundation", "Control", "Endpoint", "Api", "FineTune"], enabled={**ENABLED, "Dropped": True})
    world.destroy()
    assert world.armed == [["Tick", "Idle", "Off1"]]
    assert not any(world.enabled.values())


@pytest.mark.parametrize("switch", ["fails", "gone", "refused"])
def test_a_switch_that_fails_does_not_keep_a_stage_alive(switch: str) -> None:
    assert World(switch=switch).destroy()[-1] == ALL


def test_what_is_gone_already_is_no_obstacle() -> None:
    assert World(stacks=["Foundation"], enabled={}).destroy() == [ALL]


def test_a_stack_that_no_switch_could_settle_is_cancelled_once_and_waited_for() -> None:
    world = World(
        switch="fails",
        statuses=["UPDATE_IN_PROGRESS"] * 5 + ["UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE"],
    )
    assert world.destroy() == [API, STOP, "switch off", STOP, "cancel", ALL]
    assert world.seconds > 0


def test_one_that_never_settles_is_told_and_everything_is_armed_again() -> None:
    world = World(switch="fails", statuses=["UPDATE_ROLLBACK_IN_PROGRESS"])
    before = dict(world.enabled)
    with pytest.raises(TeardownError, match=r"UPDATE_ROLLBACK_IN_PROGRESS.*pilot destroy"):
        world.destroy()
    assert world.seconds >= SETTLE_SECONDS
    assert ALL not in world.done
    assert world.enabled == before


def test_a_destroy_that_fails_leaves_the_triggers_as_they_were() -> None:
    world = World(cdk_fails=True)
    with pytest.raises(RuntimeError):
        world.destroy()
    assert world.enabled == ENABLED


@pytest.mark.parametrize("again", [{"cdk_fails": True}, {"statuses": ["UPDATE_ROLLBACK_IN_PROGRESS"]}])
def test_one_that_fails_after_one_that_was_killed_arms_what_that_had_silenced(again: dict[str, Any]) -> None:
    killed = World(killed_in="--all")
    with pytest.raises(Killed):
        killed.destroy()
    assert not any(killed.enabled.values())
    world = World(enabled=killed.enabled, **again)
    with pytest.raises((RuntimeError, TeardownError)):
        world.destroy()
    assert world.enabled == ENABLED


def test_where_what_starts_by_itself_cannot_be_listed_that_is_said() -> None:
    world = World(cdk_fails=True, unlisted=True)
    with pytest.raises(TeardownError, match=r"^cdk failed\. STILL DISABLED.*maybe every rule.*`pilot deploy"):
        world.destroy()


def test_a_deploy_arms_what_a_destroy_that_was_killed_had_silenced(capsys: pytest.CaptureFixture[str]) -> None:
    world = World(enabled=dict.fromkeys(ENABLED, False))
    stacks.arm(cast(Deployment, world))
    assert world.enabled == ENABLED
    assert "enabled again: rule Tick, rule Idle, schedule On1" in capsys.readouterr().err
    stacks.arm(cast(Deployment, world))
    assert capsys.readouterr().err == ""


def test_nothing_is_lit_by_a_deploy_that_cannot_arm() -> None:
    world = World(enabled={**ENABLED, "Tick": False, "Idle": False}, stuck=["Tick"])
    with pytest.raises(Refused, match=r"STILL DISABLED.*rule Tick .*Nothing was lit"):
        stacks.arm(cast(Deployment, world))
    assert world.enabled == {**ENABLED, "Tick": False}


def test_an_on_that_is_refused_says_what_is_disabled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The switch says that the meter is silent; here is why."""
    world = World(switch="refused", enabled={**ENABLED, "Tick": False})
    for name, answer in (("deployment", world), ("configured", None), ("what_it_costs", "Much.")):
        monkeypatch.setattr(endpoint, name, lambda *_, answer=answer: answer)
    monkeypatch.setattr(endpoint, "turn", _refused)
    with pytest.raises(SwitchError, match=r"^silent\. Disabled: rule Tick; `pilot deploy --off`"):
        endpoint.on(yes=True)
    world.enabled["Tick"] = True
    with pytest.raises(SwitchError, match=r"^silent\.$"):
        endpoint.on(yes=True)


def _refused(*_: Any, **__: Any) -> None:
    raise SwitchError("silent.")


def test_what_cannot_be_enabled_again_is_named_and_keeps_nothing_else_disabled() -> None:
    world = World(cdk_fails=True, stuck=["Idle"])
    with pytest.raises(TeardownError, match=r"^cdk failed\. STILL DISABLED.*rule Idle \(.*Throttling"):
        world.destroy()
    assert world.enabled == {**ENABLED, "Idle": False}


@pytest.mark.parametrize("survivor", ["endpoint", "Endpoint"])
def test_what_is_left_is_named_with_what_to_do(survivor: str) -> None:
    with pytest.raises(TeardownError, match=f"(?i){survivor}.*pilot destroy --stage test"):
        World(survivors=[survivor]).destroy()
