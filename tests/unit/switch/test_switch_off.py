"""Off, situation by situation: what is done, within which time, and what a person hears."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.switch.fake_aws import Aws
from tests.unit.switch.machine import Execution, Machine, last_message, lit
from tests.unit.switch.world import FINGERPRINT, MINUTE, Fated, World, refuse


def test_off_is_one_update_that_sends_every_parameter(machine: Machine, world: World, aws: Aws) -> None:
    lit(machine)
    execution = machine.run("off", "idle")
    assert (execution.outcome, world.calls) == ("off", ["update"])
    sent = {entry["ParameterKey"]: entry for entry in aws.cloudformation.requests[-1]["Parameters"]}
    assert {name: sent[name]["ParameterValue"] for name in ("EndpointState", "TurnOffAt", "DeleteAt")} == {
        "EndpointState": "off",
        "TurnOffAt": "",
        "DeleteAt": "",
    }
    assert all(sent[name]["UsePreviousValue"] for name in ("ModelDataUrl", "InstanceType", "OverrideFor"))


def test_what_is_off_already_is_left_alone_and_not_told(machine: Machine, world: World, aws: Aws) -> None:
    assert machine.run("off").outcome == "already off"
    assert (world.calls, aws.receipts, aws.sns.published) == ([], [], [])


def test_an_update_towards_on_is_cancelled_once(machine: Machine, world: World) -> None:
    on = machine.start("on")
    machine.step(on)
    assert world.status == "UPDATE_IN_PROGRESS"
    assert machine.run("off").outcome == "off"
    assert world.calls == ["update", "cancel"]
    machine.run_out()
    assert on.outcome == "superseded"


class TestASurvivor:
    """CloudFormation's clean-up could not delete the endpoint, and says that all went well."""

    @pytest.fixture
    def begun(self, machine: Machine, world: World) -> float:
        lit(machine)
        world.fate = Fated(clean_up=["survives"])
        return world.now

    def deleted(self, machine: Machine, off: Execution, *, times: int = 1) -> float:
        while off.calls.count("delete") < times:
            machine.step(off)
        return machine.aws.world.now

    def test_it_is_deleted_a_minute_after_the_clean_up_and_the_stack_told_again(
        self, machine: Machine, world: World, aws: Aws, begun: float
    ) -> None:
        world.clean_up_minutes = 1
        off = machine.start("off")
        while not world.is_settled or world.says == "on":
            machine.step(off)
        settled = world.now
        assert MINUTE <= self.deleted(machine, off) - settled < 1.5 * MINUTE
        assert world.now - begun < 4 * MINUTE
        machine.finish(off)
        assert (off.outcome, world.calls) == ("off", ["update", "delete", "update"])
        assert "deleted directly" in last_message(aws)

    @pytest.mark.parametrize("tries", [9, 40])
    def test_a_clean_up_that_takes_long_is_not_waited_for(
        self, machine: Machine, world: World, begun: float, tries: float
    ) -> None:
        world.clean_up_minutes = tries
        off = machine.start("off")
        assert 3 * MINUTE <= self.deleted(machine, off) - begun < 4 * MINUTE
        machine.finish(off)
        assert (off.outcome, off.calls, world.is_off) == ("off", ["update", "delete", "update"], True)

    @pytest.mark.parametrize("tries", [1, 9])
    @pytest.mark.parametrize("deletion", ["refused", "survives"])
    def test_a_deletion_without_effect_is_repeated_within_the_promise(
        self, machine: Machine, world: World, begun: float, tries: float, deletion: str
    ) -> None:
        """An idle off begins five minutes after the window at the latest."""
        world.clean_up_minutes = tries
        world.fate = Fated(clean_up=["survives"], deletion=[deletion])
        off = machine.start("off", "idle")
        assert self.deleted(machine, off, times=2) - begun < 7 * MINUTE
        assert world.endpoint is not None
        assert world.endpoint.status == "Deleting"

    @pytest.mark.parametrize("after", [0.5, 2.3])
    def test_an_on_that_takes_over_meanwhile_waits_for_the_clean_up_no_longer(
        self, machine: Machine, world: World, begun: float, after: float
    ) -> None:
        """Nor does the time begin anew with each that takes over."""
        world.clean_up_minutes = 40
        machine.step(off := machine.start("off"))
        machine.kill(off)
        world.advance(begun + after * MINUTE)
        machine.step(machine.start("on"))
        world.advance(world.now + 0.5 * MINUTE)
        on = machine.start("on", extend=True)
        assert self.deleted(machine, on) - begun < 4 * MINUTE
        machine.finish(on)
        assert (on.outcome, world.is_on) == ("on", True)

    def test_one_that_is_going_already_needs_no_second_deletion(self, machine: Machine, world: World) -> None:
        """SageMaker takes its time, and the clean-up did not wait for it."""
        lit(machine)
        world.fate = Fated(clean_up=["hangs"])
        world.clean_up_minutes = 0.5
        machine.step(off := machine.start("off"))
        world.advance(world.now + 10 * MINUTE)
        assert world.is_settled
        machine.finish(off)
        assert "delete" not in off.calls


