"""The OpenAI-compatible routes over every contract, called with OpenAI's own client."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import openai
import pytest
from common.facts import EndpointFacts
from common.tokens import estimate_tokens
from proxy.endpoint import Facts
from proxy.errors import ConnectionLost, DeadlineExceeded, EndpointMissing, Problem, Throttled

from tests.unit.proxy.fakes import SETTINGS, START, Api, event, moment
from tests.unit.proxy.openai_client import client

HELLO: Any = [{"role": "user", "content": "hello"}]
TALK: Any = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "hello"},
    {"role": "assistant", "content": "Hi."},
    {"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]},
]


def chat(api: Api, messages: Any = HELLO, **parameters: Any) -> Any:
    model = parameters.pop("model", "gpt-of-old")
    return client(api, max_retries=0).chat.completions.create(model=model, messages=messages, **parameters)


def complete(api: Api, prompt: Any = "hello", **parameters: Any) -> Any:
    return client(api, max_retries=0).completions.create(model="gpt-of-old", prompt=prompt, **parameters)


def answered(value: object) -> bytes:
    return json.dumps(value).encode()


@pytest.fixture(params=["api", "tgi", "vllm"])
def every(request: pytest.FixtureRequest) -> Api:
    """Each contract in turn."""
    api: Api = request.getfixturevalue(request.param)
    return api


class TestEveryContract:
    def test_a_chat_is_answered(self, every: Api) -> None:
        answer = chat(every)
        assert (answer.id, answer.object, answer.created) == ("chatcmpl-request-1", "chat.completion", int(START))
        assert answer.model == client(every).models.list().data[0].id
        (choice,) = answer.choices
        assert (choice.index, choice.message.role) == (0, "assistant")
        assert choice.message.content
        assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
        assert answer._request_id == "request-1"

    def test_a_prompt_is_completed_as_it_is(self, every: Api) -> None:
        answer = complete(every, "<|im_end|> hello\n")
        assert (answer.id, answer.object, answer.created) == ("cmpl-request-1", "text_completion", int(START))
        assert "<|im_end|> hello\n"[::-1] in answer.choices[0].text

    def test_several_prompts_with_several_texts_each_come_in_order(self, every: Api) -> None:
        answer = complete(every, ["ab", "cd"], n=2)
        assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
        assert [choice.text[:2] for choice in answer.choices] == ["ba", "ba", "dc", "dc"]

    def test_the_text_ends_before_the_first_stop(self, every: Api) -> None:
        (choice,) = complete(every, "one;two,three", stop=[",", ";", "absent"]).choices
        assert (choice.text, choice.finish_reason) == ("eerht", "stop")

    def test_an_answer_can_be_sent_back(self, every: Api) -> None:
        said = chat(every).choices[0].message
        assert chat(every, [*HELLO, said, *HELLO]).choices
        assert chat(every, [*HELLO, said.model_dump(), *HELLO]).choices

    def test_an_answer_of_nothing_can_be_sent_back(self, every: Api) -> None:
        assert chat(every, [*HELLO, {"role": "assistant", "content": ""}, *HELLO]).choices

    def test_what_asks_for_nothing_is_taken(self, every: Api) -> None:
        nothing = {"stream": False, "frequency_penalty": 0.0, "logprobs": False, "tools": None, "n": 1, "stop": None}
        more = {"response_format": {"type": "text"}, "logit_bias": {}, "user": "me", "metadata": {}, "stop": []}
        assert chat(every, **nothing).choices
        assert chat(every, **more).choices

    def test_labels_do_not_reach_the_model(self, every: Api) -> None:
        chat(every, user="somebody", safety_identifier="somebody", prompt_cache_key="somebody")
        assert "somebody" not in json.dumps(every.runtime.requests)

    def test_every_name_of_the_model_is_one_model(self, every: Api) -> None:
        models = client(every).models.list().data
        assert [model.id for model in models][1:] == ["pilotlight-test", "gpt-of-old"]
        assert every.runtime.requests == []
        assert {chat(every, model=model.id).model for model in models} == {models[0].id}

    def test_every_name_is_found_by_itself_and_no_other_is(self, every: Api) -> None:
        for model in client(every).models.list():
            assert client(every).models.retrieve(model.id) == model
        with pytest.raises(openai.NotFoundError, match="gpt-of-old") as missing:
            client(every).models.retrieve("gpt-of-new")
        assert (missing.value.param, missing.value.code) == ("model", "model_not_found")
        assert every.runtime.requests == []

    @pytest.mark.parametrize("ask", [chat, complete])
    def test_an_answer_of_another_shape_is_502(self, every: Api, ask: Callable[..., Any]) -> None:
        shapes: list[object] = [[], {}, "a", None, {"choices": [1]}, {"choices": [{"text": 1}]}]
        for answer in [*shapes, {"choices": [{"message": 1}]}, {"choices": [{"message": {"content": 1}}]}]:
            every.runtime.script = [answered(answer)]
            with pytest.raises(openai.InternalServerError) as caught:
                ask(every)
            assert (caught.value.status_code, caught.value.code) == (502, "bad_model_answer")

    def test_half_a_surrogate_pair_from_a_model_is_passed_on(self, every: Api) -> None:
        half = "a\ud83d"
        every.runtime.model = lambda _: answered(
            {"generated_texts": [half], "choices": [{"text": half}], "generated_text": half}
        )
        sent = event("POST", "/v1/completions", {"model": "gpt-of-old", "prompt": "a"})
        assert every.send(sent).body["choices"][0]["text"] == half


class TestAlexaTM:
    def test_a_chat_becomes_one_marked_line(self, api: Api) -> None:
        chat(api, TALK, max_tokens=9, temperature=0.5, top_p=0.9, n=2, seed=7)
        prompt = "[CLM] Be brief. <br> User: hello <br> Assistant: Hi. <br> User: one \\n two <br> Assistant:"
        assert api.runtime.requests == [
            {
                "text_inputs": prompt,
                "max_length": estimate_tokens(prompt) + 9,
                "do_sample": True,
                "temperature": 0.5,
                "top_p": 0.9,
                "num_return_sequences": 2,
                "seed": 7,
            }
        ]

    @pytest.mark.parametrize("temperature", [0, 0.0, 1e-8])
    def test_temperature_0_is_greedy(self, api: Api, temperature: float) -> None:
        chat(api, temperature=temperature, top_p=0.5)
        assert api.runtime.requests[0].keys() == {"text_inputs", "max_length", "do_sample"}
        assert api.runtime.requests[0]["do_sample"] is False

    def test_the_answer_is_cut_at_the_templates_own_delimiter(self, api: Api) -> None:
        api.runtime.script = [answered({"generated_texts": [" Hi there. <br> User: more"]})]
        (choice,) = chat(api).choices
        assert (choice.message.content, choice.finish_reason) == ("Hi there.", "stop")

    def test_a_text_has_no_more_words_than_tokens_were_asked_for(self, api: Api) -> None:
        """The prompt's tokens are estimated, so the model may have written on."""
        api.runtime.model = lambda _: answered({"generated_texts": [" one  two; three four five"]})
        (choice,) = complete(api, max_tokens=3).choices
        assert (choice.text, choice.finish_reason) == (" one  two; three", "length")
        (choice,) = complete(api, max_tokens=3, stop=";").choices
        assert (choice.text, choice.finish_reason) == (" one  two", "stop")
        (choice,) = complete(api, max_tokens=3, stop="five").choices
        assert (choice.text, choice.finish_reason) == (" one  two; three", "length")
        assert complete(api, max_tokens=5).choices[0].text == " one  two; three four five"

    def test_what_it_does_not_say_is_estimated_and_marked(self, api: Api) -> None:
        answer = complete(api, max_tokens=4)
        assert answer.usage.prompt_tokens == estimate_tokens("hello")
        assert answer.usage.completion_tokens > 0
        assert answer.model_extra["pilotlight"]["estimated"] == [
            "finish_reason",
            "max_tokens",
            "usage.completion_tokens",
            "usage.prompt_tokens",
        ]

    @pytest.mark.parametrize(("text", "reason"), [("a b", "stop"), ("a b c d", "length"), ("a b c d e f", "length")])
    def test_a_text_that_may_have_been_cut_off_is_said_to_be(self, api: Api, text: str, reason: str) -> None:
        api.runtime.script = [answered({"generated_texts": [text]})]
        assert complete(api, max_tokens=4).choices[0].finish_reason == reason

    def test_a_prompt_of_nothing_but_the_mark_is_refused(self, api: Api) -> None:
        with pytest.raises(openai.BadRequestError) as caught:
            complete(api, "[CLM] ")
        assert caught.value.param == "prompt"


