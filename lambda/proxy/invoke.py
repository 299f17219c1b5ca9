"""The adapter to SageMaker's runtime: one attempt, and the one table that turns its errors into ours.

The error shapes are those of botocore's `sagemaker-runtime` service model.
"""

import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Protocol

from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError, IncompleteReadError, ReadTimeoutError, SSLError
from botocore.exceptions import ConnectionError as NotConnectedError
from urllib3.exceptions import HTTPError

from proxy.errors import (
    ConnectionFailed,
    ConnectionLost,
    DeadlineExceeded,
    EndpointMissing,
    InvocationFailed,
    ModelFailed,
    ModelNotReady,
    ModelOverloaded,
    ModelRefused,
    Problem,
    ServiceUnavailable,
    Throttled,
    TransientFailure,
)

CONNECT_TIMEOUT_SECONDS = 1
RETRY_AFTER_SECONDS = 5  # SageMaker states none; long enough to outlast a burst

_CUT = (
    "The connection to SageMaker was cut before the answer was complete. The generation may have run, "
    "so it is not reissued: try again if paying for it twice is all right."
)

# The two texts by which a ValidationError says that nobody is there: no such endpoint, or one scaled to
# nothing.
_ABSENT = r"Endpoint .* of account .* not found|has no capacity to process this request"

# Where containers say what is wrong: MMS and TorchServe, TGI, FastAPI and its lists of `msg`.
_NAMES = ("message", "error", "detail", "msg")

# A line ends here, also where it stands in escapes, and here a stack trace begins: Python's, or one of Java's,
# JavaScript's or Rust's that was put on one line. Compiled once it is needed.
_END = (
    r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]|\\+[nr]|Traceback|(?i:stack ?(?:back)?trace)|File \\*[\"']"
    r"|\bat [\w.$/<>]+ ?\([^()]*(?::\d+|Native Method|Unknown Source)\)"
)
MAX_SAID_CHARACTERS = 300

# Codes of the service model, and the HTTP status for a code that is new or unstated.
_SERVICE_ERRORS: Mapping[str | int, tuple[type[Problem], str]] = {
    "ThrottlingException": (Throttled, "SageMaker is throttling calls to the model."),
    429: (Throttled, "SageMaker is throttling calls to the model."),
    "ModelNotReadyException": (ModelNotReady, "The model is still being loaded."),
    "ServiceUnavailable": (ServiceUnavailable, "SageMaker is unavailable for the moment."),
    503: (ServiceUnavailable, "SageMaker is unavailable for the moment."),
}

# Most specific first.
_CONNECTION_ERRORS: Mapping[type[Exception], tuple[type[Problem], str]] = {
    ReadTimeoutError: (
        DeadlineExceeded,
        "The model did not finish within {timeout_seconds} s. The generation is not reissued, since that "
        "would be paid for twice: ask for fewer or shorter texts at once.",
    ),
    SSLError: (ConnectionLost, _CUT),  # a NotConnectedError, but it also comes while the answer is read
    NotConnectedError: (ConnectionFailed, "No connection to SageMaker came about."),
    HTTPClientError: (ConnectionLost, _CUT),
    IncompleteReadError: (ConnectionLost, _CUT),
    HTTPError: (ConnectionLost, _CUT),  # botocore leaves urllib3's own where the body of an error is cut
}


class RuntimeClient(Protocol):
    """What is used of boto3's `sagemaker-runtime` client."""

    def invoke_endpoint(self, **request: Any) -> Mapping[str, Any]: ...


def client_config(read_timeout_seconds: int) -> Config:
    """One attempt a call, however it ends: retries are `proxy.retry`'s to decide."""
    return Config(
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=read_timeout_seconds,
        retries={"total_max_attempts": 1, "mode": "standard"},
    )


class SageMakerRuntime:
    """One client for each whole second of timeout in use, since botocore fixes it when a client is made.

    A warm worker's requests nearly all use the same one. A further client takes 2 ms, the first of a worker
    110 ms.
    """

    def __init__(self, endpoint_name: str, client_for: Callable[[int], RuntimeClient]) -> None:
        self._endpoint_name = endpoint_name
        self._client_for = lru_cache(maxsize=None)(client_for)

    def prepare(self, timeout_seconds: int) -> None:
        """Make the client for this timeout before the first request needs it."""
        self._client_for(timeout_seconds)

    def invoke(self, body: bytes, *, timeout_seconds: int) -> bytes:
        """The endpoint's answer. SageMaker sends it whole, so the timeout of one read bounds the call."""
        try:
            response = self._client_for(timeout_seconds).invoke_endpoint(
                EndpointName=self._endpoint_name,
                Body=body,
                ContentType="application/json",
                Accept="application/json",
            )
            answer: bytes = response["Body"].read()
        except ClientError as exc:
            raise _from_service(exc) from exc
        except tuple(_CONNECTION_ERRORS) as exc:
            raise _from_connection(exc, timeout_seconds) from exc
        return answer


def _from_service(exc: ClientError) -> Problem:
    response: Mapping[str, Any] = exc.response
    code = response["Error"].get("Code", "")
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code == "ModelError":
        return _from_model(response)
    if code == "ValidationError" and re.search(_ABSENT, response["Error"].get("Message", "")):
        return EndpointMissing("The endpoint takes no calls.")
    for key in (code, status):
        if key in _SERVICE_ERRORS:
            kind, message = _SERVICE_ERRORS[key]
            return kind(message, retry_after_seconds=RETRY_AFTER_SECONDS)
    return InvocationFailed(f"SageMaker refused or failed the call ({code or status}).")


def _from_model(response: Mapping[str, Any]) -> Problem:
    """A ModelError by the status that the container gave."""
    status = response.get("OriginalStatusCode", 0)
    if status == 429:
        return ModelOverloaded("The model has more calls than it takes.", retry_after_seconds=RETRY_AFTER_SECONDS)
    if 400 <= status < 500:
        said = _one_line(_said(response.get("OriginalMessage", "")))
        return ModelRefused(f"The model refused the request with status {status}{f': {said}' if said else '.'}")
    return ModelFailed(
        f"The model failed on this request with status {status}. It is not tried again on the same input."
    )


def _said(answer: object, depth: int = 6) -> str:
    """What a container says to its caller, out of the JSON that most put it in, some twice; empty if nothing."""
    if depth == 0:
        return ""
    if isinstance(answer, str):
        inner = _parsed(answer)
        return (isinstance(inner, dict | list | str) and _said(inner, depth - 1)) or answer
    if isinstance(answer, dict):
        answer = [answer.get(name) for name in _NAMES]
    texts = (_said(part, depth - 1) for part in answer) if isinstance(answer, list) else ()
    return next(filter(None, texts), "")


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _one_line(said: str) -> str:
    """The first line, without the stack trace that some put there or behind it; empty if no word is left."""
    line = re.split(_END, said.strip(), maxsplit=1)[0].strip()[:MAX_SAID_CHARACTERS]
    return line if re.search(r"\w", line) else ""


def _from_connection(exc: Exception, timeout_seconds: int) -> Problem:
    kind, message = next(entry for vendor, entry in _CONNECTION_ERRORS.items() if isinstance(exc, vendor))
    wait = RETRY_AFTER_SECONDS if issubclass(kind, TransientFailure) else None
    return kind(message.format(timeout_seconds=timeout_seconds), retry_after_seconds=wait)
