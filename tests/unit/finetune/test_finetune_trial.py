"""A model on trial: the smoke test asks while the endpoint's update bakes, and SageMaker is told what comes of it."""

from typing import Any

import pytest
from finetune import promotion, trial
from finetune.answer import Answer, RunFailed
from finetune.run import Run

from .fakes import World

TUNED = "s3://data-of-test/models/job/output/model/"
OLDER = "s3://data-of-test/models/older/output/model/"
PROMPT = {"prompt": "Question?", "expected": ["Ticket:"], "tuned": "…", "tuned_passed": True}


@pytest.fixture
def world() -> World:
    made = World()
    made.endpoint.override, made.endpoint.bakes = OLDER, True
    return made


@pytest.fixture
def tried(world: World) -> Run:
    """Promoted, as far as the trial."""
    asked = promotion.promote(Run(id="run-1", artifact=TUNED, evaluation={"prompts": [PROMPT]}), world.kit())
    world.endpoint.override = TUNED
    found = promotion.promote(asked.run, world.kit())
    assert (found.next, found.run.promotion["phase"]) == ("go", promotion.ON_TRIAL)
    return found.run


def smoke(run: Run, world: World) -> Answer:
    world.now += 30
    return trial.try_out(run, world.kit(), endpoint_url=None)


def rung(world: World) -> list[Any]:
    return [(data["MetricName"], data["Value"]) for put in world.cloudwatch.published for data in put["MetricData"]]


def rolled_back(run: Run, world: World) -> Run:
    for _ in range(20):
        answer = promotion.roll_back(run, world.kit())
        if answer.next != "wait":
            return answer.run
        world.now += answer.wait_seconds
        run = answer.run
    raise AssertionError(run)


def ends(world: World, outcome: str) -> None:
    """The switch's word of it; where SageMaker went back, the switch has told the stack so."""
    world.endpoint.bakes, world.endpoint.outcomes = False, [outcome]
    if outcome != "on":
        world.endpoint.override = OLDER


class TestAnswersAsTaught:
    def test_it_is_asked_once_and_waits_for_the_end_of_the_trial(self, world: World, tried: Run) -> None:
        run = tried
        for _ in range(3):
            answer = smoke(run, world)
            assert answer.next == "wait"
            run = answer.run
        assert len(world.api.calls) == 1
        ends(world, "on")
        answer = smoke(run, world)
        assert (answer.next, answer.run.promotion["phase"], rung(world)) == ("go", "promoted", [])
        assert [said["name"] for said in answer.run.steps][-2:] == ["Smoke", "Smoke"]

    def test_a_request_of_somebody_else_that_leaves_it_in_force_changes_nothing(self, world: World, tried: Run) -> None:
        """`pilot on --hours 3`, for example: the switch takes the newer request for both."""
        run = smoke(tried, world).run
        world.endpoint.bakes, world.endpoint.outcomes = False, ["superseded", "already on"]
        answer = smoke(run, world)
        while answer.next == "wait":
            answer = smoke(answer.run, world)
        run = answer.run
        assert (answer.next, run.promotion["phase"], world.endpoint.override) == ("go", "promoted", TUNED)
        assert len(world.api.calls) == 1

    def test_what_sagemaker_went_back_to_is_not_judged(self, world: World, tried: Run) -> None:
        """Between two tries of the smoke test, long before the switch is done with it."""
        world.api.answers = [(504, "slow"), (200, "nonsense")]
        run = smoke(tried, world).run
        world.endpoint.bakes = False
        world.states.running.add(run.promotion["execution"])
        answer = smoke(run, world)
        assert (answer.next, len(world.api.calls)) == ("wait", 1)

    @pytest.mark.parametrize("outcome", ["failed", "superseded"])
    def test_what_sagemaker_takes_back_nevertheless_fails_the_run(self, world: World, tried: Run, outcome: str) -> None:
        run = smoke(tried, world).run
        ends(world, outcome)
        with pytest.raises(RunFailed, match="did not take the tuned model"):
            smoke(run, world)

    def test_one_that_does_not_answer_yet_is_asked_again_during_the_trial(self, world: World, tried: Run) -> None:
        world.api.answers = [(503, "waking"), (200, "Ticket: 1")]
        run = smoke(tried, world).run
        assert "prompts" in smoke(run, world).run.smoke


