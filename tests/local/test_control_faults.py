"""SageMaker and CloudFormation failing on demand: what each says while they do, and how one gets out of it."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError

from .bare import ROLE, Bare

MODEL = {"Fn::GetAtt": ["Model", "ModelName"]}
VARIANT = {"VariantName": "only", "ModelName": MODEL, "InitialInstanceCount": 1}


def config(instance: object) -> dict[str, Any]:
    properties = {"ProductionVariants": [VARIANT | {"InstanceType": instance}]}
    return {"Type": "AWS::SageMaker::EndpointConfig", "Properties": properties, "UpdateReplacePolicy": "Retain"}


def template(name: str) -> str:
    model = {"ExecutionRoleArn": ROLE, "PrimaryContainer": {"Image": "image"}}
    return json.dumps(
        {
            "Parameters": {"State": {"Type": "String"}, "Instance": {"Type": "String", "Default": "ml.g5.xlarge"}},
            "Conditions": {"IsOn": {"Fn::Equals": [{"Ref": "State"}, "on"]}},
            "Resources": {
                "Model": {"Type": "AWS::SageMaker::Model", "Properties": model},
                "Config": config({"Ref": "Instance"}),
                "Endpoint": {
                    "Type": "AWS::SageMaker::Endpoint",
                    "Condition": "IsOn",
                    "Properties": {
                        "EndpointName": name,
                        "EndpointConfigName": {"Fn::GetAtt": ["Config", "EndpointConfigName"]},
                    },
                },
            },
        }
    )


class Stack:
    """A stack with an endpoint that a parameter switches."""

    def __init__(self, bare: Bare, name: str) -> None:
        self.bare, self.name = bare, name
        self.client = bare.client("cloudformation")
        self.client.create_stack(StackName=name, TemplateBody=template(name), Parameters=self._parameters("off"))
        bare.advance(0)
        assert self.status == "CREATE_COMPLETE"

    def _parameters(self, state: str, **others: str) -> list[dict[str, str]]:
        return [{"ParameterKey": k, "ParameterValue": v} for k, v in {"State": state, **others}.items()]

    def turn(self, state: str, **others: str) -> None:
        given = self._parameters(state, **others)
        self.client.update_stack(StackName=self.name, UsePreviousTemplate=True, Parameters=given)
        self.bare.advance(0)

    @property
    def status(self) -> str:
        found: str = self.client.describe_stacks(StackName=self.name)["Stacks"][0]["StackStatus"]
        return found

    @property
    def endpoint(self) -> dict[str, Any] | None:
        sagemaker = self.bare.client("sagemaker")
        if self.name not in [endpoint["EndpointName"] for endpoint in sagemaker.list_endpoints()["Endpoints"]]:
            return None
        found: dict[str, Any] = sagemaker.describe_endpoint(EndpointName=self.name)
        return found

    def reasons(self, status: str) -> list[str]:
        events = self.client.describe_stack_events(StackName=self.name)["StackEvents"]
        return [event.get("ResourceStatusReason", "") for event in events if event["ResourceStatus"] == status]


@pytest.fixture
def stack(bare: Bare, request: pytest.FixtureRequest) -> Iterator[Stack]:
    made = Stack(bare, request.node.name.replace("_", "-").replace("[", "-").replace("]", "")[-50:].strip("-"))
    yield made
    bare.clear_faults()
    bare.advance(0)
    if made.endpoint:
        bare.client("sagemaker").delete_endpoint(EndpointName=made.name)
        bare.advance(0)
    made.client.delete_stack(StackName=made.name)
    bare.advance(0)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"fault": "flood"}, "no_capacity"),
        ({"fault": "throttle", "instance_type": "ml.g5.xlarge"}, "only no_capacity"),
        ({"fault": "no_capacity", "instance_type": 5}, "it is a name"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(bare: Bare, fault: dict[str, Any], said: str) -> None:
    answer = bare.pilot("faults", **fault)
    assert answer.status_code == 400
    assert said in answer.json()["error"]
    assert bare.pilot("faults").json() == []


def test_no_capacity_rolls_the_update_back_and_says_why(stack: Stack) -> None:
    fault = {"fault": "no_capacity", "times": 1, "instance_type": "ml.g5.xlarge"}
    assert stack.bare.pilot("faults", **fault).json() == [fault | {"seconds": 5.0}]
    stack.turn("on")
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert stack.endpoint is None
    [reason] = stack.reasons("CREATE_FAILED")
    assert "InsufficientInstanceCapacity" in reason
    assert "Unable to provision requested ML compute capacity" in reason
    stack.turn("on")
    assert stack.status == "UPDATE_COMPLETE"


def test_no_capacity_for_one_type_leaves_the_others(stack: Stack) -> None:
    stack.bare.pilot("faults", fault="no_capacity", times=5, instance_type="ml.g5.xlarge")
    stack.turn("on", Instance="ml.g6.xlarge")
    assert stack.status == "UPDATE_COMPLETE"
    assert stack.endpoint
    assert len(stack.bare.pilot("faults").json()) == 1


def test_a_failed_endpoint_says_so_itself(bare: Bare, stack: Stack) -> None:
    sagemaker = bare.client("sagemaker")
    resources = stack.client.describe_stack_resources(StackName=stack.name)["StackResources"]
    [found] = [r["PhysicalResourceId"] for r in resources if r["LogicalResourceId"] == "Config"]
    names = [c["EndpointConfigName"] for c in sagemaker.list_endpoint_configs()["EndpointConfigs"]]
    [name] = [name for name in names if name.lower() == found.rsplit("/", 1)[-1]]
    bare.pilot("faults", fault="no_capacity")
    sagemaker.create_endpoint(EndpointName=stack.name, EndpointConfigName=name)
    bare.advance(0)
    assert stack.endpoint
    assert stack.endpoint["EndpointStatus"] == "Failed"
    assert "Unable to provision" in stack.endpoint["FailureReason"]


def test_an_endpoint_stuck_in_creating_holds_no_advance_up_and_can_be_cancelled(stack: Stack) -> None:
    stack.bare.pilot("faults", fault="stuck_creating")
    stack.turn("on")
    stack.bare.advance(3600)
    assert stack.endpoint
    assert stack.endpoint["EndpointStatus"] == "Creating"
    assert stack.bare.now() - stack.endpoint["CreationTime"] >= timedelta(hours=1)
    assert stack.status == "UPDATE_IN_PROGRESS"
    with pytest.raises(ClientError, match="UPDATE_IN_PROGRESS"):
        stack.turn("off")
    stack.client.cancel_update_stack(StackName=stack.name)
    stack.bare.advance(0)
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert stack.endpoint is None
    assert "Resource creation cancelled" in stack.reasons("CREATE_FAILED")
    stack.turn("on")
    assert stack.status == "UPDATE_COMPLETE"


def test_cdk_is_told_of_an_updates_end_at_once_and_of_nothing_before(stack: Stack) -> None:
    """As who asks with JavaScript's SDK; whoever else asks is told meanwhile what goes on."""

    def ask() -> str:
        asked = {"Action": "DescribeStacks", "StackName": stack.name, "Version": "2010-05-15"}
        return requests.post(stack.bare.url, asked, headers={"User-Agent": "aws-sdk-js/3.0"}, timeout=60).text

    stack.bare.pilot("faults", fault="stuck_creating")
    stack.turn("on")
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(ask)
        with pytest.raises(TimeoutError):
            asked.result(timeout=1)
        assert stack.status == "UPDATE_IN_PROGRESS"
        stack.client.cancel_update_stack(StackName=stack.name)
        assert "<StackStatus>UPDATE_ROLLBACK_COMPLETE</StackStatus>" in asked.result()


