"""Tasks whose prompt is longer than the window: the long field is cut or sent in parts, and nothing else."""

import json
from dataclasses import replace
from typing import Any

import pytest
from common.tokens import estimate_tokens
from hypothesis import given, settings
from hypothesis import strategies as st
from proxy.contracts.contract import MARK_TOKENS
from proxy.errors import ConnectionLost, ModelRefused
from proxy.window import Window

from tests.unit.proxy.fakes import SETTINGS, Api
from tests.unit.proxy.test_proxy_task_frame import HOSTILE, frame

WINDOW = Window(input_tokens=300, total_tokens=400)
PROSE = "The mill stands on the river and its wheel turns slowly. " * 60
SHOTS = {
    "summarize": [{"article": "The bridge is closed; it is old.", "summary": "Bridge closed."}],
    "describe": [{"input": "name: The Lamp", "output": "The Lamp is a pub."}],
    "translate": [{"source": "Bonsoir", "target": "Good evening"}],
    "answer": [{"question": "What stands?", "answer": "the mill"}],
    "entail": [{"hypothesis": "It stands.", "label": "True"}],
}
LONG = {"summarize": "article", "describe": "input", "translate": "source", "answer": "context", "entail": "context"}
REST = {
    "summarize": {},
    "describe": {},
    "translate": {"target_language": "German"},
    "answer": {"question": "What turns slowly?"},
    "entail": {"hypothesis": "The wheel turns."},
}
SPLIT = ["summarize", "describe", "translate"]


def api_with(window: Window | None, contract: str = "tgi", *, seconds: float = 0.0) -> Api:
    return Api(replace(SETTINGS, contract=contract, window=window), seconds=seconds)


@pytest.fixture(params=["alexatm", "tgi", "openai"])
def api(request: pytest.FixtureRequest) -> Api:
    return api_with(WINDOW, request.param)


def body_of(task: str, text: str = PROSE, **more: Any) -> dict[str, Any]:
    return {LONG[task]: text, **REST[task], "shots": SHOTS[task], **more}


def sent(api: Api) -> list[str]:
    """The prompts that reached the model."""
    names = ("inputs", "prompt", "text_inputs")
    return [next(request[name] for name in names if name in request) for request in asked(api)]


def asked(api: Api) -> list[dict[str, Any]]:
    return api.runtime.requests


def prompt_of(api: Api, task: str, text: str) -> str:
    """The prompt that the task makes of a text that fits."""
    answer = api.task(task, body_of(task, text, prompt_only=True))
    return str(answer.body["prompt"])


class TestDefault:
    @pytest.mark.parametrize("task", LONG)
    def test_it_is_refused_with_the_numbers_and_the_choices(self, api: Api, task: str) -> None:
        refusal = api.task(task, body_of(task))
        assert (refusal.status, refusal.error["type"], refusal.error["param"]) == (422, "window_exceeded", None)
        for said in ("300", "400", "fewer shots", "truncate", LONG[task]):
            assert said in refusal.error["message"]
        assert ("or split" in refusal.error["message"]) == (task in SPLIT)
        assert asked(api) == []

    def test_what_fits_is_sent_as_it_is_and_nothing_more_is_said(self, api: Api) -> None:
        answer = api.task("summarize", body_of("summarize", "a b"))
        assert list(answer.body) == ["output", "outputs", "prompt_characters", "model", "request_id"]


