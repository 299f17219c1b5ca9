"""Metrics of a stage, in the namespace that its alarms read."""

from collections.abc import Mapping
from datetime import UTC, datetime

from common.calls import CloudWatchClient

NAMESPACE = "Pilotlight"


def put(
    client: CloudWatchClient, dimensions: Mapping[str, str], values: Mapping[str, float | None], now: float
) -> None:
    """Each value under its name, at `now` (epoch seconds); None is not published."""
    client.put_metric_data(
        Namespace=NAMESPACE,
        MetricData=[
            {
                "MetricName": name,
                "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
                "Timestamp": datetime.fromtimestamp(now, UTC),
                "Value": value,
            }
            for name, value in values.items()
            if value is not None
        ],
    )
