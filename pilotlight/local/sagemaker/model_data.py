"""A model's data: from S3 into the folder that a container is given."""

import tarfile
from pathlib import Path

from pilotlight.local.sagemaker.records import Record
from pilotlight.local.sagemaker.storage import Location, Storage, download, download_archive, emptied


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
    packed = source.get("CompressionType", "Gzip") == "Gzip"
    try:
        found = (download_archive if packed else download)(storage, location, emptied(folder))
    except tarfile.TarError as error:
        raise NoModelData(f'Failed to extract model data archive from URL "{uri}": {error}.') from error
    if not found:
        raise NoModelData(
            f'Failed to download model data for container "container_1" from URL: "{uri}". Please ensure that there '
            "is an object located at the URL and that the role passed to CreateModel has permissions to download the "
            "object."
        )
    return folder
