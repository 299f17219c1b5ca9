"""Where a command aims, and how it calls the REST API there."""

import os
from typing import Any

import boto3
import requests

from pilotlight import config_file
from pilotlight.cli.terminal import Refused
from pilotlight.config import Stage, load
from pilotlight.deployment import Deployment
from pilotlight.local.cloud import CONFIG, Cloud

API_TIMEOUT_SECONDS = 35
"""A little more than the 29 s after which API Gateway gives up."""


def deployment(stage: str | None, aws: bool, region: str | None) -> Deployment:
    """Where a command aims: the embedded cloud while it runs, AWS otherwise."""
    cloud = Cloud()
    running = None if aws else cloud.state()
    if running is None:
        if not aws and cloud.folder.exists():  # who believes to be on the embedded cloud must not light AWS
            raise Refused(
                "The embedded cloud of this folder does not run: it was killed, or is still starting. Start it again "
                "with `pilot local up`, forget it with `pilot local down`, or add --aws to aim at AWS."
            )
        return on_aws(stage or os.environ.get("PILOTLIGHT_STAGE"), region)
    if stage not in (None, running.stage):
        raise Refused(
            f"The embedded cloud runs stage {running.stage!r}, not {stage!r}. For AWS add --aws; "
            f"for the embedded cloud run `pilot local down`, then `pilot local up --stage {stage}`."
        )
    return running.deployment


def on_aws(stage: str | None, region: str | None) -> Deployment:
    """A stage on AWS, in `region`, else in its own, else in the environment's.

    With both given, pilotlight.toml is not read: `pilot off` must work while it is broken.
    """
    if diverted := next((name for name in os.environ if name.startswith("AWS_ENDPOINT_URL")), None):
        raise Refused(
            f"{diverted} is {os.environ[diverted]!r}, so this shell does not aim at AWS, although no embedded cloud "
            f"runs here or --aws was given. Run `unset {diverted}`, or open a new shell."
        )
    if stage is None or region is None:
        file = config_file.read(CONFIG)
        stage = stage or file.default_stage
        own = file.stages[stage].region if stage in file.stages else None
        region = region or own or boto3.Session().region_name
    if region is None:
        raise Refused(
            f"No Region is known for stage {stage!r}: add --region, write `region` into its table in pilotlight.toml, "
            "or set AWS_DEFAULT_REGION."
        )
    return Deployment(stage, region)


def configured(target: Deployment) -> Stage:
    """The stage as pilotlight.toml has it. Raises ConfigError."""
    return load(CONFIG, target.stage, target="local" if target.aws_endpoint_url else "aws", region=target.region)


def call(target: Deployment, method: str, path: str, body: dict[str, Any] | None = None, *, admin: bool = False) -> Any:
    """One call of the REST API: the parsed answer, or Refused with the API's own error sentence.

    Routes that change something take an admin.
    """
    response = requests.request(
        method,
        target.api_url + path,
        json=body,
        auth=target.admin_auth if admin else target.auth,
        timeout=API_TIMEOUT_SECONDS,
    )
    if not response.ok:
        try:
            error = response.json()["error"]
        except (ValueError, KeyError, TypeError):
            raise Refused(f"The API answered {response.status_code}: {response.text[:500]}") from None
        raise Refused(f"{response.status_code} {error['type']}: {error['message']}")
    return response.json()
