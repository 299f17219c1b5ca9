"""`POST /generate` over both contracts: what the model receives and what the caller gets."""

import json
from dataclasses import replace
from typing import Any

import pytest
from common.tokens import estimate_tokens
from hypothesis import given
from hypothesis import strategies as st
from proxy.contracts.alexatm import with_clm_mark
from proxy.errors import InvalidParameter
from proxy.trim import trim
from proxy.window import Window

from tests.unit.proxy.fakes import SETTINGS, Api


def answered(value: object) -> bytes:
    return json.dumps(value).encode()


class TestAlexaTM:
    def test_a_string_reaches_the_model_marked_and_bounded(self, api: Api) -> None:
        answer = api.generate({"text_inputs": "hello"})
        assert api.runtime.requests == [
            {"text_inputs": "[CLM] hello", "max_length": estimate_tokens("[CLM] hello") + 64}
        ]
        assert list(answer.body) == ["generated_texts", "model", "request_id"]
        assert answer.body == {
            "generated_texts": ["olleh ]MLC["],
            "model": "alexatm-20b",
            "request_id": "request-1",
        }

    def test_a_batch_is_one_invocation_and_its_longest_input_counts(self, api: Api) -> None:
        long = "a much longer input than the other"
        answer = api.generate({"text_inputs": ["b", long]})
        assert api.runtime.requests == [
            {
                "text_inputs": ["[CLM] b", f"[CLM] {long}"],
                "max_length": estimate_tokens(f"[CLM] {long}") + 64,
            }
        ]
        assert answer.body["generated_texts"] == ["b ]MLC[", f"[CLM] {long}"[::-1]]

    def test_a_batch_of_one_stays_a_batch(self, api: Api) -> None:
        api.generate({"text_inputs": ["b"]})
        assert api.runtime.requests[0]["text_inputs"] == ["[CLM] b"]

    def test_all_ten_parameters_reach_the_model_as_given(self, api: Api) -> None:
        parameters = {
            "max_length": 40,
            "num_return_sequences": 2,
            "num_beams": 3,
            "no_repeat_ngram_size": 2,
            "temperature": 0.5,
            "early_stopping": True,
            "do_sample": True,
            "top_k": 10,
            "top_p": 0.9,
            "seed": 7,
        }
        answer = api.generate({"text_inputs": ["a", "b"]} | parameters)
        assert api.runtime.requests == [{"text_inputs": ["[CLM] a", "[CLM] b"]} | parameters]
        assert len(answer.body["generated_texts"]) == 4

    def test_clm_false_leaves_the_input_to_be_denoised(self, api: Api) -> None:
        api.generate({"text_inputs": "hello", "clm": False})
        assert api.runtime.requests[0]["text_inputs"] == "hello"

    def test_newlines_in_the_input_are_left_alone(self, api: Api) -> None:
        api.generate({"text_inputs": "\na\n\nb\n", "clm": True})
        assert api.runtime.requests[0]["text_inputs"] == "[CLM] \na\n\nb\n"

    @pytest.mark.parametrize(
        "answer",
        [
            {"generated_texts": "a"},
            {"generated_texts": [1]},
            {"generated_texts": None},
            {"texts": ["a"]},
            ["a"],
            "a",
            None,
        ],
    )
    def test_an_answer_of_another_shape_is_502(self, api: Api, answer: object) -> None:
        api.runtime.script = [answered(answer)]
        refusal = api.generate({"text_inputs": "hello"})
        assert (refusal.status, refusal.error["type"]) == (502, "bad_model_answer")

    @pytest.mark.parametrize("count", [0, 1, 3])
    def test_an_answer_with_another_number_of_texts_is_502(self, api: Api, count: int) -> None:
        api.runtime.script = [answered({"generated_texts": ["a"] * count})]
        assert api.generate({"text_inputs": ["a", "b"]}).error["type"] == "bad_model_answer"


