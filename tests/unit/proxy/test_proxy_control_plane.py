"""What is read from SageMaker and CloudFormation, by their own service models."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber
from common.facts import EndpointFacts, StackFacts, VariantFacts
from proxy.control_plane import ControlPlane
from proxy.endpoint import Facts
from proxy.errors import ControlPlaneFailed, DeadlineExceeded
from proxy.timing import Deadline

from tests.unit.proxy.fakes import FakeClock, moment

DEADLINE = Deadline(at=1028.0, clock=FakeClock())
ARN = "arn:aws:sagemaker:us-east-1:000000000000:endpoint/e"
DESCRIBED = {
    "EndpointName": "e",
    "EndpointArn": ARN,
    "EndpointConfigName": "c",
    "EndpointStatus": "InService",
    "CreationTime": moment(),
    "LastModifiedTime": moment(),
    "ProductionVariants": [{"VariantName": "v", "CurrentInstanceCount": 1, "DesiredInstanceCount": 2}],
}
CONFIG = {
    "EndpointConfigName": "c",
    "EndpointConfigArn": ARN,
    "CreationTime": moment(),
    "ProductionVariants": [
        {"VariantName": "v", "ModelName": "m", "InstanceType": "ml.g5.xlarge", "InitialInstanceCount": 2}
    ],
}
STACK = {
    "StackName": "s",
    "CreationTime": moment(),
    "StackStatus": "UPDATE_COMPLETE",
    "Parameters": [
        {"ParameterKey": "EndpointState", "ParameterValue": "on"},
        {"ParameterKey": "TurnOffAt", "ParameterValue": ""},
    ],
}


@dataclass
class Aws:
    """Stubbed clients; each answer given must be asked for."""

    sagemaker: Stubber
    cloudformation: Stubber
    control_plane: ControlPlane

    def describes_endpoint(self, **changes: Any) -> None:
        self.sagemaker.add_response("describe_endpoint", DESCRIBED | changes, {"EndpointName": "e"})

    def describes_config(self) -> None:
        self.sagemaker.add_response("describe_endpoint_config", CONFIG, {"EndpointConfigName": "c"})

    def describes_stack(self) -> None:
        self.cloudformation.add_response("describe_stacks", {"Stacks": [STACK]}, {"StackName": "s"})


@pytest.fixture
def aws() -> Iterator[Aws]:
    session = boto3.Session("access-key", "secret-key", region_name="us-east-1")
    sagemaker, cloudformation = session.client("sagemaker"), session.client("cloudformation")
    control_plane = ControlPlane(lambda: sagemaker, lambda: cloudformation, endpoint_name="e", stack_name="s")
    with Stubber(sagemaker) as stub, Stubber(cloudformation) as other:
        yield Aws(stub, other, control_plane)
        stub.assert_no_pending_responses()
        other.assert_no_pending_responses()


def test_the_facts_of_an_endpoint_that_is_on(aws: Aws) -> None:
    aws.describes_endpoint()
    aws.describes_config()
    aws.describes_stack()
    assert aws.control_plane.facts(DEADLINE) == Facts(
        endpoint=EndpointFacts(
            status="InService", created=moment(), config_name="c", instance_count=2, failure_reason=None
        ),
        variant=VariantFacts(instance_type="ml.g5.xlarge", initial_instance_count=2),
        stack=StackFacts(status="UPDATE_COMPLETE", parameters={"EndpointState": "on", "TurnOffAt": ""}),
    )


def test_what_does_not_exist_is_none(aws: Aws) -> None:
    aws.sagemaker.add_client_error("describe_endpoint", "ValidationException", "Could not find endpoint")
    aws.cloudformation.add_client_error("describe_stacks", "ValidationError", "Stack does not exist")
    assert aws.control_plane.facts(DEADLINE) == Facts(endpoint=None, variant=None, stack=None)


def test_an_endpoint_that_is_being_created_has_no_count_yet(aws: Aws) -> None:
    aws.describes_endpoint(EndpointStatus="Creating", ProductionVariants=[{"VariantName": "v"}])
    endpoint = aws.control_plane.endpoint(DEADLINE)
    assert endpoint is not None
    assert endpoint.instance_count is None


def test_a_config_that_is_gone_already_leaves_the_rest(aws: Aws) -> None:
    aws.describes_endpoint(EndpointStatus="Deleting")
    aws.sagemaker.add_client_error("describe_endpoint_config", "ValidationException", "Could not find")
    aws.describes_stack()
    assert aws.control_plane.facts(DEADLINE).variant is None


def test_a_refusal_is_translated(aws: Aws) -> None:
    aws.sagemaker.add_client_error("describe_endpoint", "AccessDeniedException", "no", 403)
    with pytest.raises(ControlPlaneFailed):
        aws.control_plane.endpoint(DEADLINE)


def test_a_failed_connection_is_translated() -> None:
    class Unreachable:
        def describe_endpoint(self, **request: Any) -> dict[str, Any]:
            raise EndpointConnectionError(endpoint_url=str(request))

        describe_endpoint_config = describe_stacks = describe_endpoint

    control_plane = ControlPlane(Unreachable, Unreachable, endpoint_name="e", stack_name="s")
    with pytest.raises(ControlPlaneFailed):
        control_plane.endpoint(DEADLINE)


def test_no_call_is_begun_that_could_outlast_the_deadline(aws: Aws) -> None:
    with pytest.raises(DeadlineExceeded):
        aws.control_plane.endpoint(Deadline(at=1004.0, clock=FakeClock()))
