"""The step's edges: bad input, broken executions, an AWS that is down."""

from dataclasses import replace
from datetime import time
from typing import Any

import pytest
from botocore.exceptions import ClientError
from common.schedule import Start
from hypothesis import given
from hypothesis import strategies as st
from switch.errors import TransientError
from switch.memory import Memory
from switch.observe import first_failure
from switch.request import BadRequest, Request
from switch.settings import Settings

from tests.unit.switch.fake_aws import Aws, FakeSns, Lines
from tests.unit.switch.machine import SETTINGS, Machine, last_message, lit
from tests.unit.switch.world import World, refuse

TYPES = ("ml.g5.xlarge", "ml.g5.2xlarge")
ASKED = {"target": "on", "reason": "manual", "by": "a person"}


class TestRequest:
    def test_a_whole_one(self) -> None:
        given = ASKED | {
            "lifetime_hours": 2,
            "budget_usd": 10.5,
            "extend": True,
            "overrides": {"ModelDataUrl": "s3://b/p/", "InstanceType": "ml.g5.2xlarge"},
            "fleets": "one",
        }
        assert Request.parse(given, instance_types=TYPES) == Request(**given)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("bad", "said"),
        [
            ({"target": "up"}, '`target` is \'up\'; it must be "on" or "off"'),
            ({"reason": ""}, "`reason` is ''"),
            ({"by": None}, "`by` is None"),
            ({"lifetime_hours": 0}, "`lifetime_hours` is 0"),
            ({"lifetime_hours": float("nan")}, "`lifetime_hours` is nan"),
            ({"lifetime_hours": True}, "`lifetime_hours` is True"),
            ({"lifetime_hours": 721}, "at most 720"),
            ({"budget_usd": "10"}, "`budget_usd` is '10'"),
            ({"extend": "yes"}, "`extend` is 'yes'; it must be true or false"),
            ({"overrides": []}, "`overrides` is \\[\\]"),
            ({"overrides": {"Image": "x"}}, "unknown key 'Image'"),
            ({"overrides": {"ModelDataUrl": "s3://b/p"}}, "ends with `/`"),
            ({"overrides": {"ModelDataUrl": "s3://b/p.tar.gz"}}, "ends with `/model.tar.gz`"),
            ({"overrides": {"InstanceType": "ml.p5.48xlarge"}}, "one of ml.g5.xlarge, ml.g5.2xlarge"),
            ({"fleets": 2}, '`fleets` is 2; it must be "two"'),
            ({"hours": 3}, "unknown key `hours`"),
        ],
    )
    def test_a_bad_one_is_refused_by_name_and_value(self, bad: dict[str, Any], said: str) -> None:
        with pytest.raises(BadRequest, match=said):
            Request.parse(ASKED | bad, instance_types=TYPES)

    @given(st.dictionaries(st.text(), st.none() | st.booleans() | st.floats() | st.text() | st.lists(st.integers())))
    def test_nothing_keeps_an_off_from_being_asked_for(self, extras: dict[str, object]) -> None:
        assert Request.parse(extras | {"target": "off"}, instance_types=TYPES).target == "off"

    def test_a_bad_one_is_told_and_changes_nothing(self, machine: Machine, world: World, aws: Aws) -> None:
        execution = machine.run("on", lifetime_hours=-1)
        assert (execution.outcome, world.calls) == ("failed", [])
        assert "`lifetime_hours` is -1" in last_message(aws)


@given(
    st.builds(
        Memory,
        started_at=st.none() | st.floats(0, 2e9),
        tried=st.lists(st.sampled_from(TYPES)).map(tuple),
        sent=st.none() | st.dictionaries(st.text(), st.text(), min_size=1),
        bill=st.lists(st.dictionaries(st.sampled_from(("created", "until")), st.floats(0, 2e9))).map(tuple),
    )
)
def test_memory_survives_the_state_machine(memory: Memory) -> None:
    assert Memory.from_data(memory.to_data()) == memory


def test_an_execution_that_broke_off_is_told_whatever_else_fails(machine: Machine, aws: Aws) -> None:
    failure = {"Error": "Lambda.Unknown", "Cause": "The process exited"}
    event = {"request": ASKED, "execution": "arn:1", "now": "2026-11-22T10:00:00.123Z", "failure": failure}
    answer = machine.switch.step(event)
    assert (answer["next"], answer["result"]["outcome"]) == ("failed", "failed")
    assert "The process exited" in last_message(aws)
    assert "COST MONEY" in last_message(aws)
    assert aws.receipts[0]["outcome"] == "failed"


