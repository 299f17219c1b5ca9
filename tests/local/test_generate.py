"""POST /generate from outside: what reaches the model, what comes back, and what never gets there."""

import json
import time
from typing import Any

import pytest
import requests

from .conftest import LocalCloud


def last(cloud: LocalCloud) -> dict[str, Any]:
    """What the model's container received last."""
    found: dict[str, Any] = cloud.invocations()[-1]
    return found


def test_a_question_is_answered(cloud: LocalCloud) -> None:
    response = cloud.generate("The light of the bridge", max_length=40)
    assert response.status_code == 200
    answer = response.json()
    assert [type(text) for text in answer["generated_texts"]] == [str]
    assert answer["generated_texts"][0]
    assert answer["model"] == "smollm2-135m-instruct"
    assert answer["request_id"]


def test_a_batch_is_answered_in_order(cloud: LocalCloud) -> None:
    texts = ["light", "water and paper", "turn"]
    alone = [cloud.generate(text, max_length=30).json()["generated_texts"][0] for text in texts]
    together = cloud.generate(texts, max_length=30).json()["generated_texts"]
    assert len(together) == 3
    assert together[0] != together[1]
    assert len(set(alone)) == 3


@pytest.mark.parametrize(
    ("sent", "clm", "received"),
    [
        ("hello", None, "[CLM] hello"),
        ("[CLM] hello", None, "[CLM] hello"),
        ("[CLM]hello", None, "[CLM] hello"),
        ("hello", True, "[CLM] hello"),
        ("hello", False, "hello"),
        ("one\ntwo", None, "[CLM] one\ntwo"),
    ],
)
def test_the_mode_mark_is_put_once(cloud: LocalCloud, sent: str, clm: bool | None, received: str) -> None:
    parameters = {} if clm is None else {"clm": clm}
    assert cloud.generate(sent, **parameters).status_code == 200
    assert last(cloud)["text_inputs"] == received


def test_the_ten_parameters_reach_the_model_and_nothing_else_does(cloud: LocalCloud) -> None:
    ten = {
        "max_length": 40,
        "num_return_sequences": 2,
        "num_beams": 2,
        "no_repeat_ngram_size": 2,
        "temperature": 0.7,
        "early_stopping": True,
        "do_sample": True,
        "top_k": 20,
        "top_p": 0.9,
        "seed": 7,
    }
    response = cloud.generate("hello", **ten, clm=False, trim_at=";")
    assert response.status_code == 200
    assert len(response.json()["generated_texts"]) == 2
    assert last(cloud) == {"text_inputs": "hello", **ten}


def test_without_max_length_the_answer_has_room_for_64_tokens(cloud: LocalCloud) -> None:
    assert cloud.generate("hello").status_code == 200
    estimate = last(cloud)["max_length"] - 64
    assert 1 <= estimate <= 10  # the mark and one word
    assert cloud.generate("light " * 50).status_code == 200
    assert last(cloud)["max_length"] >= 64 + 50


def test_the_same_seed_gives_the_same_text(cloud: LocalCloud) -> None:
    texts = [cloud.generate("hello", do_sample=True, seed=seed, max_length=40).json() for seed in (1, 1, 2)]
    first, again, other = (text["generated_texts"] for text in texts)
    assert first == again != other


def test_an_answer_is_cut_at_the_delimiter(cloud: LocalCloud) -> None:
    whole = cloud.generate("hello", max_length=60).json()["generated_texts"][0]
    delimiter = whole.strip()[5:8]
    cut = cloud.generate("hello", max_length=60, trim_at=delimiter).json()["generated_texts"][0]
    assert cut == whole[: whole.index(delimiter)].strip()


BAD_BODIES: dict[str, tuple[bytes, int, str | None]] = {
    "malformed JSON": (b'{"text_inputs": "hi"', 400, None),
    "an empty body": (b" ", 400, None),
    "not an object": (b'["hi"]', 400, None),
    "a wrong type": (b'{"text_inputs": 7}', 400, "text_inputs"),
    "no text_inputs": (b'{"max_length": 7}', 400, "text_inputs"),
    "an empty prompt": (b'{"text_inputs": ""}', 400, "text_inputs"),
    "an empty batch": (b'{"text_inputs": []}', 400, "text_inputs"),
    "1,000 inputs": (json.dumps({"text_inputs": ["hi"] * 1000}).encode(), 400, "text_inputs"),
    "6 MB of prompt": (json.dumps({"text_inputs": "x" * 6_000_000}).encode(), 413, None),
    "NaN": (b'{"text_inputs": "hi", "temperature": NaN}', 400, None),
    "infinity": (b'{"text_inputs": "hi", "temperature": 1e999}', 400, "temperature"),
    "half a surrogate pair": (b'{"text_inputs": "\\ud800"}', 400, "text_inputs"),
    "an unknown parameter": (b'{"text_inputs": "hi", "max_new_tokens": 5}', 400, "max_new_tokens"),
    "a bool for an integer": (b'{"text_inputs": "hi", "max_length": true}', 400, "max_length"),
    "deep nesting": (b'{"text_inputs": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, None),
    "a number of 10,000 digits": (b'{"text_inputs": "hi", "seed": ' + b"9" * 10_000 + b"}", 400, None),
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_bad_input_is_refused_by_name_and_never_reaches_the_model(cloud: LocalCloud, name: str) -> None:
    body, status, param = BAD_BODIES[name]
    assert cloud.generate(f"before {name}", max_length=40).status_code == 200
    before = cloud.invocations()
    begun = time.monotonic()
    response = cloud.call("POST", "/generate", data=body)
    seconds = time.monotonic() - begun
    assert response.status_code == status
    error = response.json()["error"]
    assert set(error) == {"type", "message", "param", "request_id"}
    assert error["message"]
    assert param is None or error["param"] == param
    assert cloud.invocations() == before
    assert seconds < 5  # the cloud is not wedged; the proxy's own time is measured in the unit tests


@pytest.mark.parametrize("headers", [{"x-api-key": ""}, {"x-api-key": "wrong"}])
def test_without_a_key_nothing_is_answered(cloud: LocalCloud, headers: dict[str, str]) -> None:
    before = cloud.invocations()
    response = requests.post(f"{cloud.api_url}/generate", json={"text_inputs": "hi"}, headers=headers, timeout=30)
    assert response.status_code == 403
    error = response.json()["error"]
    assert error["type"] == "forbidden"
    assert "x-api-key" in error["message"]
    assert error["request_id"]
    assert cloud.invocations() == before


def test_an_unknown_route_says_which_there_are(cloud: LocalCloud) -> None:
    response = cloud.call("GET", "/nothing")
    assert response.status_code == 404
    assert "POST /generate" in response.json()["error"]["message"]
