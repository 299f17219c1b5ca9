"""The tuned model behind the API and back, one run at a time, whatever happens to the switch on the way."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from finetune import promotion, turn_taking
from finetune.answer import Answer, RunFailed
from finetune.clients import Kit
from finetune.run import DONE, FAILED, KIND, Run

from .fakes import World

TUNED = "s3://data-of-test/models/job/output/model/"
OLDER = "s3://data-of-test/models/older/output/model/"


@pytest.fixture
def world() -> World:
    return World()


def run(number: int = 1) -> Run:
    return Run(id=f"run-{number}", execution_arn=f"arn:run-{number}", artifact=TUNED)


def to_the_end(step: Callable[[Run, Kit], Answer], begun: Run, world: World) -> Answer:
    """The step, asked again while it waits."""
    answer = step(begun, world.kit())
    for _ in range(30):
        if answer.next != "wait":
            return answer
        assert answer.wait_seconds > 0
        world.now += answer.wait_seconds
        answer = step(answer.run, world.kit())
    raise AssertionError(f"still waiting: {answer.run.message}")


def at_work(world: World, record: Run) -> Run:
    """The run as the ledger has it, in an execution that runs."""
    world.ledger.put(KIND, record.id, record.to_data())
    world.states.running.add(record.execution_arn)
    return record


def killed(world: World, record: Run) -> None:
    world.states.running.discard(record.execution_arn)
    stopped = {"status": "ABORTED", "stopDate": datetime.fromtimestamp(world.now, UTC)}
    world.states.executions[record.execution_arn] = {"answer": stopped, "looks": 1}


def turn_of(world: World) -> str | None:
    return (world.ledger.get("promotion", "endpoint") or {}).get("run")


def test_the_switch_is_asked_once_and_the_override_is_what_counts(world: World) -> None:
    world.endpoint.override = OLDER
    ended = to_the_end(promotion.promote, run(), world)
    assert world.endpoint.override == TUNED
    (asked,) = world.states.requests
    assert asked == {
        "target": "on", "reason": "promotion", "by": "fine-tune run-1", "overrides": {"ModelDataUrl": TUNED}
    }  # fmt: skip
    assert ended.run.promotion["previous"] == OLDER


def test_a_step_that_is_repeated_asks_once(world: World) -> None:
    begun = run()
    promotion.promote(begun, world.kit())
    promotion.promote(begun, world.kit())  # the first one's record was lost
    assert len(world.states.requests) == 1


def test_it_is_not_asked_again_over_a_model_that_was_deployed_meanwhile(world: World) -> None:
    world.endpoint.outcomes = ["superseded"]
    begun = promotion.promote(run(), world.kit()).run
    deployed_over = replace(begun, plan={"base_model": "s3://former/model/"})
    with pytest.raises(RunFailed, match="s3://former/model/"):
        to_the_end(promotion.promote, deployed_over, world)
    assert len(world.states.requests) == 1


@pytest.mark.parametrize("outcome", ["failed", "refused"])
def test_what_the_switch_would_not_do_fails_the_run_with_its_words(world: World, outcome: str) -> None:
    world.endpoint.outcomes = [outcome]
    with pytest.raises(RunFailed, match=f"The switch says {outcome}"):
        to_the_end(promotion.promote, run(), world)
    assert world.endpoint.override == ""


def test_a_promotion_that_another_change_overtook_is_asked_for_again(world: World) -> None:
    world.endpoint.outcomes = ["superseded", "superseded"]
    to_the_end(promotion.promote, run(), world)
    assert world.endpoint.override == TUNED
    assert len(world.states.requests) == 3


class TestAnOffThatOvertakesIt:
    """A person's, a schedule's: it has its way."""

    def lease(self, world: World, **more: object) -> None:
        world.ledger.put("switch", "lease", {"target": "off", "execution": "arn:off", **more})

    def test_it_is_waited_for_and_then_nothing_is_lit(self, world: World) -> None:
        world.endpoint.outcomes = ["superseded"]
        asked = promotion.promote(run(), world.kit()).run
        self.lease(world)
        world.states.running.add("arn:off")
        for _ in range(3):
            assert promotion.promote(asked, world.kit()).next == "wait"
        world.states.running.discard("arn:off")
        world.endpoint.is_on = False
        with pytest.raises(RunFailed, match="was turned off before it took"):
            promotion.promote(asked, world.kit())
        assert [request["reason"] for request in world.states.requests] == ["promotion"]

    def test_one_that_came_to_nothing_is_no_off(self, world: World) -> None:
        world.endpoint.outcomes = ["superseded"]
        asked = promotion.promote(run(), world.kit()).run
        self.lease(world, finished_at=world.now)
        to_the_end(promotion.promote, asked, world)
        assert world.endpoint.override == TUNED


def test_one_that_is_overtaken_for_ever_ends(world: World) -> None:
    world.endpoint.outcomes = ["superseded"] * 10
    with pytest.raises(RunFailed, match="did not take the tuned model"):
        to_the_end(promotion.promote, run(), world)
    assert len(world.states.requests) == promotion.MOST_TRIES


def test_rolling_back_serves_what_was_served_before(world: World) -> None:
    world.endpoint.override = OLDER
    promoted = to_the_end(promotion.promote, run(), world).run
    back = to_the_end(promotion.roll_back, promoted, world).run
    assert world.endpoint.override == OLDER
    assert "serves s3://data-of-test/models/older/output/model/ again" in back.message
    assert to_the_end(promotion.roll_back, back, world).run == back  # and that is all


def test_an_endpoint_that_was_turned_off_meanwhile_stays_off_with_the_previous_model(world: World) -> None:
    world.endpoint.override = OLDER
    promoted = to_the_end(promotion.promote, run(), world).run
    world.endpoint.is_on = False
    back = to_the_end(promotion.roll_back, promoted, world).run
    assert (world.endpoint.override, world.endpoint.is_on) == (OLDER, False)
    assert f"stays off: it serves {OLDER} when it is next on" in back.message
    promotion.settle(back, world.kit())
    assert [request["reason"] for request in world.states.requests] == ["promotion", "rollback"]


def test_a_way_back_that_meets_an_off_takes_nothing_over_from_it(world: World) -> None:
    """One for a schedule waits for a pause in the calls, of which the smoke test made the last ones."""
    promoted = to_the_end(promotion.promote, run(), world).run
    world.ledger.put("switch", "lease", {"target": "off", "reason": "schedule", "execution": "arn:off"})
    world.states.running.add("arn:off")
    for _ in range(3):
        assert promotion.roll_back(promoted, world.kit()).next == "wait"
    world.states.running.discard("arn:off")
    world.endpoint.is_on = False
    to_the_end(promotion.roll_back, promoted, world)
    assert (world.endpoint.override, world.endpoint.is_on) == ("", False)


def test_the_configured_model_comes_back_where_there_was_no_override(world: World) -> None:
    promoted = to_the_end(promotion.promote, run(), world).run
    to_the_end(promotion.roll_back, promoted, world)
    assert world.endpoint.override == ""
    assert world.states.requests[-1]["overrides"] == {"ModelDataUrl": ""}


def test_a_model_that_was_in_force_before_the_run_stays(world: World) -> None:
    world.endpoint.override = TUNED
    promoted = to_the_end(promotion.promote, run(), world).run
    back = to_the_end(promotion.roll_back, promoted, world).run
    assert "in force before this run as well" in back.message
    assert [request["reason"] for request in world.states.requests] == ["promotion"]


def test_a_run_that_changed_nothing_has_nothing_to_roll_back(world: World) -> None:
    assert promotion.roll_back(run(), world.kit()) == Answer(run())
    world.endpoint.outcomes = ["failed"]
    asked = promotion.promote(run(), world.kit()).run
    to_the_end(promotion.roll_back, asked, world)
    assert [request["reason"] for request in world.states.requests] == ["promotion"]


def test_a_killed_runs_promotion_is_taken_back_once_the_switch_is_done_with_it(world: World) -> None:
    asked = promotion.promote(run(), world.kit()).run  # and then it is killed
    assert promotion.roll_back(asked, world.kit()).next == "wait"
    to_the_end(promotion.roll_back, asked, world)
    assert [request["reason"] for request in world.states.requests] == ["promotion", "rollback"]
    assert world.endpoint.override == ""


def test_a_rollback_that_does_not_work_says_what_is_served(world: World) -> None:
    promoted = to_the_end(promotion.promote, run(), world).run
    world.endpoint.outcomes = ["failed"] * 10
    ended = to_the_end(promotion.roll_back, promoted, world).run
    assert f"STILL SERVES {TUNED}" in ended.message


class TestARollbackThatIsOvertaken:
    """By another change of the endpoint, once the switch has set the stack's parameter."""

    @pytest.fixture
    def asked(self, world: World) -> Run:
        world.endpoint.override = OLDER
        promoted = to_the_end(promotion.promote, run(), world).run
        asked = promotion.roll_back(promoted, world.kit()).run
        world.endpoint.override = OLDER
        world.endpoint.outcomes = ["superseded"]
        return asked

    def test_it_is_asked_for_again(self, world: World, asked: Run) -> None:
        back = to_the_end(promotion.roll_back, asked, world).run
        assert [request["reason"] for request in world.states.requests] == ["promotion", "rollback", "rollback"]
        assert f"serves {OLDER} again." in back.message

    def test_one_that_is_overtaken_for_ever_says_so(self, world: World, asked: Run) -> None:
        world.endpoint.outcomes *= 10
        back = to_the_end(promotion.roll_back, asked, world).run
        assert f"Nothing shows that the endpoint serves {OLDER} again: The switch says superseded." in back.message
        assert len(world.states.requests) == 1 + promotion.MOST_TRIES

    def test_an_off_has_its_way(self, world: World, asked: Run) -> None:
        world.endpoint.is_on = False
        back = to_the_end(promotion.roll_back, asked, world).run
        promotion.settle(back, world.kit())
        assert (world.endpoint.override, world.endpoint.is_on) == (OLDER, False)
        assert [request["target"] for request in world.states.requests] == ["on", "on", "on"]

    def test_a_model_that_somebody_else_chose_stays(self, world: World, asked: Run) -> None:
        world.endpoint.override = "s3://chosen/"
        back = to_the_end(promotion.roll_back, asked, world).run
        assert "Nothing shows" in back.message
        assert len(world.states.requests) == 2


