"""The Lambda's entry point, and the one place where its parts are put together."""

import os
import random
import time
from contextlib import suppress
from functools import cache

import boto3
from common.ledger import Ledger

from proxy import answer_table, control_plane, invoke
from proxy.answer_table import AnswerTable
from proxy.app import Proxy
from proxy.control_plane import ControlPlane
from proxy.cors import cors_headers, origins_of
from proxy.invoke import SageMakerRuntime
from proxy.log import log_prompt
from proxy.serve import Response, serve, with_headers
from proxy.settings import Settings
from proxy.switch import Switch
from proxy.timing import MARGIN_SECONDS

_CORS_ORIGINS = origins_of(os.environ)
_LOG_PROMPTS = os.environ.get("LOG_PROMPTS") == "true"


def lambda_handler(event: object, context: object) -> Response:
    """Answers one request of API Gateway's REST proxy integration; raises nothing."""
    if _LOG_PROMPTS:
        log_prompt(event, context)
    response = serve(event, context, proxy=_proxy, clock=time, stage=os.environ.get("STAGE", ""))
    return with_headers(response, cors_headers(event, _CORS_ORIGINS))


@cache
def _proxy() -> Proxy:
    """The worker's one proxy, with everything that takes time to make."""
    settings = Settings.from_environment(os.environ)
    session = boto3.Session()
    runtime = SageMakerRuntime(
        settings.endpoint_name,
        lambda seconds: session.client("sagemaker-runtime", config=invoke.client_config(seconds)),
    )
    runtime.prepare(int(settings.integration_timeout_seconds - MARGIN_SECONDS) - 1)  # what a warm call has left
    return Proxy(
        settings,
        runtime=runtime,
        control_plane=ControlPlane(
            lambda: session.client("sagemaker", config=control_plane.CLIENT_CONFIG),
            lambda: session.client("cloudformation", config=control_plane.CLIENT_CONFIG),
            endpoint_name=settings.endpoint_name,
            stack_name=settings.endpoint_stack_name,
        ),
        switch=Switch(
            lambda: session.client("stepfunctions", config=control_plane.CLIENT_CONFIG),
            lambda: Ledger(session.client("dynamodb", config=control_plane.CLIENT_CONFIG), settings.ledger_table),
            arn=settings.switch_arn,
        ),
        answers=AnswerTable(
            lambda: session.client("dynamodb", config=answer_table.CLIENT_CONFIG), settings.idempotency_table
        ),
        clock=time,
        random=random.random,
    )


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    with suppress(Exception):  # the first request answers it with 500 and logs it
        _proxy()  # during init, when the worker has a full CPU and nobody waits
