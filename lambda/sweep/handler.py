"""The Lambda's entry point: one sweep of the stage."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import boto3
from botocore.config import Config
from common.ledger import Ledger
from common.moment import moment_of

from sweep.decision import orphans, retired
from sweep.gather import CloudFormationClient, SageMakerClient, holdings, pages, tagged
from sweep.notice import findings, is_due, unconfirmed
from sweep.retire import retire, verified_at
from sweep.settings import Settings

_CONFIG = Config(connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 6, "mode": "standard"})


class SnsClient(Protocol):
    """What is used of boto3's `sns` client."""

    def list_subscriptions_by_topic(self, **request: Any) -> Mapping[str, Any]: ...
    def publish(self, **request: Any) -> Any: ...


@dataclass(frozen=True)
class Clients:
    """What the sweep reads from, and tells through."""

    sagemaker: SageMakerClient
    cloudformation: CloudFormationClient
    sns: SnsClient
    ledger: Ledger


def lambda_handler(event: object, _context: object) -> dict[str, Any]:
    """One sweep, at the event's `time` (ISO 8601, UTC); what it found. Raises botocore's errors."""
    settings, clients = _parts()
    return sweep(clients, settings, moment_of(event))


def sweep(clients: Clients, settings: Settings, now: float) -> dict[str, Any]:
    """Look, remove what was replaced, remember what is left for `GET /endpoint`, tell a person where it is due, and log
    it.
    """
    topic = settings.notices_topic_arn
    # The stacks last: one that has begun to move meanwhile is seen to.
    found = tagged(clients.sagemaker, settings.stage, settings.usd_per_hour)
    left = orphans(found, holdings(clients.cloudformation, settings.stage, settings.stack_names))
    gone, refusals = retire(clients.sagemaker, retired(left, verified_at(clients.ledger)))
    left = [resource for resource in left if resource not in gone]
    subscriptions = (
        list(pages(clients.sns.list_subscriptions_by_topic, "Subscriptions", TopicArn=topic)) if settings.notify else []
    )
    silent = unconfirmed(settings.notify, subscriptions)
    said = findings(left, silent, len(settings.notify), settings.stage)
    before = (clients.ledger.get("sweep", "latest") or {}).get("findings")
    if is_due(left, said, before):
        subject = f"Pilotlight {settings.stage}: the daily sweep found something"
        clients.sns.publish(TopicArn=topic, Subject=subject[:99], Message="\n\n".join(said))
    result = {"at": now, "findings": said, "orphans": [resource.to_data() for resource in left]}
    clients.ledger.put("sweep", "latest", result)
    names = [f"{resource.kind} {resource.name}" for resource in gone]
    print(json.dumps({**result, "retired": names, "refusals": refusals, "unconfirmed": silent}))
    return result


@cache
def _parts() -> tuple[Settings, Clients]:
    """The worker's settings and clients, with everything that takes time to make."""
    settings = Settings.from_environment(os.environ)
    session = boto3.Session()
    return settings, Clients(
        sagemaker=session.client("sagemaker", config=_CONFIG),
        cloudformation=session.client("cloudformation", config=_CONFIG),
        sns=session.client("sns", config=_CONFIG),
        ledger=Ledger(session.client("dynamodb", config=_CONFIG), settings.ledger_table),
    )
