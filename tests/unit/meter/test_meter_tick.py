"""One tick through its clients: what is read, kept, started and published, and what a failure leaves of it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from math import ceil
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from common.ledger import Ledger
from meter import handler
from meter.bill import LIVES_KEPT
from meter.gather import Clients
from meter.memory import Memory
from meter.settings import Settings
from moto import mock_aws

from pilotlight import standing_costs
from tests.unit.meter.fakes import HOUR, INSTANCE_TYPE, MINUTE, POLICY, START, USD_PER_HOUR, Aws, at

TABLE = "pilotlight-test-ledger"
SWITCH = "arn:aws:states:us-east-1:000000000000:stateMachine:pilotlight-test-switch"
FINETUNE = SWITCH.replace("switch", "finetune")
ENVIRONMENT = {
    "STAGE": "test",
    "ENDPOINT_NAME": "pilotlight-test",
    "ENDPOINT_STACK_NAME": "Pilotlight-test-Endpoint",
    "VARIANT_NAME": "AllTraffic",
    "LEDGER_TABLE": TABLE,
    "SWITCH_ARN": SWITCH,
    "FINETUNE_ARN": FINETUNE,
    "NOTICES_TOPIC_ARN": "arn:aws:sns:us-east-1:000000000000:pilotlight-test-notices",
    "USD_PER_HOUR": json.dumps({INSTANCE_TYPE: USD_PER_HOUR}),
    "IDLE_MINUTES": "60",
    "LIFETIME_HOURS": "12",
    "MONTHLY_BUDGET_USD": "100",
}
SETTINGS = Settings.from_environment(ENVIRONMENT)
ALL = {"IdleMinutes", "MinutesOn", "DollarsThisMonth", "Mismatch", "Heartbeat"}


class World:
    """The meter's clients over one account."""

    def __init__(self, ledger: Ledger) -> None:
        self.aws = Aws()
        self.ledger = ledger
        self.settings = SETTINGS
        self.clients = Clients(self.aws, self.aws, self.aws, self.aws, self.aws, ledger)

    def tick(self, now: float) -> None:
        self.aws.published.clear()
        handler.tick(self.clients, self.settings, now)

    def fails(self, now: float) -> str:
        with pytest.raises(ExceptionGroup) as raised:
            self.tick(now)
        return str(raised.value)


