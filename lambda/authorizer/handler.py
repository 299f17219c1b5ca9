"""The Lambda's entry point, and the one place where its parts are put together."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from authorizer.admin_key import AdminKey, ApiGatewayClient
from authorizer.credentials import Event
from authorizer.decision import answer, decide, route_of


@dataclass(frozen=True)
class Settings:
    """What the API stack tells the Lambda. `key_header` and `open_routes` as `decide` takes them."""

    key_header: str
    open_routes: frozenset[str]
    admin_key_id: str

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Settings":
        """Raises KeyError where a variable is missing, ValueError where one is malformed."""
        return cls(
            key_header=environ["KEY_HEADER"],
            open_routes=frozenset(json.loads(environ["OPEN_ROUTES"])),
            admin_key_id=environ["ADMIN_KEY_ID"],
        )


def lambda_handler(event: Event, _context: object) -> dict[str, object]:
    """Answers one event of a REQUEST authorizer. What is raised lets nobody in: API Gateway answers 503."""
    return authorize(event, *_worker())


def authorize(event: Event, settings: Settings, admin_key: Callable[[], str]) -> dict[str, object]:
    """The answer, and the one line of JSON that it leaves in the log; no key is ever in it."""
    decision = decide(event, key_header=settings.key_header, open_routes=settings.open_routes, admin_key=admin_key)
    about = event.get("requestContext")
    line = {
        "request_id": about.get("requestId") if isinstance(about, Mapping) else None,  # as in the proxy's own line
        "route": route_of(event),
        "allowed": decision.refusal is None,
        "refusal": decision.refusal,
    }
    print(json.dumps(line))
    return answer(decision, str(event["methodArn"]))


@cache
def _worker() -> tuple[Settings, AdminKey]:
    """What one worker needs for all of its events."""
    settings = Settings.from_environment(os.environ)
    return settings, AdminKey(settings.admin_key_id, _api_gateway)


def _api_gateway() -> ApiGatewayClient:
    # Most of a cold start, and only routes that change something need it.
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    config = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2, "mode": "standard"})
    client: ApiGatewayClient = boto3.client("apigateway", config=config)
    return client
