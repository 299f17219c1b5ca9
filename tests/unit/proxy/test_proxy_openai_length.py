"""The OpenAI-compatible routes and the model's window, as OpenAI's own client meets it."""

from dataclasses import replace
from typing import Any

import openai
import pytest
from common.tokens import estimate_tokens
from proxy.contracts.contract import MARK_TOKENS
from proxy.window import Window

from tests.unit.proxy.fakes import SETTINGS, Api, template_text
from tests.unit.proxy.openai_client import client

Changes = dict[str, Any]
WINDOW = Window(input_tokens=100, total_tokens=150)
FALCON: dict[str, Any] = {
    "model": "falcon-7b-instruct",
    "contract": "tgi",
    "chat_template": template_text("falcon-instruct"),
}
VLLM: Changes = {"model": "custom", "contract": "openai", "chat_template": ""}


@pytest.fixture(params=[{}, FALCON, VLLM], ids=["alexatm", "tgi", "openai"])
def api(request: pytest.FixtureRequest) -> Api:
    """Each contract in turn, before a model with a small window."""
    return Api(replace(SETTINGS, window=WINDOW, **request.param))


def words(tokens: int) -> str:
    """A prompt that counts exactly so many tokens."""
    text = "a " * (tokens - estimate_tokens(""))
    assert estimate_tokens(text.strip()) == tokens
    return text.strip()


def mark_of(api: Api) -> int:
    """Tokens that the contract adds to a prompt."""
    return MARK_TOKENS if api.settings.contract == "alexatm" else 0


def complete(api: Api, prompt: Any, **parameters: Any) -> Any:
    return client(api, max_retries=0).completions.create(model="gpt-of-old", prompt=prompt, **parameters)


def chat(api: Api, content: str, **parameters: Any) -> Any:
    messages: Any = [{"role": "user", "content": content}]
    return client(api, max_retries=0).chat.completions.create(model="gpt-of-old", messages=messages, **parameters)


def refused(call: Any) -> dict[str, Any]:
    with pytest.raises(openai.BadRequestError) as caught:
        call()
    body: Any = caught.value.body
    assert (body["code"], body["type"]) == ("context_length_exceeded", "invalid_request_error")
    return dict(body)


def test_a_prompt_that_is_longer_than_the_window_is_refused_with_the_numbers(api: Api) -> None:
    mark = mark_of(api)
    body = refused(lambda: complete(api, words(101), max_tokens=10))
    assert body["param"] == "prompt"
    assert body["message"] == (
        "This model's maximum context length is 150 tokens, of which 100 may be the prompt's. However, you requested "
        f"{111 + mark} tokens: {101 + mark} in the prompt (an estimate, rather high), and 10 for the completion. To "
        "have that many for the completion, shorten the prompt to 100 tokens or less."
    )
    assert api.runtime.requests == []


def test_a_chat_counts_with_the_frame_that_the_template_puts_around_it(api: Api) -> None:
    body = refused(lambda: chat(api, words(120)))
    assert body["param"] == "messages"
    assert api.runtime.requests == []


def test_a_completion_that_no_longer_fits_behind_the_prompt_is_refused(api: Api) -> None:
    assert complete(api, words(90 - mark_of(api)), max_tokens=60).choices
    body = refused(lambda: complete(api, words(90 - mark_of(api)), max_tokens=61))
    assert "shorten the prompt to 89 tokens or less" in body["message"]


def test_a_completion_that_is_longer_than_the_window_by_itself_is_refused(api: Api) -> None:
    body = refused(lambda: complete(api, "hello", max_tokens=150))
    assert body["message"].endswith("set a smaller max_tokens.")


def test_the_one_prompt_of_several_that_is_too_long_is_named_before_any_is_sent(api: Api) -> None:
    assert refused(lambda: complete(api, ["hello", words(101)]))["param"] == "prompt[1]"
    assert api.runtime.requests == []


def test_a_length_that_nobody_asked_for_gives_way_to_the_window() -> None:
    """A chat has 256 tokens by default, which this window cannot hold."""
    api = Api(replace(SETTINGS, window=WINDOW, **FALCON))
    assert chat(api, words(60)).choices
    [request] = api.runtime.requests
    assert request["parameters"]["max_new_tokens"] == 150 - estimate_tokens(request["inputs"])


def test_where_the_window_is_not_known_nothing_is_checked() -> None:
    assert complete(Api(), words(5000), max_tokens=5000).choices


def test_the_mark_that_alexatm_puts_before_a_prompt_is_in_the_window() -> None:
    api = Api(replace(SETTINGS, window=WINDOW))
    assert complete(api, words(94), max_tokens=50).choices
    refused(lambda: complete(api, words(95), max_tokens=50))
    refused(lambda: complete(api, words(94), max_tokens=51))
    assert chat(api, words(40)).choices
    assert all(request["max_length"] <= 150 for request in api.runtime.requests)
