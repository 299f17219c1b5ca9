"""What SageMaker publishes about invocations, by the minute."""

from hypothesis import given
from hypothesis import strategies as st

from pilotlight.local.sagemaker.faults import Fault, Faults
from pilotlight.local.sagemaker.metrics import Invocation, InvocationMetrics
from pilotlight.local.states import retry_delay_seconds

Published = dict[tuple[str, float], list[float]]


def collected() -> tuple[InvocationMetrics, Published]:
    published: Published = {}

    def sink(name: str, dimensions: dict[str, str], moment: float, values: list[float]) -> None:
        assert dimensions == {"EndpointName": "e", "VariantName": "v"}
        published.setdefault((name, moment), []).extend(values)

    return InvocationMetrics(sink), published


@given(st.lists(st.floats(0, 3600)), st.lists(st.integers(0, 60)))
def test_every_call_is_counted_once_in_its_own_minute(calls: list[float], minutes: list[int]) -> None:
    metrics, published = collected()
    for at in calls:
        metrics.record(Invocation("e", "v", at, 200, 0.1))
    for minute in [*sorted(minutes), 61]:
        metrics.publish(minute * 60)
    counted = {moment: sum(values) for (name, moment), values in published.items() if name == "Invocations"}
    expected: dict[float, float] = {}
    for at in calls:
        expected[at // 60 * 60] = expected.get(at // 60 * 60, 0) + 1
    assert counted == expected


def test_a_minute_that_is_not_over_is_not_published() -> None:
    metrics, published = collected()
    metrics.record(Invocation("e", "v", 119.9, 200, 0.1))
    metrics.publish(119)
    assert published == {}
    metrics.publish(120)
    assert published["Invocations", 60] == [1]


def test_calls_of_instance_pools_are_published_for_the_variant_and_for_their_type() -> None:
    published: dict[str, float] = {}

    def sink(name: str, dimensions: dict[str, str], _moment: float, values: list[float]) -> None:
        if name == "Invocations":
            for_whom = dimensions.get("InstanceType", "all")
            published[for_whom] = published.get(for_whom, 0) + sum(values)

    metrics = InvocationMetrics(sink)
    for kind in ("ml.g5.xlarge", "ml.g5.xlarge", "ml.g6.xlarge"):
        metrics.record(Invocation("e", "v", 1, 200, 0.25, kind))
    metrics.publish(60)
    assert published == {"all": 3, "ml.g5.xlarge": 2, "ml.g6.xlarge": 1}


def test_errors_are_told_apart() -> None:
    metrics, published = collected()
    for status in (200, 400, 503, 0):
        metrics.record(Invocation("e", "v", 1, status, 0.25))
    metrics.publish(60)
    assert published["Invocation4XXErrors", 0] == [0, 1, 0, 0]
    assert published["Invocation5XXErrors", 0] == [0, 0, 1, 1]
    assert published["ModelLatency", 0] == [250_000] * 4  # microseconds


def test_faults_are_used_up_in_order_and_only_by_those_they_mean() -> None:
    faults = Faults()
    for fault in (Fault("no_capacity", 2, instance_type="ml.g5.xlarge"), Fault("throttle"), Fault("no_capacity")):
        faults.add(fault)
    assert faults.take("slow") is None
    taken = [faults.take("no_capacity", instance_type="ml.g6.xlarge") for _ in range(2)]
    assert [bool(fault) for fault in taken] == [True, False]
    assert faults.take("no_capacity") is None
    assert faults.take("no_capacity", instance_type="ml.g5.xlarge")
    assert [(fault.kind, fault.times) for fault in faults.waiting()] == [("no_capacity", 1), ("throttle", 1)]
    epoch = faults.epoch
    faults.clear()
    assert (faults.waiting(), faults.epoch) == ([], epoch + 1)


def test_a_retry_waits_as_its_fields_say() -> None:
    assert [retry_delay_seconds({}, retries) for retries in range(3)] == [1, 2, 4]
    capped = {"IntervalSeconds": 100, "BackoffRate": 3, "MaxDelaySeconds": 250}
    assert [retry_delay_seconds(capped, retries) for retries in range(3)] == [100, 250, 250]
