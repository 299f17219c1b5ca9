"""On, off, crash and override: what the stack says, what SageMaker says, and what a caller is told."""

import contextlib
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from .conftest import METER, LocalCloud, Pilot, bash

pytestmark = pytest.mark.usefixtures("on_for_the_others")


def model_servers(cloud: LocalCloud) -> list[psutil.Process]:
    """Of all that the cloud has started only they listen."""
    found = []
    for child in psutil.Process(cloud.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it ended while we looked
            if any(connection.status == psutil.CONN_LISTEN for connection in child.net_connections("inet")):
                found.append(child)
    return found


def update(cloud: LocalCloud, **changes: str) -> None:
    """UpdateStack with the previous template, as any AWS client sends it, to its end; a bake does not take its time."""
    client = cloud.client("cloudformation")
    name = f"Pilotlight-{cloud.stage}-Endpoint"
    parameters = client.describe_stacks(StackName=name)["Stacks"][0]["Parameters"]
    client.update_stack(
        StackName=name,
        UsePreviousTemplate=True,
        Parameters=[
            {"ParameterKey": p["ParameterKey"], "ParameterValue": changes[p["ParameterKey"]]}
            if p["ParameterKey"] in changes
            else {"ParameterKey": p["ParameterKey"], "UsePreviousValue": True}
            for p in parameters
        ],
    )
    deadline = time.monotonic() + 120
    while (status := client.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]).endswith("_IN_PROGRESS"):
        assert time.monotonic() < deadline
        cloud.advance(10)
    assert status == "UPDATE_COMPLETE"


def endpoints(cloud: LocalCloud) -> list[Any]:
    found: list[Any] = cloud.client("sagemaker").list_endpoints()["Endpoints"]
    return found


