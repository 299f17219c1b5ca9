"""From event to response: the one place where problems become answers."""

import json
from collections.abc import Callable, Mapping

from proxy.app import PAGES, Proxy
from proxy.errors import AnswerTooLarge, Problem, error_body
from proxy.log import LogLine
from proxy.openai import PREFIX as OPENAI_PREFIX
from proxy.request import Request
from proxy.timing import Clock

Response = dict[str, object]

# Lambda takes 6 MiB, measured as JSON in which our own JSON is a string; the rest is for headers and frame.
MAX_ANSWER_BYTES = 6 * 2**20 - 64 * 2**10


def serve(event: object, context: object, *, proxy: Callable[[], Proxy], clock: Clock, stage: str = "") -> Response:
    """The response to a REST proxy integration's event. Nothing is raised, whatever goes wrong.

    `proxy` gives the worker's proxy; should building it fail, that is answered and logged like any other bug.
    `stage` names the metrics.
    """
    started = clock.monotonic()
    request = Request.from_event(event, context)
    log = LogLine(request_id=request.id, route=f"{request.method} {request.path}"[:80])
    is_page = request.path in PAGES
    told: Mapping[str, str] = {}
    try:
        text = proxy().page(request, context) if is_page else _bounded(_text(proxy().answer(request, context, log)))
    except Problem as problem:
        log.add_problem(problem)
        text, told = _refusal(problem, request)
    except Exception as exc:  # noqa: BLE001 (a bug answers one request with 500; it must not end the worker)
        bug = Problem("The proxy failed: its log has the details.")
        log.add_problem(bug)
        log.add_crash(exc)
        text, told = _refusal(bug, request)
    elapsed = clock.monotonic() - started
    log.write(
        elapsed_seconds=elapsed,
        stage=stage,
        at_epoch=clock.time() if request.start_epoch is None else request.start_epoch,
    )
    return {
        "statusCode": log.status,
        "headers": {
            **(_page_headers() if is_page else {"Content-Type": "application/json"}),
            "x-request-id": request.id,
            **log.headers(elapsed_seconds=elapsed),
            **told,
        },
        "body": text,
        "isBase64Encoded": False,
    }


def with_headers(response: Response, headers: Mapping[str, str]) -> Response:
    """The response with more headers."""
    own = response["headers"]
    return response | {"headers": {**(own if isinstance(own, dict) else {}), **headers}}


def bytes_in_lambda(body: str) -> int:
    """What an ASCII body takes in Lambda's own JSON, where it is a string with escapes."""
    return len(body) + body.count("\\") + body.count('"')


def _bounded(body: str) -> str:
    """The body, if Lambda takes it; it would be refused there without a word to the caller."""
    size = bytes_in_lambda(body)
    if size > MAX_ANSWER_BYTES:
        raise AnswerTooLarge(
            f"The answer has {size} bytes, and at most {MAX_ANSWER_BYTES} can be sent: ask for "
            "fewer or shorter texts at once."
        )
    return body


def _text(body: Mapping[str, object]) -> str:
    """ASCII, so that half a surrogate pair from a model or a caller still makes a valid answer."""
    return json.dumps(body)


def _page_headers() -> Mapping[str, str]:
    from proxy.link_page import HEADERS

    return HEADERS


def _refusal(problem: Problem, request: Request) -> tuple[str, Mapping[str, str]]:
    """The body and the headers that tell of a problem, as the clients of the route expect them."""
    wait = problem.retry_after_seconds
    headers = {} if wait is None else {"Retry-After": str(wait)}
    if request.path in PAGES:
        from proxy.link_page import refused

        return refused(problem), headers
    if request.path.startswith(OPENAI_PREFIX):
        from proxy.openai.bodies import openai_error_body, should_retry

        retry = {"x-should-retry": json.dumps(should_retry(problem))}
        return _text(openai_error_body(problem)), headers | retry
    return _text(error_body(problem, request.id)), headers
