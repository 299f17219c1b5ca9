"""The role of the hard stop: EventBridge Scheduler starts one switch, and deletes one endpoint."""

from aws_cdk import Arn, ArnComponents, Aws, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct


class HardStopRole(Construct):
    """May do these two things, for schedules of this account."""

    def __init__(
        self, scope: Construct, construct_id: str, *, role_name: str, endpoint_name: str, switch_arn: str
    ) -> None:
        super().__init__(scope, construct_id)
        role = iam.Role(
            self,
            "Role",
            role_name=role_name,
            assumed_by=iam.ServicePrincipal(
                "scheduler.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
            ),
            description=f"EventBridge Scheduler turns off or deletes the endpoint {endpoint_name} as this role",
        )
        endpoint = ArnComponents(service="sagemaker", resource="endpoint", resource_name=endpoint_name)
        role.add_to_policy(
            iam.PolicyStatement(actions=["sagemaker:DeleteEndpoint"], resources=[Arn.format(endpoint, Stack.of(self))])
        )
        role.add_to_policy(iam.PolicyStatement(actions=["states:StartExecution"], resources=[switch_arn]))
