"""Another model, promoted by the switch: what serves meanwhile, what a failed one leaves, what a deploy does to it."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from pilotlight.deployment import Deployment

from .conftest import Cdk, LocalCloud

TUNED = "s3://a-bucket-that-is-not-here/tuned/"  # the built-in weights stand in for it
BAKE_SECONDS = 10
"""As pilotlight.toml says of the stage."""
OTHER = "s3://a-bucket-that-is-not-here/other/"


class Stage:
    """The deployed stage, as the stack and SageMaker describe it."""

    def __init__(self, cloud: LocalCloud, cdk: Cdk) -> None:
        self.cloud = cloud
        self.cdk = cdk
        self.deployment = Deployment(cloud.stage, cloud.region, cloud.aws_endpoint_url)

    def start(self, **asked: object) -> str:
        request = {"target": "on", "reason": "promotion", "by": "a test", **asked}
        states = self.cloud.client("stepfunctions")
        started = states.start_execution(stateMachineArn=self.deployment.switch_arn, input=json.dumps(request))
        return str(started["executionArn"])

    def result(self, execution: str) -> dict[str, Any] | None:
        """What a caller reads of an execution: its output, or its cause; None while it runs."""
        found = self.cloud.client("stepfunctions").describe_execution(executionArn=execution)
        if found["status"] == "RUNNING":
            return None
        answer: dict[str, Any] = json.loads(found["output"] if found["status"] == "SUCCEEDED" else found["cause"])
        assert (found["status"] == "FAILED") == (answer["outcome"] == "failed")
        return answer

    def promote(self, url: str, **asked: object) -> dict[str, Any]:
        return self.run(overrides={"ModelDataUrl": url}, **asked)

    def run(self, **asked: object) -> dict[str, Any]:
        return self.finish(self.start(**asked))

    def finish(self, execution: str) -> dict[str, Any]:
        """What it comes to, with the bakes and pauses on the way made short."""
        deadline = time.monotonic() + 180
        while (result := self.result(execution)) is None:
            assert time.monotonic() < deadline
            self.cloud.advance(BAKE_SECONDS)
        return result

    def until(self, happened: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not happened():
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def parameters(self) -> dict[str, str]:
        listed = self.deployment.describe_stack("Endpoint")["Parameters"]
        return {p["ParameterKey"]: p["ParameterValue"] for p in listed}

    def ends(self) -> tuple[str, str]:
        parameters = self.parameters()
        return parameters["TurnOffAt"], parameters["DeleteAt"]

    def physical(self, kind: str) -> str:
        """The name of the stack's one resource of this SageMaker type, in lower case."""
        name = self.deployment.stack_name("Endpoint")
        listed = self.cloud.client("cloudformation").describe_stack_resources(StackName=name)["StackResources"]
        (found,) = (r["PhysicalResourceId"] for r in listed if r["ResourceType"] == f"AWS::SageMaker::{kind}")
        return str(found).rpartition("/")[2].lower()

    def configs(self) -> list[str]:
        """The names of all that SageMaker has, in lower case."""
        listed = self.cloud.client("sagemaker").list_endpoint_configs()["EndpointConfigs"]
        return [str(config["EndpointConfigName"]).lower() for config in listed]

    def sweep(self) -> None:
        """As once a day."""
        functions = self.cloud.client("lambda")
        (name,) = (
            f["FunctionName"]
            for f in functions.list_functions()["Functions"]
            if f["Handler"] == "sweep.handler.lambda_handler"
        )
        event = json.dumps({"time": self.cloud.now().isoformat()})
        assert "FunctionError" not in functions.invoke(FunctionName=name, Payload=event)

    def endpoint(self) -> dict[str, Any] | None:
        return self.cloud.endpoint()

    def serves(self) -> str:
        """The artifact that SageMaker serves, whatever the stack says, to whoever asks."""
        assert self.cloud.generate("hello", max_length=8).status_code == 200
        return self.cloud.model_data()

    def baking(self) -> str:
        """The config of the new fleet that has the traffic; empty where there is none."""
        pending = (self.endpoint() or {}).get("PendingDeploymentSummary", {})
        return str(pending.get("EndpointConfigName", ""))

    def clean(self) -> None:
        assert self.cloud.drifts() == {}
        diff = self.cdk("diff --all --fail")
        assert diff.returncode == 0, diff.stdout + diff.stderr

    def deploy(self, lines: str = "", *, roles: Sequence[str] = ("Endpoint",)) -> None:
        """Some of the stacks, configured as `lines` say, with a bake on the way made short."""
        names = " ".join(self.deployment.stack_name(role) for role in roles)
        with ThreadPoolExecutor(max_workers=1) as elsewhere:
            going = elsewhere.submit(self.cdk, f"deploy {names} --exclusively --require-approval never", lines)
            while not going.done():
                if self.baking():
                    self.cloud.advance(BAKE_SECONDS)
                time.sleep(0.1)
        assert going.result().returncode == 0, going.result().stdout + going.result().stderr


