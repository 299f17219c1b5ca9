"""Metrics and alarms seen from outside, minute by minute of simulated time."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .bare import ROLE, Bare

ENDPOINT = "observed"
DIMENSIONS = [{"Name": "EndpointName", "Value": ENDPOINT}, {"Name": "VariantName", "Value": "only"}]


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return request.node.name.replace("_", "-").replace("[", "-").replace("]", "")[-60:]  # type: ignore[no-any-return]


def put(bare: Bare, name: str, value: float, stage: str = "one") -> None:
    datum = {"MetricName": name, "Value": value, "Dimensions": [{"Name": "Stage", "Value": stage}]}
    bare.client("cloudwatch").put_metric_data(Namespace="Test", MetricData=[datum])


def alarm(bare: Bare, name: str, **changes: Any) -> str:
    """An alarm on the metric of its own name, on whole minutes; its ARN."""
    rule = {
        "AlarmName": name,
        "Namespace": "Test",
        "MetricName": name,
        "Dimensions": [{"Name": "Stage", "Value": "one"}],
        "Statistic": "Maximum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 10,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "ignore",
    }
    client = bare.client("cloudwatch")
    client.put_metric_alarm(**rule | changes)
    arn: str = client.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["AlarmArn"]
    return arn


def state(bare: Bare, name: str) -> str:
    found: str = bare.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["StateValue"]
    return found


def notices(bare: Bare, topic: str) -> list[Any]:
    return [notice for notice in bare.pilot("notices").json() if notice["topic_arn"] == topic]


def test_an_alarm_acts_on_transitions_only_and_fires_again_the_second_time(bare: Bare, name: str) -> None:
    topic = bare.client("sns").create_topic(Name=name)["TopicArn"]
    function = bare.recorder(name)
    alarm(bare, name, AlarmActions=[topic, function], OKActions=[topic])
    for value in (50, 50, 0, 50):
        put(bare, name, value)
        bare.advance(60)
    told = [json.loads(notice["message"]) for notice in notices(bare, topic)]
    assert [message["NewStateValue"] for message in told] == ["ALARM", "OK", "ALARM"]
    calls = [call["alarmData"]["state"]["value"] for call in bare.calls(name)]
    assert calls == ["ALARM", "ALARM"]
    times = [datetime.fromisoformat(notice["time"]) for notice in notices(bare, topic)]
    assert [later - times[0] for later in times[1:]] == [timedelta(minutes=2), timedelta(minutes=3)]


def test_only_the_alarms_own_dimensions_count(bare: Bare, name: str) -> None:
    alarm(bare, name)
    put(bare, name, 50, stage="another")
    bare.advance(60)
    assert state(bare, name) == "INSUFFICIENT_DATA"
    put(bare, name, 1)
    put(bare, name, 50, stage="another")
    bare.advance(60)
    assert state(bare, name) == "OK"


def test_m_of_n_over_missing_minutes(bare: Bare, name: str) -> None:
    alarm(bare, name, EvaluationPeriods=5, DatapointsToAlarm=2, TreatMissingData="notBreaching")
    for value in (50, None, 1, None):
        if value:
            put(bare, name, value)
        bare.advance(60)
    assert state(bare, name) == "OK"
    put(bare, name, 50)
    bare.advance(60)
    assert state(bare, name) == "ALARM"
    bare.advance(600)
    assert state(bare, name) == "OK"


def test_silence_raises_an_alarm_that_treats_it_as_breaching(bare: Bare, name: str) -> None:
    alarm(bare, name, TreatMissingData="breaching", ComparisonOperator="LessThanThreshold", Threshold=1)
    put(bare, name, 1)
    bare.advance(60)
    assert state(bare, name) == "OK"
    bare.advance(3600)
    assert state(bare, name) == "ALARM"


def test_periods_of_five_minutes_slide_with_every_minute(bare: Bare, name: str) -> None:
    topic = bare.client("sns").create_topic(Name=name)["TopicArn"]
    alarm(bare, name, Period=300, Statistic="Sum", Threshold=3, AlarmActions=[topic])
    bare.advance(60 - bare.now().timestamp() % 60)
    begun = bare.now()
    for _ in range(6):
        put(bare, name, 1)
        bare.advance(60)
    at = datetime.fromisoformat(notices(bare, topic)[0]["time"])
    assert timedelta(minutes=3) <= at - begun.replace(second=0, microsecond=0) <= timedelta(minutes=4)


@pytest.mark.parametrize("enabled", [True, False])
def test_disabled_actions_do_nothing_but_the_event_is_sent(bare: Bare, name: str, enabled: bool) -> None:
    topic = bare.client("sns").create_topic(Name=name)["TopicArn"]
    function = bare.recorder(name)
    arn = alarm(bare, name, AlarmActions=[topic])
    if not enabled:
        bare.client("cloudwatch").disable_alarm_actions(AlarmNames=[name])
    events = bare.client("events")
    pattern = {
        "source": ["aws.cloudwatch"],
        "detail-type": ["CloudWatch Alarm State Change"],
        "resources": [arn],
        "detail": {"state": {"value": ["ALARM"]}},
    }
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": function}])
    put(bare, name, 50)
    bare.advance(60)
    assert len(notices(bare, topic)) == enabled
    [event] = bare.calls(name)
    assert event["detail"]["alarmName"] == name
    assert event["detail"]["previousState"]["value"] == "INSUFFICIENT_DATA"
    [metric] = event["detail"]["configuration"]["metrics"]
    assert metric["metricStat"]["metric"] == {"namespace": "Test", "name": name, "dimensions": {"Stage": "one"}}
    assert abs(datetime.fromisoformat(event["time"]) - bare.now()) < timedelta(minutes=2)


def test_a_change_of_the_alarm_keeps_its_state(bare: Bare, name: str) -> None:
    alarm(bare, name)
    put(bare, name, 50)
    bare.advance(60)
    alarm(bare, name, Threshold=100)
    assert state(bare, name) == "ALARM"
    put(bare, name, 50)
    bare.advance(60)
    assert state(bare, name) == "OK"


# SageMaker's own metrics


@pytest.fixture(scope="module")
def observed(bare: Bare) -> Iterator[Bare]:
    """An endpoint in service with the small model."""
    sagemaker = bare.client("sagemaker")
    sagemaker.create_model(ModelName=ENDPOINT, ExecutionRoleArn=ROLE, PrimaryContainer={"Image": "image"})
    variant = {"VariantName": "only", "ModelName": ENDPOINT, "InstanceType": "ml.g5.xlarge", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName=ENDPOINT, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=ENDPOINT)
    bare.advance(0)
    assert sagemaker.describe_endpoint(EndpointName=ENDPOINT)["EndpointStatus"] == "InService"
    yield bare
    bare.clear_faults()
    sagemaker.delete_endpoint(EndpointName=ENDPOINT)


def invoke(bare: Bare) -> None:
    body = json.dumps({"text_inputs": "Hello", "max_length": 8})
    runtime = bare.client("sagemaker-runtime")
    runtime.invoke_endpoint(EndpointName=ENDPOINT, Body=body, ContentType="application/json")


def read(bare: Bare, metric: str, since: datetime, statistic: str = "Sum", **options: Any) -> list[Any]:
    stat = {
        "Metric": {"Namespace": "AWS/SageMaker", "MetricName": metric, "Dimensions": DIMENSIONS},
        "Period": 60,
        "Stat": statistic,
    }
    answer = bare.client("cloudwatch").get_metric_data(
        MetricDataQueries=[{"Id": "m", "MetricStat": stat}], StartTime=since, EndTime=bare.now(), **options
    )["MetricDataResults"][0]
    return list(zip(answer["Timestamps"], answer["Values"], strict=True))


def test_calls_are_counted_minute_by_minute_and_silence_not_at_all(observed: Bare) -> None:
    observed.advance(60 - observed.now().timestamp() % 60 + 1)
    since = observed.now().replace(second=0, microsecond=0)
    for calls in (2, 0, 1):
        for _ in range(calls):
            invoke(observed)
        observed.advance(60)
    expected = [(since, 2.0), (since + timedelta(minutes=2), 1.0)]
    assert read(observed, "Invocations", since, ScanBy="TimestampAscending") == expected
    assert read(observed, "Invocations", since) == expected[::-1]
    assert read(observed, "Invocations", since + timedelta(minutes=1)) == expected[1:]
    assert [value for _, value in read(observed, "Invocation5XXErrors", since)] == [0, 0]
    assert all(1e3 < value < 1e8 for _, value in read(observed, "ModelLatency", since, "Average"))
    statistics = observed.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName="Invocations",
        Dimensions=DIMENSIONS,
        StartTime=since,
        EndTime=observed.now(),
        Period=3600,
        Statistics=["Sum"],
    )
    assert sum(point["Sum"] for point in statistics["Datapoints"]) == 3
    observed.advance(3600)
    assert len(read(observed, "Invocations", since)) == 2


@pytest.mark.parametrize(("kind", "metric"), [("4xx", "Invocation4XXErrors"), ("5xx", "Invocation5XXErrors")])
def test_the_models_errors_are_counted(observed: Bare, kind: str, metric: str) -> None:
    since = observed.now() - timedelta(minutes=1)
    observed.pilot("faults", fault=f"model_error_{kind}")
    with pytest.raises(ClientError, match="ModelError"):
        invoke(observed)
    observed.pilot("faults", fault="throttle")  # which never reaches the model
    with pytest.raises(ClientError, match="ThrottlingException"):
        invoke(observed)
    observed.advance(60)
    assert sum(value for _, value in read(observed, metric, since)) == 1
    assert sum(value for _, value in read(observed, "Invocations", since)) == 1
