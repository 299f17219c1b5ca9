"""One sweep through its seams: what is listed page by page, what is remembered, and who is told."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from common.ledger import Ledger
from sweep.decision import Holding, Kind, Resource
from sweep.gather import holdings, tagged
from sweep.handler import Clients, sweep
from sweep.notice import unconfirmed
from sweep.settings import Settings

from tests.unit.sweep.fakes import CREATED, CloudFormation, SageMaker

PRICES = {"ml.g5.2xlarge": 1.515}
SETTINGS = Settings(
    stage="test",
    stack_names=("Pilotlight-test-Control", "Pilotlight-test-Endpoint"),
    usd_per_hour=PRICES,
    ledger_table="pilotlight-test-ledger",
    notices_topic_arn="arn:aws:sns:us-east-1:000000000000:notices",
    notify=(),
)
ENDPOINT_STACK = (
    "UPDATE_COMPLETE",
    [
        ("Logs::LogGroup", "logs"),
        ("SageMaker::Endpoint", "arn:aws:sagemaker:us-east-1:000000000000:endpoint/pilotlight-test"),
        ("SageMaker::EndpointConfig", "arn:aws:sagemaker:us-east-1:000000000000:endpoint-config/owned"),
        ("SageMaker::Model", "Owned"),
    ],
)


@dataclass
class Sns:
    subscriptions: list[dict[str, str]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def list_subscriptions_by_topic(self, **request: Any) -> Mapping[str, Any]:
        assert request["TopicArn"] == SETTINGS.notices_topic_arn
        start = int(request.get("NextToken", 0))
        more = {"NextToken": str(start + 1)} if start + 1 < len(self.subscriptions) else {}
        return {"Subscriptions": self.subscriptions[start : start + 1], **more}

    def publish(self, **request: Any) -> None:
        assert len(request["Subject"]) < 100
        self.told.append(request["Message"])


class Table:
    """DynamoDB for one key at a time."""

    def __init__(self) -> None:
        self.items: dict[str, Any] = {}

    def get_item(self, **request: Any) -> Mapping[str, Any]:
        found = self.items.get(str(request["Key"]))
        return {"Item": {"data": found, "version": {"N": "1"}}} if found else {}

    def update_item(self, **request: Any) -> Mapping[str, Any]:
        self.items[str(request["Key"])] = request["ExpressionAttributeValues"][":data"]
        return {}

    def query(self, **request: Any) -> Mapping[str, Any]:
        raise AssertionError(request)


@dataclass
class World:
    sagemaker: SageMaker
    sns: Sns = field(default_factory=Sns)
    cloudformation: CloudFormation = field(default_factory=CloudFormation)
    table: Table = field(default_factory=Table)

    def sweep(self, settings: Settings = SETTINGS, now: float = 0.0) -> dict[str, Any]:
        return sweep(Clients(self.sagemaker, self.cloudformation, self.sns, self.ledger), settings, now)

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.table, SETTINGS.ledger_table)


def stray(**more: Any) -> SageMaker:
    """An endpoint that somebody created beside the stacks, and things of others."""
    return SageMaker(
        endpoints={"foreign": "foreign", "stray": "stray-config"},
        configs={"foreign": ("foreign", "ml.m5.large"), "stray-config": ("stray-model", "ml.g5.2xlarge")},
        models=["foreign", "one", "two", "stray-model"],
        tags={"stray": "test", "stray-config": "test", "stray-model": "test", "one": "other"},
        **more,
    )


def replaced(verified_at: float) -> World:
    """The stage's stack, and the config and the model that it held before."""
    sagemaker = SageMaker(
        endpoints={"pilotlight-test": "owned"},
        configs={"owned": ("Owned", "ml.g5.2xlarge"), "before": ("Before", "ml.g5.2xlarge")},
        models=["Owned", "Before"],
        tags=dict.fromkeys(("pilotlight-test", "owned", "Owned", "before", "Before"), "test"),
    )
    world = World(sagemaker, cloudformation=CloudFormation({"Pilotlight-test-Endpoint": ENDPOINT_STACK}))
    world.ledger.put("switch", "verified", {"at": verified_at})
    return world


