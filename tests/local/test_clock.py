"""The simulated clock, seen from outside: what an advance makes happen, in which order, and how long it takes."""

import json
import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import pairwise
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError

from .bare import ROLE, Bare


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name for this test's things."""
    return request.node.name.replace("_", "-").replace("[", "-").replace("]", "")[-60:]  # type: ignore[no-any-return]


def test_simulated_time_is_real_time_plus_advances(bare: Bare) -> None:
    before = bare.now()
    answer = bare.pilot("clock", advance_seconds=90.5).json()
    assert timedelta(seconds=90.5) <= bare.now() - before < timedelta(seconds=100)
    assert answer["advanced_seconds"] >= 90.5
    time.sleep(0.2)  # runs on by itself
    assert bare.now() > datetime.fromisoformat(answer["now"])


@pytest.mark.parametrize(
    ("body", "said"),
    [("{", "not JSON"), ("[]", "JSON object"), ("{}", "advance_seconds"), ('{"seconds": 1}', "Unknown key 'seconds'"),
     ('{"advance_seconds": -1}', "backwards"), ('{"advance_seconds": "60"}', "'60'"),
     ('{"advance_seconds": true}', "True"), ('{"advance_seconds": NaN}', "nan"),
     ('{"advance_seconds": 31622401}', "366 days")],
)  # fmt: skip
def test_a_bad_advance_is_refused_with_a_sentence(bare: Bare, body: str, said: str) -> None:
    advanced = bare.pilot("clock").json()["advanced_seconds"]
    answer = requests.post(f"{bare.url}/_pilot/clock", data=body, timeout=10)
    assert answer.status_code == 400
    assert said in answer.json()["error"]
    assert bare.pilot("clock").json()["advanced_seconds"] == advanced


def test_what_the_services_write_down_is_simulated(bare: Bare, name: str) -> None:
    bare.advance(86_400)
    now = bare.now()
    table = bare.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "at", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "at", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    assert abs(table["TableDescription"]["CreationDateTime"] - now) < timedelta(seconds=10)
    model = {"Image": "image"}
    role = "arn:aws:iam::000000000000:role/anybody"
    bare.client("sagemaker").create_model(ModelName=name, ExecutionRoleArn=role, PrimaryContainer=model)
    described = bare.client("sagemaker").describe_model(ModelName=name)
    assert abs(described["CreationTime"] - now) < timedelta(seconds=10)
    date = parsedate_to_datetime(described["ResponseMetadata"]["HTTPHeaders"]["date"])
    assert abs(date - now) < timedelta(seconds=10)


def test_cdks_sdk_is_not_told_that_the_clock_was_advanced(bare: Bare) -> None:
    """What it would make of that: everything again, later."""
    bare.advance(86_400)
    agent = {"User-Agent": "aws-cdk/2.1132.0 aws-sdk-js/3.1057.0 ua/2.1"}
    answer = requests.get(f"{bare.url}/2015-03-31/functions", headers=agent, timeout=10)
    assert abs(parsedate_to_datetime(answer.headers["date"]) - datetime.now(UTC)) < timedelta(seconds=10)


def test_functions_go_by_the_simulated_clock(bare: Bare, name: str) -> None:
    bare.function(name, "import time\ndef handler(event, context): return time.time()")

    def told() -> datetime:
        return datetime.fromtimestamp(
            json.loads(bare.client("lambda").invoke(FunctionName=name)["Payload"].read()), UTC
        )

    for seconds in (0, 3600, 90):
        bare.advance(seconds)
        assert abs(told() - bare.now()) < timedelta(seconds=2)


def test_rate_rules_happen_in_order_with_their_own_time(bare: Bare, name: str) -> None:
    arn = bare.recorder(name)
    events = bare.client("events")
    events.put_rule(Name=name, ScheduleExpression="rate(5 minutes)")
    events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": arn}])
    bare.advance(3600)
    events.delete_rule(Name=name)
    times = [datetime.fromisoformat(call["time"]) for call in bare.calls(name)]
    assert len(times) == 12
    assert {later - earlier for earlier, later in pairwise(times)} == {timedelta(minutes=5)}
    assert bare.calls(name)[0]["detail-type"] == "Scheduled Event"


