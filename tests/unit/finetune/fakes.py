"""Everything a step speaks to, in memory: fakes at the seams, which remember what they were asked."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from botocore.exceptions import ClientError
from common.ledger import Ledger
from finetune.clients import Kit
from finetune.hyperparameters import Profile
from finetune.programs import OwnContainer
from finetune.settings import Settings
from finetune.sizes import InstanceFacts, Shape
from finetune.spec import Settings as TrainingSettings
from finetune.spec import TrainingSpec

from tests.unit.switch.fake_aws import FakeDynamoDB

SWITCH = "arn:aws:states:us-east-1:111122223333:stateMachine:pilotlight-test-switch"
BUCKET = "data-of-test"

BASE = "s3://base-models/smollm2/"
TRAINING = TrainingSettings(
    stage="test",
    spec=TrainingSpec(
        model="smollm2-135m-instruct",
        image_uri="111122223333.dkr.ecr.us-east-1.amazonaws.com/training:1",
        program=OwnContainer(
            profile=Profile("smollm2-135m-instruct", {"learning_rate": "0.001", "enable_fsdp": "False"}, neither=True),
            shape=Shape(parameters=135_000_000, layers=30, hidden=576, vocabulary=49_152),
        ),
        channels={"model": BASE},
        base_model=BASE,
        gated=False,
        environment={},
        fixed_hyperparameters={},
        metrics=(
            {"Name": "pilotlight:train-loss", "Regex": "x=(.*)"},
            {"Name": "pilotlight:eval-loss", "Regex": "y=(.*)"},
        ),
        evaluation_image_uri="111122223333.dkr.ecr.us-east-1.amazonaws.com/training:1",
        volume_size_gb=30,
        network_isolation=True,
        encrypts_between_containers=True,
        max_run_seconds=360_000,
    ),
    instance_types=("ml.g5.2xlarge", "ml.g5.4xlarge"),
    max_cost_usd=Decimal(50),
    min_improvement=0.0,
    spot=False,
    approve=False,
    approval_hours=72,
    hyperparameters={},
    instances={
        "ml.g5.2xlarge": InstanceFacts(gpus=1, gpu_memory_gib=24, usd_per_hour=Decimal(2)),
        "ml.g5.4xlarge": InstanceFacts(gpus=1, gpu_memory_gib=24, usd_per_hour=Decimal(3)),
    },
)

SETTINGS = Settings(
    stage="test",
    model="smollm2-135m-instruct",
    bucket=BUCKET,
    ledger_table="ledger",
    notices_topic_arn="arn:aws:sns:us-east-1:111122223333:notices",
    switch_arn=SWITCH,
    endpoint_name="pilotlight-test",
    endpoint_stack_name="Pilotlight-test-Endpoint",
    api_stack_name="Pilotlight-test-Api",
    package_group="pilotlight-test-finetune",
    serving_image="111122223333.dkr.ecr.us-east-1.amazonaws.com/serving:1",
    role_arn="arn:aws:iam::111122223333:role/training",
    monthly_budget_usd=None,
    training=TRAINING,
    code_version="0.1.0",
)


def refused(code: str, message: str = "no") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "Operation")


@dataclass
class Endpoint:
    """The endpoint's stack as the switch leaves it, and what the switch makes of the next requests."""

    override: str = ""
    is_on: bool = True
    outcomes: list[str] = field(default_factory=list)
    """What the next executions come to; `on` where nothing is said."""
    bakes: bool = False
    """Whether an update is on trial, and with it the switch's execution not at its end; what is tried is in force for
    the stack already.
    """

    def take(self, request: Mapping[str, Any]) -> tuple[str, str]:
        outcome = self.outcomes.pop(0) if self.outcomes else request["target"]
        if outcome == "on" and request["reason"] == "rollback" and not self.is_on:
            outcome, self.override = "already off", request["overrides"]["ModelDataUrl"]
        if outcome == "on":
            self.is_on = True
            self.override = request.get("overrides", {}).get("ModelDataUrl", self.override)
        elif outcome == "off":
            self.is_on = False
        return outcome, f"The switch says {outcome}."


