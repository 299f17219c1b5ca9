"""Removes what was replaced by something that serves: models and configs, which CloudFormation is told to leave."""

from collections.abc import Iterable

from botocore.exceptions import ClientError
from common.ledger import Ledger

from sweep.decision import Kind, Resource
from sweep.gather import SageMakerClient


def verified_at(ledger: Ledger) -> float | None:
    """When the switch last saw the endpoint serve as its stack wants it; None while a switch is at work, as that may
    still go back.
    """
    lease = ledger.get("switch", "lease")
    if lease is not None and lease.get("finished_at") is None:
        return None
    verified = ledger.get("switch", "verified")
    return float(verified["at"]) if verified else None


def retire(client: SageMakerClient, resources: Iterable[Resource]) -> tuple[list[Resource], dict[str, str]]:
    """Delete them in this order: those that are gone now, and by name why another is not. One that is still there, and
    what it uses, is tried again by the next sweep.
    """
    gone, refusals = [], {}
    for resource in resources:
        try:
            if resource.kind is Kind.CONFIG:
                client.delete_endpoint_config(EndpointConfigName=resource.name)
            else:
                client.delete_model(ModelName=resource.name)
        except ClientError as error:
            if "ould not find" not in str(error):
                refusals[resource.name] = str(error)
                continue
        gone.append(resource)
    return gone, refusals
