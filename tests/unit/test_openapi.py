"""The API's document: that it is the code's, that it leaves nothing out, and that the proxy keeps to it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import jsonschema_rs
import pytest
import requests
import schemathesis
from finetune.run import Job, Run
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from proxy.errors import Problem
from proxy.openai.fields import SAMPLING
from proxy.parameters import RULES, Rule
from schemathesis import GenerationMode
from schemathesis.core.transport import Response
from schemathesis.specs.openapi import checks
from schemathesis.specs.openapi.definitions import OPENAPI_31

from openapi.document import document
from openapi.examples import ASKED, recorded
from openapi.files import FOR_PEOPLE, SERVED, as_json, as_yaml
from openapi.operations import operations
from stacks.routes import ROUTES
from tests.unit.proxy.fakes import SETTINGS, Answer, Api, event

DOCUMENT = document()
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
KEPT = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
REQUEST = {
    path: jsonschema_rs.validator_for(
        {"$ref": f"#/components/schemas/{operation.request}", "components": DOCUMENT["components"]}
    )
    for _, path, operation in operations()
    if operation.request
}
PLACES = [(path, route.method) for route, path, operation in operations() if not operation.is_page]
REACHED_OTHERWISE = {
    "endpoint_unavailable": "is looked into, and becomes off, waking or failed",
    "idempotency_conflict": "is in use, not kept or reused",
    "not_found": "is what an unknown path gets",
    **dict.fromkeys(("link_refused", "link_expired", "link_used", "nothing_to_snooze"), "is a page that says so"),
    "method_not_allowed": "is API Gateway's to say, which says 404",
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=3,
)


def test_both_files_are_what_the_code_makes() -> None:
    """`make openapi` writes them."""
    assert FOR_PEOPLE.read_text(encoding="utf-8") == as_yaml(DOCUMENT)
    assert SERVED.read_text(encoding="utf-8") == as_json(DOCUMENT)


def test_it_is_openapi() -> None:
    jsonschema_rs.validator_for(OPENAPI_31).validate(DOCUMENT)


def test_the_proxy_serves_it_without_asking_the_model_or_aws() -> None:
    api = Api()
    answer = api.send(event("GET", "/openapi.json"))
    assert (answer.status, answer.body) == (200, DOCUMENT)
    assert api.runtime.requests == []


def test_every_route_is_there_and_says_which_keys_open_it() -> None:
    assert {str(route) for route, _, _ in operations()} == {str(route) for route in ROUTES}
    for route, path, _ in operations():
        [*keys] = (name for way in DOCUMENT["paths"][path][route.method.lower()]["security"] for name in way)
        assert ("AdminKey" in keys, "Key" in keys) == (route.changes_something, route.takes_any_key)


def test_every_type_of_error_is_there_under_its_status() -> None:
    told = {
        (status, failure)
        for methods in DOCUMENT["paths"].values()
        for operation in methods.values()
        for status, response in operation["responses"].items()
        for failure in _types(response)
    }
    known = {kind.type for kind in _tree(Problem)} - REACHED_OTHERWISE.keys()
    assert known <= {failure for _, failure in told}
    assert ("429", "quota_exceeded") in told
    assert ("403", "forbidden") in told


def test_every_example_was_asked_as_it_is_shown_and_its_answer_is_as_documented() -> None:
    """`python -m openapi.record` asks them all."""
    assert [replace(example, answer=None) for example in recorded()] == list(ASKED)
    for example in recorded():
        operation = DOCUMENT["paths"][example.path][example.method.lower()]
        for shown, value in (
            (operation.get("requestBody"), example.request),
            (operation["responses"]["200"], example.answer),
        ):
            if shown is not None:
                schema = shown["content"]["application/json"]["schema"]
                jsonschema_rs.validator_for(schema | {"components": DOCUMENT["components"]}).validate(value)


def test_no_operation_is_silent_about_what_api_gateway_may_answer() -> None:
    for methods in DOCUMENT["paths"].values():
        for method, operation in methods.items():
            always = {"200", "403", "429", "500", "502", "503", "504"}
            assert set(operation["responses"]) >= always | ({"400", "413", "415"} if method == "post" else set())


@pytest.mark.parametrize("name", [*RULES, *SAMPLING])
@given(JSON | st.integers(-3, 70))
def test_a_parameters_schema_is_its_rule(name: str, value: object) -> None:
    """But for 1.0, which is an integer to JSON Schema."""
    rule: Rule = RULES.get(name) or SAMPLING[name]
    for value_or_bound in (value, *_around(rule.schema)):
        if not (rule.schema["type"] == "integer" and isinstance(value_or_bound, float)):
            taken = jsonschema_rs.is_valid(dict(rule.schema), value_or_bound)
            assert taken == rule.allows(value_or_bound), value_or_bound


@pytest.mark.parametrize(
    ("path", "schema", "asked"),
    [
        ("/v1/chat/completions", "ChatCompletionRequest", {"messages": [{"role": "user", "content": "hello"}]}),
        ("/v1/completions", "CompletionRequest", {"prompt": "hello"}),
    ],
)
def test_a_text_of_no_stated_length_has_as_many_tokens_as_is_said(
    path: str, schema: str, asked: dict[str, Any]
) -> None:
    api = Api(replace(SETTINGS, contract="tgi"))
    sent(api, path, {"model": api.settings.model, **asked}, {})
    [request] = api.runtime.requests
    said = DOCUMENT["components"]["schemas"][schema]["properties"]["max_tokens"]["description"]
    assert f" {request['parameters']['max_new_tokens']}," in said


@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize(("path", "method"), [place for place in PLACES if place[1] == "POST"])
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@seed(1)
@given(st.data())
def test_the_proxy_keeps_to_it(path: str, method: str, mode: GenerationMode, data: st.DataObject) -> None:
    """Whatever a caller sends, the answer is in the document; and what the document forbids is refused."""
    case = data.draw(SCHEMA[path][method].as_strategy(mode))
    api = Api()
    body = _for_this_stage(_as_written(case.body), api.settings.model)
    answer = sent(api, path, body, case.headers)
    assert answer.status < 500
    assert answer.status != 200 or REQUEST[path].is_valid(body), body
    case.validate_response(_as_received(answer), checks=KEPT)


@pytest.mark.parametrize("path", [path for path, method in PLACES if method == "GET"])
def test_what_is_read_is_as_documented(path: str) -> None:
    api = Api()
    api.runs.records["a-run"] = RUN.to_data()
    named = {"id": "a-run", "model": api.settings.model}
    answer = api.send(event("GET", path.format(**named)))
    assert answer.status == 200
    SCHEMA[path]["GET"].Case(path_parameters=named).validate_response(_as_received(answer), checks=KEPT)


RUN = Run(
    id="a-run",
    steps=({"name": "Train", "at": 1.0, "message": "It trains."},),
    jobs=(Job("pilotlight-test-a-run-1", "train", "ml.g5.xlarge", 1, seconds=60.0, usd=0.02),),
    losses={"train_loss": [[1.0, 2.5]]},
)


def sent(api: Api, path: str, body: object, headers: Mapping[str, str]) -> Answer:
    text = "" if isinstance(body, bytes) else json.dumps(body)
    about = {"requestId": "request-1", "identity": {"apiKeyId": "key-1"}}
    made = event("POST", path, text, headers=headers, requestContext=about)
    if path.startswith("/tasks/"):
        made |= {"resource": "/tasks/{task}", "pathParameters": {"task": path.removeprefix("/tasks/")}}
    return api.send(made)


def _as_written(value: Any) -> Any:
    """1 for 1.0, as most writers of JSON have it."""
    if isinstance(value, dict):
        return {name: _as_written(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_as_written(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _for_this_stage(body: Any, model: str) -> Any:
    """With a name that the stage's model goes by, so that more than that is looked at."""
    named = isinstance(body, dict) and isinstance(body.get("model"), str)
    return body | {"model": model} if named else body


def _as_received(answer: Answer) -> Response:
    request = requests.Request("GET", "http://localhost").prepare()
    headers = {name.lower(): [value] for name, value in answer.headers.items()}
    return Response(answer.status, headers, json.dumps(answer.body).encode(), request, elapsed=0, verify=False)


def _types(response: Mapping[str, Any]) -> Iterator[str]:
    """The types of error that a documented response may have."""
    if "$ref" in response:
        response = DOCUMENT["components"]["responses"][response["$ref"].rpartition("/")[2]]
    schema = response["content"].get("application/json", {}).get("schema", {})
    for shape in schema.get("anyOf", [schema]):
        if "allOf" in shape:
            [[members]] = [part["properties"]["error"]["properties"].values() for part in shape["allOf"][1:]]
            yield from members["enum"]


def _tree(kind: type[Problem]) -> Iterator[type[Problem]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from _tree(narrower)


def _around(schema: Mapping[str, Any]) -> Iterator[float]:
    """The ends of a range, and what lies just outside."""
    for bound in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
        if bound in schema:
            yield from (schema[bound] - 1, schema[bound], schema[bound] + 1)
