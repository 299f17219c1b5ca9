"""What may be asked of the switch, over the API: every field, its bounds, and what becomes of it."""

import json
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from common.ledger import Data
from hypothesis import given
from hypothesis import strategies as st
from proxy.errors import ControlPlaneFailed, InvalidParameter, InvalidRequest, Problem
from proxy.switch import Switch
from proxy.turning import check_snooze, check_turn, execution_name, wake_estimate

from tests.unit.proxy.fakes import moment

NOW = moment()


class TestTurn:
    def test_on_and_off(self) -> None:
        assert check_turn({"state": "off"}) == {"target": "off", "reason": "manual", "by": "POST /endpoint"}
        assert check_turn({"state": "on"})["target"] == "on"

    def test_an_end_and_a_ceiling_are_handed_on(self) -> None:
        asked = check_turn({"state": "on", "hours": 2.5, "budget_usd": 40})
        assert (asked["lifetime_hours"], asked["extend"], asked["budget_usd"]) == (2.5, True, 40)

    @pytest.mark.parametrize(
        ("fields", "param"),
        [
            ({}, "state"),
            ({"state": "On"}, "state"),
            ({"state": ["on"]}, "state"),
            ({"state": "on", "hours": 0}, "hours"),
            ({"state": "on", "hours": 169}, "hours"),
            ({"state": "on", "hours": True}, "hours"),
            ({"state": "on", "hours": "2"}, "hours"),
            ({"state": "on", "budget_usd": -1}, "budget_usd"),
            ({"state": "off", "hours": 2}, "hours"),
            ({"state": "off", "budget_usd": 2}, "budget_usd"),
            ({"state": "on", "model": "x"}, "model"),
        ],
    )
    def test_a_field_that_is_wrong_is_named(self, fields: dict[str, object], param: str) -> None:
        with pytest.raises(InvalidParameter) as caught:
            check_turn(fields)
        assert caught.value.param == param


class TestSnooze:
    def test_hours_and_minutes_count_from_now(self) -> None:
        assert check_snooze({"hours": 2}, now=NOW, ends=None) == NOW + timedelta(hours=2)
        assert check_snooze({"minutes": 90}, now=NOW, ends=None) == NOW + timedelta(minutes=90)
        assert check_snooze({"hours": 0}, now=NOW, ends=None) == NOW

    def test_it_never_passes_the_hard_stop(self) -> None:
        ends = NOW + timedelta(hours=1)
        assert check_snooze({"hours": 5}, now=NOW, ends=ends) == ends

    @pytest.mark.parametrize(
        "fields", [{}, {"hours": 25}, {"minutes": 1441}, {"hours": -1}, {"hours": 1, "minutes": 1}, {"until": 5}]
    )
    def test_anything_else_is_refused(self, fields: dict[str, object]) -> None:
        with pytest.raises(InvalidRequest):
            check_snooze(fields, now=NOW, ends=None)

    @given(name=st.sampled_from(["hours", "minutes"]), value=st.floats() | st.integers() | st.text() | st.none())
    def test_no_snooze_is_longer_than_a_day(self, name: str, value: object) -> None:
        try:
            until = check_snooze({name: value}, now=NOW, ends=None)
        except Problem:
            return
        assert NOW <= until <= NOW + timedelta(hours=24)


class TestEstimate:
    def test_it_is_the_median_of_past_wakes(self) -> None:
        assert wake_estimate([100, 900, 250], otherwise=7) == 250

    @pytest.mark.parametrize("seconds", [[], ["x"], [float("nan")], [-1]])
    def test_without_any_it_is_the_catalogs(self, seconds: list[object]) -> None:
        assert wake_estimate(seconds, otherwise=7) == 7


class FakeStates:
    """Refuses a name that was taken with another request, as Step Functions does for 90 days; or everything."""

    def __init__(self, error: str | None = None) -> None:
        self.asked: list[dict[str, Any]] = []
        self.executions: dict[str, str] = {}
        self._error = error

    def start_execution(self, **request: Any) -> dict[str, Any]:
        self.asked.append(request)
        error = self._error
        if self.executions.setdefault(request["name"], request["input"]) != request["input"]:
            error = "ExecutionAlreadyExists"
        if error:
            raise ClientError({"Error": {"Code": error, "Message": ""}}, "StartExecution")
        return {}


class NoLedger:
    """A ledger of which nothing is asked."""

    def get(self, *_: str) -> Data | None:
        raise AssertionError

    def put(self, *_: Any) -> None:
        raise AssertionError

    def put_if(self, *_: Any, **__: Any) -> bool:
        raise AssertionError


def switch(states: FakeStates) -> Switch:
    return Switch(lambda: states, NoLedger, arn="arn:switch")


class TestSwitch:
    def test_a_wake_has_one_name_a_minute(self) -> None:
        asked = {"target": "on", "reason": "wake", "by": "a call"}
        names = {execution_name(asked, NOW.replace(second=second)) for second in (0, 59)}
        assert len(names) == 1
        assert execution_name(asked, NOW + timedelta(minutes=1)) not in names

    def test_what_is_asked_for_again_within_a_minute_is_done(self) -> None:
        """Step Functions refuses a name that was used, so an off after an off and an on would be lost: it stays on."""
        states = FakeStates()
        off: dict[str, object] = {"state": "off"}
        on: dict[str, object] = {"state": "on"}
        asked = [off, on, off, {"state": "on", "hours": 5}, on]
        for second, fields in enumerate(asked):
            switch(states).start(check_turn(fields), NOW.replace(second=second))
        switch(states).start(check_turn({"state": "on"}), NOW.replace(second=4))  # a client's repetition
        assert [json.loads(given)["target"] for given in states.executions.values()] == ["off", "on", "off", "on", "on"]

    def test_somebody_elses_start_will_do(self) -> None:
        switch(FakeStates("ExecutionAlreadyExists")).start(check_turn({"state": "on"}), NOW)

    def test_any_other_refusal_is_told(self) -> None:
        with pytest.raises(ControlPlaneFailed, match="AccessDenied"):
            switch(FakeStates("AccessDeniedException")).start(check_turn({"state": "on"}), NOW)

    def test_a_thousand_calls_of_a_worker_are_one_wake_a_minute(self) -> None:
        states = FakeStates()
        waker = switch(states)
        for second in range(1000):
            waker.wake(NOW + timedelta(seconds=second * 0.1))
        assert len(states.asked) == 2  # 100 seconds

    def test_ten_thousand_callers_are_one_wake(self) -> None:
        """Over fifty workers, within a minute; the switch itself joins what a second minute's callers start."""
        states = FakeStates()
        workers = [switch(states) for _ in range(50)]
        for call in range(10_000):
            workers[call % 50].wake(NOW.replace(second=0) + timedelta(seconds=call * 0.0059))
        assert len(states.asked) == 50
        (wake,) = states.executions.values()
        assert json.loads(wake)["reason"] == "wake"
