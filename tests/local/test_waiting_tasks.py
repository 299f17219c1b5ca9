"""Tasks that wait for somebody else, and the events that tell of buckets and executions."""

import json
import time
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .bare import Bare


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return request.node.name.replace("_", "-").replace("[", "-").replace("]", "")[-60:].strip("-")  # type: ignore[no-any-return]


def task(resource: str, parameters: dict[str, Any], **more: Any) -> dict[str, Any]:
    state = {"Type": "Task", "Resource": f"arn:aws:states:::{resource}", "Parameters": parameters, "End": True}
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]
    return {
        "StartAt": "Call",
        "States": {"Call": {"Catch": catch} | state | more, "Caught": {"Type": "Pass", "End": True}},
    }


def asking(function: str, **more: Any) -> dict[str, Any]:
    """A task that hands its token to the function and waits for an answer."""
    parameters = {"FunctionName": function, "Payload": {"token.$": "$$.Task.Token"}}
    return task("lambda:invoke.waitForTaskToken", parameters, **more)


def token(bare: Bare, name: str) -> str:
    bare.until(lambda: bool(bare.calls(name)))
    found: str = bare.calls(name)[-1]["token"]
    return found


def output(bare: Bare, execution: str) -> Any:
    found = bare.execution(execution)
    assert found["status"] == "SUCCEEDED", found
    return json.loads(found["output"])


class TestCallback:
    def test_an_answer_ends_the_wait(self, bare: Bare, name: str) -> None:
        run = bare.start(bare.machine(name, asking(bare.recorder(name))))
        given = token(bare, name)
        bare.advance(86_400)  # nobody is at work while it waits
        assert bare.execution(run)["status"] == "RUNNING"
        bare.client("stepfunctions").send_task_success(taskToken=given, output='{"approved": true}')
        with pytest.raises(ClientError, match="TaskTimedOut"):  # the first answer counts
            bare.client("stepfunctions").send_task_failure(taskToken=given)
        bare.advance(0)
        assert output(bare, run) == {"approved": True}

    def test_a_refusal_is_an_error_of_its_name(self, bare: Bare, name: str) -> None:
        run = bare.start(bare.machine(name, asking(bare.recorder(name))))
        bare.client("stepfunctions").send_task_failure(taskToken=token(bare, name), error="Rejected", cause="no")
        bare.advance(0)
        assert output(bare, run) == {"Error": "Rejected", "Cause": "no"}

    def test_it_runs_out_of_time_by_the_clock(self, bare: Bare, name: str) -> None:
        run = bare.start(bare.machine(name, asking(bare.recorder(name), TimeoutSeconds=7200)))
        given = token(bare, name)
        began = time.monotonic()
        bare.advance(7000)
        assert bare.execution(run)["status"] == "RUNNING"
        bare.advance(300)
        assert time.monotonic() - began < 60
        assert output(bare, run)["Error"] == "States.Timeout"
        found = bare.execution(run)
        assert timedelta(seconds=7190) < found["stopDate"] - found["startDate"] < timedelta(seconds=7290)
        with pytest.raises(ClientError, match="TaskTimedOut"):
            bare.client("stepfunctions").send_task_success(taskToken=given, output="{}")

    def test_a_function_that_fails_fails_the_task(self, bare: Bare, name: str) -> None:
        run = bare.start(bare.machine(name, asking(bare.recorder(name, then="raise KeyError('nobody to ask')"))))
        bare.advance(0)
        assert output(bare, run)["Error"] == "KeyError"

    def test_it_can_be_stopped(self, bare: Bare, name: str) -> None:
        run = bare.start(bare.machine(name, asking(bare.recorder(name))))
        token(bare, name)
        bare.client("stepfunctions").stop_execution(executionArn=run)
        bare.advance(0)
        assert bare.execution(run)["status"] == "ABORTED"


def waiting(seconds: int, last: dict[str, Any]) -> dict[str, Any]:
    return {
        "StartAt": "Wait",
        "States": {"Wait": {"Type": "Wait", "Seconds": seconds, "Next": "Last"}, "Last": last},
    }


DONE = {"Type": "Pass", "Result": {"answer": 42}, "End": True}
FAILING = {"Type": "Fail", "Error": "NoCapacity", "Cause": "none left"}


