"""What the steps of a run may do: one stage's jobs, one bucket, one group of models, one switch."""

from collections.abc import Sequence

from aws_cdk import Arn, ArnComponents, ArnFormat, Aws, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3

from pilotlight.deployment import job_prefix
from pilotlight.stage import Stage
from stacks.acknowledge import acknowledge, wildcard
from stacks.constructs.statements import allow, allow_own_metrics, s3_arn
from stacks.names import Names

_TOKENIZER_FILES = ("tokenizer_config.json", "chat_template.jinja")
"""Of a base model, read to see whether it has a chat template; other files of a model are not the steps' to read."""


class FineTunePermissions:
    """Statements for the functions of `stack`, each with actions and ARNs by name."""

    def __init__(
        self,
        stack: Stack,
        *,
        names: Names,
        stage: Stage,
        bucket: s3.IBucket,
        training_role: iam.IRole,
        base_model: str,
        attach_from: Sequence[str],
    ) -> None:
        def arn(service: str, resource: str, name: str, separator: ArnFormat = ArnFormat.SLASH_RESOURCE_NAME) -> str:
            components = ArnComponents(service=service, resource=resource, resource_name=name, arn_format=separator)
            return Arn.format(components, stack)

        self._stack = stack
        self._names = names
        self._stage = stage.name
        self._bucket = bucket.bucket_arn
        self._objects = bucket.arn_for_objects("*")
        self._base_model = base_model
        self._attach_from = attach_from
        self._training_role = training_role.role_arn
        self._jobs = arn("sagemaker", "training-job", f"{job_prefix(stage.name)}*")
        self._any_job = arn("sagemaker", "training-job", "*")
        self._group = arn("sagemaker", "model-package-group", names.finetune)
        self._packages = arn("sagemaker", "model-package", f"{names.finetune}/*")
        self._endpoint = arn("sagemaker", "endpoint", stage.endpoint_name)
        self._stacks = [arn("cloudformation", "stack", f"{names.stack(role)}/*") for role in ("Endpoint", "Api")]
        self._executions = [
            arn("states", "execution", f"{name}:*", ArnFormat.COLON_RESOURCE_NAME)
            for name in (names.switch, names.finetune)
        ]
        self._keys = f"arn:{Aws.PARTITION}:apigateway:{names.region}::/apikeys/*"
        self._completions = arn("execute-api", "*", f"{stage.name}/POST/v1/completions")
        self._table = arn("dynamodb", "table", names.ledger)
        generated = "What CloudFormation names ends with an id that is not known before it exists."
        acknowledge(
            stack,
            {
                wildcard(stack, "*"): "Metrics have no resource level; a condition names the namespace of what is put.",
                wildcard(stack, self._objects): "Datasets, reports and models of the stage's own bucket, to be read.",
                wildcard(stack, self._jobs): "Jobs of this stage, by their names' beginning.",
                wildcard(stack, self._any_job): "A job that was started elsewhere can be attached: it is only read.",
                wildcard(stack, self._packages): "Versions of the stage's one group.",
                wildcard(stack, self._keys): f"The smoke test calls as any caller does. {generated}",
                wildcard(stack, self._completions): f"One route, of the API of this name. {generated}",
                **{wildcard(stack, name): generated for name in self._stacks},
                **{wildcard(stack, name): "Executions of one state machine." for name in self._executions},
            },
        )

    def of_the_checker(self) -> list[iam.PolicyStatement]:
        return self._of_both()

    def of_the_stepper(self) -> list[iam.PolicyStatement]:
        tagged = {"StringEquals": {"aws:RequestTag/pilotlight:stage": self._stage}}
        return [
            *self._of_both(),
            allow(["sagemaker:CreateTrainingJob", "sagemaker:AddTags"], self._jobs, conditions=tagged),
            allow(["sagemaker:StopTrainingJob"], self._jobs),
            allow(["sagemaker:DescribeTrainingJob"], self._any_job),
            *(self._list_below(prefix) for prefix in (self._base_model, *self._attach_from)),
            allow(["s3:GetObject"], *(f"{s3_arn(self._stack, self._base_model)}{name}" for name in _TOKENIZER_FILES)),
            allow(
                ["iam:PassRole"],
                self._training_role,
                conditions={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
            ),
            allow(["sagemaker:DescribeModelPackageGroup"], self._group),
            allow(["sagemaker:CreateModelPackageGroup", "sagemaker:AddTags"], self._group, conditions=tagged),
            allow(["sagemaker:CreateModelPackage"], self._group, self._packages),
            allow(["sagemaker:UpdateModelPackage"], self._packages),
            allow(["sagemaker:DescribeEndpoint"], self._endpoint),
            allow(["cloudformation:DescribeStacks"], *self._stacks),
            allow(["states:StartExecution"], self._names.switch_arn),
            allow(["states:DescribeExecution"], *self._executions),
            allow(["cloudwatch:GetMetricStatistics"], "*"),
            allow_own_metrics(),
            allow(["apigateway:GET"], self._keys),
            allow(["execute-api:Invoke"], self._completions),
            allow(["sns:Publish"], self._names.notices_arn),
        ]

    def _list_below(self, url: str) -> iam.PolicyStatement:
        """Whether an attached job's model is there, and how large, or a file of the base model."""
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        below = {"StringLike": {"s3:prefix": f"{prefix}*"}}
        return allow(["s3:ListBucket"], s3_arn(self._stack, bucket), conditions=below)

    def _of_both(self) -> list[iam.PolicyStatement]:
        return [
            allow(["s3:GetObject"], self._objects),
            allow(["s3:ListBucket"], self._bucket),
            allow(["dynamodb:GetItem", "dynamodb:UpdateItem"], self._table),
        ]
