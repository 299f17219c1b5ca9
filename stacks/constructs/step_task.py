"""A state that is one call of one function, as the switch and the runs of fine-tuning are made of them."""

from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

A_MINUTE, HALF_AN_HOUR = 5, 35
"""So many repetitions take about so long: the pauses double from 5 s to 2 minutes, of which the jitter leaves half."""


def step_task(
    scope: Construct,
    name: str,
    *,
    function: lambda_.IFunction,
    payload: Mapping[str, object],
    comment: str,
    repetitions: int = A_MINUTE,
) -> tasks.LambdaInvoke:
    """Repeated whatever goes wrong: a step looks before it acts, so that is harmless."""
    task = tasks.LambdaInvoke(
        scope,
        name,
        comment=comment or None,
        lambda_function=function,
        payload_response_only=True,
        retry_on_service_exceptions=False,
        payload=sfn.TaskInput.from_object(dict(payload)),
    )
    repeat(task, errors="States.ALL", repetitions=repetitions)
    return task


def repeat(task: sfn.TaskStateBase, *, errors: str, repetitions: int) -> None:
    task.add_retry(
        errors=[errors],
        interval=Duration.seconds(5),
        backoff_rate=2,
        max_attempts=repetitions,
        max_delay=Duration.minutes(2),
        jitter_strategy=sfn.JitterType.FULL,
    )