def test_one_that_cannot_be_deleted_is_told_as_still_billing(machine: Machine, world: World, aws: Aws) -> None:
    lit(machine)
    world.fate = Fated(clean_up=["survives"], deletion=["refused", "survives", "survives"])
    begun = world.now
    assert machine.run("off").outcome == "failed"
    assert world.calls.count("delete") == 3
    assert "IT STILL COSTS MONEY" in last_message(aws)
    assert world.now - begun < 61 * MINUTE


def test_one_that_hangs_in_deleting_is_told_after_half_an_hour(machine: Machine, world: World, aws: Aws) -> None:
    lit(machine)
    world.fate = Fated(clean_up=["hangs"])
    begun = world.now
    assert machine.run("off").outcome == "failed"
    assert 30 * MINUTE <= world.now - begun < 36 * MINUTE
    assert "has been Deleting for 3" in last_message(aws)
    assert "delete" not in world.calls


def test_maintenance_is_waited_for(machine: Machine, world: World) -> None:
    lit(machine)
    world.fate = Fated(clean_up=["maintained"])
    assert machine.run("off").outcome == "off"
    assert world.calls.count("delete") == 1


def test_an_endpoint_that_somebody_deleted_leaves_a_stack_to_repair(machine: Machine, world: World) -> None:
    lit(machine)
    world.delete_directly()
    world.advance(world.now + 5 * MINUTE)
    assert (world.says, world.endpoint) == ("on", None)
    assert machine.run("off", "hard_stop").outcome == "off"
    assert (world.says, world.calls) == ("off", ["update"])


def test_a_rollback_to_an_endpoint_that_is_gone_skips_it(machine: Machine, world: World) -> None:
    """Else the stack would ask a person for what the hard stop did."""
    lit(machine)
    world.delete_directly()
    world.advance(world.now + 5 * MINUTE)
    override = {"ModelDataUrl": "s3://tuned/", "OverrideFor": "0123456789abcdef"}
    world.update_stack({**world.parameters, **override})
    world.advance(world.now + 30 * MINUTE)
    assert world.status == "UPDATE_ROLLBACK_FAILED"
    assert machine.run("off").outcome == "off"
    assert world.says == "off"


def test_a_creation_that_hangs_is_deleted_where_cancelling_does_not_help(machine: Machine, world: World) -> None:
    world.fate = Fated(creation=["hangs"])
    machine.step(machine.start("on"))
    world.advance(world.now + 10 * MINUTE)
    world.cancel_update = lambda: world.calls.append("cancel")  # type: ignore[method-assign]
    off = machine.start("off")
    while world.endpoint is not None:
        machine.step(off)
    assert world.calls == ["update", "cancel", "delete"]


