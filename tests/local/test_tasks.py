"""Tasks and windows from outside: what reaches the model, and what comes back."""

from typing import Any

import pytest

from .conftest import LocalCloud

SHORT: dict[str, Any] = {"parameters": {"max_length": 150}}


def last(cloud: LocalCloud) -> dict[str, Any]:
    """What the model's container received last."""
    found: dict[str, Any] = cloud.invocations()[-1]
    return found


def test_the_tasks_are_listed(cloud: LocalCloud) -> None:
    response = cloud.call("GET", "/tasks")
    assert response.status_code == 200
    names = [task["name"] for task in response.json()["tasks"]]
    assert names == ["summarize", "describe", "translate", "answer", "entail"]


def test_a_task_is_the_prompt_of_its_shape_and_the_answer_cut(cloud: LocalCloud) -> None:
    shots = [{"source": "light", "target": "Licht; Luz"}]
    response = cloud.call("POST", "/tasks/translate", {"shots": shots, "source": "water\nand paper"} | SHORT)
    assert response.status_code == 200
    received = last(cloud)
    assert received["text_inputs"] == (
        "[CLM] Sentence: light; Translation in English: Licht, Luz; "
        "Sentence: water<br>and paper; Translation in English:"
    )
    assert received["max_length"] == 150
    answer = response.json()
    assert answer["outputs"] == [answer["output"]]
    assert ";" not in answer["output"]
    assert answer["prompt_characters"] == len(received["text_inputs"])


def test_an_entailment_has_a_label_or_null(cloud: LocalCloud) -> None:
    body = {"context": "light over water", "hypothesis": "paper", "parameters": {"max_length": 400}}
    response = cloud.call("POST", "/tasks/entail", body)
    assert response.status_code == 200
    assert response.json()["label"] in ("True", "False", "Neither", None)


def test_the_prompt_alone_reaches_no_model(cloud: LocalCloud) -> None:
    before = cloud.invocations()
    response = cloud.call("POST", "/tasks/summarize", {"article": "{article} <br> Article: x", "prompt_only": True})
    assert response.json()["prompt"] == "[CLM] {article}   Article: x ==> Short summary:"
    assert cloud.invocations() == before


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "param"),
    [
        ("POST", "/tasks/summarize", {"articel": "x"}, 400, "articel"),
        ("POST", "/tasks/summarize", {"article": "x", "shots": [{"article": "a"}]}, 400, "shots[0].summary"),
        ("POST", "/tasks/nothing", {"article": "x"}, 404, None),
        ("GET", "/tasks/summarize", None, 404, None),
    ],
)
def test_bad_input_is_refused(
    cloud: LocalCloud, method: str, path: str, body: object, status: int, param: str | None
) -> None:
    before = cloud.invocations()
    response = cloud.call(method, path, body)
    assert response.status_code == status
    assert response.json()["error"]["param"] == param
    assert cloud.invocations() == before


TEXT = "light water paper bridge window garden. " * 30  # words that the tiny model's tokenizer knows


def test_a_text_longer_than_the_window_is_refused_with_the_numbers(cloud: LocalCloud) -> None:
    before = cloud.invocations()
    response = cloud.generate(TEXT * 40)
    assert response.status_code == 422
    error = response.json()["error"]
    assert (error["type"], error["param"]) == ("window_exceeded", "text_inputs")
    assert "8192" in error["message"]
    assert cloud.invocations() == before


def test_a_text_is_cut_where_the_caller_says(cloud: LocalCloud) -> None:
    response = cloud.generate(TEXT, truncate="head", max_length=160)
    assert response.status_code == 200
    [cut] = response.json()["cut"]
    assert (cut["input"], cut["start"]) == (0, 0)
    assert last(cloud)["text_inputs"] == "[CLM] " + TEXT[cut["end"] :]


def test_a_text_is_sent_in_parts(cloud: LocalCloud) -> None:
    response = cloud.generate(TEXT, split=True, max_length=300)
    assert response.status_code == 200
    told = response.json()["split"]
    assert told["parts"] == told["done"] > 1
    received = [request["text_inputs"].removeprefix("[CLM] ") for request in cloud.invocations()[-told["done"] :]]
    assert "".join(received) == TEXT
    assert response.json()["generated_texts"] == ["\n".join(told["texts"])]


def test_what_was_answered_before_a_part_failed_is_returned(cloud: LocalCloud) -> None:
    cloud.fault(fault="slow", times=1, seconds=0)  # the first part passes
    cloud.fault(fault="model_error_5xx", times=1)
    response = cloud.generate(TEXT, split=True, max_length=300)
    assert response.status_code == 200
    told = response.json()["split"]
    assert (told["done"], told["error"]["type"]) == (1, "model_failed")
    assert told["parts"] > 1
    answered, failed = (request["text_inputs"].removeprefix("[CLM] ") for request in cloud.invocations()[-2:])
    assert answered == TEXT[: told["continue_at"]]
    assert TEXT[told["continue_at"] :].startswith(failed)


def test_a_task_cuts_its_article_and_nothing_else(cloud: LocalCloud) -> None:
    body = {"article": TEXT, "truncate": "head", "parameters": {"max_length": 160}}
    response = cloud.call("POST", "/tasks/summarize", body)
    assert response.status_code == 200
    [cut] = response.json()["cut"]
    assert (cut["input"], cut["start"]) == (0, 0)
    assert last(cloud)["text_inputs"] == f"[CLM] {TEXT[cut['end'] :]} ==> Short summary:"


def test_a_task_sends_its_source_in_parts_each_in_the_frame(cloud: LocalCloud) -> None:
    body = {"source": TEXT, "split": True, "parameters": {"max_length": 400}}
    response = cloud.call("POST", "/tasks/translate", body)
    assert response.status_code == 200
    told = response.json()["split"]
    assert told["parts"] == told["done"] > 1
    received = [request["text_inputs"] for request in cloud.invocations()[-told["done"] :]]
    parts = [TEXT[start:end] for start, end in told["spans"]]
    assert received == [f"[CLM] Sentence: {part}; Translation in English:" for part in parts]
    assert response.json()["output"] == "\n".join(told["texts"])