class TestTruncate:
    @pytest.mark.parametrize("task", LONG)
    @pytest.mark.parametrize("side", ["head", "tail", "middle"])
    def test_the_long_field_alone_is_cut_and_the_answer_says_where(self, api: Api, task: str, side: str) -> None:
        answer = api.task(task, body_of(task, truncate=side))
        assert answer.status == 200
        [taken] = answer.body["cut"]
        assert (list(taken), taken["input"]) == (["input", "start", "end"], 0)
        kept = PROSE[: taken["start"]] + (" … " if side == "middle" else "") + PROSE[taken["end"] :]
        [prompt] = sent(api)
        assert prompt == prompt_of(api, task, kept)
        assert 200 < estimate_tokens(prompt) <= 300
        assert answer.body["prompt_characters"] == len(prompt)

    def test_what_fits_is_not_cut_and_the_answer_says_so(self, api: Api) -> None:
        answer = api.task("answer", body_of("answer", "a b", truncate="head"))
        assert (answer.status, answer.body["cut"]) == (200, [])

    def test_a_dummy_made_of_the_long_field_is_that_of_what_is_sent(self, api: Api) -> None:
        """The question about the last word of the passage has to be right of the passage that the model sees."""
        body = {name: value for name, value in body_of("answer", truncate="tail").items() if name != "shots"}
        answer = api.task("answer", body)
        [taken] = answer.body["cut"]
        last = PROSE[: taken["start"]].rsplit(maxsplit=1)[-1].rstrip(".")
        assert f"What is the last word in the passage? Answer: {last}; Question: What turns" in sent(api)[0]

    @pytest.mark.parametrize("choice", [{"truncate": "middle"}, {"split": True}])
    def test_shots_that_leave_no_room_are_refused_with_the_numbers(self, api: Api, choice: dict[str, Any]) -> None:
        shots = [{"article": PROSE, "summary": "The mill."}]
        refusal = api.task("summarize", {"article": PROSE, "shots": shots} | choice)
        assert (refusal.status, refusal.error["type"], refusal.error["param"]) == (422, "window_exceeded", None)
        for said in ("article", "fewer shots", str(300 - MARK_TOKENS)):
            assert said in refusal.error["message"]
        assert asked(api) == []

    def test_shots_that_leave_little_are_no_matter_to_a_text_that_fits(self) -> None:
        shots = [{"article": PROSE[:777], "summary": "The mill."}]
        api = api_with(WINDOW)
        assert api.task("summarize", {"article": "a b", "shots": shots, "truncate": "tail"}).body["cut"] == []
        assert api.task("summarize", {"article": PROSE, "shots": shots, "truncate": "tail"}).status == 422

    def test_where_the_window_is_not_known_max_length_is_one(self) -> None:
        api = api_with(None)
        refusal = api.task("summarize", body_of("summarize", truncate="tail"))
        assert (refusal.status, refusal.error["param"]) == (400, "truncate")
        more: dict[str, Any] = {"truncate": "tail", "parameters": {"max_length": 300}}
        assert api.task("summarize", body_of("summarize", **more)).status == 200
        assert estimate_tokens(sent(api)[0]) <= 300 - 64

    def test_white_space_is_not_sent_in_place_of_a_text(self, api: Api) -> None:
        refusal = api.task("summarize", body_of("summarize", " " * 5000 + "text", truncate="tail"))
        assert (refusal.status, refusal.error["param"]) == (422, "article")
        assert "Cut at its tail, article would be" in refusal.error["message"]

    def test_what_the_estimate_cut_too_little_is_cut_again_by_the_bound_of_the_text_alone(self) -> None:
        """The shots are prose: by the bound they alone would fill the window."""
        api = api_with(WINDOW)
        api.runtime.model = choosy(most_of="xqzvkj", at_most=200)
        shots = [{"article": PROSE[:360], "summary": "The mill."}]
        answer = api.task("summarize", {"article": "xqzvkj" * 200, "shots": shots, "truncate": "tail"})
        assert answer.status == 200
        assert len(asked(api)) == 2
        [taken] = answer.body["cut"]
        assert 16 < taken["start"] <= 200

    def test_a_line_break_that_becomes_longer_is_counted(self) -> None:
        api = api_with(WINDOW, "alexatm")
        assert api.task("summarize", body_of("summarize", "a\n" * 2000, truncate="tail")).status == 200
        assert 200 < estimate_tokens(sent(api)[0]) <= 300


def choosy(*, most_of: str, at_most: int) -> Any:
    """A model of the contract tgi that refuses a prompt with more than so many of these letters."""

    def model(request: dict[str, Any]) -> bytes:
        if sum(map(request["inputs"].count, most_of)) > at_most:
            raise ModelRefused("The model refused the request with status 422: too long")
        return json.dumps([{"generated_text": "ok"}]).encode()

    return model


