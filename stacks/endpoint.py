"""The endpoint stack: everything that costs money by the hour, behind one condition, and nothing that needs a
capability.
"""

from typing import Any

from aws_cdk import CfnOutput, DefaultStackSynthesizer, Stack, Tags
from constructs import Construct

from pilotlight.config import Stage
from stacks.constructs.guardrail import Guardrail
from stacks.constructs.hard_stop import HardStop
from stacks.constructs.instance_scaling import InstanceScaling
from stacks.constructs.model_endpoint import ModelEndpoint
from stacks.constructs.switch_parameters import SwitchParameters
from stacks.names import Names


class EndpointStack(Stack):
    """Model, endpoint config and, while `EndpointState` is `on`, the endpoint."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, names: Names, **kwargs: Any) -> None:
        # Without the bootstrap-version rule an UpdateStack reads no SSM parameter, so the switch needs no permission
        # for one.
        synthesizer = DefaultStackSynthesizer(generate_bootstrap_version_rule=False)
        super().__init__(scope, construct_id, synthesizer=synthesizer, **kwargs)
        parameters = SwitchParameters(
            self, "Switch", fingerprint=stage.fingerprint, instance_pools=stage.instance_pools
        )
        endpoint = ModelEndpoint(
            self, "Endpoint", stage=stage, role_arn=names.role_arn("execution"), parameters=parameters
        ).endpoint
        if stage.scaling:
            InstanceScaling(self, "Scaling", stage=stage, scaling=stage.scaling, endpoint=endpoint)
        if stage.bake_seconds:
            Guardrail(self, "Guardrail", stage=stage, endpoint=endpoint)
        hard_stop = HardStop(
            self,
            "HardStop",
            endpoint_name=stage.endpoint_name,
            turn_off_at=parameters.turn_off_at,
            delete_at=parameters.delete_at,
            switch_arn=names.switch_arn,
            role_arn=names.role_arn("hard-stop"),
            condition=parameters.is_on,
        )
        for schedule in hard_stop.schedules:
            endpoint.add_resource_dependency(schedule)  # what ends it is there before it is
        Tags.of(self).add("pilotlight:model", stage.model)
        Tags.of(self).add("pilotlight:contract", stage.contract)
        CfnOutput(self, "EndpointName", value=stage.endpoint_name)
        CfnOutput(self, "Fingerprint", value=stage.fingerprint)
