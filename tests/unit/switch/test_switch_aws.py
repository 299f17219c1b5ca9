"""What the switch asks of AWS, judged by botocore's own service models; each answer given must be asked for."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber
from common.describe import execution_status
from common.facts import StackFacts
from common.ledger import Ledger
from switch.act import act
from switch.books import tell, watch
from switch.clients import Clients
from switch.decision import Action, Cancel, Continue, Decision, Delete, Update
from switch.memory import Memory
from switch.observe import observe
from switch.request import Request

from tests.unit.switch.fake_aws import FakeDynamoDB, moment
from tests.unit.switch.machine import SETTINGS
from tests.unit.switch.world import ENDPOINT, STACK, START

ARN = "arn:aws:states:us-east-1:000000000000:execution:switch:off-idle-1"
CONFIG_ARN = "arn:aws:sagemaker:us-east-1:000000000000:endpoint-config/config-new"
PARAMETERS = {"EndpointState": "on", "TurnOffAt": "2026-11-22T10:00:00"}
ON = StackFacts("UPDATE_COMPLETE", PARAMETERS)
MEMORY = Memory(started_at=START)


@dataclass
class Stubbed:
    clients: Clients
    stubs: dict[str, Stubber]

    def answers(self, service: str, operation: str, answer: dict[str, Any], request: dict[str, Any]) -> None:
        self.stubs[service].add_response(operation, answer, request)

    def refuses(self, service: str, operation: str, code: str, message: str) -> None:
        self.stubs[service].add_client_error(operation, code, message)

    def acts(self, action: Action, stack: StackFacts | None = ON) -> Memory:
        return act(self.clients, SETTINGS, Decision(action, replace(MEMORY, changed=True), "why"), stack, MEMORY)


@pytest.fixture
def aws() -> Iterator[Stubbed]:
    session = boto3.Session("access-key", "secret-key", region_name="us-east-1")
    names = ("cloudformation", "sagemaker", "cloudwatch", "stepfunctions", "sns")
    made: dict[str, Any] = {name: session.client(name) for name in names}  # type: ignore[call-overload]
    stubs = {name: Stubber(client) for name, client in made.items()}
    for stub in stubs.values():
        stub.activate()
    yield Stubbed(Clients(**made, ledger=Ledger(FakeDynamoDB(), "t")), stubs)
    for stub in stubs.values():
        stub.assert_no_pending_responses()


def described(aws: Stubbed, status: str = "UPDATE_COMPLETE", pools: tuple[str, ...] = ()) -> None:
    listed = [{"ParameterKey": key, "ParameterValue": value} for key, value in PARAMETERS.items()]
    outputs = [{"OutputKey": "Fingerprint", "OutputValue": "f"}]
    stack = {"StackName": STACK, "CreationTime": moment(START), "StackStatus": status, "Parameters": listed}
    aws.answers("cloudformation", "describe_stacks", {"Stacks": [stack | {"Outputs": outputs}]}, {"StackName": STACK})
    endpoint = {
        "EndpointName": ENDPOINT,
        "EndpointArn": CONFIG_ARN,
        "EndpointConfigName": "Config-New",
        "EndpointStatus": "InService",
        "CreationTime": moment(START),
        "LastModifiedTime": moment(START),
    }
    aws.answers("sagemaker", "describe_endpoint", endpoint, {"EndpointName": ENDPOINT})
    ranked = [{"InstanceType": name, "Priority": rank} for rank, name in enumerate(pools, start=1)]
    kind = {"InstancePools": ranked} if pools else {"InstanceType": "ml.g5.xlarge"}
    variant = {"VariantName": "AllTraffic", **kind, "InitialInstanceCount": 2}
    config = {
        "EndpointConfigName": "Config-New",
        "EndpointConfigArn": CONFIG_ARN,
        "CreationTime": moment(START),
        "ProductionVariants": [variant],
    }
    aws.answers("sagemaker", "describe_endpoint_config", config, {"EndpointConfigName": "Config-New"})


def test_the_facts_of_an_on(aws: Stubbed) -> None:
    described(aws)
    resource = {
        "LogicalResourceId": "Config",
        "PhysicalResourceId": CONFIG_ARN,
        "ResourceType": "AWS::SageMaker::EndpointConfig",
        "ResourceStatus": "CREATE_COMPLETE",
        "Timestamp": moment(START),
    }
    aws.answers("cloudformation", "describe_stack_resources", {"StackResources": [resource]}, {"StackName": STACK})
    aws.clients.ledger.put(
        "meter", "memory", {"ticked_at": START, "whole_at": START - 60, "month": "2026-11", "usd_this_month": 7}
    )
    facts = observe(aws.clients, SETTINGS, Request("on", "manual", "x"), MEMORY, START)
    assert facts.stack is not None
    assert facts.stack.outputs == {"Fingerprint": "f"}
    assert facts.expected_config == "config-new"
    assert facts.variant is not None
    assert facts.variant.initial_instance_count == 2
    assert facts.meter is not None
    assert (facts.heard_at, facts.meter.usd_this_month) == (START - 60, 7)


def test_the_facts_of_an_idle_off_hold_the_last_call(aws: Stubbed) -> None:
    described(aws)
    request = {
        "Namespace": "AWS/SageMaker",
        "MetricName": "Invocations",
        "Dimensions": [{"Name": "EndpointName", "Value": ENDPOINT}, {"Name": "VariantName", "Value": "AllTraffic"}],
        "StartTime": ANY,
        "EndTime": ANY,
        "Period": 60,
        "Statistics": ["Sum"],
    }
    points = [{"Timestamp": moment(START - 600), "Sum": 2.0}, {"Timestamp": moment(START - 60), "Sum": 0.0}]
    aws.answers("cloudwatch", "get_metric_statistics", {"Datapoints": points}, request)
    running = [{"Timestamp": moment(START - 420), "Maximum": 1.0}, {"Timestamp": moment(START - 60), "Maximum": 0.0}]
    request = request | {"MetricName": "ConcurrentRequestsPerModel", "Statistics": ["Maximum"]}
    aws.answers("cloudwatch", "get_metric_statistics", {"Datapoints": running}, request)
    facts = observe(aws.clients, SETTINGS, Request("off", "idle", "x"), MEMORY, START)
    assert facts.last_call == START - 360  # the end of the last minute in which one was still being answered


def test_an_idle_off_looks_for_the_calls_of_every_type_of_instance_pools(aws: Stubbed) -> None:
    described(aws, pools=("ml.g5.xlarge", "ml.g5.2xlarge"))
    variant = [{"Name": "EndpointName", "Value": ENDPOINT}, {"Name": "VariantName", "Value": "AllTraffic"}]
    request = {"Namespace": "AWS/SageMaker", "StartTime": ANY, "EndTime": ANY, "Period": 60}
    for name in (None, "ml.g5.xlarge", "ml.g5.2xlarge"):
        dimensions = variant + ([{"Name": "InstanceType", "Value": name}] if name else [])
        for metric, statistic in (("Invocations", "Sum"), ("ConcurrentRequestsPerModel", "Maximum")):
            last = name == "ml.g5.2xlarge" and metric == "Invocations"
            points = [{"Timestamp": moment(START - 300), "Sum": 1.0}] if last else []
            asked = request | {"MetricName": metric, "Statistics": [statistic], "Dimensions": dimensions}
            aws.answers("cloudwatch", "get_metric_statistics", {"Datapoints": points}, asked)
    facts = observe(aws.clients, SETTINGS, Request("off", "idle", "x"), MEMORY, START)
    assert facts.last_call == START - 240


def test_why_it_failed_is_asked_for_after_a_rollback(aws: Stubbed) -> None:
    described(aws, "UPDATE_ROLLBACK_FAILED")
    event = {
        "StackId": "s",
        "EventId": "e",
        "StackName": STACK,
        "Timestamp": moment(START),
        "ResourceType": "AWS::SageMaker::Endpoint",
        "ResourceStatus": "UPDATE_FAILED",
        "ResourceStatusReason": "no quota",
    }
    aws.answers("cloudformation", "describe_stack_events", {"StackEvents": [event]}, {"StackName": STACK})
    assert observe(aws.clients, SETTINGS, Request("on", "manual", "x"), MEMORY, START).failure == "no quota"


def test_an_update_sends_every_parameter_over_the_previous_template(aws: Stubbed) -> None:
    sent = [
        {"ParameterKey": "EndpointState", "ParameterValue": "off"},
        {"ParameterKey": "TurnOffAt", "UsePreviousValue": True},
    ]
    request = {
        "StackName": STACK,
        "UsePreviousTemplate": True,
        "Parameters": sent,
        "ResourceTypes": list(SETTINGS.resource_types),
    }
    aws.answers("cloudformation", "update_stack", {}, request)
    assert aws.acts(Update({"EndpointState": "off"})).refused == ""


def test_no_updates_to_be_performed_is_success(aws: Stubbed) -> None:
    aws.refuses("cloudformation", "update_stack", "ValidationError", "No updates are to be performed.")
    assert aws.acts(Update({"EndpointState": "off"})) == replace(MEMORY, changed=True)


def test_a_stack_that_somebody_else_updates_is_looked_at_again(aws: Stubbed) -> None:
    message = f"Stack:arn:{STACK}/1 is in UPDATE_IN_PROGRESS state and can not be updated."
    aws.refuses("cloudformation", "update_stack", "ValidationError", message)
    assert aws.acts(Update({"EndpointState": "off"})) == MEMORY


def test_a_refusal_is_remembered_in_aws_words(aws: Stubbed) -> None:
    aws.refuses("cloudformation", "update_stack", "AccessDenied", "User: x is not authorized")
    assert aws.acts(Update({"EndpointState": "off"})).refused == "User: x is not authorized"


def test_the_other_calls_name_the_stack_or_the_endpoint(aws: Stubbed) -> None:
    aws.answers("cloudformation", "cancel_update_stack", {}, {"StackName": STACK})
    aws.acts(Cancel())
    aws.answers("cloudformation", "continue_update_rollback", {}, {"StackName": STACK})
    aws.acts(Continue(skip_endpoint=False))
    aws.answers("sagemaker", "delete_endpoint", {}, {"EndpointName": ENDPOINT})
    aws.acts(Delete())


def test_a_refused_deletion_is_remembered(aws: Stubbed) -> None:
    aws.refuses("sagemaker", "delete_endpoint", "ValidationException", "Cannot delete while SystemUpdating")
    assert aws.acts(Delete()).undeleted == "Cannot delete while SystemUpdating"


@pytest.mark.parametrize(("status", "skipped"), [("UPDATE_FAILED", ["Endpoint"]), ("CREATE_COMPLETE", [])])
def test_only_an_endpoint_that_could_not_be_rolled_back_is_skipped(
    aws: Stubbed, status: str, skipped: list[str]
) -> None:
    resource = {
        "LogicalResourceId": "Endpoint",
        "PhysicalResourceId": ENDPOINT,
        "ResourceType": "AWS::SageMaker::Endpoint",
        "ResourceStatus": status,
        "Timestamp": moment(START),
    }
    aws.answers("cloudformation", "describe_stack_resources", {"StackResources": [resource]}, {"StackName": STACK})
    request = {"StackName": STACK} | ({"ResourcesToSkip": skipped} if skipped else {})
    aws.answers("cloudformation", "continue_update_rollback", {}, request)
    aws.acts(Continue(skip_endpoint=True))


def test_how_an_execution_stands(aws: Stubbed) -> None:
    answer = {
        "executionArn": ARN,
        "stateMachineArn": "arn:aws:states:us-east-1:000000000000:stateMachine:switch",
        "startDate": moment(START),
    }
    for status in ("RUNNING", "ABORTED"):
        aws.answers("stepfunctions", "describe_execution", answer | {"status": status}, {"executionArn": ARN})
    aws.refuses("stepfunctions", "describe_execution", "ExecutionDoesNotExist", "gone")
    seen = [execution_status(aws.clients.stepfunctions, ARN) for _ in range(3)]
    assert seen == ["RUNNING", "ABORTED", None]


def test_what_waits_for_the_meter_is_an_execution_of_the_switch_itself(aws: Stubbed) -> None:
    request = {"stateMachineArn": SETTINGS.switch_arn, "input": ANY}
    aws.answers("stepfunctions", "start_execution", {"executionArn": ARN, "startDate": moment(START)}, request)
    watch(aws.clients, SETTINGS)


def test_a_message_goes_to_the_topic(aws: Stubbed) -> None:
    told = {
        "at": START,
        "target": "off",
        "reason": "idle",
        "by": "meter",
        "outcome": "off",
        "hours_on": 1.5,
        "usd": 2.12,
        "usd_per_hour": 1.41,
        "instance_type": "ml.g5.xlarge",
        "message": "It is off.",
        "next": None,
    }
    request = {"TopicArn": SETTINGS.notices_topic_arn, "Subject": ANY, "Message": ANY}
    aws.answers("sns", "publish", {"MessageId": "1"}, request)
    tell(aws.clients, SETTINGS, told)