@dataclass
class States:
    """Executions end when they are looked at for the second time."""

    endpoint: Endpoint
    requests: list[dict[str, Any]] = field(default_factory=list)
    executions: dict[str, dict[str, Any]] = field(default_factory=dict)
    running: set[str] = field(default_factory=set)
    """Executions of runs that have not ended."""

    def start_execution(self, *, stateMachineArn: str, name: str, input: str) -> Mapping[str, Any]:  # noqa: N803
        arn = f"{stateMachineArn.replace(':stateMachine:', ':execution:')}:{name}"
        if arn in self.executions:
            raise refused("ExecutionAlreadyExists")
        request = json.loads(input)
        self.requests.append(request)
        self.executions[arn] = {"request": request, "looks": 0}
        return {"executionArn": arn}

    def describe_execution(self, *, executionArn: str) -> Mapping[str, Any]:  # noqa: N803
        if executionArn in self.running:
            return {"status": "RUNNING"}
        if executionArn not in self.executions:
            raise refused("ExecutionDoesNotExist")
        execution = self.executions[executionArn]
        execution["looks"] += 1
        if execution["looks"] == 1 or self.endpoint.bakes:
            return {"status": "RUNNING"}
        if "answer" not in execution:
            outcome, message = self.endpoint.take(execution["request"])
            status = "FAILED" if outcome == "failed" else "SUCCEEDED"
            said = json.dumps({"outcome": outcome, "message": message})
            execution["answer"] = {"status": status, "cause" if outcome == "failed" else "output": said}
        answer: Mapping[str, Any] = execution["answer"]
        return answer


@dataclass
class CloudFormation:
    endpoint: Endpoint
    api_outputs: dict[str, str] = field(
        default_factory=lambda: {"ApiUrl": "https://abc.execute-api.us-east-1.amazonaws.com/test/", "ApiKeyId": "key"}
    )

    def describe_stacks(self, *, StackName: str) -> Mapping[str, Any]:  # noqa: N803
        if StackName == SETTINGS.api_stack_name:
            outputs = [{"OutputKey": key, "OutputValue": value} for key, value in self.api_outputs.items()]
            return {"Stacks": [{"StackStatus": "CREATE_COMPLETE", "Outputs": outputs}]}
        parameters = {"ModelDataUrl": self.endpoint.override, "OverrideFor": "print" if self.endpoint.override else ""}
        return {
            "Stacks": [
                {
                    "StackStatus": "UPDATE_COMPLETE",
                    "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
                    "Outputs": [{"OutputKey": "Fingerprint", "OutputValue": "print"}],
                }
            ]
        }


@dataclass
class SageMaker:
    endpoint: Endpoint
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    created: list[dict[str, Any]] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    packages: list[dict[str, Any]] = field(default_factory=list)
    script: list[dict[str, Any]] = field(default_factory=list)
    """How the next jobs end: DescribeTrainingJob's members; completed after ten minutes where nothing is said."""

    def describe_endpoint(self, *, EndpointName: str) -> Mapping[str, Any]:  # noqa: N803
        if not self.endpoint.is_on:
            raise refused("ValidationException", f"Could not find endpoint {EndpointName}")
        described = {"CreationTime": datetime(2026, 11, 24, tzinfo=UTC), "EndpointConfigName": "config"}
        if not self.endpoint.bakes:
            return {**described, "EndpointStatus": "InService"}
        green = {"VariantName": "AllTraffic", "CurrentInstanceCount": 1, "VariantStatus": [{"Status": "Baking"}]}
        pending = {"EndpointConfigName": "next", "ProductionVariants": [green]}
        return {**described, "EndpointStatus": "Updating", "PendingDeploymentSummary": pending}

    def create_training_job(self, **request: Any) -> Mapping[str, Any]:
        name = request["TrainingJobName"]
        if name in self.jobs:
            raise refused("ResourceInUse")
        self.created.append(request)
        end = self.script.pop(0) if self.script else {}
        output = f"{request['OutputDataConfig']['S3OutputPath']}{name}/output/model/"
        made = {"ModelArtifacts": {"S3ModelArtifacts": output}}
        done = {"TrainingJobStatus": "Completed", "BillableTimeInSeconds": 600, **made, **end}
        self.jobs[name] = {
            "TrainingJobName": name,
            "ResourceConfig": request["ResourceConfig"],
            "end": done,
            "looks": 0,
        }
        return {"TrainingJobArn": f"arn:aws:sagemaker:us-east-1:111122223333:training-job/{name}"}

    def describe_training_job(self, *, TrainingJobName: str) -> Mapping[str, Any]:  # noqa: N803
        if TrainingJobName not in self.jobs:
            raise refused("ResourceNotFound")
        job = self.jobs[TrainingJobName]
        job["looks"] += 1
        said = {"TrainingJobStatus": job.get("goes_on", "InProgress")} if job["looks"] == 1 else job["end"]
        return {key: value for key, value in job.items() if key not in ("end", "looks", "goes_on")} | said

    def stop_training_job(self, *, TrainingJobName: str) -> None:  # noqa: N803
        self.stopped.append(TrainingJobName)
        if job := self.jobs.get(TrainingJobName):
            stopped = {"TrainingJobStatus": "Stopped", "BillableTimeInSeconds": 360}
            job.update({"looks": 0, "goes_on": "Stopping", "end": stopped})

    def describe_model_package_group(self, **request: Any) -> Mapping[str, Any]:
        if request["ModelPackageGroupName"] not in self.groups:
            raise refused("ValidationException", "does not exist")
        return request

    def create_model_package_group(self, **request: Any) -> None:
        if request["ModelPackageGroupName"] in self.groups:
            raise refused("ValidationException", "Model Package Group already exists")
        self.groups.append(request["ModelPackageGroupName"])

    def create_model_package(self, **request: Any) -> Mapping[str, Any]:
        arn = f"arn:aws:sagemaker:us-east-1:111122223333:model-package/group/{len(self.packages) + 1}"
        self.packages.append({**request, "ModelPackageArn": arn})
        return {"ModelPackageArn": arn}

    def update_model_package(self, **request: Any) -> None:
        for package in self.packages:
            if package["ModelPackageArn"] == request["ModelPackageArn"]:
                package.update(request)
                return
        raise refused("ValidationException", "does not exist")


