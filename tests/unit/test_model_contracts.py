"""The containers' request shapes: what is accepted, what is refused, and how much the model may write."""

from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotlight.local.model_contracts import CONTRACTS
from pilotlight.local.model_request import EndReason, Generation, Written, new_tokens_allowed
from pilotlight.local.model_rules import UnusableRequestError

ALEXATM, TGI, OPENAI = CONTRACTS["alexatm"], CONTRACTS["tgi"], CONTRACTS["openai"]

ALL_ALEXATM_PARAMETERS = {
    "max_length": 80,
    "num_return_sequences": 2,
    "num_beams": 4,
    "no_repeat_ngram_size": 2,
    "temperature": 2,
    "early_stopping": True,
    "do_sample": True,
    "top_k": 50,
    "top_p": 0.9,
    "seed": 1,
}

tokens = st.integers(min_value=1, max_value=9000)
windows = st.integers(min_value=2, max_value=8192)


@given(tokens, tokens, windows)
def test_max_length_counts_input_and_output_and_never_leaves_the_window(
    max_length: int, input_tokens: int, window: int
) -> None:
    request = Generation(prompts=("a",), max_length=max_length)
    if input_tokens < max_length <= window:
        assert input_tokens + new_tokens_allowed(request, input_tokens, window) == max_length
    else:
        with pytest.raises(UnusableRequestError):
            new_tokens_allowed(request, input_tokens, window)


@given(tokens, tokens, windows)
def test_max_new_tokens_counts_the_output_only_and_never_leaves_the_window(
    max_new_tokens: int, input_tokens: int, window: int
) -> None:
    request = Generation(prompts=("a",), max_new_tokens=max_new_tokens)
    if input_tokens + max_new_tokens <= window:
        assert new_tokens_allowed(request, input_tokens, window) == max_new_tokens
    else:
        with pytest.raises(UnusableRequestError):
            new_tokens_allowed(request, input_tokens, window)


@given(tokens, windows)
def test_without_a_length_the_model_writes_at_most_fifty_tokens_and_fills_no_more_than_its_window(
    input_tokens: int, window: int
) -> None:
    request = Generation(prompts=("a",))
    if input_tokens < window:
        assert new_tokens_allowed(request, input_tokens, window) == min(50, window - input_tokens)
    else:
        with pytest.raises(UnusableRequestError):
            new_tokens_allowed(request, input_tokens, window)


def test_a_refused_length_names_the_numbers() -> None:
    with pytest.raises(UnusableRequestError, match=r"max_length is 5.*input alone is 7 tokens"):
        new_tokens_allowed(Generation(prompts=("a",), max_length=5), 7, 100)


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("[CLM] Hello", "Hello"),
        ("[CLM]Hello", "Hello"),
        ("[CLM]  Hello", " Hello"),
        (" [CLM] Hello", " [CLM] Hello"),
        ("Hello [CLM] ", "Hello [CLM] "),
        (" Hello", " Hello"),
    ],
)
def test_the_mode_switch_is_stripped_from_the_head_of_a_prompt_and_nowhere_else(text: str, prompt: str) -> None:
    assert ALEXATM.parse({"text_inputs": [text, "b"]}).prompts == (prompt, "b")


def test_all_ten_alexatm_parameters_reach_the_model() -> None:
    request = ALEXATM.parse({"text_inputs": "a", **ALL_ALEXATM_PARAMETERS})

    received = {"max_length": request.max_length, "seed": request.seed, **request.options}
    assert received == ALL_ALEXATM_PARAMETERS
    assert isinstance(request.options["temperature"], float), "transformers refuses an integer here"


def test_all_tgi_parameters_reach_the_model() -> None:
    parameters = {
        "do_sample": True,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 5,
        "num_return_sequences": 2,
        "repetition_penalty": 1.1,
    }
    own = {"max_new_tokens": 7, "seed": 3, "stop": ["\n"], "return_full_text": True}
    request = TGI.parse({"inputs": "a", "parameters": parameters | own})

    assert request == Generation(("a",), max_new_tokens=7, seed=3, stop=("\n",), options=parameters)


def test_tgi_writes_twenty_tokens_unless_told_otherwise() -> None:
    assert TGI.parse({"inputs": "a"}).max_new_tokens == 20


def written(text: str, *, tokens: int = 1, ended_by: EndReason = "length") -> Written:
    return Written(text, prompt_tokens=3, tokens=tokens, ended_by=ended_by)


def test_tgi_repeats_the_prompt_only_when_asked() -> None:
    full = {"inputs": "a ", "parameters": {"return_full_text": True}}

    texts = [written("b"), written("c")]
    assert TGI.render({"inputs": "a "}, texts) == [{"generated_text": "b"}, {"generated_text": "c"}]
    assert TGI.render(full, texts[:1]) == [{"generated_text": "a b"}]


@pytest.mark.parametrize(
    ("ended_by", "reason"), [("end", "eos_token"), ("stop", "stop_sequence"), ("length", "length")]
)
def test_tgi_gives_details_when_asked(ended_by: EndReason, reason: str) -> None:
    (item,) = TGI.render({"inputs": "a", "parameters": {"details": True}}, [written("b", tokens=7, ended_by=ended_by)])
    assert (item["details"]["finish_reason"], item["details"]["generated_tokens"]) == (reason, 7)


