"""Faults on demand: what the caller sees, and how often the model was asked."""

import time

import pytest

from .conftest import LocalCloud


def earn_a_retry(cloud: LocalCloud) -> None:
    """A worker's retry budget starts empty; ten calls earn one retry."""
    for _ in range(11):
        assert cloud.generate("hello", max_length=10).status_code == 200


@pytest.mark.parametrize("kind", ["throttle", "not_ready", "unavailable"])
def test_what_passes_is_ridden_out(cloud: LocalCloud, kind: str) -> None:
    earn_a_retry(cloud)
    cloud.fault(fault=kind, times=1)
    assert cloud.generate(f"through {kind}", max_length=40).status_code == 200
    # The refused attempt never reached the container.
    assert [body["text_inputs"] for body in cloud.invocations()].count(f"[CLM] through {kind}") == 1


@pytest.mark.parametrize(("kind", "status"), [("throttle", 429), ("not_ready", 503), ("unavailable", 503)])
def test_what_does_not_pass_is_told(cloud: LocalCloud, kind: str, status: int) -> None:
    cloud.fault(fault=kind, times=50)
    response = cloud.generate("hello")
    assert response.status_code == status
    assert response.json()["error"]["message"]
    assert int(response.headers["Retry-After"]) > 0


@pytest.mark.parametrize(("kind", "status"), [("model_error_4xx", 422), ("model_error_5xx", 502), ("cut", 502)])
def test_a_model_that_fails_is_asked_once(cloud: LocalCloud, kind: str, status: int) -> None:
    earn_a_retry(cloud)
    cloud.fault(fault=kind, times=2)
    response = cloud.generate(f"ask me once: {kind}", max_length=40)
    assert response.status_code == status
    assert [body["text_inputs"] for body in cloud.invocations()].count(f"[CLM] ask me once: {kind}") == 1


def test_a_slow_model_is_waited_for(cloud: LocalCloud) -> None:
    cloud.fault(fault="slow", times=1, seconds=2)
    begun = time.monotonic()
    assert cloud.generate("hello", max_length=10).status_code == 200
    assert time.monotonic() - begun >= 2


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
