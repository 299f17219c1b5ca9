"""`pilot snooze`, `cost` and `sweep` on a cloud of their own, as a shell sees them."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from .conftest import LocalCloud, Pilot

DAY = 86_400


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {"PILOTLIGHT_CLOUD_FOLDER": str(tmp_path_factory.mktemp("costs") / "pilot")}


@pytest.fixture(scope="module")
def own(pilot: Pilot, folder: dict[str, str]) -> Iterator[LocalCloud]:
    """Nobody else's: its clock is advanced."""
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
    assert costs["worst_month_usd"] == pytest.approx(100 + 4.89, abs=0.01)
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
