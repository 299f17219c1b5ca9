"""An account in which nothing goes wrong unless a test says so."""

import pytest

from tests.unit.switch.fake_aws import Aws
from tests.unit.switch.machine import Machine
from tests.unit.switch.world import World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def aws(world: World) -> Aws:
    return Aws(world)


@pytest.fixture
def machine(aws: Aws) -> Machine:
    return Machine(aws)
