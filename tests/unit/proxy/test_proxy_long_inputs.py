"""Texts that are longer than the model's window: refused with the numbers, cut, or sent in parts, and said so."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from common.tokens import estimate_tokens, most_tokens
from hypothesis import given
from hypothesis import strategies as st
from proxy.errors import ConnectionLost, EndpointMissing, ModelRefused
from proxy.parts import worth_starting
from proxy.window import Window

from tests.unit.proxy.fakes import SETTINGS, START, Api

FALCON = Window(input_tokens=1024, total_tokens=2048)
WINDOW = Window(input_tokens=100, total_tokens=200)
PROSE = "The mill stands on the river and its wheel turns slowly. " * 60
GIBBERISH = "xqzvkj" * 200


def api_with(window: Window | None, contract: str = "tgi", *, seconds: float = 0.0) -> Api:
    return Api(replace(SETTINGS, contract=contract, window=window), seconds=seconds)


@pytest.fixture(params=["alexatm", "tgi"])
def api(request: pytest.FixtureRequest) -> Api:
    return api_with(WINDOW, request.param)


def sent(api: Api) -> list[str]:
    """The texts that reached the model, without their mode mark."""
    found = [request["inputs" if "inputs" in request else "text_inputs"] for request in api.runtime.requests]
    texts = [text for item in found for text in (item if isinstance(item, list) else [item])]
    return [text.removeprefix("[CLM] ") for text in texts]


def strict(at_most: int) -> Callable[[dict[str, Any]], bytes]:
    """A model of the contract tgi, whose every byte is a token and which refuses a longer input."""

    def model(request: dict[str, Any]) -> bytes:
        if len(request["inputs"].encode()) > at_most:
            raise ModelRefused("The model refused the request with status 422: too long")
        return json.dumps([{"generated_text": "ok"}]).encode()

    return model


class TestDefault:
    @pytest.mark.parametrize("more", [{}, {"truncate": "none"}, {"split": False}])
    def test_a_long_text_is_refused_with_the_numbers_and_the_choices(self, api: Api, more: dict[str, Any]) -> None:
        refusal = api.generate({"text_inputs": PROSE} | more)
        assert (refusal.status, refusal.error["type"]) == (422, "window_exceeded")
        assert refusal.error["param"] == "text_inputs"
        for said in (str(estimate_tokens(PROSE)), "100", "200", "truncate", "split"):
            assert said in refusal.error["message"]
        assert api.runtime.requests == []

    def test_one_of_a_batch_is_named(self, api: Api) -> None:
        refusal = api.generate({"text_inputs": ["a", PROSE]})
        assert refusal.error["param"] == "text_inputs[1]"
        assert "alone with split" in refusal.error["message"]  # with others it would be refused

    def test_what_fits_is_sent_as_it_is(self, api: Api) -> None:
        answer = api.generate({"text_inputs": "a b"})
        assert (answer.status, sent(api)) == (200, ["a b"])
        assert list(answer.body) == ["generated_texts", "model", "request_id"]

    def test_a_window_that_is_not_known_is_not_checked(self) -> None:
        api = api_with(None)
        assert api.generate({"text_inputs": PROSE}).status == 200

    def test_falcons_1024_tokens_hold_some_2500_characters_of_prose(self) -> None:
        api = api_with(FALCON)
        assert api.generate({"text_inputs": PROSE[:2500]}).status == 200
        assert api.generate({"text_inputs": PROSE}).status == 422

    def test_the_outputs_share_counts(self) -> None:
        """Without max_length the output has 64 tokens of the total; with it, one is enough."""
        api = api_with(Window(input_tokens=200, total_tokens=200))
        text = "word " * 80
        assert 136 < estimate_tokens(text) < 200
        assert api.generate({"text_inputs": text}).status == 422
        assert api.generate({"text_inputs": text, "max_length": 200}).status == 200

    def test_a_max_length_beyond_the_window_is_refused(self, api: Api) -> None:
        refusal = api.generate({"text_inputs": "a", "max_length": 201})
        assert (refusal.status, refusal.error["param"]) == (422, "max_length")
        assert "200" in refusal.error["message"]
        assert api.generate({"text_inputs": "a", "max_length": 200}).status == 200

    def test_a_tasks_prompt_is_refused_alike(self, api: Api) -> None:
        refusal = api.task("summarize", {"article": PROSE})
        assert (refusal.status, refusal.error["type"], refusal.error["param"]) == (422, "window_exceeded", None)
        assert "fewer shots" in refusal.error["message"]


def test_the_mark_that_alexatm_puts_before_a_text_is_in_the_window() -> None:
    api = api_with(Window(input_tokens=500, total_tokens=500), "alexatm")
    cases: list[tuple[int, dict[str, Any], int]] = [
        (436, {}, 422),
        (430, {}, 200),
        (436, {"clm": False}, 200),
        (499, {"max_length": 500}, 422),
        (436, {"truncate": "tail"}, 200),
        (436, {"split": True}, 200),
    ]
    for tokens, more, status in cases:
        assert api.generate({"text_inputs": " ".join(["a"] * (tokens - 2)), **more}).status == status
    assert all(request["max_length"] <= 500 for request in api.runtime.requests)


class TestTruncate:
    @pytest.mark.parametrize("side", ["head", "tail", "middle"])
    def test_what_is_left_fits_and_the_answer_says_what_was_cut(self, api: Api, side: str) -> None:
        answer = api.generate({"text_inputs": PROSE, "truncate": side})
        assert answer.status == 200
        [text] = sent(api)
        assert estimate_tokens(text) <= 100
        [taken] = answer.body["cut"]
        assert list(taken) == ["input", "start", "end"]
        kept = PROSE[: taken["start"]] + (" … " if side == "middle" else "") + PROSE[taken["end"] :]
        assert text == kept
        assert len(text) > 150

    def test_what_fits_is_not_cut_and_the_answer_says_so(self, api: Api) -> None:
        answer = api.generate({"text_inputs": "a b", "truncate": "head"})
        assert (answer.body["cut"], sent(api)) == ([], ["a b"])

    def test_each_input_of_a_batch_is_cut_for_itself(self, api: Api) -> None:
        answer = api.generate({"text_inputs": ["a b", PROSE, "c"], "truncate": "tail"})
        assert [taken["input"] for taken in answer.body["cut"]] == [1]
        first, second, third = sent(api)
        assert (first, third) == ("a b", "c")
        assert PROSE.startswith(second)
        assert len(answer.body["generated_texts"]) == 3

    def test_max_length_is_a_window_too(self, api: Api) -> None:
        api.generate({"text_inputs": PROSE, "truncate": "tail", "max_length": 60})
        assert estimate_tokens(sent(api)[0]) <= 30

    def test_it_is_enough_where_the_window_is_not_known(self) -> None:
        api = api_with(None)
        answer = api.generate({"text_inputs": PROSE, "truncate": "tail", "max_length": 300})
        assert answer.status == 200
        assert estimate_tokens(sent(api)[0]) <= 300 - 64

    @pytest.mark.parametrize("more", [{"truncate": "tail"}, {"split": True}])
    def test_with_neither_known_it_is_refused_by_name(self, more: dict[str, Any]) -> None:
        refusal = api_with(None).generate({"text_inputs": PROSE} | more)
        assert (refusal.status, [refusal.error["param"]]) == (400, list(more))
        assert "max_length" in refusal.error["message"]

    def test_a_max_length_that_leaves_nothing_of_a_text_is_refused(self, api: Api) -> None:
        refusal = api.generate({"text_inputs": PROSE, "truncate": "tail", "max_length": 30})
        assert (refusal.status, refusal.error["param"]) == (400, "max_length")
        assert api.generate({"text_inputs": PROSE, "truncate": "tail", "max_length": 44}).status == 200

    def test_white_space_is_not_sent_in_place_of_a_text(self, api: Api) -> None:
        refusal = api.generate({"text_inputs": " " * 5000 + "text", "truncate": "tail"})
        assert (refusal.status, refusal.error["type"]) == (422, "window_exceeded")
        assert api.runtime.requests == []

    def test_what_the_estimate_cut_too_little_is_cut_again_by_the_bound(self) -> None:
        api = api_with(WINDOW)
        api.runtime.model = strict(100)
        answer = api.generate({"text_inputs": ["a", GIBBERISH, "b"], "truncate": "tail"})
        assert answer.status == 200
        first, refused, second, third = sent(api)
        assert (first, third) == ("a", "b")  # what was answered is not asked, and paid for, again
        assert most_tokens(refused) > 100 >= most_tokens(second)
        [taken] = answer.body["cut"]
        assert GIBBERISH[: taken["start"]] == second

    def test_a_refusal_for_another_reason_is_the_models_word(self) -> None:
        api = api_with(WINDOW)
        api.runtime.script = [ModelRefused("The model refused the request with status 400: no")]
        refusal = api.generate({"text_inputs": "a b", "truncate": "tail"})
        assert (refusal.status, refusal.error["type"]) == (422, "model_refused")
        assert len(api.runtime.requests) == 1


class TestSplit:
    def test_the_parts_are_sent_in_order_and_the_answers_joined(self, api: Api) -> None:
        answer = api.generate({"text_inputs": PROSE, "split": True})
        parts = sent(api)
        assert len(parts) > 3
        assert "".join(parts) == PROSE
        assert all(estimate_tokens(part) <= 100 for part in parts)
        assert all(part.endswith(". ") for part in parts)
        told = answer.body["split"]
        assert (told["parts"], told["done"], told["continue_at"], told["error"]) == (len(parts), len(parts), None, None)
        assert [PROSE[start:end] for start, end in told["spans"]] == parts
        assert answer.body["generated_texts"] == ["\n".join(told["texts"])]
        assert told["texts"][0].removesuffix(" ]MLC[") == parts[0][::-1]

    def test_a_text_that_fits_is_one_part(self, api: Api) -> None:
        answer = api.generate({"text_inputs": "a b", "split": True})
        assert (answer.body["split"]["parts"], answer.body["split"]["spans"]) == (1, [[0, 3]])
        assert sent(api) == ["a b"]

    def test_each_answer_is_cut_at_trim_at(self, api: Api) -> None:
        """The fake model answers each part backwards: what comes behind "lwols" is the part's beginning."""
        answer = api.generate({"text_inputs": PROSE, "split": True, "trim_at": "lwols"})
        assert set(answer.body["split"]["texts"]) == {".y"}

    @pytest.mark.parametrize("problem", [ConnectionLost("cut"), EndpointMissing("gone"), ModelRefused("no")])
    def test_when_a_later_part_fails_the_earlier_ones_are_returned(self, problem: Exception) -> None:
        api = api_with(WINDOW)

        def model(_: dict[str, Any]) -> bytes:
            if len(api.runtime.requests) > 2:
                raise problem
            return json.dumps([{"generated_text": f"part {len(api.runtime.requests)}"}]).encode()

        api.runtime.model = model
        answer = api.generate({"text_inputs": PROSE[:1200], "split": True})
        assert answer.status == 200
        told = answer.body["split"]
        assert answer.body["generated_texts"] == ["part 1\npart 2"]
        assert (told["done"], told["texts"]) == (2, ["part 1", "part 2"])
        assert told["parts"] > 2
        assert told["continue_at"] == told["spans"][1][1]
        assert told["error"] == {"type": getattr(problem, "type", ""), "message": getattr(problem, "message", "")}

    def test_the_log_says_why_an_answer_has_not_all_parts(self, capsys: pytest.CaptureFixture[str]) -> None:
        api = api_with(WINDOW, seconds=12.0)
        assert api.generate({"text_inputs": PROSE, "split": True}).status == 200
        line = json.loads(capsys.readouterr().out)
        assert (line["status"], line["split_ended_by"]) == (200, "deadline_exceeded")
        whole = api_with(WINDOW)
        assert whole.generate({"text_inputs": PROSE[:1200], "split": True}).body["split"]["error"] is None
        assert "split_ended_by" not in json.loads(capsys.readouterr().out)

    def test_when_the_first_part_fails_that_is_the_answer(self) -> None:
        api = api_with(WINDOW)
        api.runtime.script = [ConnectionLost("cut")]
        refusal = api.generate({"text_inputs": PROSE, "split": True})
        assert (refusal.status, refusal.error["type"]) == (502, "connection_lost")

    def test_an_endpoint_that_is_off_says_so(self) -> None:
        api = api_with(WINDOW)
        api.runtime.script = [EndpointMissing("gone")]
        assert api.generate({"text_inputs": PROSE, "split": True}).error["type"] == "endpoint_off"

    def test_a_part_that_would_not_be_done_in_time_is_not_started(self) -> None:
        """28 s are given; after two parts of 12 s each the third would be paid for and lost."""
        api = api_with(WINDOW, seconds=12.0)
        answer = api.generate({"text_inputs": PROSE, "split": True})
        assert answer.status == 200
        told = answer.body["split"]
        assert (told["done"], len(api.runtime.requests)) == (2, 2)
        assert told["error"]["type"] == "deadline_exceeded"
        assert str(told["continue_at"]) in told["error"]["message"]

    def test_the_rest_can_be_sent_from_where_it_stopped(self) -> None:
        api = api_with(WINDOW, seconds=12.0)
        told = api.generate({"text_inputs": PROSE, "split": True}).body["split"]
        rest = PROSE[told["continue_at"] :]
        api.clock.elapsed = 0.0
        api.runtime.requests.clear()
        api.generate({"text_inputs": rest, "split": True}, requestContext={"requestTimeEpoch": int(START * 1000)})
        assert rest.startswith("".join(sent(api)))

    def test_a_part_that_the_model_refuses_is_split_further(self) -> None:
        api = api_with(WINDOW)
        api.runtime.model = strict(100)
        answer = api.generate({"text_inputs": GIBBERISH, "split": True})
        told = answer.body["split"]
        assert (told["done"], told["error"]) == (told["parts"], None)
        assert "".join(GIBBERISH[start:end] for start, end in told["spans"]) == GIBBERISH
        assert all(end - start <= 100 for start, end in told["spans"])

    def test_a_text_of_very_many_parts_is_refused_at_once(self, api: Api) -> None:
        refusal = api.generate({"text_inputs": PROSE * 200, "split": True})
        assert (refusal.status, refusal.error["type"]) == (422, "window_exceeded")
        assert "64 parts" in refusal.error["message"]
        assert api.runtime.requests == []


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a side that is none": ({"truncate": "left"}, "truncate"),
    "a side in capitals": ({"truncate": "TAIL"}, "truncate"),
    "truncate null": ({"truncate": None}, "truncate"),
    "truncate true": ({"truncate": True}, "truncate"),
    "truncate as array": ({"truncate": ["tail"]}, "truncate"),
    "split as text": ({"split": "true"}, "split"),
    "split null": ({"split": None}, "split"),
    "both": ({"split": True, "truncate": "tail"}, "truncate"),
    "split of a batch": ({"split": True, "text_inputs": ["a", "b"]}, "text_inputs"),
    "several texts a part": ({"split": True, "num_return_sequences": 2, "do_sample": True}, "num_return_sequences"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_choice_that_is_none_is_refused_by_name(api: Api, name: str) -> None:
    more, param = REFUSED[name]
    refusal = api.generate({"text_inputs": "a"} | more)
    assert (refusal.status, refusal.error["type"], refusal.error["param"]) == (400, "invalid_parameter", param)
    assert api.runtime.requests == []


@given(st.floats(0, 60), st.floats(0, 60))
def test_a_part_is_started_only_if_the_slowest_so_far_would_be_done(seconds_left: float, slowest: float) -> None:
    worth = worth_starting(seconds_left=seconds_left, slowest_seconds=slowest)
    assert worth == (seconds_left >= slowest and seconds_left >= 2)


@given(
    st.text(min_size=1).filter(str.strip),
    st.fixed_dictionaries(
        {},
        optional={
            "truncate": st.sampled_from(["none", "head", "tail", "middle"]),
            "split": st.booleans(),
            "max_length": st.integers(1, 300),
        },
    ),
    st.sampled_from(["alexatm", "tgi"]),
    st.sampled_from([WINDOW, None]),
)
def test_no_choice_is_ever_answered_by_5xx(
    text: str, choices: dict[str, Any], contract: str, window: Window | None
) -> None:
    assert api_with(window, contract).generate({"text_inputs": text * 50} | choices).status in (200, 400, 422)
