"""How AWS is asked about the endpoint and its stack; None is the answer for what does not exist."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from botocore.exceptions import ClientError

from common.facts import EndpointFacts, Fleet, StackFacts, VariantFacts

# How each service says that the thing asked for does not exist. Their inputs are names that the stacks have
# set, so the code has no other cause here.
_ABSENT = ("ValidationException", "ValidationError")


class SageMakerClient(Protocol):
    """What is used of boto3's `sagemaker` client."""

    def describe_endpoint(self, **request: Any) -> Mapping[str, Any]: ...
    def describe_endpoint_config(self, **request: Any) -> Mapping[str, Any]: ...


class CloudFormationClient(Protocol):
    """What is used of boto3's `cloudformation` client."""

    def describe_stacks(self, **request: Any) -> Mapping[str, Any]: ...


class StepFunctionsClient(Protocol):
    """What is used of boto3's `stepfunctions` client."""

    def describe_execution(self, **request: Any) -> Mapping[str, Any]: ...


def endpoint(client: SageMakerClient, name: str) -> EndpointFacts | None:
    """SageMaker's view of the endpoint."""
    answer = unless_absent(lambda: client.describe_endpoint(EndpointName=name))
    if answer is None:
        return None
    variants = answer.get("ProductionVariants", [])
    # While Creating, what is pending are the same instances.
    updates = answer["EndpointStatus"] in ("Updating", "RollingBack")
    pending = answer.get("PendingDeploymentSummary", {}) if updates else {}
    both = [*variants, *pending.get("ProductionVariants", [])]
    states = [state["Status"] for variant in both for state in variant.get("VariantStatus", [])]
    return EndpointFacts(
        status=answer["EndpointStatus"],
        created=answer["CreationTime"],
        config_name=answer["EndpointConfigName"],
        instance_count=_count(variants) or None,
        failure_reason=answer.get("FailureReason"),
        pools=_pools(variants),
        baking=pending.get("EndpointConfigName") if "Baking" in states else None,
        second=_second(pending),
    )


def _second(pending: Mapping[str, Any]) -> Fleet | None:
    """From PendingDeploymentSummary; None while it has no instance."""
    variants = pending.get("ProductionVariants", [])
    count, pools = _count(variants), _pools(variants)
    if not count:
        return None
    types = tuple(variant["InstanceType"] for variant in variants if variant.get("InstanceType"))
    return Fleet(count, pending.get("EndpointConfigName", ""), types or tuple(pools), pools)


def _count(variants: Sequence[Mapping[str, Any]]) -> int:
    """Those that come up are billed as those that are there; pools may be told before the sum of them is."""
    counts: list[int] = [
        max(variant.get("CurrentInstanceCount", 0), variant.get("DesiredInstanceCount", 0)) for variant in variants
    ]
    return max(sum(counts), sum(_pools(variants).values()))


def _pools(variants: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    return {
        pool["InstanceType"]: pool["CurrentInstanceCount"]
        for variant in variants
        for pool in variant.get("InstancePools", [])
    }


def variant(client: SageMakerClient, config_name: str) -> VariantFacts | None:
    """The one variant of an endpoint config."""
    answer = unless_absent(lambda: client.describe_endpoint_config(EndpointConfigName=config_name))
    if answer is None:
        return None
    [found] = answer["ProductionVariants"]
    pools = sorted(found.get("InstancePools", []), key=lambda pool: int(pool["Priority"]))
    return VariantFacts(
        instance_type=found.get("InstanceType"),
        initial_instance_count=found.get("InitialInstanceCount", 1),
        pool_types=tuple(pool["InstanceType"] for pool in pools),
    )


def stack(client: CloudFormationClient, name: str) -> StackFacts | None:
    """CloudFormation's view of the endpoint's stack."""
    answer = unless_absent(lambda: client.describe_stacks(StackName=name))
    if answer is None:
        return None
    [found] = answer["Stacks"]
    return StackFacts(
        status=found["StackStatus"],
        parameters={
            parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in found.get("Parameters", [])
        },
        status_reason=found.get("StackStatusReason"),
        outputs={output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])},
        updated=found.get("LastUpdatedTime"),
    )


def execution_status(client: StepFunctionsClient, arn: str) -> str | None:
    """As Step Functions states it: RUNNING, SUCCEEDED, FAILED, TIMED_OUT or ABORTED."""
    found = execution(client, arn)
    return None if found is None else str(found["status"])


def execution(client: StepFunctionsClient, arn: str) -> Mapping[str, Any] | None:
    """Step Functions' view of an execution, which it keeps for 90 days after its end."""
    try:
        return client.describe_execution(executionArn=arn)
    except ClientError as error:
        if error.response["Error"].get("Code") in ("ExecutionDoesNotExist", "InvalidArn"):
            return None
        raise


def unless_absent(describe: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """What `describe` answers; None where the thing does not exist."""
    try:
        return describe()
    except ClientError as error:
        if error.response["Error"].get("Code", "") in _ABSENT:
            return None
        raise
