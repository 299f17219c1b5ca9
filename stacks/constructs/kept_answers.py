"""The table behind `Idempotency-Key`: answers that the proxy keeps for ten minutes."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.acknowledge import acknowledge


class KeptAnswers(Construct):
    """On demand, so it costs what it is used; encrypted with DynamoDB's own key, which costs nothing."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self._table = dynamodb.Table(
            self,
            "Table",
            partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.DEFAULT,
            # Removes what has expired within days; the proxy looks at the time itself.
            time_to_live_attribute="expires_at",
            removal_policy=RemovalPolicy.DESTROY,
        )
        self.name = self._table.table_name
        acknowledge(self, {"AwsSolutions-DDB3": "Answers live for ten minutes: there is nothing to restore."})

    def grant_keeping(self, grantee: iam.IGrantable) -> None:
        """A claim that fails returns what stands there, so nothing needs to be read."""
        self._table.grant(grantee, "dynamodb:PutItem", "dynamodb:DeleteItem")
