"""The hard stop: a one-time schedule inside the endpoint stack that deletes the endpoint, whatever else is broken."""

import json

from aws_cdk import Aws, CfnCondition
from aws_cdk import aws_scheduler as scheduler
from constructs import Construct


class HardStop(Construct):
    """EventBridge Scheduler itself calls `sagemaker:DeleteEndpoint`: no Lambda, no metric, no alarm has to work for it.

    It exists while the endpoint does, and is created before it. A refusal is repeated by Scheduler for a day.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        at: str,
        role_arn: str,
        condition: CfnCondition,
    ) -> None:
        super().__init__(scope, construct_id)
        self.schedule = scheduler.CfnSchedule(
            self,
            "Schedule",
            description=f"Deletes the endpoint {endpoint_name}, should it still be there",
            # Without a zone of its own, a one-time schedule is in UTC, as TurnOffAt is.
            schedule_expression=f"at({at})",
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
            target=scheduler.CfnSchedule.TargetProperty(
                arn=f"arn:{Aws.PARTITION}:scheduler:::aws-sdk:sagemaker:deleteEndpoint",
                role_arn=role_arn,
                input=json.dumps({"EndpointName": endpoint_name}),
            ),
        )
        self.schedule.cfn_options.condition = condition
