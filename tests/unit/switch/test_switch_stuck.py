"""Everything that can be stuck, on the way to off and to on: what is done, within which time, and what a person hears.

What survives an UPDATE_COMPLETE, an off that hangs in Deleting and an on that hangs in Creating are in the tests of
each way.
"""

import pytest

from tests.unit.switch.fake_aws import Aws
from tests.unit.switch.machine import Execution, Machine, last_message, lit
from tests.unit.switch.world import MINUTE, Fated, World

FAILED_CREATIONS = ["ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED"]


def rollback_failed(machine: Machine, world: World, *continued: str) -> None:
    """A killed wake whose rollback failed; `continued` is what comes of each continuation."""
    world.fate = Fated(creation=["breaks"], rollback=["fails", *continued])
    killed = machine.start("on")
    machine.step(killed)
    machine.kill(killed)
    world.advance(world.now + 30 * MINUTE)
    assert world.status == "UPDATE_ROLLBACK_FAILED"
    machine.forget_calls()


def minutes(machine: Machine, target: str, reason: str = "manual") -> tuple[Execution, float]:
    """An execution, and how long it took."""
    begun = machine.aws.world.now
    return machine.run(target, reason), (machine.aws.world.now - begun) / MINUTE


class TestOff:
    def test_a_failed_rollback_is_continued(self, machine: Machine, world: World) -> None:
        rollback_failed(machine, world)
        assert machine.run("off").outcome == "off"
        assert world.calls == ["continue"]

    def test_maintenance_that_never_ends_is_told_after_an_hour(self, machine: Machine, world: World, aws: Aws) -> None:
        """SageMaker refuses to delete an endpoint that it maintains, so nothing is tried."""
        lit(machine)
        assert world.endpoint is not None
        world.endpoint.status = "SystemUpdating"
        world.fate = Fated(clean_up=["survives"])
        off, took = minutes(machine, "off")
        assert (off.outcome, off.calls, 60 <= took < 62) == ("failed", ["update"], True)
        assert "It is not off after 60 minutes" in last_message(aws)
        assert "IT STILL COSTS MONEY: the endpoint pilotlight-test is SystemUpdating" in last_message(aws)

    def test_the_next_tick_begins_anew_once_maintenance_is_over(self, machine: Machine, world: World) -> None:
        """The meter starts an off at every tick while something is there that should not be."""
        lit(machine)
        assert world.endpoint is not None
        world.endpoint.status = "SystemUpdating"
        world.fate = Fated(clean_up=["survives"])
        assert machine.run("off").outcome == "failed"
        assert world.endpoint is not None
        world.endpoint.status = "InService"
        again, took = minutes(machine, "off", "mismatch")
        assert (again.outcome, again.calls, took < 15) == ("off", ["delete", "update"], True)

    def test_a_creation_that_nothing_stops_is_told_within_the_hour(
        self, machine: Machine, world: World, aws: Aws
    ) -> None:
        world.fate = Fated(creation=["hangs"], deletion=["refused"] * 3)
        machine.step(on := machine.start("on"))
        world.cancel_update = lambda: world.calls.append("cancel")  # type: ignore[method-assign]
        off, took = minutes(machine, "off")
        assert (off.outcome, off.calls, 20 <= took <= 61) == ("failed", ["cancel", *["delete"] * 3], True)
        assert "IT STILL COSTS MONEY: the endpoint pilotlight-test is Creating" in last_message(aws)
        machine.finish(on)
        assert on.outcome == "superseded"

    def test_somebodys_update_that_never_ends_is_waited_for_until_the_endpoint_is_deleted(
        self, machine: Machine, world: World, aws: Aws
    ) -> None:
        lit(machine)
        world.break_stack("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        begun = world.now
        off = machine.start("off")
        while world.endpoint is not None:
            machine.step(off)
        assert 20 <= (world.now - begun) / MINUTE < 25
        machine.finish(off)
        assert (off.outcome, off.calls) == ("failed", ["delete"])
        assert 60 <= (world.now - begun) / MINUTE < 62
        assert "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS" in last_message(aws)
        assert "nothing is billed" in last_message(aws)

    def test_a_stack_that_went_back_to_on_is_told_off(self, machine: Machine, world: World) -> None:
        lit(machine)
        world.break_stack("UPDATE_ROLLBACK_COMPLETE")
        off, took = minutes(machine, "off")
        assert (off.outcome, off.calls, took < 10) == ("off", ["update"], True)

    def test_a_rollback_that_fails_and_fails_is_told(self, machine: Machine, world: World, aws: Aws) -> None:
        rollback_failed(machine, world, "fails", "fails")
        off, took = minutes(machine, "off")
        assert (off.outcome, off.calls.count("continue"), took < 30) == ("failed", 2, True)
        assert "UPDATE_ROLLBACK_FAILED. Continuing it did not help." in last_message(aws)
        assert "repair it there" in last_message(aws)
        assert world.endpoint is None
        assert "nothing is billed" in last_message(aws)

    @pytest.mark.parametrize("status", FAILED_CREATIONS)
    def test_a_stack_whose_creation_failed_is_a_persons_to_delete(
        self, machine: Machine, world: World, aws: Aws, status: str
    ) -> None:
        world.break_stack(status)
        off, took = minutes(machine, "off")
        assert (off.outcome, off.calls, took < 1) == ("failed", [], True)
        assert "delete the stack and deploy again" in last_message(aws)
        assert "nothing is billed" in last_message(aws)


class TestOn:
    @pytest.mark.parametrize("status", ["Updating", "SystemUpdating", "RollingBack"])
    def test_what_serves_and_does_not_settle_is_left_on_and_told(
        self, machine: Machine, world: World, aws: Aws, status: str
    ) -> None:
        lit(machine)
        assert world.endpoint is not None
        world.endpoint.status = status
        on, took = minutes(machine, "on")
        assert (on.outcome, on.calls, 40 <= took < 42) == ("failed", [], True)
        assert f"The endpoint has been {status} for 41 minutes" in last_message(aws)
        assert "IT STILL COSTS MONEY" in last_message(aws)

    def test_what_goes_on_being_created_under_a_settled_stack_is_turned_off(
        self, machine: Machine, world: World, aws: Aws
    ) -> None:
        lit(machine)
        assert world.endpoint is not None
        world.endpoint.status = "Creating"
        on, took = minutes(machine, "on")
        assert (on.outcome, on.calls, world.is_off, 40 <= took < 50) == ("failed", ["update"], True, True)
        assert "The endpoint has been Creating for 41 minutes" in last_message(aws)

    def test_one_that_hangs_in_deleting_while_the_stack_says_on_is_told(
        self, machine: Machine, world: World, aws: Aws
    ) -> None:
        lit(machine)
        assert world.endpoint is not None
        world.endpoint.status = "Deleting"
        on, took = minutes(machine, "on")
        assert (on.outcome, 30 <= took < 50) == ("failed", True)
        assert "The endpoint has been Deleting for 31 minutes" in last_message(aws)
        assert "Ask AWS Support" in last_message(aws)
        assert "IT STILL COSTS MONEY" in last_message(aws)

    def test_one_that_hangs_in_deleting_keeps_the_next_from_coming(
        self, machine: Machine, world: World, aws: Aws
    ) -> None:
        lit(machine)
        world.fate = Fated(clean_up=["hangs"])
        machine.step(off := machine.start("off"))
        machine.kill(off)
        world.advance(world.now + 10 * MINUTE)
        on, took = minutes(machine, "on")
        assert (on.outcome, on.calls, 30 <= took < 32) == ("failed", [], True)
        assert "The last endpoint must go before a new one can come" in last_message(aws)
        assert "Ask AWS Support" in last_message(aws)

    def test_somebodys_update_that_takes_long_is_told_after_half_an_hour_and_waited_for(
        self, machine: Machine, world: World, aws: Aws
    ) -> None:
        world.break_stack("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        begun, on = world.now, machine.start("on")
        while not aws.sns.published:
            machine.step(on)
        assert 30 <= (world.now - begun) / MINUTE < 32
        assert "for 31 minutes: until that ends, the endpoint cannot be turned on" in last_message(aws)
        assert "waits for its stack" in aws.sns.published[0]["Subject"]
        world.advance(begun + 50 * MINUTE)
        assert aws.receipts == []
        world.break_stack("UPDATE_COMPLETE")
        machine.finish(on)
        assert (on.outcome, len(aws.sns.published)) == ("on", 2)

    def test_somebodys_update_that_never_ends_is_told(self, machine: Machine, world: World, aws: Aws) -> None:
        """An hour on the way to on, and one on the way back, as nobody knows what that update leaves."""
        world.break_stack("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        on, took = minutes(machine, "on")
        assert (on.outcome, on.calls, 120 <= took < 123, len(aws.sns.published)) == ("failed", [], True, 2)
        assert "The stack is in UPDATE_COMPLETE_CLEANUP_IN_PROGRESS, for 61 minutes" in last_message(aws)
        assert "nothing is billed" in last_message(aws)

    def test_a_stack_that_went_back_to_off_is_lit(self, machine: Machine, world: World) -> None:
        world.break_stack("UPDATE_ROLLBACK_COMPLETE")
        on, took = minutes(machine, "on")
        assert (on.outcome, on.calls, took < 10) == ("on", ["update"], True)

    def test_a_failed_rollback_is_continued_and_then_lit(self, machine: Machine, world: World) -> None:
        rollback_failed(machine, world)
        on, took = minutes(machine, "on")
        assert (on.outcome, on.calls, took < 30) == ("on", ["continue", "update"], True)

    def test_one_that_fails_and_fails_is_told(self, machine: Machine, world: World, aws: Aws) -> None:
        rollback_failed(machine, world, "fails", "fails")
        on, took = minutes(machine, "on")
        assert (on.outcome, on.calls.count("continue"), took < 60) == ("failed", 2, True)
        assert "The stack's rollback failed" in last_message(aws)

    @pytest.mark.parametrize("status", FAILED_CREATIONS)
    def test_a_stack_whose_creation_failed_is_not_lit(
        self, machine: Machine, world: World, aws: Aws, status: str
    ) -> None:
        world.break_stack(status)
        on, took = minutes(machine, "on")
        assert (on.outcome, on.calls, took < 1) == ("failed", [], True)
        assert f"is in {status}, and takes no update" in last_message(aws)
        assert "delete the stack and deploy again" in last_message(aws)
