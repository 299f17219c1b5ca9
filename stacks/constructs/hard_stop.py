"""The hard stop: two one-time schedules inside the endpoint stack that end the endpoint, whatever else is broken."""

import json

from aws_cdk import Aws, CfnCondition
from aws_cdk import aws_scheduler as scheduler
from constructs import Construct


class HardStop(Construct):
    """The first starts the switch. The second, later, deletes the endpoint itself: EventBridge Scheduler calls
    `sagemaker:DeleteEndpoint`, and no Lambda, no metric, no alarm and no state machine has to work for it.

    They exist while the endpoint does, and are created before it. A refusal is repeated by Scheduler for a day.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        turn_off_at: str,
        delete_at: str,
        switch_arn: str,
        role_arn: str,
        condition: CfnCondition,
    ) -> None:
        super().__init__(scope, construct_id)

        def schedule(name: str, says: str, at: str, target: str, request: dict[str, str]) -> scheduler.CfnSchedule:
            made = scheduler.CfnSchedule(
                self,
                name,
                description=says,
                # Without a zone of its own, a one-time schedule is in UTC, as the parameters are.
                schedule_expression=f"at({at})",
                flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
                target=scheduler.CfnSchedule.TargetProperty(arn=target, role_arn=role_arn, input=json.dumps(request)),
            )
            made.cfn_options.condition = condition
            return made

        self.schedules = (
            schedule(
                "Switch",
                f"Starts the switch, should {endpoint_name} still be on",
                turn_off_at,
                switch_arn,
                {"target": "off", "reason": "hard_stop", "by": "the first hard stop"},
            ),
            schedule(
                "Delete",
                f"Deletes the endpoint {endpoint_name}, should it still be there",
                delete_at,
                f"arn:{Aws.PARTITION}:scheduler:::aws-sdk:sagemaker:deleteEndpoint",
                {"EndpointName": endpoint_name},
            ),
        )
