"""Every way in which SageMaker's runtime fails becomes one of the proxy's problems, after one attempt."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from proxy import errors
from proxy.invoke import SageMakerRuntime, client_config

MISSING = "Endpoint e of account 000000000000 not found."
NO_CAPACITY = "Inference Component has no capacity to process this request."
SESSION = boto3.Session("access-key", "secret-key", region_name="us-east-1")


@pytest.mark.parametrize(
    ("code", "status", "message", "problem", "answered"),
    [
        ("ThrottlingException", 429, "Rate exceeded", errors.Throttled, 429),
        ("ModelNotReadyException", 429, "not ready", errors.ModelNotReady, 503),
        ("ServiceUnavailable", 503, "away", errors.ServiceUnavailable, 503),
        ("SomethingNew", 503, "away", errors.ServiceUnavailable, 503),
        ("SomethingNew", 429, "busy", errors.Throttled, 429),
        ("InternalDependencyException", 530, "broken", errors.InvocationFailed, 502),
        ("InternalFailure", 500, "broken", errors.InvocationFailed, 502),
        ("AccessDeniedException", 403, "role may not", errors.InvocationFailed, 502),
        ("ValidationError", 400, MISSING, errors.EndpointMissing, 503),
        ("ValidationError", 400, NO_CAPACITY, errors.EndpointMissing, 503),
        ("ValidationError", 400, "TargetModel was not found", errors.InvocationFailed, 502),
    ],
)
def test_an_error_of_the_service_is_translated_by_its_code(
    code: str, status: int, message: str, problem: type[errors.Problem], answered: int
) -> None:
    client = SESSION.client("sagemaker-runtime")
    with Stubber(client) as stub:
        stub.add_client_error("invoke_endpoint", code, message, status)
        with pytest.raises(errors.Problem) as raised:
            SageMakerRuntime("e", lambda _: client).invoke(b"{}", timeout_seconds=1)
    assert raised.type is problem
    assert errors.status_of(raised.value) == answered
    assert "account" not in raised.value.message


@pytest.mark.parametrize(
    ("original", "problem", "answered"),
    [
        (400, errors.ModelRefused, 422),
        (422, errors.ModelRefused, 422),
        (429, errors.ModelOverloaded, 429),
        (500, errors.ModelFailed, 502),
        (503, errors.ModelFailed, 502),
        (0, errors.ModelFailed, 502),
    ],
)
def test_a_model_error_is_translated_by_the_containers_own_status(
    original: int, problem: type[errors.Problem], answered: int
) -> None:
    client = SESSION.client("sagemaker-runtime")
    said = "too long\nTraceback (most recent call last): secret"
    with Stubber(client) as stub:
        stub.add_client_error(
            "invoke_endpoint",
            "ModelError",
            http_status_code=424,
            modeled_fields={"OriginalStatusCode": original, "OriginalMessage": said},
        )
        with pytest.raises(errors.Problem) as raised:
            SageMakerRuntime("e", lambda _: client).invoke(b"{}", timeout_seconds=1)
    assert raised.type is problem
    assert errors.status_of(raised.value) == answered
    assert ("too long" in raised.value.message) == (problem is errors.ModelRefused)
    assert "secret" not in raised.value.message


class Server:
    """Accepts connections on loopback and lets `behave` answer each; counts the requests."""

    def __init__(self, behave: Callable[[socket.socket], None]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._behave = behave
        self.requests = 0
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection:
                if not connection.recv(65536):
                    return
                self.requests += 1
                self._behave(connection)

    def stop(self) -> None:
        with socket.create_connection(self._listener.getsockname()):
            pass  # an empty request ends the thread
        self._thread.join()
        self._listener.close()


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[socket.socket], None]], Server]]:
    servers: list[Server] = []

    def start(behave: Callable[[socket.socket], None]) -> Server:
        servers.append(Server(behave))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def invoke(url: str) -> bytes:
    with closing(client_to(url, 1)) as client:
        return SageMakerRuntime("e", lambda _: client).invoke(b"{}", timeout_seconds=1)


def client_to(url: str, seconds: int) -> Any:
    return SESSION.client("sagemaker-runtime", endpoint_url=url, config=client_config(seconds))


def says(text: str) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(text.replace("\n", "\r\n").encode())


def test_an_answer_is_returned_as_it_came(serve: Callable[..., Server]) -> None:
    server = serve(says("HTTP/1.1 200 OK\nContent-Length: 2\nConnection: close\n\n[]"))
    assert invoke(server.url) == b"[]"


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "HTTP/1.1 200 OK\nContent-Length: 9\n\n[",
        "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n9\n[",
        "HTTP/1.1 500 Internal Server Error\nContent-Length: 9\n\n[",
    ],
    ids=["before the answer", "in the body", "in a chunk", "in an error"],
)
def test_a_connection_cut_after_the_request_is_lost_and_not_retried(serve: Callable[..., Server], answer: str) -> None:
    server = serve(says(answer))
    with pytest.raises(errors.ConnectionLost):
        invoke(server.url)
    assert server.requests == 1


def test_a_model_slower_than_the_timeout_is_not_asked_twice(serve: Callable[..., Server]) -> None:
    server = serve(lambda _: time.sleep(1.5))
    started = time.monotonic()
    with pytest.raises(errors.DeadlineExceeded):
        invoke(server.url)
    assert time.monotonic() - started < 1.4
    assert server.requests == 1


def test_an_unavailable_service_is_not_retried_by_the_sdk(serve: Callable[..., Server]) -> None:
    server = serve(says("HTTP/1.1 503 Service Unavailable\nContent-Length: 0\nConnection: close\n\n"))
    with pytest.raises(errors.ServiceUnavailable):
        invoke(server.url)
    assert server.requests == 1


def test_no_connection_is_a_failure_that_may_be_retried() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(errors.TransientFailure):
        invoke(f"http://127.0.0.1:{port}")


def test_one_client_serves_each_timeout() -> None:
    made: list[int] = []

    class Client:
        def invoke_endpoint(self, **request: Any) -> dict[str, Any]:
            raise AssertionError(request)

    def make(seconds: int) -> Client:
        made.append(seconds)
        return Client()

    runtime = SageMakerRuntime("e", make)
    runtime.prepare(27)
    for seconds in (27, 26, 27):
        with pytest.raises(AssertionError):
            runtime.invoke(b"{}", timeout_seconds=seconds)
    assert made == [27, 26]
