"""A Lambda function that nobody waits for: the switch's and the meter's."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from pilotlight.stage import AutoOff

LAMBDA_ROOT = Path(__file__).parents[2] / "lambda"


def limits_environment(limits: AutoOff) -> dict[str, str]:
    """What turns the endpoint off by itself, as every function reads it; empty: that trigger is switched off."""

    def or_empty(value: object) -> str:
        return "" if value is None else str(value)

    return {
        "IDLE_MINUTES": or_empty(limits.idle_minutes),
        "WARNING_MINUTES": str(limits.warning_minutes),
        "LIFETIME_HOURS": or_empty(limits.lifetime_hours),
        "MONTHLY_BUDGET_USD": or_empty(limits.monthly_budget_usd),
    }


class Worker(Construct):
    """A package under lambda/ as a function with a role, a log group and nothing that is shared."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        package: str,
        environment: Mapping[str, str],
        statements: Sequence[iam.PolicyStatement],
        timeout_seconds: int,
    ) -> None:
        super().__init__(scope, construct_id)
        log_group = logs.LogGroup(
            self, "Logs", retention=logs.RetentionDays.ONE_MONTH, removal_policy=RemovalPolicy.DESTROY
        )
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        log_group.grant_write(role)
        self.function = lambda_.Function(
            self,
            "Function",
            runtime=lambda_.Runtime.PYTHON_3_14,
            architecture=lambda_.Architecture.ARM_64,
            code=lambda_.Code.from_asset(str(LAMBDA_ROOT), exclude=["**/__pycache__"]),
            handler=f"{package}.handler.lambda_handler",
            memory_size=256,
            timeout=Duration.seconds(timeout_seconds),
            role=role,
            log_group=log_group,
            environment=dict(environment),
        )
        for statement in statements:
            self.function.add_to_role_policy(statement)
