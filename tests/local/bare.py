"""An embedded cloud with nothing deployed, and short ways to put small things on it with boto3."""

import io
import json
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import boto3
import requests
from botocore.config import Config

ROLE = "arn:aws:iam::000000000000:role/anybody"
_RECORDER = """
import json, os, boto3
table = boto3.client("dynamodb")
def handler(event, context):
    table.update_item(TableName="calls", Key={"at": {"S": os.environ["NAME"]}},
        UpdateExpression="SET calls = list_append(if_not_exists(calls, :none), :call)",
        ExpressionAttributeValues={":none": {"L": []}, ":call": {"L": [{"S": json.dumps(event)}]}})
    FAIL
    return {"seen": event}
"""


@dataclass
class Bare:
    """The cloud at `url`."""

    url: str
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = boto3.client(  # type: ignore[call-overload]
                service,
                region_name="us-east-1",
                endpoint_url=self.url,
                aws_access_key_id="test",
                aws_secret_access_key="test",  # noqa: S106  nobody checks it
                config=Config(retries={"total_max_attempts": 1}),
            )
        return self._clients[service]

    def pilot(self, route: str, **body: object) -> requests.Response:
        """POST where there is a body, else GET."""
        if body:
            return requests.post(f"{self.url}/_pilot/{route}", json=body, timeout=310)
        return requests.get(f"{self.url}/_pilot/{route}", timeout=10)

    def clear_faults(self) -> None:
        assert requests.post(f"{self.url}/_pilot/faults", json={}, timeout=10).ok

    def advance(self, seconds: float) -> None:
        answer = self.pilot("clock", advance_seconds=seconds)
        assert answer.ok, answer.text

    def now(self) -> datetime:
        return datetime.fromisoformat(self.pilot("clock").json()["now"])

    def function(self, name: str, code: str) -> str:
        """A Lambda function of one module `code` with a `handler`; its ARN."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("code.py", code)
        client = self.client("lambda")
        arn: str = client.create_function(
            FunctionName=name,
            Runtime="python3.12",
            Role=ROLE,
            Handler="code.handler",
            Code={"ZipFile": packed.getvalue()},
            Environment={"Variables": {"NAME": name}},
            Timeout=30,
        )["FunctionArn"]
        waiter = client.get_waiter("function_active_v2")
        waiter.wait(FunctionName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 400})
        return arn

    def recorder(self, name: str, then: str = "pass") -> str:
        """A Lambda function that writes down what it is called with, then does `then`; its ARN."""
        tables = self.client("dynamodb")
        if "calls" not in tables.list_tables()["TableNames"]:
            tables.create_table(
                TableName="calls",
                KeySchema=[{"AttributeName": "at", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "at", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
        return self.function(name, _RECORDER.replace("FAIL", then))

    def calls(self, name: str) -> list[Any]:
        item = self.client("dynamodb").get_item(TableName="calls", Key={"at": {"S": name}}).get("Item")
        return [json.loads(call["S"]) for call in item["calls"]["L"]] if item else []

    def machine(self, name: str, definition: dict[str, Any]) -> str:
        made = self.client("stepfunctions").create_state_machine(
            name=name, definition=json.dumps(definition), roleArn=ROLE
        )
        arn: str = made["stateMachineArn"]
        return arn

    def start(self, machine: str, given: object = None, **options: Any) -> str:
        made = self.client("stepfunctions").start_execution(
            stateMachineArn=machine, input=json.dumps(given or {}), **options
        )
        arn: str = made["executionArn"]
        return arn

    def execution(self, arn: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client("stepfunctions").describe_execution(executionArn=arn)
        return found

    def history(self, arn: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.client("stepfunctions").get_execution_history(executionArn=arn)["events"]
        return found

    def ended(self, arn: str, seconds: float = 20) -> dict[str, Any]:
        """The execution once it has ended, by the real clock."""
        self.until(lambda: self.execution(arn)["status"] != "RUNNING", seconds)
        return self.execution(arn)

    def until(self, happened: Callable[[], bool], seconds: float = 20) -> None:
        """Wait by the real clock."""
        deadline = time.monotonic() + seconds
        while not happened():
            assert time.monotonic() < deadline
            time.sleep(0.02)