def test_a_stack_that_never_settles_is_given_up_after_an_hour(machine: Machine, world: World, aws: Aws) -> None:
    world.break_stack("UPDATE_ROLLBACK_IN_PROGRESS")
    begun = world.now
    assert machine.run("off").outcome == "failed"
    assert 60 * MINUTE <= world.now - begun < 62 * MINUTE
    assert "UPDATE_ROLLBACK_IN_PROGRESS" in last_message(aws)
    assert "nothing is billed" in last_message(aws)


@pytest.mark.parametrize("status", ["ROLLBACK_COMPLETE", "DELETE_FAILED", "UPDATE_FAILED", "REVIEW_IN_PROGRESS"])
def test_under_a_stack_that_takes_no_update_the_endpoint_is_deleted_and_a_person_told(
    machine: Machine, world: World, aws: Aws, status: str
) -> None:
    lit(machine)
    world.break_stack(status)
    begun = world.now
    assert machine.run("off").outcome == "failed"
    assert world.endpoint is None
    assert world.now - begun < 5 * MINUTE
    assert status in last_message(aws)
    assert "nothing is billed" in last_message(aws)


def test_an_endpoint_without_a_stack_is_deleted(machine: Machine, world: World) -> None:
    lit(machine)
    world.break_stack(None)
    assert machine.run("off").outcome == "off"
    assert world.calls == ["delete"]


def test_updates_that_are_refused_give_way_to_the_deletion(machine: Machine, world: World, aws: Aws) -> None:
    lit(machine)
    world.fate = Fated(update=["refused"] * 3)
    assert machine.run("off").outcome == "failed"
    assert (world.endpoint, world.calls) == (None, ["update"] * 3 + ["delete"])
    assert "not authorized" in last_message(aws)


def test_an_aws_that_does_not_answer_is_asked_again(machine: Machine, world: World, aws: Aws) -> None:
    lit(machine)
    world.fate = Fated(network=["throttled", "lost"])
    assert machine.run("off").outcome == "off"
    assert [receipt["target"] for receipt in aws.receipts] == ["off", "on"]


class TestWhileItBakes:
    """A cancelled update is finished, then undone, each with its whole bake."""

    @pytest.fixture
    def baking(self, machine: Machine, world: World) -> Machine:
        lit(machine)
        world.bake_minutes = 10
        machine.step(machine.start("on", "promotion", overrides={"ModelDataUrl": "s3://tuned/"}))
        world.advance(world.now + 12 * MINUTE)
        machine.forget_calls()
        return machine

    def test_the_endpoint_is_deleted_after_five_minutes(self, baking: Machine, world: World, aws: Aws) -> None:
        begun = world.now
        off = baking.run("off")
        [(_, gone, _)] = world.ended
        assert 5 * MINUTE <= gone - begun < 8 * MINUTE
        assert (off.outcome, world.is_off, world.parameters["ModelDataUrl"]) == ("off", True, "")
        assert off.calls == ["cancel", "delete", "continue", "update", "update"]
        assert "had not removed it in time, so it was deleted directly" in last_message(aws)

    def test_a_refusal_is_asked_again_within_ten_minutes(self, baking: Machine, world: World) -> None:
        world.fate = Fated(deletion=["refused"])
        begun, off = world.now, baking.start("off")
        while off.calls.count("delete") < 2:
            baking.step(off)
        assert world.now - begun < 8.5 * MINUTE
        assert world.endpoint is not None
        assert world.endpoint.status == "Deleting"

    def test_where_that_is_refused_the_way_back_is_waited_for(self, baking: Machine, world: World) -> None:
        """As AWS may, of an endpoint that is Updating."""
        world.fate = Fated(deletion=["refused"] * 3)
        begun = world.now
        off = baking.run("off")
        assert (off.outcome, off.calls.count("delete"), world.is_off) == ("off", 3, True)
        assert world.now - begun < 50 * MINUTE

    def test_somebodys_update_that_cannot_be_cancelled_has_twenty_minutes(self, machine: Machine, world: World) -> None:
        lit(machine)
        assert world.endpoint is not None
        world.endpoint.status = "Updating"
        world.break_stack("UPDATE_ROLLBACK_IN_PROGRESS")
        begun, off = world.now, machine.start("off")
        while "delete" not in off.calls:
            machine.step(off)
        assert 20 * MINUTE <= world.now - begun < 22 * MINUTE


