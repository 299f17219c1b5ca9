"""Removing what no stack owns: in order, and never a config under an endpoint that is still there."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError
from sweep.decision import Kind

from pilotlight.orphans import Removal, Resource

ENDPOINT = Resource(Kind.ENDPOINT, "Stray", "test", "InService", 0.0, 3.03, ("Config",))
CONFIG = Resource(Kind.CONFIG, "config", "test", "kept", 0.0, uses=("model",))
MODEL = Resource(Kind.MODEL, "model", "test", "kept", 0.0)
JOB = Resource(Kind.TRAINING_JOB, "job", "test", "InProgress", 0.0, 4.5)


def refusal(message: str, code: str = "ValidationException") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "Delete")


@dataclass
class SageMaker:
    """Says the endpoint is Deleting `polls` times; `refuses` maps a call to its error."""

    polls: int = 2
    refuses: dict[str, ClientError] = field(default_factory=dict)
    called: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        def call(**request: str) -> None:
            self.called.append(f"{name} {next(iter(request.values()))}")
            if name in self.refuses:
                raise self.refuses[name]

        return call

    def describe_endpoint(self, **_: str) -> dict[str, str]:
        self.polls -= 1
        if self.polls < 0:
            raise refusal("Could not find endpoint")
        return {"EndpointStatus": "Deleting"}


def removal(client: SageMaker) -> Removal:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    return Removal(client, sleep=sleep, monotonic=lambda: now[0])


def test_everything_goes_in_order() -> None:
    client = SageMaker()
    done = removal(client)
    done.remove([ENDPOINT, JOB, CONFIG, MODEL])
    assert client.called == [
        "delete_endpoint Stray",
        "stop_training_job job",
        "delete_endpoint_config config",
        "delete_model model",
    ]
    assert client.polls == -1  # it was waited for
    assert done.failures == {}
    assert len(done.removed) == 4


@pytest.mark.parametrize("client", [SageMaker(polls=10**6), SageMaker(refuses={"delete_endpoint": refusal("Busy")})])
def test_a_config_and_its_model_stay_while_the_endpoint_does(client: SageMaker) -> None:
    done = removal(client)
    done.remove([ENDPOINT, CONFIG, MODEL])
    assert list(done.failures) == ["endpoint Stray", "endpoint-config config", "model model"]
    assert done.removed == []
    assert client.called == ["delete_endpoint Stray"]


@pytest.mark.parametrize(
    "error",
    [refusal("Could not find endpoint configuration"), refusal("Requested resource not found.", "ResourceNotFound")],
)
def test_what_has_gone_meanwhile_is_gone(error: ClientError) -> None:
    done = removal(SageMaker(refuses={"delete_endpoint_config": error, "stop_training_job": error}))
    done.remove([JOB, CONFIG])
    assert done.failures == {}


def test_what_is_on_its_way_out_is_only_waited_for() -> None:
    client = SageMaker()
    removal(client).remove([Resource(Kind.ENDPOINT, "Stray", "test", "Deleting", 0.0)])
    assert client.called == []
    assert client.polls == -1
