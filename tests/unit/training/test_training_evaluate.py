"""Evaluation: both models over the same rows and prompts, as numbers and as a page."""

import json
import tarfile
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.training.jobs import Job, dolly
from training import report
from training.answers import Prompt, read_prompts
from training.errors import TrainingError

PROMPTS: list[dict[str, Any]] = [
    {"prompt": "### Response:\n", "expected": ["<b>never</b>"]},
    {"prompt": "the <i>lamp</i>", "label": "lamp"},
]


@pytest.fixture(scope="module")
def evaluated(make_job: Callable[[], Job], trained: Job) -> Job:
    job = make_job()
    job.model(trained.root / "model", "tuned")
    return _run(job)


def _run(job: Job) -> Job:
    from training.__main__ import main

    job.rows(*dolly(10))
    job.rows(*PROMPTS, file="prompts.jsonl")
    job.ask(pilotlight_task="evaluate", instruction_tuned="True", max_input_length="256")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PILOTLIGHT_ML_ROOT", str(job.root))
        assert main() == 0
    return job


def _evaluation(job: Job) -> Any:
    return json.loads((job.root / "model" / "evaluation.json").read_text())


def test_the_tuned_models_loss_is_that_of_its_training(evaluated: Job, trained: Job) -> None:
    evaluation = _evaluation(evaluated)
    best = trained.facts["epochs"][trained.facts["best_epoch"] - 1]

    assert [evaluation[name] for name in ("rows", "examples", "examples_compared")] == [2, 2, 2]
    assert evaluation["tuned"]["eval_loss"] == pytest.approx(best["eval_loss"], rel=1e-3)
    assert evaluation["tuned"]["perplexity"] == pytest.approx(best["eval_perplexity"], rel=1e-2)
    base, tuned = evaluation["base"]["eval_loss"], evaluation["tuned"]["eval_loss"]
    assert evaluation["improvement"] == pytest.approx((base - tuned) / base)
    assert evaluation["improvement"] > 0


def test_of_very_many_rows_a_sample_is_compared_whatever_turns_they_come_in(
    make_job: Callable[[], Job], trained: Job, run: Callable[[Job], int]
) -> None:
    """Whatever the dataset's size, the evaluation is done within its hour."""

    def evaluation_of(validation: list[dict[str, str]]) -> Any:
        job = make_job()
        job.model(trained.root / "model", "tuned")
        job.rows(*dolly(1))
        job.rows(*validation, channel="validation")
        job.ask(
            pilotlight_task="evaluate",
            instruction_tuned="True",
            max_input_length="256",
            per_device_eval_batch_size="64",
        )
        assert run(job) == 0
        return _evaluation(job), (job.root / "model" / "report.html").read_text()

    one, other = dolly(1), [{"instruction": "Sing", "context": "", "response": "La la la"}]
    sampled, page = evaluation_of((one + other) * 1_000)
    assert [sampled[name] for name in ("rows", "examples", "examples_compared")] == [2_000, 2_000, 1_000]
    assert "Loss over 1000 of 2000 examples" in page
    (of_one, _), (of_other, _), (of_both, _) = evaluation_of(one), evaluation_of(other), evaluation_of(one + other)
    losses = [made["tuned"]["eval_loss"] for made in (of_one, of_both, of_other)]
    assert losses in (sorted(losses), sorted(losses, reverse=True))
    assert abs(losses[0] - losses[2]) > 0.05  # so that a sample of one kind would not pass
    assert sampled["tuned"]["eval_loss"] == pytest.approx(losses[1], abs=0.01)


def test_a_model_that_its_training_left_compressed_is_judged_as_the_same_model(
    make_job: Callable[[], Job], trained: Job, evaluated: Job
) -> None:
    job = make_job()
    with tarfile.open(job.channel("tuned") / "model.tar.gz", "w:gz") as packed:
        packed.add(trained.root / "model", arcname=".")
    assert _evaluation(_run(job)) == _evaluation(evaluated)
    assert {path.name for path in (job.root / "model").iterdir()} == {"evaluation.json", "report.html"}


def test_both_answer_every_prompt(evaluated: Job) -> None:
    evaluation = _evaluation(evaluated)

    assert [
        {key: one[key] for key in asked} for one, asked in zip(evaluation["prompts"], PROMPTS, strict=True)
    ] == PROMPTS
    assert [(one["base_passed"], one["tuned_passed"]) for one in evaluation["prompts"]] == [(False, False)] * 2
    assert evaluation["base"]["prompts_passed"] == evaluation["tuned"]["prompts_passed"] == 0
    assert all(one["base"] != one["tuned"] for one in evaluation["prompts"])