class TestIdle:
    def test_a_call_within_the_window_keeps_it_on(self, machine: Machine, world: World, aws: Aws) -> None:
        lit(machine)
        aws.cloudwatch.called = [world.now - 5 * MINUTE]
        execution = machine.run("off", "idle")
        assert execution.outcome == "not idle any more"
        assert (world.calls, aws.sns.published) == ([], [])
        assert world.is_on

    def test_a_call_before_the_window_does_not(self, machine: Machine, world: World, aws: Aws) -> None:
        lit(machine)
        aws.cloudwatch.called = [world.now - 62 * MINUTE]
        assert machine.run("off", "idle").outcome == "off"

    def test_every_other_reason_turns_it_off_in_the_midst_of_calls(
        self, machine: Machine, world: World, aws: Aws
    ) -> None:
        lit(machine)
        aws.cloudwatch.called = [world.now - 5 * MINUTE]
        assert machine.run("off", "schedule").outcome == "off"

    def test_a_snooze_keeps_it_on_until_its_end(self, machine: Machine, world: World, aws: Aws) -> None:
        lit(machine)
        aws.ledger.put("snooze", "endpoint", {"until": world.now + 60, "by": "a person"})
        assert machine.run("off", "idle").outcome == "not idle any more"
        world.advance(world.now + 61)
        assert machine.run("off", "idle").outcome == "off"

    def test_one_that_is_younger_than_the_window_stays(self, machine: Machine, world: World) -> None:
        assert machine.run("on").outcome == "on"
        world.advance(world.now + 50 * MINUTE)
        assert machine.run("off", "idle").outcome == "not idle any more"

    def test_one_that_is_being_lit_stays(self, machine: Machine, world: World) -> None:
        machine.step(machine.start("on"))
        assert machine.run("off", "idle").outcome == "not idle any more"
        assert world.calls == ["update"]

    def test_one_whose_stack_is_being_changed_stays(self, machine: Machine, world: World) -> None:
        lit(machine)
        world.update_stack({**world.parameters, "TurnOffAt": "2027-01-01T00:00:00"})
        assert machine.run("off", "idle").outcome == "not idle any more"
        assert "cancel" not in world.calls

    def test_the_meters_own_last_call_counts(self, machine: Machine, world: World) -> None:
        lit(machine)
        assert machine.meter is not None
        machine.meter["last_call"] = world.now - 10 * MINUTE
        assert machine.run("off", "idle").outcome == "not idle any more"

    def test_an_idle_off_that_was_killed_looks_at_the_calls_again(
        self, machine: Machine, world: World, aws: Aws
    ) -> None:
        lit(machine)
        world.fate = Fated(update=["refused"])
        killed = machine.start("off", "idle")
        machine.step(killed)
        machine.kill(killed)
        aws.cloudwatch.called = [world.now]
        assert machine.run("off", "idle").outcome == "not idle any more"
        assert world.is_on


