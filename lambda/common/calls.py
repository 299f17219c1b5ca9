"""When the endpoint was last called, by anybody: SageMaker's own metrics, which are published late by minutes."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

_MINUTE = 60
_MOST_DATAPOINTS = 1440  # what GetMetricStatistics gives at once
# What was sent, and what is still being answered: a call that runs for minutes is a call in each of them.
_SIGNS_OF_CALLS = {"Invocations": "Sum", "ConcurrentRequestsPerModel": "Maximum"}


class CloudWatchClient(Protocol):
    """What is used of boto3's `cloudwatch` client."""

    def get_metric_statistics(self, **request: Any) -> Mapping[str, Any]: ...
    def put_metric_data(self, **request: Any) -> Mapping[str, Any]: ...


def last_call(
    client: CloudWatchClient,
    *,
    endpoint_name: str,
    variant_name: str,
    since: float,
    now: float,
    pool_types: Iterable[str] = (),
) -> float | None:
    """The end of the last minute with a call, in epoch seconds; None where CloudWatch shows none from `since` on.

    At most a day is looked at. GetMetricStatistics, because its requests are free up to a million a month and
    GetMetricData's are not.

    AWS says that the metrics of instance pools are published for the whole variant as ever, and for each type beside
    that. Nobody has seen it, and a call that is overlooked turns off what is in use: so both are read, and one will do.
    """
    start = max(since, now - (_MOST_DATAPOINTS - 2) * _MINUTE) // _MINUTE * _MINUTE
    variant = {"EndpointName": endpoint_name, "VariantName": variant_name}
    called = []
    for dimensions in (variant, *({**variant, "InstanceType": name} for name in pool_types)):
        for metric, statistic in _SIGNS_OF_CALLS.items():
            answer = client.get_metric_statistics(
                Namespace="AWS/SageMaker",
                MetricName=metric,
                Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
                StartTime=datetime.fromtimestamp(start, UTC),
                EndTime=datetime.fromtimestamp(now // _MINUTE * _MINUTE + _MINUTE, UTC),
                Period=_MINUTE,
                Statistics=[statistic],
            )
            points = answer.get("Datapoints", [])
            called += [point["Timestamp"].timestamp() for point in points if point.get(statistic, 0) > 0]
    return max(called) + _MINUTE if called else None
