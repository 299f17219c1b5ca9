"""The foundation: roles. They stand apart so that an update of the endpoint stack needs no capabilities."""

from typing import Any

from aws_cdk import Stack
from constructs import Construct

from pilotlight.config import Stage
from stacks.constructs.execution_role import ExecutionRole


class FoundationStack(Stack):
    """What must be there before an endpoint is."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, role_name: str, **kwargs: Any) -> None:
        super().__init__(scope, construct_id, **kwargs)
        ExecutionRole(
            self,
            "Execution",
            role_name=role_name,
            image_uri=stage.image_uri,
            model_data_url=stage.model_data_url,
            endpoint_name=stage.endpoint_name,
        )
