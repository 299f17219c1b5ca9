"""The process of one training job: its program, its log, its end."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_LAST_WORDS_SECONDS = 5.0


class Process:
    """A running program. Its output goes to `log`, and line by line to `on_line`; its standard input stays open as
    long as this process lives.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], log: Path, on_line: Callable[[str], None]
    ) -> None:
        self._log = log
        self._on_line = on_line
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            text=True,
            errors="replace",
            start_new_session=True,  # it is killed with whatever it has started
        )
        self._reader = threading.Thread(target=self._read, name=f"training-{self._process.pid}", daemon=True)
        self._reader.start()

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def terminate(self) -> None:
        """Ask it to end."""
        if not self.has_ended():
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        if not self.has_ended():
            os.killpg(self._process.pid, signal.SIGKILL)

    def finish(self) -> int:
        """Wait for its end and its last words; its exit code, 128 + n where signal n ended it."""
        code = self._process.wait()
        self._reader.join(_LAST_WORDS_SECONDS)
        if self._process.stdin:
            self._process.stdin.close()
        return code if code >= 0 else 128 - code

    def _read(self) -> None:
        assert self._process.stdout  # noqa: S101  it is a pipe
        with self._log.open("a") as log, self._process.stdout as lines:
            for line in lines:
                log.write(line)
                log.flush()
                self._on_line(line)
