"""One model-server process, started and watched as SageMaker does with a container.

The real service pulls `image` and mounts the artifact at /opt/ml/model. Here no image can be pulled, so every
image is played by `pilotlight.local.model_server` with a local model behind the contract that the Model is tagged
with.
"""

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import urllib3

from pilotlight.local.fork_server import ForkServer
from pilotlight.local.processes import port_for

CONTAINER_TIMEOUT_SECONDS = 60.0
"""SageMaker gives a container 60 s to answer."""
_PING_SECONDS = 0.1
_STOP_SECONDS = 5.0
_QUIET_SECONDS = 0.25
"""After which nobody is on the way any more to a container that has been replaced."""


@dataclass(frozen=True)
class Launch:
    """What an endpoint's container is started with."""

    contract: str
    environment: Mapping[str, str]
    folder: Path
    """The container's own folder: opt/ml/model inside it, and its log."""
    artifact: Path | None = None
    """The folder with the model's data; None where what stands in for them is the starter's choice."""
    instance_type: str | None = None
    """What it counts as running on."""


class ContainerDied(Exception):
    """The process ended, or was not healthy in time; the message quotes its last words."""


class Container:
    """A running model server on the model in `artifact`."""

    def __init__(self, launch: Launch, artifact: Path, server: ForkServer) -> None:
        model = launch.folder / "opt/ml/model"
        model.parent.mkdir(parents=True, exist_ok=True)
        model.unlink(missing_ok=True)
        model.symlink_to(artifact.resolve(), target_is_directory=True)
        self._log = launch.folder / "container.log"
        self._port = port_for("127.0.0.1", None)
        arguments = ["--port", str(self._port), "--model-dir", str(model), "--contract", launch.contract]
        with self._log.open("ab") as log:
            self._process = server.start(
                "pilotlight.local.model_server", arguments, environment=launch.environment, output=log.fileno()
            )
        self._callers = 0
        self._last_call = time.monotonic()
        self._lock = threading.Lock()
        # As many connections as SageMaker's proxy would hold; retries belong to the caller.
        self._http = urllib3.HTTPConnectionPool("127.0.0.1", self._port, maxsize=32, retries=False)

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until_healthy(self, timeout_seconds: float) -> None:
        """Return once /ping answers 200, or raise ContainerDied."""
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise ContainerDied(f"{self.epitaph()} before it passed the ping health check")
            try:
                if self._http.request("GET", "/ping", timeout=2).status == 200:
                    return
            except urllib3.exceptions.HTTPError:
                pass  # not listening yet: the process is still importing
            time.sleep(_PING_SECONDS)
        raise ContainerDied(f"The container did not pass the ping health check within {timeout_seconds:g} s")

    def invoke(self, body: bytes, content_type: str, timeout_seconds: float) -> tuple[int, str, bytes]:
        """POST /invocations: (status, content type, body). Raises urllib3's errors: the caller knows what each
        means.
        """
        response = self._http.request(
            "POST", "/invocations", body=body, headers={"Content-Type": content_type}, timeout=timeout_seconds
        )
        return response.status, response.headers.get("Content-Type", ""), response.data

    @contextmanager
    def called(self) -> Iterator[None]:
        """While somebody waits for its answer."""
        with self._lock:
            self._callers += 1
        try:
            yield
        finally:
            with self._lock:
                self._callers -= 1
                self._last_call = time.monotonic()

    def watch(self, on_death: Callable[[str], None]) -> None:
        """Call `on_death(epitaph)` from a thread when the process ends, whatever ended it."""

        def wait() -> None:
            self._process.wait()
            on_death(self.epitaph())

        threading.Thread(target=wait, name=f"container-{self.pid}", daemon=True).start()

    def stop(self) -> None:
        """End the process; returns when it is gone."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._http.close()
        if self._process.stdin:
            self._process.stdin.close()

    def retire(self) -> None:
        """`stop`, once everybody who called has been answered: another container has taken its place."""
        replaced = time.monotonic()
        while (now := time.monotonic()) < replaced + CONTAINER_TIMEOUT_SECONDS:
            with self._lock:
                if not self._callers and now - max(replaced, self._last_call) > _QUIET_SECONDS:
                    break
            time.sleep(_PING_SECONDS)
        self.stop()

    def epitaph(self) -> str:
        """How the process ended, with the last line it logged."""
        lines = self._log.read_text(errors="replace").strip().splitlines() if self._log.exists() else []
        said = f", saying '{lines[-1]}'" if lines else ""
        return f"The primary container exited with code {self._process.poll()}{said}"
