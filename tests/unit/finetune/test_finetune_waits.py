"""How often a step looks: soon at what is young, seldom at what is old, and never so often that a history is full."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from finetune import promotion, training
from finetune.answer import Answer
from finetune.run import Job, Run
from finetune.waits import LONGEST_SECONDS, SHORTEST_SECONDS, pause
from hypothesis import given
from hypothesis import strategies as st

from .fakes import World
from .runs import planned, settings_of

TWO_WEEKS = 14 * 24 * 3600
MOST_LOOKS = 1500
"""Of nine events each: far below the 25,000 at which Step Functions ends an execution."""

RUN = Run(id="run-2", execution_arn="arn:run-2", artifact="s3://tuned/")


@given(st.floats(-60, 2 * TWO_WEEKS))
def test_a_pause_is_never_more_than_a_tenth_of_what_has_passed(seconds: float) -> None:
    assert SHORTEST_SECONDS <= pause(seconds) <= LONGEST_SECONDS
    assert pause(seconds) <= max(SHORTEST_SECONDS, seconds / 10)


def looks(step: Callable[[Run], Answer], run: Run, world: World) -> int:
    """How often the step is asked in two weeks of waiting."""
    count, end = 0, world.now + TWO_WEEKS
    while world.now < end:
        answer = step(run)
        assert answer.next == "wait", answer.run.message
        count, run, world.now = count + 1, answer.run, world.now + answer.wait_seconds
    return count


@pytest.mark.parametrize("asked", [{"attach": "job"}, {"dataset": "s3://data/"}], ids=["attached", "own"])
def test_a_job_can_be_watched_for_two_weeks(asked: dict[str, Any]) -> None:
    world = World()
    world.sagemaker.jobs["job"] = {
        "CreationTime": datetime.fromtimestamp(world.now, UTC),
        "ResourceConfig": {"InstanceType": "ml.g5.2xlarge", "InstanceCount": 1},
        "end": {"TrainingJobStatus": "InProgress", "SecondaryStatus": "Training"},
        "looks": 0,
    }
    plan = planned(settings_of()).to_data()
    run = replace(RUN, asked=asked, plan=plan, jobs=(Job("job", "train", "ml.g5.2xlarge", 1),))
    assert looks(lambda run: training.train(run, world.kit()), run, world) < MOST_LOOKS


def test_a_run_can_wait_for_its_turn_for_two_weeks() -> None:
    world = World()
    world.states.running.add("arn:run-1")
    first = Run(id="run-1", execution_arn="arn:run-1", artifact="s3://first/")
    world.ledger.put("finetune", "run-1", promotion.promote(first, world.kit()).run.to_data())
    assert looks(lambda run: promotion.promote(run, world.kit()), RUN, world) < MOST_LOOKS


@pytest.mark.parametrize("step", [promotion.promote, promotion.roll_back])
def test_the_switch_can_be_waited_for_for_two_weeks(step: Callable[..., Answer]) -> None:
    world = World()
    asked = promotion.promote(RUN, world.kit()).run
    world.states.running.add(asked.promotion["execution"])
    assert looks(lambda run: step(run, world.kit()), asked, world) < MOST_LOOKS
