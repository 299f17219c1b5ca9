"""What DescribeEndpoint says while an update has two fleets."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from common import describe
from common.facts import VariantFacts, endpoint_price, instance_count, own_price


class SageMaker:
    """`pending` is what DescribeEndpoint says of the new fleet's variant."""

    def __init__(self, status: str, **pending: Any) -> None:
        self.status = status
        self.pending = pending

    def describe_endpoint(self, **_: Any) -> Mapping[str, Any]:
        serving = {"VariantName": "v", "CurrentInstanceCount": 2, "DesiredInstanceCount": 2}
        return {
            "EndpointStatus": self.status,
            "CreationTime": datetime(2026, 11, 24, tzinfo=UTC),
            "EndpointConfigName": "old",
            "ProductionVariants": [serving],
            "PendingDeploymentSummary": {
                "EndpointConfigName": "new",
                "ProductionVariants": [{"VariantName": "v", **self.pending}],
            },
        }

    def describe_endpoint_config(self, **_: Any) -> Mapping[str, Any]:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("status", "pending", "second", "baking"),
    [
        ("Updating", {"CurrentInstanceCount": 2, "VariantStatus": [{"Status": "Baking"}]}, 2, "new"),
        ("Updating", {"CurrentInstanceCount": 1, "VariantStatus": [{"Status": "Creating"}]}, 1, None),
        ("Updating", {"CurrentInstanceCount": 0, "DesiredInstanceCount": 1}, 1, None),  # it comes up
        ("Updating", {"DesiredInstanceCount": 2}, 2, None),
        ("Updating", {}, 0, None),
        ("RollingBack", {"CurrentInstanceCount": 2, "DesiredInstanceCount": 0}, 2, None),
        ("Creating", {"CurrentInstanceCount": 2, "VariantStatus": [{"Status": "Creating"}]}, 0, None),
    ],
)
def test_both_fleets_are_billed(status: str, pending: dict[str, Any], second: int, baking: str | None) -> None:
    found = describe.endpoint(SageMaker(status, **pending), "e")
    assert found is not None
    assert (found.instance_count, found.second and found.second.instances, found.baking) == (2, second or None, baking)
    variant = VariantFacts("t", 2)
    assert instance_count(found, variant) == 2 + second
    assert endpoint_price(found, variant, {"t": 1.5}) == 1.5 * (2 + second)
    assert own_price(found, variant, {"t": 1.5}) == 3


def test_the_second_fleet_costs_what_its_own_type_does() -> None:
    dear = {"CurrentInstanceCount": 0, "DesiredInstanceCount": 2, "InstanceType": "dear"}
    found = describe.endpoint(SageMaker("Updating", **dear), "e")
    assert found is not None
    variant = VariantFacts("t", 2)
    assert endpoint_price(found, variant, {"t": 1.5, "dear": 7.0}) == 3 + 14
    assert endpoint_price(found, variant, {"t": 1.5}) is None
    assert own_price(found, variant, {"t": 1.5}) == 3


def test_the_second_fleets_pools_cost_by_their_types_and_what_comes_up_the_dearest() -> None:
    pools = [{"InstanceType": "dear", "CurrentInstanceCount": 0}, {"InstanceType": "t", "CurrentInstanceCount": 1}]
    found = describe.endpoint(SageMaker("Updating", DesiredInstanceCount=2, InstancePools=pools), "e")
    assert endpoint_price(found, VariantFacts("t", 2), {"t": 1.5, "dear": 7.0}) == 3 + 1.5 + 7
