"""Bad input is a 4xx in the one error shape, at once, and never reaches the model."""

import base64
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proxy.parameters import RULES

from tests.unit.proxy.fakes import SETTINGS, Answer, Api, event

PROMPT = {"text_inputs": "hello"}
HUGE_INTEGER = "9" * 5000

MALFORMED = {
    "empty": "",
    "blank": " \n",
    "no JSON": "hello",
    "cut JSON": '{"text_inputs": "hel',
    "byte order mark": '\ufeff{"text_inputs": "hello"}',
    "raw control character": '{"text_inputs": "a\x00b"}',
    "array": '["hello"]',
    "string": '"hello"',
    "null": "null",
    "NaN": '{"text_inputs": "hello", "temperature": NaN}',
    "Infinity": '{"text_inputs": "hello", "temperature": Infinity}',
    "-Infinity": '{"text_inputs": "hello", "temperature": -Infinity}',
    "deep nesting": "[" * 100_000,
    "deep objects": '{"a":' * 100_000,
    "integer of 5,000 digits": f'{{"text_inputs": "hello", "max_length": {HUGE_INTEGER}}}',
    "raw surrogate": '{"text_inputs": "\ud800"}',
}

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no prompt": ({"max_length": 5}, "text_inputs"),
    "empty prompt": ({"text_inputs": ""}, "text_inputs"),
    "blank prompt": ({"text_inputs": " \t\n"}, "text_inputs"),
    "only the mark": ({"text_inputs": "[CLM] "}, "text_inputs"),
    "number as prompt": ({"text_inputs": 5}, "text_inputs"),
    "null prompt": ({"text_inputs": None}, "text_inputs"),
    "object as prompt": ({"text_inputs": {}}, "text_inputs"),
    "empty batch": ({"text_inputs": []}, "text_inputs"),
    "65 inputs": ({"text_inputs": ["a"] * 65}, "text_inputs"),
    "1,000 inputs": ({"text_inputs": ["a"] * 1000}, "text_inputs"),
    "empty input in a batch": ({"text_inputs": ["a", ""]}, "text_inputs[1]"),
    "nested batch": ({"text_inputs": [["a"]]}, "text_inputs[0]"),
    "half a surrogate pair": ({"text_inputs": "\ud83d"}, "text_inputs"),
    "the other half, in a batch": ({"text_inputs": ["a", "\ude00"]}, "text_inputs[1]"),
    "clm as string": (PROMPT | {"clm": "true"}, "clm"),
    "clm null": (PROMPT | {"clm": None}, "clm"),
    "clm as number": (PROMPT | {"clm": 1}, "clm"),
    "empty trim_at": (PROMPT | {"trim_at": ""}, "trim_at"),
    "trim_at null": (PROMPT | {"trim_at": None}, "trim_at"),
    "trim_at surrogate": (PROMPT | {"trim_at": "\udc00"}, "trim_at"),
    "unknown parameter": (PROMPT | {"max_new_tokens": 5}, "max_new_tokens"),
    "parameter in capitals": (PROMPT | {"Temperature": 1.0}, "Temperature"),
}


Refuse = Callable[..., Answer]


@pytest.fixture
def refuse(api: Api) -> Refuse:
    """Sends a body that must be answered within half a second of work and without the model."""

    def send(body: object, **fields: object) -> Answer:
        sent = event("POST", "/generate", body, **fields)
        started = time.thread_time()
        answer = api.send(sent)
        assert time.thread_time() - started < 0.5
        assert api.runtime.requests == []
        return answer

    return send


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_a_body_that_is_no_json_object_is_refused(refuse: Refuse, body: str) -> None:
    answer = refuse(body)
    assert (answer.status, answer.error["type"]) == (400, "invalid_request")


@pytest.mark.parametrize(("body", "param"), REFUSED.values(), ids=REFUSED)
def test_a_field_that_is_wrong_is_refused_by_name(refuse: Refuse, body: dict[str, Any], param: str) -> None:
    answer = refuse(body)
    assert (answer.status, answer.error["type"], answer.error["param"]) == (400, "invalid_parameter", param)


def test_a_name_given_twice_is_refused(refuse: Refuse) -> None:
    answer = refuse('{"text_inputs": "a", "seed": 1, "seed": 2}')
    assert (answer.status, answer.error["param"]) == (400, "seed")


