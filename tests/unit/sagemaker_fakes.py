"""A local SageMaker whose S3 is a dictionary and whose containers a test commands, and how to wait for what its threads
do.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pilotlight.local.sagemaker.container import Launch
from pilotlight.local.sagemaker.control import SageMaker


class Buckets:
    """An S3 of dictionaries: bucket, key, content."""

    def __init__(self) -> None:
        self.content: dict[str, dict[str, bytes]] = {}

    def has_bucket(self, bucket: str) -> bool:
        return bucket in self.content

    def keys(self, bucket: str, prefix: str) -> list[str]:
        return sorted(key for key in self.content.get(bucket, {}) if key.startswith(prefix))

    def get(self, bucket: str, key: str, target: Path) -> None:
        target.write_bytes(self.content[bucket][key])

    def put(self, source: Path, bucket: str, key: str) -> None:
        self.content[bucket][key] = source.read_bytes()


class FakeContainer:
    """Healthy as soon as `ready` is set; `die` ends it as a crash would."""

    def __init__(self, launch: Launch) -> None:
        self.launch = launch
        self.ready = threading.Event()
        self.stopped = False
        self._on_death: Callable[[str], None] = lambda _: None

    def wait_until_healthy(self, timeout_seconds: float) -> None:
        assert self.ready.wait(min(timeout_seconds, 10))

    def watch(self, on_death: Callable[[str], None]) -> None:
        self._on_death = on_death

    def stop(self) -> None:
        self.stopped = True

    def retire(self) -> None:
        self.stopped = True

    def die(self) -> None:
        self._on_death("exited with code -9")


class Fleet:
    """Starts fake containers, or fails to."""

    def __init__(self) -> None:
        self.containers: list[FakeContainer] = []
        self.fails: Exception | None = None
        self.healthy = True

    def start(self, launch: Launch) -> Any:
        if self.fails:
            raise self.fails
        container = FakeContainer(launch)
        if self.healthy:
            container.ready.set()
        self.containers.append(container)
        return container


def local_sagemaker(folder: Path, buckets: Buckets, **others: Any) -> SageMaker:
    """`others` are SageMaker's own arguments; nothing is started unless they say how."""
    unused: dict[str, Any] = {"start": None, "program": None, "weights": None, "sink": None}
    return SageMaker(region="us-east-1", account="000000000000", folder=folder, storage=buckets, **unused | others)


def eventually(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.001)
