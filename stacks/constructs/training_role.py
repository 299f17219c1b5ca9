"""The role that SageMaker takes to train and to evaluate."""

from collections.abc import Sequence

from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.acknowledge import acknowledge, wildcard
from stacks.constructs.finetune_bucket import CHECKPOINTS, DATASETS, MODELS
from stacks.constructs.sagemaker_role import allow_artifact, allow_image, allow_telemetry


class TrainingRole(Construct):
    """Reads the base model and datasets, writes models: in the stage's own bucket, and nowhere else."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        role_name: str,
        bucket: s3.IBucket,
        images: Sequence[str],
        artifacts: Sequence[str],
    ) -> None:
        super().__init__(scope, construct_id)
        self.role = iam.Role(
            self,
            "Role",
            role_name=role_name,
            assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com"),
            description="SageMaker trains and evaluates as this role",
        )
        read = [bucket.arn_for_objects(f"{prefix}*") for prefix in (DATASETS, MODELS, CHECKPOINTS)]
        written = [bucket.arn_for_objects(f"{prefix}*") for prefix in (MODELS, CHECKPOINTS)]
        self.role.add_to_policy(iam.PolicyStatement(actions=["s3:GetObject"], resources=read))
        self.role.add_to_policy(
            iam.PolicyStatement(actions=["s3:PutObject", "s3:AbortMultipartUpload"], resources=written)
        )
        self.role.add_to_policy(iam.PolicyStatement(actions=["s3:ListBucket"], resources=[bucket.bucket_arn]))
        for artifact in artifacts:
            allow_artifact(self.role, artifact)
        for image in images:
            allow_image(self.role, image)
        allow_telemetry(self.role, "/aws/sagemaker/TrainingJobs")
        acknowledge(
            self,
            {
                wildcard(self, arn): "All objects below one prefix of the stage's own bucket."
                for arn in {*read, *written}
            },
        )
