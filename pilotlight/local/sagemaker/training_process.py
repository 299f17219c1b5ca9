"""The process of one training job: its program, its log, its end."""

import os
import signal
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from pilotlight.local.fork_server import Started

_LAST_WORDS_SECONDS = 5.0

Program = Callable[[Mapping[str, str], int], Started]
"""Starts what plays every training image, in a session of its own, with these variables beside ours and its output to
this file descriptor.
"""


class Process:
    """A running program. Its output goes to `log`, and line by line to `on_line`; its standard input stays open as
    long as this process lives.
    """

    def __init__(
        self, program: Program, environment: Mapping[str, str], log: Path, on_line: Callable[[str], None]
    ) -> None:
        self._log = log
        self._on_line = on_line
        said, output = os.pipe()
        try:
            self._process = program(environment, output)
        except OSError:
            os.close(said)
            raise
        finally:
            os.close(output)
        self._reader = threading.Thread(
            target=self._read, args=(said,), name=f"training-{self._process.pid}", daemon=True
        )
        self._reader.start()

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def terminate(self) -> None:
        """Ask it to end."""
        if not self.has_ended():
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        if not self.has_ended():
            try:
                os.killpg(self._process.pid, signal.SIGKILL)  # with whatever it has started
            except ProcessLookupError:  # a fork that has no session of its own yet, or has ended just now
                self._process.kill()

    def finish(self) -> int:
        """Wait for its end and its last words; its exit code, 128 + n where signal n ended it."""
        code = self._process.wait()
        self._reader.join(_LAST_WORDS_SECONDS)
        if self._process.stdin:
            self._process.stdin.close()
        return code if code >= 0 else 128 - code

    def _read(self, said: int) -> None:
        with self._log.open("a") as log, os.fdopen(said, errors="replace") as lines:
            for line in lines:
                log.write(line)
                log.flush()
                self._on_line(line)
