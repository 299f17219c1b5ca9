"""What the switch uses of boto3's clients."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from common import describe
from common.calls import CloudWatchClient
from common.executions import StepFunctionsClient
from common.ledger import Ledger


class CloudFormationClient(describe.CloudFormationClient, Protocol):
    def describe_stack_events(self, **request: Any) -> Mapping[str, Any]: ...
    def describe_stack_resources(self, **request: Any) -> Mapping[str, Any]: ...
    def update_stack(self, **request: Any) -> Any: ...
    def cancel_update_stack(self, **request: Any) -> Any: ...
    def continue_update_rollback(self, **request: Any) -> Any: ...


class SageMakerClient(describe.SageMakerClient, Protocol):
    def delete_endpoint(self, **request: Any) -> Any: ...


class SnsClient(Protocol):
    def publish(self, **request: Any) -> Any: ...


@dataclass(frozen=True)
class Clients:
    """Everything that the switch speaks to."""

    cloudformation: CloudFormationClient
    sagemaker: SageMakerClient
    cloudwatch: CloudWatchClient
    stepfunctions: StepFunctionsClient
    sns: SnsClient
    ledger: Ledger
