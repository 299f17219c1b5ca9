"""Real prompts through the public API: what passes, what is asked again, what fails the run."""

from typing import Any

import pytest
from finetune import smoke as smoking
from finetune.answer import Answer, RunFailed
from finetune.run import Run

from training.answers import NEW_TOKENS, Prompt

from .fakes import World


def prompt(number: int, **more: Any) -> dict[str, Any]:
    return {"prompt": f"Question {number}?", "expected": ["Ticket:"], "tuned": "…", "tuned_passed": True, **more}


def evaluated(*prompts: dict[str, Any]) -> Run:
    return Run(id="run-1", execution_arn="arn", evaluation={"prompts": list(prompts)}, promotion={"phase": "promoted"})


def smoke(run: Run, world: World, endpoint_url: str | None = None) -> Answer:
    return smoking.smoke(run, world.kit(), endpoint_url=endpoint_url)


@pytest.fixture
def world() -> World:
    return World()


def test_it_asks_what_the_tuned_model_got_right_through_the_api_with_its_key(world: World) -> None:
    answer = smoke(evaluated(prompt(1), prompt(2, tuned_passed=False), prompt(3)), world)
    assert (answer.next, answer.run.smoke["prompts"][0]["answer"]) == ("go", "Ticket: 1")
    assert [body["prompt"] for _, _, body in world.api.calls] == ["Question 1?", "Question 3?"]
    url, headers, _ = world.api.calls[0]
    assert url == "https://abc.execute-api.us-east-1.amazonaws.com/test/v1/completions"
    assert (headers["x-api-key"], "Authorization" in headers) == ("secret", False)


def test_where_the_sdk_is_diverted_the_api_is_too(world: World) -> None:
    smoke(evaluated(prompt(1)), world, "http://127.0.0.1:4566")
    assert world.api.calls[0][0] == "http://127.0.0.1:4566/_aws/execute-api/abc/test/v1/completions"


def test_without_an_evaluation_an_answer_is_enough(world: World) -> None:
    world.api.answers = [(200, "Hello.")]
    assert smoke(Run(id="run-1", promotion={"phase": "promoted"}), world).next == "go"


@pytest.mark.parametrize("answer", [(503, "endpoint_waking"), (429, "busy"), (200, "  ")])
def test_an_api_that_does_not_answer_yet_is_asked_again(world: World, answer: tuple[int, str]) -> None:
    world.api.answers = [answer, (200, "Ticket: 1")]
    first = smoke(evaluated(prompt(1)), world)
    assert (first.next, first.wait_seconds) == ("wait", smoking.PAUSE_SECONDS)
    assert smoke(first.run, world).next == "go"


def test_an_answer_may_be_as_long_as_in_the_evaluation(world: World) -> None:
    smoke(evaluated(prompt(1)), world)
    assert world.api.calls[0][2]["max_tokens"] == NEW_TOKENS


def test_a_prompt_that_the_api_does_not_take_is_left_out(world: World) -> None:
    world.api.answers = [(422, "too long"), (200, "Ticket: 1")]
    answer = smoke(evaluated(prompt(1), prompt(2)), world)
    assert answer.next == "go"
    assert answer.run.smoke["prompts"] == [{"prompt": "Question 2?", "answer": "Ticket: 1"}]


def test_where_it_takes_none_of_them_a_greeting_must_be_answered(world: World) -> None:
    world.api.answers = [(422, "too long"), (400, "bad"), (200, "Hello.")]
    answer = smoke(evaluated(prompt(1), prompt(2)), world)
    assert (answer.next, world.api.calls[-1][2]["prompt"]) == ("go", "Say hello.")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((503, "the endpoint is off"), "503 the endpoint is off"),
        ((403, "Forbidden"), "did not answer 1 of 1 smoke prompts: 403 Forbidden"),
    ],
    ids=["never", "not even a greeting"],
)
def test_one_that_never_answers_fails_the_run_with_what_it_said(
    world: World, answer: tuple[int, str], said: str
) -> None:
    world.api.answers = [answer]
    run = evaluated(prompt(1))
    for _ in range(smoking.MOST_TRIES - 1):
        run = smoke(run, world).run
    with pytest.raises(RunFailed, match=said):
        smoke(run, world)


def test_an_api_that_cannot_be_reached_is_one_that_does_not_answer(world: World) -> None:
    def unreachable(*_: object) -> tuple[int, bytes]:
        raise OSError("connection refused")

    answer = smoking.smoke(evaluated(prompt(1)), world.kit(post=unreachable), endpoint_url=None)
    assert "connection refused" in answer.run.message


@pytest.mark.parametrize(("right", "passes"), [(4, True), (2, True), (1, False), (0, False)])
def test_half_of_what_was_right_must_be_right_again(world: World, right: int, passes: bool) -> None:
    world.api.answers = [*[(200, "Ticket: 1")] * right, (200, "as ever")]
    run = evaluated(*[prompt(number) for number in range(4)])
    if passes:
        assert smoke(run, world).next == "go"
    else:
        with pytest.raises(RunFailed, match=f"Only {right} of 4"):
            smoke(run, world)


@pytest.mark.parametrize(
    ("wanted", "answer", "right"),
    [
        ({"label": "neither"}, "Neither", True),
        ({"label": "neither"}, " true, as", False),
        ({"label": "Yes."}, "Yes", True),
        ({"label": "yes"}, " Yes!\nBecause it is.", True),
        ({"label": "no"}, "Nothing at all", False),
        ({"label": "no"}, "no, as", False),
        ({"label": "+"}, "+\n", True),
        ({"label": "+"}, "-", False),
        ({"label": "STRASSE"}, "straße", True),
        ({"expected": ["a", "b"]}, "xbxa", True),
        ({"expected": ["a", "b"]}, "xa", False),
        ({"expected": ["A"]}, "a", False),
    ],
)
def test_an_answer_is_right_where_it_was_right_in_the_evaluation(
    world: World, wanted: dict[str, Any], answer: str, right: bool
) -> None:
    expected = tuple(wanted["expected"]) if "expected" in wanted else None
    assert Prompt("Q", expected, wanted.get("label")).accepts(answer) is right
    world.api.answers = [(200, answer)]
    run = evaluated({"prompt": "Q", **wanted, "tuned_passed": True})
    if right:
        assert smoke(run, world).next == "go"
    else:
        with pytest.raises(RunFailed, match="Only 0 of 1"):
            smoke(run, world)


def test_an_api_that_takes_signed_calls_is_shown_no_key(world: World) -> None:
    world.cloudformation.api_outputs = {"ApiUrl": "https://abc/"}
    assert smoke(evaluated(prompt(1)), world).next == "go"
    headers = world.api.calls[0][1]
    assert ("x-api-key" in headers, headers["Authorization"]) == (False, "signed")
