"""What DescribeEndpoint says while an update has two fleets."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from common import describe
from common.facts import VariantFacts, endpoint_price


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
    ("status", "pending", "instances", "baking"),
    [
        ("Updating", {"CurrentInstanceCount": 2, "VariantStatus": [{"Status": "Baking"}]}, 4, "new"),
        ("Updating", {"CurrentInstanceCount": 1, "VariantStatus": [{"Status": "Creating"}]}, 3, None),
        ("Updating", {}, 2, None),
        ("RollingBack", {"CurrentInstanceCount": 2, "VariantStatus": [{"Status": "Deleting"}]}, 4, None),
        ("Creating", {"CurrentInstanceCount": 2, "VariantStatus": [{"Status": "Creating"}]}, 2, None),
    ],
)
def test_both_fleets_are_billed(status: str, pending: dict[str, Any], instances: int, baking: str | None) -> None:
    found = describe.endpoint(SageMaker(status, **pending), "e")
    assert found is not None
    assert (found.instance_count, found.baking) == (instances, baking)
    assert endpoint_price(found, VariantFacts("t", 2), {"t": 1.5}) == 1.5 * instances
