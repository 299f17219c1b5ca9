"""`pilot deploy` and `pilot destroy` on a cloud of their own: from whatever state, and nothing is left."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from pilotlight.deployment import Deployment

from .conftest import LocalCloud, Pilot


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {"PILOTLIGHT_CLOUD_FOLDER": str(tmp_path_factory.mktemp("costs") / "pilot")}


@pytest.fixture(scope="module")
def own(pilot: Pilot, folder: dict[str, str]) -> Iterator[LocalCloud]:
    """Nobody else's: its stage is destroyed."""
    started = pilot("local", "up", "--weights", "tiny", "--off", "--json", **folder)
    try:
        assert started.returncode == 0, started.stdout + started.stderr
        yield LocalCloud(**json.loads(started.stdout))
    finally:
        pilot("local", "down", **folder)


def said(pilot: Pilot, folder: dict[str, str], *arguments: str) -> Any:
    done = pilot(*arguments, "--json", **folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def halfway(cloud: LocalCloud) -> None:
    """The endpoint's stack in UPDATE_ROLLBACK_FAILED."""
    cloud.fault(fault="no_capacity")
    cloud.fault(fault="rollback_failed")
    client, name = cloud.client("cloudformation"), f"Pilotlight-{cloud.stage}-Endpoint"
    on = {"EndpointState": "on", "TurnOffAt": "2099-01-01T00:00:00", "DeleteAt": "2099-01-01T00:30:00"}
    parameters = client.describe_stacks(StackName=name)["Stacks"][0]["Parameters"]
    client.update_stack(
        StackName=name,
        UsePreviousTemplate=True,
        Parameters=[
            {"ParameterKey": key, **({"ParameterValue": on[key]} if key in on else {"UsePreviousValue": True})}
            for key in (parameter["ParameterKey"] for parameter in parameters)
        ],
    )
    deployment = Deployment(cloud.stage, cloud.region, cloud.aws_endpoint_url)
    deadline = time.monotonic() + 60
    while deployment.stack_status("Endpoint") != "UPDATE_ROLLBACK_FAILED":
        assert time.monotonic() < deadline
        time.sleep(0.2)


class TestDestroy:
    """Each leaves nothing, and the second begins with nothing."""

    def test_halfway_through_a_rollback_that_failed(
        self, own: LocalCloud, pilot: Pilot, folder: dict[str, str]
    ) -> None:
        halfway(own)
        destroyed = pilot("destroy", "--yes", **folder)
        assert destroyed.returncode == 0, destroyed.stderr
        assert destroyed.stdout.count("Kept on purpose") == 2
        self.nothing_is_left(own)

    def test_deployed_again_and_destroyed_while_it_is_stuck_in_waking(
        self, own: LocalCloud, pilot: Pilot, folder: dict[str, str]
    ) -> None:
        own.fault()
        assert said(pilot, folder, "deploy", "--off", "--yes")["deployed"]
        state = json.loads((Path(folder["PILOTLIGHT_CLOUD_FOLDER"]) / "local.json").read_text())
        own.fault(fault="stuck_creating")
        waking = requests.post(
            f"{state['api_url']}/endpoint",
            json={"state": "on"},
            auth=Deployment(own.stage, own.region, own.aws_endpoint_url).admin_auth,
            timeout=30,
        )
        assert waking.ok, waking.text
        deadline = time.monotonic() + 60
        while not own.client("sagemaker").list_endpoints()["Endpoints"]:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert said(pilot, folder, "destroy", "--yes")["kept"]
        self.nothing_is_left(own)
        assert said(pilot, folder, "destroy", "--yes")["removed"] == []  # once more is no harm

    def nothing_is_left(self, own: LocalCloud) -> None:
        sagemaker = own.client("sagemaker")
        stacks = own.client("cloudformation").describe_stacks()["Stacks"]
        assert [stack["StackName"] for stack in stacks] == ["CDKToolkit"]
        assert sagemaker.list_endpoints()["Endpoints"] == []
        assert sagemaker.list_endpoint_configs()["EndpointConfigs"] == []
        assert sagemaker.list_models()["Models"] == []
        assert own.client("dynamodb").list_tables()["TableNames"] == []
