"""The role that SageMaker takes to start the container: one artifact prefix, one image, its own logs and metrics."""

import re

from aws_cdk import Arn, ArnComponents, ArnFormat, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.acknowledge import acknowledge, wildcard

_ECR_IMAGE = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[\w-]+)\.amazonaws\.com(\.cn)?/(?P<repository>[^:@]+)"
)


class ExecutionRole(Construct):
    """Least privilege for one endpoint, where other templates attach SageMaker's managed full-access policy."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        role_name: str,
        image_uri: str,
        model_data_url: str,
        endpoint_name: str,
    ) -> None:
        super().__init__(scope, construct_id)
        self.role = iam.Role(
            self,
            "Role",
            role_name=role_name,
            assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com"),
            description=f"SageMaker runs the endpoint {endpoint_name} as this role",
        )
        self._allow_artifact(model_data_url)
        self._allow_image(image_uri)
        self._allow_telemetry(endpoint_name)

    def _allow_artifact(self, model_data_url: str) -> None:
        bucket, _, prefix = model_data_url.removeprefix("s3://").partition("/")
        bucket_arn = f"arn:{Stack.of(self).partition}:s3:::{bucket}"
        objects = f"{bucket_arn}/{prefix}*"
        self.role.add_to_policy(iam.PolicyStatement(actions=["s3:GetObject"], resources=[objects]))
        self.role.add_to_policy(
            iam.PolicyStatement(
                actions=["s3:ListBucket"],
                resources=[bucket_arn],
            )
        )
        acknowledge(self, {wildcard(self, objects): "An artifact is all objects below one prefix."})

    def _allow_image(self, image_uri: str) -> None:
        image = _ECR_IMAGE.match(image_uri)
        if not image:  # the embedded cloud's placeholder: no registry stands behind it
            return
        repository = Arn.format(
            ArnComponents(
                service="ecr",
                resource="repository",
                resource_name=image["repository"],
                account=image["account"],
                region=image["region"],
            ),
            Stack.of(self),
        )
        self.role.add_to_policy(
            iam.PolicyStatement(
                actions=[
                    "ecr:BatchCheckLayerAvailability",
                    "ecr:BatchGetImage",
                    "ecr:GetDownloadUrlForLayer",
                ],
                resources=[repository],
            )
        )
        self.role.add_to_policy(iam.PolicyStatement(actions=["ecr:GetAuthorizationToken"], resources=["*"]))

    def _allow_telemetry(self, endpoint_name: str) -> None:
        log_group = Arn.format(
            ArnComponents(
                service="logs",
                resource="log-group",
                resource_name=f"/aws/sagemaker/Endpoints/{endpoint_name}",
                arn_format=ArnFormat.COLON_RESOURCE_NAME,
            ),
            Stack.of(self),
        )
        self.role.add_to_policy(
            iam.PolicyStatement(
                actions=[
                    "logs:CreateLogGroup",
                    "logs:CreateLogStream",
                    "logs:DescribeLogStreams",
                    "logs:PutLogEvents",
                ],
                resources=[log_group, f"{log_group}:*"],
            )
        )
        self.role.add_to_policy(
            iam.PolicyStatement(
                actions=["cloudwatch:PutMetricData"],
                resources=["*"],
                conditions={"StringLike": {"cloudwatch:namespace": ["AWS/SageMaker", "/aws/sagemaker/*"]}},
            )
        )
        acknowledge(
            self,
            {
                wildcard(self, "*"): "GetAuthorizationToken and PutMetricData have no resource level; a condition "
                "names the metrics' namespaces.",
                wildcard(self, f"{log_group}:*"): "SageMaker names the streams inside the endpoint's one log group.",
            },
        )
