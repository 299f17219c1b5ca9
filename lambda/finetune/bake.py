"""The bake of the endpoint's update, as far as a run is concerned: it sees it, and rings the alarm that ends it."""

from common import describe, metrics
from common.facts import StackFacts

from finetune.clients import Kit
from finetune.run import Run

FAILED_METRIC = "SmokeFailed"
"""Whose alarm is one of the endpoint's guardrail (stacks/constructs/guardrail.py)."""

RINGING_SECONDS = 30
"""Twice in each of the alarm's minutes."""


def baking(run: Run, kit: Kit) -> str | None:
    """The config of a fleet with this run's model that has the traffic, while the old one stands by; None where there
    is none. The way back is an update that bakes as well.
    """
    endpoint = describe.endpoint(kit.sagemaker, kit.settings.endpoint_name)
    if endpoint is None or endpoint.baking is None:
        return None
    return endpoint.baking if in_force(endpoint_stack(kit), run.artifact) else None


def endpoint_stack(kit: Kit) -> StackFacts | None:
    """As CloudFormation has it; None where there is none."""
    return describe.stack(kit.cloudformation, kit.settings.endpoint_stack_name)


def in_force(stack: StackFacts | None, artifact: str) -> bool:
    """Whether the stack has the endpoint serve this artifact; empty for as configured."""
    return stack is not None and stack.override("ModelDataUrl") == artifact


def ring(config: str, kit: Kit) -> None:
    """SageMaker goes back from the fleet of this config, if it is told so until it does."""
    dimensions = {"Stage": kit.settings.stage, "EndpointConfigName": config}
    metrics.put(kit.cloudwatch, dimensions, {FAILED_METRIC: 1.0}, kit.now)
