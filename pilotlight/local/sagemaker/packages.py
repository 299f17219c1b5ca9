"""The model registry: groups of model packages, and the versions in them."""

import threading
from typing import Any

from pilotlight.local.sagemaker.records import Account, Record, Table, now, page
from pilotlight.local.sagemaker.wire import AwsError

_GROUP = "model-package-group"
_SUMMARY = (
    "ModelPackageGroupName",
    "ModelPackageVersion",
    "ModelPackageArn",
    "ModelPackageDescription",
    "CreationTime",
    "ModelPackageStatus",
    "ModelApprovalStatus",
)


class ModelPackages:
    """Each public method is the operation of the same name. Packages are versions in a group; there are no others."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._groups = Table(account, _GROUP, "ModelPackageGroupName")
        self._lock = threading.Lock()
        self._packages: dict[str, Record] = {}  # by ARN
        self._versions: dict[str, int] = {}
        """Each group's newest; a number is never used again."""

    def create_model_package_group(
        self, *, ModelPackageGroupName: str, Tags: list[Record] | None = None, **request: Any
    ) -> Record:
        known = {"ModelPackageGroupStatus": "Completed", "CreatedBy": {}}
        return {"ModelPackageGroupArn": self._groups.add(ModelPackageGroupName, Tags, request | known)}

    def describe_model_package_group(self, *, ModelPackageGroupName: str) -> Record:
        return self._group(ModelPackageGroupName)

    def list_model_package_groups(self, **asked: Any) -> Record:
        found = self._groups.summaries("ModelPackageGroupDescription", "ModelPackageGroupStatus")
        return page(found, "ModelPackageGroupSummaryList", "ModelPackageGroupName", asked)

    def delete_model_package_group(self, *, ModelPackageGroupName: str) -> Record:
        with self._lock:
            name = self._group(ModelPackageGroupName)["ModelPackageGroupName"]
            if self._in_group(name):
                raise AwsError(
                    "ConflictException",
                    "Model Package Group cannot be deleted because it still contains Model Packages.",
                )
            self._groups.remove(name)
        return {}

    def create_model_package(
        self, *, ModelPackageGroupName: str | None = None, Tags: list[Record] | None = None, **request: Any
    ) -> Record:
        if ModelPackageGroupName is None:
            raise AwsError("ValidationException", "ModelPackageGroupName is missing; only versions of groups are kept.")
        with self._lock:
            group = self._group(ModelPackageGroupName)["ModelPackageGroupName"]
            version = self._versions[group] = self._versions.get(group, 0) + 1
            arn = self._account.arn("model-package", f"{group}/{version}")
            self._packages[arn] = (
                {"ModelApprovalStatus": "PendingManualApproval"}
                | request
                | {
                    "ModelPackageName": group,
                    "ModelPackageGroupName": group,
                    "ModelPackageVersion": version,
                    "ModelPackageArn": arn,
                    "CreationTime": now(),
                    "ModelPackageStatus": "Completed",
                    "ModelPackageStatusDetails": {"ValidationStatuses": []},
                }
            )
            self._account.enter(arn, Tags)
        return {"ModelPackageArn": arn}

    def describe_model_package(self, *, ModelPackageName: str, **_: Any) -> Record:
        package = self._package(ModelPackageName)
        return {key: value for key, value in package.items() if key != "ClientToken"}

    def list_model_packages(self, *, ModelPackageGroupName: str | None = None, **asked: Any) -> Record:
        with self._lock:
            group = ModelPackageGroupName and self._group(ModelPackageGroupName)["ModelPackageGroupName"]
            found = self._in_group(group)
        approval = asked.get("ModelApprovalStatus")
        wanted = [package for package in found if approval in (None, package["ModelApprovalStatus"])]
        summaries = [{key: package[key] for key in _SUMMARY if key in package} for package in wanted]
        return page(summaries, "ModelPackageSummaryList", "ModelPackageGroupName", asked)

    def update_model_package(self, *, ModelPackageArn: str, **changed: Any) -> Record:
        with self._lock:
            package = self._package(ModelPackageArn)
            metadata = package.get("CustomerMetadataProperties", {}) | changed.pop("CustomerMetadataProperties", {})
            for key in changed.pop("CustomerMetadataPropertiesToRemove", []):
                metadata.pop(key, None)
            self._packages[package["ModelPackageArn"]] = (
                package
                | changed
                | {
                    "CustomerMetadataProperties": metadata,
                    "LastModifiedTime": now(),
                }
            )
        return {"ModelPackageArn": package["ModelPackageArn"]}

    def delete_model_package(self, *, ModelPackageName: str) -> Record:
        with self._lock:
            arn = self._package(ModelPackageName)["ModelPackageArn"]
            del self._packages[arn]
            self._account.leave(arn)
        return {}

    def _group(self, given: str) -> Record:
        """By its name or its ARN."""
        by_arn = {group["ModelPackageGroupArn"]: group for group in self._groups.all()}
        return by_arn.get(given) or self._groups.find(given)

    def _in_group(self, group: str | None) -> list[Record]:
        return [p for p in self._packages.values() if group in (None, p["ModelPackageGroupName"])]

    def _package(self, arn: str) -> Record:
        try:
            return self._packages[arn]
        except KeyError:
            raise AwsError("ValidationException", f"ModelPackage {arn} does not exist.") from None
