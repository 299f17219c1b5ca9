"""On, situation by situation: what is sent, what it may cost, and what a person hears."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.unit.switch.fake_aws import Aws
from tests.unit.switch.machine import SETTINGS, Machine, last_message, lit
from tests.unit.switch.world import FINGERPRINT, FIRST_TYPE, MINUTE, Fated, World

TUNED = {"ModelDataUrl": "s3://tuned/model/"}


def seconds(utc: str) -> float:
    return datetime.strptime(utc, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC).timestamp()


def test_nothing_is_lit_without_its_two_ends(machine: Machine, world: World) -> None:
    begun = world.now
    execution = machine.run("on", lifetime_hours=2)
    assert (execution.outcome, world.calls) == ("on", ["update"])
    turn_off_at = seconds(world.parameters["TurnOffAt"])
    assert turn_off_at == begun + 2 * 3600 + 15 * MINUTE
    assert seconds(world.parameters["DeleteAt"]) == turn_off_at + 30 * MINUTE


def test_the_lifetime_is_the_configured_one_or_a_month(machine: Machine, world: World, aws: Aws) -> None:
    begun = world.now
    machine.run("on")
    assert seconds(world.parameters["TurnOffAt"]) == begun + 12 * 3600 + 15 * MINUTE
    machine.run("off")
    begun = world.now
    Machine(aws, replace(SETTINGS, lifetime_hours=None)).run("on")
    assert seconds(world.parameters["TurnOffAt"]) == begun + 30 * 24 * 3600 + 15 * MINUTE


def test_what_is_on_already_keeps_its_end_and_is_not_told(machine: Machine, world: World, aws: Aws) -> None:
    lit(machine)
    end = world.parameters["TurnOffAt"]
    assert machine.run("on").outcome == "already on"
    assert (world.calls, world.parameters["TurnOffAt"], aws.sns.published) == ([], end, [])


def test_extending_moves_both_ends(machine: Machine, world: World) -> None:
    lit(machine)
    begun = world.now
    assert machine.run("on", extend=True, lifetime_hours=3).outcome == "on"
    assert world.calls == ["update"]
    assert seconds(world.parameters["TurnOffAt"]) == begun + 3 * 3600 + 15 * MINUTE
    assert seconds(world.parameters["DeleteAt"]) == begun + 3 * 3600 + 45 * MINUTE


def test_an_endpoint_that_somebody_deleted_is_lit_again(machine: Machine, world: World) -> None:
    lit(machine)
    world.delete_directly()
    world.advance(world.now + 5 * MINUTE)
    assert machine.run("on").outcome == "on"
    assert world.calls == ["update", "update"]


def test_a_wake_that_was_killed_is_taken_over(machine: Machine, world: World, aws: Aws) -> None:
    killed = machine.start("on")
    machine.step(killed)
    machine.kill(killed)
    assert machine.run("on").outcome == "on"
    assert world.calls == ["update"]
    assert [receipt["outcome"] for receipt in aws.receipts] == ["on"]


class TestOverrides:
    def test_an_override_is_made_for_the_deployed_fingerprint(self, machine: Machine, world: World) -> None:
        assert machine.run("on", overrides=TUNED).outcome == "on"
        assert world.parameters["ModelDataUrl"] == "s3://tuned/model/"
        assert world.parameters["OverrideFor"] == FINGERPRINT

    def test_one_that_is_in_force_survives_off_and_on(self, machine: Machine, world: World) -> None:
        lit(machine, overrides=TUNED)
        machine.run("off")
        machine.run("on")
        assert (world.parameters["ModelDataUrl"], world.parameters["OverrideFor"]) == ("s3://tuned/model/", FINGERPRINT)

    def test_one_of_another_model_stays_dead(self, machine: Machine, world: World) -> None:
        """A fallback to another type makes the overrides count, and must not bring this one back."""
        world.parameters |= {"ModelDataUrl": "s3://another/model/", "OverrideFor": "of another model"}
        world.fate = Fated(creation=["no capacity"])
        assert machine.run("on").outcome == "on"
        assert world.parameters["InstanceType"] == "ml.g5.2xlarge"
        assert world.parameters["ModelDataUrl"] == ""

    def test_a_promotion_changes_what_is_on(self, machine: Machine, world: World) -> None:
        lit(machine)
        end = world.parameters["TurnOffAt"]
        assert machine.run("on", "promotion", overrides=TUNED).outcome == "on"
        assert (world.calls, world.parameters["TurnOffAt"]) == (["update"], end)
        assert world.is_on

    def test_one_that_sagemaker_takes_back_is_reverted_and_told(self, machine: Machine, world: World, aws: Aws) -> None:
        """InService, UPDATE_COMPLETE, and the old model: success goes by the config's name."""
        lit(machine)
        world.fate = Fated(change=["goes back"])
        assert machine.run("on", "promotion", overrides=TUNED).outcome == "failed"
        assert world.is_on
        assert world.parameters["ModelDataUrl"] == ""
        assert "old config" in last_message(aws)

    def test_a_killed_promotion_that_was_taken_back_is_reverted_by_its_successor(
        self, machine: Machine, world: World
    ) -> None:
        lit(machine)
        world.fate = Fated(change=["goes back"])
        killed = machine.start("on", "promotion", overrides=TUNED)
        machine.step(killed)
        machine.kill(killed)
        world.advance(world.now + 30 * MINUTE)
        machine.run("on")
        assert world.parameters["ModelDataUrl"] == ""

    def test_one_that_cloudformation_takes_back_leaves_the_old_one_on(
        self, machine: Machine, world: World, aws: Aws
    ) -> None:
        lit(machine)
        world.fate = Fated(change=["breaks"])
        assert machine.run("on", "promotion", overrides=TUNED).outcome == "failed"
        assert world.is_on
        assert "ping health check" in last_message(aws)

    def test_another_instance_type_goes_by_way_of_off(self, machine: Machine, world: World) -> None:
        lit(machine)
        assert machine.run("on", overrides={"InstanceType": "ml.g5.4xlarge"}).outcome == "on"
        assert world.calls == ["update", "update"]
        assert world.endpoint is not None
        assert world.endpoint.instance_type == "ml.g5.4xlarge"


