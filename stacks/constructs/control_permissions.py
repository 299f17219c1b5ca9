"""What the switch, the meter and the sweep may do: a stage's stacks, one endpoint, one table, one topic."""

from aws_cdk import Arn, ArnComponents, ArnFormat, Stack
from aws_cdk import aws_iam as iam

from pilotlight.config import Stage
from stacks.acknowledge import acknowledge, wildcard
from stacks.constructs.statements import allow, allow_own_metrics
from stacks.names import Names

# The whole of the endpoint stack: an update by the switch may touch nothing else.
ENDPOINT_STACK_TYPES = (
    "AWS::SageMaker::Model",
    "AWS::SageMaker::EndpointConfig",
    "AWS::SageMaker::Endpoint",
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::Scheduler::Schedule",
    "AWS::CloudWatch::Alarm",
    "AWS::CDK::Metadata",
)

_TAGGED = ("endpoint", "endpoint-config", "model", "training-job")
"""The kinds that the sweep looks for."""


class ControlPermissions:
    """Statements for the roles of `stack`, each with actions and ARNs by name."""

    def __init__(self, stack: Stack, *, names: Names, stage: Stage, topic_arn: str) -> None:
        def arn(service: str, resource: str, name: str, separator: ArnFormat = ArnFormat.SLASH_RESOURCE_NAME) -> str:
            components = ArnComponents(service=service, resource=resource, resource_name=name, arn_format=separator)
            return Arn.format(components, stack)

        self._stage = stage.name
        self._stacks = [arn("cloudformation", "stack", f"{name}/*") for name in names.stacks]
        self._tagged = [arn("sagemaker", kind, "*") for kind in _TAGGED]
        self._topic = topic_arn
        # A stack's ARN ends with an id that is not known before it exists.
        self._stack = arn("cloudformation", "stack", f"{names.stack('Endpoint')}/*")
        self._api_stack = arn("cloudformation", "stack", f"{names.stack('Api')}/*")
        self._endpoint = arn("sagemaker", "endpoint", stage.endpoint_name)
        self._configs = arn("sagemaker", "endpoint-config", "*")
        self._table = arn("dynamodb", "table", names.ledger)
        self._switch = names.switch_arn
        self._mends = [names.finetune_arn] if stage.finetune else []
        self._executions = arn("states", "execution", f"{names.switch}:*", ArnFormat.COLON_RESOURCE_NAME)
        self._jobs = arn("sagemaker", "training-job", f"pilotlight-{stage.name}-*")
        self._machines = arn("states", "execution", f"pilotlight-{stage.name}-*:*", ArnFormat.COLON_RESOURCE_NAME)
        acknowledge(
            stack,
            {
                wildcard(stack, self._jobs): "A run names its jobs; the condition on the tag narrows it to this stage.",
                wildcard(stack, self._machines): "Executions of the stage's state machines; they are looked at only.",
                wildcard(stack, self._api_stack): "As for the endpoint's stack.",
                wildcard(stack, self._stack): "A stack's ARN ends with an id that is not known before it exists.",
                wildcard(stack, self._configs): "The condition on the tag pilotlight:stage narrows it to this stage.",
                wildcard(stack, "*"): "Metrics, and listing in SageMaker, have no resource level.",
                wildcard(stack, self._executions): "Executions of the one state machine.",
                **{wildcard(stack, name): "As for the endpoint's stack." for name in self._stacks},
                **{wildcard(stack, name): "Tags are read; the rest needs the stage's." for name in self._tagged},
            },
        )

    def of_the_switch(self) -> list[iam.PolicyStatement]:
        return [
            *self._looking(),
            allow(
                ["cloudformation:UpdateStack"],
                self._stack,
                # Null, as a request that lists no types would pass the other condition.
                conditions={
                    "ForAllValues:StringEquals": {"cloudformation:ResourceTypes": list(ENDPOINT_STACK_TYPES)},
                    "Null": {"cloudformation:ResourceTypes": "false"},
                },
            ),
            allow(
                [
                    "cloudformation:CancelUpdateStack",
                    "cloudformation:ContinueUpdateRollback",
                    "cloudformation:DescribeStackEvents",
                    "cloudformation:DescribeStackResources",
                ],
                self._stack,
            ),
            allow(["sagemaker:DeleteEndpoint"], self._endpoint),
            allow(["states:DescribeExecution"], self._executions),
            allow(["states:StartExecution"], self._switch),
            allow(["sns:Publish"], self._topic),
        ]

    def of_the_meter(self) -> list[iam.PolicyStatement]:
        return [
            *self._looking(),
            allow(["states:StartExecution"], self._switch, *self._mends),
            allow(["sagemaker:ListTrainingJobs"], "*"),
            allow(["sagemaker:ListTags"], self._jobs),
            allow(
                ["sagemaker:DescribeTrainingJob", "sagemaker:StopTrainingJob"],
                self._jobs,
                conditions={"StringEquals": {"aws:ResourceTag/pilotlight:stage": self._stage}},
            ),
            allow(["states:DescribeExecution"], self._machines),
            allow(["sns:Publish"], self._topic),
            allow_own_metrics(),
        ]

    def of_the_warning(self) -> list[iam.PolicyStatement]:
        """It reads where the API is, and keeps the key that signs the links."""
        return [
            allow(["cloudformation:DescribeStacks"], self._api_stack),
            allow(
                ["dynamodb:GetItem", "dynamodb:UpdateItem"],
                self._table,
                conditions={"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["secret"]}},
            ),
            allow(["sns:Publish"], self._topic),
        ]

    def of_the_sweep(self) -> list[iam.PolicyStatement]:
        return [
            # Lists have no resource level.
            allow(
                [f"sagemaker:List{kind}" for kind in ("Endpoints", "EndpointConfigs", "Models", "TrainingJobs")], "*"
            ),
            allow(["sagemaker:ListTags"], *self._tagged),
            allow(
                ["sagemaker:DescribeEndpoint", "sagemaker:DescribeEndpointConfig", "sagemaker:DescribeTrainingJob"],
                *self._tagged,
                conditions={"StringEquals": {"aws:ResourceTag/pilotlight:stage": self._stage}},
            ),
            # What was replaced, and what replaced it serves.
            allow(
                ["sagemaker:DeleteEndpointConfig", "sagemaker:DeleteModel"],
                *self._tagged[1:3],
                conditions={"StringEquals": {"aws:ResourceTag/pilotlight:stage": self._stage}},
            ),
            allow(["cloudformation:DescribeStacks", "cloudformation:ListStackResources"], *self._stacks),
            allow(["dynamodb:GetItem", "dynamodb:UpdateItem"], self._table),
            allow(["sns:Publish", "sns:ListSubscriptionsByTopic"], self._topic),
        ]

    def _looking(self) -> list[iam.PolicyStatement]:
        return [
            allow(["cloudformation:DescribeStacks"], self._stack),
            allow(["sagemaker:DescribeEndpoint"], self._endpoint),
            allow(
                ["sagemaker:DescribeEndpointConfig"],
                self._configs,
                conditions={"StringEquals": {"aws:ResourceTag/pilotlight:stage": self._stage}},
            ),
            # Reading metrics has no resource level.
            allow(["cloudwatch:GetMetricStatistics"], "*"),
            allow(["dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:Query"], self._table),
        ]
