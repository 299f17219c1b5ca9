"""The embedded cloud's process: ministack with SageMaker plugged in, on one loopback port.

Started by `pilotlight.local.cloud`; ends on SIGTERM or SIGINT and takes its Lambda workers and containers with it.
"""

import argparse
import asyncio
import functools
import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from email.utils import formatdate
from pathlib import Path
from typing import Any

import boto3
import time_machine
from hypercorn.asyncio import serve
from hypercorn.config import Config

from pilotlight.local import (
    ACCOUNT,
    autoscaling,
    cloudwatch,
    drift,
    gateway,
    lambdas,
    plugin,
    resource_types,
    scheduler,
    stacks,
    states,
    weights,
    workers,
)
from pilotlight.local.activity import Activity
from pilotlight.local.clock import Clock, EachMinute, ProcessHands
from pilotlight.local.controls import PREFIX, Controls
from pilotlight.local.fork_server import ForkServer, Started
from pilotlight.local.notices import Notices
from pilotlight.local.sagemaker import training_run
from pilotlight.local.sagemaker.container import Container
from pilotlight.local.sagemaker.control import SageMaker
from pilotlight.local.sagemaker.metrics import NAMESPACE, InvocationMetrics
from pilotlight.local.sagemaker.runtime import Runtime
from pilotlight.local.sagemaker.storage import S3

HOST = "127.0.0.1"
TRAINING_JOB = "training job"

App = Callable[[dict[str, Any], Callable[..., Any], Callable[..., Any]], Awaitable[None]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True, help="for everything this cloud writes; removed with it")
    parser.add_argument("--cache", type=Path, required=True, help="where converted models are kept")
    parser.add_argument("--weights", choices=weights.MODELS, required=True)
    parser.add_argument("--region", required=True)
    given = parser.parse_args()

    _set_environment(given.port, given.folder, given.region)
    built_in = functools.partial(weights.MODELS[given.weights], given.cache)
    scaling = autoscaling.AutoScaling(region=given.region, account=ACCOUNT)
    activity = Activity()
    server = ForkServer()
    sagemaker = SageMaker(
        region=given.region,
        account=ACCOUNT,
        folder=given.folder,
        storage=S3(_own_s3(given.port, given.region)),
        start=lambda launch: Container(launch, launch.artifact or built_in(), server),
        program=functools.partial(_train, server),
        weights=built_in,
        sink=cloudwatch.sink(training_run.NAMESPACE, ACCOUNT, given.region),
        spawn=lambda job: activity.spawn(TRAINING_JOB, job),
        scalable_variants=scaling.registered_variants,
        in_alarm=cloudwatch.in_alarm(ACCOUNT, given.region),
    )
    metrics = InvocationMetrics(cloudwatch.sink(NAMESPACE, ACCOUNT, given.region))
    runtime = Runtime(sagemaker.endpoints, metrics.record)
    waits = stacks.EndpointWaits(sagemaker.endpoints)
    plugin.install(sagemaker, runtime, waits)
    stacks.install(sagemaker.faults)
    autoscaling.install(scaling)
    drift.install(sagemaker, scaling)
    resource_types.install()
    gateway.install()
    clock = _clock(waits, metrics, activity, sagemaker)
    from ministack.app import app  # noqa: PLC0415  it reads the environment that was set above

    notices = Notices()
    notices.install()
    clock.start()
    try:
        controlled = _with_controls(app, Controls(runtime, sagemaker.faults, clock, notices))
        asyncio.run(_serve(_dated(controlled), given.port))
    finally:
        sagemaker.stop()
        server.stop()


def _train(server: ForkServer, environment: Mapping[str, str], output: int) -> Started:
    """The program that the project's own training image holds; it plays every training image."""
    return server.start(
        "pilotlight.local.leash", ["training"], environment=environment, output=output, own_session=True
    )


def _clock(waits: stacks.EndpointWaits, metrics: InvocationMetrics, activity: Activity, sagemaker: SageMaker) -> Clock:
    """The simulated clock with everything that goes by it; at one moment they go in the order given here."""
    clock = Clock(ProcessHands(), activity, busy=waits.busy, limited=frozenset({TRAINING_JOB}))
    clock.add(waits)
    states.install(clock, activity, sagemaker)
    lambdas.install(clock, activity)
    workers.install()
    clock.add(EachMinute(metrics.publish, since=clock.now()))
    scheduler.install(clock)
    cloudwatch.install(clock)
    return clock


def _own_s3(port: int, region: str) -> Any:
    """This cloud's S3, as anybody reaches it: what SageMaker writes has its events too."""
    return boto3.client(
        "s3",
        region_name=region,
        endpoint_url=f"http://{HOST}:{port}",
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106  nobody checks it
    )


def _set_environment(port: int, folder: Path, region: str) -> None:
    """ministack is configured by its environment only; its Lambda workers inherit it."""
    scratch = folder / "tmp"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    os.environ.update(
        GATEWAY_PORT=str(port),
        AWS_ENDPOINT_URL=f"http://{HOST}:{port}",
        MINISTACK_REGION=region,
        AWS_DEFAULT_REGION=region,
        # Lambda workers unpack into the temporary folder and, killed hard, leave it behind: give them one of our own.
        TMPDIR=str(scratch),
        S3_DATA_DIR=str(folder / "s3"),
        STATE_DIR=str(folder / "state"),
        # Listeners nobody asked for.
        IOT_MTLS_ENABLED="0",
        SFTP_ENABLED="0",
        DOCKER_HOST=f"unix://{folder / 'no-docker.sock'}",
    )
    tempfile.tempdir = str(scratch)


async def _serve(app: App, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    config = Config()
    config.bind = [f"{HOST}:{port}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 1
    config.include_date_header = False  # see `_dated`
    await serve(app, config, shutdown_trigger=stop.wait)  # type: ignore[arg-type]  # an ASGI app by any other name


def _dated(app: App) -> App:
    """With the cloud's time as each answer's `Date`; but to JavaScript's SDK with the machine's own.

    That SDK takes a cloud whose clock is ahead of its own for a reason to try everything again, which costs cdk most
    of a minute.
    """

    async def routed(scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        agents = [value for name, value in scope.get("headers", []) if name.lower() == b"user-agent"]
        javascript = any(b"aws-sdk-js/" in agent for agent in agents)

        async def dated(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                others = [(name, value) for name, value in message.get("headers", []) if name.lower() != b"date"]
                now = time_machine.escape_hatch.time.time() if javascript else time.time()
                message = {**message, "headers": [*others, (b"date", formatdate(now, usegmt=True).encode())]}
            await send(message)

        await app(scope, receive, dated)

    return routed


def _with_controls(app: App, controls: Controls) -> App:
    async def routed(scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await app(scope, receive, send)
            return
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        # Off the loop: an advance of the clock takes as long as what it sets off, which needs the loop.
        status, value = await asyncio.to_thread(controls.answer, scope["method"], scope["path"], body)
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(value).encode()})

    return routed


if __name__ == "__main__":
    main()
