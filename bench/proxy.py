"""The proxy's own time for a call on a warm worker: handler entry to exit, less its HTTP calls.

The handler is the deployed one with all of its parts, botocore among them: its requests are made, signed and read, and
the line is logged (to a file, as Lambda's is to a pipe). SageMaker and DynamoDB are a process on this machine; what
they and the way there take is left out, the model's call and the two writes for an Idempotency-Key alike. No call is
sampled for X-Ray. Two peers do part of it: `json.loads` and `json.dumps` of the same bodies, what any proxy must do,
and a bare `invoke_endpoint`, less its HTTP call too.

    python -m bench.proxy [--calls 5000]
"""

import argparse
import contextlib
import json
import os
import tempfile
import time
from collections.abc import Callable
from typing import Any

import boto3

from bench import stopwatch
from bench.loopback import aws
from tests.unit.proxy.fakes import event

WARM_UP = 500


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
    """The 50th and the 99th percentile of what `call` returns."""
    for _ in range(WARM_UP):
        call()
    times = sorted(call() for _ in range(calls))
    return times[len(times) // 2], times[int(len(times) * 0.99)]


def own(sent: dict[str, Any]) -> Callable[[], float]:
    def call() -> float:
        sent["requestContext"]["requestTimeEpoch"] = int(time.time() * 1000)
        response = stopwatch.lambda_handler(sent, None)
        if response["statusCode"] != 200:
            raise SystemExit(response["body"])
        return float(response["headers"][stopwatch.HEADER])

    return call


def bare(body: str) -> Callable[[], float]:
    client = boto3.Session().client("sagemaker-runtime")

    def call() -> float:
        with stopwatch.own_milliseconds() as taken:
            client.invoke_endpoint(EndpointName="e", Body=body)["Body"].read()
        return taken[0]

    return call


def json_alone(body: str) -> Callable[[], float]:
    def call() -> float:
        with stopwatch.own_milliseconds() as taken:
            json.dumps(json.loads(json.dumps(json.loads(body))))
        return taken[0]

    return call


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=5000)
    calls = parser.parse_args().calls
    rows = []
    with aws() as environ, tempfile.TemporaryFile("w") as log, contextlib.redirect_stdout(log):
        os.environ.update(environ)
        for size in (200, 2_000, 20_000):
            sent = requests(size)
            body = sent["POST /generate"]["body"]
            ways = {name: own(e) for name, e in sent.items()}
            ways |= {"invoke_endpoint alone": bare(body), "JSON in and out alone": json_alone(body)}
            rows += [(f"{name}, {size} characters", *milliseconds(way, calls)) for name, way in ways.items()]
    print(f"{'Own time':52}{'p50':>10}{'p99':>10}")
    for name, half, most in rows:
        print(f"{name:52}{half:7.3f} ms{most:7.3f} ms")


if __name__ == "__main__":
    main()
