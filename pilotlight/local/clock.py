"""Simulated time: real time plus what it was advanced by, for the whole process of the embedded cloud.

Everything that happens at a known moment is a `Source`. While nobody advances, a thread fires what has become due;
an advance holds the clock, steps from one due moment to the next, and waits at each until what it set off has
settled. So everything in between happens in order, and the work costs no simulated time. Monotonic clocks, sleeps and
asyncio stay real.
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

import time_machine

from pilotlight.local.activity import Activity

LONGEST_ADVANCE_SECONDS = 366 * 86_400.0
SETTLE_SECONDS = 300.0
"""Real time that one moment's work may take before an advance gives up."""
_TICK_SECONDS = 0.25
_POLL_SECONDS = 0.005

logger = logging.getLogger("clock")


class Source(Protocol):
    """Things that happen at known moments (epoch seconds of simulated time)."""

    def due(self, now: float) -> float | None:
        """The next moment at which something happens, past ones included; None when nothing is to come."""

    def fire(self, now: float) -> None:
        """Do what is due at `now` or before, in order; `due` is later than `now` afterwards."""


class Hands(Protocol):
    """The process's wall clock, and the means to set it."""

    def now(self) -> float: ...

    def hold(self) -> None:
        """Stand still."""

    def move(self, moment: float) -> None:
        """Jump to `moment` and stand still there, or a rounding before it."""

    def release(self) -> None:
        """Run on from here."""


class ProcessHands:
    """The wall clock of this process, `time.time` and `datetime.now` included, wherever they were imported to."""

    def __init__(self) -> None:
        self._traveller = time_machine.travel(datetime.now(UTC)).start()

    def now(self) -> float:
        return time.time()

    def hold(self) -> None:
        self.move(time.time())

    def move(self, moment: float) -> None:
        self._traveller.move_to(moment, tick=False)

    def release(self) -> None:
        self._traveller.move_to(time.time(), tick=True)


class Unsettled(Exception):
    """An advance gave up on work that does not end; the message names it."""


class Clock:
    """`busy` says what else than `activity` an advance must wait for, or None. Kinds of work that are `limited` have a
    limit of their own: an advance does not give up on them.
    """

    def __init__(
        self,
        hands: Hands,
        activity: Activity,
        *,
        busy: Callable[[], str | None] = lambda: None,
        limited: frozenset[str] = frozenset(),
    ) -> None:
        self._hands = hands
        self._activity = activity
        self._busy = busy
        self._limited = limited
        self._sources: list[Source] = []
        self._turn = threading.Lock()  # whoever fires sources
        self.advanced_seconds = 0.0

    def now(self) -> float:
        return self._hands.now()

    def add(self, source: Source) -> None:
        """At the same moment, sources fire in the order in which they were added."""
        self._sources.append(source)

    def start(self) -> None:
        """Fire sources from now on as they become due."""
        threading.Thread(target=self._tick, name="clock", daemon=True).start()

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass; returns when all that happens in them has settled. Raises Unsettled."""
        with self._turn:
            begun = self.now()
            self._hands.hold()
            try:
                self._settle()
                while (moment := self._next(self.now())) is not None and moment <= begun + seconds:
                    moment = max(moment, self.now())
                    self._hands.move(moment)
                    self._fire(moment)
                    self._settle()
                self._hands.move(begun + seconds)
                self._next(self.now())  # so that sources see the end: what is disabled was so until here
            finally:
                self.advanced_seconds += self.now() - begun
                self._hands.release()

    def _tick(self) -> None:
        while True:
            with self._turn:
                self._fire(self.now())
                now = self.now()
                moment = self._next(now)
            pause = _TICK_SECONDS if moment is None else min(max(moment - now, _POLL_SECONDS), _TICK_SECONDS)
            time.sleep(pause)

    def _next(self, now: float) -> float | None:
        return min((moment for source in self._sources if (moment := source.due(now)) is not None), default=None)

    def _fire(self, now: float) -> None:
        for source in self._sources:
            moment = source.due(now)
            if moment is not None and moment <= now:
                try:
                    source.fire(now)
                except Exception:
                    logger.exception("%s failed", type(source).__name__)

    def _settle(self) -> None:
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline:
            # In this order: work under way may start a stack update, but no stack update starts work that outlives it.
            if self._activity.wait_until_idle(_TICK_SECONDS):
                if self._busy() is None:
                    return
                time.sleep(_POLL_SECONDS)
            elif self._limited & self._activity.under_way().keys():
                deadline = time.monotonic() + SETTLE_SECONDS
        left = self._busy() or ", ".join(f"{count} × {kind}" for kind, count in self._activity.under_way().items())
        raise Unsettled(f"After {SETTLE_SECONDS:g} s of real time there is still work under way: {left}.")


class EachMinute:
    """`work(minute)` at every full minute, once, with the minute as epoch seconds; those that passed while the process
    slept are made up for in one call.
    """

    def __init__(self, work: Callable[[float], None], *, since: float) -> None:
        self._work = work
        self._done = since // 60 * 60

    def due(self, _now: float) -> float:
        return self._done + 60

    def fire(self, now: float) -> None:
        self._done = now // 60 * 60
        self._work(self._done)