def wait_until(happened: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def endpoint_status(cloud: LocalCloud) -> str:
    status: str = cloud.client("sagemaker").describe_endpoint(EndpointName=cloud.endpoint_name)["EndpointStatus"]
    return status


@pytest.fixture
def lit(cloud: LocalCloud) -> LocalCloud:
    """The cloud with its endpoint on, whatever the test before left."""
    cloud.turn("on")
    return cloud


class TestOff:
    def test_an_update_of_the_stack_removes_the_endpoint_and_its_process(self, lit: LocalCloud) -> None:
        assert len(model_servers(lit)) == 1
        update(lit, EndpointState="off", TurnOffAt="")
        with pytest.raises(ClientError, match="Could not find endpoint"):
            endpoint_status(lit)
        assert model_servers(lit) == []
        update(lit, EndpointState="on", TurnOffAt="2099-01-01T00:00:00")
        assert endpoint_status(lit) == "InService"
        assert lit.generate("hello", max_length=10).status_code == 200

    def test_a_caller_is_told_how_to_wake_it(self, lit: LocalCloud) -> None:
        lit.turn("off")
        begun = time.monotonic()
        response = lit.generate("hello")
        assert time.monotonic() - begun < 2
        assert response.status_code == 503
        assert int(response.headers["Retry-After"]) > 0
        message = response.json()["error"]["message"]
        assert "pilot on" in message
        assert "POST /endpoint" in message
        status = lit.call("GET", "/endpoint").json()
        assert (status["state"], status["usd_per_hour"], status["cost_usd"]) == ("off", 0, 0)

    def test_invoke_endpoint_fails_as_sagemaker_does(self, cloud: LocalCloud) -> None:
        with pytest.raises(ClientError) as caught:
            cloud.client("sagemaker-runtime").invoke_endpoint(EndpointName="nowhere", Body=b"{}")
        answer: Any = caught.value.response
        assert answer["Error"]["Code"] == "ValidationError"
        assert answer["Error"]["Message"] == "Endpoint nowhere of account 000000000000 not found."
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 400

    @pytest.mark.usefixtures("cloud")
    def test_off_twice_is_off(self, pilot: Pilot) -> None:
        assert pilot("off", "--yes").returncode == 0
        again = pilot("off", "--yes", "--json")
        assert again.returncode == 0
        assert '"changed": false' in again.stdout


class TestOn:
    def test_its_state_and_price_are_told(self, lit: LocalCloud) -> None:
        status = lit.call("GET", "/endpoint").json()
        assert status["state"] == "on"
        assert status["instance_type"] == "ml.g4dn.12xlarge"
        assert status["usd_per_hour"] == 4.89
        assert 0 <= status["cost_usd"] < 1
        assert status["since"]
        assert status["next_trigger"]["by"] == "idle"
        assert "pilot off" in status["next_trigger"]["message"]

    def test_lighting_without_an_end_is_refused(self, cloud: LocalCloud) -> None:
        cloud.turn("off")
        with pytest.raises(ClientError, match="TurnOffAt"):
            update(cloud, EndpointState="on")

    @pytest.mark.usefixtures("lit")
    def test_the_stack_has_not_drifted_from_its_template(self, pilot: Pilot) -> None:
        """Plain `cdk diff`, aimed by `pilot local env`, after an off and an on."""
        assert pilot("off", "--yes").returncode == 0
        assert pilot("on", "--yes").returncode == 0
        diff = bash(f"{pilot('local', 'env').stdout}\n./node_modules/.bin/cdk diff --all --fail")
        assert diff.returncode == 0, diff.stdout + diff.stderr
        assert "Number of stacks with differences: 0" in diff.stdout + diff.stderr
        assert "end-of-life" not in diff.stdout + diff.stderr


class TestHardStop:
    def test_off_repairs_the_stack_as_well(self, lit: LocalCloud, pilot: Pilot) -> None:
        lit.client("sagemaker").delete_endpoint(EndpointName=lit.endpoint_name)
        wait_until(lambda: not endpoints(lit))
        assert pilot("off", "--yes").returncode == 0
        stack = lit.client("cloudformation").describe_stacks(StackName=f"Pilotlight-{lit.stage}-Endpoint")["Stacks"][0]
        assert stack["StackStatus"] == "UPDATE_COMPLETE"
        assert {"ParameterKey": "EndpointState", "ParameterValue": "off"} in stack["Parameters"]
        assert lit.client("scheduler").list_schedules()["Schedules"] == []

    def test_an_end_is_moved_by_asking_for_more_hours(self, lit: LocalCloud, pilot: Pilot) -> None:
        (server,) = model_servers(lit)
        assert '"changed": false' in pilot("on", "--yes", "--json").stdout
        assert '"changed": true' in pilot("on", "--yes", "--hours", "100", "--json").stdout
        stack = lit.client("cloudformation").describe_stacks(StackName=f"Pilotlight-{lit.stage}-Endpoint")["Stacks"][0]
        ends = {p["ParameterKey"]: p["ParameterValue"] for p in stack["Parameters"]}
        end, deletion = (datetime.fromisoformat(ends[name] + "Z") for name in ("TurnOffAt", "DeleteAt"))
        assert deletion - end == timedelta(minutes=30)
        hours = (end - lit.now()).total_seconds() / 3600
        assert 100 < hours <= 100.25  # the hard stop comes after the lifetime, should that not act
        assert model_servers(lit) == [server]  # and it never stopped serving


class TestOverride:
    def test_one_made_for_this_configuration_holds(self, cloud: LocalCloud) -> None:
        update(cloud, ModelDataUrl="s3://tuned/model/", OverrideFor=fingerprint(cloud))
        try:
            assert model_data_url(cloud) == "s3://tuned/model/"
        finally:
            update(cloud, ModelDataUrl="", OverrideFor="")
        assert model_data_url(cloud) == "s3://pilotlight-local/smollm2-135m-instruct/"

    def test_one_made_for_another_configuration_is_dead(self, cloud: LocalCloud) -> None:
        update(cloud, ModelDataUrl="s3://tuned/model/", OverrideFor="0123456789abcdef")
        try:
            assert model_data_url(cloud) == "s3://pilotlight-local/smollm2-135m-instruct/"
        finally:
            update(cloud, ModelDataUrl="", OverrideFor="")


class TestCrash:
    def test_a_dead_model_server_is_told_and_survived(self, lit: LocalCloud, pilot: Pilot) -> None:
        (server,) = model_servers(lit)
        with lit.disabled(METER):  # whose next tick turns off what has failed
            server.kill()
            wait_until(lambda: endpoint_status(lit) != "InService")
            described = lit.client("sagemaker").describe_endpoint(EndpointName=lit.endpoint_name)
            assert described["EndpointStatus"] == "Failed"
            assert "exited" in described["FailureReason"]
            response = lit.generate("hello")
            assert response.status_code == 503
            assert set(response.json()["error"]) == {"type", "message", "param", "request_id"}
            assert response.json()["error"]["type"] == "endpoint_failed"
            assert "pilot off" in response.json()["error"]["message"]
            assert lit.call("GET", "/endpoint").json()["state"] == "failed"
        assert pilot("off", "--yes").returncode == 0
        assert pilot("on", "--yes").returncode == 0
        assert lit.generate("hello", max_length=10).status_code == 200


def fingerprint(cloud: LocalCloud) -> str:
    template = cloud.client("cloudformation").get_template(StackName=f"Pilotlight-{cloud.stage}-Endpoint")
    found: str = template["TemplateBody"]["Conditions"]["OverrideHolds"]["Fn::Equals"][1]
    return found


def model_data_url(cloud: LocalCloud) -> str:
    """The artifact of the model that the stack's endpoint config names."""
    resources = cloud.client("cloudformation").describe_stack_resources(StackName=f"Pilotlight-{cloud.stage}-Endpoint")[
        "StackResources"
    ]
    arn = next(r["PhysicalResourceId"] for r in resources if r["ResourceType"] == "AWS::SageMaker::Model")
    sagemaker = cloud.client("sagemaker")
    name = next(m["ModelName"] for m in sagemaker.list_models()["Models"] if m["ModelArn"] == arn)
    source = sagemaker.describe_model(ModelName=name)["PrimaryContainer"]["ModelDataSource"]
    found: str = source["S3DataSource"]["S3Uri"]
    return found
