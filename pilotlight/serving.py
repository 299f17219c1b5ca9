"""What a deployed endpoint runs on now, as AWS tells."""

from common import describe
from common.facts import instance_types

from pilotlight.deployment import Deployment


def scales(target: Deployment) -> bool:
    """Whether a scalable target is registered: it comes and goes with the endpoint."""
    kind = "AWS::ApplicationAutoScaling::ScalableTarget"
    return any(resource["ResourceType"] == kind for resource in target.stack_resources("Endpoint"))


def types(target: Deployment) -> tuple[str, ...]:
    """The one instance type that is configured, or those of the pools, first choice first; none without an endpoint."""
    client = target.client("sagemaker")
    endpoint = describe.endpoint(client, target.endpoint_name)
    return instance_types(endpoint, describe.variant(client, endpoint.config_name) if endpoint else None)
