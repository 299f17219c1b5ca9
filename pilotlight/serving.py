"""What a deployed endpoint runs on now, as AWS tells."""

from botocore.exceptions import ClientError

from pilotlight.deployment import Deployment


def scales(target: Deployment) -> bool:
    """Whether a scalable target is registered: it comes and goes with the endpoint."""
    kind = "AWS::ApplicationAutoScaling::ScalableTarget"
    return any(resource["ResourceType"] == kind for resource in target.stack_resources("Endpoint"))


def types(target: Deployment) -> tuple[str, ...]:
    """The one instance type that is configured, or those of the pools, first choice first; none without an endpoint."""
    sagemaker = target.client("sagemaker")
    try:
        config = sagemaker.describe_endpoint(EndpointName=target.endpoint_name)["EndpointConfigName"]
    except ClientError as error:
        if "Could not find" not in str(error):
            raise
        return ()
    [variant] = sagemaker.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"]
    pools = sorted(variant.get("InstancePools", []), key=lambda pool: int(pool["Priority"]))
    return tuple(pool["InstanceType"] for pool in pools) or (str(variant["InstanceType"]),)
