"""The adapter to what AWS knows of the endpoint: SageMaker's view, and CloudFormation's of its stack."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from proxy.endpoint import EndpointFacts, Facts, StackFacts, VariantFacts
from proxy.errors import ControlPlaneFailed, DeadlineExceeded
from proxy.timing import Deadline

CONNECT_TIMEOUT_SECONDS = 1
READ_TIMEOUT_SECONDS = 4

CLIENT_CONFIG = Config(
    connect_timeout=CONNECT_TIMEOUT_SECONDS,
    read_timeout=READ_TIMEOUT_SECONDS,
    retries={"total_max_attempts": 1, "mode": "standard"},
)

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


class ControlPlane:
    """Reads facts, each with one short call. Raises ControlPlaneFailed, or DeadlineExceeded before a call."""

    def __init__(
        self,
        sagemaker: SageMakerClient,
        cloudformation: CloudFormationClient,
        *,
        endpoint_name: str,
        stack_name: str,
    ) -> None:
        self._sagemaker = sagemaker
        self._cloudformation = cloudformation
        self._endpoint_name = endpoint_name
        self._stack_name = stack_name

    def facts(self, deadline: Deadline) -> Facts:
        """All that the report on the endpoint needs."""
        endpoint = self.endpoint(deadline)
        variant = self._variant(endpoint.config_name, deadline) if endpoint else None
        return Facts(endpoint=endpoint, variant=variant, stack=self._stack(deadline))

    def endpoint(self, deadline: Deadline) -> EndpointFacts | None:
        """SageMaker's view of the endpoint; None where it has none."""
        answer = _described(deadline, lambda: self._sagemaker.describe_endpoint(EndpointName=self._endpoint_name))
        if answer is None:
            return None
        counts = [
            max(variant.get("CurrentInstanceCount", 0), variant.get("DesiredInstanceCount", 0))
            for variant in answer.get("ProductionVariants", [])
        ]
        return EndpointFacts(
            status=answer["EndpointStatus"],
            created=answer["CreationTime"],
            config_name=answer["EndpointConfigName"],
            instance_count=sum(counts) or None,
            failure_reason=answer.get("FailureReason"),
        )

    def _variant(self, config_name: str, deadline: Deadline) -> VariantFacts | None:
        answer = _described(deadline, lambda: self._sagemaker.describe_endpoint_config(EndpointConfigName=config_name))
        if answer is None:
            return None
        [variant] = answer["ProductionVariants"]
        return VariantFacts(
            instance_type=variant.get("InstanceType"),
            initial_instance_count=variant.get("InitialInstanceCount", 1),
        )

    def _stack(self, deadline: Deadline) -> StackFacts | None:
        answer = _described(deadline, lambda: self._cloudformation.describe_stacks(StackName=self._stack_name))
        if answer is None:
            return None
        [stack] = answer["Stacks"]
        parameters = {
            parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in stack.get("Parameters", [])
        }
        return StackFacts(
            status=stack["StackStatus"],
            endpoint_state=parameters.get("EndpointState"),
            turn_off_at=parameters.get("TurnOffAt") or None,
        )


def _described(deadline: Deadline, describe: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """What `describe` answers; None where the thing does not exist."""
    if deadline.seconds_left() < CONNECT_TIMEOUT_SECONDS + READ_TIMEOUT_SECONDS:
        raise DeadlineExceeded("The time budget was spent before the endpoint could be looked at: try again.")
    try:
        return describe()
    except ClientError as exc:
        code = exc.response["Error"].get("Code", "")
        if code in _ABSENT:
            return None
        raise ControlPlaneFailed(f"AWS would not describe the endpoint ({code}): try again.") from exc
    except BotoCoreError as exc:
        raise ControlPlaneFailed(
            f"AWS could not be asked about the endpoint ({type(exc).__name__}): try again."
        ) from exc
