"""A Lambda function that nobody waits for: the switch's, the meter's, the sweep's, a run's steps."""

from collections.abc import Mapping, Sequence

from aws_cdk import aws_iam as iam
from constructs import Construct

from pilotlight.stage import AutoOff
from stacks.constructs.packaged_function import packaged_function


def limits_environment(limits: AutoOff) -> dict[str, str]:
    """What turns the endpoint off by itself, as every function reads it; empty: that trigger is switched off.

    Schedules as lambda/common/schedule.py reads them.
    """

    def or_empty(value: object) -> str:
        return "" if value is None else str(value)

    return {
        "IDLE_MINUTES": or_empty(limits.idle_minutes),
        "WARNING_MINUTES": str(limits.warning_minutes),
        "LIFETIME_HOURS": or_empty(limits.lifetime_hours),
        "MONTHLY_BUDGET_USD": or_empty(limits.monthly_budget_usd),
        "SCHEDULES": ";".join(
            f"{target} {at} {','.join(days)} {schedule.time_zone}"
            for schedule in limits.schedules
            for target, at, days in schedule.starts
        ),
    }


class Worker(Construct):
    """Small: it waits for AWS most of its time."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        package: str,
        environment: Mapping[str, str],
        statements: Sequence[iam.PolicyStatement],
        timeout_seconds: int,
        memory_mb: int = 256,
    ) -> None:
        super().__init__(scope, construct_id)
        self.function = packaged_function(
            self,
            package=package,
            environment=environment,
            statements=statements,
            timeout_seconds=timeout_seconds,
            memory_mb=memory_mb,
        )
