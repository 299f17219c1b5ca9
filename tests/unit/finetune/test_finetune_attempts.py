"""What follows a job that did not complete."""

from typing import Any

import pytest
from finetune.attempts import GIVE_UP_SECONDS, GiveUp, Later, Next, Retry, after_failure

from tests.unit.finetune.runs import planned, settings_of

TYPES = ["ml.g5.12xlarge", "ml.g5.24xlarge"]
PLAN = planned(settings_of(), instance_types=TYPES)
CAPACITY = (
    "CapacityError: Unable to provision requested ML compute capacity. Please retry using a different ML instance type."
)
QUOTA = "ResourceLimitExceeded: The account-level service limit 'ml.g5.12xlarge for training job usage' is 0 Instances"
SERVER = "InternalServerError: We encountered an internal error. Please try again."


def after(reason: str, instance_type: str = TYPES[0], *, attempt: int = 1, waited: float = 0, **more: Any) -> Next:
    job = {"TrainingJobStatus": "Failed", "FailureReason": reason, "ResourceConfig": {"InstanceType": instance_type}}
    return after_failure(PLAN, job | more, attempt=attempt, waited=waited)


def test_without_capacity_the_next_type_is_tried_and_then_time() -> None:
    assert after(CAPACITY) == Retry(TYPES[1])
    assert after(CAPACITY, TYPES[1], attempt=2) == Later(900, TYPES[0])
    assert after(CAPACITY, TYPES[1], attempt=4) == Later(1800, TYPES[0])
    assert after(CAPACITY, TYPES[1], attempt=40) == Later(7200, TYPES[0])


def test_capacity_is_not_waited_for_longer_than_a_day() -> None:
    outcome = after(CAPACITY, TYPES[1], attempt=20, waited=GIVE_UP_SECONDS)
    assert isinstance(outcome, GiveUp)
    assert "Nothing was paid" in outcome.message


def test_a_run_that_never_finds_capacity_ends() -> None:
    attempt, waited, outcome = 1, 0.0, after(CAPACITY)
    here = TYPES[0]
    while not isinstance(outcome, GiveUp):
        waited += outcome.seconds if isinstance(outcome, Later) else 60
        attempt, here = attempt + 1, outcome.instance_type
        outcome = after(CAPACITY, here, attempt=attempt, waited=waited)
    assert attempt < 100
    assert waited <= GIVE_UP_SECONDS + 60


def test_a_missing_quota_is_no_matter_of_time() -> None:
    assert after(QUOTA) == Retry(TYPES[1])
    outcome = after(QUOTA, TYPES[1], attempt=2)
    assert isinstance(outcome, GiveUp)
    assert "Service Quotas" in outcome.message


def test_a_fault_of_sagemakers_is_tried_again_in_the_same_place_twice() -> None:
    assert after(SERVER) == Retry(TYPES[0])
    assert after(SERVER, attempt=2) == Retry(TYPES[0])
    assert isinstance(after(SERVER, attempt=3), GiveUp)


def test_a_crash_of_the_program_is_not_repeated() -> None:
    outcome = after("AlgorithmError: the loss is not a number, exit code: 1")
    assert isinstance(outcome, GiveUp)
    assert "the loss is not a number" in outcome.message
    assert isinstance(after(""), GiveUp)


@pytest.mark.parametrize("quoted", [CAPACITY, QUOTA, SERVER])
def test_whatever_a_crash_quotes_it_is_one(quoted: str) -> None:
    outcome = after(f'AlgorithmError: ExecuteUserScriptError: ErrorMessage "{quoted}", exit code: 1')
    assert isinstance(outcome, GiveUp)
    assert "mend what it names" in outcome.message


def test_an_evaluation_that_takes_too_long_is_not_helped_by_dollars_alone() -> None:
    job = {"TrainingJobStatus": "Stopped", "SecondaryStatus": "MaxRuntimeExceeded"}
    outcome = after_failure(PLAN, job, attempt=1, waited=0, evaluation=True)
    assert isinstance(outcome, GiveUp)
    assert "Lower max_val_samples" in outcome.message


@pytest.mark.parametrize(
    ("secondary", "says"),
    [("MaxRuntimeExceeded", "Raise max_cost_usd"), ("MaxWaitTimeExceeded", "spot = false"), ("Stopped", "Somebody")],
)
def test_a_stopped_job_is_not_a_completed_one(secondary: str, says: str) -> None:
    outcome = after("", TrainingJobStatus="Stopped", SecondaryStatus=secondary)
    assert isinstance(outcome, GiveUp)
    assert says in outcome.message


def test_an_evaluation_has_a_list_of_its_own() -> None:
    job = {"TrainingJobStatus": "Failed", "FailureReason": CAPACITY, "ResourceConfig": {"InstanceType": TYPES[0]}}
    assert after_failure(PLAN, job, attempt=1, waited=0, evaluation=True) == Retry(PLAN.evaluation_types[1])
