"""The Lambda's entry point: one step of the switch."""

import json
import os
from collections.abc import Mapping
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from common.ledger import Ledger

from switch.clients import Clients
from switch.settings import Settings
from switch.step import Switch

_CONFIG = Config(connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 3, "mode": "standard"})


def lambda_handler(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """Takes {"request", "execution", "now", "memory"}, and "failure" in the last step of one that broke off."""
    answer = _switch().step(event)
    line = {name: answer[name] for name in ("next", "wait_seconds", "message")}
    outcome = answer["result"] and answer["result"]["outcome"]
    print(json.dumps({"execution": event["execution"], "outcome": outcome, **line}))
    return answer


@cache
def _switch() -> Switch:
    """The worker's one switch, with everything that takes time to make."""
    settings = Settings.from_environment(os.environ)
    session = boto3.Session()
    return Switch(
        Clients(
            cloudformation=session.client("cloudformation", config=_CONFIG),
            sagemaker=session.client("sagemaker", config=_CONFIG),
            cloudwatch=session.client("cloudwatch", config=_CONFIG),
            stepfunctions=session.client("stepfunctions", config=_CONFIG),
            sns=session.client("sns", config=_CONFIG),
            ledger=Ledger(session.client("dynamodb", config=_CONFIG), settings.ledger_table),
        ),
        settings,
    )
