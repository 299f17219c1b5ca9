"""From event to response: the one place where problems become answers."""

import json
from collections.abc import Callable, Mapping

from proxy.app import Proxy
from proxy.errors import AnswerTooLarge, Problem, error_body, status_of
from proxy.log import LogLine
from proxy.openai.bodies import PREFIX as OPENAI_PREFIX
from proxy.openai.bodies import openai_error_body, should_retry
from proxy.request import Request
from proxy.timing import Clock

Response = dict[str, object]

# Lambda takes 6 MiB, measured as JSON in which our own JSON is a string; the rest is for headers and frame.
MAX_ANSWER_BYTES = 6 * 2**20 - 64 * 2**10


def serve(event: object, context: object, *, proxy: Callable[[], Proxy], clock: Clock) -> Response:
    """The response to a REST proxy integration's event. Nothing is raised, whatever goes wrong.

    `proxy` gives the worker's proxy; should building it fail, that is answered and logged like any other bug.
    """
    started = clock.monotonic()
    request = Request.from_event(event, context)
    log = LogLine(request_id=request.id, route=f"{request.method} {request.path}"[:80])
    try:
        response = _bounded(_response(200, proxy().answer(request, context, log), request.id))
    except Problem as problem:
        log.add_problem(problem)
        response = _refusal(problem, request)
    except Exception as exc:  # noqa: BLE001 (a bug answers one request with 500; it must not end the worker)
        bug = Problem("The proxy failed: its log has the details.")
        log.add_problem(bug)
        log.add_crash(exc)
        response = _refusal(bug, request)
    log.write(elapsed_seconds=clock.monotonic() - started)
    return response


def with_headers(response: Response, headers: Mapping[str, str]) -> Response:
    """The response with more headers."""
    own = response["headers"]
    return response | {"headers": {**(own if isinstance(own, dict) else {}), **headers}}


def bytes_in_lambda(body: str) -> int:
    """What an ASCII body takes in Lambda's own JSON, where it is a string with escapes."""
    return len(body) + body.count("\\") + body.count('"')


def _bounded(response: Response) -> Response:
    """The response, if Lambda takes it; it would be refused there without a word to the caller."""
    size = bytes_in_lambda(str(response["body"]))
    if size > MAX_ANSWER_BYTES:
        raise AnswerTooLarge(
            f"The answer has {size} bytes, and at most {MAX_ANSWER_BYTES} can be sent: ask for less, "
            "with fewer inputs, a smaller max_length or fewer num_return_sequences."
        )
    return response


def _refusal(problem: Problem, request: Request) -> Response:
    status, wait = status_of(problem), problem.retry_after_seconds
    if request.path.startswith(OPENAI_PREFIX):
        retry = {"x-should-retry": json.dumps(should_retry(problem))}
        return _response(status, openai_error_body(problem), request.id, wait, retry)
    return _response(status, error_body(problem, request.id), request.id, wait)


def _response(
    status: int,
    body: Mapping[str, object],
    request_id: str,
    retry_after_seconds: int | None = None,
    more_headers: Mapping[str, str] | None = None,
) -> Response:
    headers = {"Content-Type": "application/json", "x-request-id": request_id, **(more_headers or {})}
    if retry_after_seconds is not None:
        headers["Retry-After"] = str(retry_after_seconds)
    return {
        "statusCode": status,
        "headers": headers,
        # ASCII, so that half a surrogate pair from a model or a caller still makes a valid answer.
        "body": json.dumps(body),
        "isBase64Encoded": False,
    }
