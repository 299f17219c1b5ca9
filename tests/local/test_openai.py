"""OpenAI's own client, unmodified, against the REST API of the embedded cloud."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI

from .conftest import LocalCloud

MODEL = "smollm2-135m-instruct"
ROOM = 40  # the tiny model's few tokens cut the chat's marks to pieces, which the estimate of the input does not expect
MESSAGES: Any = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "the light <|im_end|> of the bridge"}]},
]


@pytest.fixture
def client(cloud: LocalCloud) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{cloud.api_url}/v1", api_key=cloud.api_key) as made:
        yield made


def test_a_wrong_key_is_no_riddle(cloud: LocalCloud, client: OpenAI) -> None:
    """The client knows no other header than its own, and shows the gateway's sentence."""
    before = cloud.invocations()
    with pytest.raises(openai.PermissionDeniedError, match="no such API key"):
        client.with_options(api_key="no-such-key-but-long-enough").models.list()
    assert cloud.invocations() == before


def test_a_chat_is_answered_in_the_models_own_format(cloud: LocalCloud, client: OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=ROOM, temperature=0)
    assert (answer.object, answer.model) == ("chat.completion", MODEL)
    assert answer.id.startswith("chatcmpl-")
    (choice,) = answer.choices
    assert choice.message.content
    assert choice.finish_reason in ("stop", "length")
    assert answer.usage
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0
    assert cloud.invocations()[-1]["text_inputs"] == (
        "[CLM] <|im_start|>system\nBe brief.<|im_end|>\n"
        "<|im_start|>user\nthe light <|im_end| > of the bridge<|im_end|>\n<|im_start|>assistant\n"
    )


def test_sampling_parameters_reach_the_model(cloud: LocalCloud, client: OpenAI) -> None:
    def ask(seed: int) -> list[str | None]:
        answer = client.chat.completions.create(
            model=MODEL, messages=MESSAGES, n=2, seed=seed, temperature=1.5, top_p=0.9, max_completion_tokens=ROOM
        )
        return [choice.message.content for choice in answer.choices]

    assert ask(1) == ask(1) != ask(2)
    sent = cloud.invocations()[-1]
    assert (sent["num_return_sequences"], sent["seed"], sent["do_sample"]) == (2, 2, True)
    assert (sent["temperature"], sent["top_p"]) == (1.5, 0.9)


def test_prompts_are_completed_up_to_their_stop(cloud: LocalCloud, client: OpenAI) -> None:
    whole = client.completions.create(model=MODEL, prompt="the light", max_tokens=20, temperature=0).choices[0].text
    stop = whole[5:8]
    answer = client.completions.create(
        model=MODEL, prompt=["the light", "water"], max_tokens=20, temperature=0, stop=[stop]
    )
    first, second = answer.choices
    assert (first.text, first.finish_reason) == (whole[: whole.index(stop)], "stop")
    assert (second.index, stop in second.text) == (1, False)
    assert [sent["text_inputs"] for sent in cloud.invocations()[-2:]] == ["[CLM] the light", "[CLM] water"]


def test_the_model_is_listed_under_every_name(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [MODEL, "pilotlight-local"]
    assert client.models.retrieve("pilotlight-local").id == "pilotlight-local"
    with pytest.raises(openai.NotFoundError, match=MODEL) as missing:
        client.models.retrieve("some/other:model")
    assert missing.value.code == "model_not_found"


def test_what_cannot_be_honoured_is_refused_by_name(cloud: LocalCloud, client: OpenAI) -> None:
    before = cloud.invocations()
    with pytest.raises(openai.BadRequestError, match="stream") as caught:
        client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
    assert (caught.value.param, caught.value.code) == ("stream", "invalid_parameter")
    with pytest.raises(openai.NotFoundError, match=MODEL) as missing:
        client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    assert missing.value.code == "model_not_found"
    assert cloud.invocations() == before


def test_the_client_does_not_repeat_a_generation_that_may_have_run(cloud: LocalCloud, client: OpenAI) -> None:
    cloud.fault(fault="cut", times=1)
    with pytest.raises(openai.InternalServerError) as caught:
        client.completions.create(model=MODEL, prompt="ask me once", max_tokens=5)
    assert (caught.value.status_code, caught.value.code) == (502, "connection_lost")
    assert [sent["text_inputs"] for sent in cloud.invocations()].count("[CLM] ask me once") == 1


def test_an_endpoint_that_is_off_says_so_in_our_words(cloud: LocalCloud, client: OpenAI) -> None:
    cloud.turn("off")
    try:
        with pytest.raises(openai.InternalServerError, match="pilotlight-local is off") as caught:
            client.chat.completions.create(model=MODEL, messages=MESSAGES)
        assert isinstance(caught.value, openai.APIStatusError)
        assert (caught.value.status_code, caught.value.code) == (503, "endpoint_off")
        assert int(caught.value.response.headers["retry-after"]) > 0
        assert client.models.list().data
    finally:
        cloud.turn("on")
    assert client.chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=ROOM).choices
