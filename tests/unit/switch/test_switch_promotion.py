"""Another model: beside the one that serves, or in its place where two fleets are not affordable."""

from dataclasses import replace

import pytest

from tests.unit.switch.fake_aws import Aws
from tests.unit.switch.machine import SETTINGS, Execution, Machine, last_message, lit
from tests.unit.switch.world import FIRST_TYPE, MINUTE, Fated, World

BAKE_SECONDS = 600
TUNED = "s3://tuned/job/output/model.tar.gz"
BEFORE = "s3://before/model/"


def promote(machine: Machine, **asked: object) -> Execution:
    return machine.run("on", "promotion", overrides={"ModelDataUrl": TUNED}, **asked)


def result(execution: Execution) -> dict[str, object]:
    assert execution.answer is not None
    found: dict[str, object] = execution.answer["result"]
    return found


def ends(world: World) -> tuple[str, str]:
    return world.parameters["TurnOffAt"], world.parameters["DeleteAt"]


class TestTwoFleets:
    def test_the_old_model_serves_until_the_new_one_does(self, machine: Machine, world: World) -> None:
        lit(machine)
        promoting = machine.start("on", "promotion", overrides={"ModelDataUrl": TUNED})
        while promoting in machine.running:
            machine.step(promoting)
            assert world.endpoint is not None
        assert (promoting.outcome, world.calls) == ("on", ["update"])

    @pytest.mark.parametrize("how", ["goes back", "breaks"])
    def test_a_failed_one_leaves_the_old_model_on_until_its_end(self, machine: Machine, world: World, how: str) -> None:
        lit(machine, overrides={"ModelDataUrl": BEFORE})
        end, world.fate = ends(world), Fated(change=[how])
        assert promote(machine).outcome == "failed"
        assert (world.is_on, world.parameters["ModelDataUrl"], ends(world)) == (True, BEFORE, end)


class TestABake:
    """The old fleet stands by for as long as alarms watch the new one."""

    @pytest.fixture
    def machine(self, aws: Aws) -> Machine:
        return Machine(aws, replace(SETTINGS, bake_seconds=BAKE_SECONDS))

    def test_the_time_that_it_takes_is_not_held_against_an_update(self, machine: Machine, world: World) -> None:
        lit(machine)
        world.change_minutes = (SETTINGS.wake_limit_seconds + BAKE_SECONDS) / MINUTE - 1
        assert promote(machine).outcome == "on"
        world.change_minutes += 3
        assert machine.run("on", "promotion", overrides={"ModelDataUrl": BEFORE}).outcome == "failed"

    def test_a_late_way_back_has_the_bakes_time_too(self, machine: Machine, world: World, aws: Aws) -> None:
        lit(machine, overrides={"ModelDataUrl": BEFORE})
        world.fate = Fated(change=["goes back"])
        world.change_minutes, world.bake_minutes = 36, 8
        assert promote(machine).outcome == "failed"
        assert (world.calls, world.is_on, world.parameters["ModelDataUrl"]) == (["update", "update"], True, BEFORE)
        assert "not on after" not in last_message(aws)

    def test_what_went_back_after_it_was_given_up_is_reverted(self, machine: Machine, world: World, aws: Aws) -> None:
        """The cancelling came too late, and CloudFormation took the way back for success."""
        lit(machine, overrides={"ModelDataUrl": BEFORE})
        world.fate = Fated(change=["goes back"])
        world.change_minutes, world.bake_minutes, world.going_back_minutes = 36, 8, 20
        world.cancel_update = lambda: world.calls.append("cancel")  # type: ignore[method-assign]
        assert promote(machine).outcome == "failed"
        assert world.calls == ["update", "cancel", "update"]
        assert (world.is_on, world.parameters["ModelDataUrl"]) == (True, BEFORE)
        assert "It was not on after 50 minutes" in last_message(aws)
        assert len(aws.sns.published) == 1


