"""Threads that wait for a moment of simulated time, or for somebody's signal; waiting is not work."""

import threading
import time
from collections.abc import Callable

from pilotlight.local.activity import Activity


class Cancelled(BaseException):
    """What was waited for is no longer wanted. No `Exception`: a state machine's own error handling must not see it."""


class Waits:
    """Threads that wait for a moment of simulated time. Waiting is not work: `kind` is not under way meanwhile."""

    def __init__(self, activity: Activity, kind: str, *, now: Callable[[], float] = time.time) -> None:
        self._activity = activity
        self._kind = kind
        self._now = now
        self._lock = threading.Lock()
        self._waiting: list[_Wait] = []

    def until(self, moment: float, owner: str = "", signal: "Signal | None" = None) -> bool:
        """Return when it is `moment`, or the signal is given; whether it is. Raises Cancelled if the owner's waits
        are.
        """
        with self._lock:
            if signal and signal.given:
                return True
            if moment <= self._now():
                return False
            wait = _Wait(moment, owner)
            if signal:
                signal.wait = wait
            self._waiting.append(wait)
        self._activity.end(self._kind)
        wait.over.wait()
        if wait.cancelled:
            raise Cancelled(owner)
        return signal is not None and signal.given

    def signal(self) -> "Signal":
        """Something that ends a wait before its moment."""
        return Signal(self)

    def give(self, signal: "Signal") -> None:
        with self._lock:
            signal.given = True
            if signal.wait and signal.wait in self._waiting:
                self._wake(signal.wait)

    def cancel(self, owner: str) -> None:
        with self._lock:
            for wait in [wait for wait in self._waiting if wait.owner == owner]:
                wait.cancelled = True
                self._wake(wait)

    def due(self, _now: float) -> float | None:
        with self._lock:
            return min((wait.moment for wait in self._waiting), default=None)

    def fire(self, now: float) -> None:
        with self._lock:
            for wait in sorted(self._waiting, key=lambda wait: wait.moment):
                if wait.moment <= now:
                    self._wake(wait)

    def _wake(self, wait: "_Wait") -> None:
        self._waiting.remove(wait)
        self._activity.begin(self._kind)
        wait.over.set()


class Signal:
    """Given once, from any thread; whoever waits for it is at work again before that returns: nobody sees a gap."""

    def __init__(self, waits: Waits) -> None:
        self._waits = waits
        self.given = False
        self.wait: _Wait | None = None

    def set(self) -> None:
        self._waits.give(self)


class _Wait:
    def __init__(self, moment: float, owner: str) -> None:
        self.moment = moment
        self.owner = owner
        self.cancelled = False
        self.over = threading.Event()
