"""Instances that come and go with the calls, while the endpoint is on."""

from aws_cdk import aws_applicationautoscaling as autoscaling
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from pilotlight.config import Stage
from pilotlight.stage import Scaling
from stacks.constructs.model_endpoint import VARIANT_NAME

_COOLDOWN_SECONDS = 300


class InstanceScaling(Construct):
    """A scalable target and its policy, which exist as long as the endpoint does, and are removed before it: SageMaker
    refuses another instance type for a registered variant, so such a change is an off and an on.

    Without a role: Application Auto Scaling makes its service-linked one,
    AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, stage: Stage, scaling: Scaling, endpoint: sagemaker.CfnEndpoint
    ) -> None:
        super().__init__(scope, construct_id)
        target = autoscaling.CfnScalableTarget(
            self,
            "Target",
            service_namespace="sagemaker",
            scalable_dimension="sagemaker:variant:DesiredInstanceCount",
            resource_id=f"endpoint/{stage.endpoint_name}/variant/{VARIANT_NAME}",
            min_capacity=scaling.min_instances,
            max_capacity=scaling.max_instances,
        )
        calls = autoscaling.CfnScalingPolicy.PredefinedMetricSpecificationProperty(
            predefined_metric_type="SageMakerVariantInvocationsPerInstance"
        )
        tracking = autoscaling.CfnScalingPolicy.TargetTrackingScalingPolicyConfigurationProperty(
            target_value=scaling.target_invocations_per_instance,
            predefined_metric_specification=calls,
            # An instance that is on its way helps nobody yet, and is no reason for another one.
            scale_out_cooldown=max(_COOLDOWN_SECONDS, stage.wake_seconds),
            scale_in_cooldown=_COOLDOWN_SECONDS,
        )
        policy = autoscaling.CfnScalingPolicy(
            self,
            "Policy",
            policy_name=f"{stage.endpoint_name}-calls",
            policy_type="TargetTrackingScaling",
            scaling_target_id=target.ref,
            target_tracking_scaling_policy_configuration=tracking,
        )
        target.add_resource_dependency(endpoint)
        for resource in (target, policy):
            resource.cfn_options.condition = endpoint.cfn_options.condition