class TestAnswersBadly:
    @pytest.fixture
    def failed(self, world: World, tried: Run) -> Run:
        world.api.answers = [(200, "nonsense")]
        answer = smoke(tried, world)
        assert (answer.next, rung(world)) == ("wait", [("SmokeFailed", 1.0)])
        assert "Only 0 of 1 smoke prompts" in answer.run.message
        return answer.run

    def test_the_alarm_is_rung_until_sagemaker_has_gone_back(self, world: World, failed: Run) -> None:
        run = smoke(failed, world).run
        assert len(rung(world)) == 2
        assert len(world.api.calls) == 1
        (data,) = world.cloudwatch.published[-1]["MetricData"]
        assert data["Timestamp"].timestamp() == world.now
        named = {dimension["Name"]: dimension["Value"] for dimension in data["Dimensions"]}
        assert named == {"Stage": "test", "EndpointConfigName": "next"}  # the new fleet's alarm, and no other's
        ends(world, "failed")
        with pytest.raises(RunFailed, match="Only 0 of 1 smoke prompts"):
            smoke(run, world)
        assert len(rung(world)) == 2
        back = promotion.roll_back(run, world.kit())
        assert (back.next, world.endpoint.override) == ("go", OLDER)
        assert f"serves {OLDER} again: SageMaker went back" in back.run.message
        assert [request["reason"] for request in world.states.requests] == ["promotion"]

    def test_the_way_back_is_no_trial_and_rings_no_alarm(self, world: World, failed: Run) -> None:
        world.endpoint.override = OLDER  # the switch's next update, which bakes as well
        assert smoke(failed, world).next == "wait"
        assert len(rung(world)) == 1

    def test_one_that_came_through_before_the_alarm_is_taken_back_by_the_switch(
        self, world: World, failed: Run
    ) -> None:
        ends(world, "on")
        with pytest.raises(RunFailed, match="Only 0 of 1"):
            smoke(failed, world)
        rolled_back(failed, world)
        assert world.endpoint.override == OLDER
        assert [request["reason"] for request in world.states.requests] == ["promotion", "rollback"]


@pytest.mark.parametrize(("outcome", "reasons"), [("failed", ["promotion"]), ("on", ["promotion", "rollback"])])
def test_a_run_that_is_killed_on_trial_has_sagemaker_go_back(
    world: World, tried: Run, outcome: str, reasons: list[str]
) -> None:
    ringing = promotion.roll_back(tried, world.kit())
    assert (ringing.next, rung(world)) == ("wait", [("SmokeFailed", 1.0)])
    ends(world, outcome)
    rolled_back(ringing.run, world)
    assert world.endpoint.override == OLDER
    assert [request["reason"] for request in world.states.requests] == reasons


def test_another_models_bake_is_not_this_ones_trial(world: World) -> None:
    asked = promotion.promote(Run(id="run-1", artifact=TUNED), world.kit()).run
    assert promotion.promote(asked, world.kit()).next == "wait"  # the stack has the older one's artifact


def test_without_a_trial_the_smoke_test_is_all(world: World) -> None:
    run = Run(id="run-1", artifact=TUNED, evaluation={"prompts": [PROMPT]}, promotion={"phase": "promoted"})
    assert smoke(run, world).next == "go"
    world.api.answers = [(200, "nonsense")]
    with pytest.raises(RunFailed):
        smoke(run, world)
    assert rung(world) == []


def test_a_promotion_is_looked_at_often_enough_to_see_its_trial(world: World) -> None:
    world.endpoint.bakes = False
    begun = promotion.promote(Run(id="run-1", artifact=TUNED), world.kit()).run
    world.states.running.add(begun.promotion["execution"])
    for minutes in (30, 60, 110):
        assert promotion.promote(begun, world.kit(now=world.now + minutes * 60)).wait_seconds <= 120
    later = promotion.promote(begun, world.kit(now=world.now + 3 * 3600))
    assert later.wait_seconds > 600  # an execution's history is bounded