class TestTGI:
    def test_a_chat_becomes_falcons_own_format(self, tgi: Api) -> None:
        chat(tgi, TALK, max_completion_tokens=9, temperature=0.5, top_p=0.9, seed=7, stop=";")
        prompt = "Be brief.\n\nUser: hello\n\nAssistant: Hi.\n\nUser: one\ntwo\n\nAssistant:"
        parameters = {
            "max_new_tokens": 9,
            "return_full_text": False,
            "details": True,
            "do_sample": True,
            "temperature": 0.5,
            "top_p": 0.9,
            "stop": [";", "\nUser:"],
            "seed": 7,
        }
        assert tgi.runtime.requests == [{"inputs": prompt, "parameters": parameters}]

    def test_several_texts_are_several_invocations_with_seeds_of_their_own(self, tgi: Api) -> None:
        answer = chat(tgi, n=3, seed=7)
        assert [request["parameters"]["seed"] for request in tgi.runtime.requests] == [7, 8, 9]
        assert len(answer.choices) == 3
        assert answer.usage.prompt_tokens == estimate_tokens(tgi.runtime.requests[0]["inputs"])

    def test_no_more_stops_are_sent_than_it_takes_but_all_are_heeded(self, tgi: Api) -> None:
        tgi.runtime.script = [answered([{"generated_text": "Hi\nUser: hello"}])]
        (choice,) = chat(tgi, stop=["1", "2", "3", "4"]).choices
        assert tgi.runtime.requests[0]["parameters"]["stop"] == ["1", "2", "3", "4"]
        assert choice.message.content == "Hi"

    def test_greedy_sends_no_temperature(self, tgi: Api) -> None:
        complete(tgi, temperature=0, top_p=0.5)
        assert tgi.runtime.requests[0]["parameters"] == {
            "max_new_tokens": 16,
            "return_full_text": False,
            "details": True,
            "do_sample": False,
        }

    @pytest.mark.parametrize(
        ("said", "reason"), [("eos_token", "stop"), ("stop_sequence", "stop"), ("length", "length")]
    )
    def test_the_models_own_counts_and_reason_are_given(self, tgi: Api, said: str, reason: str) -> None:
        details = {"finish_reason": said, "generated_tokens": 11, "prefill": [], "tokens": []}
        tgi.runtime.model = lambda _: answered([{"generated_text": "a", "details": details}])
        answer = complete(tgi, max_tokens=1, n=2)
        assert {choice.finish_reason for choice in answer.choices} == {reason}
        assert answer.usage.completion_tokens == 22
        assert answer.model_extra["pilotlight"]["estimated"] == ["usage.prompt_tokens"]

    @pytest.mark.parametrize("details", [None, [], {"finish_reason": ["length"], "generated_tokens": "1"}])
    def test_details_that_are_none_are_estimated(self, tgi: Api, details: object) -> None:
        tgi.runtime.script = [answered([{"generated_text": "a", "details": details}])]
        answer = complete(tgi)
        assert answer.choices[0].finish_reason == "stop"
        assert "usage.completion_tokens" in answer.model_extra["pilotlight"]["estimated"]

    def test_a_seed_below_0_is_refused(self, tgi: Api) -> None:
        with pytest.raises(openai.BadRequestError) as caught:
            chat(tgi, seed=-1)
        assert caught.value.param == "seed"

    @pytest.mark.parametrize(
        ("messages", "param"),
        [
            ([*HELLO, *HELLO], "messages[1].role"),
            ([TALK[0], TALK[0], *HELLO], "messages[1].role"),
            ([*HELLO, TALK[0]], "messages[1].role"),
            ([TALK[2]], "messages[0].role"),
            ([TALK[0]], "messages"),
            ([*HELLO, TALK[2]], "messages"),
        ],
    )
    def test_turns_that_its_format_cannot_hold_are_refused(self, tgi: Api, messages: Any, param: str) -> None:
        with pytest.raises(openai.BadRequestError) as caught:
            chat(tgi, messages)
        assert caught.value.param == param
        assert tgi.runtime.requests == []