class TestOffInTheMidst:
    """What was to be promoted has not proven itself, so the next wake lights what was before."""

    @pytest.fixture
    def machine(self, aws: Aws, world: World) -> Machine:
        machine = Machine(aws, replace(SETTINGS, bake_seconds=BAKE_SECONDS))
        world.bake_minutes = BAKE_SECONDS / MINUTE
        lit(machine, overrides={"ModelDataUrl": BEFORE})
        return machine

    @pytest.fixture
    def went_back(self, machine: Machine, world: World) -> Execution:
        """The alarm rang; SageMaker serves the old config, and the stack holds the new one."""
        world.fate = Fated(change=["goes back"])
        promoting = machine.start("on", "promotion", overrides={"ModelDataUrl": TUNED})
        while "update" not in promoting.calls:
            machine.step(promoting)
        world.advance(world.now + 40 * MINUTE)
        promoting.at = world.now + MINUTE  # it has just looked
        assert (world.is_settled, world.is_on) == (True, False)
        assert world.parameters["ModelDataUrl"] == TUNED
        return promoting

    def off(self, machine: Machine, reason: str = "manual") -> tuple[str, Execution]:
        """The model that an off leaves, and the off."""
        off = machine.run("off", reason)
        assert (off.outcome, machine.aws.world.is_off) == ("off", True)
        return machine.aws.world.parameters["ModelDataUrl"], off

    def test_before_the_override_is_reverted(self, machine: Machine, world: World, went_back: Execution) -> None:
        model, off = self.off(machine)
        assert (model, off.calls) == (BEFORE, ["update"])
        machine.finish(went_back)
        assert went_back.outcome == "superseded"
        assert machine.run("on").outcome == "on"
        assert world.parameters["ModelDataUrl"] == BEFORE

    @pytest.mark.usefixtures("went_back")
    def test_of_an_off_that_was_killed_the_next_one_leaves_it_too(self, machine: Machine, world: World) -> None:
        world.fate = Fated(network=["throttled"])
        killed = machine.start("off")
        machine.step(killed)
        machine.kill(killed)
        model, off = self.off(machine)
        assert (model, off.calls) == (BEFORE, ["update"])

    def test_while_the_override_is_reverted(self, machine: Machine, went_back: Execution) -> None:
        while "update" not in went_back.calls[1:]:
            machine.step(went_back)
        assert self.off(machine)[0] == BEFORE

    def test_while_it_bakes(self, machine: Machine, world: World) -> None:
        machine.step(machine.start("on", "promotion", overrides={"ModelDataUrl": TUNED}))
        world.advance(world.now + 12 * MINUTE)
        assert self.off(machine)[0] == BEFORE

    @pytest.mark.parametrize("minutes", [1, 12, 30])
    def test_on_the_way_back_it_is_what_that_goes_back_to(self, machine: Machine, world: World, minutes: int) -> None:
        assert promote(machine).outcome == "on"
        machine.step(machine.start("on", "rollback", overrides={"ModelDataUrl": BEFORE}))
        world.advance(world.now + minutes * MINUTE)
        assert self.off(machine)[0] == BEFORE

    @pytest.mark.usefixtures("went_back")
    def test_with_it_refused_it_is_turned_off_all_the_same(self, machine: Machine, world: World) -> None:
        world.fate = Fated(update=["refused"])
        assert self.off(machine)[0] == TUNED

    def test_what_a_dead_one_promoted_may_have_served_for_long(self, machine: Machine, world: World) -> None:
        dead = machine.start("on", "promotion", overrides={"ModelDataUrl": TUNED})
        machine.step(dead)
        machine.kill(dead)
        world.advance(world.now + 60 * MINUTE)
        assert self.off(machine)[0] == TUNED


