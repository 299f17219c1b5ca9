"""Findings of cdk-nag (AwsSolutions) and of CDK's own template rules that stand as they are, each with its reason."""

from collections.abc import Mapping
from typing import Any

from aws_cdk import Acknowledgment, Stack, Validations
from constructs import IConstruct


def acknowledge(construct: IConstruct, reasons: Mapping[str, str]) -> None:
    """`reasons` maps a finding's id, without the pack's name, to why it stands."""
    packs = {"AwsSolutions": "AwsSolutions", "F": "CloudFormation-Validate", "W": "CloudFormation-Validate"}
    for finding, reason in reasons.items():
        pack = next(pack for prefix, pack in packs.items() if finding.startswith(prefix))
        Validations.of(construct).acknowledge(Acknowledgment(id=f"{pack}::{finding}", reason=reason))


def wildcard(construct: IConstruct, arn: str) -> str:
    """The id of the finding that `arn`, named in a policy of `construct`, has a wildcard."""
    resolved = Stack.of(construct).resolve(arn)
    parts = [resolved] if isinstance(resolved, str) else resolved["Fn::Join"][1]
    named = "".join(part if isinstance(part, str) else f"<{_reference(part)}>" for part in parts)
    return f"AwsSolutions-IAM5[Resource::{named}]"


def _reference(part: Mapping[str, Any]) -> str:
    return ".".join(part["Fn::GetAtt"]) if "Fn::GetAtt" in part else str(part["Ref"])
