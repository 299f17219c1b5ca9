"""Facts of an endpoint, as the meter gathers them, and what stands in for AWS at its clients."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError
from common.facts import EndpointFacts, StackFacts, VariantFacts
from meter.facts import Facts, Policy
from meter.memory import Memory
from meter.readings import Readings, readings

START = datetime(2026, 11, 22, 10, 0, tzinfo=UTC).timestamp()
MINUTE, HOUR = 60.0, 3600.0
END = START + 12 * HOUR + 15 * MINUTE  # as the switch states it for a lifetime of twelve hours
INSTANCE_TYPE = "ml.g4dn.12xlarge"
USD_PER_HOUR = 4.89
POLICY = Policy(idle_minutes=60, lifetime_hours=12, monthly_budget_usd=100, usd_per_hour={INSTANCE_TYPE: USD_PER_HOUR})
VARIANT = VariantFacts(instance_type=INSTANCE_TYPE, initial_instance_count=1)


def at(moment: float) -> datetime:
    return datetime.fromtimestamp(moment, UTC)


def stack(state: str = "on", *, status: str = "UPDATE_COMPLETE", ends: float | None = END) -> StackFacts:
    end = "" if ends is None or state == "off" else at(ends).strftime("%Y-%m-%dT%H:%M:%S")
    return StackFacts(status=status, parameters={"EndpointState": state, "TurnOffAt": end})


def endpoint(created: float = START, status: str = "InService", instances: int | None = 1) -> EndpointFacts:
    return EndpointFacts(
        status=status, created=at(created), config_name="config", instance_count=instances, failure_reason=None
    )


def lit(created: float = START, status: str = "InService", **others: Any) -> Facts:
    """An endpoint that is there, with its config and a stack that says so."""
    given: dict[str, Any] = {"endpoint": endpoint(created, status), "variant": VARIANT, "stack": stack()}
    return Facts(**given | others)


def dark(**others: Any) -> Facts:
    given: dict[str, Any] = {"endpoint": None, "stack": stack("off")}
    return Facts(**given | others)


@dataclass
class Meter:
    """The pure meter, ticking: it carries its memory from one look to the next."""

    policy: Policy = POLICY
    memory: Memory = field(default_factory=Memory)
    dues: tuple[str, ...] = ()

    def reads(self, facts: Facts, now: float) -> Readings:
        taken, self.memory, self.dues = readings(facts, self.memory, now, self.policy)
        return taken

    def due(self) -> tuple[str, ...]:
        return self.dues


def refusal(code: str, operation: str = "Call") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, operation)


@dataclass
class Aws:
    """Every client of the meter's but DynamoDB's, over one world; `broken` names the operations that fail."""

    status: str | None = "InService"
    created: float = START
    state: str = "on"
    calls: Mapping[float, float] = field(default_factory=dict)
    called_type: str | None = None  # the instance type that the calls are published for; None: the whole variant
    pool_types: tuple[str, ...] = ()
    next_type: str = ""  # of the fleet that an update brings up
    broken: set[str] = field(default_factory=set)
    published: dict[str, float] = field(default_factory=dict)
    started: list[dict[str, Any]] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    executions: dict[str, str] = field(default_factory=dict)
    described: list[str] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    told: list[dict[str, str]] = field(default_factory=list)

    def describe_stacks(self, **request: Any) -> Mapping[str, Any]:
        self._answers("describe_stacks")
        assert request == {"StackName": "Pilotlight-test-Endpoint"}
        parameters = stack(self.state).parameters
        listed = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
        return {"Stacks": [{"StackStatus": "UPDATE_COMPLETE", "Parameters": listed}]}

    def describe_endpoint(self, **request: Any) -> Mapping[str, Any]:
        self._answers("describe_endpoint")
        assert request == {"EndpointName": "pilotlight-test"}
        if self.status is None:
            raise refusal("ValidationException")
        told = {"EndpointStatus": self.status, "CreationTime": at(self.created), "EndpointConfigName": "config"}
        pending = [{"CurrentInstanceCount": 1}]  # SageMaker may tell its type, or not
        coming = {"EndpointConfigName": "next", "ProductionVariants": pending}
        return told | ({"PendingDeploymentSummary": coming} if self.next_type else {})

    def describe_endpoint_config(self, **request: Any) -> Mapping[str, Any]:
        self._answers("describe_endpoint_config")
        if request == {"EndpointConfigName": "next"}:
            return {"ProductionVariants": [{"InstanceType": self.next_type, "InitialInstanceCount": 1}]}
        assert request == {"EndpointConfigName": "config"}
        pools = [{"InstanceType": name, "Priority": rank} for rank, name in enumerate(self.pool_types, start=1)]
        kind = {"InstancePools": pools} if pools else {"InstanceType": INSTANCE_TYPE}
        return {"ProductionVariants": [{**kind, "InitialInstanceCount": 2}]}

    def get_metric_statistics(self, **request: Any) -> Mapping[str, Any]:
        self._answers("get_metric_statistics")
        self.asked.append(request)
        start, end = request["StartTime"].timestamp(), request["EndTime"].timestamp()
        assert (end - start) / request["Period"] <= 1440
        dimensions = {dimension["Name"]: dimension["Value"] for dimension in request["Dimensions"]}
        meant = dimensions.get("InstanceType") == self.called_type
        found = {minute: count for minute, count in self.calls.items() if meant and start <= minute < end}
        return {"Datapoints": [{"Timestamp": at(minute), "Sum": count} for minute, count in found.items()]}

    def put_metric_data(self, **request: Any) -> Mapping[str, Any]:
        self._answers("put_metric_data")
        assert request["Namespace"] == "Pilotlight"
        for datum in request["MetricData"]:
            assert datum["Dimensions"] == [{"Name": "Stage", "Value": "test"}]
            self.published[datum["MetricName"]] = datum["Value"]
        return {}

    def start_execution(self, **request: Any) -> Mapping[str, Any]:
        self._answers("start_execution")
        if any(request["name"] == earlier["name"] for earlier in self.started):
            raise refusal("ExecutionAlreadyExists")
        self.started.append(request)
        return {}

    def list_training_jobs(self, **request: Any) -> Mapping[str, Any]:
        """Two a page."""
        self._answers("list_training_jobs")
        assert request["NameContains"] == "pilotlight-test-"
        status, after = request.get("StatusEquals"), request.get("LastModifiedTimeAfter", at(0))
        names = [
            name
            for name, job in self.jobs.items()
            if request["NameContains"] in name
            and status in (None, job["TrainingJobStatus"])
            and job.get("TrainingEndTime", job["CreationTime"]) > after
        ]
        start = int(request.get("NextToken", 0))
        more = {"NextToken": str(start + 2)} if start + 2 < len(names) else {}
        found = [{"TrainingJobName": name, "TrainingJobArn": f"arn:{name}"} for name in names[start : start + 2]]
        return {"TrainingJobSummaries": found, **more}

    def list_tags(self, **request: Any) -> Mapping[str, Any]:
        tags = self.jobs[request["ResourceArn"].removeprefix("arn:")].get("Tags", {})
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    def describe_training_job(self, **request: Any) -> Mapping[str, Any]:
        self._answers("describe_training_job")
        job = self.jobs[request["TrainingJobName"]]
        assert job["Tags"]["pilotlight:stage"] == "test", "IAM would refuse it"
        self.described.append(request["TrainingJobName"])
        return job

    def stop_training_job(self, **request: Any) -> None:
        self._answers("stop_training_job")
        self.stopped.append(request["TrainingJobName"])
        self.jobs[request["TrainingJobName"]]["TrainingJobStatus"] = "Stopping"

    def describe_execution(self, **request: Any) -> Mapping[str, Any]:
        if request["executionArn"] not in self.executions:
            raise refusal("ExecutionDoesNotExist")
        return {"status": self.executions[request["executionArn"]]}

    def publish(self, **message: str) -> None:
        self._answers("publish")
        self.told.append(message)

    def _answers(self, operation: str) -> None:
        if operation in self.broken:
            raise refusal("ThrottlingException", operation)
