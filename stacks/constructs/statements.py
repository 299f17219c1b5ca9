"""Statements of policies, in one line each."""

from collections.abc import Mapping

from aws_cdk import aws_iam as iam


def allow(
    actions: list[str], *resources: str, conditions: Mapping[str, Mapping[str, object]] | None = None
) -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=actions, resources=list(resources), conditions=conditions)
