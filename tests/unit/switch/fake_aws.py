"""boto3's clients over the world: every answer in the shape that AWS gives it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ReadTimeoutError
from common.ledger import Ledger
from switch.clients import Clients

from tests.unit.switch.world import RESOURCE_TYPES, STACK, Endpoint, World, refuse


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@dataclass
class Lines:
    """The network: a call may be throttled, or be carried out and its answer lost. What is `ahead` of the next one
    happens after its caller decided on it.
    """

    world: World
    ahead: list[Callable[[], None]] = field(default_factory=list)

    def carry(self, call: Any) -> Any:
        if self.ahead:
            self.ahead.pop()()
        match self.world.fate("network", "works", "throttled", "lost"):
            case "throttled":
                raise refuse("Throttling", "Rate exceeded", "Call")
            case "lost":
                call()
                raise ReadTimeoutError(endpoint_url="https://aws")
        return call()


@dataclass
class FakeCloudFormation:
    """For `lag_seconds` after an update, the stack is described as it was before."""

    world: World
    lines: Lines
    lag_seconds: float = 0.0
    requests: list[dict[str, Any]] = field(default_factory=list)
    _until: float = 0.0
    _before: Mapping[str, Any] = field(default_factory=dict)

    def describe_stacks(self, **_: Any) -> Mapping[str, Any]:
        if self.world.now < self._until:
            return self._before
        if self.world.status is None:
            raise refuse("ValidationError", f"Stack with id {STACK} does not exist", "DescribeStacks")
        listed = [{"ParameterKey": key, "ParameterValue": value} for key, value in self.world.parameters.items()]
        outputs = [{"OutputKey": "Fingerprint", "OutputValue": self.world.fingerprint}]
        found: dict[str, Any] = {"StackStatus": self.world.status, "Parameters": listed, "Outputs": outputs}
        if self.world.updated is not None:
            found["LastUpdatedTime"] = moment(self.world.updated)
        return {"Stacks": [found]}

    def describe_stack_resources(self, **_: Any) -> Mapping[str, Any]:
        arn = f"arn:aws:sagemaker:us-east-1:1:endpoint-config/{self.world.config.lower()}"
        kinds = {"EndpointConfig": ("Config", arn, "CREATE_COMPLETE")}
        if self.world.says == "on":
            kinds["Endpoint"] = ("Endpoint", "pilotlight-test", self.world.endpoint_resource)
        return {
            "StackResources": [
                {
                    "LogicalResourceId": name,
                    "PhysicalResourceId": physical,
                    "ResourceType": f"AWS::SageMaker::{kind}",
                    "ResourceStatus": status,
                }
                for kind, (name, physical, status) in kinds.items()
            ]
        }

    def describe_stack_events(self, **_: Any) -> Mapping[str, Any]:
        return {"StackEvents": list(self.world.events)}

    def update_stack(self, **request: Any) -> None:
        self.requests.append(request)
        assert request["UsePreviousTemplate"] is True
        assert request["StackName"] == STACK
        assert request["ResourceTypes"] == list(RESOURCE_TYPES)  # else its permission does not hold
        assert [entry["ParameterKey"] for entry in request["Parameters"]] == list(self.world.parameters)
        values = {
            entry["ParameterKey"]: self.world.parameters[entry["ParameterKey"]]
            if entry.get("UsePreviousValue")
            else entry["ParameterValue"]
            for entry in request["Parameters"]
        }
        before = self.describe_stacks()
        self.lines.carry(lambda: self.world.update_stack(values))
        self._until, self._before = self.world.now + self.lag_seconds, before

    def cancel_update_stack(self, **_: Any) -> None:
        self.lines.carry(self.world.cancel_update)

    def continue_update_rollback(self, **request: Any) -> None:
        self.lines.carry(lambda: self.world.continue_rollback(request.get("ResourcesToSkip", [])))


@dataclass
class FakeSageMaker:
    world: World
    lines: Lines

    def describe_endpoint(self, **_: Any) -> Mapping[str, Any]:
        endpoint = self.world.endpoint
        if endpoint is None:
            raise refuse("ValidationException", "Could not find endpoint", "DescribeEndpoint")
        return {
            "EndpointStatus": endpoint.status,
            "CreationTime": moment(endpoint.created),
            "EndpointConfigName": endpoint.config,
            "ProductionVariants": [{"VariantName": "AllTraffic", **self._placed(endpoint)}],
        }

    def _placed(self, endpoint: Endpoint) -> Mapping[str, Any]:
        """The instances of each pool; none before the endpoint is in service."""
        if not self.world.pools:
            return {}
        there = endpoint.instance_type if endpoint.status == "InService" else ""
        counts = [{"InstanceType": name, "CurrentInstanceCount": int(name == there)} for name in self.world.pools]
        return {"InstancePools": counts}

    def describe_endpoint_config(self, **_: Any) -> Mapping[str, Any]:
        assert self.world.endpoint is not None
        pools = [{"InstanceType": name, "Priority": rank} for rank, name in enumerate(self.world.pools, start=1)]
        kind = {"InstancePools": pools} if pools else {"InstanceType": self.world.endpoint.instance_type}
        return {"ProductionVariants": [{**kind, "InitialInstanceCount": 1}]}

    def delete_endpoint(self, **_: Any) -> None:
        self.lines.carry(self.world.delete_endpoint)


@dataclass
class FakeCloudWatch:
    """`called` are the minutes (epoch seconds of their start) in which somebody called the endpoint."""

    called: list[float] = field(default_factory=list)

    def get_metric_statistics(self, **request: Any) -> Mapping[str, Any]:
        within = [at for at in self.called if request["StartTime"].timestamp() <= at < request["EndTime"].timestamp()]
        return {"Datapoints": [{"Timestamp": moment(at), "Sum": 1.0} for at in within]}

    def put_metric_data(self, **_: Any) -> Mapping[str, Any]:
        raise AssertionError("the switch publishes no metrics")


@dataclass
class FakeSns:
    lines: Lines
    published: list[dict[str, str]] = field(default_factory=list)

    def publish(self, **message: str) -> None:
        self.lines.carry(lambda: self.published.append(message))


@dataclass
class FakeStepFunctions:
    """`asked` are the executions that the switch has started, until the machine takes them."""

    running: set[str] = field(default_factory=set)
    asked: list[dict[str, Any]] = field(default_factory=list)

    def describe_execution(self, **request: str) -> Mapping[str, Any]:
        return {"status": "RUNNING" if request["executionArn"] in self.running else "ABORTED"}

    def start_execution(self, **request: str) -> None:
        assert request["stateMachineArn"].endswith(":stateMachine:pilotlight-test-switch")
        self.asked.append(json.loads(request["input"]))


@dataclass
class FakeDynamoDB:
    """The two requests that the ledger makes of one item, and its query."""

    items: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    def get_item(self, **request: Any) -> Mapping[str, Any]:
        item = self.items.get(_key(request["Key"]))
        return {"Item": item} if item else {}

    def update_item(self, **request: Any) -> Mapping[str, Any]:
        key, values = _key(request["Key"]), request["ExpressionAttributeValues"]
        version = self.items.get(key, {}).get("version", {"N": "0"})
        wanted = values.get(":version", {"N": "0"})
        if "ConditionExpression" in request and version != wanted:
            raise refuse("ConditionalCheckFailedException", "The conditional request failed", "UpdateItem")
        self.items[key] = {"data": values[":data"], "version": {"N": str(int(version["N"]) + 1)}}
        return {}

    def query(self, **request: Any) -> Mapping[str, Any]:
        kind = request["ExpressionAttributeValues"][":kind"]["S"]
        keys = sorted((key for key in self.items if key[0] == kind), reverse=not request.get("ScanIndexForward", True))
        return {"Items": [self.items[key] for key in keys[: request.get("Limit")]]}


def _key(key: Mapping[str, Any]) -> tuple[str, str]:
    return key["kind"]["S"], key["key"]["S"]


class Aws:
    """One account: the world, and every client that looks at it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.lines = lines = Lines(world)
        self.cloudformation = FakeCloudFormation(world, lines)
        self.sagemaker = FakeSageMaker(world, lines)
        self.cloudwatch = FakeCloudWatch()
        self.sns = FakeSns(Lines(world))
        self.stepfunctions = FakeStepFunctions()
        self.ledger = Ledger(FakeDynamoDB(), "pilotlight-test-ledger")

    @property
    def clients(self) -> Clients:
        return Clients(
            cloudformation=self.cloudformation,
            sagemaker=self.sagemaker,
            cloudwatch=self.cloudwatch,
            stepfunctions=self.stepfunctions,
            sns=self.sns,
            ledger=self.ledger,
        )

    @property
    def receipts(self) -> list[dict[str, Any]]:
        """The newest first."""
        return self.ledger.latest("receipt", 100)
