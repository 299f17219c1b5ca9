"""Where datasets, checkpoints and tuned models lie: what is kept when everything else goes."""

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from pilotlight.deployment import job_prefix
from stacks.acknowledge import acknowledge

MODELS, CHECKPOINTS, DATASETS = "models/", "checkpoints/", "datasets/"


def reports(stage: str) -> str:
    """What evaluations have left beside the models, by their jobs' names (lambda/finetune/jobs.py). IAM's * goes over
    slashes: without these a model's own folder `report/` would be taken for one.
    """
    return f"{MODELS}*/report/{job_prefix(stage)}*"


class FineTuneBucket(Construct):
    """Its name is generated, so that a stage that is destroyed, which leaves the bucket, can be deployed again."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: str, serving_role_arn: str) -> None:
        super().__init__(scope, construct_id)
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            removal_policy=RemovalPolicy.RETAIN,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            lifecycle_rules=[
                s3.LifecycleRule(prefix=CHECKPOINTS, expiration=Duration.days(7)),
                s3.LifecycleRule(abort_incomplete_multipart_upload_after=Duration.days(1)),
            ],
        )
        # Not the construct's own switch: that brings a function of CDK's which may change any bucket's notifications.
        made = self.bucket.node.default_child
        assert isinstance(made, s3.CfnBucket)  # noqa: S101  what an L2 bucket is made of
        made.add_property_override("NotificationConfiguration.EventBridgeConfiguration.EventBridgeEnabled", True)
        # The endpoint runs as a role of the foundation, which is there before this bucket has a name.
        endpoint = iam.ArnPrincipal(serving_role_arn)
        self.bucket.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[endpoint], actions=["s3:GetObject"], resources=[self.bucket.arn_for_objects(f"{MODELS}*")]
            )
        )
        # A report has rows of the dataset, which whatever program serves the model has no use for.
        self.bucket.add_to_resource_policy(
            iam.PolicyStatement(
                effect=iam.Effect.DENY,
                principals=[endpoint],
                actions=["s3:GetObject"],
                resources=[self.bucket.arn_for_objects(reports(stage))],
            )
        )
        self.bucket.add_to_resource_policy(
            iam.PolicyStatement(principals=[endpoint], actions=["s3:ListBucket"], resources=[self.bucket.bucket_arn])
        )
        acknowledge(self, {"AwsSolutions-S1": "Access logs would cost more than what is kept here."})