@pytest.fixture(scope="module", autouse=True)
def as_the_others_left_it(up: LocalCloud, cdk: Cdk) -> Iterator[None]:
    yield
    up.fault()
    stage = Stage(up, cdk)
    stage.deploy()
    stage.promote("")


@pytest.fixture
def stage(cloud: LocalCloud, cdk: Cdk) -> Stage:
    """On, with the configured model, and no end of money."""
    cloud.turn("on", budget_usd=100000)
    made = Stage(cloud, cdk)
    assert made.promote("")["outcome"] in ("on", "already on")
    return made


CONFIGURED = "s3://pilotlight-local/smollm2-135m-instruct/"


class TestBeside:
    def test_the_old_model_serves_until_the_new_one_is_in_service_on_its_own_config(self, stage: Stage) -> None:
        before, end, old = stage.endpoint(), stage.ends(), stage.physical("EndpointConfig")
        execution = stage.start(overrides={"ModelDataUrl": TUNED})
        baked = False
        while (result := stage.result(execution)) is None:
            assert stage.cloud.generate("hello", max_length=8).status_code == 200
            if stage.baking():
                baked = True
                stage.cloud.advance(BAKE_SECONDS)
        assert (result["outcome"], baked) == ("on", True)
        assert result["before"] == {"ModelDataUrl": "", "InstanceType": ""}
        after = stage.endpoint()
        assert before
        assert after
        assert after["CreationTime"] == before["CreationTime"]
        assert after["EndpointConfigName"].lower() == stage.physical("EndpointConfig") != old
        assert (stage.serves(), stage.ends()) == (TUNED, end)
        stage.clean()

    def test_whoever_the_old_model_is_answering_gets_that_answer(self, stage: Stage) -> None:
        stage.cloud.fault(fault="slow", times=1, seconds=12)
        with ThreadPoolExecutor() as pool:
            answer = pool.submit(stage.cloud.generate, "hello", max_length=8)
            assert stage.promote(TUNED)["outcome"] == "on"
        assert answer.result().status_code == 200

    def test_one_that_sagemaker_takes_back_is_reverted_and_told(self, stage: Stage) -> None:
        assert stage.promote(TUNED)["outcome"] == "on"
        end = stage.ends()
        stage.cloud.fault(fault="update_failed")
        result = stage.promote(OTHER)
        assert result["outcome"] == "failed"
        assert "old config" in result["message"]
        assert result["before"]["ModelDataUrl"] == TUNED
        assert (stage.serves(), stage.parameters()["ModelDataUrl"], stage.ends()) == (TUNED, TUNED, end)
        endpoint = stage.endpoint()
        assert endpoint
        assert endpoint["EndpointConfigName"].lower() == stage.physical("EndpointConfig")
        assert stage.deployment.receipts(1)[0]["outcome"] == "failed"
        stage.clean()

    def test_an_alarm_that_rings_while_it_bakes_makes_sagemaker_go_back(self, stage: Stage) -> None:
        stage.deploy("promotion_bake_seconds = 600")
        try:
            assert stage.promote(TUNED)["outcome"] == "on"
            execution = stage.start(overrides={"ModelDataUrl": OTHER})
            stage.until(lambda: stage.baking() != "")
            other = stage.baking()
            while stage.baking() == other:  # the way back is an update as well, whose fleet answers
                stage.cloud.fault(fault="model_error_5xx", times=3)
                for _ in range(3):
                    assert stage.cloud.generate("hello", max_length=8).status_code == 502
                stage.cloud.advance(60)
            result = stage.finish(execution)
            assert result["outcome"] == "failed"
            assert "old config" in result["message"]
            assert (stage.serves(), stage.parameters()["ModelDataUrl"]) == (TUNED, TUNED)
            assert stage.cloud.drifts() == {}
        finally:
            stage.deploy()

    def test_an_off_while_it_bakes_waits_for_no_bake(self, stage: Stage) -> None:
        stage.deploy("promotion_bake_seconds = 600")
        try:
            promotion = stage.start(overrides={"ModelDataUrl": TUNED})
            stage.until(lambda: stage.baking() != "")
            begun, off = stage.cloud.now(), stage.start(target="off", reason="manual")
            while (result := stage.result(off)) is None:
                stage.cloud.advance(30)
            assert (result["outcome"], stage.endpoint()) == ("off", None)
            assert stage.cloud.now() - begun < timedelta(minutes=10)
            assert stage.finish(promotion)["outcome"] == "superseded"
            assert (stage.parameters()["EndpointState"], stage.parameters()["ModelDataUrl"]) == ("off", "")
            assert stage.deployment.describe_stack("Endpoint")["StackStatus"] == "UPDATE_COMPLETE"
            assert stage.cloud.drifts() == {}
        finally:
            stage.deploy()

    def test_what_was_replaced_is_removed_by_the_daily_sweep(self, stage: Stage) -> None:
        assert stage.promote(TUNED)["outcome"] == "on"
        assert len(stage.configs()) > 1
        stage.sweep()
        assert stage.configs() == [stage.physical("EndpointConfig")]
        assert len(stage.cloud.client("sagemaker").list_models()["Models"]) == 1
        assert stage.serves() == TUNED

    def test_a_rollback_is_a_promotion_of_what_was_before(self, stage: Stage) -> None:
        before = stage.promote(TUNED)["before"]
        assert stage.promote(before["ModelDataUrl"])["outcome"] == "on"
        assert stage.serves() == CONFIGURED


