"""Instance pools: what runs, what it costs, and when it was last called, as AWS tells of a variant of several types."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from common import calls, describe
from common.facts import EndpointFacts, VariantFacts, endpoint_price, instance_count, pool_types, type_in_use

CHEAP, DEAR = "ml.g5.xlarge", "ml.g5.12xlarge"
PRICES = {CHEAP: 1.5, DEAR: 7.0}
CREATED = datetime(2026, 11, 22, 10, tzinfo=UTC)
POOLS = VariantFacts(None, 1, (CHEAP, DEAR))


def endpoint(count: int | None, **pools: int) -> EndpointFacts:
    types = {"cheap": CHEAP, "dear": DEAR}
    return EndpointFacts("InService", CREATED, "config", count, None, {types[name]: n for name, n in pools.items()})


class SageMaker:
    """Describes one endpoint of pools; `variant` is what DescribeEndpoint says of its variant."""

    def __init__(self, variant: Mapping[str, Any]) -> None:
        self.variant = variant

    def describe_endpoint(self, **_: Any) -> Mapping[str, Any]:
        return {
            "EndpointStatus": "InService",
            "CreationTime": CREATED,
            "EndpointConfigName": "config",
            "ProductionVariants": [self.variant],
        }

    def describe_endpoint_config(self, **_: Any) -> Mapping[str, Any]:
        pools = [{"InstanceType": DEAR, "Priority": 2}, {"InstanceType": CHEAP, "Priority": 1}]
        return {"ProductionVariants": [{"InitialInstanceCount": 2, "InstancePools": pools}]}


class CloudWatch:
    """Has calls, by the instance type that they are published for; None: for the whole variant."""

    def __init__(self, called: Mapping[str | None, datetime]) -> None:
        self.called = called

    def get_metric_statistics(self, **request: Any) -> Mapping[str, Any]:
        dimensions = {dimension["Name"]: dimension["Value"] for dimension in request["Dimensions"]}
        assert (dimensions.pop("EndpointName"), dimensions.pop("VariantName")) == ("e", "v")
        at = self.called.get(dimensions.pop("InstanceType", None))
        assert not dimensions
        seen = at if request["MetricName"] == "Invocations" else None
        return {"Datapoints": [{"Timestamp": seen, "Sum": 3.0}] if seen else []}

    def put_metric_data(self, **_: Any) -> Mapping[str, Any]:
        raise AssertionError


def test_sagemaker_is_read_in_order_of_preference() -> None:
    pools = [{"InstanceType": CHEAP, "CurrentInstanceCount": 0}, {"InstanceType": DEAR, "CurrentInstanceCount": 2}]
    client = SageMaker({"VariantName": "v", "CurrentInstanceCount": 2, "InstancePools": pools})
    found, variant = describe.endpoint(client, "e"), describe.variant(client, "config")
    assert (found and found.pools, found and found.instance_count) == ({CHEAP: 0, DEAR: 2}, 2)
    assert variant == VariantFacts(None, 2, (CHEAP, DEAR))
    assert pool_types(found, variant) == (CHEAP, DEAR)


def test_instances_that_only_their_pools_tell_of_are_counted() -> None:
    pools = [{"InstanceType": CHEAP, "CurrentInstanceCount": 3}]
    found = describe.endpoint(SageMaker({"VariantName": "v", "InstancePools": pools}), "e")
    assert instance_count(found, POOLS) == 3


@pytest.mark.parametrize(
    ("found", "price", "kind"),
    [
        (endpoint(2, cheap=2, dear=0), 3.0, CHEAP),
        (endpoint(1, cheap=0, dear=1), 7.0, DEAR),
        (endpoint(3, cheap=2, dear=1), 10.0, f"{CHEAP}, {DEAR}"),
        (endpoint(3, cheap=1, dear=0), 15.5, CHEAP),  # two are on their way
        (endpoint(2, cheap=0, dear=0), 14.0, None),  # nobody knows yet which
        (endpoint(None), 7.0, None),
        (None, 0.0, None),
    ],
)
def test_each_instance_costs_what_its_type_does_and_an_unknown_one_the_most(
    found: EndpointFacts | None, price: float, kind: str | None
) -> None:
    assert endpoint_price(found, POOLS, PRICES) == price
    assert type_in_use(found, POOLS) == kind


def test_a_price_that_is_not_known_makes_no_number_up() -> None:
    assert endpoint_price(endpoint(1, cheap=0, dear=1), POOLS, {CHEAP: 1.5}) is None
    assert endpoint_price(endpoint(None), POOLS, {CHEAP: 1.5}) is None
    assert endpoint_price(endpoint(1, cheap=1, dear=0), POOLS, {CHEAP: 1.5}) == 1.5


def test_an_unread_config_leaves_what_the_endpoint_tells() -> None:
    assert endpoint_price(endpoint(1, cheap=0, dear=1), None, PRICES) == 7.0
    assert pool_types(endpoint(1, cheap=0, dear=1), None) == (CHEAP, DEAR)


@pytest.mark.parametrize("published_for", [None, CHEAP, DEAR])
def test_a_call_counts_whichever_way_it_is_published(published_for: str | None) -> None:
    called = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)
    client, since = CloudWatch({published_for: called}), CREATED.timestamp()
    seen = calls.last_call(
        client, endpoint_name="e", variant_name="v", since=since, now=since + 3600, pool_types=(CHEAP, DEAR)
    )
    assert seen == called.timestamp() + 60


def test_the_latest_call_of_any_type_counts() -> None:
    early, late = (datetime(2026, 11, 22, 10, minute, tzinfo=UTC) for minute in (10, 40))
    client, since = CloudWatch({None: early, CHEAP: early, DEAR: late}), CREATED.timestamp()
    seen = calls.last_call(
        client, endpoint_name="e", variant_name="v", since=since, now=since + 3600, pool_types=(CHEAP, DEAR)
    )
    assert seen == late.timestamp() + 60
