"""A package under lambda/ as a function: one runtime, one asset, and a role and a log group that nobody shares."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

LAMBDA_ROOT = Path(__file__).parents[2] / "lambda"


def packaged_function(
    scope: Construct,
    *,
    package: str,
    environment: Mapping[str, str],
    statements: Iterable[iam.PolicyStatement],
    timeout_seconds: int,
    memory_mb: int,
    **more: Any,
) -> lambda_.Function:
    """The function, its role and its logs in `scope`; `more` are properties of `lambda_.Function`.

    CPU comes in proportion to memory.
    """
    log_group = logs.LogGroup(
        scope, "Logs", retention=logs.RetentionDays.ONE_MONTH, removal_policy=RemovalPolicy.DESTROY
    )
    role = iam.Role(scope, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    log_group.grant_write(role)
    function = lambda_.Function(
        scope,
        "Function",
        runtime=lambda_.Runtime.PYTHON_3_14,
        architecture=lambda_.Architecture.ARM_64,
        code=lambda_.Code.from_asset(str(LAMBDA_ROOT), exclude=["**/__pycache__"]),
        handler=f"{package}.handler.lambda_handler",
        memory_size=memory_mb,
        timeout=Duration.seconds(timeout_seconds),
        role=role,
        log_group=log_group,
        environment=dict(environment),
        **more,
    )
    for statement in statements:
        function.add_to_role_policy(statement)
    return function
