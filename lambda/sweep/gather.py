"""How AWS is asked what carries the tag, and what the stacks hold."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from botocore.exceptions import ClientError
from common import describe
from common.describe import unless_absent
from common.facts import VariantFacts, endpoint_price, hourly_price

from sweep.decision import Holding, Key, Kind, Resource

TAG = "pilotlight:stage"
_TYPES = {
    "AWS::SageMaker::Endpoint": Kind.ENDPOINT,
    "AWS::SageMaker::EndpointConfig": Kind.CONFIG,
    "AWS::SageMaker::Model": Kind.MODEL,
}
_HALFWAY = "UPDATE_ROLLBACK_FAILED"  # continuing the rollback comes back to what the stack no longer lists
# Until it has all ended, a job's instances are billed.
_RUNNING_JOBS = ("InProgress", "Stopping")


class SageMakerClient(describe.SageMakerClient, Protocol):
    """What is used of boto3's `sagemaker` client."""

    def describe_training_job(self, **request: Any) -> Mapping[str, Any]: ...
    def list_endpoints(self, **request: Any) -> Mapping[str, Any]: ...
    def list_endpoint_configs(self, **request: Any) -> Mapping[str, Any]: ...
    def list_models(self, **request: Any) -> Mapping[str, Any]: ...
    def list_training_jobs(self, **request: Any) -> Mapping[str, Any]: ...
    def list_tags(self, **request: Any) -> Mapping[str, Any]: ...
    def delete_endpoint_config(self, **request: Any) -> Any: ...
    def delete_model(self, **request: Any) -> Any: ...


class CloudFormationClient(describe.CloudFormationClient, Protocol):
    """What is used of boto3's `cloudformation` client."""

    def list_stack_resources(self, **request: Any) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class _Listed:
    kind: Kind
    name: str
    arn: str
    created: float


def pages(call: Callable[..., Mapping[str, Any]], member: str, **request: Any) -> Iterator[Mapping[str, Any]]:
    """Every item of a paginated answer."""
    answer = call(**request)
    yield from answer.get(member, [])
    while token := answer.get("NextToken"):
        answer = call(**request, NextToken=token)
        yield from answer.get(member, [])


def holdings(client: CloudFormationClient, stage: str, stack_names: Iterable[str]) -> list[Holding]:
    """One for each of these stacks that exists."""
    found = []
    for name in stack_names:
        stack = describe.stack(client, name)
        if stack is not None:
            resources = pages(client.list_stack_resources, "StackResourceSummaries", StackName=name)
            keys = frozenset(key for resource in resources if (key := _key(resource)) is not None)
            found.append(Holding(stage, stack.in_progress or stack.status == _HALFWAY, keys))
    return found


def tagged(client: SageMakerClient, stage: str | None, usd_per_hour: Mapping[str, float]) -> list[Resource]:
    """What carries the tag, of one stage or of all. `usd_per_hour` is by instance type, for one instance."""
    found = []
    for listed in _listed(client):
        of_stage = _stage_of(client, listed.arn)
        if of_stage is not None and stage in (None, of_stage):
            found.append(_resource(client, listed, of_stage, usd_per_hour))
    return [resource for resource in found if resource is not None]


def _stage_of(client: SageMakerClient, arn: str) -> str | None:
    """The tag's value; None for what does not carry it, or has gone meanwhile."""
    tags = unless_absent(lambda: {"Tags": list(pages(client.list_tags, "Tags", ResourceArn=arn))}) or {"Tags": []}
    return next((str(tag["Value"]) for tag in tags["Tags"] if tag["Key"] == TAG), None)


def _key(resource: Mapping[str, Any]) -> Key | None:
    """A physical id is an ARN or a name; there is none before the resource is."""
    kind, physical = _TYPES.get(resource["ResourceType"]), resource.get("PhysicalResourceId")
    gone = resource.get("ResourceStatus") == "DELETE_COMPLETE"
    return None if kind is None or not physical or gone else (kind, physical.rpartition("/")[2].lower())


def _listed(client: SageMakerClient) -> Iterator[_Listed]:
    plain = (
        (Kind.ENDPOINT, client.list_endpoints, "Endpoints", "Endpoint"),
        (Kind.CONFIG, client.list_endpoint_configs, "EndpointConfigs", "EndpointConfig"),
        (Kind.MODEL, client.list_models, "Models", "Model"),
    )
    for kind, call, member, prefix in plain:
        for item in pages(call, member):
            yield _Listed(kind, item[f"{prefix}Name"], item[f"{prefix}Arn"], item["CreationTime"].timestamp())
    for status in _RUNNING_JOBS:
        for item in pages(client.list_training_jobs, "TrainingJobSummaries", StatusEquals=status):
            created = item["CreationTime"].timestamp()
            yield _Listed(Kind.TRAINING_JOB, item["TrainingJobName"], item["TrainingJobArn"], created)


def _resource(
    client: SageMakerClient, listed: _Listed, stage: str, usd_per_hour: Mapping[str, float]
) -> Resource | None:
    """None for what has gone meanwhile."""
    match listed.kind:
        case Kind.ENDPOINT:
            return _endpoint(client, listed, stage, usd_per_hour)
        case Kind.TRAINING_JOB:
            return _training_job(client, listed, stage, usd_per_hour)
        case Kind.CONFIG:
            answer = unless_absent(lambda: client.describe_endpoint_config(EndpointConfigName=listed.name))
            models = tuple(variant["ModelName"] for variant in (answer or {}).get("ProductionVariants", []))
            return Resource(listed.kind, listed.name, stage, "kept", listed.created, uses=models)
    return Resource(listed.kind, listed.name, stage, "kept", listed.created)


def _endpoint(
    client: SageMakerClient, listed: _Listed, stage: str, usd_per_hour: Mapping[str, float]
) -> Resource | None:
    facts = describe.endpoint(client, listed.name)
    if facts is None:
        return None
    variant = _variant(client, facts.config_name)
    price = endpoint_price(facts, variant, usd_per_hour)
    return Resource(listed.kind, listed.name, stage, facts.status, listed.created, price, (facts.config_name,))


def _variant(client: SageMakerClient, config_name: str) -> VariantFacts | None:
    """None also where it may not be read, as one without the tag may not: its endpoint bills, and is listed, anyway."""
    try:
        return describe.variant(client, config_name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDeniedException":
            raise
        return None


def _training_job(
    client: SageMakerClient, listed: _Listed, stage: str, usd_per_hour: Mapping[str, float]
) -> Resource | None:
    answer = unless_absent(lambda: client.describe_training_job(TrainingJobName=listed.name))
    if answer is None:
        return None
    used = answer.get("ResourceConfig", {})
    # Training is sold at hosting's price by the hour; a list of its own would be exact.
    price = hourly_price(used.get("InstanceType"), used.get("InstanceCount", 1), usd_per_hour)
    return Resource(listed.kind, listed.name, stage, answer["TrainingJobStatus"], listed.created, price)
