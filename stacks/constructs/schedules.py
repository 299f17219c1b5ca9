"""Times of day at which the switch is started."""

import json
from collections.abc import Sequence

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from pilotlight.stage import Schedule


class Schedules(Construct):
    """EventBridge Scheduler starts the state machine itself, in the schedule's own time zone."""

    def __init__(
        self, scope: Construct, construct_id: str, *, schedules: Sequence[Schedule], switch: sfn.StateMachine
    ) -> None:
        super().__init__(scope, construct_id)
        if not schedules:
            return
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal(
                "scheduler.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
            ),
        )
        switch.grant_start_execution(role)
        for number, schedule in enumerate(schedules, start=1):
            for target, at, days in schedule.starts:
                hour, minute = (int(part) for part in at.split(":"))
                scheduler.CfnSchedule(
                    self,
                    f"{target.title()}{number}",
                    description=f"Turns the endpoint {target} at {at} ({schedule.time_zone}) on {', '.join(days)}",
                    schedule_expression=f"cron({minute} {hour} ? * {','.join(days)} *)",
                    schedule_expression_timezone=schedule.time_zone,
                    flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
                    target=scheduler.CfnSchedule.TargetProperty(
                        arn=switch.state_machine_arn,
                        role_arn=role.role_arn,
                        input=json.dumps({"target": target, "reason": "schedule", "by": f"schedule {number}"}),
                    ),
                )
