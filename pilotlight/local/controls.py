"""`/_pilot/…`: what the embedded cloud offers beside AWS's own API, to look behind the endpoint and to make it fail.

GET  /_pilot/invocations   a JSON array: the last 100 request bodies as the model's container received them, parsed,
                           oldest first
GET  /_pilot/faults        a JSON array: the faults still to come
POST /_pilot/faults        {"fault": KIND, "times": n, "seconds": s} queues one; {} clears them all
"""

import dataclasses
import json
import math
from typing import Any

from pilotlight.local.sagemaker.runtime import FAULT_KINDS, Fault, Runtime

PREFIX = "/_pilot/"


class Controls:
    """The routes under `/_pilot/`, as plain functions of a request."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        """(HTTP status, JSON value)."""
        match (method, path.removeprefix(PREFIX)):
            case ("GET", "invocations"):
                return 200, self._runtime.invocations
            case ("GET", "faults"):
                return 200, self._faults()
            case ("POST", "faults"):
                try:
                    self._runtime.inject(parse_fault(body))
                except ValueError as error:
                    return 400, {"error": str(error)}
                return 200, self._faults()
        return 404, {"error": f"{method} {path} is not here: GET invocations, GET or POST faults are."}

    def _faults(self) -> list[dict[str, Any]]:
        return [{"fault": fault.kind, "times": fault.times, "seconds": fault.seconds} for fault in self._runtime.faults]


def parse_fault(body: bytes) -> Fault | None:
    """A fault from its JSON, None from an empty object. ValueError says what is wrong and what is allowed."""
    try:
        given = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise ValueError('The body is not JSON; send for example {"fault": "throttle", "times": 2}.') from None
    if not isinstance(given, dict):
        raise ValueError("The body must be a JSON object.")
    if not given:
        return None
    allowed = {field.name.replace("kind", "fault") for field in dataclasses.fields(Fault)}
    if unknown := given.keys() - allowed:
        raise ValueError(f"Unknown key {sorted(unknown)[0]!r}; allowed are {', '.join(sorted(allowed))}.")
    kind, times, seconds = given.get("fault"), given.get("times", 1), given.get("seconds", 5.0)
    if kind not in FAULT_KINDS:
        raise ValueError(f"fault is {kind!r}; allowed are {', '.join(FAULT_KINDS)}.")
    if type(times) is not int or times < 1:
        raise ValueError(f"times is {times!r}; a positive integer is allowed.")
    if type(seconds) not in (int, float) or not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"seconds is {seconds!r}; a number of 0 or more is allowed.")
    return Fault(kind, times, float(seconds))
