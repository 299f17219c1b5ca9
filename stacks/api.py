"""The API stack: the proxy in front of the endpoint, and the REST API in front of the proxy."""

import json
from dataclasses import asdict
from typing import Any

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from pilotlight.config import ApiLimits, Stage
from stacks.constructs.observability import Observability
from stacks.constructs.proxy_function import ProxyFunction
from stacks.constructs.text_api import TextApi
from stacks.constructs.worker import limits_environment
from stacks.names import Names
from stacks.routes import routes_of


class ApiStack(Stack):
    """Stays up while the endpoint is off, and then says how to wake it."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, names: Names, **kwargs: Any) -> None:
        super().__init__(scope, construct_id, **kwargs)
        fine_tunes = stage.finetune is not None
        proxy = ProxyFunction(
            self,
            "Proxy",
            endpoint_name=stage.endpoint_name,
            names=names,
            environment={
                **limits_environment(stage.auto_off),
                "WAKE_ON_CALL": json.dumps(stage.wake_on_call),
                "MODEL": stage.model,
                **_finetune(stage, names),
                "MODEL_ALIASES": json.dumps(stage.api.model_aliases),
                "CONTRACT": stage.contract,
                "CHAT_TEMPLATE": stage.chat_template.model_dump_json() if stage.chat_template else "",
                "WAKE_SECONDS": str(stage.wake_seconds),
                "USD_PER_HOUR": json.dumps({kind: float(usd) for kind, usd in stage.usd_per_hour.items()}),
                **({"WINDOW": json.dumps(asdict(stage.window))} if stage.window else {}),
                "ALWAYS_ON_USD_PER_HOUR": json.dumps(
                    None if stage.always_on_usd_per_hour is None else float(stage.always_on_usd_per_hour)
                ),
                "INTEGRATION_TIMEOUT_SECONDS": str(stage.api.integration_timeout_seconds),
                **_overload(stage.api),
                "CORS_ORIGINS": json.dumps(stage.api.cors_origins),
                "LOG_PROMPTS": json.dumps(stage.api.log_prompts),
            },
            timeout_seconds=stage.api.integration_timeout_seconds,
            finetunes=fine_tunes,
            reserved_concurrency=stage.api.reserved_concurrency,
        )
        api = TextApi(
            self,
            "Api",
            proxy=proxy.alias,
            limits=stage.api,
            stage_name=stage.name,
            routes=routes_of(fine_tunes=fine_tunes),
        )
        Observability(
            self,
            "Observability",
            stage_name=stage.name,
            proxy=proxy.alias,
            integration_timeout_seconds=stage.api.integration_timeout_seconds,
            notices_topic_arn=names.notices_arn,
            dashboard=stage.dashboard,
        )
        CfnOutput(self, "ApiUrl", value=api.rest_api.url)
        CfnOutput(self, "ApiAuth", value=stage.api.auth)
        if api.key and api.admin_key:
            CfnOutput(self, "ApiKeyId", value=api.key.key_id)
            CfnOutput(self, "AdminKeyId", value=api.admin_key.key_id)


def _finetune(stage: Stage, names: Names) -> dict[str, str]:
    if stage.finetune is None:
        return {}
    program = stage.finetune.settings.spec.program
    further = {} if program.kind == "script" else program.profile.further
    return {
        "FINETUNE_ARN": names.finetune_arn,
        "FINETUNE_PROGRAM": program.kind,
        **({"FINETUNE_HYPERPARAMETERS": json.dumps(further)} if further else {}),
    }


def _overload(limits: ApiLimits) -> dict[str, str]:
    seconds = limits.overload_latency_seconds
    return {} if seconds is None else {"OVERLOAD_LATENCY_SECONDS": str(seconds)}
