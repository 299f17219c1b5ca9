"""The proxy Lambda."""

from collections.abc import Mapping

from aws_cdk import Arn, ArnComponents, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from stacks.acknowledge import acknowledge, wildcard
from stacks.constructs.kept_answers import KeptAnswers
from stacks.constructs.packaged_function import packaged_function
from stacks.names import Names


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
        finetunes: bool,
        reserved_concurrency: int | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        answers = KeptAnswers(self, "KeptAnswers")
        function = packaged_function(
            self,
            package="proxy",
            statements=self._statements(endpoint_name, names, finetunes),
            memory_mb=1024,  # a cold start is mostly the import of boto3
            # API Gateway has given up by then; the proxy's own deadline lies a margin before it.
            timeout_seconds=timeout_seconds,
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
        answers.grant_keeping(function)
        self.alias = function.add_alias("live")

    def _machines(self, names: Names, finetunes: bool) -> list[str]:
        return [names.finetune_arn] if finetunes else []

    def _answering(self, names: Names, finetunes: bool) -> list[iam.PolicyStatement]:
        """A person's word, to the one state machine that waits for it."""
        answers = ["states:SendTaskSuccess", "states:SendTaskFailure"]
        return [
            iam.PolicyStatement(actions=answers, resources=[machine]) for machine in self._machines(names, finetunes)
        ]

    def _statements(self, endpoint_name: str, names: Names, finetunes: bool) -> list[iam.PolicyStatement]:
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
            iam.PolicyStatement(
                actions=["states:StartExecution"], resources=[names.switch_arn, *self._machines(names, finetunes)]
            ),
            *self._answering(names, finetunes),
            iam.PolicyStatement(actions=["dynamodb:GetItem"], resources=[arn("dynamodb", "table", names.ledger)]),
            iam.PolicyStatement(
                actions=["dynamodb:UpdateItem"],
                resources=[arn("dynamodb", "table", names.ledger)],
                conditions={"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["snooze"]}},
            ),
        ]
