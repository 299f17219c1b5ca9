"""The Lambda's entry point: one mail, with a link to the page that snoozes."""

import json
import os
import secrets
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import boto3
from botocore.config import Config
from common.describe import CloudFormationClient
from common.ledger import Ledger
from common.mail_link import RandomText, mail_link
from common.moment import moment_of

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


def warn(clients: Clients, settings: Settings, now: float, *, random_text: RandomText) -> None:
    """Tell a person."""
    link = mail_link(
        "snooze",
        settings.endpoint_name,
        now + settings.warning_minutes * 60 + _GRACE_SECONDS,
        cloudformation=clients.cloudformation,
        api_stack_name=settings.api_stack_name,
        ledger=clients.ledger,
        random_text=random_text,
    )
    clients.sns.publish(
        TopicArn=settings.notices_topic_arn,
        Subject=mail.subject(settings),
        Message=mail.body(settings, link),
    )
    print(json.dumps({"warned": True, "with_link": link.url is not None, "problem": link.problem}))


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
