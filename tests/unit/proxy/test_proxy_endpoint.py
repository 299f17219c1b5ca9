"""`GET /endpoint` reports the state and the cost as they are; a call to an endpoint that is off says how to wake it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from common.facts import EndpointFacts, Fleet, StackFacts, VariantFacts, iso
from hypothesis import given
from hypothesis import strategies as st
from proxy.endpoint import Facts, redacted, report, saved_usd
from proxy.errors import ControlPlaneFailed, EndpointMissing
from proxy.next_trigger import NOTHING, Remembered
from proxy.settings import Limits

from tests.unit.proxy.fakes import SETTINGS, Api, event, moment

ENDPOINT = EndpointFacts(
    status="InService",
    created=moment(seconds_before_start=1800),
    config_name="config",
    instance_count=1,
    failure_reason=None,
)
VARIANT = VariantFacts(instance_type="ml.g4dn.12xlarge", initial_instance_count=1)
STACK = StackFacts(status="UPDATE_COMPLETE", parameters={"EndpointState": "on", "TurnOffAt": "2027-01-15T20:00:00"})
ON = Facts(endpoint=ENDPOINT, variant=VARIANT, stack=STACK)
OFF = Facts(endpoint=None, variant=None, stack=replace(STACK, parameters={"EndpointState": "off"}))
PRICES = {"ml.g4dn.12xlarge": 4.89}


LIMITS = Limits(idle_minutes=60, lifetime_hours=12, monthly_budget_usd=100)


HARD_STOP_ONLY = Limits(idle_minutes=None, lifetime_hours=None, monthly_budget_usd=None)


def reported(facts: Facts, remembered: Remembered = NOTHING, limits: Limits = LIMITS) -> dict[str, Any]:
    settings = {"limits": limits, "usd_per_hour": PRICES, "always_on_usd_per_hour": 9.78}
    return dict(report(facts, remembered, now=moment(), **settings))  # type: ignore[arg-type]


def with_status(status: str) -> Facts:
    return replace(ON, endpoint=replace(ENDPOINT, status=status))


class TestReport:
    def test_an_endpoint_in_service(self, api: Api) -> None:
        api.control_plane.known = ON
        answer = api.endpoint()
        assert answer.status == 200
        assert answer.body.pop("next_trigger")["by"] == "idle"
        assert answer.body == {
            "endpoint_name": "pilotlight-test",
            "model": "alexatm-20b",
            "state": "on",
            "since": "2027-01-15T07:30:00Z",
            "instance_type": "ml.g4dn.12xlarge",
            "instance_count": 1,
            "usd_per_hour": 4.89,
            "cost_usd": 2.445,
            "usd_this_month": None,
            "hours_this_month": None,
            "usd_saved_this_month": None,
            "budget_usd": 100,
            "snoozed_until": None,
            "wake_seconds": 600,
            "failure_reason": None,
            "attention": [],
            "request_id": "request-1",
        }

    def test_an_endpoint_that_is_off_costs_nothing(self, api: Api) -> None:
        api.control_plane.known = OFF
        answer = api.endpoint()
        assert answer.body == {
            "endpoint_name": "pilotlight-test",
            "model": "alexatm-20b",
            "state": "off",
            "since": None,
            "instance_type": None,
            "instance_count": 0,
            "usd_per_hour": 0.0,
            "cost_usd": 0.0,
            "usd_this_month": None,
            "hours_this_month": None,
            "usd_saved_this_month": None,
            "budget_usd": 100,
            "snoozed_until": None,
            "wake_seconds": 600,
            "next_trigger": {"target": None, "by": None, "at": None, "message": "It is off: nothing is billed."},
            "failure_reason": None,
            "attention": [],
            "request_id": "request-1",
        }

    @pytest.mark.parametrize(
        ("status", "state"),
        [
            ("Creating", "waking"),
            ("InService", "on"),
            ("Updating", "updating"),
            ("SystemUpdating", "updating"),
            ("RollingBack", "updating"),
            ("Deleting", "turning_off"),
            ("Failed", "failed"),
            ("OutOfService", "failed"),
            ("UpdateRollbackFailed", "failed"),
            ("SomethingNew", "updating"),
        ],
    )
    def test_sagemakers_status_is_the_state_and_every_status_is_billed(self, status: str, state: str) -> None:
        answer = reported(with_status(status))
        assert (answer["state"], answer["cost_usd"]) == (state, 2.445)

    @pytest.mark.parametrize(
        ("stack_status", "wanted", "exists", "state"),
        [
            ("UPDATE_IN_PROGRESS", "on", False, "waking"),
            ("CREATE_IN_PROGRESS", "on", False, "waking"),
            ("UPDATE_IN_PROGRESS", "off", True, "turning_off"),
            ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "off", True, "turning_off"),
            ("UPDATE_ROLLBACK_IN_PROGRESS", "on", False, "off"),
            ("UPDATE_ROLLBACK_IN_PROGRESS", "off", True, "on"),
            ("UPDATE_COMPLETE", "on", False, "off"),
            ("UPDATE_COMPLETE", "off", True, "on"),
        ],
    )
    def test_the_stack_is_believed_only_while_it_is_being_updated(
        self, stack_status: str, wanted: str, exists: bool, state: str
    ) -> None:
        stack = StackFacts(status=stack_status, parameters={"EndpointState": wanted})
        facts = replace(ON if exists else OFF, stack=stack)
        assert reported(facts)["state"] == state

    def test_without_a_stack_sagemaker_alone_is_believed(self) -> None:
        assert reported(replace(ON, stack=None))["state"] == "on"
        assert reported(replace(OFF, stack=None))["state"] == "off"

    def test_a_price_that_is_not_known_is_null_not_zero(self) -> None:
        answer = reported(replace(ON, variant=replace(VARIANT, instance_type="ml.unknown.large")))
        assert (answer["usd_per_hour"], answer["cost_usd"]) == (None, None)
        [notice] = answer["attention"]
        assert "No price is known for ml.unknown.large" in notice
        assert "the budget does not see" in notice
        assert reported(replace(ON, variant=None))["attention"] == []

    def test_the_initial_count_stands_in_until_sagemaker_states_one(self) -> None:
        starting = replace(ENDPOINT, status="Creating", instance_count=None)
        answer = reported(Facts(endpoint=starting, variant=replace(VARIANT, initial_instance_count=3), stack=STACK))
        assert (answer["instance_count"], answer["usd_per_hour"]) == (3, 14.67)

    def test_a_second_fleet_costs_by_the_hour_and_not_for_all_the_hours_before_it(self) -> None:
        updating = replace(ENDPOINT, status="Updating", baking="next", second=Fleet(1, "next", ("ml.g4dn.12xlarge",)))
        answer = reported(replace(ON, endpoint=updating))
        assert (answer["instance_count"], answer["usd_per_hour"], answer["cost_usd"]) == (2, 9.78, 2.445)

    @given(st.integers(1, 20), st.floats(0, 10**6))
    def test_the_cost_is_price_times_instances_times_hours(self, instances: int, seconds: float) -> None:
        endpoint = replace(ENDPOINT, instance_count=instances, created=moment(seconds))
        cost = reported(replace(ON, endpoint=endpoint))["cost_usd"]
        assert cost == pytest.approx(4.89 * instances * seconds / 3600, abs=1e-3)

    def test_an_endpoint_created_after_now_has_cost_nothing_yet(self) -> None:
        assert reported(replace(ON, endpoint=replace(ENDPOINT, created=moment(-60))))["cost_usd"] == 0

    def test_what_turns_it_off_next_is_honest(self) -> None:
        stated = reported(ON, limits=HARD_STOP_ONLY)["next_trigger"]
        assert (stated["target"], stated["by"], stated["at"]) == ("off", "hard_stop", "2027-01-15T20:00:00Z")
        assert "pilot off" in stated["message"]
        endless = replace(ON, stack=replace(STACK, parameters={"EndpointState": "on"}))
        unstated = reported(endless, limits=HARD_STOP_ONLY)["next_trigger"]
        assert (unstated["target"], unstated["by"], unstated["at"]) == (None, None, None)
        assert "`pilot off`" in unstated["message"]

    def test_a_schedule_comes_before_what_is_later_and_lights_it_again(self) -> None:
        """Half past nine in Paris is half an hour from now; the lifetime has hours left."""
        limits = LIMITS._replace(schedules="on 09:30 MON,FRI Europe/Paris;off 09:30 FRI Europe/Paris")
        off = reported(ON, limits=limits)["next_trigger"]
        assert (off["target"], off["by"], off["at"]) == ("off", "schedule", "2027-01-15T08:30:00Z")
        on = reported(OFF, limits=limits)["next_trigger"]
        assert (on["target"], on["by"], on["at"]) == ("on", "schedule", "2027-01-15T08:30:00Z")
        assert on["message"].startswith("It is off: nothing is billed. It is turned on next by schedule, at 2027-01-15")
        going = replace(ON, stack=StackFacts("UPDATE_IN_PROGRESS", {"EndpointState": "off"}))
        assert reported(going, limits=limits)["next_trigger"]["target"] is None

    def test_what_the_meter_saw_of_the_endpoint_before_does_not_count(self) -> None:
        """Five minutes at most, until its next tick: it counts as used now."""
        meter = {"in_service_since": moment(90_000).timestamp(), "last_call": moment(50_000).timestamp()}
        stated = reported(ON, Remembered(meter, {}, {}))["next_trigger"]
        assert (stated["by"], stated["at"]) == ("idle", iso(moment(-3600)))

    def test_an_idle_endpoint_says_when_it_goes(self) -> None:
        """An hour after the last call, or after it came into service; a snooze puts it off."""
        served = {"in_service_since": moment(1700).timestamp(), "last_call": None}
        for meter, snooze, at in (
            (served, {}, moment(1700 - 3600)),
            (served | {"last_call": moment(600).timestamp()}, {}, moment(600 - 3600)),
            (served, {"until": moment(-7200).timestamp()}, moment(-7200)),
        ):
            stated = reported(ON, Remembered(meter, snooze, {}))["next_trigger"]
            assert (stated["by"], stated["at"]) == ("idle", iso(at))

    def test_a_budget_that_is_spent_sooner_comes_first(self) -> None:
        month = f"{moment():%Y-%m}"
        meter = {"in_service_since": moment().timestamp(), "usd_this_month": 99.511, "month": month}
        stated = reported(ON, Remembered(meter, {}, {}))
        assert stated["next_trigger"]["by"] == "budget"
        assert stated["next_trigger"]["at"] == iso(moment(-360))
        assert (stated["usd_this_month"], stated["budget_usd"]) == (99.51, 100)
        raised = reported(ON, Remembered(meter, {}, {"usd": 200}))
        assert (raised["next_trigger"]["by"], raised["budget_usd"]) == ("idle", 200)

    def test_a_month_that_is_over_is_not_reported(self) -> None:
        assert reported(ON, Remembered({"month": "1999-01", "usd_this_month": 5}, {}, {}))["usd_this_month"] is None

    def test_a_snooze_is_reported_while_it_lasts(self) -> None:
        until = moment(-60)
        assert reported(ON, Remembered({}, {"until": until.timestamp()}, {}))["snoozed_until"] == iso(until)
        assert reported(ON, Remembered({}, {"until": moment(1).timestamp()}, {}))["snoozed_until"] is None

    def test_a_failure_comes_with_its_reason(self) -> None:
        failed = replace(ENDPOINT, status="Failed", failure_reason="no capacity")
        assert reported(replace(ON, endpoint=failed))["failure_reason"] == "no capacity"

    def test_aws_failing_to_tell_is_502(self, api: Api) -> None:
        api.control_plane.known = ControlPlaneFailed("AWS would not tell")
        assert (api.endpoint().status, api.endpoint().error["type"]) == (502, "control_plane_failed")


class TestACallToAMissingEndpoint:
    @pytest.fixture
    def missing(self, api: Api) -> Api:
        api.runtime.script = [EndpointMissing("not found")]
        return api

    @pytest.mark.parametrize("facts", [OFF, with_status("Deleting")])
    def test_off_says_how_to_wake_it_and_for_how_long_to_wait(self, missing: Api, facts: Facts) -> None:
        missing.control_plane.known = facts
        answer = missing.generate({"text_inputs": "a"})
        assert (answer.status, answer.error["type"]) == (503, "endpoint_off")
        assert answer.headers["Retry-After"] == "600"
        assert "pilot on" in answer.error["message"]
        assert "POST /endpoint" in answer.error["message"]

    @pytest.mark.parametrize(("age", "wait"), [(0, "600"), (200, "400"), (595, "10"), (5000, "10"), (-50, "600")])
    def test_waking_says_what_is_left_of_the_estimate(self, missing: Api, age: float, wait: str) -> None:
        creating = replace(ENDPOINT, status="Creating", created=moment(age))
        missing.control_plane.known = replace(ON, endpoint=creating)
        answer = missing.generate({"text_inputs": "a"})
        assert (answer.status, answer.error["type"]) == (503, "endpoint_waking")
        assert answer.headers["Retry-After"] == wait

    def test_in_service_a_moment_later_is_worth_another_try_soon(self, missing: Api) -> None:
        missing.control_plane.known = ON
        answer = missing.generate({"text_inputs": "a"})
        assert (answer.error["type"], answer.headers["Retry-After"]) == ("endpoint_waking", "10")

    def test_failed_says_why_and_not_to_wait(self, missing: Api) -> None:
        failed = replace(ENDPOINT, status="Failed", failure_reason="no capacity")
        missing.control_plane.known = replace(ON, endpoint=failed)
        answer = missing.generate({"text_inputs": "a"})
        assert (answer.status, answer.error["type"]) == (503, "endpoint_failed")
        assert "no capacity" in answer.error["message"]
        assert "Retry-After" not in answer.headers

    def test_what_cannot_be_looked_up_counts_as_off(self, missing: Api) -> None:
        missing.control_plane.known = ControlPlaneFailed("AWS would not tell")
        assert missing.generate({"text_inputs": "a"}).error["type"] == "endpoint_off"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Could not access arn:aws:iam::111122223333:role/execution, retry.", "Could not access …, retry."),
        ("No model data at s3://models-of-mine/alexatm/.", "No model data at …."),
        ("Image 111122223333.dkr.ecr.us-east-1.amazonaws.com/mine:1 is missing", "Image … is missing"),
        ("Unable to provision requested ML compute capacity", "Unable to provision requested ML compute capacity"),
        (None, None),
    ],
)
def test_a_failure_is_told_without_names_of_the_account(said: str | None, told: str | None) -> None:
    assert redacted(said) == told


class TestSwitching:
    def test_on_and_off_start_the_switch(self, api: Api) -> None:
        for state in ("on", "off"):
            assert api.send(event("POST", "/endpoint", {"state": state})).body["asked"] == state
        assert [request["target"] for request in api.switch.started] == ["on", "off"]

    def test_how_long_a_wake_takes_is_learnt(self, api: Api) -> None:
        answer = api.send(event("POST", "/endpoint", {"state": "on"}))
        assert answer.body["ready_in_seconds"] == 600
        api.switch.kept["wake"] = {"seconds": [100, 200, 300]}
        assert api.send(event("POST", "/endpoint", {"state": "on"})).body["ready_in_seconds"] == 200
        api.runtime.script.append(EndpointMissing("missing"))
        assert api.generate({"text_inputs": "hello"}).headers["Retry-After"] == "200"

    def test_a_wrong_state_starts_nothing(self, api: Api) -> None:
        assert api.send(event("POST", "/endpoint", {"state": "maybe"})).error["param"] == "state"
        assert api.switch.started == []

    def test_a_snooze_is_kept_and_ends_with_the_hard_stop(self, api: Api) -> None:
        answer = api.send(event("POST", "/endpoint/snooze", {"hours": 2}))
        assert answer.body["snoozed_until"] == iso(moment(-7200))
        assert api.switch.snoozed == moment(-7200)

    def test_a_call_of_a_sleeping_endpoint_wakes_it_only_where_that_is_configured(self, api: Api) -> None:
        waking = Api(replace(SETTINGS, wake_on_call=True))
        for asked, kind in ((api, "endpoint_off"), (waking, "endpoint_waking")):
            asked.runtime.script.append(EndpointMissing("missing"))
            answer = asked.generate({"text_inputs": "hello"})
            assert (answer.status, answer.error["type"], answer.headers["Retry-After"]) == (503, kind, "600")
        assert (api.switch.wakes, waking.switch.wakes) == (0, 1)

    def test_over_budget_nobody_is_promised_a_wake_that_the_switch_refuses(self) -> None:
        api = Api(replace(SETTINGS, wake_on_call=True))
        memory = {"month": f"{moment():%Y-%m}", "usd_this_month": 150.0}
        api.switch.kept = {"meter": memory, "budget": {"usd": 149}}
        api.runtime.script.append(EndpointMissing("missing"))
        answer = api.generate({"text_inputs": "hello"})
        assert (answer.status, answer.error["type"], answer.headers["Retry-After"]) == (503, "endpoint_off", "3600")
        assert "no call wakes it: the month's budget is spent" in answer.error["message"]
        assert api.switch.wakes == 1  # by which a person is told
        for more, ready in (({}, None), ({"budget_usd": 300}, 600)):
            asked = api.send(event("POST", "/endpoint", {"state": "on", **more})).body
            assert (asked["ready_in_seconds"], "budget is spent" in asked["message"]) == (ready, ready is None)


class TestSaved:
    """Against the configured instances left on for all the time that the meter counted this month."""

    COUNTED: ClassVar[dict[str, Any]] = {"month_counted_since": 0.0, "counted_until": 36_000.0, "usd_this_month": 19.56}

    def test_ten_hours_of_which_four_were_on(self) -> None:
        assert saved_usd(self.COUNTED, 4.89) == pytest.approx(29.34)

    @pytest.mark.parametrize("missing", ["month_counted_since", "counted_until", "usd_this_month"])
    def test_what_is_not_known_is_not_guessed(self, missing: str) -> None:
        assert saved_usd({**self.COUNTED, missing: None}, 4.89) is None
        assert saved_usd(self.COUNTED, None) is None

    @given(hours=st.floats(0, 744), share=st.floats(0, 1), usd=st.floats(0, 200))
    def test_saved_and_spent_are_what_always_on_costs(self, hours: float, share: float, usd: float) -> None:
        spent = hours * share * usd
        counted = {"month_counted_since": 0.0, "counted_until": hours * 3600, "usd_this_month": spent}
        saved = saved_usd(counted, usd)
        assert saved is not None
        assert saved >= 0
        assert saved + spent == pytest.approx(hours * usd, abs=1e-6)

    def test_a_dearer_instance_than_configured_saves_nothing_rather_than_less(self) -> None:
        assert saved_usd(self.COUNTED, 1.0) == 0

    def test_it_is_part_of_the_report_and_of_this_month_only(self) -> None:
        memory = {**self.COUNTED, "month": f"{moment():%Y-%m}"}
        assert reported(OFF, Remembered(memory, {}, {}))["usd_saved_this_month"] == 78.24
        assert reported(OFF, Remembered({**memory, "month": "2020-01"}, {}, {}))["usd_saved_this_month"] is None


def test_what_the_daily_sweep_found_is_told() -> None:
    found = Remembered({}, {}, {}, sweep={"findings": ["No stack owns the endpoint x."]})
    assert reported(OFF, found)["attention"] == ["No stack owns the endpoint x."]


@pytest.mark.parametrize(("hours", "told"), [(25, False), (49, False), (61, True)])
def test_a_daily_sweep_that_fails_is_told(hours: float, told: bool) -> None:
    """Its Lambda's failures reach nobody: no mail comes, and the last findings would stand for ever."""
    swept = Remembered({}, {}, {}, sweep={"at": (moment() - timedelta(hours=hours)).timestamp(), "findings": []})
    attention = reported(OFF, swept)["attention"]
    assert [sentence.startswith("The daily sweep has told nothing since 20") for sentence in attention] == [True] * told


@pytest.mark.parametrize("malformed", [{}, {"findings": None}, {"findings": "text"}, {"findings": {"a": 1}}])
def test_a_sweep_that_cannot_be_read_is_silent(malformed: dict[str, Any]) -> None:
    assert reported(OFF, Remembered({}, {}, {}, sweep=malformed))["attention"] == []
