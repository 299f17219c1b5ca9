"""The role that SageMaker takes to start the container: the artifacts that it may serve, one image, its own logs and
metrics, and a look at the alarms that watch an update.
"""

from collections.abc import Sequence

from aws_cdk import Arn, ArnComponents, ArnFormat, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.acknowledge import acknowledge, wildcard
from stacks.constructs.sagemaker_role import allow_artifact, allow_image, allow_telemetry


class ExecutionRole(Construct):
    """Least privilege for one endpoint, where other templates attach SageMaker's managed full-access policy."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        role_name: str,
        image_uri: str,
        artifacts: Sequence[str],
        endpoint_name: str,
        bakes: bool,
    ) -> None:
        super().__init__(scope, construct_id)
        self.role = iam.Role(
            self,
            "Role",
            role_name=role_name,
            assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com"),
            description=f"SageMaker runs the endpoint {endpoint_name} as this role",
        )
        for artifact in artifacts:
            allow_artifact(self.role, artifact)
        allow_image(self.role, image_uri)
        allow_telemetry(self.role, f"/aws/sagemaker/Endpoints/{endpoint_name}")
        if bakes:
            self._allow_looking_at_alarms(endpoint_name)

    def _allow_looking_at_alarms(self, endpoint_name: str) -> None:
        components = ArnComponents(
            service="cloudwatch",
            resource="alarm",
            resource_name=f"{endpoint_name}-*",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        alarms = Arn.format(components, Stack.of(self))
        self.role.add_to_policy(iam.PolicyStatement(actions=["cloudwatch:DescribeAlarms"], resources=[alarms]))
        acknowledge(self.role, {wildcard(self.role, alarms): "The alarms of one endpoint (constructs/guardrail.py)."})