class TestNested:
    def nested(self, bare: Bare, name: str, last: dict[str, Any], **more: Any) -> tuple[str, str]:
        """The outer execution and the inner state machine, which waits an hour and then does the last."""
        inner = bare.machine(f"{name[-40:]}-inner", waiting(3600, last))
        outer = task("states:startExecution.sync:2", {"StateMachineArn": inner, "Input": {"a": 1}}, **more)
        return bare.start(bare.machine(f"{name[-40:]}-outer", outer)), inner

    def inner(self, bare: Bare, machine: str) -> dict[str, Any]:
        [found] = bare.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"]
        return bare.execution(found["executionArn"])

    def test_it_waits_for_the_inner_one_and_has_its_output(self, bare: Bare, name: str) -> None:
        run, machine = self.nested(bare, name, DONE)
        bare.advance(1800)
        assert self.inner(bare, machine)["status"] == bare.execution(run)["status"] == "RUNNING"
        bare.advance(2000)
        told = output(bare, run)
        assert (told["Status"], told["Output"]) == ("SUCCEEDED", {"answer": 42})
        assert json.loads(self.inner(bare, machine)["input"]) == {"a": 1}

    def test_it_fails_with_the_inner_one(self, bare: Bare, name: str) -> None:
        run, _ = self.nested(bare, name, FAILING)
        bare.advance(3700)
        caught = output(bare, run)
        assert caught["Error"] == "States.TaskFailed"
        assert json.loads(caught["Cause"])["Error"] == "NoCapacity"

    def test_whoever_stops_it_stops_the_inner_one(self, bare: Bare, name: str) -> None:
        run, machine = self.nested(bare, name, DONE)
        bare.advance(60)
        bare.client("stepfunctions").stop_execution(executionArn=run)
        bare.advance(0)
        assert self.inner(bare, machine)["status"] == "ABORTED"

    def test_out_of_time_it_stops_the_inner_one(self, bare: Bare, name: str) -> None:
        run, machine = self.nested(bare, name, DONE, TimeoutSeconds=600)
        bare.advance(700)
        assert output(bare, run)["Error"] == "States.Timeout"
        assert self.inner(bare, machine)["status"] == "ABORTED"


def heard(bare: Bare, name: str, pattern: dict[str, Any]) -> None:
    """A rule that calls the recorder `name` for every event of the pattern."""
    events = bare.client("events")
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=name, Targets=[{"Id": "recorder", "Arn": bare.recorder(name)}])


def test_a_bucket_tells_of_new_objects(bare: Bare, name: str) -> None:
    stacks, bucket = bare.client("cloudformation"), "telling-bucket"
    configuration = {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
    properties = {"BucketName": bucket, "NotificationConfiguration": configuration}
    resource = {"Type": "AWS::S3::Bucket", "Properties": properties}
    stacks.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": {"Bucket": resource}}))
    bare.advance(0)
    pattern = {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": [bucket]}, "object": {"key": [{"wildcard": "datasets/*/run.toml"}]}},
    }
    heard(bare, name, pattern)
    for key in ("datasets/one/rows.jsonl", "datasets/one/run.toml"):
        bare.client("s3").put_object(Bucket=bucket, Key=key, Body=b"x")
    bare.advance(0)
    [event] = bare.calls(name)
    assert (event["source"], event["detail-type"]) == ("aws.s3", "Object Created")
    assert (event["detail"]["object"]["key"], event["detail"]["object"]["size"]) == ("datasets/one/run.toml", 1)


def test_an_execution_tells_of_its_status(bare: Bare, name: str) -> None:
    failing = {"StartAt": "Fail", "States": {"Fail": {"Type": "Fail", "Error": "NoCapacity"}}}
    machine = bare.machine(name, failing)
    pattern = {
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {"stateMachineArn": [machine], "status": ["FAILED", "TIMED_OUT", "ABORTED"]},
    }
    heard(bare, name, pattern)
    run = bare.start(machine)
    bare.advance(0)
    [event] = bare.calls(name)
    assert (event["detail"]["executionArn"], event["detail"]["status"]) == (run, "FAILED")
    assert event["resources"] == [run]