class TestTGI:
    def test_an_input_reaches_the_model_in_its_own_words(self, tgi: Api) -> None:
        parameters = {"do_sample": True, "temperature": 0.7, "top_p": 0.9, "top_k": 5, "seed": 3}
        answer = tgi.generate({"text_inputs": "hello", "trim_at": ";"} | parameters)
        own = {"max_new_tokens": 64, "return_full_text": False, "stop": [";"]}
        assert tgi.runtime.requests == [{"inputs": "hello", "parameters": own | parameters}]
        assert answer.body["generated_texts"] == ["olleh"]
        assert answer.body["model"] == "falcon-7b-instruct"

    def test_it_is_greedy_where_nobody_asks_for_samples(self, tgi: Api) -> None:
        """TGI samples wherever it is given a temperature."""
        assert tgi.generate({"text_inputs": "hello", "temperature": 0.7, "top_p": 0.9, "top_k": 5}).status == 200
        (request,) = tgi.runtime.requests
        assert not {"do_sample", "temperature", "top_p", "top_k"} & request["parameters"].keys()

    def test_lmi_answers_one_object_and_says_a_failure_with_status_200(self, tgi: Api) -> None:
        failure = {"finish_reason": "error", "generated_tokens": None, "inputs": None, "tokens": None}
        tgi.runtime.script = [
            answered({"generated_text": "olleh"}),
            answered({"generated_text": "", "details": failure}),
        ]
        assert tgi.generate({"text_inputs": "hello"}).body["generated_texts"] == ["olleh"]
        refusal = tgi.generate({"text_inputs": "hello"})
        assert (refusal.status, refusal.error["type"]) == (502, "model_failed")

    def test_several_texts_are_an_invocation_each_whose_seeds_count_up(self, tgi: Api) -> None:
        """TGI gives one text, whatever `num_return_sequences` says."""
        sampling = {"num_return_sequences": 3, "do_sample": True, "seed": 7}
        answer = tgi.generate({"text_inputs": ["ab", "cd"]} | sampling)
        assert answer.body["generated_texts"] == ["ba"] * 3 + ["dc"] * 3
        sent = [(request["inputs"], request["parameters"]["seed"]) for request in tgi.runtime.requests]
        assert sent == [("ab", 7), ("ab", 8), ("ab", 9), ("cd", 7), ("cd", 8), ("cd", 9)]
        assert all("num_return_sequences" not in request["parameters"] for request in tgi.runtime.requests)

    def test_without_a_seed_each_of_several_texts_is_the_servers_to_choose(self, tgi: Api) -> None:
        tgi.generate({"text_inputs": "a", "num_return_sequences": 2, "do_sample": True})
        assert ["seed" in request["parameters"] for request in tgi.runtime.requests] == [False, False]

    def test_seeds_that_would_count_past_the_highest_are_refused(self, tgi: Api) -> None:
        body = {"text_inputs": "a", "num_return_sequences": 2, "do_sample": True}
        assert tgi.generate(body | {"seed": 2**64 - 2}).status == 200
        refusal = tgi.generate(body | {"seed": 2**64 - 1})
        assert (refusal.status, refusal.error["param"]) == (400, "seed")
        assert tgi.generate({"text_inputs": "a", "seed": 2**64 - 1}).status == 200

    def test_several_texts_of_inputs_that_are_cut(self) -> None:
        settings = replace(SETTINGS, contract="tgi", window=Window(input_tokens=100, total_tokens=200))
        tgi = Api(settings)
        body = {"text_inputs": ["word " * 500, "ab"], "truncate": "tail", "num_return_sequences": 2, "do_sample": True}
        answer = tgi.generate(body)
        assert answer.status == 200
        assert answer.body["generated_texts"][2:] == ["ba", "ba"]
        assert [told["input"] for told in answer.body["cut"]] == [0]
        assert len(tgi.runtime.requests) == 4

    def test_a_batch_is_one_invocation_an_input_in_order(self, tgi: Api) -> None:
        answer = tgi.generate({"text_inputs": ["ab", "cd", "ef"]})
        assert [request["inputs"] for request in tgi.runtime.requests] == ["ab", "cd", "ef"]
        assert answer.body["generated_texts"] == ["ba", "dc", "fe"]

    def test_a_batch_shares_one_deadline(self, tgi: Api) -> None:
        tgi.runtime.seconds = 12.0
        answer = tgi.generate({"text_inputs": ["a", "b", "c", "d"]})
        assert (answer.status, answer.error["type"]) == (504, "deadline_exceeded")
        assert tgi.runtime.timeouts == [28, 16, 4]

    def test_max_length_counts_the_input(self, tgi: Api) -> None:
        tokens = estimate_tokens("hello")
        tgi.generate({"text_inputs": "hello", "max_length": tokens + 1})
        assert tgi.runtime.requests[0]["parameters"]["max_new_tokens"] == 1

    def test_a_max_length_that_leaves_nothing_to_generate_is_refused_with_the_numbers(self, tgi: Api) -> None:
        tokens = estimate_tokens("hello")
        refusal = tgi.generate({"text_inputs": "hello", "max_length": tokens})
        assert (refusal.status, refusal.error["param"]) == (400, "max_length")
        assert str(tokens + 1) in refusal.error["message"]

    @pytest.mark.parametrize(
        ("parameters", "param"),
        [
            ({"num_beams": 2}, "num_beams"),
            ({"early_stopping": True}, "early_stopping"),
            ({"no_repeat_ngram_size": 2}, "no_repeat_ngram_size"),
            ({"clm": True}, "clm"),
            ({"seed": -1}, "seed"),
        ],
    )
    def test_what_it_cannot_honour_is_refused_by_name(self, tgi: Api, parameters: dict[str, Any], param: str) -> None:
        refusal = tgi.generate({"text_inputs": "hello"} | parameters)
        assert (refusal.status, refusal.error["param"]) == (400, param)
        assert tgi.runtime.requests == []

    def test_what_a_refusal_advises_is_taken(self, tgi: Api) -> None:
        several = {"text_inputs": "hello", "num_return_sequences": 2}
        assert "set do_sample to true" in tgi.generate(several).error["message"]
        refusal = tgi.generate(several | {"num_beams": 2, "do_sample": True})
        assert "leave it out, and for several texts set do_sample to true" in refusal.error["message"]
        assert tgi.generate(several | {"do_sample": True}).status == 200

    @pytest.mark.parametrize("parameters", [{"num_beams": 1}, {"early_stopping": False}, {"clm": False}])
    def test_what_asks_for_what_it_does_anyway_is_taken(self, tgi: Api, parameters: dict[str, Any]) -> None:
        assert tgi.generate({"text_inputs": "hello"} | parameters).status == 200
        assert tgi.runtime.requests[0]["parameters"].keys() == {"max_new_tokens", "return_full_text"}

    def test_the_bare_object_that_some_containers_answer_is_read(self, tgi: Api) -> None:
        tgi.runtime.script = [answered({"generated_text": "a"})]
        assert tgi.generate({"text_inputs": "hello"}).body["generated_texts"] == ["a"]

    @pytest.mark.parametrize("answer", [[], ["a"], [{"text": "a"}], [{"generated_text": 1}], "a", 5, None, {}])
    def test_an_answer_of_another_shape_is_502(self, tgi: Api, answer: object) -> None:
        tgi.runtime.script = [answered(answer)]
        refusal = tgi.generate({"text_inputs": "hello"})
        assert (refusal.status, refusal.error["type"]) == (502, "bad_model_answer")


