"""Whatever is turned and promoted, the stack has not drifted; what is done beside it is found."""

import pytest

from .conftest import Cdk, LocalCloud
from .test_promotion import TUNED, Stage

pytestmark = pytest.mark.usefixtures("on_for_the_others")


@pytest.fixture
def stage(cloud: LocalCloud, cdk: Cdk) -> Stage:
    cloud.turn("on", budget_usd=100000)
    return Stage(cloud, cdk)


def test_nothing_that_the_switch_does_is_a_drift_or_a_difference(stage: Stage) -> None:
    """What an idle off leaves is looked at in test_life.py."""
    key = {"x-api-key": stage.deployment.admin_key}
    assert stage.cloud.call("POST", "/endpoint/snooze", {"hours": 1}, headers=key).status_code == 200
    stage.clean()
    stage.cloud.fault(fault="update_failed")
    assert (stage.promote(TUNED)["outcome"], stage.cloud.drifts()) == ("failed", {})
    assert stage.promote(TUNED)["outcome"] == "on"
    stage.clean()
    assert stage.run(target="off", reason="schedule")["outcome"] == "off"
    stage.clean()
    stage.cloud.fault(fault="no_capacity", times=100)
    waking = stage.start(reason="wake")
    while (result := stage.result(waking)) is None:
        stage.cloud.advance(60)
    assert result["outcome"] == "failed"
    stage.clean()
    stage.cloud.fault()
    assert stage.promote("")["outcome"] == "on"
    stage.clean()


def test_an_endpoint_that_is_deleted_beside_the_stack_is(stage: Stage) -> None:
    stage.cloud.client("sagemaker").delete_endpoint(EndpointName=stage.cloud.endpoint_name)
    while stage.endpoint() is not None:
        pass
    assert stage.cloud.drifts() == {"AWS::SageMaker::Endpoint": "DELETED"}
    stage.cloud.turn("on")
    assert stage.cloud.drifts() == {}


def test_one_that_is_pointed_elsewhere_is_and_the_switch_tells(stage: Stage) -> None:
    sagemaker, endpoint = stage.cloud.client("sagemaker"), stage.endpoint()
    assert endpoint
    config = sagemaker.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
    sagemaker.create_endpoint_config(EndpointConfigName="elsewhere", ProductionVariants=config["ProductionVariants"])
    sagemaker.update_endpoint(EndpointName=stage.cloud.endpoint_name, EndpointConfigName="elsewhere")
    while (stage.endpoint() or {})["EndpointStatus"] != "InService":
        pass
    assert stage.cloud.drifts() == {"AWS::SageMaker::Endpoint": "MODIFIED"}
    result = stage.run(reason="manual")
    assert (result["outcome"], "old config" in result["message"]) == ("failed", True)
    stage.cloud.turn("off")
    sagemaker.delete_endpoint_config(EndpointConfigName="elsewhere")
    assert stage.cloud.drifts() == {}


def test_a_schedule_that_is_moved_beside_the_stack_is(stage: Stage) -> None:
    scheduler = stage.cloud.client("scheduler")
    name = next(s["Name"] for s in scheduler.list_schedules()["Schedules"] if "Delete" in s["Name"])
    found = scheduler.get_schedule(Name=name)
    same = {key: found[key] for key in ("Name", "FlexibleTimeWindow", "Target")}
    scheduler.update_schedule(**same, ScheduleExpression="at(2099-01-01T00:00:00)")
    assert stage.cloud.drifts() == {"AWS::Scheduler::Schedule": "MODIFIED"}
    stage.cloud.turn("off")
    assert stage.cloud.drifts() == {}
