"""The stage's bucket as the steps read it."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from botocore.exceptions import ClientError

_CHUNK_BYTES = 1 << 20


class S3Client(Protocol):
    """What is used of boto3's `s3` client."""

    def list_objects_v2(self, **request: Any) -> Mapping[str, Any]: ...
    def get_object(self, **request: Any) -> Mapping[str, Any]: ...


def located(uri: str) -> tuple[str, str]:
    """Bucket and key of s3://BUCKET/KEY."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


class Bucket:
    """One bucket, whose objects are read in chunks and never held whole."""

    def __init__(self, client: S3Client, name: str) -> None:
        self._client = client
        self._name = name

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """(key, bytes) of every object below `prefix`, folders' own markers left out."""
        more: dict[str, str] = {}
        while True:
            page = self._client.list_objects_v2(Bucket=self._name, Prefix=prefix, **more)
            for entry in page.get("Contents", []):
                if not entry["Key"].endswith("/"):
                    yield entry["Key"], int(entry["Size"])
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def open(self, key: str) -> Iterator[bytes]:
        """The object's content, in chunks."""
        chunks: Iterable[bytes] = self._client.get_object(Bucket=self._name, Key=key)["Body"].iter_chunks(_CHUNK_BYTES)
        yield from chunks

    def text(self, key: str) -> str | None:
        """The whole of a small object; None where there is none. Raises UnicodeDecodeError."""
        try:
            return b"".join(self.open(key)).decode("utf-8")
        except ClientError as error:
            if error.response["Error"].get("Code") in ("NoSuchKey", "404"):
                return None
            raise

    def json(self, key: str) -> Any:
        """A small object of JSON; None where there is none. Raises ValueError."""
        text = self.text(key)
        return None if text is None else json.loads(text)