class TestDue:
    """An alarm acts on a reading that is minutes old."""

    def test_an_end_that_was_moved_holds_against_the_lifetime(self, machine: Machine, world: World) -> None:
        lit(machine)
        assert machine.run("on", lifetime_hours=100, extend=True).outcome == "on"
        world.advance(world.now + 12.5 * 60 * MINUTE)
        assert machine.run("off", "lifetime").outcome == "not due any more"
        world.advance(world.now + 88 * 60 * MINUTE)
        assert machine.run("off", "lifetime").outcome == "off"

    def test_a_ceiling_that_was_raised_holds_against_the_alarm_on_the_old_one(self, machine: Machine, aws: Aws) -> None:
        lit(machine)
        assert machine.meter is not None
        machine.meter["usd_this_month"] = 100.0
        aws.ledger.put("budget", "2026-11", {"usd": 200})
        assert machine.run("off", "budget").outcome == "not due any more"
        machine.meter["usd_this_month"] = 200.0
        assert machine.run("off", "budget").outcome == "off"

    def test_a_meter_that_is_heard_again_keeps_it_on(self, machine: Machine, world: World) -> None:
        lit(machine)
        assert machine.run("off", "heartbeat").outcome == "not due any more"
        assert world.is_on

    def test_a_meter_that_never_ticked_has_half_an_hour_from_the_lighting_on(
        self, machine: Machine, world: World
    ) -> None:
        """The alarm on its silence went off when there was nothing to turn off, and stays in ALARM: the `on` itself
        starts what waits for a tick.
        """
        machine.meter = None
        assert machine.run("off", "heartbeat").outcome == "already off"
        on = machine.run("on")
        lit_at = world.now
        machine.run_out()
        assert (on.outcome, machine.executions[-1].outcome) == ("on", "off")
        assert 20 * MINUTE <= world.now - lit_at <= 35 * MINUTE  # counted from its creation on

    def test_a_meter_that_ticks_soon_after_the_first_lighting_keeps_it_on(self, machine: Machine, world: World) -> None:
        machine.meter = None
        machine.run("on")
        world.advance(world.now + 10 * MINUTE)
        machine.meter = {}
        machine.run_out()
        assert (machine.executions[-1].outcome, world.is_on) == ("not due any more", True)

    @pytest.mark.parametrize("asked", [{}, {"extend": True}, {"overrides": {"ModelDataUrl": "s3://tuned/"}}])
    def test_an_on_that_comes_while_it_is_waited_for_does_not_end_the_wait(
        self, machine: Machine, world: World, asked: dict[str, Any]
    ) -> None:
        """It takes over, so it starts the wait anew; whatever becomes of it."""
        machine.meter = None
        machine.run("on")
        waiting = machine.executions[-1]
        machine.step(waiting)
        world.advance(world.now + 15 * MINUTE)
        machine.run("on", **asked)
        machine.run_out()
        assert (waiting.outcome, machine.executions[-1].outcome, world.is_off) == ("superseded", "off", True)

    def test_a_meter_that_is_heard_is_not_waited_for(self, machine: Machine) -> None:
        machine.run("on")
        machine.run("on", extend=True)
        assert [execution.request["target"] for execution in machine.executions] == ["on", "on"]

    def test_ticks_that_fail_are_no_sign_of_life(self, machine: Machine, world: World) -> None:
        lit(machine)
        machine.meter = {"whole_at": world.now - 10 * MINUTE}
        begun = world.now
        assert machine.run("off", "heartbeat").outcome == "off"
        assert world.now - begun >= 20 * MINUTE

    def test_a_person_need_not_wait_for_it(self, machine: Machine, world: World) -> None:
        machine.meter = None
        assert machine.run("on").outcome == "on"
        waiting = machine.start("off", "heartbeat")
        machine.step(waiting)
        begun = world.now
        assert machine.run("off").outcome == "off"
        assert world.now - begun < 10 * MINUTE
        machine.finish(waiting)
        assert waiting.outcome == "superseded"

    @pytest.mark.parametrize("reason", ["heartbeat", "idle", "lifetime", "budget"])
    def test_a_lighting_under_way_is_not_taken_over(self, machine: Machine, world: World, reason: str) -> None:
        """A fresh deploy's alarm on the meter's silence goes off while the endpoint is lit for the first time."""
        lighting = machine.start("on")
        machine.step(lighting)
        off = machine.start("off", reason)
        machine.finish(lighting, off)
        assert lighting.outcome == "on"
        assert "any more" in off.outcome
        assert world.is_on