def test_cloudformation_gives_up_on_a_stuck_endpoint_after_160_minutes(stack: Stack) -> None:
    stack.bare.pilot("faults", fault="stuck_creating")
    stack.turn("on")
    stack.bare.advance(159 * 60)
    assert stack.status == "UPDATE_IN_PROGRESS"
    stack.bare.advance(120)
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert stack.endpoint is None


@pytest.mark.parametrize("way", ["cleared", "deleted"])
def test_a_stuck_endpoint_goes_on_when_cleared_and_goes_when_deleted(stack: Stack, way: str) -> None:
    stack.bare.pilot("faults", fault="stuck_creating")
    stack.turn("on")
    if way == "cleared":
        stack.bare.clear_faults()
    else:
        stack.bare.client("sagemaker").delete_endpoint(EndpointName=stack.name)
    stack.bare.advance(0)
    assert stack.status == {"cleared": "UPDATE_COMPLETE", "deleted": "UPDATE_ROLLBACK_COMPLETE"}[way]
    assert (stack.endpoint is not None) == (way == "cleared")


def test_an_endpoint_survives_an_update_that_reports_success(stack: Stack) -> None:
    stack.turn("on")
    stack.bare.pilot("faults", fault="delete_survives")
    stack.turn("off")
    assert stack.status == "UPDATE_COMPLETE"
    assert len(stack.reasons("DELETE_FAILED")) == 3
    assert stack.endpoint
    assert stack.endpoint["EndpointStatus"] == "InService"
    resources = stack.client.describe_stack_resources(StackName=stack.name)["StackResources"]
    assert {r["LogicalResourceId"] for r in resources} == {"Model", "Config"}
    stack.bare.client("sagemaker").delete_endpoint(EndpointName=stack.name)
    stack.bare.advance(0)
    assert stack.endpoint is None
    stack.turn("on")
    assert stack.endpoint


def test_a_failed_update_ends_in_service_on_the_old_config(stack: Stack) -> None:
    stack.turn("on")
    assert stack.endpoint
    old = stack.endpoint["EndpointConfigName"]
    stack.bare.pilot("faults", fault="update_failed")
    stack.turn("on", Instance="ml.g6.xlarge")
    assert stack.status == "UPDATE_COMPLETE"  # CloudFormation takes the status for success
    assert (stack.endpoint["EndpointStatus"], stack.endpoint["EndpointConfigName"]) == ("InService", old)


def test_an_update_under_way_can_be_cancelled(stack: Stack) -> None:
    stack.turn("on")
    assert stack.endpoint
    old = stack.endpoint["EndpointConfigName"]
    given = [{"ParameterKey": k, "ParameterValue": v} for k, v in {"State": "on", "Instance": "ml.g6.xlarge"}.items()]
    stack.client.update_stack(StackName=stack.name, UsePreviousTemplate=True, Parameters=given)
    stack.bare.until(lambda: (stack.endpoint or {}).get("EndpointStatus") == "Updating")
    stack.client.cancel_update_stack(StackName=stack.name)
    stack.bare.advance(0)
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert stack.endpoint["EndpointConfigName"] == old


def test_a_rollback_that_fails_can_be_continued(stack: Stack) -> None:
    for fault in ("no_capacity", "rollback_failed"):
        stack.bare.pilot("faults", fault=fault)
    stack.turn("on")
    assert stack.status == "UPDATE_ROLLBACK_FAILED"
    with pytest.raises(ClientError, match="UPDATE_ROLLBACK_FAILED"):
        stack.turn("off")
    stack.client.continue_update_rollback(StackName=stack.name)
    stack.bare.advance(0)
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    stack.turn("on")
    assert stack.status == "UPDATE_COMPLETE"
