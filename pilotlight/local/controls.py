"""`/_pilot/…`: what the embedded cloud offers beside AWS's own API, to look behind the endpoint and to make it fail.

GET  /_pilot/invocations   a JSON array: the last 100 request bodies as the model's container received them, parsed,
                           oldest first
GET  /_pilot/faults        a JSON array: the faults still to come
POST /_pilot/faults        {"fault": KIND, "times": n, "seconds": s, "instance_type": t} queues one; {} clears them all
GET  /_pilot/clock         {"now": ISO time, "advanced_seconds": n}
GET  /_pilot/notices       a JSON array: the last 100 messages published to SNS topics, oldest first, as {"topic_arn",
                           "subject", "message", "time"}
POST /_pilot/clock         {"advance_seconds": n} lets so much time pass and answers when what happened has settled
"""

import dataclasses
import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pilotlight.local.clock import LONGEST_ADVANCE_SECONDS, Clock, Unsettled
from pilotlight.local.notices import Notices
from pilotlight.local.sagemaker.faults import CAPACITY_FAULTS, FAULT_KINDS, Fault, Faults
from pilotlight.local.sagemaker.runtime import Runtime

PREFIX = "/_pilot/"


class Controls:
    """The routes under `/_pilot/`, as plain functions of a request."""

    def __init__(self, runtime: Runtime, faults: Faults, clock: Clock, notices: Notices) -> None:
        self._queue = faults
        self._clock = clock
        self._routes: dict[tuple[str, str], Callable[[bytes], Any]] = {
            ("GET", "invocations"): lambda _: runtime.invocations,
            ("GET", "notices"): lambda _: notices.seen(),
            ("GET", "faults"): self._faults,
            ("POST", "faults"): self._inject,
            ("GET", "clock"): self._time,
            ("POST", "clock"): self._advance,
        }

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        """(HTTP status, JSON value)."""
        route = self._routes.get((method, path.removeprefix(PREFIX)))
        if route is None:
            here = ", ".join(f"{verb} {name}" for verb, name in self._routes)
            return 404, {"error": f"{method} {path} is not here: {here} are, under {PREFIX}."}
        try:
            return 200, route(body)
        except ValueError as error:
            return 400, {"error": str(error)}
        except Unsettled as error:
            return 504, {"error": str(error)} | self._time(b"")

    def _inject(self, body: bytes) -> Any:
        fault = parse_fault(body)
        if fault:
            self._queue.add(fault)
        else:
            self._queue.clear()
        return self._faults(b"")

    def _advance(self, body: bytes) -> Any:
        self._clock.advance(parse_advance(body))
        return self._time(b"")

    def _time(self, _body: bytes) -> dict[str, Any]:
        now = datetime.fromtimestamp(self._clock.now(), UTC).isoformat(timespec="milliseconds")
        return {"now": now.replace("+00:00", "Z"), "advanced_seconds": round(self._clock.advanced_seconds, 3)}

    def _faults(self, _body: bytes) -> list[dict[str, Any]]:
        return [
            {"fault": fault.kind, "times": fault.times, "seconds": fault.seconds}
            | ({"instance_type": fault.instance_type} if fault.instance_type else {})
            for fault in self._queue.waiting()
        ]


def parse_fault(body: bytes) -> Fault | None:
    """A fault from its JSON, None from an empty object. ValueError says what is wrong and what is allowed."""
    allowed = {field.name.replace("kind", "fault") for field in dataclasses.fields(Fault)}
    given = _object(body, allowed, example='{"fault": "throttle", "times": 2}')
    if not given:
        return None
    kind, times, seconds = given.get("fault"), given.get("times", 1), given.get("seconds", 5.0)
    if kind not in FAULT_KINDS:
        raise ValueError(f"fault is {kind!r}; allowed are {', '.join(FAULT_KINDS)}.")
    if type(times) is not int or times < 1:
        raise ValueError(f"times is {times!r}; a positive integer is allowed.")
    if type(seconds) not in (int, float) or not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"seconds is {seconds!r}; a number of 0 or more is allowed.")
    instance_type = given.get("instance_type")
    if instance_type is not None and (kind not in CAPACITY_FAULTS or not isinstance(instance_type, str)):
        raise ValueError(
            f"instance_type is {instance_type!r} for {kind}; it is a name, and only {' and '.join(CAPACITY_FAULTS)} "
            "have one."
        )
    return Fault(kind, times, float(seconds), instance_type)


def parse_advance(body: bytes) -> float:
    """The seconds to advance by. ValueError says what is wrong and what is allowed."""
    example = '{"advance_seconds": 3600}'
    given = _object(body, {"advance_seconds"}, example=example)
    if not given:
        raise ValueError(f"The body is empty; send for example {example}.")
    seconds = given["advance_seconds"]
    if type(seconds) not in (int, float) or not 0 <= seconds <= LONGEST_ADVANCE_SECONDS:
        raise ValueError(
            f"advance_seconds is {seconds!r}; a number from 0 to {LONGEST_ADVANCE_SECONDS:.0f} (366 days) is allowed. "
            "Time does not run backwards."
        )
    return float(seconds)


def _object(body: bytes, allowed: set[str], *, example: str) -> dict[str, Any]:
    try:
        given = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise ValueError(f"The body is not JSON; send for example {example}.") from None
    if not isinstance(given, dict):
        raise ValueError("The body must be a JSON object.")
    if unknown := given.keys() - allowed:
        raise ValueError(f"Unknown key {sorted(unknown)[0]!r}; allowed are {', '.join(sorted(allowed))}.")
    return given