@pytest.fixture
def world() -> Iterator[World]:
    with mock_aws():
        client = boto3.client("dynamodb", region_name="us-east-1")
        client.create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "kind", "KeyType": "HASH"}, {"AttributeName": "key", "KeyType": "RANGE"}],
            AttributeDefinitions=[
                {"AttributeName": "kind", "AttributeType": "S"},
                {"AttributeName": "key", "AttributeType": "S"},
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        yield World(Ledger(client, TABLE))


def test_an_hour_of_calls_and_one_of_silence(world: World) -> None:
    world.aws.calls = {START + minute * MINUTE: 3.0 for minute in range(60)}
    for minute in range(0, 120, 5):
        world.tick(START + minute * MINUTE)
        assert not world.aws.started
    world.tick(START + 2 * HOUR)
    assert world.aws.published == {
        "IdleMinutes": 60,
        "MinutesOn": 120,
        "DollarsThisMonth": round(4 * USD_PER_HOUR, 4),
        "Mismatch": 0,
        "Heartbeat": 1,
    }
    [started] = world.aws.started
    assert started["stateMachineArn"] == SWITCH
    assert started["name"] == "off-idle-20261122T1200"
    assert json.loads(started["input"]) == {"target": "off", "reason": "idle", "by": "meter"}


def test_the_switch_is_started_at_every_tick_while_an_off_is_due(world: World) -> None:
    world.tick(START)
    for minute in (60, 60, 65):
        world.tick(START + minute * MINUTE)
    assert [started["name"] for started in world.aws.started] == ["off-idle-20261122T1100", "off-idle-20261122T1105"]


def test_only_minutes_with_a_call_count(world: World) -> None:
    world.aws.calls = {START + 10 * MINUTE: 1.0, START + 20 * MINUTE: 0.0}
    world.tick(START)
    world.tick(START + 30 * MINUTE)
    assert world.aws.published["IdleMinutes"] == 19  # since the end of the call's minute


def test_calls_are_looked_for_since_they_were_last_read_and_a_while_before(world: World) -> None:
    world.tick(START)
    world.tick(START + 2 * HOUR)
    assert world.aws.asked[-1]["StartTime"] == at(START)
    world.tick(START + 2 * HOUR + 5 * MINUTE)
    assert world.aws.asked[-1]["StartTime"] == at(START + HOUR + 45 * MINUTE)
    assert world.aws.asked[-1]["EndTime"] == at(START + 2 * HOUR + 6 * MINUTE)
    assert {d["Name"]: d["Value"] for d in world.aws.asked[-1]["Dimensions"]} == {
        "EndpointName": "pilotlight-test",
        "VariantName": "AllTraffic",
    }
    world.tick(START + 99 * HOUR)  # no more than CloudWatch gives at once: the fake insists


def test_while_off_a_tick_takes_no_more_of_the_ledger_than_the_costs_are_counted_from(world: World) -> None:
    """In DynamoDB's request units: 4 KB of a consistent read, 1 KB of a write, each rounded up."""
    world.aws.status, world.aws.state = None, "off"
    lives = [[START - number - 0.123, START - number] for number in range(LIVES_KEPT)]
    world.ledger.put("meter", "memory", Memory(usd_this_month=1 / 3, lives_counted=lives).to_data())
    for number in range(12):
        world.ledger.put("receipt", f"2026-11-22T09:00:{number:02}Z#off", {"message": "x" * 800})
    spent = {"read": 0, "written": 0}

    def count(answer: Any, **_: Any) -> None:
        items = answer.get("Items", [answer.get("Item", {})])
        spent["read"] += max(1, ceil(len(json.dumps(items)) / 4096))

    events = world.ledger._client.meta.events  # type: ignore[attr-defined]
    for operation in ("GetItem", "Query"):
        events.register(f"after-call.dynamodb.{operation}", lambda parsed, **_: count(parsed))
    events.register(
        "provide-client-params.dynamodb.UpdateItem",
        lambda params, **_: spent.update(written=spent["written"] + ceil(len(json.dumps(params)) / 1024)),
    )
    world.tick(START)
    assert spent == {"read": standing_costs.STAGE.reads, "written": standing_costs.STAGE.writes}


def test_while_off_everything_is_zero_but_the_heartbeat(world: World) -> None:
    world.aws.status, world.aws.state = None, "off"
    world.tick(START)
    assert world.aws.published == dict.fromkeys(ALL, 0) | {"Heartbeat": 1}
    assert not world.aws.started


def test_the_ledger_says_snooze_budget_and_when_it_was_gone(world: World) -> None:
    world.tick(START)
    world.ledger.put("snooze", "endpoint", {"until": START + 2 * HOUR, "by": "a person"})
    world.ledger.put("budget", "2026-11", {"usd": 5})
    world.tick(START + HOUR)
    assert world.aws.published["IdleMinutes"] == 0
    [started] = world.aws.started
    assert started["name"].startswith("off-budget-")
    life = {"created": START, "gone_at": START + HOUR + 3 * MINUTE, "usd_per_hour": None}
    for minute, lives in enumerate(([], ["junk", {}], [life], "junk"), start=1):
        world.ledger.put("receipt", f"2026-11-22T11:0{minute}:00Z#off", {"lives": lives})
    world.aws.status = None
    world.tick(START + HOUR + 5 * MINUTE)
    assert world.aws.published["DollarsThisMonth"] == pytest.approx(2 * USD_PER_HOUR * 63 / 60, abs=1e-4)


@pytest.mark.parametrize("entry", [{}, {"until": "tomorrow"}, {"until": None}, {"until": True}, {"until": -5}])
def test_a_malformed_snooze_is_none(world: World, entry: dict[str, Any]) -> None:
    world.tick(START)
    world.ledger.put("snooze", "endpoint", entry)
    world.ledger.put("receipt", "x", entry)
    world.tick(START + HOUR)
    assert world.aws.published["IdleMinutes"] == 60


def test_calls_of_one_type_of_instance_pools_are_calls(world: World) -> None:
    world.aws.pool_types = ("ml.g5.xlarge", INSTANCE_TYPE)
    world.aws.called_type, world.aws.calls = INSTANCE_TYPE, {START + 40 * MINUTE: 1.0}
    world.tick(START)
    world.tick(START + HOUR)
    assert world.aws.published["IdleMinutes"] == 19


def test_a_memory_that_is_no_json_starts_anew(world: World) -> None:
    world.tick(START)
    boto3.client("dynamodb", region_name="us-east-1").put_item(
        TableName=TABLE,
        Item={"kind": {"S": "meter"}, "key": {"S": "memory"}, "data": {"S": "{"}, "version": {"N": "1"}},
    )
    world.tick(START + HOUR)
    assert world.aws.published["IdleMinutes"] == 0
    world.tick(START + 2 * HOUR)
    assert world.aws.published["IdleMinutes"] == 60


class TestFailures:
    """Each failure leaves everything that does not need what failed, and no heartbeat."""

    @pytest.mark.parametrize(
        "broken", ["get_metric_statistics", "describe_stacks", "list_training_jobs", "start_execution"]
    )
    def test_it_remembers_the_last_tick_in_which_nothing_failed(self, world: World, broken: str) -> None:
        world.tick(START)
        world.aws.broken = {broken}
        world.fails(START + 20 * HOUR)
        memory = world.ledger.get("meter", "memory")
        assert memory is not None
        assert (memory["ticked_at"], memory["whole_at"]) == (START + 20 * HOUR, START)

    def test_without_the_calls(self, world: World) -> None:
        world.tick(START)
        world.aws.broken = {"get_metric_statistics"}
        assert "calls" in world.fails(START + HOUR)
        assert set(world.aws.published) == ALL - {"IdleMinutes", "Heartbeat"}
        assert not world.aws.started

    def test_calls_of_a_time_that_could_not_be_read_are_found_later(self, world: World) -> None:
        world.aws.calls = {START + 2 * MINUTE: 1.0}
        world.aws.broken = {"get_metric_statistics"}
        for minute in range(0, 60, 5):
            world.fails(START + minute * MINUTE)
        world.aws.broken = set()
        world.tick(START + HOUR)
        assert world.aws.published["IdleMinutes"] == 57

    def test_without_the_ledger_its_entry_is_left_alone(self, world: World) -> None:
        world.tick(START)
        world.tick(START + HOUR)
        before = world.ledger.entry("meter", "memory")

        class Broken:
            def get_item(self, **_: Any) -> dict[str, Any]:
                raise ClientError({"Error": {"Code": "Throttled", "Message": ""}}, "GetItem")

            update_item = query = get_item

        good, world.clients = world.clients, replace(world.clients, ledger=Ledger(Broken(), "t"))
        assert "ledger" in world.fails(START + 2 * HOUR)
        assert set(world.aws.published) == {"MinutesOn", "Mismatch"}
        world.clients = good
        assert world.ledger.entry("meter", "memory") == before

    def test_without_the_stack(self, world: World) -> None:
        world.tick(START)
        world.aws.broken = {"describe_stacks"}
        assert "stack" in world.fails(START + HOUR)
        assert set(world.aws.published) == ALL - {"Heartbeat"}
        assert world.aws.published["Mismatch"] == 0
        assert [started["name"] for started in world.aws.started] == ["off-idle-20261122T1100"]

    def test_without_the_config(self, world: World) -> None:
        world.tick(START)
        world.aws.broken = {"describe_endpoint_config"}
        assert "variant" in world.fails(START + HOUR)
        assert world.aws.published["DollarsThisMonth"] == pytest.approx(2 * USD_PER_HOUR)

    def test_without_the_switch(self, world: World) -> None:
        world.tick(START)
        world.aws.broken = {"start_execution"}
        assert "switch" in world.fails(START + HOUR)
        assert set(world.aws.published) == ALL - {"Heartbeat"}
        world.aws.broken = set()
        world.tick(START + 65 * MINUTE)
        assert len(world.aws.started) == 1

    def test_without_the_metrics_the_switch_is_started_and_the_memory_kept(self, world: World) -> None:
        world.tick(START)
        world.aws.broken = {"put_metric_data"}
        assert "metrics" in world.fails(START + HOUR)
        assert len(world.aws.started) == 1
        memory = world.ledger.get("meter", "memory")
        assert memory is not None
        assert memory["ticked_at"] == START + HOUR

    def test_without_the_endpoint_there_is_nothing_to_tell(self, world: World) -> None:
        world.aws.broken = {"describe_endpoint"}
        with pytest.raises(ClientError):
            world.tick(START)
        assert not world.aws.published


def test_a_type_without_a_price_is_named_once(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    settings = Settings.from_environment(ENVIRONMENT | {"USD_PER_HOUR": "{}"})
    for minute in (0, 5):
        handler.tick(world.clients, settings, START + minute * MINUTE)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert INSTANCE_TYPE in lines[0]["warning"]
    assert "warning" not in lines[1]


class TestSettings:
    def test_an_empty_limit_switches_its_trigger_off(self) -> None:
        empty = dict.fromkeys(("IDLE_MINUTES", "LIFETIME_HOURS", "MONTHLY_BUDGET_USD"), "")
        policy = Settings.from_environment(ENVIRONMENT | empty).policy
        assert (policy.idle_minutes, policy.lifetime_hours, policy.monthly_budget_usd) == (None, None, None)
        assert SETTINGS.policy == POLICY

    @pytest.mark.parametrize("name", ENVIRONMENT)
    def test_a_missing_variable_is_no_switched_off_trigger(self, name: str) -> None:
        with pytest.raises(KeyError):
            Settings.from_environment({key: value for key, value in ENVIRONMENT.items() if key != name})


@pytest.mark.parametrize("event", [None, {}, {"time": None}, {"time": "soon"}, {"time": 5}, []])
def test_a_time_is_never_guessed(event: object) -> None:
    with pytest.raises(ValueError, match="2026-11-22T10:05:00Z"):
        handler.lambda_handler(event, None)


def test_the_deployed_handler_has_each_client_of_its_own_service(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (ENVIRONMENT | {"AWS_DEFAULT_REGION": "us-east-1"}).items():
        monkeypatch.setenv(name, value)
    handler._parts.cache_clear()
    settings, clients = handler._parts()
    handler._parts.cache_clear()
    assert settings == SETTINGS
    for service in ("cloudformation", "sagemaker", "cloudwatch", "stepfunctions"):
        assert getattr(clients, service).meta.service_model.service_name == service


@pytest.mark.parametrize(("next_type", "usd"), [("ml.dear", 10.0), (INSTANCE_TYPE, USD_PER_HOUR), ("ml.unknown", 0.0)])
def test_an_updates_second_fleet_is_counted_at_the_price_of_its_own_config(
    world: World, next_type: str, usd: float
) -> None:
    """One of no known price leaves the first to be counted; none is lost for the other."""
    prices = {INSTANCE_TYPE: USD_PER_HOUR, "ml.dear": 10.0}
    world.settings = replace(SETTINGS, policy=replace(POLICY, usd_per_hour=prices, monthly_budget_usd=None))
    world.tick(START)
    world.aws.status, world.aws.next_type = "Updating", next_type
    world.tick(START + HOUR)
    assert world.aws.published["DollarsThisMonth"] == pytest.approx(2 * USD_PER_HOUR + usd, abs=1e-4)
    world.aws.status, world.aws.next_type = "InService", ""
    world.tick(START + 2 * HOUR)
    assert world.aws.published["DollarsThisMonth"] == pytest.approx(4 * USD_PER_HOUR + usd, abs=1e-4)