class TestOpenAI:
    MESSAGES: ClassVar = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "u"},
        {"role": "assistant", "content": ""},
        {"role": "user", "content": "v"},
    ]

    def test_all_parameters_reach_the_model(self) -> None:
        sampling = {"temperature": 1, "top_p": 0.5, "top_k": 5}
        asked = {"prompt": "a", "max_tokens": 7, "n": 2, "stop": "x", "seed": -3}
        options = sampling | {"do_sample": True, "num_return_sequences": 2}
        assert OPENAI.parse(asked | sampling) == Generation(
            ("a",), max_new_tokens=7, seed=-3, stop=("x",), options=options
        )

    def test_messages_are_left_to_the_models_own_template(self) -> None:
        request = OPENAI.parse({"messages": self.MESSAGES, "stop": ["x", "y"]})
        assert (request.prompts, request.messages, request.stop) == ((), tuple(self.MESSAGES), ("x", "y"))

    def test_a_temperature_of_nothing_is_greedy(self) -> None:
        assert OPENAI.parse({"prompt": "a", "temperature": 0}).options == {"do_sample": False}

    @pytest.mark.parametrize(
        ("body", "name"),
        [
            ({}, "prompt"),
            ({"prompt": "a", "messages": MESSAGES}, "prompt"),
            ({"prompt": ["a"]}, "prompt"),
            ({"messages": []}, "messages"),
            ({"messages": [{"role": "user", "content": ""}]}, "messages"),
            ({"messages": [{"role": "tool", "content": "a"}]}, "messages"),
            ({"messages": [{"role": "user", "content": "a", "name": "b"}]}, "messages"),
            ({"prompt": "a", "max_tokens": 0}, "max_tokens"),
            ({"prompt": "a", "temperature": 2.1}, "temperature"),
            ({"prompt": "a", "top_p": 0}, "top_p"),
            ({"prompt": "a", "n": 2, "temperature": 0}, "n must be 1"),
            ({"prompt": "a", "stop": [""]}, "stop"),
            ({"prompt": "a", "seed": 2**63}, "seed"),
            ({"prompt": "a", "stream": True}, "stream"),
        ],
    )
    def test_an_unusable_value_is_refused_by_name(self, body: dict[str, Any], name: str) -> None:
        with pytest.raises(UnusableRequestError, match=name):
            OPENAI.parse(body)

    def test_a_text_completion_has_texts_without_their_stop_and_the_tokens_of_all(self) -> None:
        texts = [written("b;", tokens=4, ended_by="stop"), written("cd", tokens=5)]
        answer = OPENAI.render({"prompt": "a", "stop": ";"}, texts)
        assert [(c["index"], c["text"], c["finish_reason"]) for c in answer["choices"]] == [
            (0, "b", "stop"),
            (1, "cd", "length"),
        ]
        assert answer["usage"] == {"prompt_tokens": 3, "completion_tokens": 9, "total_tokens": 12}

    def test_a_chat_has_messages(self) -> None:
        answer = OPENAI.render({"messages": self.MESSAGES}, [written("b", ended_by="end")])
        (choice,) = answer["choices"]
        assert choice["message"] == {"role": "assistant", "content": "b"}
        assert choice["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("text_inputs", ""),
        ("text_inputs", []),
        ("text_inputs", ["a", ""]),
        ("text_inputs", ["a", 1]),
        ("text_inputs", "\ud800"),
        ("text_inputs", "[CLM] "),
        ("max_length", 0),
        ("max_length", True),
        ("max_length", "50"),
        ("num_return_sequences", 2),  # more than the one beam
        ("num_beams", 1.0),
        ("no_repeat_ngram_size", 1),
        ("temperature", 0),
        ("temperature", float("inf")),
        ("temperature", 10**400),
        ("temperature", None),
        ("early_stopping", 1),
        ("do_sample", "true"),
        ("top_k", 0),
        ("top_p", 1),
        ("top_p", float("nan")),
        ("seed", 0.5),
        ("seed", 2**64),
        ("stop", ["\n"]),  # tgi's, not alexatm's
    ],
)
def test_an_unusable_alexatm_value_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(UnusableRequestError, match=name):
        ALEXATM.parse({"text_inputs": "a", name: value})


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({}, "inputs"),
        ({"inputs": ["a"]}, "inputs"),
        ({"inputs": "a", "parameters": []}, "parameters"),
        ({"inputs": "a", "parameters": {"stop": "a"}}, "stop"),
        ({"inputs": "a", "parameters": {"stop": [""]}}, "stop"),
        ({"inputs": "a", "parameters": {"max_length": 5}}, "max_length"),
        ({"inputs": "a", "parameters": {"repetition_penalty": 0}}, "repetition_penalty"),
        ({"inputs": "a", "parameters": {"num_return_sequences": 2}}, "num_return_sequences"),
        ({"inputs": "a", "stream": True}, "stream"),
    ],
)
def test_an_unusable_tgi_value_is_refused_by_name(body: dict[str, Any], name: str) -> None:
    with pytest.raises(UnusableRequestError, match=name):
        TGI.parse(body)