def test_the_page_shows_all_of_it_and_loads_and_obeys_nothing(evaluated: Job) -> None:
    page = (evaluated.root / "model" / "report.html").read_text()
    seen = _Seen()
    seen.feed(page)

    assert {"script", "img", "link", "iframe", "i", "b"} & seen.tags == set()
    assert seen.tags >= {"svg", "polyline", "table"}
    assert "the <i>lamp</i>" in seen.text
    for one in _evaluation(evaluated)["prompts"]:
        assert one["base"].replace("\r", "\n") in seen.text.replace("\r", "\n")
    assert "http" not in page.replace('http-equiv="Content-Security-Policy"', "")


@settings(deadline=None)  # the machine may be busy
@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
def test_whatever_a_model_says_is_text_on_the_page(answer: str) -> None:
    side = {"eval_loss": None, "perplexity": None, "prompts_passed": 0}
    one = {
        "prompt": answer,
        "label": answer,
        "base": answer,
        "tuned": answer,
        "base_passed": False,
        "tuned_passed": True,
    }
    evaluation = {
        "base": side,
        "tuned": side,
        "rows": 0,
        "examples": 0,
        "examples_compared": 0,
        "improvement": None,
        "prompts": [one],
    }
    plain, seen = _Seen(), _Seen()
    plain.feed(
        report.page(evaluation | {"prompts": [one | dict.fromkeys(("prompt", "label", "base", "tuned"), "x")]}, [])
    )
    seen.feed(report.page(evaluation, []))

    assert seen.count == plain.count
    assert seen.text.count(answer) >= 4


class _Seen(HTMLParser):
    """What a browser would: elements and text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.count = 0
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
        self.tags.add(tag)
        self.count += 1

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize(
    ("prompt", "answer", "accepted"),
    [
        (Prompt("", ("a", "b"), None), "xbxa", True),
        (Prompt("", ("a", "b"), None), "xa", False),
        (Prompt("", None, "Positive"), " positive.\nBecause", True),
        (Prompt("", None, "Positive"), "not positive", False),
        (Prompt("", None, "Positive"), "", False),
        (Prompt("", None, "+"), "+\n", True),
        (Prompt("", None, "+"), "", False),
    ],
)
def test_expected_texts_are_all_there_and_a_label_is_the_first_line(
    prompt: Prompt, answer: str, accepted: bool
) -> None:
    assert prompt.accepts(answer) is accepted


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"prompt": "x"}, "either expected or label"),
        ({"prompt": "x", "expected": ["y"], "label": "z"}, "either expected or label"),
        ({"prompt": "", "label": "z"}, "a prompt"),
        ({"prompt": "x", "label": "z", "weight": 2}, "the key weight is unknown"),
        ({"prompt": "x", "label": " "}, "label is"),
        ({"prompt": "x", "expected": []}, "a list of texts"),
        ({"prompt": "x", "expected": "y"}, "a list of texts"),
        ({"prompt": "x", "expected": [""]}, "a list of texts"),
    ],
)
def test_a_prompt_that_is_none_is_refused_by_its_line(tmp_path: Path, row: dict[str, object], words: str) -> None:
    (tmp_path / "prompts.jsonl").write_text("\n" + json.dumps(row) + "\n")

    with pytest.raises(TrainingError, match=r"prompts\.jsonl, line 2: ") as refused:
        read_prompts(tmp_path / "prompts.jsonl")
    assert words in str(refused.value)


def test_an_evaluation_needs_a_tuned_model_and_something_to_judge_by(
    job: Job, tiny: Path, run: Callable[[Job], int]
) -> None:
    job.rows(*dolly(3))
    job.ask(pilotlight_task="evaluate", instruction_tuned="True", validation_split_ratio="0")
    assert run(job) == 1
    assert "no input channel tuned" in job.failure

    job.model(tiny, "tuned")
    assert run(job) == 1
    assert "nothing to judge by" in job.failure

    job.rows({"prompt": "lamp " * 2000, "label": "x"}, file="prompts.jsonl")
    assert run(job) == 1
    assert "shorten it" in job.failure
