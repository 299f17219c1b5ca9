"""`pilot snooze`, `cost`, `sweep`, `deploy` and `destroy` on a cloud of their own, as a shell sees them."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from pilotlight.deployment import Deployment

from .conftest import LocalCloud, Pilot

DAY = 86_400


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {"PILOTLIGHT_CLOUD_FOLDER": str(tmp_path_factory.mktemp("costs") / "pilot")}


@pytest.fixture(scope="module")
def own(pilot: Pilot, folder: dict[str, str]) -> Iterator[LocalCloud]:
    """Nobody else's: its clock is advanced, and its stage destroyed."""
    started = pilot("local", "up", "--weights", "tiny", "--off", "--json", **folder)
    try:
        assert started.returncode == 0, started.stdout + started.stderr
        yield LocalCloud(**json.loads(started.stdout))
    finally:
        pilot("local", "down", **folder)


def advance(cloud: LocalCloud, seconds: float) -> None:
    body = {"advance_seconds": seconds}
    assert requests.post(f"{cloud.aws_endpoint_url}/_pilot/clock", json=body, timeout=300).ok


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


def test_a_snooze_counts_from_the_clouds_time_and_is_told(
    own: LocalCloud, pilot: Pilot, folder: dict[str, str]
) -> None:
    advance(own, DAY)  # ahead of this machine's clock
    until = datetime.fromisoformat(said(pilot, folder, "snooze", "90m")["snoozed_until"])
    now = datetime.fromisoformat(requests.get(f"{own.aws_endpoint_url}/_pilot/clock", timeout=5).json()["now"])
    assert 85 * 60 < (until - now).total_seconds() <= 90 * 60
    assert (until - datetime.now(UTC)).total_seconds() > DAY
    told = own.call("GET", "/endpoint").json()["snoozed_until"]
    assert datetime.fromisoformat(told) == until
    assert said(pilot, folder, "snooze", "0")["snoozed_until"] is None
    assert own.call("GET", "/endpoint").json()["snoozed_until"] is None


def test_what_was_on_for_an_hour_costs_that_and_a_day_of_being_off_is_saved(
    own: LocalCloud, pilot: Pilot, folder: dict[str, str]
) -> None:
    assert said(pilot, folder, "on", "--yes")["changed"]
    advance(own, 1800)
    assert said(pilot, folder, "off", "--yes")["changed"]
    advance(own, 600)
    costs = said(pilot, folder, "cost")
    assert costs["usd_this_month"] == pytest.approx(4.89 / 2, abs=0.3)
    assert costs["usd_saved_this_month"] > 24 * 4.89
    assert costs["usd_per_hour"] == 0
    assert costs["worst_month_usd"] == pytest.approx(100 + 4.89 / 4, abs=0.01)
    assert [kept["outcome"] for kept in costs["receipts"][:2]] == ["off", "on"]
    shown = pilot("cost", **folder).stdout
    assert "saved by being off" in shown
    assert "ml.g4dn.12xlarge" in shown


def test_what_no_stack_owns_is_listed_told_and_removed_only_when_told_to(
    own: LocalCloud, pilot: Pilot, folder: dict[str, str]
) -> None:
    client, tags = own.client("sagemaker"), [{"Key": "pilotlight:stage", "Value": own.stage}]
    model = client.list_models()["Models"][0]["ModelName"]
    variant = {"VariantName": "AllTraffic", "ModelName": model, "InitialInstanceCount": 2}
    client.create_endpoint_config(
        EndpointConfigName="stray", ProductionVariants=[variant | {"InstanceType": "ml.g5.2xlarge"}], Tags=tags
    )
    client.create_endpoint(EndpointName="stray", EndpointConfigName="stray", Tags=tags)
    found = said(pilot, folder, "sweep")["orphans"]
    assert [(orphan["kind"], orphan["usd_per_hour"]) for orphan in found] == [
        ("endpoint", 3.03),
        ("endpoint-config", 0),
    ]
    advance(own, DAY)
    assert "endpoint stray" in own.call("GET", "/endpoint").json()["attention"][0]
    notices = requests.get(f"{own.aws_endpoint_url}/_pilot/notices", timeout=5).json()
    assert [notice for notice in notices if "endpoint stray" in notice["message"]]
    assert pilot("sweep", "--delete", **folder).returncode == 1  # nobody is there to say yes
    assert [e["EndpointName"] for e in client.list_endpoints()["Endpoints"]] == ["stray"]
    assert said(pilot, folder, "sweep", "--delete", "--yes")["failures"] == {}
    assert client.list_endpoints()["Endpoints"] == []
    assert said(pilot, folder, "sweep")["orphans"] == []


class TestDestroy:
    """Last, as it leaves nothing."""

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
