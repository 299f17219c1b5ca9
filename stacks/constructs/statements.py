"""Statements of policies, in one line each."""

from collections.abc import Mapping

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import IConstruct

from stacks.names import METRICS_NAMESPACE


def allow(
    actions: list[str], *resources: str, conditions: Mapping[str, Mapping[str, object]] | None = None
) -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=actions, resources=list(resources), conditions=conditions)


def s3_arn(scope: IConstruct, place: str) -> str:
    """Of a bucket, or of an object in one: BUCKET/KEY, also as s3://BUCKET/KEY."""
    return f"arn:{Stack.of(scope).partition}:s3:::{place.removeprefix('s3://')}"


def allow_own_metrics() -> iam.PolicyStatement:
    """PutMetricData has no resource level; the condition names the namespace."""
    return allow(
        ["cloudwatch:PutMetricData"], "*", conditions={"StringEquals": {"cloudwatch:namespace": METRICS_NAMESPACE}}
    )
