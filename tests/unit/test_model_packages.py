"""The local model registry, asked over the wire."""

import json
from pathlib import Path
from typing import Any

import pytest

from pilotlight.local.sagemaker.wire import AwsError, answer

from .sagemaker_fakes import Buckets, local_sagemaker


class Client:
    """SageMaker with the group `Models`."""

    def __init__(self, folder: Path) -> None:
        self._sagemaker = local_sagemaker(folder, Buckets())
        self.group = self.ask("CreateModelPackageGroup", ModelPackageGroupName="Models")["ModelPackageGroupArn"]

    def ask(self, operation: str, **request: Any) -> dict[str, Any]:
        headers, body = {"x-amz-target": f"SageMaker.{operation}"}, json.dumps(request).encode()
        code, _, said = answer(self._sagemaker.operations, headers, body)
        parsed: dict[str, Any] = json.loads(said)
        if code != 200:
            raise AwsError(parsed["__type"], parsed["message"])
        return parsed

    def register(self, **more: Any) -> str:
        return str(self.ask("CreateModelPackage", ModelPackageGroupName="Models", **more)["ModelPackageArn"])

    def package(self, arn: str) -> dict[str, Any]:
        return self.ask("DescribeModelPackage", ModelPackageName=arn)

    def versions(self, **asked: Any) -> list[int]:
        found = self.ask("ListModelPackages", ModelPackageGroupName="Models", **asked)["ModelPackageSummaryList"]
        return [package["ModelPackageVersion"] for package in found]


@pytest.fixture
def client(tmp_path: Path) -> Client:
    return Client(tmp_path)


SERVED = {
    "Containers": [{"Image": "image", "ModelDataUrl": "s3://b/model/"}],
    "SupportedContentTypes": ["application/json"],
    "SupportedResponseMIMETypes": ["application/json"],
}


def test_a_package_is_a_version_of_its_group_and_waits_for_approval(client: Client) -> None:
    first, second = client.register(), client.register(InferenceSpecification=SERVED)
    assert (first.rsplit(":", 1)[-1], second.rsplit("/", 1)[-1]) == ("model-package/models/1", "2")
    package = client.package(second)
    assert (package["ModelPackageVersion"], package["ModelApprovalStatus"]) == (2, "PendingManualApproval")
    assert (package["ModelPackageGroupName"], package["ModelPackageStatus"]) == ("Models", "Completed")
    assert package["InferenceSpecification"] == SERVED


def test_approval_and_metadata_change(client: Client) -> None:
    arn = client.register(CustomerMetadataProperties={"run": "1", "score": "low"})
    client.ask(
        "UpdateModelPackage",
        ModelPackageArn=arn,
        ModelApprovalStatus="Approved",
        ApprovalDescription="better",
        CustomerMetadataProperties={"score": "high"},
        CustomerMetadataPropertiesToRemove=["run"],
    )
    package = client.package(arn)
    assert (package["ModelApprovalStatus"], package["ApprovalDescription"]) == ("Approved", "better")
    assert package["CustomerMetadataProperties"] == {"score": "high"}


def test_versions_are_listed_by_approval_and_order(client: Client) -> None:
    for status in ("Approved", "Rejected", "Approved"):
        client.register(ModelApprovalStatus=status)
    assert client.versions() == [1, 2, 3]
    assert client.versions(ModelApprovalStatus="Approved", SortOrder="Descending", MaxResults=1) == [3]


def test_a_deleted_version_leaves_its_number_behind(client: Client) -> None:
    client.ask("DeleteModelPackage", ModelPackageName=client.register())
    assert client.register().endswith("/2")
    assert client.versions() == [2]


@pytest.mark.parametrize("by", ["name", "arn"])
def test_a_group_goes_when_it_is_empty(client: Client, by: str) -> None:
    arn = client.register()
    name = "Models" if by == "name" else client.group
    with pytest.raises(AwsError, match="still contains Model Packages") as refused:
        client.ask("DeleteModelPackageGroup", ModelPackageGroupName=name)
    assert refused.value.code == "ConflictException"
    client.ask("DeleteModelPackage", ModelPackageName=arn)
    client.ask("DeleteModelPackageGroup", ModelPackageGroupName=name)
    assert client.ask("ListModelPackageGroups")["ModelPackageGroupSummaryList"] == []
    with pytest.raises(AwsError, match="Could not find model-package-group"):
        client.ask("DescribeModelPackageGroup", ModelPackageGroupName="Models")


def test_what_makes_no_sense_is_refused(client: Client) -> None:
    with pytest.raises(AwsError, match="ModelPackageGroupName is missing"):
        client.ask("CreateModelPackage", ModelPackageName="alone")
    with pytest.raises(AwsError, match="Could not find model-package-group"):
        client.ask("CreateModelPackage", ModelPackageGroupName="Nobody")
    with pytest.raises(AwsError, match="does not exist"):
        client.package(f"{client.group.replace('-group', '')}/9")
    with pytest.raises(AwsError, match="odelApprovalStatus"):
        client.register(ModelApprovalStatus="Maybe")
