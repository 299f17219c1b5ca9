"""Every way in which SageMaker's runtime fails becomes one of the proxy's problems, after one attempt."""

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, SSLError
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st
from proxy import errors
from proxy.invoke import SageMakerRuntime, client_config
from proxy.parameters import RULES

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


def refused(said: str) -> str:
    """What the caller of a container that says this, with status 400, is told."""

    class Client:
        def invoke_endpoint(self, **_: Any) -> dict[str, Any]:
            fields = {"Error": {"Code": "ModelError"}, "OriginalStatusCode": 400, "OriginalMessage": said}
            raise ClientError(fields, "InvokeEndpoint")  # type: ignore[arg-type]

    with pytest.raises(errors.ModelRefused) as raised:
        SageMakerRuntime("e", lambda _: Client()).invoke(b"{}", timeout_seconds=1)
    return raised.value.message


REFUSED = "The model refused the request with status 400"
TRACE = 'Traceback (most recent call last):\n  File "/opt/secret.py", line 3, in f\nValueError: too long'
MMS = {"code": 400, "type": "InternalServerException", "message": "too long"}


@pytest.mark.parametrize(
    "said",
    [
        "too long",
        "too long\n" + TRACE,
        "too long " + TRACE,
        "too long File '/opt/secret.py', line 3, in f",
        "too long at ai.djl.serving.Foo$1.<init>(Foo.java:12) at java.base/jdk.Baz.run(Native Method)",
        "too long at Object.<anonymous> (/opt/secret.js:1:1)",
        "too long stack backtrace: 0: rust_begin_unwind at /rustc/9fc6b431/library/std/src/panicking.rs:578:5",
        json.dumps({"message": "too long\n\tat ai.djl.serving.Foo.bar(Foo.java:12)"}),
        json.dumps(MMS),
        json.dumps(MMS, indent=2),
        json.dumps({"error": "too long", "error_type": "validation"}),
        json.dumps({"error": {"message": "too long", "code": 3}}),
        json.dumps({"error": json.dumps(MMS, indent=2)}),
        json.dumps({"detail": "too long"}),
        json.dumps({"detail": [{"loc": ["body"], "msg": "too long"}]}),
        json.dumps({"message": "too long\n" + TRACE}),
        json.dumps({"message": "too long\\n" + json.dumps(TRACE)}),
        json.dumps("too long"),
    ],
)
def test_the_caller_is_told_what_the_container_says_whatever_it_is_wrapped_in(said: str) -> None:
    assert refused(said) == f"{REFUSED}: too long"


@pytest.mark.parametrize(
    "said",
    ["", "{", "{}", "\\n", TRACE, json.dumps(TRACE), json.dumps({"error": TRACE}), json.dumps({"e": 1}, indent=1)],
)
def test_where_nothing_is_left_nothing_is_said(said: str) -> None:
    assert refused(said) == f"{REFUSED}."


@pytest.mark.parametrize("said", ['{"why": "too long"}', "400", "null", "[" * 100_000, '{"message": "too lo'])
def test_what_is_in_no_known_shape_is_told_as_it_is(said: str) -> None:
    assert refused(said) == (f"{REFUSED}: {said}" if said[0] != "[" else f"{REFUSED}.")


pieces = st.sampled_from(
    [
        "Trace",
        "back",
        TRACE,
        "File ",
        '"',
        '\\"',
        "\\",
        "n",
        "\n",
        "\r",
        "\u2028",
        "\x85",
        "{",
        '{"error": ',
        "}",
        "[",
        "a" * 400,
    ]
)
plain = st.lists(pieces | st.text(max_size=5), max_size=8).map("".join)
wrapped = st.recursive(
    plain,
    lambda inner: (
        st.builds(json.dumps, inner)
        | st.builds(
            lambda name, said, indent: json.dumps({name: said}, indent=indent),
            st.sampled_from(["message", "error", "detail", "msg", "other"]),
            inner | st.lists(inner, max_size=2),
            st.sampled_from([None, 2]),
        )
    ),
    max_leaves=5,
)


@given(wrapped)
def test_whatever_the_container_says_no_stack_trace_leaves_and_one_line_of_some_length(said: str) -> None:
    message = refused(said)
    assert "Traceback" not in message
    assert not re.search(r'File \\*"', message)
    assert len(message.splitlines()) == 1
    assert len(message) <= len(f"{REFUSED}: ") + 300


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


def test_a_tls_error_may_come_after_the_request_was_sent_and_is_not_retried() -> None:
    """As botocore raises it for one at any moment: where the handshake fails, another attempt would fail as well."""

    class Client:
        def invoke_endpoint(self, **_: Any) -> dict[str, Any]:
            raise SSLError(endpoint_url="https://runtime", error=OSError("DECRYPTION_FAILED_OR_BAD_RECORD_MAC"))

    with pytest.raises(errors.ConnectionLost):
        SageMakerRuntime("e", lambda _: Client()).invoke(b"{}", timeout_seconds=1)


def test_a_model_slower_than_the_timeout_is_not_asked_twice(serve: Callable[..., Server]) -> None:
    server = serve(lambda _: time.sleep(1.5))
    started = time.monotonic()
    with pytest.raises(errors.DeadlineExceeded) as raised:
        invoke(server.url)
    assert time.monotonic() - started < 1.4
    assert server.requests == 1
    assert not [name for name in RULES if name in raised.value.message]  # /v1/chat/completions says it as well


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