class TestCapacity:
    def test_the_next_type_is_taken_and_its_price_told(self, machine: Machine, world: World, aws: Aws) -> None:
        world.fate = Fated(creation=["no capacity"])
        assert machine.run("on").outcome == "on"
        assert world.instance_type() == "ml.g5.2xlarge"
        assert aws.receipts[0]["usd_per_hour"] == 1.52
        assert "ml.g5.2xlarge" in last_message(aws)

    def test_one_that_was_asked_for_falls_back_too(self, machine: Machine, world: World) -> None:
        world.fate = Fated(creation=["no capacity"])
        assert machine.run("on", overrides={"InstanceType": "ml.g5.4xlarge"}).outcome == "on"
        assert (world.instance_type(), world.calls) == (FIRST_TYPE, ["update", "update"])

    def test_a_description_that_lags_is_not_taken_for_another_failure(
        self, machine: Machine, world: World, aws: Aws
    ) -> None:
        """Else the second type would count as failed before it was tried."""
        world.fate = Fated(creation=["no capacity"])
        aws.cloudformation.lag_seconds = 8
        assert machine.run("on").outcome == "on"
        assert (world.instance_type(), world.calls) == ("ml.g5.2xlarge", ["update", "update"])

    def test_the_next_wake_begins_with_the_first_choice_again(self, machine: Machine, world: World) -> None:
        world.fate = Fated(creation=["no capacity"])
        machine.run("on")
        machine.run("off")
        assert machine.run("on").outcome == "on"
        assert world.instance_type() == FIRST_TYPE

    def test_three_rounds_with_a_pause_and_no_more(self, machine: Machine, world: World, aws: Aws) -> None:
        world.fate = Fated(creation=["no capacity"] * 20)
        begun = world.now
        assert machine.run("on").outcome == "failed"
        assert world.calls == ["update"] * 9
        assert world.now - begun > 10 * MINUTE
        assert world.is_off
        assert "no capacity for ml.g5.xlarge, ml.g5.2xlarge, ml.g5.4xlarge" in last_message(aws)

    def test_a_quota_is_told_differently_and_not_waited_for(self, machine: Machine, world: World, aws: Aws) -> None:
        world.fate = Fated(creation=["no quota"] * 20)
        assert machine.run("on").outcome == "failed"
        assert world.calls == ["update"] * 3
        assert "Service Quotas" in last_message(aws)

    def test_a_type_without_quota_is_not_asked_for_again(self, machine: Machine, world: World) -> None:
        world.fate = Fated(creation=["no quota", "no capacity", "no capacity"])
        assert machine.run("on").outcome == "on"
        assert world.instance_type() == "ml.g5.2xlarge"


