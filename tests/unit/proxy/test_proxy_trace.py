"""X-Ray subsegments: what reaches the daemon's port, and that nothing does for a request that is not sampled."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from proxy import handler
from proxy.errors import ModelFailed, ModelRefused, Throttled
from proxy.idempotency import Entry, State
from proxy.trace import Daemon, parent_of

from tests.unit.proxy.fakes import START, Api, event
from tests.unit.proxy.test_proxy_handler import ENVIRONMENT

HEADER = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
KEYED: dict[str, Any] = {
    "headers": {"Idempotency-Key": "key"},
    "requestContext": {"requestId": "request-1", "identity": {"apiKeyId": "key-1"}},
}


@pytest.fixture
def api() -> Api:
    """Lambda samples this request, whose model takes two seconds."""
    api = Api(seconds=2.0)
    api.trace_header = HEADER
    return api


def document(datagram: bytes) -> dict[str, Any]:
    head, _, body = datagram.partition(b"\n")
    assert json.loads(head) == {"format": "json", "version": 1}
    return dict(json.loads(body))


def test_an_invocation_is_a_subsegment_of_lambdas_own_segment(api: Api) -> None:
    api.generate({"text_inputs": "secret prompt"})
    [datagram] = api.traced
    assert document(datagram) == {
        "name": "model",
        "id": "8000000000000000",
        "trace_id": "1-5759e988-bd862e3fe1be46a994272793",
        "parent_id": "53995c3f42cd8ad8",
        "type": "subsegment",
        "start_time": START,
        "end_time": START + 2.0,
        "annotations": {"route": "/generate", "model": "alexatm-20b", "attempts": 1, "retries": 0},
    }


def test_its_attempts_and_the_waits_between_are_in_it(api: Api) -> None:
    api.fill_retry_budget()
    api.traced.clear()
    api.runtime.script = [Throttled("busy")]
    api.generate({"text_inputs": "a"})
    [told] = map(document, api.traced)
    assert (told["annotations"]["attempts"], told["annotations"]["retries"]) == (2, 1)
    assert told["end_time"] - told["start_time"] == pytest.approx(4.25)


@pytest.mark.parametrize(
    ("problem", "flags"),
    [
        (ModelFailed("broken"), {"fault": True}),
        (ModelRefused("no"), {"error": True}),
        (Throttled("busy"), {"error": True, "throttle": True}),
    ],
)
def test_how_it_failed_is_told_by_x_rays_flags(api: Api, problem: Exception, flags: dict[str, bool]) -> None:
    api.runtime.script = [problem]  # type: ignore[list-item]
    api.generate({"text_inputs": "a"})
    [told] = map(document, api.traced)
    assert {name: told.get(name) for name in ("error", "fault", "throttle") if name in told} == flags


def test_a_task_is_annotated_with_its_route_and_each_invocation_is_told(api: Api) -> None:
    api.task("describe", {"input": "secret prompt"})
    [told] = map(document, api.traced)
    assert told["annotations"]["route"] == "/tasks/{task}"
    assert b"secret" not in b"".join(api.traced)


def test_the_wait_for_another_calls_answer_is_a_subsegment(api: Api) -> None:
    probe = Api()
    probe.generate({"text_inputs": "a"}, **KEYED)
    [(key_id, kept)] = probe.answers.entries.items()
    later = kept._replace(owner="other")
    running = Entry(kept.request, "other", State.RUNNING, lease_until=START + 30, expires_at=START + 30)
    api.answers.entries[key_id] = running
    claims = iter([None, None])

    def meanwhile() -> None:
        if next(claims, later) is later:
            api.answers.entries[key_id] = later

    api.answers.after_claim = meanwhile
    assert api.generate({"text_inputs": "a"}, **KEYED).status == 200
    [told] = map(document, api.traced)
    assert (told["name"], told["annotations"]["claims"]) == ("kept answers", 4)
    assert told["end_time"] - told["start_time"] == pytest.approx(sum(api.clock.slept))


def test_a_first_call_under_a_key_tells_of_both(api: Api) -> None:
    api.generate({"text_inputs": "a"}, **KEYED)
    assert [document(datagram)["name"] for datagram in api.traced] == ["kept answers", "model"]


@pytest.mark.parametrize(
    "header",
    [None, "", "nonsense", ";;=", HEADER.replace("Sampled=1", "Sampled=0"), "Root=1-a;Sampled=1", "Parent=b;Sampled=1"],
)
def test_a_request_that_is_not_sampled_sends_nothing(api: Api, header: str | None) -> None:
    api.trace_header = header
    assert api.generate({"text_inputs": "a"}).status == 200
    assert api.traced == []


def test_the_lineage_that_lambda_adds_does_not_matter() -> None:
    assert parent_of(f"{HEADER};Lineage=a87bd80c:0") == parent_of(HEADER) != None  # noqa: E711


@pytest.fixture
def daemon() -> Iterator[socket.socket]:
    """X-Ray's, on a port of its own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(5)
        yield listening


def test_the_deployed_handler_sends_to_the_daemon_that_lambda_names(
    daemon: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SageMaker cannot be reached here: that, too, is told."""
    more = {
        "AWS_XRAY_DAEMON_ADDRESS": f"127.0.0.1:{daemon.getsockname()[1]}",
        "_X_AMZN_TRACE_ID": HEADER,
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    }
    for name, value in {**ENVIRONMENT, **more}.items():
        monkeypatch.setenv(name, value)
    handler._proxy.cache_clear()
    try:
        sent = event("POST", "/generate", {"text_inputs": "a"}, requestContext={"requestId": "request-1"})
        assert handler.lambda_handler(sent, None)["statusCode"] == 503
    finally:
        handler._proxy.cache_clear()
    told = document(daemon.recv(65_535))
    assert (told["name"], told["parent_id"], told["fault"]) == ("model", "53995c3f42cd8ad8", True)
    assert told["start_time"] < told["end_time"]


@pytest.mark.parametrize("written", ["127.0.0.1:{}", "tcp:127.0.0.1:1 udp:127.0.0.1:{}"])
def test_an_address_is_written_in_one_of_two_ways(daemon: socket.socket, written: str) -> None:
    Daemon(written.format(daemon.getsockname()[1]))(b"x")
    assert daemon.recv(10) == b"x"


@pytest.mark.parametrize("address", [None, "", "127.0.0.1", "127.0.0.1:port", ":2000", "127.0.0.1:99999"])
def test_an_address_that_leads_nowhere_costs_nobody_a_request(address: str | None) -> None:
    Daemon(address)(b"x")


def test_a_document_that_is_too_large_is_lost_without_a_word(daemon: socket.socket) -> None:
    Daemon(f"127.0.0.1:{daemon.getsockname()[1]}")(b"x" * 70_000)