def test_an_aws_that_stays_away_ends_in_the_state_machines_catch(machine: Machine, world: World) -> None:
    """After half an hour of asking; its last step then tells a person."""
    lit(machine)
    world.fate = lambda what, good, /, *_bad: "throttled" if what == "network" else good
    begun = world.now
    with pytest.raises(TransientError, match="Throttling"):
        machine.run("off")
    assert 20 * 60 < world.now - begun < 45 * 60
    assert world.is_on


def test_what_is_neither_passing_nor_the_requests_fault_is_raised(machine: Machine) -> None:
    def denied(**_: Any) -> Any:
        raise refuse("AccessDeniedException", "not authorized to perform: sagemaker:DescribeEndpoint", "Describe")

    machine.aws.sagemaker.describe_endpoint = denied  # type: ignore[method-assign]
    with pytest.raises(ClientError, match="sagemaker:DescribeEndpoint"):
        machine.run("off")


def test_a_message_that_could_not_be_sent_is_sent_again(aws: Aws) -> None:
    lost = iter(["throttled", "works"])
    flaky = World(fate=lambda what, good, /, *_bad: next(lost) if what == "network" else good)
    aws.sns = FakeSns(Lines(flaky))
    machine = Machine(aws)
    assert machine.run("on").outcome == "on"
    assert len(aws.sns.published) == 1
    assert len(aws.receipts) == 1


def test_the_first_failure_is_the_reason() -> None:
    """What was under way is then cancelled, and the stack's own line only counts the failed. Older operations do not
    count.
    """
    stack = "AWS::CloudFormation::Stack"
    newest_first = [
        {"ResourceType": stack, "ResourceStatus": "UPDATE_ROLLBACK_COMPLETE"},
        {"ResourceType": "x", "ResourceStatus": "CREATE_FAILED", "ResourceStatusReason": "Resource creation cancelled"},
        {"ResourceType": "y", "ResourceStatus": "CREATE_FAILED", "ResourceStatusReason": "no capacity"},
        {"ResourceType": stack, "ResourceStatus": "UPDATE_IN_PROGRESS"},
        {"ResourceType": "y", "ResourceStatus": "CREATE_FAILED", "ResourceStatusReason": "an older one"},
    ]
    assert first_failure(newest_first) == "no capacity"
    assert first_failure(newest_first[:2] + newest_first[3:]) is None


def test_settings_name_each_variable() -> None:
    environ = {
        "STAGE": "test",
        "ENDPOINT_NAME": "pilotlight-test",
        "ENDPOINT_STACK_NAME": "Pilotlight-test-Endpoint",
        "VARIANT_NAME": "AllTraffic",
        "LEDGER_TABLE": "pilotlight-test-ledger",
        "NOTICES_TOPIC_ARN": "arn:aws:sns:us-east-1:1:pilotlight-test-notices",
        "SWITCH_ARN": "arn:aws:states:us-east-1:1:stateMachine:pilotlight-test-switch",
        "USD_PER_HOUR": '{"ml.g5.xlarge": 1.41, "ml.g5.2xlarge": 1.52, "ml.g5.4xlarge": 2.03}',
        "INSTANCE_TYPES": '["ml.g5.xlarge", "ml.g5.2xlarge", "ml.g5.4xlarge"]',
        "LIFETIME_HOURS": "12",
        "IDLE_MINUTES": "60",
        "MONTHLY_BUDGET_USD": "100",
        "WAKE_LIMIT_SECONDS": "2400",
        "PROMOTION": "blue-green",
        "SCHEDULES": "",
        "BAKE_SECONDS": "600",
        "RESOURCE_TYPES": '["AWS::SageMaker::Model", "AWS::SageMaker::EndpointConfig", "AWS::SageMaker::Endpoint"]',
    }
    assert Settings.from_environment(environ) == replace(SETTINGS, bake_seconds=600)
    pools = Settings.from_environment(environ | {"INSTANCE_POOLS": "true"})
    assert (pools.instance_pools, pools.choices) == (True, ("ml.g5.xlarge or ml.g5.2xlarge or ml.g5.4xlarge",))
    scheduled = Settings.from_environment(environ | {"SCHEDULES": "off 19:00 MON Europe/Paris"})
    assert scheduled.limits.schedules == (Start("off", time(19), frozenset({0}), "Europe/Paris"),)
    off = Settings.from_environment(environ | {"IDLE_MINUTES": "", "LIFETIME_HOURS": "", "MONTHLY_BUDGET_USD": ""})
    assert (off.idle_minutes, off.lifetime_hours, off.monthly_budget_usd) == (None, None, None)
    with pytest.raises(KeyError, match="WAKE_LIMIT_SECONDS"):
        Settings.from_environment({name: environ[name] for name in environ if name != "WAKE_LIMIT_SECONDS"})