def test_an_idle_hour_takes_seconds(bare: Bare, name: str) -> None:
    """With a function every five minutes, as the meter is."""
    arn = bare.recorder(name)
    events = bare.client("events")
    events.put_rule(Name=name, ScheduleExpression="rate(5 minutes)")
    events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": arn}])
    bare.advance(300)  # its cold start
    begun = time.monotonic()
    bare.advance(3600)
    assert time.monotonic() - begun < 20
    events.delete_rule(Name=name)
    assert len(bare.calls(name)) == 13


@pytest.mark.parametrize("universal", [False, True])
def test_scheduler_starts_state_machines_by_cron_in_its_time_zone(bare: Bare, name: str, universal: bool) -> None:
    machine = bare.machine(name, {"StartAt": "End", "States": {"End": {"Type": "Succeed"}}})
    given = json.dumps({"asked_at": "<aws.scheduler.scheduled-time>"})
    target = {"Arn": machine, "RoleArn": ROLE, "Input": given}
    if universal:
        request = json.dumps({"StateMachineArn": machine, "Input": given})
        target |= {"Arn": "arn:aws:scheduler:::aws-sdk:sfn:startExecution", "Input": request}
    bare.client("scheduler").create_schedule(
        Name=name,
        ScheduleExpression="cron(30 8 * * ? *)",
        ScheduleExpressionTimezone="Asia/Kolkata",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target=target,
    )
    before = bare.now()
    bare.advance(2 * 86_400)
    bare.client("scheduler").delete_schedule(Name=name)
    started = bare.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"]
    asked = sorted(json.loads(bare.execution(e["executionArn"])["input"])["asked_at"] for e in started)
    assert [datetime.fromisoformat(text).strftime("%H:%M") for text in asked] == ["03:00", "03:00"]
    assert before < datetime.fromisoformat(asked[0]) < before + timedelta(days=1)
    assert all(abs(e["startDate"] - datetime.fromisoformat(at)) < timedelta(seconds=1)
               for e, at in zip(sorted(started, key=lambda e: e["startDate"]), asked, strict=True))  # fmt: skip


def test_a_one_time_schedule_happens_once_and_again_when_set_anew(bare: Bare, name: str) -> None:
    arn = bare.recorder(name)
    scheduler = bare.client("scheduler")

    def at(moment: datetime) -> dict[str, Any]:
        return {
            "Name": name,
            "ScheduleExpression": f"at({moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S})",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": {"Arn": arn, "RoleArn": ROLE},
        }

    first = bare.now() + timedelta(hours=1)
    scheduler.create_schedule(**at(first))
    bare.advance(3540)
    assert bare.calls(name) == []
    bare.advance(7200)
    second = bare.now() + timedelta(minutes=10)
    scheduler.update_schedule(**at(second))
    bare.advance(3600)
    times = [call["time"] for call in bare.calls(name)]
    assert times == [moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for moment in (first, second)]


def test_a_function_that_fails_is_retried_after_one_and_two_minutes(bare: Bare, name: str) -> None:
    arn = bare.recorder(name, then='raise OSError("always")')
    bare.client("lambda").invoke(FunctionName=arn, InvocationType="Event", Payload=b"{}")
    bare.advance(59)
    assert len(bare.calls(name)) == 1
    bare.advance(2)
    assert len(bare.calls(name)) == 2
    bare.advance(3600)
    assert len(bare.calls(name)) == 3


WAITING = {
    "StartAt": "Before",
    "States": {
        "Before": {"Type": "Pass", "Parameters": {"before.$": "$$.State.EnteredTime"}, "Next": "Rest"},
        "Rest": {"Type": "Wait", "Seconds": 600, "Next": "After"},
        "After": {
            "Type": "Pass",
            "Parameters": {"before.$": "$.before", "after.$": "$$.State.EnteredTime"},
            "End": True,
        },
    },
}


def test_a_wait_state_waits_on_the_clock(bare: Bare, name: str) -> None:
    execution = bare.start(bare.machine(name, WAITING))
    bare.advance(590)  # returns although the execution has not ended: it is in a wait
    assert bare.execution(execution)["status"] == "RUNNING"
    bare.advance(20)
    output = json.loads(bare.execution(execution)["output"])
    waited = datetime.fromisoformat(output["after"]) - datetime.fromisoformat(output["before"])
    assert timedelta(seconds=600) <= waited < timedelta(seconds=601)


