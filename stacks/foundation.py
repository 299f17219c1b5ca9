"""The foundation: roles. They stand apart so that an update of the endpoint stack needs no capabilities."""

from typing import Any

from aws_cdk import Stack
from constructs import Construct

from pilotlight.config import Stage
from stacks.constructs.execution_role import ExecutionRole
from stacks.constructs.hard_stop_role import HardStopRole
from stacks.names import Names


class FoundationStack(Stack):
    """What must be there before an endpoint is."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, names: Names, **kwargs: Any) -> None:
        super().__init__(scope, construct_id, **kwargs)
        ExecutionRole(
            self,
            "Execution",
            role_name=names.role("execution"),
            image_uri=stage.image_uri,
            artifacts=[
                *([stage.model_data_url] if stage.model_data_url else []),
                *(stage.finetune.settings.attach_from if stage.finetune else ()),
            ],
            endpoint_name=stage.endpoint_name,
            bakes=stage.bake_seconds > 0,
        )
        HardStopRole(
            self,
            "HardStop",
            role_name=names.role("hard-stop"),
            endpoint_name=stage.endpoint_name,
            switch_arn=names.switch_arn,
        )
