"""The Lambda's entry point, and the one place where its parts are put together."""

import os
import random
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

import boto3

from proxy import invoke
from proxy.app import PAGES, Proxy
from proxy.call import Calls
from proxy.cors import cors_headers, origins_of
from proxy.invoke import SageMakerRuntime
from proxy.log import log_prompt
from proxy.serve import Response, serve, with_headers
from proxy.settings import Settings
from proxy.timing import MARGIN_SECONDS
from proxy.trace import DAEMON_VARIABLE, TRACE_VARIABLE, Daemon

if TYPE_CHECKING:
    from proxy.answer_table import AnswerTable
    from proxy.endpoint_routes import EndpointRoutes
    from proxy.finetunes import FineTunes
    from proxy.tasks.shape import Shape

_CORS_ORIGINS = origins_of(os.environ)
_LOG_PROMPTS = os.environ.get("LOG_PROMPTS") == "true"


def lambda_handler(event: object, context: object) -> Response:
    """Answers one request of API Gateway's REST proxy integration; raises nothing."""
    if _LOG_PROMPTS:
        log_prompt(event, context, but=PAGES)  # whose forms hold a token that may still be good
    response = serve(event, context, proxy=_proxy, clock=time, stage=os.environ.get("STAGE", ""))
    return with_headers(response, cors_headers(event, _CORS_ORIGINS))


@cache
def _proxy() -> Proxy:
    """The worker's one proxy, with everything that takes time to make and that `POST /generate` needs."""
    settings = Settings.from_environment(os.environ)
    seams = _Seams(settings)
    return Proxy(
        settings,
        calls=Calls(
            settings,
            runtime=seams.runtime(),
            send_trace=Daemon(os.environ.get(DAEMON_VARIABLE)),
            trace_header=lambda: os.environ.get(TRACE_VARIABLE),
            clock=time,
            random=random.random,
        ),
        endpoint=seams.endpoint,
        answers=seams.answers,
        tasks=seams.tasks,
        finetunes=seams.finetunes,
    )


class _Seams:
    """What the proxy touches, over AWS. All but the runtime is imported by the first request that needs it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = boto3.Session().client

    def runtime(self) -> SageMakerRuntime:
        runtime = SageMakerRuntime(
            self._settings.endpoint_name,
            lambda seconds: self._client("sagemaker-runtime", config=invoke.client_config(seconds)),
        )
        runtime.prepare(int(self._settings.integration_timeout_seconds - MARGIN_SECONDS) - 1)  # a warm call's
        return runtime

    def endpoint(self) -> "EndpointRoutes":
        from common.ledger import Ledger

        from proxy.control_plane import CLIENT_CONFIG, ControlPlane
        from proxy.endpoint_routes import EndpointRoutes
        from proxy.switch import Switch

        settings = self._settings
        return EndpointRoutes(
            settings,
            control_plane=ControlPlane(
                lambda: self._client("sagemaker", config=CLIENT_CONFIG),
                lambda: self._client("cloudformation", config=CLIENT_CONFIG),
                endpoint_name=settings.endpoint_name,
                stack_name=settings.endpoint_stack_name,
            ),
            switch=Switch(
                lambda: self._client("stepfunctions", config=CLIENT_CONFIG),
                lambda: Ledger(self._client("dynamodb", config=CLIENT_CONFIG), settings.ledger_table),
                arn=settings.switch_arn,
            ),
        )

    def answers(self) -> "AnswerTable":
        from proxy.answer_table import CLIENT_CONFIG, AnswerTable

        return AnswerTable(lambda: self._client("dynamodb", config=CLIENT_CONFIG), self._settings.idempotency_table)

    def finetunes(self) -> "FineTunes":
        from common.ledger import Ledger

        from proxy.control_plane import CLIENT_CONFIG
        from proxy.finetunes import FineTunes

        return FineTunes(
            lambda: self._client("stepfunctions", config=CLIENT_CONFIG),
            lambda: Ledger(self._client("dynamodb", config=CLIENT_CONFIG), self._settings.ledger_table),
            arn=self._settings.finetune_arn,
            kind=self._settings.finetune_program,
            further=self._settings.finetune_hyperparameters,
            has_console="AWS_ENDPOINT_URL" not in os.environ,  # nobody's console shows the embedded cloud
        )

    def tasks(self) -> "Mapping[str, Shape]":
        from proxy.tasks.file import shipped_tasks

        return shipped_tasks()


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    with suppress(Exception):  # the first request answers it with 500 and logs it
        _proxy()  # during init, when the worker has a full CPU and nobody waits
