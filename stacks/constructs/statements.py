"""Statements of policies, in one line each."""

from collections.abc import Mapping

from aws_cdk import aws_iam as iam

from stacks.names import METRICS_NAMESPACE


def allow(
    actions: list[str], *resources: str, conditions: Mapping[str, Mapping[str, object]] | None = None
) -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=actions, resources=list(resources), conditions=conditions)


def allow_own_metrics() -> iam.PolicyStatement:
    """PutMetricData has no resource level; the condition names the namespace."""
    return allow(
        ["cloudwatch:PutMetricData"], "*", conditions={"StringEquals": {"cloudwatch:namespace": METRICS_NAMESPACE}}
    )
