"""`POST /tasks/{task}` and `GET /tasks`: what comes back, and what is refused."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proxy import errors
from proxy.parameters import RULES

from tests.unit.proxy.fakes import SETTINGS, Api, event

BODIES: dict[str, dict[str, Any]] = {
    "summarize": {"article": "T", "shots": [{"article": "a", "summary": "s"}]},
    "describe": {"input": "T", "shots": [{"input": "a", "output": "s"}]},
    "translate": {"source": "T", "target_language": "English", "shots": [{"source": "a", "target": "s"}]},
    "answer": {"context": "C", "question": "T", "shots": [{"question": "a", "answer": "s"}]},
    "entail": {"context": "C", "hypothesis": "T"},
}


def saying(api: Api, *texts: str) -> Api:
    """The same API, whose model goes on with these texts next."""
    answers: dict[str, object] = {
        "alexatm": {"generated_texts": list(texts)},
        "tgi": [{"generated_text": text} for text in texts],
        "openai": {"choices": [{"text": text} for text in texts]},
    }
    api.runtime.script = [json.dumps(answers[api.settings.contract]).encode()]
    return api


@pytest.fixture(params=["alexatm", "tgi", "openai"])
def either(request: pytest.FixtureRequest) -> Api:
    """The API over each contract in turn."""
    return Api(replace(SETTINGS, contract=request.param))


class TestAnswer:
    @pytest.mark.parametrize("task", BODIES)
    def test_the_output_is_what_stands_before_the_delimiter(self, either: Api, task: str) -> None:
        answer = saying(either, " a sentence \n; <br> and what follows").task(task, BODIES[task])
        assert answer.status == 200
        cut = "a sentence \n;" if task in ("summarize", "entail") else "a sentence"
        assert answer.body["output"] == cut
        assert answer.body["outputs"] == [cut]

    @pytest.mark.parametrize("task", BODIES)
    def test_the_body_has_the_fields_of_the_task_and_no_more(self, either: Api, task: str) -> None:
        body = saying(either, "x").task(task, BODIES[task]).body
        label = ["label"] if task == "entail" else []
        assert list(body) == ["output", "outputs", *label, "prompt_characters", "model", "request_id"]
        assert body["model"] == either.settings.model
        assert body["request_id"] == "request-1"

    def test_prompt_characters_are_those_of_the_prompt_as_sent(self, api: Api) -> None:
        characters = api.task("summarize", {"article": "é\n😀"}).body["prompt_characters"]
        assert characters == len(api.runtime.requests[0]["text_inputs"]) == len("[CLM] é<br>😀 ==> Short summary:")

    def test_every_sequence_is_cut(self, api: Api) -> None:
        parameters = {"num_return_sequences": 3, "num_beams": 3}
        answer = saying(api, "a; x", " b ;", ";c").task("translate", BODIES["translate"] | {"parameters": parameters})
        assert (answer.body["output"], answer.body["outputs"]) == ("a", ["a", "b", ""])

    def test_prompt_only_returns_the_prompt_and_calls_no_model(self, either: Api) -> None:
        answer = either.task("describe", BODIES["describe"] | {"prompt_only": True})
        assert list(answer.body) == ["prompt", "prompt_characters", "model", "request_id"]
        assert answer.body["prompt"].endswith(
            "a ==> sentence describing the place: s ; T ==> sentence describing the place:"
        )
        assert answer.body["prompt_characters"] == len(answer.body["prompt"])
        assert either.runtime.requests == []

    def test_prompt_only_false_is_as_if_it_were_not_there(self, api: Api) -> None:
        assert "output" in api.task("describe", BODIES["describe"] | {"prompt_only": False}).body

    def test_the_ten_parameters_reach_the_model_as_given(self, api: Api) -> None:
        ten = {
            "max_length": 90,
            "num_return_sequences": 2,
            "num_beams": 2,
            "no_repeat_ngram_size": 2,
            "temperature": 0.5,
            "early_stopping": True,
            "do_sample": False,
            "top_k": 5,
            "top_p": 0.5,
            "seed": 1,
        }
        assert set(ten) == set(RULES)
        api.task("summarize", {"article": "T", "parameters": ten})
        assert api.runtime.requests == [{"text_inputs": "[CLM] T ==> Short summary:"} | ten]

    def test_tgi_is_told_to_stop_at_the_delimiter(self, tgi: Api) -> None:
        tgi.task("summarize", {"article": "T"})
        assert tgi.runtime.requests[0]["parameters"]["stop"] == ["<br>"]

    def test_the_target_language_is_english_where_it_is_not_said(self, api: Api) -> None:
        api.task("translate", {"source": "T"})
        assert api.runtime.requests[0]["text_inputs"] == "[CLM] Sentence: T; Translation in English:"

    def test_an_endpoint_that_is_off_says_so(self, api: Api) -> None:
        api.runtime.script = [errors.EndpointMissing("gone")]
        answer = api.task("summarize", {"article": "T"})
        assert (answer.status, answer.error["type"]) == (503, "endpoint_off")


class TestEntailment:
    @pytest.mark.parametrize(
        ("said", "label"),
        [
            (" True <br> Question: another", "True"),
            ("False", "False"),
            ("Neither", "Neither"),
            ("true.", "True"),
            (" FALSE, because", "False"),
            ("'Neither'", "Neither"),
            ("(True)", "True"),
            ("Neither true nor false", "Neither"),
            ("True, or so. False would be odd", "True"),
            ("True or falsehood", "True"),
        ],
    )
    def test_the_label_is_the_one_it_begins_with(self, either: Api, said: str, label: str) -> None:
        assert saying(either, said).task("entail", BODIES["entail"]).body["label"] == label

    @pytest.mark.parametrize(
        "said",
        [
            *("", " ", "<br> True", "Truely", "It is True", "maybe", "No", "True_", "Trues"),
            *("True, False, or Neither", "(True, False, or Neither):", "true or false", "False/True", "True | False"),
        ],
    )
    def test_no_label_is_null_and_no_error(self, either: Api, said: str) -> None:
        answer = saying(either, said).task("entail", BODIES["entail"])
        assert (answer.status, answer.body["label"]) == (200, None)

    def test_it_is_that_of_the_first_output(self, api: Api) -> None:
        body = BODIES["entail"] | {"parameters": {"num_return_sequences": 2, "num_beams": 2}}
        answer = saying(api, "False", "True").task("entail", body)
        assert (answer.body["label"], answer.body["outputs"]) == ("False", ["False", "True"])


REFUSED: dict[str, tuple[str, object, str]] = {
    "no field": ("summarize", {}, "article"),
    "one of two fields": ("answer", {"context": "C"}, "question"),
    "empty text": ("summarize", {"article": ""}, "article"),
    "blank text": ("summarize", {"article": " \n"}, "article"),
    "number as text": ("summarize", {"article": 5}, "article"),
    "null as text": ("translate", {"source": "T", "target_language": None}, "target_language"),
    "half a surrogate pair": ("summarize", {"article": "\ud83d"}, "article"),
    "another task's field": ("summarize", {"article": "T", "question": "Q"}, "question"),
    "text_inputs": ("summarize", {"article": "T", "text_inputs": "T"}, "text_inputs"),
    "a parameter outside parameters": ("summarize", {"article": "T", "max_length": 5}, "max_length"),
    "clm": ("summarize", {"article": "T", "clm": False}, "clm"),
    "shots as object": ("summarize", {"article": "T", "shots": {}}, "shots"),
    "shots null": ("summarize", {"article": "T", "shots": None}, "shots"),
    "shot as text": ("summarize", {"article": "T", "shots": ["a"]}, "shots[0]"),
    "very many shots": ("summarize", {"article": "T", "shots": [1] * 300_000}, "shots[0]"),
    "shot without output": ("summarize", {"article": "T", "shots": [{"article": "a"}]}, "shots[0].summary"),
    "blank output": ("summarize", {"article": "T", "shots": [{"article": "a", "summary": " "}]}, "shots[0].summary"),
    "shot with more": (
        "translate",
        {"source": "T", "shots": [{"source": "a", "target": "s", "target_language": "French"}]},
        "shots[0].target_language",
    ),
    "second shot": (
        "summarize",
        {"article": "T", "shots": [{"article": "a", "summary": "s"}, {"article": 1, "summary": "s"}]},
        "shots[1].article",
    ),
    "a label that is none": (
        "entail",
        {"context": "C", "hypothesis": "H", "shots": [{"hypothesis": "h", "label": "true"}]},
        "shots[0].label",
    ),
    "parameters as array": ("summarize", {"article": "T", "parameters": []}, "parameters"),
    "unknown parameter": ("summarize", {"article": "T", "parameters": {"max_new_tokens": 5}}, "max_new_tokens"),
    "bad parameter": ("summarize", {"article": "T", "parameters": {"top_p": 1}}, "top_p"),
    "trim_at among parameters": ("summarize", {"article": "T", "parameters": {"trim_at": ";"}}, "trim_at"),
    "prompt_only as text": ("summarize", {"article": "T", "prompt_only": "true"}, "prompt_only"),
    "a side that is none": ("summarize", {"article": "T", "truncate": "left"}, "truncate"),
    "split as text": ("summarize", {"article": "T", "split": "true"}, "split"),
    "both": ("summarize", {"article": "T", "split": True, "truncate": "tail"}, "truncate"),
    "several outputs a part": (
        "summarize",
        {"article": "T", "split": True, "parameters": {"num_return_sequences": 2, "do_sample": True}},
        "num_return_sequences",
    ),
    "an answer to each part": ("answer", {"context": "C", "question": "Q", "split": True}, "split"),
    "a label for each part": ("entail", {"context": "C", "hypothesis": "H", "split": True}, "split"),
    "split among parameters": ("summarize", {"article": "T", "parameters": {"split": True}}, "split"),
    "bad parameter, prompt only": (
        "summarize",
        {"article": "T", "prompt_only": True, "parameters": {"top_k": 0}},
        "top_k",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_wrong_field_is_refused_by_name_before_the_model(either: Api, name: str) -> None:
    task, body, param = REFUSED[name]
    answer = either.task(task, body)
    assert (answer.status, answer.error["type"], answer.error["param"]) == (400, "invalid_parameter", param)
    assert either.runtime.requests == []


@pytest.mark.parametrize("body", ["", "hello", "[1]", '{"article": "a", "article": "b"}', "[" * 100_000])
def test_a_body_that_is_no_json_object_is_refused(api: Api, body: str) -> None:
    assert api.task("summarize", body).error["type"] == "invalid_request"


def test_an_unknown_field_is_answered_with_the_allowed_ones(api: Api) -> None:
    message = api.task("translate", {"sourc": "T"}).error["message"]
    assert "source, target_language, shots, parameters, prompt_only, truncate, split" in message


@pytest.mark.parametrize("name", ["nothing", "Summarize", "", "a/b", "..", "%3Bdrop", "{task}", "summarize/"])
def test_an_unknown_task_is_404_and_the_answer_names_the_tasks(api: Api, name: str) -> None:
    answer = api.task(name, {"article": "T"})
    assert (answer.status, answer.error["type"]) == (404, "not_found")
    assert "summarize, describe, translate, answer, entail" in answer.error["message"]


def test_a_task_is_reached_behind_a_custom_domains_base_path(api: Api) -> None:
    fields = {"resource": "/tasks/{task}", "pathParameters": {"task": "summarize"}}
    sent = event("POST", "/tasks/summarize", {"article": "T"}, **fields) | {"path": "/base/tasks/summarize"}
    assert api.send(sent).status == 200


@pytest.mark.parametrize(("method", "path"), [("GET", "/tasks/summarize"), ("POST", "/tasks"), ("PUT", "/tasks/x")])
def test_another_method_is_405(api: Api, method: str, path: str) -> None:
    assert api.send(event(method, path, {})).error["type"] == "method_not_allowed"


class TestListing:
    def test_it_tells_what_a_request_for_each_task_holds(self, api: Api) -> None:
        answer = api.send(event("GET", "/tasks"))
        assert list(answer.body) == ["tasks", "model", "request_id"]
        found = {task["name"]: task for task in answer.body["tasks"]}
        assert list(found) == ["summarize", "describe", "translate", "answer", "entail"]
        assert found["translate"] == {
            "name": "translate",
            "about": "Translate a sentence from any language into any other.",
            "fields": ["source", "target_language"],
            "defaults": {"target_language": "English"},
            "shot_fields": ["source", "target"],
            "output": "target",
            "labels": None,
            "delimiter": ";",
            "long": "source",
            "splits": True,
            "shape": "Sentence: {source}; Translation in {target_language}: {target}",
        }
        assert found["answer"]["fields"] == ["context", "question"]
        assert found["answer"]["shot_fields"] == ["question", "answer"]
        assert found["entail"]["labels"] == ["True", "False", "Neither"]

    def test_the_model_is_not_called(self, api: Api) -> None:
        api.send(event("GET", "/tasks"))
        assert api.runtime.requests == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=8,
)
FIELDS = ["article", "summary", "input", "source", "target_language", "context", "question", "hypothesis"]


@given(
    st.sampled_from([*BODIES, "nothing"]),
    st.dictionaries(
        st.sampled_from([*FIELDS, "shots", "parameters", "prompt_only", "truncate", "split"]), JSON, max_size=4
    ),
)
def test_no_json_object_as_body_is_ever_answered_by_5xx(task: str, body: dict[str, Any]) -> None:
    assert Api().task(task, body).status in (200, 400, 404)
