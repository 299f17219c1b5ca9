"""What watches an endpoint's update: the new fleet has the traffic, the old one stands by, and alarms decide."""

from collections.abc import Iterator

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from pilotlight.stage import Stage
from stacks.constructs.model_endpoint import VARIANT_NAME
from stacks.names import METRICS_NAMESPACE

_MINUTE = Duration.minutes(1)
_FAILING_SHARE = 0.1
"""Of the calls: one that fails among many is everyday life."""


class Guardrail(Construct):
    """Alarms that exist as long as the endpoint does, and the deployment config that names them: one that rings while
    an update bakes makes SageMaker go back to the old fleet.

    Each watches the fleet of the config that the stack holds: what the old fleet did, good or bad, must not decide,
    least of all on the way back from a fleet that fails. They say nothing without data. A small endpoint has few calls,
    so the fine-tuning's smoke test asks through the API meanwhile, and rings the third alarm itself
    (lambda/finetune/trial.py).
    """

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, endpoint: sagemaker.CfnEndpoint) -> None:
        super().__init__(scope, construct_id)
        self._stage = stage
        self._endpoint = endpoint
        self._new_fleet = {"EndpointConfigName": endpoint.endpoint_config_name}
        config = sagemaker.CfnEndpoint
        endpoint.deployment_config = config.DeploymentConfigProperty(
            blue_green_update_policy=config.BlueGreenUpdatePolicyProperty(
                traffic_routing_configuration=config.TrafficRoutingConfigProperty(
                    type="ALL_AT_ONCE", wait_interval_in_seconds=stage.bake_seconds
                )
            ),
            auto_rollback_configuration=config.AutoRollbackConfigProperty(
                alarms=[config.AlarmProperty(alarm_name=alarm.ref) for alarm in self._alarms()]
            ),
        )

    def _alarms(self) -> Iterator[cloudwatch.CfnAlarm]:
        failing = f"The model fails more than {_FAILING_SHARE:.0%} of its calls."
        yield self._alarm("errors", self._of_sagemaker("Invocation5XXErrors"), _FAILING_SHARE, failing)
        seconds = self._stage.api.integration_timeout_seconds
        slow = f"The model takes more than the {seconds} seconds that the API can wait."
        # The metric is in microseconds.
        yield self._alarm("latency", self._of_sagemaker("ModelLatency"), seconds * 1_000_000, slow)
        if self._stage.finetune:
            failed = cloudwatch.Metric(
                namespace=METRICS_NAMESPACE,
                metric_name="SmokeFailed",
                dimensions_map={"Stage": self._stage.name, **self._new_fleet},
                period=_MINUTE,
                statistic="Maximum",
            )
            yield self._alarm("smoke", failed, 0, "A promoted model failed its smoke test.", minutes=1)

    def _of_sagemaker(self, name: str) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace="AWS/SageMaker",
            metric_name=name,
            dimensions_map={
                "EndpointName": self._stage.endpoint_name,
                "VariantName": VARIANT_NAME,
                **self._new_fleet,
            },
            period=_MINUTE,
            statistic="Average",
        )

    def _alarm(
        self, role: str, metric: cloudwatch.Metric, more_than: float, says: str, *, minutes: int = 3
    ) -> cloudwatch.CfnAlarm:
        """Named, as SageMaker's role may look at these only. Of three minutes two must be bad."""
        alarm = metric.create_alarm(
            self,
            role.capitalize(),
            alarm_name=f"{self._stage.endpoint_name}-{role}",
            alarm_description=f"{says} While an update bakes, SageMaker then goes back.",
            threshold=more_than,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            evaluation_periods=minutes,
            datapoints_to_alarm=min(minutes, 2),
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        ).node.default_child
        assert isinstance(alarm, cloudwatch.CfnAlarm)  # noqa: S101  what create_alarm makes
        alarm.cfn_options.condition = self._endpoint.cfn_options.condition
        return alarm
