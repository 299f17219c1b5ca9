"""The proxy's handler with a stopwatch: what a call took it from entry to exit, less its HTTP calls.

Left out is the time that botocore's HTTP session takes to send a request and to receive the answer. What comes before
and after is the handler's own: making the request, signing it, reading the answer. It may be deployed in the place of
the handler, whose code it leaves as it is.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from botocore.httpsession import URLLib3Session
from botocore.response import StreamingBody
from proxy import handler

HEADER = "x-bench-own-ms"

_http_seconds = 0.0


def _timed(call: Callable[..., Any]) -> Callable[..., Any]:
    def timed(*arguments: Any, **options: Any) -> Any:
        global _http_seconds  # noqa: PLW0603  a worker has one request at a time
        started = time.perf_counter()
        try:
            return call(*arguments, **options)
        finally:
            _http_seconds += time.perf_counter() - started

    return timed


for _owner, _name in ((URLLib3Session, "send"), (StreamingBody, "read")):  # the model's answer comes as a stream
    setattr(_owner, _name, _timed(getattr(_owner, _name)))


@contextmanager
def own_milliseconds() -> Iterator[list[float]]:
    """What the block took less its HTTP calls, as the one number of a list, once it is over."""
    global _http_seconds  # noqa: PLW0603
    _http_seconds = 0.0
    taken: list[float] = []
    started = time.perf_counter()
    yield taken
    taken.append((time.perf_counter() - started - _http_seconds) * 1000)


def lambda_handler(event: object, context: object) -> Any:
    """The handler's response, with its own milliseconds in a header."""
    with own_milliseconds() as taken:
        response: Any = handler.lambda_handler(event, context)
    response["headers"][HEADER] = f"{taken[0]:.3f}"
    return response