class TestInstancePools:
    """SageMaker walks along the types itself."""

    @pytest.fixture
    def machine(self, aws: Aws, world: World) -> Machine:
        del world.parameters["InstanceType"]
        world.pools, world.placed = SETTINGS.instance_types, "ml.g5.4xlarge"
        return Machine(aws, replace(SETTINGS, instance_pools=True))

    def test_one_attempt_lands_where_there_is_capacity_and_tells_the_price(
        self, machine: Machine, world: World, aws: Aws
    ) -> None:
        assert machine.run("on").outcome == "on"
        assert world.calls == ["update"]
        assert (aws.receipts[0]["instance_type"], aws.receipts[0]["usd_per_hour"]) == ("ml.g5.4xlarge", 2.03)
        assert "It runs on ml.g5.4xlarge, at USD 2.03 an hour." in last_message(aws)

    def test_without_capacity_there_are_three_rounds_of_one_attempt(
        self, machine: Machine, world: World, aws: Aws
    ) -> None:
        world.fate = Fated(creation=["no capacity"] * 20)
        begun = world.now
        assert machine.run("on").outcome == "failed"
        assert (world.calls, world.is_off) == (["update"] * 3, True)
        assert world.now - begun > 10 * MINUTE
        assert "no capacity for ml.g5.xlarge or ml.g5.2xlarge or ml.g5.4xlarge" in last_message(aws)

    def test_a_round_later_there_may_be_some(self, machine: Machine, world: World) -> None:
        world.fate = Fated(creation=["no capacity"])
        assert machine.run("on").outcome == "on"
        assert world.calls == ["update", "update"]

    def test_a_promotion_needs_no_parameter_for_the_type(self, machine: Machine, world: World) -> None:
        lit(machine)
        assert machine.run("on", "promotion", overrides=TUNED | {"InstanceType": ""}).outcome == "on"
        assert (world.calls, world.parameters["ModelDataUrl"]) == (["update"], TUNED["ModelDataUrl"])

    def test_no_type_can_be_asked_for(self, machine: Machine, world: World, aws: Aws) -> None:
        assert machine.run("on", overrides={"InstanceType": "ml.g5.2xlarge"}).outcome == "failed"
        assert (world.calls, world.is_off) == ([], True)
        assert "it must be left to the instance pools" in last_message(aws)

    def test_the_bill_of_an_off_is_that_of_the_type_it_ran_on(self, machine: Machine, aws: Aws) -> None:
        lit(machine)
        assert machine.run("off").outcome == "off"
        receipt = aws.receipts[0]
        assert receipt["usd"] == pytest.approx(receipt["hours_on"] * 2.03, abs=0.01)


