"""The role that SageMaker takes to start the container: one artifact prefix, one image, its own logs and metrics."""

from aws_cdk import aws_iam as iam
from constructs import Construct

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
        allow_artifact(self.role, model_data_url)
        allow_image(self.role, image_uri)
        allow_telemetry(self.role, f"/aws/sagemaker/Endpoints/{endpoint_name}")
