"""What the steps use of boto3's clients."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from common import describe
from common.calls import CloudWatchClient
from common.executions import StepFunctionsClient
from common.ledger import Ledger
from common.mail_link import RandomText

from finetune.settings import Settings
from finetune.store import S3Client


class SageMakerClient(describe.SageMakerClient, Protocol):
    def create_training_job(self, **request: Any) -> Any: ...
    def describe_training_job(self, **request: Any) -> Mapping[str, Any]: ...
    def stop_training_job(self, **request: Any) -> Any: ...
    def describe_model_package_group(self, **request: Any) -> Mapping[str, Any]: ...
    def create_model_package_group(self, **request: Any) -> Any: ...
    def create_model_package(self, **request: Any) -> Mapping[str, Any]: ...
    def update_model_package(self, **request: Any) -> Any: ...


class SnsClient(Protocol):
    def publish(self, **request: Any) -> Any: ...


class ApiGatewayClient(Protocol):
    def get_api_key(self, **request: Any) -> Mapping[str, Any]: ...


Post = Callable[[str, Mapping[str, str], bytes], tuple[int, bytes]]
"""One HTTP POST: (URL, headers, body) to (status, body). Raises OSError where nobody answers."""
Sign = Callable[[str, Mapping[str, str], bytes], Mapping[str, str]]
"""The headers of such a POST of API Gateway with a signature among them, for an API that takes no keys."""


@dataclass(frozen=True)
class Kit:
    """Everything that a step works with. `now` is the state's time, in epoch seconds."""

    s3: S3Client
    sagemaker: SageMakerClient
    cloudformation: describe.CloudFormationClient
    stepfunctions: StepFunctionsClient
    apigateway: ApiGatewayClient
    cloudwatch: CloudWatchClient
    sns: SnsClient
    ledger: Ledger
    post: Post
    sign: Sign
    random_text: RandomText
    settings: Settings
    now: float
