"""The S3 that SageMaker reads from and writes to, and folders carried to and fro."""

import shutil
import tarfile
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from botocore.exceptions import ClientError


class Storage(Protocol):
    """What is asked of S3."""

    def has_bucket(self, bucket: str) -> bool: ...

    def keys(self, bucket: str, prefix: str) -> list[str]:
        """Every key that begins with `prefix`, in order; none if the bucket does not exist."""

    def get(self, bucket: str, key: str, target: Path) -> None: ...

    def put(self, source: Path, bucket: str, key: str) -> None: ...


class S3:
    """A boto3 client of S3 as a Storage."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def has_bucket(self, bucket: str) -> bool:
        try:
            self._client.head_bucket(Bucket=bucket)
        except ClientError:
            return False
        return True

    def keys(self, bucket: str, prefix: str) -> list[str]:
        if not self.has_bucket(bucket):
            return []
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def get(self, bucket: str, key: str, target: Path) -> None:
        self._client.download_file(bucket, key, str(target))

    def put(self, source: Path, bucket: str, key: str) -> None:
        self._client.upload_file(str(source), bucket, key)


@dataclass(frozen=True)
class Location:
    """A place in S3."""

    bucket: str
    prefix: str

    @classmethod
    def of(cls, uri: str) -> "Location":
        """From `s3://bucket/prefix`, a form that the service model has seen to."""
        bucket, _, prefix = uri.split("://", 1)[1].partition("/")
        return cls(bucket, prefix)

    def below(self, path: str) -> "Location":
        """`path` under this prefix, whether it ends with a slash or not."""
        return Location(self.bucket, "/".join(part for part in (self.prefix.rstrip("/"), path) if part))

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"


def download(storage: Storage, location: Location, folder: Path) -> int:
    """Carry everything that begins with the prefix into `folder`, under the names that SageMaker gives it; the number
    of files. Raises ValueError for a key that would leave the folder.
    """
    keys = [key for key in storage.keys(location.bucket, location.prefix) if not key.endswith("/")]
    for key in keys:
        target = folder / _name(key, location.prefix)
        if not target.resolve().is_relative_to(folder.resolve()):
            raise ValueError(f"The key {key!r} of bucket {location.bucket} leads out of the folder it is meant for.")
        target.parent.mkdir(parents=True, exist_ok=True)
        storage.get(location.bucket, key, target)
    return len(keys)


def upload(storage: Storage, folder: Path, location: Location, files: Iterable[Path] | None = None) -> None:
    """Carry `files` of `folder`, or all of them, below `location`."""
    for path in files_in(folder) if files is None else files:
        target = location.below(path.relative_to(folder).as_posix())
        storage.put(path, target.bucket, target.prefix)


def upload_archive(storage: Storage, folder: Path, location: Location) -> None:
    """Carry the whole folder to `location` as one .tar.gz."""
    with tempfile.TemporaryDirectory() as scratch:
        archive = Path(scratch) / "model.tar.gz"
        with tarfile.open(archive, "w:gz") as packed:
            packed.add(folder, arcname=".")
        storage.put(archive, location.bucket, location.prefix)


def download_object(storage: Storage, location: Location, folder: Path) -> bool:
    """Carry the one object at `location` into `folder`, under the last part of its key; False if it is not there."""
    if location.prefix not in storage.keys(location.bucket, location.prefix):
        return False
    storage.get(location.bucket, location.prefix, folder / location.prefix.rpartition("/")[2])
    return True


def download_archive(storage: Storage, location: Location, folder: Path) -> bool:
    """Unpack the .tar.gz at `location` into `folder`; False if it is not there. Raises tarfile.TarError."""
    with tempfile.TemporaryDirectory() as scratch:
        if not download_object(storage, location, Path(scratch)):
            return False
        with tarfile.open(next(Path(scratch).iterdir()), "r:gz") as packed:
            packed.extractall(folder, filter="data")
    return True


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def emptied(folder: Path) -> Path:
    """The folder, there and with nothing in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _name(key: str, prefix: str) -> str:
    """The name of a key's file: what follows the prefix where that is a folder, else what follows its last slash."""
    if prefix == "" or prefix.endswith("/") or key.startswith(f"{prefix}/"):
        return key.removeprefix(prefix).lstrip("/")
    return key.removeprefix(prefix.rpartition("/")[0]).lstrip("/")
