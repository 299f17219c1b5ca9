"""What any role that SageMaker runs a container as may need, each named: an artifact, an image, logs and metrics."""

import re

from aws_cdk import Arn, ArnComponents, ArnFormat, Stack
from aws_cdk import aws_iam as iam

from stacks.acknowledge import acknowledge, wildcard
from stacks.constructs.statements import s3_arn

_ECR_IMAGE = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[\w-]+)\.amazonaws\.com(\.cn)?/(?P<repository>[^:@]+)"
)


def allow_artifact(role: iam.Role, url: str) -> None:
    """Read all objects below one S3 prefix. ListBucket without a condition: HeadBucket sends no prefix."""
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    bucket_arn = s3_arn(role, bucket)
    objects = f"{bucket_arn}/{prefix}*"
    role.add_to_policy(iam.PolicyStatement(actions=["s3:GetObject"], resources=[objects]))
    role.add_to_policy(iam.PolicyStatement(actions=["s3:ListBucket"], resources=[bucket_arn]))
    acknowledge(role, {wildcard(role, objects): "An artifact is all objects below one prefix."})


def allow_image(role: iam.Role, image_uri: str) -> None:
    """Pull one repository's images."""
    image = _ECR_IMAGE.match(image_uri)
    if not image:  # the embedded cloud's placeholder, or what is still to be built: no registry stands behind it
        return
    repository = Arn.format(
        ArnComponents(
            service="ecr",
            resource="repository",
            resource_name=image["repository"],
            account=image["account"],
            region=image["region"],
        ),
        Stack.of(role),
    )
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            resources=[repository],
        )
    )
    role.add_to_policy(iam.PolicyStatement(actions=["ecr:GetAuthorizationToken"], resources=["*"]))


def allow_telemetry(role: iam.Role, log_group_name: str) -> None:
    """Write to one log group, and SageMaker's own metrics."""
    log_group = Arn.format(
        ArnComponents(
            service="logs",
            resource="log-group",
            resource_name=log_group_name,
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        ),
        Stack.of(role),
    )
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
            resources=[log_group, f"{log_group}:*"],
        )
    )
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["cloudwatch:PutMetricData"],
            resources=["*"],
            conditions={"StringLike": {"cloudwatch:namespace": ["AWS/SageMaker", "/aws/sagemaker/*"]}},
        )
    )
    acknowledge(
        role,
        {
            wildcard(role, "*"): "GetAuthorizationToken and PutMetricData have no resource level; a condition names "
            "the metrics' namespaces.",
            wildcard(role, f"{log_group}:*"): "SageMaker names the streams inside the one log group.",
        },
    )
