"""The Lambda's entry point: one step of a run of fine-tuning."""

import json
import os
import secrets
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import datetime
from functools import cache, partial
from typing import Any

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import NoCredentialsError
from common.ledger import Ledger

from finetune.clients import Kit
from finetune.settings import Settings
from finetune.steps import take

_CONFIG = Config(connect_timeout=2, read_timeout=20, retries={"total_max_attempts": 3, "mode": "standard"})
_POST_SECONDS = 35
"""A little more than the 29 s after which API Gateway gives up."""


def lambda_handler(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """Takes {"step", "state", "execution", "now"}; answers {"id", "next", "wait_seconds", "message", …}."""
    now = datetime.fromisoformat(event["now"]).timestamp()
    # The SDK's own way of being pointed elsewhere; the REST API, which no SDK calls, is then there as well.
    answer = take(event, _kit(now), endpoint_url=os.environ.get("AWS_ENDPOINT_URL"))
    print(json.dumps({"step": event["step"], "execution": event["execution"], **answer}))
    return answer


def _kit(now: float) -> Kit:
    return Kit(**_parts(), now=now)


@cache
def _parts() -> dict[str, Any]:
    """The worker's settings and clients, with everything that takes time to make."""
    settings = Settings.from_environment(os.environ)
    session = boto3.Session()
    services = ("s3", "sagemaker", "cloudformation", "stepfunctions", "apigateway", "cloudwatch", "sns")
    return {
        **{service: session.client(service, config=_CONFIG) for service in services},  # type: ignore[call-overload]
        "ledger": Ledger(session.client("dynamodb", config=_CONFIG), settings.ledger_table),
        "post": _post,
        "sign": partial(_sign, session),
        "random_text": secrets.token_urlsafe,
        "settings": settings,
    }


def _post(url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
    request = urllib.request.Request(url, body, dict(headers), method="POST")  # noqa: S310  the URL is the API's own
    try:
        with urllib.request.urlopen(request, timeout=_POST_SECONDS) as response:  # noqa: S310
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def _sign(session: boto3.Session, url: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
    """As this function's role."""
    signed, credentials = AWSRequest("POST", url, dict(headers), body), session.get_credentials()
    if credentials is None:
        raise NoCredentialsError
    SigV4Auth(credentials, "execute-api", session.region_name).add_auth(signed)
    return dict(signed.headers)