@pytest.mark.parametrize("value", [None, 5, {}])
def test_a_prompt_that_is_none_is_answered_with_both_kinds_that_there_are(refuse: Refuse, value: object) -> None:
    message = refuse({"text_inputs": value}).error["message"]
    assert message.endswith("must be a string or an array of strings.")


def test_an_unknown_parameter_is_answered_with_the_allowed_ones(refuse: Refuse) -> None:
    message = refuse(PROMPT | {"max_tokens": 5}).error["message"]
    assert all(name in message for name in ("text_inputs", "clm", "trim_at", *RULES))


@pytest.mark.parametrize("size", [2**20 - 40, 2 * 2**20, 6_000_000])
def test_a_body_over_one_mebibyte_is_refused_as_too_large(refuse: Refuse, size: int) -> None:
    body = json.dumps({"text_inputs": "é" * size}, ensure_ascii=False)
    answer = refuse(body)
    assert (answer.status, answer.error["type"]) == (413, "payload_too_large")


def test_a_body_of_exactly_one_mebibyte_is_taken(api: Api) -> None:
    frame = len(json.dumps({"text_inputs": ""}))
    assert api.generate({"text_inputs": "a" * (2**20 - frame)}).status == 200
    assert api.generate({"text_inputs": "a" * (2**20 - frame + 1)}).status == 413


@pytest.mark.parametrize(
    "body", ["[" + "{}," * 340_000 + "{}]", "[" + ("9" * 4300 + ",") * 240 + "1]", "[" + "1," * 520_000 + "1]"]
)
def test_a_large_and_costly_body_is_refused_as_fast(refuse: Refuse, body: str) -> None:
    assert refuse(body).status == 400


def test_one_duplicate_among_very_many_names_is_found_as_fast(refuse: Refuse) -> None:
    names = ",".join(f'"{number}":1' for number in range(60_000))
    assert refuse(f'{{{names},"7":1}}').error["param"] == "7"


@pytest.mark.parametrize(
    "body",
    [
        "!!!!",
        "!" + base64.b64encode(b'{"text_inputs": "a"}').decode(),
        "abc",
        "a\nb=",
        base64.b64encode(b'{"text_inputs": "\xff"}').decode(),
        "é",
    ],
    ids=["alphabet", "one character", "padding", "newline", "utf-8", "non-ascii"],
)
def test_base64_that_does_not_decode_to_text_is_refused(refuse: Refuse, body: str) -> None:
    assert refuse(body, isBase64Encoded=True).status == 400


def test_megabytes_of_base64_are_too_large(refuse: Refuse) -> None:
    assert refuse("A" * 6_000_000, isBase64Encoded=True).status == 413


def test_a_base64_body_is_read(api: Api) -> None:
    body = base64.b64encode(json.dumps(PROMPT).encode()).decode()
    assert api.generate(body, isBase64Encoded=True).status == 200


def test_nul_and_characters_beyond_the_basic_plane_are_characters(api: Api) -> None:
    text = "a\x00b 😀 日本"
    assert api.generate({"text_inputs": text, "clm": False}).body["generated_texts"] == [text[::-1]]


@given(st.text())
def test_no_text_as_body_is_ever_answered_by_5xx(body: str) -> None:
    assert Api().generate(body).status in (400, 413)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from(["text_inputs", "clm", "trim_at", *RULES]), JSON, max_size=4),
    st.sampled_from(["alexatm", "tgi"]),
)
def test_no_json_object_as_body_is_ever_answered_by_5xx(body: dict[str, Any], contract: str) -> None:
    assert Api(replace(SETTINGS, contract=contract)).generate(body).status in (200, 400)


@pytest.mark.parametrize(
    "sent",
    [
        None,
        [],
        "event",
        {},
        {"httpMethod": None, "path": 5, "requestContext": None, "body": {}},
        event("POST", "/generate", PROMPT, requestContext=[]) | {"path": None, "resource": None},
    ],
)
def test_an_event_that_is_none_of_api_gateways_is_answered(api: Api, sent: object) -> None:
    answer = api.send(sent)
    assert (answer.status, answer.body["error"]["type"]) == (404, "not_found")