class TestGather:
    def test_every_page_is_read_and_only_tagged_things_are_looked_at(self) -> None:
        found = tagged(stray(), "test", PRICES)
        assert [(item.kind, item.name) for item in found] == [
            (Kind.ENDPOINT, "stray"),
            (Kind.CONFIG, "stray-config"),
            (Kind.MODEL, "stray-model"),
        ]
        assert found[0] == Resource(
            Kind.ENDPOINT, "stray", "test", "InService", CREATED.timestamp(), 3.03, ("stray-config",)
        )

    def test_every_stage_where_none_is_named(self) -> None:
        assert {item.stage for item in tagged(stray(), None, PRICES)} == {"test", "other"}

    def test_a_price_that_is_not_known_is_not_nothing(self) -> None:
        assert tagged(stray(), "test", {})[0].usd_per_hour is None

    def test_an_endpoint_on_a_config_that_may_not_be_read_is_listed_all_the_same(self) -> None:
        """IAM lets the sweep read what carries the tag, and somebody may have put a tagged endpoint on another one."""
        bare = {"bare": ("model", "ml.g5.2xlarge")}
        sagemaker = SageMaker({"stray": "bare"}, bare, tags={"stray": "test"}, unreadable={"bare"})
        (found,) = tagged(sagemaker, "test", PRICES)
        assert (found.name, found.status, found.usd_per_hour) == ("stray", "InService", None)

    def test_training_jobs_that_run_or_stop_are_billed_and_others_are_history(self) -> None:
        jobs = {"runs": "InProgress", "stops": "Stopping", "was": "Completed"}
        found = tagged(SageMaker(jobs=jobs, tags=dict.fromkeys(jobs, "test")), "test", PRICES)
        assert [(item.name, item.usd_per_hour) for item in found] == [("runs", 4.545), ("stops", 4.545)]

    @pytest.mark.parametrize("vanished", ["stray", "stray-config", "stray-model"])
    def test_what_has_gone_meanwhile_is_no_matter(self, vanished: str) -> None:
        assert vanished not in {item.name for item in tagged(stray(vanished={vanished}), "test", PRICES)}

    def test_a_stack_holds_what_it_lists_by_arn_or_by_name(self) -> None:
        client = CloudFormation({"Pilotlight-test-Endpoint": ENDPOINT_STACK})
        (held,) = holdings(client, "test", SETTINGS.stack_names)
        keys = {(Kind.ENDPOINT, "pilotlight-test"), (Kind.CONFIG, "owned"), (Kind.MODEL, "owned")}
        assert held == Holding("test", moving=False, keys=frozenset(keys))

    @pytest.mark.parametrize(
        "status", ["UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_ROLLBACK_FAILED"]
    )
    def test_a_stack_halfway_may_need_what_it_does_not_list(self, status: str) -> None:
        client = CloudFormation({"Pilotlight-test-Endpoint": (status, [])})
        assert holdings(client, "test", SETTINGS.stack_names)[0].moving


class TestSweep:
    def test_what_bills_is_told_every_day_with_what_to_do(self) -> None:
        world = World(stray())
        for day in (1.0, 2.0):
            result = world.sweep(now=day)
        assert len(world.sns.told) == 2
        assert "USD 3.03 an hour" in world.sns.told[0]
        assert "pilot sweep --stage test" in world.sns.told[0]
        assert world.ledger.get("sweep", "latest") == result
        assert result["at"] == 2.0
        assert [orphan["name"] for orphan in result["orphans"]] == ["stray", "stray-config", "stray-model"]

    def test_what_costs_nothing_is_told_once(self) -> None:
        world = World(SageMaker(models=["left"], tags={"left": "test"}))
        for day in (1.0, 2.0):
            world.sweep(now=day)
        assert len(world.sns.told) == 1
        assert "cost nothing" in world.sns.told[0]

    def test_what_was_replaced_by_something_that_serves_is_removed_and_told_to_nobody(self) -> None:
        world = replaced(verified_at=CREATED.timestamp() + 1)
        assert world.sweep()["orphans"] == []
        assert (list(world.sagemaker.configs), world.sagemaker.models) == (["owned"], ["Owned"])
        assert world.sns.told == []

    @pytest.mark.parametrize("lease", [{"execution": "runs"}, {"finished_at": 5}])
    def test_not_while_a_switch_is_at_work(self, lease: dict[str, Any]) -> None:
        world = replaced(verified_at=CREATED.timestamp() + 1)
        world.ledger.put("switch", "lease", lease)
        assert len(world.sweep()["orphans"]) == (0 if "finished_at" in lease else 2)

    def test_not_before_what_replaced_it_was_seen_to_serve(self) -> None:
        assert len(replaced(verified_at=CREATED.timestamp() - 1).sweep()["orphans"]) == 2

    def test_one_that_is_refused_is_left_over_and_one_that_vanished_is_gone(self) -> None:
        world = replaced(verified_at=CREATED.timestamp() + 1)
        world.sagemaker.refused, world.sagemaker.vanished = {"before"}, {"Before"}
        assert [orphan["name"] for orphan in world.sweep()["orphans"]] == ["before"]

    def test_nothing_found_is_remembered_and_told_to_nobody(self) -> None:
        world = World(stray(), cloudformation=CloudFormation({"Pilotlight-test-Endpoint": ENDPOINT_STACK}))
        world.sagemaker.tags = {}
        assert world.sweep()["findings"] == []
        assert world.sns.told == []
        assert world.ledger.get("sweep", "latest") is not None

    def test_an_address_that_nobody_confirmed_is_counted_for_callers_and_named_in_the_log(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        settings = replace(SETTINGS, notify=("one@example.com", "two@example.com"))
        world = World(SageMaker())
        world.sns.subscriptions = [
            {"Endpoint": "one@example.com", "SubscriptionArn": "arn:aws:sns:x"},
            {"Endpoint": "two@example.com", "SubscriptionArn": "PendingConfirmation"},
        ]
        (said,) = world.sweep(settings)["findings"]
        assert "1 of the 2 addresses" in said
        assert "example.com" not in said
        assert "two@example.com" in capsys.readouterr().out
        assert world.sns.told == [said]


@pytest.mark.parametrize(
    ("arn", "silent"),
    [("arn:aws:sns:us-east-1:1:t:1", []), ("PendingConfirmation", ["Me@example.com"]), ("Deleted", ["Me@example.com"])],
)
def test_only_a_confirmed_subscription_reaches_anybody(arn: str, silent: list[str]) -> None:
    assert unconfirmed(["Me@example.com"], [{"Endpoint": "me@example.com", "SubscriptionArn": arn}]) == silent
    assert unconfirmed(["Me@example.com"], []) == ["Me@example.com"]