@pytest.mark.parametrize("answer", [b"", b"oops", b"\xff", b"[" * 100_000])
def test_an_answer_that_is_no_json_is_502(api: Api, answer: bytes) -> None:
    api.runtime.script = [answer]
    assert api.generate({"text_inputs": "hello"}).error["type"] == "bad_model_answer"


def test_a_text_with_half_a_surrogate_pair_still_makes_a_valid_answer(api: Api) -> None:
    api.runtime.script = [b'{"generated_texts": ["\\ud83d"]}']
    assert api.generate({"text_inputs": "hello"}).body["generated_texts"] == ["\ud83d"]


class TestCausalLanguageModelMark:
    @pytest.mark.parametrize("text", ["foo", "[CLM]foo", "[CLM] foo", " [CLM] foo", "[CLM] [CLM] foo", "[CLM][CLM]foo"])
    def test_it_stands_once(self, text: str) -> None:
        assert with_clm_mark(text) == "[CLM] foo"

    @given(st.text(alphabet="[CLM] \nx"))
    def test_it_is_never_added_twice(self, text: str) -> None:
        try:
            marked = with_clm_mark(text)
        except InvalidParameter:
            assert not text.replace("[CLM]", "").strip()
            return
        assert with_clm_mark(marked) == marked
        assert marked.startswith("[CLM] ")
        assert not marked.removeprefix("[CLM] ").lstrip().startswith("[CLM]")
        assert marked.endswith(text.rpartition("[CLM]")[2].lstrip())

    def test_elsewhere_in_the_text_it_is_text(self) -> None:
        assert with_clm_mark("what is [CLM] foo") == "[CLM] what is [CLM] foo"


class TestTrimming:
    def test_texts_are_cut_at_the_delimiter_and_stripped(self, api: Api) -> None:
        api.runtime.script = [answered({"generated_texts": [" Good night; Sentence: ", "\nBye \n"]})]
        answer = api.generate({"text_inputs": ["a", "b"], "trim_at": ";"})
        assert answer.body["generated_texts"] == ["Good night", "Bye"]

    def test_without_a_delimiter_texts_are_returned_unaltered(self, api: Api) -> None:
        api.runtime.script = [answered({"generated_texts": [" Good night; \n"]})]
        assert api.generate({"text_inputs": "a"}).body["generated_texts"] == [" Good night; \n"]

    def test_what_a_server_leaves_behind_its_stop_is_cut_here(self, tgi: Api) -> None:
        tgi.runtime.script = [answered([{"generated_text": " yes;"}])]
        assert tgi.generate({"text_inputs": "a", "trim_at": ";"}).body["generated_texts"] == ["yes"]

    @given(st.text(alphabet="ab <br>"), st.text(alphabet="<br> ", min_size=1))
    def test_a_trimmed_text_is_the_beginning_without_the_delimiter(self, text: str, at: str) -> None:
        trimmed = trim(text, at)
        assert at not in trimmed
        assert text.lstrip().startswith(trimmed)
        assert trimmed == trimmed.strip()
