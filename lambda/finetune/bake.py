"""The bake of the endpoint's update, as far as a run is concerned: it sees it, and rings the alarm that ends it."""

from dataclasses import replace

from common import describe, metrics

from finetune.answer import Answer
from finetune.clients import Kit
from finetune.run import Run

FAILED_METRIC = "SmokeFailed"
"""Whose alarm is one of the endpoint's guardrail (stacks/constructs/guardrail.py)."""

RINGING_SECONDS = 30
"""Twice in each of the alarm's minutes."""

QUIET_SECONDS = 180
"""In which the alarm falls silent, once it is told so: it would take back the next update as well."""


def bakes(run: Run, kit: Kit) -> bool:
    """Whether an update of the endpoint has given a fleet with this run's model the traffic, and the old one stands by.
    The way back is an update that bakes as well.
    """
    endpoint = describe.endpoint(kit.sagemaker, kit.settings.endpoint_name)
    if endpoint is None or not endpoint.baking:
        return False
    stack = describe.stack(kit.cloudformation, kit.settings.endpoint_stack_name)
    return stack is not None and stack.override("ModelDataUrl") == run.artifact


def ring(run: Run, kit: Kit) -> Answer:
    """SageMaker goes back to the old fleet, if it is told so until it does."""
    metrics.put(kit.cloudwatch, kit.settings.stage, {FAILED_METRIC: 1.0}, kit.now)
    return Answer(replace(run, smoke={**run.smoke, "rung_at": kit.now}), "wait", RINGING_SECONDS)


def quiet(run: Run, kit: Kit) -> Answer | None:
    """While the alarm may still ring; None where it does not, or was never rung."""
    if kit.now >= float(run.smoke.get("rung_at", -QUIET_SECONDS)) + QUIET_SECONDS:
        return None
    metrics.put(kit.cloudwatch, kit.settings.stage, {FAILED_METRIC: 0.0}, kit.now)
    return Answer(run, "wait", RINGING_SECONDS)
