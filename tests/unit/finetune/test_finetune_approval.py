"""The mail that asks for an approval: what speaks for the model, what to do, and until when."""

import re
from dataclasses import replace

import pytest
from common.link_token import KEY, LinkToken, verified
from finetune import approval
from finetune.run import Job, Run

from .fakes import BUCKET, World, refused

EVALUATED = "The loss on 10 unseen rows went from 3 to 1.5 (50.0% better)."
RUN = Run(
    id="run-1",
    asked={"dataset": f"s3://{BUCKET}/datasets/tickets/", "approve": True, "hyperparameters": {"epoch": "3"}},
    dataset={"rows": {"train": 50, "validation": 0, "prompts": 1}},
    jobs=(Job("pilotlight-test-a", "train", "ml.g5.2xlarge", 1, "Completed", 1800.0, 1.0),),
    steps=(
        {"name": "Train", "at": 1.0, "message": "It took 1800 s."},
        {"name": "Evaluate", "at": 2.0, "message": "The job runs."},
        {"name": "Evaluate", "at": 3.0, "message": EVALUATED},
        {"name": "Register", "at": 4.0, "message": "Registered."},
    ),
)


@pytest.fixture
def world() -> World:
    return World()


def asked(world: World, run: Run = RUN) -> tuple[Run, str]:
    """The run that waits, and the mail's text."""
    waiting = approval.ask(run, world.kit(), "a task token")
    mail = world.sns.told[-1]
    assert mail["Subject"] == "Pilotlight test: a fine-tuned model waits for your approval"
    return waiting, mail["Message"]


def test_it_says_what_was_trained_how_good_it_is_what_it_cost_and_until_when_it_waits(world: World) -> None:
    _, mail = asked(world)
    assert "smollm2-135m-instruct was fine-tuned on the 50 rows of datasets/tickets/, with epoch 3." in mail
    assert EVALUATED in mail
    assert "It has cost about USD 1.00 so far." in mail
    assert "It waits until 2027-01-18T08:00:00Z." in mail
    assert "`pilot approve run-1 --stage test`" in mail
    assert "--reject" in mail


def test_its_link_is_good_for_this_run_and_as_long_as_it_waits(world: World) -> None:
    _, mail = asked(world)
    found = re.search(r"https://\S+", mail)
    assert found
    address, _, token = found[0].partition("?token=")
    assert address == "https://abc.execute-api.us-east-1.amazonaws.com/test/approve"
    key = world.ledger.key_for(KEY, lambda: "never asked for again")
    made = verified(token, key, "approve")
    assert made == LinkToken("approve", "run-1", world.now + 72 * 3600, made.nonce)
    assert "Opening it changes nothing." in mail


def test_the_run_keeps_what_the_page_shows_and_whom_to_tell(world: World) -> None:
    waiting, mail = asked(world)
    assert (waiting.step, waiting.token) == ("Approve", "a task token")
    assert waiting.approval["until"] == world.now + 72 * 3600
    assert all(fact in mail for fact in waiting.approval["facts"])
    assert not any("s3://" in fact or "token" in fact for fact in waiting.approval["facts"])


def test_a_job_from_elsewhere_was_not_paid_for_and_is_named(world: World) -> None:
    theirs = Job("theirs", "train", "ml.g5.2xlarge", 1, "Completed", attached=True)
    _, mail = asked(world, replace(RUN, asked={"attach": "theirs"}, jobs=(theirs,)))
    assert "the training job theirs has left a model, to serve in the place of smollm2-135m-instruct." in mail
    assert "Nothing was paid for." in mail


@pytest.mark.parametrize("code", ["AccessDenied", "Throttling"])
def test_without_a_link_a_person_is_asked_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    def refuse(**_: object) -> None:
        raise refused(code)

    monkeypatch.setattr(world.cloudformation, "describe_stacks", refuse)
    waiting, mail = asked(world)
    assert "https://" not in mail
    assert "`pilot approve run-1 --stage test`" in mail
    assert (waiting.token, code in waiting.message) == ("a task token", True)


def test_a_stage_without_an_api_has_no_link_and_that_is_no_problem(world: World) -> None:
    world.cloudformation.api_outputs = {}
    waiting, mail = asked(world)
    assert ("https://" in mail, waiting.message) == (False, "Waiting for `pilot approve run-1`.")