class TestTwoRuns:
    def test_the_second_waits_until_the_first_has_settled(self, world: World) -> None:
        first = at_work(world, to_the_end(promotion.promote, run(1), world).run)
        other = replace(run(2), artifact="s3://data-of-test/models/second/output/model/")
        waiting = promotion.promote(other, world.kit())
        assert (waiting.next, world.endpoint.override) == ("wait", TUNED)
        promotion.settle(first, world.kit())
        to_the_end(promotion.promote, waiting.run, world)
        assert world.endpoint.override == other.artifact

    def test_a_holder_whose_execution_was_killed_keeps_its_turn_until_it_was_mended(self, world: World) -> None:
        first = at_work(world, to_the_end(promotion.promote, run(1), world).run)
        killed(world, first)
        assert promotion.promote(run(2), world.kit()).next == "wait"
        world.now += 2 * turn_taking.MENDING_SECONDS
        first = at_work(world, replace(first, execution_arn="arn:mending"))
        waiting = promotion.promote(run(2), world.kit())
        assert (waiting.next, turn_of(world)) == ("wait", "run-1")
        first = to_the_end(promotion.roll_back, first, world).run
        at_work(world, replace(promotion.settle(first, world.kit()), status=FAILED))
        assert to_the_end(promotion.promote, waiting.run, world).run.promotion["previous"] == ""

    def test_one_that_nobody_mends_is_taken_over_in_the_end(self, world: World) -> None:
        killed(world, at_work(world, to_the_end(promotion.promote, run(1), world).run))
        world.now += turn_taking.MENDING_SECONDS - 1
        assert promotion.promote(run(2), world.kit()).next == "wait"
        world.now += 1
        to_the_end(promotion.promote, run(2), world)
        assert turn_of(world) == "run-2"

    def test_one_that_is_mended_after_that_leaves_the_endpoint_to_its_successor(self, world: World) -> None:
        first = at_work(world, to_the_end(promotion.promote, run(1), world).run)
        killed(world, first)
        world.now += turn_taking.MENDING_SECONDS
        promotion.promote(run(2), world.kit())
        assert promotion.roll_back(first, world.kit()) == Answer(first)

    @pytest.mark.parametrize("status", [DONE, FAILED])
    def test_one_that_has_ended_is_taken_over_at_once(self, world: World, status: str) -> None:
        first = to_the_end(promotion.promote, run(1), world).run
        at_work(world, replace(first, status=status))
        to_the_end(promotion.promote, run(2), world)
        assert turn_of(world) == "run-2"

    def test_one_that_step_functions_has_forgotten_is_taken_over(self, world: World) -> None:
        first = at_work(world, to_the_end(promotion.promote, run(1), world).run)
        world.states.running.discard(first.execution_arn)
        to_the_end(promotion.promote, run(2), world)
        assert turn_of(world) == "run-2"