class TestInItsPlace:
    def test_the_endpoint_is_another_one_and_its_end_is_not_nearer(self, stage: Stage) -> None:
        before, end = stage.endpoint(), stage.ends()
        assert stage.promote(TUNED, fleets="one")["outcome"] == "on"
        after = stage.endpoint()
        assert before
        assert after
        assert after["CreationTime"] > before["CreationTime"]
        assert stage.serves() == TUNED
        assert stage.ends() >= end

    def test_the_old_model_is_lit_again_where_the_new_one_fails(self, stage: Stage) -> None:
        """The one type lacks capacity in three rounds; then there is room for the old model."""
        stage.cloud.fault(fault="no_capacity", times=3)
        execution = stage.start(overrides={"ModelDataUrl": TUNED}, fleets="one")
        deadline = time.monotonic() + 180
        while (result := stage.result(execution)) is None:
            assert time.monotonic() < deadline
            stage.cloud.advance(60)
        assert result["outcome"] == "failed"
        assert "The model that served before is on again" in result["message"]
        assert (stage.serves(), stage.parameters()["ModelDataUrl"]) == (CONFIGURED, "")


class TestOff:
    def test_it_is_lit_with_the_promoted_model(self, stage: Stage) -> None:
        stage.cloud.turn("off")
        assert stage.promote(TUNED)["outcome"] == "on"
        assert stage.serves() == TUNED

    def test_one_that_cannot_be_lit_leaves_it_off_with_the_old_model(self, stage: Stage) -> None:
        stage.cloud.turn("off")
        stage.cloud.fault(fault="no_capacity", times=100)
        execution = stage.start(overrides={"ModelDataUrl": TUNED})
        while (result := stage.result(execution)) is None:
            stage.cloud.advance(60)
        assert (result["outcome"], stage.endpoint()) == ("failed", None)
        assert stage.parameters()["ModelDataUrl"] == ""


class TestDeploy:
    def test_a_real_change_is_applied_and_the_promoted_model_stays(self, stage: Stage) -> None:
        assert stage.promote(TUNED)["outcome"] == "on"
        stage.deploy("container_startup_timeout_seconds = 901")
        assert (stage.serves(), stage.parameters()["ModelDataUrl"]) == (TUNED, TUNED)
        assert startup_timeout(stage) == 901
        stage.deploy()
        assert (stage.serves(), startup_timeout(stage)) == (TUNED, 600)

    def test_a_real_change_while_off_is_applied_and_leaves_it_off(self, stage: Stage) -> None:
        stage.cloud.turn("off")
        stage.deploy("container_startup_timeout_seconds = 901")
        assert (stage.endpoint(), startup_timeout(stage)) == (None, 901)
        assert stage.parameters()["EndpointState"] == "off"
        stage.cloud.turn("on")
        assert stage.serves() == CONFIGURED


def startup_timeout(stage: Stage) -> int:
    """That of the config that the stack holds."""
    sagemaker, name = stage.cloud.client("sagemaker"), stage.physical("EndpointConfig")
    (config,) = (
        c["EndpointConfigName"]
        for c in sagemaker.list_endpoint_configs()["EndpointConfigs"]
        if c["EndpointConfigName"].lower() == name
    )
    (variant,) = sagemaker.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"]
    return int(variant["ContainerStartupHealthCheckTimeoutInSeconds"])
