"""X-Ray subsegments of the proxy's own: what Lambda's segment does not show of where a request's time went.

Each is one datagram to the daemon that Lambda runs beside a traced function: a header line, then the document as
X-Ray's developer guide has it ("Sending segment documents to the X-Ray daemon"). What cannot be sent is lost, and
nobody waits for it. A request that is not sampled costs the reading of its header, and texts never get here.
"""

import json
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import NamedTuple

from proxy.errors import Problem, status_of
from proxy.timing import Clock

HEADER = b'{"format":"json","version":1}\n'
TRACE_VARIABLE = "_X_AMZN_TRACE_ID"  # Lambda sets it anew before each request
DAEMON_VARIABLE = "AWS_XRAY_DAEMON_ADDRESS"

Annotations = Mapping[str, str | int]  # names of letters, digits and _; they can be searched for


class Parent(NamedTuple):
    """Lambda's own segment for this request."""

    trace_id: str
    segment_id: str


class Trace:
    """One request's subsegments. `parent` is None where it is not sampled: then nothing is sent."""

    def __init__(
        self,
        parent: Parent | None,
        send: Callable[[bytes], None],
        *,
        clock: Clock,
        random: Callable[[], float],
        annotations: Annotations,
    ) -> None:
        self._parent = parent
        self._send = send
        self._clock = clock
        self._random = random
        self._annotations = annotations

    @contextmanager
    def subsegment(self, name: str, found: Callable[[], Annotations]) -> Iterator[None]:
        """What the block took, and how it ended; `found` tells of it afterwards."""
        if self._parent is None:
            yield
            return
        started = self._clock.time()
        outcome: dict[str, bool] = {}
        try:
            yield
        except BaseException as exc:
            outcome = _flags(exc)
            raise
        finally:
            document = {
                "name": name,
                "id": f"{int(self._random() * 2**64):016x}",
                "trace_id": self._parent.trace_id,
                "parent_id": self._parent.segment_id,
                "type": "subsegment",
                "start_time": started,
                "end_time": self._clock.time(),
                "annotations": {**self._annotations, **found()},
                **outcome,
            }
            self._send(HEADER + json.dumps(document).encode())


class Daemon:
    """The way to the daemon at `address`, such as "169.254.79.129:2000"; without one nothing is sent.

    Called with a datagram it never raises, and waits for nothing.
    """

    def __init__(self, address: str | None) -> None:
        self._address = _udp_address(address or "")

    def __call__(self, datagram: bytes) -> None:
        if self._address is None:
            return
        with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
            way.setblocking(False)
            way.sendto(datagram, self._address)


def parent_of(header: str | None) -> Parent | None:
    """The parent that `Root=…;Parent=…;Sampled=1` names; None where the request is not sampled, or names none."""
    fields = dict(field.strip().partition("=")[::2] for field in (header or "").split(";"))
    root, segment = fields.get("Root"), fields.get("Parent")
    return Parent(root, segment) if fields.get("Sampled") == "1" and root and segment else None


def _udp_address(address: str) -> tuple[str, int] | None:
    """Of "HOST:PORT", or of "tcp:HOST:PORT udp:HOST:PORT"; None for anything else."""
    either = address.split()
    chosen = next((part.removeprefix("udp:") for part in either if part.startswith("udp:")), address)
    host, _, port = chosen.rpartition(":")
    return (host, int(port)) if host and ":" not in host and port.isdecimal() and int(port) < 2**16 else None


def _flags(exc: BaseException) -> dict[str, bool]:
    """`error` is the caller's, `fault` ours or the model's, `throttle` besides says that too much was asked for."""
    status = status_of(exc) if isinstance(exc, Problem) else 500
    return {"fault": True} if status >= 500 else {"error": True, **({"throttle": True} if status == 429 else {})}
