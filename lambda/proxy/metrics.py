"""CloudWatch's embedded metric format: metrics that a log line carries, so that no call is spent on them.

Each metric costs USD 0.30 a month while it has data, and nothing in an hour without calls.
"""

from collections.abc import Mapping

NAMESPACE = "Pilotlight"
UNITS: Mapping[str, str] = {
    "Attempts": "Count",  # invocations of the model
    "Retries": "Count",  # those after a first one
    "Refused": "Count",  # requests refused because the model has too much to do
    "Failed": "Count",  # answers of 5xx, but for an endpoint that is off or waking as it should be
    "TokensIn": "Count",  # the container's own count where it tells one, else an estimate
    "TokensOut": "Count",
    "ModelLatency": "Milliseconds",  # the last attempt's, where the model was reached; the network to it included
    "Overhead": "Milliseconds",  # the proxy's own time
}


def embedded(values: Mapping[str, float], *, stage: str, at_epoch: float) -> dict[str, object]:
    """What makes a log line carry `values`, which are named as in `UNITS`, at a moment in seconds since 1970."""
    metrics = [{"Name": name, "Unit": UNITS[name]} for name in values]
    directive = {"Namespace": NAMESPACE, "Dimensions": [["Stage"]], "Metrics": metrics}
    return {
        "_aws": {"Timestamp": int(at_epoch * 1000), "CloudWatchMetrics": [directive]},
        "Stage": stage,
        **values,
    }
