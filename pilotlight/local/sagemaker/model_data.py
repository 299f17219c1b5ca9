"""A model's data: from S3 into the folder that a container is given."""

import tarfile
from collections.abc import Callable
from pathlib import Path

from pilotlight.local.sagemaker.records import Record
from pilotlight.local.sagemaker.storage import Location, Storage, download, download_archive, download_object, emptied
from pilotlight.local.sagemaker.wire import AwsError


def check_model_data(container: Record) -> None:
    """Raises AwsError for a source whose members do not go together: what is compressed is one object, and a prefix
    ends with a slash.
    """
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    if source is None:
        return
    uri, kind, compression = source["S3Uri"], source["S3DataType"], source["CompressionType"]
    if kind == "S3Prefix" and compression != "None":
        raise AwsError(
            "ValidationException", f"CompressionType {compression} is not supported for S3DataType S3Prefix."
        )
    if kind == "S3Prefix" and not uri.endswith("/"):
        raise AwsError("ValidationException", f'S3Uri "{uri}" of S3DataType S3Prefix must end with a forward slash.')


class NoModelData(Exception):
    """There is nothing to serve; the message is SageMaker's."""


def fetch(storage: Storage, container: Record, folder: Path) -> Path | None:
    """`folder`, filled with the data of a model's `container`. None for a container without data, or whose bucket is
    not in this cloud: model hubs' buckets are elsewhere, and the built-in weights stand in. Raises NoModelData.
    """
    source = container.get("ModelDataSource", {}).get("S3DataSource", {})
    uri = source.get("S3Uri") or container.get("ModelDataUrl")
    if not uri or not storage.has_bucket((location := Location.of(uri)).bucket):
        return None
    try:
        found = _how(source)(storage, location, emptied(folder))
    except tarfile.TarError as error:
        raise NoModelData(f'Failed to extract model data archive from URL "{uri}": {error}.') from error
    if not found:
        raise NoModelData(
            f'Failed to download model data for container "container_1" from URL: "{uri}". Please ensure that there '
            "is an object located at the URL and that the role passed to CreateModel has permissions to download the "
            "object."
        )
    return folder


def _how(source: Record) -> Callable[[Storage, Location, Path], int]:
    """A bare ModelDataUrl, without a `source`, names an archive."""
    if source.get("CompressionType", "Gzip") == "Gzip":
        return download_archive
    return download if source["S3DataType"] == "S3Prefix" else download_object
