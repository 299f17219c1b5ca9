"""The Lambda's entry point: one mail, with a link to the page that snoozes."""

import json
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from common import describe
from common.describe import CloudFormationClient
from common.ledger import Ledger
from common.moment import moment_of
from common.snooze_token import SnoozeToken, signed

from warning import mail
from warning.settings import Settings

_CONFIG = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 3, "mode": "standard"})
# After the warning's minutes it is off within a quarter of an hour, and there is nothing left to snooze.
_GRACE_SECONDS = 15 * 60


class SnsClient(Protocol):
    """What is used of boto3's `sns` client."""

    def publish(self, **request: Any) -> Any: ...


@dataclass(frozen=True)
class Clients:
    """What the warning reads from, and tells through."""

    cloudformation: CloudFormationClient
    sns: SnsClient
    ledger: Ledger


def lambda_handler(event: object, _context: object) -> None:
    """Warns, at the event's `time` (ISO 8601, UTC). Raises botocore's error where nobody could be told."""
    settings, clients = _parts()
    warn(clients, settings, moment_of(event), random_text=secrets.token_urlsafe)


def warn(clients: Clients, settings: Settings, now: float, *, random_text: Callable[[int], str]) -> None:
    """Tell a person; a mail without its link is better than none. `random_text` takes a number of bytes."""
    expires_at = now + settings.warning_minutes * 60 + _GRACE_SECONDS
    try:
        link = _link(clients, settings, expires_at, random_text)
        problem = None
    except (ClientError, BotoCoreError) as error:
        link, problem = None, str(error)
    clients.sns.publish(
        TopicArn=settings.notices_topic_arn,
        Subject=mail.subject(settings),
        Message=mail.body(settings, link, expires_at),
    )
    print(json.dumps({"warned": True, "with_link": link is not None, "problem": problem}))


def _link(clients: Clients, settings: Settings, expires_at: float, random_text: Callable[[int], str]) -> str | None:
    stack = describe.stack(clients.cloudformation, settings.api_stack_name)
    url = stack.outputs.get("ApiUrl") if stack else None
    if not url:
        return None
    key = clients.ledger.key_for("snooze", lambda: random_text(32))
    token = signed(SnoozeToken(settings.endpoint_name, expires_at, random_text(12)), key)
    return f"{url.rstrip('/')}/snooze?token={token}"


@cache
def _parts() -> tuple[Settings, Clients]:
    """The worker's settings and clients, with everything that takes time to make."""
    settings = Settings.from_environment(os.environ)
    session = boto3.Session()
    return settings, Clients(
        cloudformation=session.client("cloudformation", config=_CONFIG),
        sns=session.client("sns", config=_CONFIG),
        ledger=Ledger(session.client("dynamodb", config=_CONFIG), settings.ledger_table),
    )
