"""Executions that are started once under a name, however often that is repeated."""

import json
from collections.abc import Mapping
from typing import Any, Protocol

from botocore.exceptions import ClientError

from common import describe


class Starter(Protocol):
    """What is used of boto3's `stepfunctions` client to start an execution."""

    def start_execution(self, **request: Any) -> Any: ...


class StepFunctionsClient(describe.StepFunctionsClient, Starter, Protocol):
    """And to look at it."""


def execution_arn(machine_arn: str, name: str) -> str:
    return f"{machine_arn.replace(':stateMachine:', ':execution:')}:{name}"


def start_once(client: Starter, machine_arn: str, name: str, request: Mapping[str, Any]) -> bool:
    """Whether it has been started, now or by the same request a moment ago; False where the name is taken."""
    try:
        client.start_execution(stateMachineArn=machine_arn, name=name, input=json.dumps(request, sort_keys=True))
    except ClientError as error:
        if error.response["Error"].get("Code") != "ExecutionAlreadyExists":
            raise
        return False
    return True
