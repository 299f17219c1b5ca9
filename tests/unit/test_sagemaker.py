"""The local SageMaker's control plane and runtime, with containers that a test commands."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pilotlight.local.sagemaker.container import ContainerDied, Launch
from pilotlight.local.sagemaker.control import SageMaker
from pilotlight.local.sagemaker.runtime import Runtime
from pilotlight.local.sagemaker.wire import AwsError, answer, request


class FakeContainer:
    """Healthy as soon as `ready` is set; `die` ends it as a crash would."""

    def __init__(self, launch: Launch) -> None:
        self.launch = launch
        self.ready = threading.Event()
        self.stopped = False
        self._on_death: Callable[[str], None] = lambda _: None

    def wait_until_healthy(self, timeout_seconds: float) -> None:
        assert self.ready.wait(min(timeout_seconds, 10))

    def watch(self, on_death: Callable[[str], None]) -> None:
        self._on_death = on_death

    def stop(self) -> None:
        self.stopped = True

    def die(self) -> None:
        self._on_death("exited with code -9")


class Fleet:
    """Starts fake containers, or fails to."""

    def __init__(self) -> None:
        self.containers: list[FakeContainer] = []
        self.fails: Exception | None = None
        self.healthy = True

    def start(self, launch: Launch) -> Any:
        if self.fails:
            raise self.fails
        container = FakeContainer(launch)
        if self.healthy:
            container.ready.set()
        self.containers.append(container)
        return container


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


@pytest.fixture
def sagemaker(fleet: Fleet, tmp_path: Path) -> SageMaker:
    made = SageMaker(region="us-east-1", account="000000000000", folder=tmp_path, start=fleet.start)
    made.create_model(ModelName="model", PrimaryContainer={"Image": "image", "Environment": {"A": "1"}})
    for name in ("config", "next"):
        made.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=[{"VariantName": "AllTraffic", "ModelName": "model"}]
        )
    return made


def eventually(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def status(sagemaker: SageMaker) -> str:
    return str(sagemaker.describe_endpoint(EndpointName="e")["EndpointStatus"])


class TestEndpoint:
    def test_it_is_created_and_deleted_with_its_container(self, sagemaker: SageMaker, fleet: Fleet) -> None:
        sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="config")
        sagemaker.settle("e")
        assert status(sagemaker) == "InService"
        assert fleet.containers[0].launch.environment == {"A": "1"}
        sagemaker.delete_endpoint(EndpointName="e")
        assert sagemaker.settle("e") is None
        assert fleet.containers[0].stopped

    @pytest.mark.parametrize("error", [ContainerDied("it died"), OSError("no space"), RuntimeError("anything")])
    def test_whatever_keeps_a_container_from_starting_fails_the_endpoint(
        self, sagemaker: SageMaker, fleet: Fleet, error: Exception
    ) -> None:
        fleet.fails = error
        sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="config")
        sagemaker.settle("e")
        assert status(sagemaker) == "Failed"
        assert str(error) in sagemaker.describe_endpoint(EndpointName="e")["FailureReason"]

    def test_a_model_deleted_meanwhile_fails_the_endpoint(self, sagemaker: SageMaker) -> None:
        sagemaker.delete_model(ModelName="model")
        sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="config")
        sagemaker.settle("e")
        assert "Could not find model" in sagemaker.describe_endpoint(EndpointName="e")["FailureReason"]

    def test_deleted_while_it_is_created_it_stays_deleted(self, sagemaker: SageMaker, fleet: Fleet) -> None:
        fleet.healthy = False
        sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="config")
        eventually(lambda: bool(fleet.containers))
        sagemaker.delete_endpoint(EndpointName="e")
        assert sagemaker.settle("e") is None
        fleet.containers[0].ready.set()
        eventually(lambda: fleet.containers[0].stopped)
        with pytest.raises(AwsError, match="Could not find endpoint"):
            status(sagemaker)

    def test_an_update_swaps_containers(self, sagemaker: SageMaker, fleet: Fleet) -> None:
        sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="config")
        sagemaker.settle("e")
        sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="next")
        sagemaker.settle("e")
        assert sagemaker.describe_endpoint(EndpointName="e")["EndpointConfigName"] == "next"
        eventually(lambda: fleet.containers[0].stopped)
        assert not fleet.containers[1].stopped

    def test_a_failed_update_ends_in_service_on_the_old_config(self, sagemaker: SageMaker, fleet: Fleet) -> None:
        sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="config")
        sagemaker.settle("e")
        fleet.fails = ContainerDied("it died")
        sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="next")
        sagemaker.settle("e")
        described = sagemaker.describe_endpoint(EndpointName="e")
        assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", "config")

    def test_a_dead_container_fails_it(self, sagemaker: SageMaker, fleet: Fleet) -> None:
        sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="config")
        sagemaker.settle("e")
        fleet.containers[0].die()
        assert status(sagemaker) == "Failed"
        assert Runtime(sagemaker).invoke("e", b"{}", "application/json").status == 503

    def test_its_config_may_be_deleted_under_it(self, sagemaker: SageMaker) -> None:
        sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="config")
        sagemaker.settle("e")
        sagemaker.delete_endpoint_config(EndpointConfigName="config")
        assert status(sagemaker) == "InService"

    def test_two_of_one_name_are_refused(self, sagemaker: SageMaker) -> None:
        sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="config")
        with pytest.raises(AwsError, match="Cannot create already existing"):
            sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="config")


class TestWire:
    def ask(self, sagemaker: SageMaker, operation: str, body: bytes) -> tuple[int, bytes]:
        code, _, said = answer(sagemaker, {"x-amz-target": f"SageMaker.{operation}"}, body)
        return code, said

    @pytest.mark.parametrize(
        ("operation", "body", "says"),
        [
            ("DescribeEndpoint", b"{}", b"EndpointName"),
            ("DescribeEndpoint", b'{"EndpointName": "e", "Colour": "red"}', b"Colour"),
            ("DescribeEndpoint", b'{"EndpointName": "under_score"}', b"regular expression"),
            ("DescribeEndpoint", b'{"EndpointName": "%s"}' % (b"e" * 64), b"at most 63"),
            ("DescribeEndpoint", b"not JSON", b"not JSON"),
            ("DescribeEndpoint", b"[]", b"not a JSON object"),
            ("DescribeNothing", b"{}", b"DescribeNothing"),
            ("CreateHub", b'{"HubName": "h", "HubDescription": "d"}', b"has no SageMaker CreateHub"),
        ],
    )
    def test_what_the_service_model_forbids_is_a_400(
        self, sagemaker: SageMaker, operation: str, body: bytes, says: bytes
    ) -> None:
        code, said = self.ask(sagemaker, operation, body)
        assert code == 400
        assert says in said

    def test_an_answer_carries_times_as_seconds(self, sagemaker: SageMaker) -> None:
        code, said = self.ask(sagemaker, "DescribeModel", b'{"ModelName": "model"}')
        assert code == 200
        assert b'"CreationTime": 1' in said

    def test_cloudformations_strings_become_the_types_of_the_request(self) -> None:
        variant = {"VariantName": "v", "ModelName": "m", "InitialInstanceCount": "2", "InitialVariantWeight": "1.5"}
        made = request("CreateEndpointConfig", {"EndpointConfigName": "c", "ProductionVariants": [variant]})
        assert made["ProductionVariants"][0]["InitialInstanceCount"] == 2
        assert made["ProductionVariants"][0]["InitialVariantWeight"] == 1.5
