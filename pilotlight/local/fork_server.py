"""Python modules as processes that find torch imported: forks of one process that has done so.

The import takes three seconds of a core, longer than all else at the start of a small model's container or training
job. Where a process that has loaded such libraries does not survive a fork, each is a process of its own: only Linux
has the fork server, to its callers everything is the same.

python -m pilotlight.local.fork_server MODULE…     imports these; its standard input is a socket of its parent's
"""

import contextlib
import importlib
import json
import os
import queue
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pilotlight.local.weights import OFFLINE_AND_QUIET

PRELOADED = ("torch", "transformers.models.llama.modeling_llama", "transformers.generation.utils", "peft")
"""Other people's code: ours may be edited while the cloud runs, but for the little that this module imports."""
# Threads that wait by spinning take four times the CPU time on a machine that anything else uses (measured). OpenBLAS
# starts its threads as it is imported, and who forks must have none.
_ENVIRONMENT = {**OFFLINE_AND_QUIET, "OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_NUM_THREADS": "1"}
"""What those libraries read when they are imported."""
_TOO_LATE = ("PYTHON", "LD_", "OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_")
"""How the names of variables begin that mean nothing to a process in which Python runs and torch is imported."""
_LONGEST_REQUEST = 1 << 18


@dataclass(frozen=True)
class _Request:
    """What to run, as `python -m` does."""

    module: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    own_session: bool


class Forked:
    """A fork, with the part of `subprocess.Popen` that its holders use."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.stdin: Any = None
        self.returncode: int | None = None
        self._ended = threading.Event()

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if not self._ended.wait(timeout):
            raise subprocess.TimeoutExpired(f"fork {self.pid}", timeout or 0.0)
        assert self.returncode is not None  # noqa: S101  it was set before
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def end(self, code: int) -> None:
        """Told by the server."""
        self.returncode = code
        self._ended.set()


Started = Forked | subprocess.Popen[bytes]
"""Its `stdin` is a pipe, whose end the process takes for its holder's death."""


class ForkServer:
    """Starts modules; created, it imports in the background, and the first ones wait for that."""

    def __init__(self, imports: Sequence[str] = PRELOADED) -> None:
        self._lock = threading.Lock()
        self._forks: queue.Queue[Forked | None] = queue.Queue()
        self._connection: socket.socket | None = None
        if sys.platform == "linux":
            self._connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            command = [sys.executable, "-m", "pilotlight.local.fork_server", *imports]
            with theirs:
                self._server = subprocess.Popen(command, stdin=theirs.fileno(), env=os.environ | _ENVIRONMENT)
            self._listener = threading.Thread(target=self._listen, args=(self._connection,), name="forks", daemon=True)
            self._listener.start()

    def start(
        self,
        module: str,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        output: int,
        own_session: bool = False,
    ) -> Started:
        """Run `module` with `environment` beside ours; what it says goes to the file descriptor `output`. Raises
        OSError.
        """
        if self._connection is None or any(name.startswith(_TOO_LATE) for name in environment):
            return subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | _ENVIRONMENT | dict(environment),
                start_new_session=own_session,
            )
        request = json.dumps(asdict(_Request(module, arguments, dict(environment), own_session))).encode()
        theirs, ours = os.pipe()
        try:
            fork = self._fork(self._connection, request, [theirs, output])
        except OSError:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
        fork.stdin = os.fdopen(ours, "wb")
        return fork

    def _fork(self, connection: socket.socket, request: bytes, files: Sequence[int]) -> Forked:
        fork = None
        with self._lock, contextlib.suppress(BrokenPipeError):
            socket.send_fds(connection, [request], files)
            fork = self._forks.get()
        if fork is None:
            raise OSError(
                "The process that starts model servers and training jobs has died: the cloud's log says why. Start the "
                "cloud anew: pilot local down, then pilot local up."
            )
        return fork

    def stop(self) -> None:
        """And with it all that it has forked, though not what a fork with a session of its own has started."""
        if self._connection:
            self._server.kill()
            self._server.wait()
            self._listener.join()
            self._connection.close()

    def _listen(self, connection: socket.socket) -> None:
        living: dict[int, Forked] = {}
        try:
            with contextlib.suppress(ConnectionResetError):
                while said := connection.recv(_LONGEST_REQUEST):
                    pid, code = json.loads(said)
                    if code is None:
                        living[pid] = Forked(pid)
                        self._forks.put(living[pid])
                    elif fork := living.pop(pid, None):  # None: a child of a library's
                        fork.end(code)
        finally:
            for fork in living.values():  # nobody tells any more how they end
                fork.kill()
                fork.end(-signal.SIGKILL)
            self._forks.put(None)  # for whoever waits


def main() -> None:
    connection = socket.socket(fileno=os.dup(sys.stdin.fileno()))
    for name in sys.argv[1:]:
        importlib.import_module(name)
    if request := _serve(connection):
        os.environ.update(request.environment)
        sys.argv = [request.module, *request.arguments]
        runpy.run_module(request.module, run_name="__main__", alter_sys=True)


def _serve(connection: socket.socket) -> _Request | None:
    """Fork for each request, and tell of each fork its process id and later its exit code, in Python's way. Returns
    in a fork, with what it is to run; and at the end of the connection with None.
    """
    ended, wake = socket.socketpair()
    for end in (ended, wake):
        end.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    while True:
        ready, _, _ = select.select([connection, ended], [], [])
        if ended in ready:
            ended.recv(4096)
            for pid, code in _reaped():
                connection.send(json.dumps([pid, code]).encode())
        if connection in ready:
            said, files, _, _ = socket.recv_fds(connection, _LONGEST_REQUEST, 2)
            if not said:
                return None
            request, (stdin, output) = _Request(**json.loads(said)), files
            if pid := os.fork():
                os.close(stdin)
                os.close(output)
                connection.send(json.dumps([pid, None]).encode())
                continue
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for end in (connection, ended, wake):
                end.close()
            if request.own_session:
                os.setsid()
            for number, file in enumerate((stdin, output, output)):
                os.dup2(file, number)
            os.close(stdin)
            os.close(output)
            return request


def _reaped() -> list[tuple[int, int]]:
    """Process id and exit code of each fork that has ended."""
    found = []
    with contextlib.suppress(ChildProcessError):
        while (waited := os.waitpid(-1, os.WNOHANG)) and waited[0]:
            found.append((waited[0], os.waitstatus_to_exitcode(waited[1])))
    return found


if __name__ == "__main__":
    main()
