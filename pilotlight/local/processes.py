"""Processes that must not outlive their purpose, and what they need of the machine."""

import contextlib
import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

NODE_MAJOR_MINIMUM = 20
FREE_DISK_MINIMUM_MB = 500


class MachineError(Exception):
    """The machine lacks something; the message says what, and what to do."""


class PidFile:
    """A file that names a process and is locked as long as that process lives, however it dies."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def spawn(
        self, command: Sequence[str], *, cwd: Path, environment: Mapping[str, str], log: Path
    ) -> subprocess.Popen[bytes]:
        """Start the process that holds the file, as the leader of a group of its own; its output goes to `log`.

        The lock is taken before the process exists and inherited by it, so there is no moment in which it runs unseen.
        """
        with self._path.open("a") as file, log.open("wb") as output:
            fcntl.flock(file, fcntl.LOCK_EX)
            process = subprocess.Popen(
                command,
                cwd=cwd,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                pass_fds=[file.fileno()],
            )
            try:
                file.truncate(0)
                file.write(str(process.pid))
                file.flush()
            except BaseException:
                process.kill()
                raise
        return process

    def holder(self) -> int | None:
        """The living process that holds the file, if any. A process id alone could be anybody's by now."""
        try:
            with self._path.open() as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return None
        except BlockingIOError:
            return int(self._path.read_text() or 0) or None
        return None


def stop_group(pid: int, *, gone: Callable[[], bool], patience_seconds: float) -> None:
    """Ask the leader of a process group to end; after `patience_seconds`, or once it is gone, end what is left of
    its group.
    """
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + patience_seconds
    while not gone() and time.monotonic() < deadline:
        time.sleep(0.05)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def run(command: Sequence[str], *, cwd: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    """(exit code, output) of a command that dies with its children if we are interrupted."""
    with subprocess.Popen(
        command,
        cwd=cwd,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate()
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    return process.returncode, output


def bypass_proxy_for_loopback() -> None:
    """Calls of this process to its own machine go straight there, whatever HTTP_PROXY says."""
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), "127.0.0.1", "localhost"]))


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold `path` as a lock; a second process waits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def port_for(host: str, wanted: int | None) -> int:
    """`wanted` if nobody listens there, or any free port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, wanted or 0))
        except OSError as error:
            raise MachineError(
                f"Port {wanted} on {host} cannot be used ({error.strerror}). Leave --port out to take a free one."
            ) from error
        port: int = probe.getsockname()[1]
        return port


def require_node(path: str | None = None) -> None:
    """Node as the CDK needs it: found on `path` (the environment's), and not too old."""
    advice = f"Install Node {NODE_MAJOR_MINIMUM} or newer (22 or 24 are supported versions) and run `make setup` again."
    node = shutil.which("node", path=path)
    if node is None:
        raise MachineError(f"There is no `node` on the PATH, and the AWS CDK runs on it. {advice}")
    try:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    except OSError as error:
        raise MachineError(f"{node} cannot be run: {error.strerror}. {advice}") from error
    version = re.match(r"v(\d+)\.", said)
    if version is None or int(version[1]) < NODE_MAJOR_MINIMUM:
        raise MachineError(f"`node --version` says {said or 'nothing'}, which is too old. {advice}")


def require_disk(folder: Path, *, free_mb: int | None = None) -> None:
    """Room for what the embedded cloud writes."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free // 2**20 if free_mb is None else free_mb
    if free < FREE_DISK_MINIMUM_MB:
        raise MachineError(
            f"{existing} has {free} MB left, the embedded cloud needs {FREE_DISK_MINIMUM_MB} MB. "
            "Free some space and try again."
        )
