"""The proxy's own time for a call: handler entry to exit less the model's, on a warm worker with a fake model.

Everything else is the deployed code: the event is parsed and checked, the contract's request built and its answer
read, the line logged (to a file, as Lambda's is to a pipe). A bare `json.loads` and `json.dumps` of the same bodies is
the peer: what any proxy must do.

    python -m bench.proxy [--calls 5000]
"""

import argparse
import contextlib
import json
import tempfile
import time
from collections.abc import Callable
from typing import Any

from proxy.app import Proxy
from proxy.call import Calls
from proxy.endpoint_routes import EndpointRoutes
from proxy.finetunes import FineTunes
from proxy.serve import serve
from proxy.tasks.file import shipped_tasks

from tests.unit.proxy.fakes import SETTINGS, FakeAnswers, FakeControlPlane, FakeSwitch, echo, event

WARM_UP = 500


class TimedModel:
    """Answers at once; `seconds` is what that took, which is not the proxy's."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def invoke(self, body: bytes, *, timeout_seconds: int) -> bytes:  # noqa: ARG002  the seam's
        started = time.perf_counter()
        answer = echo(json.loads(body))
        self.seconds += time.perf_counter() - started
        return answer


def requests(size: int) -> dict[str, dict[str, Any]]:
    """Events with a prompt of `size` characters and the twenty headers or so that API Gateway sends."""
    prompt = ("the light of the bridge " * (size // 24 + 1))[:size]
    headers = {f"header-{number}": "a value as long as most" for number in range(20)}
    about = {"requestId": "request-1", "identity": {"apiKeyId": "key-1"}}
    return {
        "POST /generate": event("POST", "/generate", {"text_inputs": prompt, "trim_at": ";"}, headers=headers),
        "the same with Idempotency-Key": event(
            "POST",
            "/generate",
            {"text_inputs": prompt, "trim_at": ";"},
            headers=headers | {"Idempotency-Key": "key"},
            requestContext=about,
        ),
    }


def milliseconds(call: Callable[[], float], calls: int) -> tuple[float, float]:
    """The 50th and the 99th percentile of what `call` returns in seconds."""
    for _ in range(WARM_UP):
        call()
    times = sorted(call() for _ in range(calls))
    return times[len(times) // 2] * 1000, times[int(len(times) * 0.99)] * 1000


def no_finetunes() -> FineTunes:
    raise AssertionError("Nothing that is measured here asks for runs.")


def own_seconds(sent: dict[str, Any]) -> Callable[[], float]:
    model, answers = TimedModel(), FakeAnswers()
    worker = Proxy(
        SETTINGS,
        calls=Calls(
            SETTINGS,
            runtime=model,
            send_trace=lambda _: None,
            trace_header=lambda: None,
            clock=time,
            random=lambda: 0.5,
        ),
        endpoint=lambda: EndpointRoutes(SETTINGS, control_plane=FakeControlPlane(), switch=FakeSwitch()),
        answers=lambda: answers,
        tasks=shipped_tasks,
        finetunes=no_finetunes,
    )

    def call() -> float:
        answers.entries.clear()
        sent["requestContext"]["requestTimeEpoch"] = int(time.time() * 1000)
        model.seconds = 0.0
        started = time.perf_counter()
        serve(sent, None, proxy=lambda: worker, clock=time, stage="bench")
        return time.perf_counter() - started - model.seconds

    return call


def json_seconds(sent: dict[str, Any]) -> Callable[[], float]:
    def call() -> float:
        started = time.perf_counter()
        json.dumps(json.loads(json.dumps(json.loads(sent["body"]))))
        return time.perf_counter() - started

    return call


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=5000)
    calls = parser.parse_args().calls
    rows = []
    with tempfile.TemporaryFile("w") as log, contextlib.redirect_stdout(log):
        for size in (200, 2_000, 20_000):
            sent = requests(size)
            rows += [(f"{name}, {size} characters", *milliseconds(own_seconds(e), calls)) for name, e in sent.items()]
            bare = milliseconds(json_seconds(sent["POST /generate"]), calls)
            rows.append((f"JSON in and out alone, {size} characters", *bare))
    print(f"{'Own time':52}{'p50':>10}{'p99':>10}")
    for name, half, most in rows:
        print(f"{name:52}{half:7.3f} ms{most:7.3f} ms")


if __name__ == "__main__":
    main()