@dataclass
class Sns:
    told: list[dict[str, Any]] = field(default_factory=list)
    is_down: bool = False

    def publish(self, **request: Any) -> None:
        if self.is_down:
            raise refused("InternalError")
        self.told.append(request)


@dataclass
class CloudWatch:
    points: dict[str, dict[float, float]] = field(default_factory=dict)
    """By metric, values by epoch seconds."""
    is_allowed: bool = True
    published: list[dict[str, Any]] = field(default_factory=list)

    def get_metric_statistics(self, **request: Any) -> Mapping[str, Any]:
        if not self.is_allowed:
            raise refused("AccessDenied")
        start, end = (request[f"{which}Time"].timestamp() for which in ("Start", "End"))
        period = request["Period"]
        if period % 60 or (end - start) / period > 1440:
            raise refused("InvalidParameterCombination", "more than 1440 datapoints")
        within: dict[float, list[float]] = {}
        for at, value in self.points.get(request["MetricName"], {}).items():
            if start <= at < end:
                within.setdefault(at // period * period, []).append(value)
        points = [{"Timestamp": at, "Average": sum(values) / len(values)} for at, values in within.items()]
        return {"Datapoints": points[::-1]}

    def put_metric_data(self, **request: Any) -> Mapping[str, Any]:
        self.published.append(request)
        return {}


class ApiGateway:
    def get_api_key(self, **_: Any) -> Mapping[str, Any]:
        return {"value": "secret"}


class Body:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def iter_chunks(self, size: int) -> list[bytes]:
        return [self._content[at : at + size] for at in range(0, len(self._content), size)]


@dataclass
class S3:
    objects: dict[str, bytes] = field(default_factory=dict)
    """By s3://bucket/key."""

    def list_objects_v2(self, *, Bucket: str, Prefix: str, **_: Any) -> Mapping[str, Any]:  # noqa: N803
        start = f"s3://{Bucket}/"
        keys = [uri.removeprefix(start) for uri in sorted(self.objects) if uri.startswith(start + Prefix)]
        return {"Contents": [{"Key": key, "Size": len(self.objects[start + key])} for key in keys]}

    def get_object(self, *, Bucket: str, Key: str) -> Mapping[str, Any]:  # noqa: N803
        try:
            return {"Body": Body(self.objects[f"s3://{Bucket}/{Key}"])}
        except KeyError:
            raise refused("NoSuchKey") from None


@dataclass
class Api:
    """The public API: `answers` in turn, the last one for ever."""

    answers: list[tuple[int, str]] = field(default_factory=lambda: [(200, "Ticket: 1")])
    calls: list[tuple[str, Mapping[str, str], Any]] = field(default_factory=list)

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        self.calls.append((url, headers, json.loads(body)))
        status, text = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return status, (json.dumps({"choices": [{"text": text}]}) if status == 200 else text).encode()


class World:
    """A stage's cloud, and the kit that a step gets of it."""

    def __init__(self) -> None:
        self.endpoint = Endpoint()
        self.states = States(self.endpoint)
        self.sagemaker = SageMaker(self.endpoint)
        self.cloudformation = CloudFormation(self.endpoint)
        self.ledger = Ledger(FakeDynamoDB(), "ledger")
        self.cloudwatch = CloudWatch()
        self.sns = Sns()
        self.s3 = S3()
        self.api = Api()
        self.now = 1_800_000_000.0
        self.settings = SETTINGS

    def kit(self, **changes: Any) -> Kit:
        """The fakes take by name what each call needs, where boto3's clients take anything."""
        parts: dict[str, Any] = {
            "s3": self.s3,
            "sagemaker": self.sagemaker,
            "cloudformation": self.cloudformation,
            "stepfunctions": self.states,
        }
        made = Kit(
            **parts,
            apigateway=ApiGateway(),
            cloudwatch=self.cloudwatch,
            sns=self.sns,
            ledger=self.ledger,
            post=self.api.post,
            sign=lambda _url, headers, _body: {**headers, "Authorization": "signed"},
            random_text=lambda count: f"{count} random bytes",
            settings=self.settings,
            now=self.now,
        )
        return replace(made, **changes)
