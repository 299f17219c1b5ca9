"""What the embedded cloud is busy with: an advance of its clock waits until that is done."""

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any


class Activity:
    """Counts work under way, by kind. Whatever starts work begins it before the worker runs, so that nobody sees a
    gap between asking and doing.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._open: Counter[str] = Counter()

    def begin(self, kind: str) -> None:
        with self._changed:
            self._open[kind] += 1

    def end(self, kind: str) -> None:
        with self._changed:
            self._open[kind] -= 1
            if not self._open[kind]:
                del self._open[kind]
            self._changed.notify_all()

    @contextlib.contextmanager
    def doing(self, kind: str) -> Iterator[None]:
        self.begin(kind)
        try:
            yield
        finally:
            self.end(kind)

    def under_way(self) -> dict[str, int]:
        """How much of each kind is under way; empty when idle."""
        with self._changed:
            return dict(self._open)

    def wait_until_idle(self, timeout_seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: not self._open, timeout_seconds)

    def spawn(self, kind: str, work: Callable[..., Any], *arguments: Any) -> None:
        """Run `work` on a thread of its own, counted from now to its end."""

        def counted() -> None:
            try:
                work(*arguments)
            finally:
                self.end(kind)

        self.begin(kind)
        threading.Thread(target=counted, name=kind, daemon=True).start()
