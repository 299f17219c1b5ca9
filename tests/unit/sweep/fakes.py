"""SageMaker and CloudFormation with a few things in them, a page at a time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

CREATED = datetime(2026, 11, 22, 10, tzinfo=UTC)
PAGE = 2


def absent(name: str) -> ClientError:
    return ClientError({"Error": {"Code": "ValidationException", "Message": f"Could not find {name}."}}, "Describe")


def _page(items: list[Any], member: str, request: Mapping[str, Any]) -> dict[str, Any]:
    start = int(request.get("NextToken", 0))
    more = {"NextToken": str(start + PAGE)} if start + PAGE < len(items) else {}
    return {member: items[start : start + PAGE], **more}


@dataclass
class SageMaker:
    """Names to what they are: an endpoint's config, a config's model and instance type, a job's status. `tags` maps a
    name to the stage that it carries; `vanished` is listed still, and gone when it is looked at;
    `refused` may not be deleted, and configs that are `unreadable` not be looked at.
    """

    endpoints: dict[str, str] = field(default_factory=dict)
    configs: dict[str, tuple[str, str]] = field(default_factory=dict)
    models: list[str] = field(default_factory=list)
    jobs: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    vanished: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    unreadable: set[str] = field(default_factory=set)

    def list_endpoints(self, **request: Any) -> Mapping[str, Any]:
        return self._list("Endpoint", self.endpoints, request)

    def list_endpoint_configs(self, **request: Any) -> Mapping[str, Any]:
        return self._list("EndpointConfig", self.configs, request)

    def list_models(self, **request: Any) -> Mapping[str, Any]:
        return self._list("Model", self.models, request)

    def list_training_jobs(self, **request: Any) -> Mapping[str, Any]:
        names = [name for name, status in self.jobs.items() if status == request["StatusEquals"]]
        return _page([self._item("TrainingJob", name) for name in names], "TrainingJobSummaries", request)

    def list_tags(self, **request: Any) -> Mapping[str, Any]:
        name = request["ResourceArn"].rpartition("/")[2]
        self._find(name)
        other = [{"Key": "team", "Value": "one"}, {"Key": "cost", "Value": "two"}]
        own = [{"Key": "pilotlight:stage", "Value": self.tags[name]}] if name in self.tags else []
        return _page([*other, *own], "Tags", request)

    def describe_endpoint(self, **request: Any) -> Mapping[str, Any]:
        self._find(request["EndpointName"])
        variants = [{"VariantName": "AllTraffic", "CurrentInstanceCount": 2, "DesiredInstanceCount": 2}]
        return {
            "EndpointStatus": "InService",
            "CreationTime": CREATED,
            "EndpointConfigName": self.endpoints[request["EndpointName"]],
            "ProductionVariants": variants,
        }

    def describe_endpoint_config(self, **request: Any) -> Mapping[str, Any]:
        if request["EndpointConfigName"] not in self.configs:
            raise absent(request["EndpointConfigName"])
        if request["EndpointConfigName"] in self.unreadable:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "not authorized"}}, "Describe")
        model, instance_type = self.configs[request["EndpointConfigName"]]
        return {"ProductionVariants": [{"ModelName": model, "InstanceType": instance_type, "InitialInstanceCount": 1}]}

    def describe_training_job(self, **request: Any) -> Mapping[str, Any]:
        self._find(request["TrainingJobName"])
        used = {"InstanceType": "ml.g5.2xlarge", "InstanceCount": 3}
        return {"TrainingJobStatus": self.jobs[request["TrainingJobName"]], "ResourceConfig": used}

    def delete_endpoint_config(self, **request: Any) -> None:
        self._delete(request["EndpointConfigName"])
        del self.configs[request["EndpointConfigName"]]

    def delete_model(self, **request: Any) -> None:
        self._delete(request["ModelName"])
        self.models.remove(request["ModelName"])

    def _delete(self, name: str) -> None:
        if name in self.refused:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "not authorized"}}, "Delete")
        self._find(name)

    def _list(self, kind: str, names: Any, request: Mapping[str, Any]) -> Mapping[str, Any]:
        return _page([self._item(kind, name) for name in names], f"{kind}s", request)

    def _item(self, kind: str, name: str) -> dict[str, Any]:
        return {f"{kind}Name": name, f"{kind}Arn": f"arn:aws:sagemaker:::x/{name}", "CreationTime": CREATED}

    def _find(self, name: str) -> None:
        if name in self.vanished:
            raise absent(name)


@dataclass
class CloudFormation:
    """Stacks by name: a status, and physical ids by type."""

    stacks: dict[str, tuple[str, list[tuple[str, str]]]] = field(default_factory=dict)

    def describe_stacks(self, **request: Any) -> Mapping[str, Any]:
        if request["StackName"] not in self.stacks:
            raise ClientError({"Error": {"Code": "ValidationError", "Message": "does not exist"}}, "DescribeStacks")
        return {"Stacks": [{"StackStatus": self.stacks[request["StackName"]][0]}]}

    def list_stack_resources(self, **request: Any) -> Mapping[str, Any]:
        held = self.stacks[request["StackName"]][1]
        resources = [
            {"ResourceType": f"AWS::{kind}", "PhysicalResourceId": physical, "ResourceStatus": "CREATE_COMPLETE"}
            for kind, physical in held
        ]
        return _page([{"ResourceType": "AWS::SageMaker::Model"}, *resources], "StackResourceSummaries", request)
