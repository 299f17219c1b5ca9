"""The adapter to what AWS knows of the endpoint: SageMaker's view, and CloudFormation's of its stack."""

from collections.abc import Callable
from functools import cached_property
from typing import TypeVar

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from common import describe
from common.describe import CloudFormationClient, SageMakerClient
from common.facts import EndpointFacts

from proxy.endpoint import Facts
from proxy.errors import ControlPlaneFailed, DeadlineExceeded
from proxy.timing import LOOK_SECONDS, Deadline

Found = TypeVar("Found")

CONNECT_TIMEOUT_SECONDS = 1
READ_TIMEOUT_SECONDS = LOOK_SECONDS - CONNECT_TIMEOUT_SECONDS

CLIENT_CONFIG = Config(
    connect_timeout=CONNECT_TIMEOUT_SECONDS,
    read_timeout=READ_TIMEOUT_SECONDS,
    retries={"total_max_attempts": 1, "mode": "standard"},
)


class ControlPlane:
    """Reads facts, each with one short call. Raises ControlPlaneFailed, or DeadlineExceeded before a call.

    Its clients are made by the first call that needs them: SageMaker's alone takes longer than a fifth of an init.
    """

    def __init__(
        self,
        make_sagemaker: Callable[[], SageMakerClient],
        make_cloudformation: Callable[[], CloudFormationClient],
        *,
        endpoint_name: str,
        stack_name: str,
    ) -> None:
        self._make_sagemaker = make_sagemaker
        self._make_cloudformation = make_cloudformation
        self._endpoint_name = endpoint_name
        self._stack_name = stack_name

    @cached_property
    def _sagemaker(self) -> SageMakerClient:
        return self._make_sagemaker()

    @cached_property
    def _cloudformation(self) -> CloudFormationClient:
        return self._make_cloudformation()

    def facts(self, deadline: Deadline) -> Facts:
        """All that the report on the endpoint needs."""
        found = self.endpoint(deadline)
        config = found.config_name if found else None
        return Facts(
            endpoint=found,
            variant=_described(deadline, lambda: describe.variant(self._sagemaker, config)) if config else None,
            stack=_described(deadline, lambda: describe.stack(self._cloudformation, self._stack_name)),
        )

    def endpoint(self, deadline: Deadline) -> EndpointFacts | None:
        """SageMaker's view of the endpoint; None where it has none."""
        return _described(deadline, lambda: describe.endpoint(self._sagemaker, self._endpoint_name))


def _described(deadline: Deadline, read: Callable[[], Found]) -> Found:
    if deadline.seconds_left() < LOOK_SECONDS:
        raise DeadlineExceeded("The time budget was spent before the endpoint could be looked at: try again.")
    try:
        return read()
    except ClientError as exc:
        code = exc.response["Error"].get("Code", "")
        raise ControlPlaneFailed(f"AWS would not describe the endpoint ({code}): try again.") from exc
    except BotoCoreError as exc:
        raise ControlPlaneFailed(
            f"AWS could not be asked about the endpoint ({type(exc).__name__}): try again."
        ) from exc
