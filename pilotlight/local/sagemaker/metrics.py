"""What SageMaker publishes about invocations: namespace AWS/SageMaker, one datum for each full minute with calls.

The names, units and meanings are those of "SageMaker AI endpoint invocation metrics"; nothing is published for a
minute in which nobody calls.
"""

import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

NAMESPACE = "AWS/SageMaker"

Sink = Callable[[str, dict[str, str], float, list[float]], None]
"""Takes a metric's name, its dimensions, a moment (epoch seconds) and the values seen then."""


@dataclass(frozen=True)
class Invocation:
    """One request that reached a model: when it came (epoch seconds), the model's own status and time; of a variant of
    instance pools the type of the instance; the config of the fleet that had the traffic.
    """

    endpoint: str
    variant: str
    at: float
    status: int
    model_seconds: float
    pool_type: str | None = None
    config: str = ""


class InvocationMetrics:
    """Collects invocations until their minute is over."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._lock = threading.Lock()
        self._seen: list[Invocation] = []

    def record(self, invocation: Invocation) -> None:
        with self._lock:
            self._seen.append(invocation)

    def publish(self, until: float) -> None:
        """Publish the minutes that ended at `until` or before."""
        with self._lock:
            over = [invocation for invocation in self._seen if invocation.at < until]
            self._seen = [invocation for invocation in self._seen if invocation.at >= until]
        minutes: dict[tuple[float, str, str, str, str], list[Invocation]] = defaultdict(list)
        for call in over:
            # For the variant, and besides for each type of its pools and for the fleet of one config.
            further = {"InstanceType": call.pool_type, "EndpointConfigName": call.config}
            for key, value in [("", ""), *((key, value) for key, value in further.items() if value)]:
                minutes[call.at // 60 * 60, call.endpoint, call.variant, key, value].append(call)
        for (minute, endpoint, variant, key, value), calls in sorted(minutes.items()):
            dimensions = {"EndpointName": endpoint, "VariantName": variant, **({key: value} if key else {})}
            # A call without an answer (status 0: it timed out, or the container died) is the server's fault.
            series = {
                "Invocations": [1.0] * len(calls),
                "ModelLatency": [call.model_seconds * 1e6 for call in calls],
                "Invocation4XXErrors": [float(400 <= call.status < 500) for call in calls],
                "Invocation5XXErrors": [float(call.status >= 500 or call.status == 0) for call in calls],
            }
            for name, values in series.items():
                self._sink(name, dimensions, minute, values)