class TestManyRuns:
    @pytest.fixture
    def runs(self, world: World) -> list[Run]:
        """The first one is promoted, and three wait for it, each at its place."""
        runs = [at_work(world, run(number)) for number in (1, 2, 3, 4)]
        promoted = at_work(world, to_the_end(promotion.promote, runs[0], world).run)
        assert [promotion.promote(waiting, world.kit()).next for waiting in runs[1:]] == ["wait"] * 3
        return [promoted, *runs[1:]]

    def ended(self, world: World, one: Run) -> None:
        at_work(world, replace(promotion.settle(one, world.kit()), status=DONE))

    def test_they_have_their_turns_in_the_order_in_which_they_came(self, world: World, runs: list[Run]) -> None:
        for place, ends in enumerate(runs):
            assert turn_of(world) == ends.id
            self.ended(world, ends)
            for waiting in reversed(runs[place + 1 :]):  # the last one looks first
                promotion.promote(waiting, world.kit())
        assert turn_of(world) is None

    def test_one_that_ended_while_it_waited_is_passed_over(self, world: World, runs: list[Run]) -> None:
        self.ended(world, runs[1])
        self.ended(world, runs[0])
        assert promotion.promote(runs[3], world.kit()).next == "wait"
        assert turn_of(world) == "run-3"

    def test_one_that_was_killed_while_it_waited_is_passed_over_when_it_cannot_be_mended_any_more(
        self, world: World, runs: list[Run]
    ) -> None:
        killed(world, runs[1])
        self.ended(world, runs[0])
        promotion.promote(runs[3], world.kit())
        assert turn_of(world) == "run-2"
        world.now += turn_taking.MENDING_SECONDS
        promotion.promote(runs[3], world.kit())
        assert turn_of(world) == "run-3"

    def test_one_that_was_killed_while_it_waited_and_is_mended_leaves_its_turn_to_the_next(
        self, world: World, runs: list[Run]
    ) -> None:
        killed(world, runs[1])
        self.ended(world, runs[0])
        promotion.promote(runs[3], world.kit())
        mended = at_work(world, replace(runs[1], execution_arn="arn:mending"))
        assert promotion.roll_back(mended, world.kit()) == Answer(mended)
        self.ended(world, mended)
        promotion.promote(runs[3], world.kit())
        assert turn_of(world) == "run-3"


class TestAnEndpointThatWasOff:
    def test_it_is_lit_for_the_promotion_and_off_again_after_it(self, world: World) -> None:
        world.endpoint.is_on = False
        promoted = to_the_end(promotion.promote, run(), world).run
        assert world.endpoint.is_on
        settled = promotion.settle(promoted, world.kit())
        assert world.states.requests[-1] == {
            "target": "off", "reason": "promotion over", "by": "fine-tune run-1"
        }  # fmt: skip
        promotion.settle(settled, world.kit())
        assert len(world.states.requests) == 2

    def test_one_that_was_on_stays_on(self, world: World) -> None:
        promotion.settle(to_the_end(promotion.promote, run(), world).run, world.kit())
        assert [request["target"] for request in world.states.requests] == ["on"]

    def test_the_next_run_finds_it_off_though_it_has_not_gone_yet(self, world: World) -> None:
        world.endpoint.is_on = False
        first = to_the_end(promotion.promote, run(1), world).run
        promotion.settle(first, world.kit())
        assert world.endpoint.is_on  # the switch has only been asked
        second = to_the_end(promotion.promote, run(2), world).run
        promotion.settle(second, world.kit())
        assert [request["target"] for request in world.states.requests] == ["on", "off", "on", "off"]
