"""Faults on demand: what the caller sees, and how often the model was asked."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from uuid import uuid4

import pytest
import requests

from .conftest import LocalCloud, Pilot


def generate(cloud: LocalCloud, text: str, **headers: str) -> requests.Response:
    return cloud.call("POST", "/generate", {"text_inputs": text, "max_length": 40}, headers=headers)


def timed(call: Callable[[], requests.Response]) -> tuple[requests.Response, float]:
    """The response, and the seconds that its caller waited."""
    begun = time.monotonic()
    return call(), time.monotonic() - begun


def attempts(response: requests.Response) -> int:
    return int(response.headers["x-pilotlight-attempts"])


def reached(cloud: LocalCloud, text: str) -> int:
    """How often the model's container was asked for this text."""
    return [body["text_inputs"] for body in cloud.invocations()].count(f"[CLM] {text}")


def deadline_held(response: requests.Response, seconds: float) -> None:
    """By the proxy's own account, and by the caller's clock within API Gateway's limit."""
    assert int(response.headers["x-pilotlight-elapsed-ms"]) <= int(response.headers["x-pilotlight-budget-ms"])
    assert seconds < 29


def earn_a_retry(cloud: LocalCloud) -> None:
    """A worker's retry budget starts empty; ten calls earn one retry."""
    for _ in range(11):
        assert cloud.generate("hello", max_length=10).status_code == 200


@dataclass(frozen=True)
class Seen:
    """What the caller sees of a fault, and how often the model was called for it."""

    fault: str
    status: int
    error: str
    attempts: range
    reached: int
    """Requests that came through to the model's container."""
    retry_after: bool


RETRIED, ASKED_ONCE = range(2, 6), range(1, 2)

# `not_ready` is a model that is still cold. Each fault lasts, and at least one retry has been earned.
LASTING = [
    Seen("throttle", 429, "throttled", attempts=RETRIED, reached=0, retry_after=True),
    Seen("not_ready", 503, "model_not_ready", attempts=RETRIED, reached=0, retry_after=True),
    Seen("unavailable", 503, "service_unavailable", attempts=RETRIED, reached=0, retry_after=True),
    Seen("model_error_4xx", 422, "model_refused", attempts=ASKED_ONCE, reached=1, retry_after=False),
    Seen("model_error_5xx", 502, "model_failed", attempts=ASKED_ONCE, reached=1, retry_after=False),
    Seen("cut", 502, "connection_lost", attempts=ASKED_ONCE, reached=1, retry_after=False),
]


@pytest.mark.parametrize("seen", LASTING, ids=lambda seen: seen.fault)
def test_a_fault_that_lasts_is_told(cloud: LocalCloud, seen: Seen) -> None:
    earn_a_retry(cloud)
    cloud.fault(fault=seen.fault, times=50)
    response, seconds = timed(lambda: generate(cloud, f"through {seen.fault}"))
    assert (response.status_code, response.json()["error"]["type"]) == (seen.status, seen.error)
    assert response.json()["error"]["message"]
    assert attempts(response) in seen.attempts
    assert reached(cloud, f"through {seen.fault}") == seen.reached
    assert ("Retry-After" in response.headers) == seen.retry_after
    deadline_held(response, seconds)


@pytest.mark.parametrize("kind", ["throttle", "not_ready", "unavailable"])
def test_what_passes_is_ridden_out(cloud: LocalCloud, kind: str) -> None:
    earn_a_retry(cloud)
    cloud.fault(fault=kind, times=1)
    response, seconds = timed(lambda: generate(cloud, f"once {kind}"))
    assert (response.status_code, attempts(response)) == (200, 2)
    assert reached(cloud, f"once {kind}") == 1  # the refused attempt never got there
    deadline_held(response, seconds)


def test_a_slow_model_is_waited_for_within_the_deadline(cloud: LocalCloud) -> None:
    cloud.fault(fault="slow", times=1, seconds=2)
    response, seconds = timed(lambda: generate(cloud, "slow"))
    assert (response.status_code, attempts(response)) == (200, 1)
    assert seconds >= 2
    assert int(response.headers["x-pilotlight-model-latency-ms"]) >= 2000
    deadline_held(response, seconds)


def test_a_model_that_is_too_slow_is_given_up_at_the_deadline_and_asked_once(cloud: LocalCloud) -> None:
    earn_a_retry(cloud)
    cloud.fault(fault="slow", times=1, seconds=8)
    response, seconds = timed(lambda: generate(cloud, "too slow", **{"X-Request-Timeout-Ms": "4000"}))
    assert (response.status_code, response.json()["error"]["type"]) == (504, "deadline_exceeded")
    assert (attempts(response), reached(cloud, "too slow")) == (1, 1)
    assert seconds < 4
    deadline_held(response, seconds)


def test_a_cut_answer_is_generated_again_for_whoever_sent_an_idempotency_key(cloud: LocalCloud) -> None:
    earn_a_retry(cloud)
    cloud.fault(fault="cut", times=1)
    response, seconds = timed(lambda: generate(cloud, "again", **{"Idempotency-Key": f"cut {uuid4()}"}))
    assert (response.status_code, attempts(response)) == (200, 2)
    assert reached(cloud, "again") == 2
    deadline_held(response, seconds)


def test_faults_are_cleared_by_an_empty_object(cloud: LocalCloud) -> None:
    cloud.fault(fault="unavailable", times=50)
    assert cloud.fault().json() == []
    assert cloud.generate("hello", max_length=10).status_code == 200


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"fault": "flood"}, "throttle"),
        ({"fault": "slow", "times": 0}, "times"),
        ({"fault": "slow", "seconds": "long"}, "seconds"),
        ({"fault": "slow", "for": 3}, "for"),
    ],
)
def test_a_fault_that_is_none_is_refused(cloud: LocalCloud, fault: dict[str, object], says: str) -> None:
    response = cloud.fault(**fault)
    assert response.status_code == 400
    assert says in response.json()["error"]


@pytest.mark.usefixtures("on_for_the_others")
def test_without_capacity_every_call_is_told_at_once_that_nothing_serves(cloud: LocalCloud, pilot: Pilot) -> None:
    """While it is being turned on, which fails, and afterwards."""
    cloud.turn("off")
    cloud.fault(fault="no_capacity", times=100)
    seen = []
    with ThreadPoolExecutor(1) as pool:
        lighting = pool.submit(pilot, "on", "--yes")
        while not lighting.done():
            seen.append(timed(lambda: generate(cloud, "no capacity")))
            cloud.advance(60)
    assert lighting.result().returncode != 0
    assert "capacity" in lighting.result().stdout + lighting.result().stderr
    assert seen
    seen.append(timed(lambda: generate(cloud, "no capacity")))
    for response, seconds in seen:
        error = response.json()["error"]["type"]
        assert response.status_code == 503
        assert error in {"endpoint_off", "endpoint_waking", "endpoint_failed"}
        assert ("Retry-After" in response.headers) == (error != "endpoint_failed")  # waiting does not mend that
        assert attempts(response) == 1  # SageMaker's runtime says that nothing is there
        deadline_held(response, seconds)
    assert seen[-1][0].json()["error"]["type"] == "endpoint_off"
    assert reached(cloud, "no capacity") == 0
