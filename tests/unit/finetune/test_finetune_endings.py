"""How runs end: what a person is told, what is stopped, and that an ended run stays as it ended."""

import json
from collections.abc import Callable
from dataclasses import replace
from unittest.mock import Mock

import pytest
from botocore.exceptions import ClientError
from finetune import ending, registry
from finetune.answer import Answer
from finetune.clients import Kit
from finetune.run import DONE, FAILED, KIND, Job, Run

from .fakes import World, refused

TUNED = "s3://data-of-test/models/job/output/model/"


@pytest.fixture
def world() -> World:
    return World()


def run() -> Run:
    job = Job("pilotlight-test-a", "train", "ml.g5.2xlarge", 1, "Completed", 1800.0, 1.0)
    return Run(id="run-1", execution_arn="arn:run-1", step="Smoke", message="It answered.", artifact=TUNED, jobs=(job,))


def test_a_good_end_says_what_serves_and_what_it_cost(world: World) -> None:
    ended = ending.done(run(), world.kit()).run
    assert (ended.status, ended.ended_at) == (DONE, world.now)
    (told,) = world.sns.told
    assert TUNED in told["Message"]
    assert "USD 1.00" in told["Message"]


LIT = {"phase": "promoted", "previous": "", "was_on": False, "execution": "arn", "tries": 1}
"""The promotion of a run that lit the endpoint."""


class TestAnEndpointThatWasOff:
    def test_a_good_end_does_not_say_that_it_serves(self, world: World) -> None:
        message = ending.done(replace(run(), promotion=LIT), world.kit()).run.message
        assert "turned off again. It serves the tuned model" in message
        assert "when it is next on" in message
        assert "is in place" in world.sns.told[0]["Subject"]
        assert [request["target"] for request in world.states.requests] == ["off"]

    def test_a_failure_says_that_it_is_turned_off(self, world: World) -> None:
        assert "turned off again" in ending.fail(replace(run(), promotion=LIT), world.kit()).run.message


def test_after_a_rollback_what_failed_is_told_before_what_serves(world: World) -> None:
    failed = run().saying("Smoke", 1, "Nobody answered.").saying("Rollback", 2, "The old one serves again.")
    ended = ending.fail(failed, world.kit()).run
    assert ended.step == "Smoke"
    assert ended.message.startswith("Nobody answered. The old one serves again. Its model is kept: ")
    assert "Nobody answered. The old one serves again." in world.sns.told[0]["Message"]


def test_a_model_that_was_good_enough_can_be_put_up_again(world: World) -> None:
    for step, said in (("Approve", True), ("Promote", True), ("Smoke", True), ("Evaluate", False), ("Train", False)):
        message = ending.fail(replace(run(), step=step), world.kit()).run.message
        assert ("`pilot finetune --attach pilotlight-test-a` puts it up again." in message) == said, step


def test_what_broke_off_before_there_was_a_model_is_to_be_started_again(world: World) -> None:
    broke = ending.broke(replace(run(), step="Train"), world.kit(), {"Error": "Lambda.Unknown", "Cause": "gone"})
    assert broke.message == "Train broke off: Lambda.Unknown, gone. Start it again with `pilot finetune`."


@pytest.mark.parametrize(
    ("end", "status"), [(ending.done, "Approved"), (ending.fail, "Rejected")], ids=["good", "failed"]
)
def test_the_registered_version_says_how_the_run_ended(
    world: World, end: Callable[[Run, Kit], Answer], status: str
) -> None:
    registered = registry.register(run(), world.kit()).run
    assert world.sagemaker.packages[0]["ModelApprovalStatus"] == "PendingManualApproval"
    ended = end(registered, world.kit()).run
    (package,) = world.sagemaker.packages
    assert (package["ModelApprovalStatus"], package["ApprovalDescription"]) == (status, ended.message)


def test_a_version_that_somebody_deleted_does_not_change_how_a_run_ends(world: World) -> None:
    gone = replace(run(), package_arn="arn:gone")
    assert ending.done(gone, world.kit()).run.status == DONE


def test_a_failure_stops_what_still_runs_but_not_what_was_started_elsewhere(world: World) -> None:
    ours = Job("pilotlight-test-b", "evaluate", "ml.g5.2xlarge", 1)
    theirs = Job("theirs", "train", "ml.g5.2xlarge", 1, attached=True)
    failed = ending.fail(replace(run(), jobs=(*run().jobs, ours, theirs), message="Bad row."), world.kit()).run
    assert failed.status == FAILED
    assert world.sagemaker.stopped == ["pilotlight-test-b"]
    (told,) = world.sns.told
    assert "Bad row." in told["Message"]
    assert "pilot finetune status run-1" in told["Message"]


def test_a_run_without_a_job_says_that_nothing_was_paid_for(world: World) -> None:
    ending.fail(replace(run(), jobs=()), world.kit())
    assert "Nothing was paid for." in world.sns.told[0]["Message"]


@pytest.mark.parametrize("status", [DONE, FAILED])
def test_an_ended_run_is_left_alone(world: World, status: str) -> None:
    ended = replace(run(), status=status)
    assert ending.done(ended, world.kit()).run == ended
    assert ending.fail(ended, world.kit()).run == ended
    assert world.sns.told == []


@pytest.mark.parametrize(("end", "status"), [(ending.done, DONE), (ending.fail, FAILED)], ids=["good", "failed"])
class TestWhatFailsAtTheEnd:
    def test_a_mail_that_cannot_be_sent_changes_nothing_and_is_logged(
        self, world: World, capsys: pytest.CaptureFixture[str], end: Callable[[Run, Kit], Answer], status: str
    ) -> None:
        world.sns.is_down = True
        assert end(run(), world.kit()).run.status == status
        line = json.loads(capsys.readouterr().out)
        assert (line["run"], line["status"], "InternalError" in line["not_told"]) == ("run-1", status, True)

    def test_the_end_is_written_before_the_endpoint_is_settled_and_that_is_done_again(
        self, world: World, monkeypatch: pytest.MonkeyPatch, end: Callable[[Run, Kit], Answer], status: str
    ) -> None:
        lit = replace(run(), promotion=LIT)
        with monkeypatch.context() as broken:
            broken.setattr(world.states, "start_execution", Mock(side_effect=refused("ThrottlingException")))
            with pytest.raises(ClientError):
                end(lit, world.kit())
        written = Run.from_data(world.ledger.get(KIND, lit.id) or {})
        assert (written.status, written.promotion["phase"]) == (status, "promoted")
        assert end(written, world.kit()).run.promotion["phase"] == "settled"
        assert [request["target"] for request in world.states.requests] == ["off"]
        assert len(world.sns.told) == 1


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        ({"Error": "States.Timeout", "Cause": ""}, "Nobody approved it within 72 hours"),
        ({"Error": "Rejected", "Cause": "by pilot"}, "rejected: the endpoint serves what it served before"),
        ({"Error": "Lambda.Unknown", "Cause": "gone"}, "Smoke broke off: Lambda.Unknown, gone"),
    ],
)
def test_what_step_functions_caught_is_said_in_words(world: World, failure: dict[str, str], said: str) -> None:
    assert said in ending.broke(replace(run(), asked={"approval_hours": 72}), world.kit(), failure).message
