"""Step Functions and Lambda seen from outside: errors by their names, and the services that tasks may call."""

import json
from base64 import b64decode
from typing import Any

import pytest

from .bare import ROLE, Bare


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return request.node.name.replace("_", "-").replace("[", "-").replace("]", "").replace(".", "")[-60:]  # type: ignore[no-any-return]


RAISING = """
import sys
class NoCapacity(Exception): pass
def handler(event, context):
    print("about to fail")
    how = event["how"]
    if how == "raise": raise NoCapacity("none left")
    if how == "exit": sys.exit(3)
    if how == "return": return {1, 2}
    return how
"""


def task(resource: str, parameters: dict[str, Any], **more: Any) -> dict[str, Any]:
    state = {"Type": "Task", "Resource": f"arn:aws:states:::{resource}", "Parameters": parameters, "End": True}
    return {"StartAt": "Call", "States": {"Call": state | more, "Caught": {"Type": "Pass", "End": True}}}


@pytest.mark.parametrize(
    ("how", "error"),
    [("raise", "NoCapacity"), ("exit", "Runtime.ExitError"), ("return", "Runtime.MarshalError")],
)
def test_a_functions_error_has_its_own_name(bare: Bare, name: str, how: str, error: str) -> None:
    function = bare.function(name, RAISING)
    answer = bare.client("lambda").invoke(FunctionName=function, Payload=json.dumps({"how": how}), LogType="Tail")
    assert answer["FunctionError"] == "Unhandled"
    payload = json.loads(answer["Payload"].read())
    assert payload["errorType"] == error
    if how == "raise":
        assert payload["errorMessage"] == "none left"
        assert 'raise NoCapacity("none left")' in "".join(payload["stackTrace"])
    catch = [{"ErrorEquals": ["Wrong"], "Next": "Call"}, {"ErrorEquals": [error], "Next": "Caught"}]
    machine = bare.machine(
        name, task("lambda:invoke", {"FunctionName": function, "Payload": {"how": how}}, Catch=catch)
    )
    ended = bare.ended(bare.start(machine))
    assert ended["status"] == "SUCCEEDED"
    assert json.loads(ended["output"])["Error"] == error
    assert json.loads(json.loads(ended["output"])["Cause"])["errorType"] == error


def test_an_exception_does_not_end_the_process(bare: Bare, name: str) -> None:
    code = """
import os
def handler(event, context):
    print("seen")
    if event: raise KeyError("no")
    return os.getpid()
"""
    bare.function(name, code)

    def call(given: object) -> Any:
        answer = bare.client("lambda").invoke(FunctionName=name, Payload=json.dumps(given), LogType="Tail")
        assert "seen" in b64decode(answer["LogResult"]).decode()
        return json.loads(answer["Payload"].read())

    before = call(0)
    assert call(1)["errorType"] == "KeyError"
    assert call(0) == before


def test_a_module_that_cannot_be_imported_is_told(bare: Bare, name: str) -> None:
    bare.function(name, "import not_there")
    payload = json.loads(bare.client("lambda").invoke(FunctionName=name)["Payload"].read())
    assert payload["errorType"] == "Runtime.ImportModuleError"
    assert "not_there" in payload["errorMessage"]


def test_tasks_reach_sagemaker(bare: Bare, name: str) -> None:
    made = task(
        "aws-sdk:sagemaker:createModel",
        {"ModelName": name, "ExecutionRoleArn": ROLE, "PrimaryContainer": {"Image": "image"}},
    )
    output = json.loads(bare.ended(bare.start(bare.machine(f"{name}-c", made)))["output"])
    assert output["ModelArn"].endswith(f":model/{name}")
    catch = [{"ErrorEquals": ["SageMaker.SageMakerException"], "Next": "Caught"}]
    missing = task("aws-sdk:sagemaker:describeEndpoint", {"EndpointName": "nobody"}, Catch=catch)
    output = json.loads(bare.ended(bare.start(bare.machine(f"{name}-d", missing)))["output"])
    assert "Could not find endpoint" in output["Cause"]


TEMPLATE = {
    "Parameters": {"Name": {"Type": "String"}},
    "Resources": {"Topic": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": {"Ref": "Name"}}}},
}


def test_tasks_reach_cloudformation(bare: Bare, name: str) -> None:
    stacks = bare.client("cloudformation")
    first = [{"ParameterKey": "Name", "ParameterValue": "first"}]
    stacks.create_stack(StackName=name, TemplateBody=json.dumps(TEMPLATE), Parameters=first)
    bare.advance(0)
    second = [{"ParameterKey": "Name", "ParameterValue": "second"}]
    request = {"StackName": name, "UsePreviousTemplate": True, "Parameters": second}
    updating = bare.machine(f"{name}-u", task("aws-sdk:cloudformation:updateStack", request))
    assert bare.ended(bare.start(updating))["status"] == "SUCCEEDED"
    bare.advance(0)
    describing = bare.machine(f"{name}-d", task("aws-sdk:cloudformation:describeStacks", {"StackName": name}))
    [stack] = json.loads(bare.ended(bare.start(describing))["output"])["Stacks"]
    assert stack["StackStatus"] == "UPDATE_COMPLETE"
    assert stack["Parameters"] == second
    catch = [{"ErrorEquals": ["CloudFormation.CloudFormationException"], "Next": "Caught"}]
    again = bare.machine(f"{name}-a", task("aws-sdk:cloudformation:updateStack", request, Catch=catch))
    assert "No updates" in json.loads(bare.ended(bare.start(again))["output"])["Cause"]


def test_tasks_reach_dynamodb_and_sns(bare: Bare, name: str) -> None:
    bare.recorder(name)
    topic = bare.client("sns").create_topic(Name=name)["TopicArn"]
    machine = {
        "StartAt": "Put",
        "States": {
            "Put": {
                "Type": "Task",
                "Resource": "arn:aws:states:::dynamodb:putItem",
                "Parameters": {"TableName": "calls", "Item": {"at": {"S": name}, "calls": {"L": [{"S": '"here"'}]}}},
                "ResultPath": None,
                "Next": "Tell",
            },
            "Tell": {
                "Type": "Task",
                "Resource": "arn:aws:states:::sns:publish",
                "Parameters": {"TopicArn": topic, "Subject": "Told", "Message.$": "$.said"},
                "End": True,
            },
        },
    }
    assert bare.ended(bare.start(bare.machine(name, machine), {"said": "by a task"}))["status"] == "SUCCEEDED"
    assert bare.calls(name) == ["here"]
    [notice] = [notice for notice in bare.pilot("notices").json() if notice["topic_arn"] == topic]
    assert (notice["subject"], notice["message"]) == ("Told", "by a task")