class TestSplit:
    @pytest.mark.parametrize("task", SPLIT)
    def test_each_part_is_sent_in_the_frame_and_the_outputs_are_joined(self, api: Api, task: str) -> None:
        answer = api.task(task, body_of(task, split=True))
        assert answer.status == 200
        told = answer.body["split"]
        prompts = sent(api)
        parts = [PROSE[start:end] for start, end in told["spans"]]
        assert len(parts) > 2
        assert "".join(parts) == PROSE
        assert all(part.endswith(". ") for part in parts)
        assert prompts == [prompt_of(api, task, part) for part in parts]
        assert all(estimate_tokens(prompt) <= 300 for prompt in prompts)
        assert (told["parts"], told["done"], told["continue_at"], told["error"]) == (len(parts), len(parts), None, None)
        assert answer.body["outputs"] == [answer.body["output"]] == ["\n".join(told["texts"])]
        assert answer.body["prompt_characters"] == sum(map(len, prompts))

    def test_each_output_ends_at_the_delimiter(self) -> None:
        api = api_with(WINDOW)
        api.runtime.model = lambda _: json.dumps([{"generated_text": " Die Mühle.; Sentence: more"}]).encode()
        told = api.task("translate", body_of("translate", split=True)).body["split"]
        assert set(told["texts"]) == {"Die Mühle."}

    def test_a_text_that_fits_is_one_part(self, api: Api) -> None:
        answer = api.task("summarize", body_of("summarize", "a b", split=True))
        assert answer.body["split"]["spans"] == [[0, 3]]

    def test_when_a_later_part_fails_the_earlier_ones_are_returned(self) -> None:
        api = api_with(WINDOW)
        api.runtime.script = [b'[{"generated_text": "one"}]', ConnectionLost("cut")]
        answer = api.task("summarize", body_of("summarize", split=True))
        told = answer.body["split"]
        assert (answer.status, answer.body["output"], told["done"]) == (200, "one", 1)
        assert told["continue_at"] == told["spans"][0][1]
        assert told["error"] == {"type": "connection_lost", "message": "cut"}

    def test_a_part_that_would_not_be_done_in_time_is_not_started(self) -> None:
        api = api_with(WINDOW, seconds=12.0)
        told = api.task("summarize", body_of("summarize", split=True)).body["split"]
        assert (told["done"], told["error"]["type"]) == (2, "deadline_exceeded")

    def test_a_part_that_the_model_refuses_is_split_further(self) -> None:
        api = api_with(WINDOW)
        api.runtime.model = choosy(most_of="xqzvkj", at_most=280)
        told = api.task("summarize", body_of("summarize", "xqzvkj" * 200, split=True)).body["split"]
        assert (told["done"], told["error"], told["continue_at"]) == (told["parts"], None, None)
        assert told["parts"] > 3

    def test_a_text_of_very_many_parts_is_refused_at_once_by_name(self, api: Api) -> None:
        refusal = api.task("summarize", body_of("summarize", PROSE * 60, split=True))
        assert (refusal.status, refusal.error["param"]) == (422, "article")
        assert asked(api) == []


class TestPromptOnly:
    def test_it_shows_the_prompt_as_it_would_be_cut(self, api: Api) -> None:
        shown = api.task("entail", body_of("entail", truncate="head", prompt_only=True)).body
        assert list(shown) == ["prompt", "prompt_characters", "cut", "model", "request_id"]
        assert asked(api) == []
        done = api.task("entail", body_of("entail", truncate="head")).body
        assert (shown["prompt"], shown["cut"]) == (sent(api)[0], done["cut"])

    def test_it_shows_the_prompts_of_all_parts(self, api: Api) -> None:
        shown = api.task("summarize", body_of("summarize", split=True, prompt_only=True)).body
        assert list(shown) == ["prompt", "prompts", "prompt_characters", "model", "request_id"]
        assert asked(api) == []
        api.task("summarize", body_of("summarize", split=True))
        assert shown["prompts"] == sent(api)
        assert shown["prompt"] == sent(api)[0]
        assert shown["prompt_characters"] == sum(map(len, sent(api)))

    def test_with_neither_it_shows_also_what_is_too_long(self, api: Api) -> None:
        assert PROSE in prompt_of(api, "summarize", PROSE)


HARD = st.sampled_from([text for text in (*HOSTILE.values(), "plain ", PROSE[:57]) if len(text) < 999])


@given(
    st.sampled_from(list(LONG)),
    st.lists(HARD, min_size=1, max_size=6),
    st.sampled_from(["head", "tail", "middle", "split"]),
    st.sampled_from(["alexatm", "tgi"]),
)
@settings(max_examples=150)
def test_no_text_that_is_cut_or_split_breaks_the_frame(task: str, texts: list[str], choice: str, contract: str) -> None:
    """A border may fall anywhere, also inside what was harmless as a whole."""
    api = api_with(WINDOW, contract)
    how = {"split": True} if choice == "split" else {"truncate": choice}
    body = body_of(task, "".join(texts * 40)[:4000] + "x", prompt_only=True, **how)
    answer = api.task(task, body)
    if answer.status != 200:
        assert answer.status == (400 if choice == "split" and task not in SPLIT else 422)
        return
    expected = frame(task, prompt_of(api, task, "plain"))
    for prompt in answer.body.get("prompts", [answer.body["prompt"]]):
        assert estimate_tokens(prompt) <= 300
        assert frame(task, prompt) == expected
