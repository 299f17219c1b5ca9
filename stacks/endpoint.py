"""The endpoint stack: everything that costs money by the hour, behind one condition, and nothing that needs a
capability.
"""

from typing import Any

from aws_cdk import CfnOutput, DefaultStackSynthesizer, Stack, Tags
from constructs import Construct

from pilotlight.config import Stage
from stacks.constructs.model_endpoint import ModelEndpoint
from stacks.constructs.switch_parameters import SwitchParameters


class EndpointStack(Stack):
    """Model, endpoint config and, while `EndpointState` is `on`, the endpoint."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, role_arn: str, **kwargs: Any) -> None:
        # Without the bootstrap-version rule an UpdateStack reads no SSM parameter, so the switch needs no permission
        # for one.
        synthesizer = DefaultStackSynthesizer(generate_bootstrap_version_rule=False)
        super().__init__(scope, construct_id, synthesizer=synthesizer, **kwargs)
        parameters = SwitchParameters(self, "Switch", fingerprint=stage.fingerprint)
        ModelEndpoint(self, "Endpoint", stage=stage, role_arn=role_arn, parameters=parameters)
        Tags.of(self).add("pilotlight:model", stage.model)
        Tags.of(self).add("pilotlight:contract", stage.contract)
        CfnOutput(self, "EndpointName", value=stage.endpoint_name)
