"""What the OpenAI-compatible routes refuse: by name, in OpenAI's shape, at once, and before the model is asked."""

import inspect
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proxy.openai.fields import (
    HONOURED_IN_CHAT,
    HONOURED_IN_COMPLETIONS,
    NEUTRAL_IN_CHAT,
    NEUTRAL_IN_COMPLETIONS,
)

from tests.unit.proxy.fakes import SETTINGS, Answer, Api, event, template_text
from tests.unit.proxy.openai_client import client

CHAT = {"model": "gpt-of-old", "messages": [{"role": "user", "content": "hello"}]}
TEXT = {"model": "gpt-of-old", "prompt": "hello"}
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
HALF = "\ud83d"

Refuse = Callable[[str, object], Answer]


def said(content: object, role: object = "user", **more: object) -> dict[str, object]:
    return {"messages": [{"role": role, "content": content, **more}]}


IN_BOTH: dict[str, tuple[dict[str, object], str]] = {
    "no model": ({"model": None}, "model"),
    "number as model": ({"model": 5}, "model"),
    "half a surrogate pair as model": ({"model": HALF}, "model"),
    "stream": ({"stream": True}, "stream"),
    "stream as number": ({"stream": 0}, "stream"),
    "stream options": ({"stream_options": {"include_usage": True}}, "stream_options"),
    "frequency penalty": ({"frequency_penalty": 0.1}, "frequency_penalty"),
    "presence penalty": ({"presence_penalty": -1}, "presence_penalty"),
    "penalty as boolean": ({"presence_penalty": False}, "presence_penalty"),
    "logit bias": ({"logit_bias": {"50256": -100}}, "logit_bias"),
    "temperature below 0": ({"temperature": -0.1}, "temperature"),
    "temperature above 2": ({"temperature": 2.1}, "temperature"),
    "temperature as string": ({"temperature": "1"}, "temperature"),
    "temperature as boolean": ({"temperature": True}, "temperature"),
    "temperature beyond every float": ({"temperature": 10**400}, "temperature"),
    "top_p of 0": ({"top_p": 0}, "top_p"),
    "top_p above 1": ({"top_p": 1.01}, "top_p"),
    "top_p as array": ({"top_p": [0.5]}, "top_p"),
    "no texts": ({"n": 0}, "n"),
    "65 texts": ({"n": 65}, "n"),
    "texts as float": ({"n": 1.0}, "n"),
    "several greedy texts": ({"n": 2, "temperature": 0}, "n"),
    "several texts as good as greedy": ({"n": 2, "temperature": 1e-6}, "n"),
    "no tokens": ({"max_tokens": 0}, "max_tokens"),
    "tokens as boolean": ({"max_tokens": True}, "max_tokens"),
    "more tokens than any window": ({"max_tokens": 2**20 + 1}, "max_tokens"),
    "seed as float": ({"seed": 1.5}, "seed"),
    "seed beyond 64 bits": ({"seed": 2**63}, "seed"),
    "empty stop": ({"stop": ""}, "stop"),
    "empty stop in an array": ({"stop": ["a", ""]}, "stop[1]"),
    "number as stop": ({"stop": 5}, "stop"),
    "five stops": ({"stop": ["1", "2", "3", "4", "5"]}, "stop"),
    "object as stop": ({"stop": {"a": 1}}, "stop"),
    "half a surrogate pair as stop": ({"stop": ["a", HALF]}, "stop[1]"),
    "number as user": ({"user": 5}, "user"),
    "half a surrogate pair as user": ({"user": HALF}, "user"),
    "unknown": ({"top_k": 5}, "top_k"),
    "unknown, in capitals": ({"Temperature": 1}, "Temperature"),
}