class TestOneFleet:
    def test_off_then_on_with_the_new_model(self, machine: Machine, world: World) -> None:
        lit(machine)
        before = world.endpoint
        assert promote(machine, fleets="one").outcome == "on"
        assert (world.calls, world.is_on) == (["update", "update"], True)
        assert world.endpoint is not before
        assert world.parameters["ModelDataUrl"] == TUNED

    def test_it_is_configured_and_a_request_may_say_otherwise(self, aws: Aws, world: World) -> None:
        machine = Machine(aws, replace(SETTINGS, promotion="replace"))
        lit(machine)
        assert promote(machine, fleets="two").outcome == "on"
        assert world.calls == ["update"]
        machine.forget_calls()
        assert machine.run("on", "rollback", overrides={"ModelDataUrl": ""}).outcome == "on"
        assert world.calls == ["update", "update"]

    def test_what_is_off_is_lit_with_it_at_once(self, machine: Machine, world: World) -> None:
        assert promote(machine, fleets="one").outcome == "on"
        assert world.calls == ["update"]

    @pytest.mark.parametrize(
        ("script", "said"),
        [
            ({"creation": ["works", "breaks"]}, "ping health check"),
            ({"creation": ["works"] + ["no capacity"] * 9}, "no capacity"),
            ({"creation": ["works"] + ["no quota"] * 3}, "Service Quotas"),
            ({"creation": ["works", "hangs"]}, "40 minutes"),
            ({"update": ["accepted", "accepted", "refused"]}, "not authorized"),
        ],
    )
    def test_a_failed_one_gives_way_to_the_old_model(
        self, machine: Machine, world: World, aws: Aws, script: dict[str, list[str]], said: str
    ) -> None:
        world.fate = Fated(**script)
        lit(machine, overrides={"ModelDataUrl": BEFORE})
        end = ends(world)
        promoted = promote(machine, fleets="one")
        assert promoted.outcome == "failed"
        assert (world.is_on, world.parameters["ModelDataUrl"]) == (True, BEFORE)
        assert ends(world) >= end
        assert said in last_message(aws)
        assert "The model that served before is on again. IT STILL COSTS MONEY" in last_message(aws)
        assert len(aws.sns.published) == 1

    def test_where_the_old_one_fails_too_it_is_off_and_both_reasons_are_told(
        self, machine: Machine, world: World, aws: Aws
    ) -> None:
        lit(machine)
        world.fate = Fated(creation=["hangs", "breaks"])
        assert promote(machine, fleets="one").outcome == "failed"
        assert world.is_off
        assert "40 minutes" in last_message(aws)
        assert "could not be lit again: It could not be lit: The primary container" in last_message(aws)

    def test_the_old_model_takes_any_type_that_there_is(self, machine: Machine, world: World) -> None:
        lit(machine)
        world.fate = Fated(creation=["breaks", "no capacity"])
        assert promote(machine, fleets="one").outcome == "failed"
        assert (world.is_on, world.instance_type()) == (True, "ml.g5.2xlarge")

    def test_another_type_with_another_model_is_taken_back_as_well(self, machine: Machine, world: World) -> None:
        lit(machine)
        world.fate = Fated(creation=["breaks"])
        wanted = {"ModelDataUrl": TUNED, "InstanceType": "ml.g5.4xlarge"}
        assert machine.run("on", "promotion", overrides=wanted).outcome == "failed"
        assert (world.is_on, world.parameters["ModelDataUrl"], world.instance_type()) == (True, "", FIRST_TYPE)

    def test_nothing_is_lit_against_somebody_who_turned_it_off_meanwhile(
        self, machine: Machine, world: World, aws: Aws
    ) -> None:
        lit(machine)
        promoting = machine.start("on", "promotion", overrides={"ModelDataUrl": TUNED}, fleets="one")
        while world.parameters["ModelDataUrl"] != TUNED:
            machine.step(promoting)
        world.advance(world.now + 10 * MINUTE)
        world.update_stack({**world.parameters, "EndpointState": "off"})
        world.advance(world.now + 10 * MINUTE)
        machine.finish(promoting)
        assert (promoting.outcome, world.is_off) == ("failed", True)
        assert "Another change turned it off" in last_message(aws)

    def test_a_refusal_half_way_is_a_failure_that_is_told(self, machine: Machine, world: World, aws: Aws) -> None:
        lit(machine)
        promoting = machine.start("on", "promotion", overrides={"ModelDataUrl": TUNED}, fleets="one")
        machine.step(promoting)
        machine.meter = {"usd_this_month": 100.0, "month": "2026-11"}
        machine.finish(promoting)
        assert (promoting.outcome, world.is_off) == ("failed", True)
        assert "USD 100.00 of the month's USD 100.00" in last_message(aws)


