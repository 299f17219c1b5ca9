"""The whole document, put together."""

import tomllib
from collections.abc import Iterator
from http import HTTPStatus
from itertools import groupby
from operator import attrgetter

from proxy.app import WORK_SECONDS
from proxy.openai import PREFIX as OPENAI_PREFIX

from openapi.answered import answer_schemas
from openapi.asked import request_schemas
from openapi.examples import shown
from openapi.failed import PAGE, error_schemas, of_the_gateway, of_the_proxy, response
from openapi.files import ROOT
from openapi.headers import PARAMETERS, TIMEOUTS, headers, of_an_answer
from openapi.operations import Operation, operations
from openapi.schemas import Json, ref
from openapi.words import ABOUT, SECURITY_SCHEMES, SERVERS, TAGS
from stacks.routes import Route

FORM = "application/x-www-form-urlencoded"


def document() -> Json:
    """OpenAPI 3.1. Raises KeyError for a route of which nothing is said."""
    shared = _Shared()
    paths: Json = {}
    for route, path, operation in operations():
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, path, operation, shared)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Pilotlight",
            "version": project["version"],
            "summary": project["description"],
            "description": ABOUT,
            "license": {"name": project["license"], "identifier": project["license"]},
        },
        "servers": SERVERS,
        "tags": [{"name": name, "description": about} for name, about in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": request_schemas() | answer_schemas() | error_schemas(),
            "responses": shared.responses,
            "parameters": PARAMETERS,
            "headers": headers(),
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


RUN_ID: Json = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "A run's id.",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,80}$"},
}


MODEL_NAME: Json = {
    "name": "model",
    "in": "path",
    "required": True,
    "description": "One of the names of `GET /v1/models`.",
    "schema": {"type": "string", "minLength": 1},
}


class _Shared:
    """Responses that several operations have, each under the phrase of its status, and a number where it has kinds."""

    def __init__(self) -> None:
        self.responses: dict[str, Json] = {}

    def __call__(self, status: int, made: Json) -> Json:
        phrase = "".join(word.capitalize() for word in HTTPStatus(status).phrase.split())
        number = 1
        while self.responses.setdefault(name := phrase + (str(number) if number > 1 else ""), made) != made:
            number += 1
        return {"$ref": f"#/components/responses/{name}"}


def _operation(route: Route, path: str, operation: Operation, shared: _Shared) -> Json:
    body = {}
    if operation.request:
        content = _content(operation, operation.request, FORM, shown(route.method, path, "request"))
        body = {"requestBody": {"required": True, "content": content}}
    return {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "security": [{name: []} for name in _keys(route)],
        "parameters": [
            *([RUN_ID] if "{id}" in route.path else []),
            *([MODEL_NAME] if "{model+}" in route.path else []),
            *({"$ref": f"#/components/parameters/{name}"} for name in _parameters(route, operation)),
        ],
        **body,
        "responses": {
            "200": {
                "description": HTTPStatus.OK.phrase + ".",
                "headers": of_an_answer(),
                "content": _content(operation, operation.answer, PAGE, shown(route.method, path, "answer")),
            },
            **{str(status): shared(status, made) for status, made in _failures(path, operation)},
        },
    }


def _parameters(route: Route, operation: Operation) -> tuple[str, ...]:
    timeout = TIMEOUTS[WORK_SECONDS.get((route.method, route.path), 0)]
    if operation.is_page:
        return (timeout, "LinkToken") if route.method == "GET" else (timeout,)
    return (timeout, "IdempotencyKey") if operation.request else (timeout,)


def _keys(route: Route) -> tuple[str, ...]:
    """Any one of them; none for whoever comes with a token."""
    if route.is_open:
        return ()
    return ("AdminKey", "AdminBearer", "Iam") if route.changes_something else ("Key", "Bearer", "Iam")


def _content(operation: Operation, schema: str, of_a_page: str, examples: Json) -> Json:
    return {of_a_page if operation.is_page else "application/json": {"schema": ref(schema), **examples}}


def _failures(path: str, operation: Operation) -> Iterator[tuple[int, Json]]:
    """Of one status after the other."""
    has_body = operation.request is not None
    found = [*of_the_proxy(operation.problems), *of_the_gateway(has_body=has_body)]
    found.sort(key=attrgetter("status"))
    for status, failures in groupby(found, key=attrgetter("status")):
        yield status, response(list(failures), openai=path.startswith(OPENAI_PREFIX), page=operation.is_page)
