"""One request from its arrival on: until when it may take, and what it may use meanwhile."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from proxy.admission import Limits
from proxy.invocations import Invocations, Runtime, Worker
from proxy.request import Request
from proxy.settings import Settings
from proxy.timing import MARGIN_SECONDS, Clock, Deadline, caller_timeout, seconds_allowed
from proxy.trace import Trace, parent_of


class Call(NamedTuple):
    """A request together with its time: `now` is the caller's, which in a simulation is not the process's.

    `timeout_seconds` after its arrival nobody waits for the answer any more: the stage's limit, or the caller's own
    where that is shorter.
    """

    request: Request
    now: datetime
    deadline: Deadline
    invocations: Invocations
    trace: Trace
    timeout_seconds: float

    @property
    def created(self) -> int:
        """`now` in whole seconds since 1970."""
        return int(self.now.timestamp())


class Calls:
    """What begins each call of a worker. `random` gives uniform numbers in [0, 1).

    `send_trace` takes a datagram for X-Ray; `trace_header` gives what Lambda says of the present request.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        runtime: Runtime,
        send_trace: Callable[[bytes], None],
        trace_header: Callable[[], str | None],
        clock: Clock,
        random: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._runtime = runtime
        self._send_trace = send_trace
        self._trace_header = trace_header
        self._clock = clock
        self._random = random
        budget = settings.integration_timeout_seconds - MARGIN_SECONDS
        self._worker = Worker(Limits(budget, calm=settings.overload_latency_seconds))

    def begin(
        self, request: Request, context: object, *, route: str, work_seconds: float, reserve_seconds: float
    ) -> Call:
        """Start its clock. `work_seconds` are the least that it takes, `reserve_seconds` are kept back for keeping the
        answer of a call that may be reissued.
        """
        wall = self._clock.time()
        start = request.start_epoch
        limit = caller_timeout(request.headers, work_seconds=work_seconds, reserve_seconds=reserve_seconds)
        longest = self._settings.integration_timeout_seconds
        allowed = seconds_allowed(
            request_age=None if start is None else wall - start,
            integration_timeout=longest,
            lambda_remaining=_seconds_remaining(context),
            caller_timeout=limit,
        )
        allowed -= reserve_seconds
        deadline = Deadline(at=self._clock.monotonic() + allowed, clock=self._clock)
        trace = Trace(
            parent_of(self._trace_header()),
            self._send_trace,
            clock=self._clock,
            random=self._random,
            annotations={"route": route, "model": self._settings.model},
        )
        return Call(
            request=request,
            now=datetime.fromtimestamp(wall if start is None else start, UTC),
            deadline=deadline,
            invocations=Invocations(
                self._runtime,
                deadline=deadline,
                worker=self._worker,
                random=self._random,
                trace=trace,
                reissue=reserve_seconds > 0,
            ),
            trace=trace,
            timeout_seconds=longest if limit is None else min(longest, limit),
        )


def _seconds_remaining(context: object) -> float | None:
    read = getattr(context, "get_remaining_time_in_millis", None)
    return read() / 1000 if callable(read) else None
