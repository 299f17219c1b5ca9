"""The proxy Lambda."""

from collections.abc import Mapping
from pathlib import Path

from aws_cdk import Arn, ArnComponents, Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks.acknowledge import acknowledge, wildcard
from stacks.constructs.kept_answers import KeptAnswers
from stacks.names import Names

LAMBDA_ROOT = Path(__file__).parents[2] / "lambda"


class ProxyFunction(Construct):
    """May invoke one endpoint, read what GET /endpoint tells about it, start the switch, write a snooze, and keep
    answers in a table of its own.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        names: Names,
        environment: Mapping[str, str],
        timeout_seconds: int,
        reserved_concurrency: int | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        log_group = logs.LogGroup(
            self, "Logs", retention=logs.RetentionDays.ONE_MONTH, removal_policy=RemovalPolicy.DESTROY
        )
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        log_group.grant_write(role)
        answers = KeptAnswers(self, "KeptAnswers")
        function = lambda_.Function(
            self,
            "Function",
            runtime=lambda_.Runtime.PYTHON_3_14,
            architecture=lambda_.Architecture.ARM_64,
            code=lambda_.Code.from_asset(str(LAMBDA_ROOT), exclude=["**/__pycache__"]),
            handler="proxy.handler.lambda_handler",
            # CPU comes in proportion to memory, and a cold start is mostly the import of boto3.
            memory_size=1024,
            # API Gateway has given up by then; the proxy's own deadline lies a margin before it.
            timeout=Duration.seconds(timeout_seconds),
            role=role,
            log_group=log_group,
            tracing=lambda_.Tracing.ACTIVE,
            reserved_concurrent_executions=reserved_concurrency,
            environment={
                "ENDPOINT_NAME": endpoint_name,
                "ENDPOINT_STACK_NAME": names.stack("Endpoint"),
                "LEDGER_TABLE": names.ledger,
                "SWITCH_ARN": names.switch_arn,
                "IDEMPOTENCY_TABLE": answers.name,
                "STAGE": names.stage,
                **environment,
            },
        )
        for statement in self._statements(endpoint_name, names):
            function.add_to_role_policy(statement)
        answers.grant_keeping(function)
        self.alias = function.add_alias("live")

    def _statements(self, endpoint_name: str, names: Names) -> list[iam.PolicyStatement]:
        def arn(service: str, resource: str, name: str) -> str:
            return Arn.format(ArnComponents(service=service, resource=resource, resource_name=name), Stack.of(self))

        # CloudFormation generates the config's name, so the stage's tag stands in for it.
        configs = arn("sagemaker", "endpoint-config", "*")
        stack = arn("cloudformation", "stack", f"{names.stack('Endpoint')}/*")
        acknowledge(
            self,
            {
                wildcard(self, "*"): "X-Ray's write actions have no resource level.",
                wildcard(self, configs): "The condition on the tag pilotlight:stage narrows it to this stage.",
                wildcard(self, stack): "A stack's ARN ends with an id that is not known before it exists.",
            },
        )
        return [
            iam.PolicyStatement(
                actions=["sagemaker:InvokeEndpoint", "sagemaker:DescribeEndpoint"],
                resources=[arn("sagemaker", "endpoint", endpoint_name)],
            ),
            iam.PolicyStatement(
                actions=["sagemaker:DescribeEndpointConfig"],
                resources=[configs],
                conditions={"StringEquals": {"aws:ResourceTag/pilotlight:stage": names.stage}},
            ),
            iam.PolicyStatement(actions=["cloudformation:DescribeStacks"], resources=[stack]),
            iam.PolicyStatement(actions=["states:StartExecution"], resources=[names.switch_arn]),
            iam.PolicyStatement(actions=["dynamodb:GetItem"], resources=[arn("dynamodb", "table", names.ledger)]),
            iam.PolicyStatement(
                actions=["dynamodb:UpdateItem"],
                resources=[arn("dynamodb", "table", names.ledger)],
                conditions={"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["snooze"]}},
            ),
        ]
