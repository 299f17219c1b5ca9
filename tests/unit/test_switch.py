"""Asking the switch from a laptop: what is started, what is followed, and what a person is told."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from pilotlight.deployment import Deployment
from pilotlight.switch import Switch, SwitchError, wake_estimate


@dataclass
class FakeStates:
    """Executions that play `scripts`: after two polls each ends as its script says."""

    scripts: dict[str, Iterator[dict[str, Any]]] = field(default_factory=dict)
    started: list[dict[str, Any]] = field(default_factory=list)
    ends: list[dict[str, Any]] = field(default_factory=list)
    polls: int = 0

    def start_execution(self, **request: Any) -> dict[str, str]:
        self.started.append(request)
        return {"executionArn": "own"}

    def describe_execution(self, *, executionArn: str) -> dict[str, Any]:  # noqa: N803  boto3's own name
        self.polls += 1
        if self.polls % 3:
            return {"status": "RUNNING"}
        end = self.ends.pop(0)
        assert end.pop("of", "own") == executionArn
        return end


@dataclass
class FakeDeployment:
    states: FakeStates
    switch_arn: str = "arn:switch"
    endpoint_name: str = "pilotlight-test"

    def client(self, _service: str) -> Any:
        return self if _service == "sagemaker" else self.states

    def describe_endpoint(self, **_: str) -> dict[str, str]:
        return {"EndpointStatus": "Creating"}

    def describe_stack(self, _role: str) -> dict[str, str]:
        return {"StackStatus": "UPDATE_IN_PROGRESS"}

    def stack_name(self, role: str) -> str:
        return f"Pilotlight-test-{role}"

    def ledger_entry(self, _kind: str, _key: str) -> dict[str, Any]:
        return {"execution": "other"}


def succeeded(**output: str) -> dict[str, Any]:
    return {"status": "SUCCEEDED", "output": json.dumps(output)}


def switch(states: FakeStates, said: list[str] | None = None) -> Switch:
    deployment = cast(Deployment, FakeDeployment(states))
    heard = said if said is not None else []
    return Switch(deployment, report=heard.append, sleep=lambda _: None, monotonic=lambda: 0.0)


def test_a_change_is_asked_for_and_followed_to_its_end() -> None:
    states = FakeStates(ends=[succeeded(outcome="on", message="It is on.")])
    said: list[str] = []
    outcome = switch(states, said).turn("on")
    assert (outcome.state, outcome.changed, outcome.message) == ("on", True, "It is on.")
    assert json.loads(states.started[0]["input"]) == {"target": "on", "reason": "manual", "by": "pilot"}
    assert said == ["stack UPDATE_IN_PROGRESS, endpoint Creating"] * 2


def test_an_end_and_a_ceiling_are_handed_on() -> None:
    states = FakeStates(ends=[succeeded(outcome="on", message="")])
    switch(states).turn("on", hours=3, budget_usd=50)
    asked = json.loads(states.started[0]["input"])
    assert (asked["lifetime_hours"], asked["extend"], asked["budget_usd"]) == (3, True, 50)


def test_what_is_so_already_is_no_change() -> None:
    assert not switch(FakeStates(ends=[succeeded(outcome="already off", message="")])).turn("off").changed


def test_an_execution_that_joins_another_is_followed_there() -> None:
    joined = succeeded(outcome="joined", message="")
    states = FakeStates(ends=[joined, succeeded(outcome="on", message="") | {"of": "other"}])
    assert switch(states).turn("on").changed


@pytest.mark.parametrize("outcome", ["refused", "superseded"])
def test_a_refusal_is_an_error_with_the_switchs_own_words(outcome: str) -> None:
    with pytest.raises(SwitchError, match="over the budget"):
        switch(FakeStates(ends=[succeeded(outcome=outcome, message="over the budget")])).turn("on")


def test_a_failure_is_told_in_its_own_words() -> None:
    cause = json.dumps({"outcome": "failed", "message": "No capacity.", "before": None})
    ended = {"status": "FAILED", "error": "SwitchFailed", "cause": cause}
    with pytest.raises(SwitchError, match="No capacity"):
        switch(FakeStates(ends=[ended])).turn("on")


@pytest.mark.parametrize(
    "ended", [{"status": "ABORTED"}, {"status": "FAILED", "error": "SwitchBroken", "cause": "Nobody could be told"}]
)
def test_without_words_a_person_is_sent_to_the_log(ended: dict[str, Any]) -> None:
    with pytest.raises(SwitchError, match=rf"{ended['status']}.*Pilotlight-test-Control.*pilot status"):
        switch(FakeStates(ends=[ended])).turn("on")


@pytest.mark.parametrize(("past", "seconds"), [([], 600), ([300.0], 300), ([300.0, 310.0, 4000.0], 310), ([0.2], 1)])
def test_how_long_a_wake_takes_is_learnt_from_past_ones(past: list[float], seconds: float) -> None:
    assert wake_estimate(past, otherwise=600) == seconds
