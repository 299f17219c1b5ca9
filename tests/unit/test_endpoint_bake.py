"""An update of the local SageMaker's endpoint under deployment guardrails."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import time_machine

from pilotlight.local.sagemaker.control import SageMaker

from .sagemaker_fakes import Buckets, Fleet, eventually, local_sagemaker

BAKE_SECONDS = 600
GUARDRAIL = {
    "BlueGreenUpdatePolicy": {
        "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": BAKE_SECONDS}
    },
    "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "errors"}, {"AlarmName": "smoke"}]},
}


class World:
    """Endpoint e on config `old`, an update to `new` that bakes, and a clock that stands still."""

    def __init__(self, folder: Path, clock: time_machine.Traveller) -> None:
        self.clock = clock
        self.fleet = Fleet()
        self.ringing: set[str] = set()
        self.evaluated_at = 0.0
        self.sagemaker: SageMaker = local_sagemaker(
            folder,
            Buckets(),
            start=self.fleet.start,
            in_alarm=lambda names, since: bool(self.ringing & set(names)) and self.evaluated_at > since,
        )
        self.sagemaker.models.create_model(ModelName="model", PrimaryContainer={"Image": "image"})
        for name in ("old", "new"):
            self.sagemaker.models.create_endpoint_config(
                EndpointConfigName=name, ProductionVariants=[{"VariantName": "AllTraffic", "ModelName": "model"}]
            )
        self.endpoints = self.sagemaker.endpoints
        self.endpoints.create_endpoint(EndpointName="e", EndpointConfigName="old")
        self.endpoints.settle("e")

    def update(self, **others: Any) -> None:
        self.endpoints.update_endpoint(EndpointName="e", EndpointConfigName="new", **others)

    def bake(self) -> None:
        """The update, until its new container has the traffic."""
        self.update(DeploymentConfig=GUARDRAIL)
        eventually(lambda: "PendingDeploymentSummary" in self.described())

    def evaluate(self) -> None:
        """As CloudWatch does each minute."""
        self.clock.shift(60)
        self.evaluated_at = datetime.now(UTC).timestamp()

    def described(self) -> Any:
        return self.endpoints.describe_endpoint(EndpointName="e")

    def ends(self) -> tuple[str, str]:
        self.endpoints.settle("e")
        said = self.described()
        assert "PendingDeploymentSummary" not in said
        return said["EndpointStatus"], said["EndpointConfigName"]

    def answers(self) -> Any:
        """The container that is invoked: a fake."""
        return self.endpoints.serving("e")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with time_machine.travel(datetime(2026, 11, 24, tzinfo=UTC), tick=False) as clock:
        made = World(tmp_path, clock)
        yield made
        made.sagemaker.stop()


def test_the_new_container_answers_and_the_old_one_stands_by_until_it_is_over(world: World) -> None:
    world.bake()
    old, new = world.fleet.containers
    assert world.answers() is new
    assert not old.stopped
    said = world.described()
    assert (said["EndpointStatus"], said["EndpointConfigName"]) == ("Updating", "old")
    pending = said["PendingDeploymentSummary"]
    assert pending["EndpointConfigName"] == "new"
    assert pending["ProductionVariants"][0]["VariantStatus"] == [{"Status": "Baking"}]
    world.clock.shift(BAKE_SECONDS)
    assert world.ends() == ("InService", "new")
    assert world.answers() is new
    eventually(lambda: old.stopped)
    assert not new.stopped


@pytest.mark.parametrize("alarm", ["errors", "smoke"])
def test_one_alarm_takes_the_update_back_and_nothing_is_said(world: World, alarm: str) -> None:
    world.bake()
    world.ringing.add(alarm)
    assert world.endpoints.bakes_until("e") is not None  # it has not been evaluated for the new fleet yet
    world.evaluate()
    assert world.ends() == ("InService", "old")
    old, new = world.fleet.containers
    assert world.answers() is old
    eventually(lambda: new.stopped)
    assert "FailureReason" not in world.described()


def test_somebody_elses_alarm_takes_nothing_back(world: World) -> None:
    world.ringing.add("of another endpoint")
    world.bake()
    world.clock.shift(BAKE_SECONDS)
    assert world.ends() == ("InService", "new")


def test_a_new_container_that_dies_meanwhile_is_taken_back(world: World) -> None:
    world.bake()
    world.fleet.containers[1].die()
    assert world.ends() == ("InService", "old")
    assert world.answers() is world.fleet.containers[0]


def test_an_endpoint_that_is_deleted_meanwhile_leaves_no_container(world: World) -> None:
    world.bake()
    world.endpoints.delete_endpoint(EndpointName="e")
    assert world.endpoints.settle("e") is None
    eventually(lambda: all(container.stopped for container in world.fleet.containers))


def test_an_update_without_a_guardrail_bakes_no_moment(world: World) -> None:
    world.update()
    assert world.ends() == ("InService", "new")


class TestTime:
    """What the clock's advance makes of it."""

    def test_a_bake_is_nothing_to_wait_for_but_a_moment_to_stop_at(self, world: World) -> None:
        world.bake()
        assert world.endpoints.in_transition() == []
        assert world.endpoints.bakes_until("e") == datetime.now(UTC).timestamp() + BAKE_SECONDS

    def test_once_an_alarm_rings_there_is_something_to_wait_for(self, world: World) -> None:
        world.bake()
        world.ringing.add("smoke")
        world.evaluate()
        assert world.endpoints.bakes_until("e") is None