IN_CHAT: dict[str, tuple[dict[str, object], str]] = {
    "no messages": ({"messages": None}, "messages"),
    "empty messages": ({"messages": []}, "messages"),
    "messages as string": ({"messages": "hello"}, "messages"),
    "messages as object": ({"messages": {"role": "user", "content": "hello"}}, "messages"),
    "1,001 messages": ({"messages": CHAT["messages"] * 1001}, "messages"),  # type: ignore[operator]
    "string as message": ({"messages": ["hello"]}, "messages[0]"),
    "message without role": ({"messages": [{"content": "hello"}]}, "messages[0].role"),
    "unknown role": (said("hello", "robot"), "messages[0].role"),
    "tool": (said("4", "tool", tool_call_id="1"), "messages[0].role"),
    "role in capitals": (said("hello", "User"), "messages[0].role"),
    "role as number": (said("hello", 1), "messages[0].role"),
    "role as array": (said("hello", ["user"]), "messages[0].role"),
    "null content": (said(None), "messages[0].content"),
    "null content of an assistant": (said(None, "assistant"), "messages[0].content"),
    "number as content": (said(5), "messages[0].content"),
    "object as content": (said({"type": "text", "text": "a"}), "messages[0].content"),
    "empty content": (said(""), "messages[0].content"),
    "blank content": (said(" \n"), "messages[0].content"),
    "empty system": (said("", "system"), "messages[0].content"),
    "no parts": (said([]), "messages[0].content"),
    "image": (said([{"type": "text", "text": "what is this?"}, IMAGE]), "messages[0].content[1]"),
    "audio": (said([{"type": "input_audio", "input_audio": {}}]), "messages[0].content[0]"),
    "part without type": (said([{"text": "a"}]), "messages[0].content[0]"),
    "string as part": (said(["a"]), "messages[0].content[0]"),
    "part without text": (said([{"type": "text"}]), "messages[0].content[0].text"),
    "part with more": (
        said([{"type": "text", "text": "a", "cache_control": 1}]),
        "messages[0].content[0].cache_control",
    ),
    "half a surrogate pair": (said(HALF), "messages[0].content"),
    "half a surrogate pair in a part": (said([{"type": "text", "text": HALF}]), "messages[0].content[0].text"),
    "name": (said("hello", name="Ann"), "messages[0].name"),
    "tool calls": (said("", "assistant", tool_calls=[{"id": "1"}]), "messages[0].tool_calls"),
    "tools": ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
    "a forced tool": ({"tool_choice": "required"}, "tool_choice"),
    "functions": ({"functions": [{"name": "f"}]}, "functions"),
    "logprobs": ({"logprobs": True}, "logprobs"),
    "top logprobs": ({"top_logprobs": 2}, "top_logprobs"),
    "JSON mode": ({"response_format": {"type": "json_object"}}, "response_format"),
    "reasoning": ({"reasoning_effort": "high"}, "reasoning_effort"),
    "sound": ({"modalities": ["text", "audio"]}, "modalities"),
    "storing": ({"store": True}, "store"),
    "metadata": ({"metadata": {"a": "b"}}, "metadata"),
    "flex": ({"service_tier": "flex"}, "service_tier"),
    "no new tokens": ({"max_completion_tokens": 0}, "max_completion_tokens"),
    "two bounds that differ": ({"max_completion_tokens": 5, "max_tokens": 6}, "max_tokens"),
    "prompt": ({"prompt": "hello"}, "prompt"),
}

IN_COMPLETIONS: dict[str, tuple[dict[str, object], str]] = {
    "no prompt": ({"prompt": None}, "prompt"),
    "empty prompt": ({"prompt": ""}, "prompt"),
    "blank prompt": ({"prompt": " \n"}, "prompt"),
    "no prompts": ({"prompt": []}, "prompt"),
    "65 prompts": ({"prompt": ["a"] * 65}, "prompt"),
    "66 texts": ({"prompt": ["a"] * 33, "n": 2}, "prompt"),
    "tokens": ({"prompt": [1, 2, 3]}, "prompt[0]"),
    "arrays of tokens": ({"prompt": [[1, 2, 3]]}, "prompt[0]"),
    "half a surrogate pair": ({"prompt": ["a", HALF]}, "prompt[1]"),
    "messages": ({"messages": CHAT["messages"]}, "messages"),
    "echo": ({"echo": True}, "echo"),
    "suffix": ({"suffix": "b"}, "suffix"),
    "logprobs": ({"logprobs": 0}, "logprobs"),
    "best_of": ({"best_of": 3}, "best_of"),
    "best_of as boolean": ({"best_of": True}, "best_of"),
    "max_completion_tokens": ({"max_completion_tokens": 5}, "max_completion_tokens"),
}


@pytest.fixture(params=["alexatm", "tgi", "openai"])
def refuse(request: pytest.FixtureRequest) -> Refuse:
    """Sends a body that must be answered within half a second of work, in OpenAI's shape, and without the model."""
    api = Api(replace(SETTINGS, contract=request.param, chat_template="" if request.param == "openai" else PLAIN))

    def send(path: str, body: object) -> Answer:
        sent = event("POST", path, body)
        started = time.thread_time()
        answer = api.send(sent)
        assert time.thread_time() - started < 0.5
        assert api.runtime.requests == []
        assert list(answer.body["error"]) == ["message", "type", "param", "code"]
        assert answer.body["error"]["type"] == "invalid_request_error"
        return answer

    return send


