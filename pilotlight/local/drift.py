"""CloudFormation's drift detection for the types of the endpoint stack, which ministack lacks: what services describe.

Compared are the properties that the template sets and that are named here; tags are not.
"""

from collections.abc import Callable
from typing import Any

from pilotlight.local.autoscaling import AutoScaling
from pilotlight.local.sagemaker.control import SageMaker
from pilotlight.local.sagemaker.wire import AwsError

Record = dict[str, Any]
Reader = Callable[[str, Record], Record | None]
"""From a physical id and the template's properties to what there is; None where it is gone."""


def install(sagemaker: SageMaker, scaling: AutoScaling) -> None:
    """Extend ministack in process. Call before its server starts."""
    from ministack.services.cloudformation import drift  # noqa: PLC0415  reads its environment when imported

    drift._DRIFT_READERS.update(
        {
            "AWS::SageMaker::Model": (
                _by_arn(sagemaker.models.list_models, sagemaker.models.describe_model, "Model"),
                frozenset({"ExecutionRoleArn", "PrimaryContainer"}),
            ),
            "AWS::SageMaker::EndpointConfig": (
                _by_arn(
                    sagemaker.models.list_endpoint_configs, sagemaker.models.describe_endpoint_config, "EndpointConfig"
                ),
                frozenset({"ProductionVariants", "MetricsConfig"}),
            ),
            "AWS::SageMaker::Endpoint": (
                _by_arn(sagemaker.endpoints.list_endpoints, sagemaker.endpoints.describe_endpoint, "Endpoint"),
                frozenset({"EndpointName", "EndpointConfigName"}),
            ),
            "AWS::Scheduler::Schedule": (
                _schedule,
                frozenset({"ScheduleExpression", "FlexibleTimeWindow", "Target", "State"}),
            ),
            "AWS::ApplicationAutoScaling::ScalableTarget": (
                _target(scaling),
                frozenset({"ServiceNamespace", "ResourceId", "ScalableDimension", "MinCapacity", "MaxCapacity"}),
            ),
            "AWS::ApplicationAutoScaling::ScalingPolicy": (
                _policy(scaling),
                frozenset({"PolicyName", "PolicyType", "TargetTrackingScalingPolicyConfiguration"}),
            ),
        }
    )


def _by_arn(listed: Callable[..., Record], describe: Callable[..., Record], kind: str) -> Reader:
    """SageMaker describes by name, and its ARNs, which are the physical ids, are in lower case."""

    def read(physical_id: str, _properties: Record) -> Record | None:
        names = (item[f"{kind}Name"] for item in listed()[f"{kind}s"] if item[f"{kind}Arn"] == physical_id)
        name = next(names, None)
        try:
            return describe(**{f"{kind}Name": name}) if name else None
        except AwsError:  # it went between the two
            return None

    return read


def _schedule(physical_id: str, properties: Record) -> Record | None:
    from ministack.services import scheduler  # noqa: PLC0415

    found: Record | None = scheduler._schedules.get(f"{properties.get('GroupName', 'default')}/{physical_id}")
    return found


def _target(scaling: AutoScaling) -> Reader:
    def read(physical_id: str, _properties: Record) -> Record | None:
        resource, dimension, namespace = physical_id.split("|")
        asked = {"ServiceNamespace": namespace, "ScalableDimension": dimension, "ResourceIds": [resource]}
        return next(iter(scaling.describe_scalable_targets(asked)["ScalableTargets"]), None)

    return read


def _policy(scaling: AutoScaling) -> Reader:
    def read(physical_id: str, _properties: Record) -> Record | None:
        found = scaling.describe_scaling_policies({})["ScalingPolicies"]
        return next((policy for policy in found if policy["PolicyARN"] == physical_id), None)

    return read
