"""InvokeEndpoint: forward to the endpoint's container, answer as SageMaker answers, and fail on demand.

The errors and their fields are those of the `sagemaker-runtime` service model (boto3 1.43.106).
"""

import json
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import urllib3

from pilotlight.local.sagemaker.container import CONTAINER_TIMEOUT_SECONDS, Container
from pilotlight.local.sagemaker.endpoints import Endpoints
from pilotlight.local.sagemaker.faults import INVOCATION_FAULTS, Fault
from pilotlight.local.sagemaker.metrics import Invocation
from pilotlight.local.sagemaker.wire import AwsError

MAX_BODY_BYTES = 6_291_456
"""The service model's bound on a request body."""
_KEPT_INVOCATIONS = 100


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; `cut` means that the connection ends before the body does."""

    status: int
    headers: dict[str, str]
    body: bytes
    cut: bool = False


class Runtime:
    """The runtime of one local SageMaker's endpoints; `observe` hears of every invocation that reached a model."""

    def __init__(self, endpoints: Endpoints, observe: Callable[[Invocation], None] = lambda _: None) -> None:
        self._endpoints = endpoints
        self._observe = observe
        self._lock = threading.Lock()
        self._invocations: deque[Any] = deque(maxlen=_KEPT_INVOCATIONS)

    @property
    def invocations(self) -> list[Any]:
        """The last 100 request bodies as the container received them, parsed, oldest first."""
        with self._lock:
            return list(self._invocations)

    def invoke(self, endpoint_name: str, body: bytes, content_type: str) -> Answer:
        """One InvokeEndpoint, errors included. Blocks as long as the model thinks."""
        try:
            return self._invoke(endpoint_name, body, content_type)
        except AwsError as error:
            return _error(error.code, error.status, {"Message": str(error)})

    def _invoke(self, endpoint_name: str, body: bytes, content_type: str) -> Answer:
        container = self._endpoints.serving(endpoint_name)
        if len(body) > MAX_BODY_BYTES:
            raise AwsError("ValidationError", f"The body has {len(body)} bytes, {MAX_BODY_BYTES} are allowed.")
        fault = self._endpoints.faults.take(*INVOCATION_FAULTS)
        if fault and (refusal := _refusal(fault)):
            raise refusal
        if container is None:
            raise AwsError("ServiceUnavailable", "The primary container is not running; see DescribeEndpoint.", 503)
        self._record(body)
        # One variant an endpoint: more than that is not played here.
        variant, pool_type, config = self._endpoints.variant(endpoint_name)
        arrived, begun = time.time(), time.monotonic()
        with container.called():
            status, answer = self._answer(endpoint_name, container, fault, body, content_type)
        self._observe(Invocation(endpoint_name, variant, arrived, status, time.monotonic() - begun, pool_type, config))
        return answer

    def _answer(
        self, endpoint_name: str, container: Container, fault: Fault | None, body: bytes, content_type: str
    ) -> tuple[int, Answer]:
        """The model's own status (0 where it gave none), and SageMaker's answer."""
        if fault and fault.kind == "slow":
            time.sleep(fault.seconds)
        if fault and fault.kind.startswith("model_error"):
            status, said = (400 if fault.kind == "model_error_4xx" else 500), '{"error": "injected by /_pilot/faults"}'
            return status, _model_error(endpoint_name, status, said)
        try:
            status, answered_type, answer = container.invoke(body, content_type, CONTAINER_TIMEOUT_SECONDS)
        except urllib3.exceptions.TimeoutError:
            said = "Your invocation timed out while waiting for a response from container primary."
            return 0, _model_error(endpoint_name, 0, said)
        except urllib3.exceptions.HTTPError:
            return 0, _model_error(endpoint_name, 0, "The model process exited while it handled the request.")
        if status >= 400:
            return status, _model_error(endpoint_name, status, answer.decode(errors="replace"))
        headers = {"Content-Type": answered_type, "x-Amzn-Invoked-Production-Variant": "AllTraffic"}
        return status, Answer(200, headers, answer, cut=fault is not None and fault.kind == "cut")

    def _record(self, body: bytes) -> None:
        try:
            parsed = json.loads(body)
        except ValueError:
            parsed = body.decode(errors="replace")
        with self._lock:
            self._invocations.append(parsed)


def _refusal(fault: Fault) -> AwsError | None:
    """The faults that never reach the container."""
    match fault.kind:
        case "throttle":
            return AwsError("ThrottlingException", "Rate exceeded", 429)
        case "unavailable":
            return AwsError("ServiceUnavailable", "The service is currently unavailable.", 503)
        case "not_ready":
            return AwsError("ModelNotReadyException", "The model is not ready to serve inference requests.", 429)
    return None


def _model_error(endpoint_name: str, status: int, message: str) -> Answer:
    whose = "client" if 400 <= status < 500 else "server"
    said = f'Received {whose} error ({status}) from primary with message "{message}".'
    return _error(
        "ModelError",
        424,
        {
            "Message": said,
            "OriginalStatusCode": status,
            "OriginalMessage": message,
            "LogStreamArn": f"arn:aws:logs:::log-group:/aws/sagemaker/Endpoints/{endpoint_name}",
        },
    )


def _error(code: str, status: int, fields: dict[str, Any]) -> Answer:
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": code}
    return Answer(status, headers, json.dumps(fields).encode())