class TestADeployMeanwhile:
    """Of another model: what was in force before is for the former one, and stays dead."""

    @pytest.fixture
    def machine(self, machine: Machine) -> Machine:
        lit(machine, overrides={"ModelDataUrl": BEFORE})
        return machine

    def in_force(self, world: World) -> str:
        return world.parameters["ModelDataUrl"] if world.parameters["OverrideFor"] == world.fingerprint else ""

    def test_what_went_back_is_not_reverted_to_it(self, machine: Machine, world: World) -> None:
        machine.step(promoting := machine.start("on", "promotion", overrides={"ModelDataUrl": TUNED}))
        world.advance(world.now + 30 * MINUTE)
        world.deploy_another(went_back=True)
        machine.finish(promoting)
        assert (promoting.outcome, self.in_force(world)) == ("failed", "")

    def test_an_off_in_the_midst_does_not_leave_it(self, machine: Machine, world: World) -> None:
        machine.step(promoting := machine.start("on", "promotion", overrides={"ModelDataUrl": TUNED}))
        world.advance(world.now + 30 * MINUTE)
        world.deploy_another()
        promoting.at = world.now + MINUTE
        assert machine.run("off").outcome == "off"
        assert self.in_force(world) == ""
        assert machine.run("on").outcome == "on"
        assert self.in_force(world) == ""

    def test_with_one_fleet_the_new_model_is_lit_as_deployed(self, machine: Machine, world: World, aws: Aws) -> None:
        machine.step(promoting := machine.start("on", "promotion", overrides={"ModelDataUrl": TUNED}, fleets="one"))
        world.advance(world.now + 5 * MINUTE)
        assert world.is_off
        world.deploy_another()
        machine.finish(promoting)
        assert (promoting.outcome, world.is_on, self.in_force(world)) == ("failed", True, "")
        assert "Another model or instance type was deployed meanwhile" in last_message(aws)

    def test_what_is_promoted_after_it_is_not_lit_over_it(self, machine: Machine, world: World) -> None:
        """It waited for the deploy."""
        world.break_stack("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        machine.step(promoting := machine.start("on", "promotion", overrides={"ModelDataUrl": TUNED}))
        world.break_stack("UPDATE_COMPLETE")
        world.deploy_another()
        machine.finish(promoting)
        assert (promoting.outcome, promoting.calls, self.in_force(world)) == ("failed", [], "")

    def test_a_way_back_goes_to_what_is_configured_now(self, machine: Machine, world: World) -> None:
        assert promote(machine).outcome == "on"
        world.break_stack("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        machine.step(back := machine.start("on", "rollback", overrides={"ModelDataUrl": BEFORE}))
        world.break_stack("UPDATE_COMPLETE")
        world.deploy_another()
        machine.finish(back)
        assert (back.outcome, self.in_force(world), world.is_on) == ("already on", "", True)

    def test_what_is_asked_for_after_it_takes_over_and_is_served(self, machine: Machine, world: World) -> None:
        machine.step(first := machine.start("on", "promotion", overrides={"ModelDataUrl": TUNED}))
        world.advance(world.now + 30 * MINUTE)
        world.deploy_another()
        first.at = world.now + MINUTE
        later = machine.run("on", "promotion", overrides={"ModelDataUrl": "s3://tuned/another/"})
        assert (later.outcome, self.in_force(world)) == ("on", "s3://tuned/another/")


class TestTheWayBack:
    """The smoke test failed, and meanwhile the month's money is spent."""

    @pytest.fixture
    def spent(self, machine: Machine) -> Machine:
        lit(machine)
        assert promote(machine).outcome == "on"
        machine.meter = {"usd_this_month": 100.0, "month": "2026-11"}
        return machine

    def test_what_is_on_goes_back_though_nothing_may_be_lit(self, spent: Machine, world: World) -> None:
        end = ends(world)
        assert spent.run("on", "rollback", overrides={"ModelDataUrl": ""}).outcome == "on"
        assert (world.is_on, world.parameters["ModelDataUrl"], ends(world)) == (True, "", end)

    def test_an_off_for_the_budget_waits_for_that(self, spent: Machine, world: World) -> None:
        going_back = spent.start("on", "rollback", overrides={"ModelDataUrl": ""})
        spent.step(going_back)
        off = spent.start("off", "budget")
        spent.finish(going_back, off)
        assert (going_back.outcome, off.outcome) == ("on", "off")
        assert (world.is_off, world.parameters["ModelDataUrl"]) == (True, "")

    def test_with_one_fleet_it_is_off_and_the_failed_model_is_out(self, spent: Machine, world: World, aws: Aws) -> None:
        back = spent.run("on", "rollback", overrides={"ModelDataUrl": ""}, fleets="one")
        assert (back.outcome, world.is_off, world.parameters["ModelDataUrl"]) == ("failed", True, "")
        assert last_message(aws).count("USD 100.00 of the month's USD 100.00") == 1

    @pytest.mark.parametrize("usd", [12.5, 100.0])
    def test_what_is_off_stays_off_and_is_lit_with_the_previous_model_next(
        self, spent: Machine, world: World, aws: Aws, usd: float
    ) -> None:
        spent.meter = {"usd_this_month": usd, "month": "2026-11"}
        spent.run("off")
        spent.forget_calls()
        told = len(aws.sns.published)
        back = spent.run("on", "rollback", overrides={"ModelDataUrl": ""})
        assert (back.outcome, world.is_off, world.parameters["ModelDataUrl"]) == ("already off", True, "")
        assert (world.calls, len(aws.sns.published)) == (["update"], told)
        assert spent.run("on", "rollback", overrides={"ModelDataUrl": ""}).outcome == "already off"
        assert world.calls == ["update"]

    def test_one_that_takes_over_from_an_off_lets_it_have_its_way_and_tells_it(
        self, spent: Machine, world: World, aws: Aws
    ) -> None:
        off = spent.start("off")
        while world.says == "on":
            spent.step(off)
        back = spent.run("on", "rollback", overrides={"ModelDataUrl": ""})
        spent.run_out()
        assert (off.outcome, back.outcome) == ("superseded", "off")
        assert (world.is_off, world.parameters["ModelDataUrl"]) == (True, "")
        assert aws.receipts[-1]["usd"] > 0

    def test_what_somebody_lights_meanwhile_goes_back_as_it_serves(self, spent: Machine, world: World) -> None:
        spent.meter = {"usd_this_month": 12.5, "month": "2026-11"}
        spent.run("off")
        spent.step(spent.start("on"))
        back = spent.run("on", "rollback", overrides={"ModelDataUrl": ""})
        assert (back.outcome, world.is_on, world.parameters["ModelDataUrl"]) == ("on", True, "")

    def test_a_stack_that_does_not_take_the_previous_model_is_told(
        self, spent: Machine, world: World, aws: Aws
    ) -> None:
        spent.run("off")
        world.fate = Fated(update=["refused"])
        back = spent.run("on", "rollback", overrides={"ModelDataUrl": ""})
        assert (back.outcome, world.is_off, world.parameters["ModelDataUrl"]) == ("failed", True, TUNED)
        assert "not authorized" in last_message(aws)

    def test_it_moves_no_end(self, spent: Machine, world: World) -> None:
        end = ends(world)
        assert spent.run("on", "rollback", overrides={"ModelDataUrl": ""}, extend=True).outcome == "refused"
        assert ends(world) == end


class TestEnds:
    @pytest.mark.parametrize("fleets", ["one", "two"])
    def test_a_promotion_never_brings_an_end_forward(self, machine: Machine, world: World, fleets: str) -> None:
        lit(machine, lifetime_hours=100)
        end = ends(world)
        assert promote(machine, fleets=fleets).outcome == "on"
        assert ends(world) == end

    def test_a_new_endpoint_has_a_whole_life(self, machine: Machine, world: World) -> None:
        lit(machine)
        end = ends(world)
        assert promote(machine, fleets="one").outcome == "on"
        assert ends(world) > end

    def test_one_that_takes_over_from_an_extension_does_not_undo_it(self, machine: Machine, world: World) -> None:
        lit(machine)
        machine.step(machine.start("on", extend=True, lifetime_hours=100))
        end = ends(world)
        assert promote(machine).outcome == "on"
        assert ends(world) == end

    def test_an_end_of_what_is_off_counts_for_nothing(self, machine: Machine, world: World) -> None:
        world.parameters |= {"TurnOffAt": "2099-01-01T00:00:00", "DeleteAt": "2099-01-01T00:30:00"}
        assert promote(machine).outcome == "on"
        assert ends(world) < ("2027", "2027")


class TestResult:
    """What a caller's state machine reads."""

    def test_success_names_what_to_go_back_to(self, machine: Machine, world: World) -> None:
        lit(machine, overrides={"ModelDataUrl": BEFORE})
        assert result(promote(machine)) == {
            "outcome": "on",
            "message": "The endpoint pilotlight-test is on. It runs on ml.g5.xlarge, at USD 1.41 an hour.",
            "before": {"ModelDataUrl": BEFORE, "InstanceType": ""},
        }
        assert machine.run("on", "rollback", overrides={"ModelDataUrl": BEFORE}).outcome == "on"
        assert world.parameters["ModelDataUrl"] == BEFORE

    @pytest.mark.parametrize("fleets", ["one", "two"])
    def test_so_does_failure(self, machine: Machine, world: World, fleets: str) -> None:
        lit(machine)
        world.fate = Fated(change=["goes back"], creation=["breaks"])
        failed = result(promote(machine, fleets=fleets))
        assert (failed["outcome"], failed["before"]) == ("failed", {"ModelDataUrl": "", "InstanceType": ""})

    def test_an_archive_and_the_way_back_from_it_say_how_they_lie(self, machine: Machine, world: World) -> None:
        lit(machine, overrides={"ModelDataUrl": BEFORE})
        assert promote(machine).outcome == "on"
        assert (world.parameters["ModelDataUrl"], world.parameters["ModelDataCompression"]) == (TUNED, "Gzip")
        assert machine.run("on", "rollback", overrides={"ModelDataUrl": BEFORE}).outcome == "on"
        assert (world.parameters["ModelDataUrl"], world.parameters["ModelDataCompression"]) == (BEFORE, "None")

    def test_a_stack_from_before_takes_a_prefix_and_says_that_it_takes_no_archive(
        self, machine: Machine, world: World, aws: Aws
    ) -> None:
        del world.parameters["ModelDataCompression"]
        lit(machine, overrides={"ModelDataUrl": BEFORE})
        assert promote(machine).outcome == "failed"
        assert "has no parameter ModelDataCompression" in last_message(aws)
        assert (world.is_on, world.parameters["ModelDataUrl"]) == (True, BEFORE)

    def test_a_bad_request_has_nothing_to_go_back_to(self, machine: Machine) -> None:
        assert result(machine.run("on", lifetime_hours=-1))["before"] is None

    def test_a_promotion_beside_one_that_runs_takes_over_and_the_first_says_so(
        self, machine: Machine, world: World
    ) -> None:
        lit(machine)
        first = machine.start("on", "promotion", overrides={"ModelDataUrl": "s3://first/"}, fleets="one")
        machine.step(first)
        second = promote(machine, fleets="one")
        machine.run_out()
        assert (first.outcome, second.outcome) == ("superseded", "on")
        assert (world.is_on, world.parameters["ModelDataUrl"]) == (True, TUNED)
        world.advance(world.now + MINUTE)