PLAIN = template_text("plain")


@pytest.mark.parametrize(("fields", "param"), [*IN_BOTH.values(), *IN_CHAT.values()], ids=[*IN_BOTH, *IN_CHAT])
def test_a_chat_is_refused_by_name(refuse: Refuse, fields: dict[str, object], param: str) -> None:
    error = refuse("/v1/chat/completions", CHAT | fields).body["error"]
    assert (error["code"], error["param"]) == ("invalid_parameter", param)
    assert param in error["message"]


@pytest.mark.parametrize(
    ("fields", "param"), [*IN_BOTH.values(), *IN_COMPLETIONS.values()], ids=[*IN_BOTH, *IN_COMPLETIONS]
)
def test_a_text_completion_is_refused_by_name(refuse: Refuse, fields: dict[str, object], param: str) -> None:
    error = refuse("/v1/completions", TEXT | fields).body["error"]
    assert (error["code"], error["param"]) == ("invalid_parameter", param)
    assert param in error["message"]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
@pytest.mark.parametrize("body", ["", "[]", "{", '{"model": NaN}', '{"a": 1, "a": 2}', "[" + "{}," * 340_000 + "{}]"])
def test_a_body_that_is_no_json_object_is_refused(refuse: Refuse, path: str, body: str) -> None:
    assert refuse(path, body).status == 400


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
def test_a_body_over_one_mebibyte_is_refused(refuse: Refuse, path: str) -> None:
    assert refuse(path, json.dumps(TEXT | {"prompt": "a" * 2**20})).status == 413


def test_a_conversation_of_a_thousand_messages_is_taken(api: Api) -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": "a"}]}] * 1000
    assert api.send(event("POST", "/v1/chat/completions", CHAT | {"messages": messages})).status == 200


@pytest.mark.parametrize("name", sorted(NEUTRAL_IN_CHAT))
def test_a_parameter_of_a_chat_may_say_that_it_asks_for_nothing(every_body: Callable[..., int], name: str) -> None:
    for value in (*NEUTRAL_IN_CHAT[name], None):
        assert every_body("/v1/chat/completions", CHAT | {name: value}) == 200


@pytest.mark.parametrize("name", sorted(NEUTRAL_IN_COMPLETIONS))
def test_a_parameter_of_a_text_completion_may_too(every_body: Callable[..., int], name: str) -> None:
    for value in (*NEUTRAL_IN_COMPLETIONS[name], None):
        assert every_body("/v1/completions", TEXT | {name: value}) == 200


@pytest.fixture
def every_body(api: Api) -> Callable[[str, object], int]:
    return lambda path, body: api.send(event("POST", path, body)).status


def test_best_of_may_be_n(every_body: Callable[..., int]) -> None:
    assert every_body("/v1/completions", TEXT | {"best_of": 2, "n": 2}) == 200


def test_every_parameter_that_the_official_client_has_is_known_here(api: Api) -> None:
    """Its next version may have new ones: each must be honoured, or known to be refused."""
    of_the_client = {"self", "extra_headers", "extra_query", "extra_body", "timeout"}
    official = client(api)
    for create, known in (
        (official.chat.completions.create, {*HONOURED_IN_CHAT, *NEUTRAL_IN_CHAT}),
        (official.completions.create, {*HONOURED_IN_COMPLETIONS, *NEUTRAL_IN_COMPLETIONS}),
    ):
        assert set(inspect.signature(create).parameters) - of_the_client == known


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=8,
)
CONTRACTS = st.sampled_from(["alexatm", "tgi", "openai"])


@given(st.dictionaries(st.sampled_from([*HONOURED_IN_CHAT, *NEUTRAL_IN_CHAT]), JSON, max_size=4), CONTRACTS)
def test_no_fields_of_a_chat_are_ever_answered_by_5xx(fields: dict[str, Any], contract: str) -> None:
    api = Api(replace(SETTINGS, contract=contract))
    assert api.send(event("POST", "/v1/chat/completions", CHAT | fields)).status in (200, 400, 404)


MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant", "tool"]) | JSON, "content": JSON},
    optional={"name": JSON, "tool_calls": JSON},
)


@given(st.lists(MESSAGE | JSON, max_size=4), st.sampled_from(["alexatm", "chatml", "llama-2-chat", "plain"]))
def test_no_messages_are_ever_answered_by_5xx(messages: list[Any], name: str) -> None:
    api = Api(replace(SETTINGS, chat_template=template_text(name)))
    sent = event("POST", "/v1/chat/completions", CHAT | {"messages": messages})
    assert api.send(sent).status in (200, 400)