class TestFailure:
    def test_a_creation_that_breaks_is_told_and_leaves_it_off(self, machine: Machine, world: World, aws: Aws) -> None:
        world.fate = Fated(creation=["breaks"])
        assert machine.run("on").outcome == "failed"
        assert (world.is_off, world.calls) == (True, ["update"])
        assert "ping health check" in last_message(aws)
        assert len(aws.sns.published) == 1

    def test_one_that_hangs_is_cancelled_at_its_limit(self, machine: Machine, world: World, aws: Aws) -> None:
        world.fate = Fated(creation=["hangs"])
        begun = world.now
        assert machine.run("on").outcome == "failed"
        assert (world.is_off, world.calls) == (True, ["update", "cancel"])
        assert 40 * MINUTE <= world.now - begun < 50 * MINUTE
        assert "40 minutes" in last_message(aws)

    def test_an_update_that_is_refused_is_told(self, machine: Machine, world: World, aws: Aws) -> None:
        world.fate = Fated(update=["refused"])
        assert machine.run("on").outcome == "failed"
        assert world.is_off
        assert "not authorized" in last_message(aws)

    def test_a_stack_without_the_second_end_is_named(self, machine: Machine, world: World, aws: Aws) -> None:
        del world.parameters["DeleteAt"]
        assert machine.run("on").outcome == "failed"
        assert "no parameter DeleteAt" in last_message(aws)

    @pytest.mark.parametrize("status", ["ROLLBACK_COMPLETE", "DELETE_FAILED"])
    def test_what_serves_under_a_broken_stack_goes_on_serving(
        self, machine: Machine, world: World, aws: Aws, status: str
    ) -> None:
        lit(machine)
        world.break_stack(status)
        assert machine.run("on").outcome == "failed"
        assert world.endpoint is not None
        assert "IT STILL COSTS MONEY" in last_message(aws)

    def test_a_deploy_that_holds_the_stack_is_waited_for_and_not_cancelled(
        self, machine: Machine, world: World
    ) -> None:
        lit(machine)
        world.update_stack({**world.parameters, **TUNED, "OverrideFor": FINGERPRINT})
        assert machine.run("on").outcome == "already on"
        assert "cancel" not in world.calls

    def test_a_deploy_that_takes_too_long_is_told_and_left_to_its_owner(
        self, machine: Machine, world: World, aws: Aws
    ) -> None:
        lit(machine)
        world.break_stack("UPDATE_IN_PROGRESS")
        assert machine.run("on").outcome == "failed"
        assert (world.calls, world.endpoint is None) == ([], False)
        assert "IT STILL COSTS MONEY" in last_message(aws)

    def test_an_endpoint_that_keeps_failing_is_relit_twice(self, machine: Machine, world: World, aws: Aws) -> None:
        on = machine.start("on")
        while on in machine.running:
            world.advance(on.at)
            if world.is_on and world.endpoint is not None:
                world.endpoint.status = "Failed"
            machine.step(on)
        assert (on.outcome, world.is_off) == ("failed", True)
        assert world.calls == ["update"] * 6
        assert "did not help" in last_message(aws)

    def test_one_that_somebody_turned_off_meanwhile_is_not_lit_against_them(
        self, machine: Machine, world: World, aws: Aws
    ) -> None:
        machine.step(on := machine.start("on"))
        world.advance(world.now + 10 * MINUTE)
        world.update_stack({**world.parameters, "EndpointState": "off"})
        world.advance(world.now + 10 * MINUTE)
        machine.finish(on)
        assert (on.outcome, world.is_off) == ("failed", True)
        assert "Another change turned it off" in last_message(aws)