def test_waits_in_parallel_branches_and_in_a_map_wait_on_the_clock(bare: Bare, name: str) -> None:
    def resting(seconds: int) -> dict[str, Any]:
        return {"StartAt": "Rest", "States": {"Rest": {"Type": "Wait", "Seconds": seconds, "End": True}}}

    each = {"Type": "Map", "ItemsPath": "$", "MaxConcurrency": 1, "ItemProcessor": resting(300), "End": True}
    both = {"Type": "Parallel", "Branches": [resting(60), resting(7200)], "Result": [1, 2], "Next": "Each"}
    execution = bare.start(bare.machine(name, {"StartAt": "Both", "States": {"Both": both, "Each": each}}))
    bare.advance(7190)
    assert bare.execution(execution)["status"] == "RUNNING"
    bare.advance(20 + 2 * 300)
    found = bare.execution(execution)
    assert found["status"] == "SUCCEEDED"
    assert timedelta(seconds=7800) <= found["stopDate"] - found["startDate"] < timedelta(seconds=7802)


def test_retries_wait_on_the_clock_as_long_as_they_say(bare: Bare, name: str) -> None:
    arn = bare.recorder(name, then='raise OSError("always")')
    retry = {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 100, "BackoffRate": 3, "MaxAttempts": 2}
    task = {"Type": "Task", "Resource": arn, "Retry": [retry | {"MaxDelaySeconds": 250}], "End": True}
    execution = bare.start(bare.machine(name, {"StartAt": "Try", "States": {"Try": task}}))
    bare.advance(345)
    assert len(bare.calls(name)) == 2
    bare.advance(10)
    assert bare.execution(execution)["status"] == "FAILED"
    assert len(bare.calls(name)) == 3


def test_an_execution_in_a_wait_can_be_stopped(bare: Bare, name: str) -> None:
    execution = bare.start(bare.machine(name, WAITING))
    bare.advance(300)
    bare.client("stepfunctions").stop_execution(executionArn=execution, error="Enough", cause="of this")
    bare.advance(3600)
    found = bare.execution(execution)
    assert (found["status"], found["error"]) == ("ABORTED", "Enough")
    assert bare.history(execution)[-1]["type"] == "ExecutionAborted"


def test_starting_the_same_execution_twice_is_starting_it_once(bare: Bare, name: str) -> None:
    machine = bare.machine(name, WAITING)
    first = bare.start(machine, {"a": 1}, name="one")
    assert bare.start(machine, {"a": 1}, name="one") == first
    assert len(bare.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"]) == 1
    for given in ({"a": 2}, {"a": 1}):
        with pytest.raises(ClientError) as refused:
            bare.start(machine, given, name="one")
        assert refused.value.response["Error"]["Code"] == "ExecutionAlreadyExists"
        bare.advance(700)  # it ends: now the same input is refused, too


def test_events_reach_a_state_machine_with_the_input_that_the_rule_makes(bare: Bare, name: str) -> None:
    machine = bare.machine(name, {"StartAt": "End", "States": {"End": {"Type": "Succeed"}}})
    events = bare.client("events")
    events.put_rule(Name=name, EventPattern=json.dumps({"source": [name], "detail": {"state": {"value": ["ALARM"]}}}))
    made = {"InputPathsMap": {"at": "$.time"}, "InputTemplate": '{"target": "off", "at": <at>}'}
    events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": machine, "RoleArn": ROLE, "InputTransformer": made}])
    for value in ("OK", "ALARM"):
        detail = json.dumps({"state": {"value": value}})
        events.put_events(Entries=[{"Source": name, "DetailType": "Change", "Detail": detail}])
    bare.advance(0)
    started = bare.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"]
    assert len(started) == 1
    given = json.loads(bare.execution(started[0]["executionArn"])["input"])
    assert given["target"] == "off"
    assert abs(datetime.fromisoformat(given["at"]) - bare.now()) < timedelta(seconds=10)