class TestOpenAIContract:
    def test_messages_and_parameters_reach_the_container_in_its_own_words(self, vllm: Api) -> None:
        chat(vllm, TALK, max_tokens=9, temperature=0.5, top_p=0.9, n=2, seed=-7, stop=";")
        (request,) = vllm.runtime.requests
        assert request == {
            "messages": [*TALK[:3], {"role": "user", "content": "one\ntwo"}],
            "max_tokens": 9,
            "temperature": 0.5,
            "top_p": 0.9,
            "n": 2,
            "stop": [";"],
            "seed": -7,
        }

    def test_a_developer_is_a_system(self, vllm: Api) -> None:
        chat(vllm, [{"role": "developer", "content": "a"}, *HELLO])
        assert vllm.runtime.requests[0]["messages"][0] == {"role": "system", "content": "a"}

    def test_the_containers_own_counts_and_reasons_are_given(self, vllm: Api) -> None:
        choices = [
            {"message": {"content": " a "}, "finish_reason": "length"},
            {"message": {"content": None}, "finish_reason": "content_filter"},
        ]
        usage = {"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11}
        vllm.runtime.script = [answered({"choices": choices, "usage": usage})]
        answer = chat(vllm, n=2)
        assert [choice.message.content for choice in answer.choices] == [" a ", ""]
        assert [choice.finish_reason for choice in answer.choices] == ["length", "content_filter"]
        assert answer.usage.model_dump(exclude_none=True) == usage
        assert answer.model_extra["pilotlight"] == {"estimated": []}

    def test_without_usage_it_is_estimated(self, vllm: Api) -> None:
        answer = chat(vllm, TALK)
        assert answer.usage.prompt_tokens > estimate_tokens("hello")
        assert "usage.prompt_tokens" in answer.model_extra["pilotlight"]["estimated"]

    @pytest.mark.parametrize("count", [1, 3])
    def test_another_number_of_choices_is_502(self, vllm: Api, count: int) -> None:
        vllm.runtime.script = [answered({"choices": [{"text": "a"}] * count})]
        with pytest.raises(openai.InternalServerError, match=f"has {count} texts, but 2 were asked for"):
            complete(vllm, n=2)


class TestGenerateOverTheOpenAIContract:
    def test_its_parameters_become_openais(self, vllm: Api) -> None:
        sampling = {"do_sample": True, "temperature": 0.7, "top_p": 0.9, "top_k": 5, "seed": 3}
        answer = vllm.generate({"text_inputs": ["ab", "cd"], "num_return_sequences": 2, "trim_at": ";"} | sampling)
        passed_on = {name: value for name, value in sampling.items() if name != "do_sample"}
        expected = {"max_tokens": 64, "n": 2, "stop": [";"]} | passed_on
        assert vllm.runtime.requests == [{"prompt": text} | expected for text in ("ab", "cd")]
        assert answer.body["generated_texts"] == ["ba", "ba", "dc", "dc"]

    def test_without_sampling_it_is_greedy(self, vllm: Api) -> None:
        vllm.generate({"text_inputs": "a", "temperature": 0.7, "max_length": estimate_tokens("a") + 5})
        assert vllm.runtime.requests == [{"prompt": "a", "max_tokens": 5, "temperature": 0}]

    @pytest.mark.parametrize(
        ("parameters", "param"),
        [
            ({"num_beams": 2}, "num_beams"),
            ({"no_repeat_ngram_size": 2}, "no_repeat_ngram_size"),
            ({"clm": True}, "clm"),
            ({"seed": 2**63}, "seed"),
            ({"max_length": 1}, "max_length"),
        ],
    )
    def test_what_it_cannot_honour_is_refused_by_name(self, vllm: Api, parameters: dict[str, Any], param: str) -> None:
        refusal = vllm.generate({"text_inputs": "hello"} | parameters)
        assert (refusal.status, refusal.error["param"]) == (400, param)


class TestErrors:
    @pytest.fixture
    def off(self, api: Api) -> Api:
        api.runtime.script = [EndpointMissing("The endpoint takes no calls.")] * 9
        return api

    def test_an_endpoint_that_is_off_says_so_at_once(self, off: Api) -> None:
        """Though the client would try a 503 twice more: an endpoint that is off stays off."""
        with pytest.raises(openai.InternalServerError, match=r"is off\. Wake it with `pilot on`") as caught:
            client(off).chat.completions.create(model="gpt-of-old", messages=HELLO)
        assert isinstance(caught.value, openai.APIStatusError)
        assert (caught.value.status_code, caught.value.code, caught.value.type) == (503, "endpoint_off", "server_error")
        assert caught.value.response.headers["retry-after"] == "600"
        assert len(off.runtime.requests) == 1

    def test_an_endpoint_that_wakes_is_worth_waiting_for(self, off: Api) -> None:
        waking = EndpointFacts("Creating", moment(590), "config", 1, None)
        off.control_plane.known = Facts(endpoint=waking, variant=None, stack=None)
        with pytest.raises(openai.InternalServerError) as caught:
            chat(off)
        assert caught.value.code == "endpoint_waking"
        headers = caught.value.response.headers
        assert (headers["retry-after"], headers["x-should-retry"]) == ("10", "true")

    def test_the_client_waits_as_long_as_it_is_told_and_tries_again(self, api: Api) -> None:
        api.runtime.script = [Throttled("busy", retry_after_seconds=1)]
        answer = client(api, max_retries=1).chat.completions.create(model="gpt-of-old", messages=HELLO)
        assert answer.choices
        assert len(api.runtime.requests) == 2

    @pytest.mark.parametrize("problem", [DeadlineExceeded("late"), ConnectionLost("cut")])
    def test_the_client_does_not_pay_twice_for_a_generation_that_may_have_run(self, api: Api, problem: Problem) -> None:
        api.runtime.script = [problem] * 3
        with pytest.raises(openai.InternalServerError):
            client(api).chat.completions.create(model="gpt-of-old", messages=HELLO)
        assert len(api.runtime.requests) == 1

    def test_a_throttle_is_a_rate_limit(self, api: Api) -> None:
        api.runtime.script = [Throttled("busy", retry_after_seconds=5)]
        with pytest.raises(openai.RateLimitError, match="busy") as caught:
            chat(api)
        assert (caught.value.type, caught.value.code) == ("rate_limit_error", "throttled")

    def test_another_model_is_404(self, every: Api) -> None:
        with pytest.raises(openai.NotFoundError, match="gpt-4o") as caught:
            chat(every, model="gpt-4o")
        assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
        assert "gpt-of-old" in str(caught.value)
        assert every.runtime.requests == []

    def test_a_bug_is_500_in_openais_shape(self, api: Api) -> None:
        def bug(_: object) -> bytes:
            raise RuntimeError

        api.runtime.model = bug
        with pytest.raises(openai.InternalServerError) as caught:
            chat(api)
        assert (caught.value.status_code, caught.value.code) == (500, "internal_error")

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [("GET", "/v1/completions", 405), ("POST", "/v1/models", 405), ("POST", "/v1/embeddings", 404)],
    )
    def test_every_refusal_of_these_routes_has_openais_shape(
        self, api: Api, method: str, path: str, status: int
    ) -> None:
        answer = api.send(event(method, path, {}))
        assert answer.status == status
        assert list(answer.body["error"]) == ["message", "type", "param", "code"]
        assert answer.body["error"]["type"] == "invalid_request_error"
        assert answer.headers["x-should-retry"] == "false"

    def test_an_invocation_waits_no_longer_than_the_one_deadline(self, tgi: Api) -> None:
        tgi.runtime.seconds = 12.0
        with pytest.raises(openai.InternalServerError) as caught:
            chat(tgi, n=4)
        assert caught.value.code == "deadline_exceeded"
        assert tgi.runtime.timeouts == [28, 16, 4]


@pytest.mark.parametrize("sent", ["acme/falcon:v1", "acme%2Ffalcon:v1", "acme%2Ffalcon%3Av1"])
def test_a_name_with_a_slash_is_found_however_it_is_sent(sent: str) -> None:
    api = Api(replace(SETTINGS, model_aliases=("acme/falcon:v1",)))
    resource = {"resource": "/v1/models/{model+}", "pathParameters": {"model": sent}}
    answer = api.send(event("GET", f"/stage/v1/models/{sent}", **resource))
    assert (answer.status, answer.body["id"]) == (200, "acme/falcon:v1")


def test_created_is_the_callers_time(api: Api) -> None:
    later = timedelta(days=30)
    about = {"requestId": "request-1", "requestTimeEpoch": int((START + later.total_seconds()) * 1000)}
    body = {"model": "gpt-of-old", "messages": HELLO}
    answer = api.send(event("POST", "/v1/chat/completions", body, requestContext=about))
    assert answer.body["created"] == int(START) + 30 * 86_400