class TestGate:
    def test_over_budget_it_is_refused_with_numbers(self, machine: Machine, world: World, aws: Aws) -> None:
        machine.meter = {"usd_this_month": 100.0, "month": "2026-11"}
        assert machine.run("on").outcome == "refused"
        assert (world.calls, aws.receipts) == ([], [])
        assert "USD 100.00 of the month's USD 100.00" in last_message(aws)

    def test_a_new_ceiling_holds_for_this_month(self, machine: Machine, aws: Aws) -> None:
        machine.meter = {"usd_this_month": 100.5, "month": "2026-11"}
        assert machine.run("on", budget_usd=150).outcome == "on"
        assert aws.ledger.get("budget", "2026-11") == {"usd": 150}
        machine.run("off")
        assert machine.run("on").outcome == "on"

    def test_a_spent_ceiling_that_was_given_says_that_the_file_does_not_raise_it(
        self, machine: Machine, aws: Aws
    ) -> None:
        aws.ledger.put("budget", "2026-11", {"usd": 50})
        machine.meter = {"usd_this_month": 60.0, "month": "2026-11"}
        assert machine.run("on").outcome == "refused"
        assert "of the month's USD 50.00" in last_message(aws)
        assert "given with an `on`" in last_message(aws)
        assert "for every month after this one: monthly_budget_usd" in last_message(aws)

    def test_last_months_dollars_are_not_of_this_month(self, machine: Machine) -> None:
        machine.meter = {"usd_this_month": 100.5, "month": "2026-10"}
        assert machine.run("on").outcome == "on"

    def test_without_a_budget_nothing_is_too_much(self, aws: Aws) -> None:
        machine = Machine(aws, replace(SETTINGS, monthly_budget_usd=None))
        machine.meter = {"usd_this_month": 1e6, "month": "2026-11"}
        assert machine.run("on").outcome == "on"

    def test_under_a_silent_meter_it_is_refused(self, machine: Machine, world: World, aws: Aws) -> None:
        machine.run("on")
        machine.run("off")
        machine.meter = None
        world.advance(world.now + 11 * MINUTE)
        assert machine.run("on").outcome == "refused"
        assert "silent for 11 minutes" in last_message(aws)
        assert world.is_off

    def test_a_meter_whose_ticks_fail_is_as_good_as_silent(self, machine: Machine, world: World, aws: Aws) -> None:
        """It notes that it ticked, and may not see a single call."""
        machine.meter = {"whole_at": world.now}
        machine.run("on")
        machine.run("off")
        world.advance(world.now + 11 * MINUTE)
        assert machine.run("on").outcome == "refused"
        assert "every tick failed" in last_message(aws)

    def test_a_new_deployment_is_lit_before_the_first_tick_but_only_once(
        self, machine: Machine, world: World, aws: Aws
    ) -> None:
        machine.meter = None
        assert machine.run("on").outcome == "on"
        machine.run("off")
        world.advance(world.now + 11 * MINUTE)
        assert machine.run("on").outcome == "refused"
        assert "never ticked" in last_message(aws)

    def test_refusals_are_told_once_an_hour(self, machine: Machine, world: World, aws: Aws) -> None:
        machine.meter = {"usd_this_month": 100.5, "month": "2026-11"}
        for _ in range(5):
            machine.run("on", "wake")
        assert len(aws.sns.published) == 1
        world.advance(world.now + 61 * MINUTE)
        machine.run("on", "wake")
        assert len(aws.sns.published) == 2

    def test_what_is_on_is_not_turned_off_by_a_refusal(self, machine: Machine, world: World) -> None:
        lit(machine)
        machine.meter = {"usd_this_month": 100.5, "month": "2026-11"}
        assert machine.run("on", overrides={"InstanceType": "ml.g5.4xlarge"}).outcome == "refused"
        assert machine.run("on", extend=True).outcome == "refused"
        assert (world.calls, world.is_on) == ([], True)


def test_the_last_ten_wakes_are_remembered(machine: Machine, world: World, aws: Aws) -> None:
    for _ in range(11):
        assert machine.run("on").outcome == "on"
        machine.run("on", extend=True)
        machine.run("off")
        world.advance(world.now + 5 * MINUTE)
    estimate = aws.ledger.get("wake", "estimate")
    assert estimate is not None
    assert len(estimate["seconds"]) == 10
    assert all(6 * MINUTE < wake < 7.5 * MINUTE for wake in estimate["seconds"])
