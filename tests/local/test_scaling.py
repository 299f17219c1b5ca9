"""Instances that scale: what is registered comes and goes with the endpoint, whoever turns or changes it."""

from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import Cdk, LocalCloud
from .test_promotion import TUNED, Stage

SCALES = """
instance_types = ["ml.g4dn.12xlarge", "ml.g5.2xlarge"]
instance_pools = false
max_instances = 3
target_invocations_per_instance = 12.5
"""
STACKS = ("Control", "Endpoint")


@pytest.fixture(scope="module")
def stage(up: LocalCloud, cdk: Cdk) -> Iterator[Stage]:
    """The local stage, deployed with a range of instances."""
    up.turn("on", budget_usd=100000)
    made = Stage(up, cdk)
    made.deploy(SCALES, roles=STACKS)
    yield made
    made.deploy(roles=STACKS)
    up.turn("on")


def targets(stage: Stage) -> list[dict[str, Any]]:
    scaling = stage.cloud.client("application-autoscaling")
    found: list[dict[str, Any]] = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    return found


def policies(stage: Stage) -> list[dict[str, Any]]:
    scaling = stage.cloud.client("application-autoscaling")
    found: list[dict[str, Any]] = scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
    return found


def test_a_deploy_registers_what_is_on(stage: Stage) -> None:
    (target,) = targets(stage)
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 3)
    assert target["ResourceId"] == f"endpoint/{stage.cloud.endpoint_name}/variant/AllTraffic"
    (policy,) = policies(stage)
    tracking = policy["TargetTrackingScalingPolicyConfiguration"]
    assert tracking["TargetValue"] == 12.5
    metric = tracking["PredefinedMetricSpecification"]["PredefinedMetricType"]
    assert metric == "SageMakerVariantInvocationsPerInstance"


def test_it_goes_with_the_endpoint_and_comes_back_with_it(stage: Stage) -> None:
    stage.cloud.turn("off")
    assert (targets(stage), policies(stage)) == ([], [])
    stage.cloud.turn("on")
    assert (len(targets(stage)), len(policies(stage))) == (1, 1)


def test_a_promotion_leaves_it_registered(stage: Stage) -> None:
    before = stage.endpoint()
    assert before
    assert stage.promote(TUNED)["outcome"] == "on"
    after = stage.endpoint()
    assert after
    assert (after["CreationTime"], len(targets(stage))) == (before["CreationTime"], 1)
    assert stage.promote("")["outcome"] == "on"


def test_another_instance_type_is_deregistered_first(stage: Stage) -> None:
    """SageMaker refuses another type for a variant that is registered, so the switch turns it off and on."""
    result = stage.run(overrides={"InstanceType": "ml.g5.2xlarge"})
    assert result["outcome"] == "on"
    assert stage.cloud.call("GET", "/endpoint").json()["instance_type"] == "ml.g5.2xlarge"
    assert len(targets(stage)) == 1
    assert stage.run(overrides={"InstanceType": ""})["outcome"] == "on"
