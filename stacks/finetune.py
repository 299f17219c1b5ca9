"""The fine-tuning stack: one state machine from a dataset to a better endpoint, and the bucket that outlives it."""

from pathlib import Path
from typing import Any

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from constructs import Construct

from pilotlight.stage import Stage
from pilotlight.training_specs import FineTune
from stacks.code_version import code_version
from stacks.constructs.finetune_bucket import FineTuneBucket
from stacks.constructs.finetune_machine import FineTuneMachine
from stacks.constructs.finetune_permissions import FineTunePermissions
from stacks.constructs.training_role import TrainingRole
from stacks.constructs.worker import Worker, limits_environment
from stacks.names import Names

DROPPED = "run.toml"
"""An object of this name in a dataset starts a run."""
DATASETS = "datasets"
_TRAINING = Path(__file__).parents[1] / "training"


class FineTuneStack(Stack):
    """Costs nothing while nothing is trained, but for what lies in the bucket."""

    def __init__(
        self, scope: Construct, construct_id: str, *, stage: Stage, finetune: FineTune, names: Names, **kwargs: Any
    ) -> None:
        super().__init__(scope, construct_id, **kwargs)
        bucket = FineTuneBucket(self, "Data", stage=stage.name, serving_role_arn=names.role_arn("execution")).bucket
        role = TrainingRole(
            self,
            "Training",
            role_name=names.role("training"),
            bucket=bucket,
            images=finetune.images,
            artifacts=finetune.inputs,
        ).role
        if finetune.builds:
            image = ecr_assets.DockerImageAsset(
                self,
                "Image",
                directory=str(_TRAINING),
                platform=ecr_assets.Platform.LINUX_AMD64,  # SageMaker's, whatever this machine is
                exclude=["__pycache__"],
            )
            image.repository.grant_pull(role)
            finetune = finetune.with_image(image.image_uri)
        permissions = FineTunePermissions(
            self,
            names=names,
            stage=stage,
            bucket=bucket,
            training_role=role,
            base_model=finetune.settings.spec.base_model,
            attach_from=finetune.settings.attach_from,
        )
        environment = {
            "STAGE": stage.name,
            "MODEL": stage.model,
            "BUCKET": bucket.bucket_name,
            "LEDGER_TABLE": names.ledger,
            "NOTICES_TOPIC_ARN": names.notices_arn,
            "SWITCH_ARN": names.switch_arn,
            "ENDPOINT_NAME": stage.endpoint_name,
            "ENDPOINT_STACK_NAME": names.stack("Endpoint"),
            "API_STACK_NAME": names.stack("Api"),
            "PACKAGE_GROUP": names.finetune,
            "SERVING_IMAGE": stage.image_uri,
            "TRAINING_ROLE_ARN": names.role_arn("training"),
            "MONTHLY_BUDGET_USD": limits_environment(stage.auto_off)["MONTHLY_BUDGET_USD"],
            "TRAINING": finetune.to_json(),
            "CODE_VERSION": code_version(),
        }
        checker = Worker(
            self,
            "Checker",
            package="finetune",
            timeout_seconds=900,  # a gigabyte of rows
            memory_mb=512,
            statements=permissions.of_the_checker(),
            environment=environment,
        ).function
        stepper = Worker(
            self,
            "Stepper",
            package="finetune",
            timeout_seconds=300,  # a handful of smoke prompts, 29 s each at worst
            statements=permissions.of_the_stepper(),
            environment=environment,
        ).function
        machine = FineTuneMachine(
            self,
            "Machine",
            state_machine_name=names.finetune,
            checker=checker,
            stepper=stepper,
            approval_hours=finetune.settings.approval_hours,
        ).state_machine
        self._start_by_drop(bucket.bucket_name, machine)
        self._mend_what_was_killed(machine)
        CfnOutput(self, "BucketName", value=bucket.bucket_name)
        CfnOutput(self, "FineTuneArn", value=machine.state_machine_arn)

    def _start_by_drop(self, bucket_name: str, machine: Any) -> None:
        events.Rule(
            self,
            "Dropped",
            description=f"A {DROPPED} below {DATASETS}/ starts a run",
            event_pattern=events.EventPattern(
                source=["aws.s3"],
                detail_type=["Object Created"],
                detail={
                    "bucket": {"name": [bucket_name]},
                    "object": {"key": [{"wildcard": f"{DATASETS}/*/{DROPPED}"}]},
                },
            ),
            targets=[
                targets.SfnStateMachine(
                    machine,
                    input=events.RuleTargetInput.from_object(
                        {
                            "dropped": events.EventField.from_path("$.detail.object.key"),
                            "sequencer": events.EventField.from_path("$.detail.object.sequencer"),
                            "by": f"a {DROPPED} in the bucket",
                        }
                    ),
                )
            ],
        )

    def _mend_what_was_killed(self, machine: Any) -> None:
        """An execution that ends by no doing of its own has told nobody, and may have left something running."""
        events.Rule(
            self,
            "Killed",
            description="Puts right what a killed run left",
            event_pattern=events.EventPattern(
                source=["aws.states"],
                detail_type=["Step Functions Execution Status Change"],
                detail={
                    "stateMachineArn": [machine.state_machine_arn],
                    "status": ["ABORTED", "TIMED_OUT", "FAILED"],
                },
            ),
            targets=[
                targets.SfnStateMachine(
                    machine,
                    input=events.RuleTargetInput.from_object({"mend": events.EventField.from_path("$.detail.name")}),
                )
            ],
        )