class TestPause:
    """An off that has nothing to do with the calls waits for five minutes without one, ten minutes at most."""

    @pytest.fixture
    def over(self, machine: Machine, world: World) -> Machine:
        """Everything is over: its lifetime and the month's money are spent; ten minutes to the hard stop."""
        lit(machine)
        assert machine.meter is not None
        machine.meter["usd_this_month"] = 1000.0
        end = datetime.fromisoformat(world.parameters["TurnOffAt"]).replace(tzinfo=UTC).timestamp()
        world.advance(end - 14 * MINUTE)
        return machine

    @pytest.mark.parametrize("reason", ["lifetime", "budget", "schedule", "promotion over"])
    def test_it_waits_for_five_minutes_after_the_last_call(
        self, over: Machine, world: World, aws: Aws, reason: str
    ) -> None:
        called = world.now // MINUTE * MINUTE
        aws.cloudwatch.called = [called]
        off = over.start("off", reason)
        over.finish(off)
        assert off.outcome == "off"
        [(_, gone, _)] = world.ended
        assert called + 6 * MINUTE <= gone <= called + 10 * MINUTE

    @pytest.mark.parametrize("reason", ["lifetime", "budget", "schedule", "promotion over"])
    def test_so_it_does_while_the_endpoint_is_updated(self, over: Machine, world: World, aws: Aws, reason: str) -> None:
        """Of which the meter may not have heard yet."""
        world.bake_minutes = 10
        world.update_stack({**world.parameters, "ModelDataUrl": "s3://tuned/", "OverrideFor": FINGERPRINT})
        world.advance(world.now + MINUTE)
        called = world.now // MINUTE * MINUTE
        aws.cloudwatch.called = [called]
        off = over.start("off", reason)
        while "cancel" not in off.calls:
            over.step(off)
        assert called + 6 * MINUTE <= world.now < called + 8 * MINUTE
        over.finish(off)
        assert (off.outcome, world.is_off) == ("off", True)

    @pytest.mark.parametrize("reason", ["lifetime", "budget", "schedule", "promotion over"])
    def test_a_caller_who_never_pauses_is_waited_for_ten_minutes(
        self, over: Machine, world: World, aws: Aws, reason: str
    ) -> None:
        begun = world.now
        aws.cloudwatch.called = [begun + number * MINUTE for number in range(-10, 60)]
        assert over.run("off", reason).outcome == "off"
        [(_, gone, _)] = world.ended
        assert begun + 10 * MINUTE <= gone <= begun + 14 * MINUTE

    def test_the_hard_stops_moment_is_not_waited_past(self, over: Machine, world: World, aws: Aws) -> None:
        world.advance(world.now + 10 * MINUTE)
        begun = world.now
        aws.cloudwatch.called = [begun + number * MINUTE for number in range(-10, 60)]
        off = over.start("off", "lifetime")
        while "update" not in off.calls:
            over.step(off)
        assert world.now <= begun + 3 * MINUTE + 1

    @pytest.mark.parametrize("reason", ["manual", "hard_stop", "mismatch"])
    def test_a_person_and_the_hard_stop_do_not_wait(self, over: Machine, world: World, aws: Aws, reason: str) -> None:
        aws.cloudwatch.called = [world.now]
        off = over.start("off", reason)
        over.step(off)
        assert off.calls == ["update"]

    def test_a_person_does_not_join_one_that_waits(self, over: Machine, world: World, aws: Aws) -> None:
        aws.cloudwatch.called = [world.now]
        waiting = over.start("off", "schedule")
        over.step(waiting)
        begun = world.now
        assert over.run("off").outcome == "off"
        assert world.now - begun < 5 * MINUTE
        over.finish(waiting)
        assert waiting.outcome == "superseded"

    def test_metrics_that_cannot_be_read_stop_nothing(self, over: Machine, aws: Aws) -> None:
        def fails(**_: Any) -> Mapping[str, Any]:
            raise refuse("InternalFailure", "no", "GetMetricStatistics")

        aws.cloudwatch.get_metric_statistics = fails  # type: ignore[method-assign]
        off = over.start("off", "lifetime")
        over.step(off)
        assert off.calls == ["update"]
