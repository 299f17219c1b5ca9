"""What an operation answers instead: the proxy's error tree and API Gateway's own refusals, status by status."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from proxy import errors
from proxy.errors import Problem, status_of

from openapi.headers import header, of_a_refusal
from openapi.schemas import STRING, Json, any_of, nullable, one_of, record, ref
from stacks.refusals import Refusal, refusals

# A line of the tree that the errors are drawn as: name, status, what it means.
_IN_TREE = re.compile(r"^[│├└─ ]*(\w+) +(\d{3})(?: +(.+))?$", re.MULTILINE)

PAGE = "text/html"
_LISTED = "the message lists them"
_MAY_SAY_WHEN = (HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
_ABOUT_A_BODY = {"BAD_REQUEST_BODY", "REQUEST_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE"}


@dataclass(frozen=True)
class Failure:
    """One way not to be answered. `by_gateway`: the proxy has not seen the request, or has not answered it."""

    status: int
    type: str
    meaning: str
    by_gateway: bool = False


def problem_types() -> list[str]:
    """Every type of error that the proxy's tree has."""
    return sorted({kind.type for kind in _tree(Problem)})


def of_the_proxy(kinds: Sequence[type[Problem]]) -> Iterator[Failure]:
    meanings = {name: meaning for name, _, meaning in _IN_TREE.findall(errors.__doc__ or "")}
    for kind in kinds:
        meaning = meanings[kind.__name__] or kind.type.replace("_", " ")
        yield Failure(status_of(kind("")), kind.type, meaning)


def of_the_gateway(*, has_body: bool) -> Iterator[Failure]:
    """Of a stage that takes keys, and of one that takes IAM; without what is said of no route that there is."""
    for refusal in _unique([*refusals("key", _LISTED), *refusals("iam", _LISTED)]):
        about_a_body = refusal.response_type in _ABOUT_A_BODY
        if refusal.status is not None and refusal.status != HTTPStatus.NOT_FOUND and (has_body or not about_a_body):
            yield Failure(refusal.status, refusal.error_type, _meaning(refusal), by_gateway=True)


def error_schemas() -> dict[str, Json]:
    """By component name."""
    ours = {"type": STRING, "message": STRING, "param": nullable(STRING), "request_id": STRING}
    kinds = one_of(("invalid_request_error", "rate_limit_error", "server_error"))
    openai = {"message": STRING, "type": kinds, "param": nullable(STRING), "code": STRING}
    return {"Error": record({"error": record(ours)}), "OpenAIError": record({"error": record(openai)})}


def response(failures: Sequence[Failure], *, openai: bool, page: bool) -> Json:
    """The response object for failures of one status. On OpenAI's routes the proxy speaks as OpenAI does, and from a
    page to a person.
    """
    status = failures[0].status
    shapes = []
    if theirs := [failure for failure in failures if openai and not failure.by_gateway]:
        shapes.append(_narrowed("OpenAIError", "code", theirs))
    in_words = [failure for failure in failures if page and not failure.by_gateway]
    if ours := [failure for failure in failures if failure not in (*theirs, *in_words)]:
        shapes.append(_narrowed("Error", "type", ours))
    from_the_proxy = any(not failure.by_gateway for failure in failures)
    headers = of_a_refusal() if from_the_proxy else {}
    if status in _MAY_SAY_WHEN:
        headers = headers | header("Retry-After")
    if theirs:
        headers = headers | header("x-should-retry")
    return {
        "description": "\n".join([HTTPStatus(status).phrase + ".", "", *_lines(failures)]),
        **({"headers": headers} if headers else {}),
        "content": {
            **({"application/json": {"schema": shapes[0] if len(shapes) == 1 else any_of(*shapes)}} if shapes else {}),
            **({PAGE: {"schema": ref("Page")}} if in_words else {}),
        },
    }


def _lines(failures: Sequence[Failure]) -> list[str]:
    lines = [
        f"* `{failure.type}`: {failure.meaning}" + (" (API Gateway)" if failure.by_gateway else "")
        for failure in failures
    ]
    return list(dict.fromkeys(lines))


def _narrowed(shape: str, member: str, failures: Sequence[Failure]) -> Json:
    types = one_of(sorted({failure.type for failure in failures}))
    return {"allOf": [ref(shape), {"properties": {"error": {"properties": {member: types}}}}]}


def _meaning(refusal: Refusal) -> str:
    message = refusal.message.partition(" {how}")[0]
    return message or "the key is missing, malformed, or not allowed on this route; the message says which."


def _unique(found: Sequence[Refusal]) -> list[Refusal]:
    return list(dict.fromkeys(found))


def _tree(kind: type[Problem]) -> Iterator[type[Problem]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from _tree(narrower)
