"""The deployed API beside LiteLLM's proxy and beside a bare `invoke_endpoint`, in front of the same local SageMaker.

An embedded cloud is deployed with a model behind the contract `tgi`, which LiteLLM's provider `sagemaker` speaks too.
Everyone sends the same chat, in turns, one call at a time. What is compared:

* the time that each took itself, which is all but its HTTP call of the model: LiteLLM's header
  `x-litellm-overhead-duration-ms`, and the deployed handler's time from entry to exit by `bench/stopwatch.py`, which is
  deployed around it. Both count making the request, signing it and reading the answer. LiteLLM's also counts its check
  of the key, which here is API Gateway's and the authorizer's (see below); ours also counts writing the response and
  the log. Neither counts the web server, or API Gateway and Lambda, around it;
* end to end with a model that takes 500 ms longer (a fault of the embedded cloud): through API Gateway, authorizer
  and Lambda as ministack plays them, against boto3's `invoke_endpoint` straight to SageMaker.

LiteLLM is changed in two places while it is measured, as its provider `sagemaker` does not work here otherwise: the
address that it was configured with is kept out of the model's parameters, which the model refuses, and its HTTP call is
given the object that LiteLLM's own stopwatch writes to, without which there is no header. Neither adds work worth
measuring.

    python -m bench.beside [--calls 200] [--slow-calls 30]
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from pilotlight.local.cloud import State

ROOT = Path(__file__).parents[1]
LITELLM = ROOT / ".cache" / "litellm"
MODEL = "falcon-7b-instruct"
STAGE = "falcon"
CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "the light of the bridge"}], "max_tokens": 2}
SLOW_SECONDS = 0.5
WARM_UP = 10
OWN_MS = "x-bench-own-ms"  # HEADER of bench.stopwatch, which would time this process's botocore if it were imported
KEY = "sk-only-on-this-machine"

# Runs when LiteLLM's Python starts; what and why is said above.
_MEND = """
from contextvars import ContextVar
from litellm.llms.sagemaker.completion import handler
from litellm.llms.sagemaker.completion.transformation import SagemakerConfig

stopwatch = ContextVar("stopwatch")
made, completed, client_for = (
    SagemakerConfig.transform_request, handler.SagemakerLLM.async_completion, handler.get_async_httpx_client
)

def transform_request(self, model, messages, optional_params, litellm_params, headers):
    known = {name: value for name, value in optional_params.items() if name != "sagemaker_base_url"}
    return made(self, model, messages, known, litellm_params, headers)

async def async_completion(self, **given):
    stopwatch.set(given["logging_obj"])
    return await completed(self, **given)

class Timed:
    def __init__(self, client):
        self.client = client

    async def post(self, **given):
        return await self.client.post(logging_obj=stopwatch.get(), **given)

SagemakerConfig.transform_request = transform_request
handler.SagemakerLLM.async_completion = async_completion
handler.get_async_httpx_client = lambda **given: Timed(client_for(**given))
"""

Call = Callable[[], float]


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


@contextmanager
def embedded_cloud(folder: str) -> Iterator[State]:
    """A cloud of its own, its endpoint in service with a tiny model."""
    environment = os.environ | {"PILOTLIGHT_CLOUD_FOLDER": folder}
    pilot = [str(Path(sys.executable).with_name("pilot")), "local"]
    up = [*pilot, "up", "--stage", STAGE, "--weights", "tiny", "--json"]
    try:
        started = subprocess.run(up, env=environment, cwd=ROOT, check=False, capture_output=True, text=True)
        if started.returncode != 0:
            raise SystemExit(f"The embedded cloud did not start: {started.stdout}{started.stderr}")
        yield State(**json.loads(started.stdout))
    finally:
        subprocess.run([*pilot, "down"], env=environment, cwd=ROOT, check=False, capture_output=True)


@contextmanager
def litellm(cloud: State, folder: str) -> Iterator[str]:
    """LiteLLM's proxy, installed once into an environment of its own; its URL."""
    if not (LITELLM / "bin" / "litellm").exists():
        subprocess.run([sys.executable, "-m", "venv", str(LITELLM)], check=True)
        pip = [str(LITELLM / "bin" / "pip"), "install", "--quiet", "--requirement"]
        subprocess.run([*pip, str(ROOT / "bench" / "requirements-litellm.txt")], check=True)
    invocations = f"{cloud.aws_endpoint_url}/endpoints/{cloud.endpoint_name}/invocations"
    model = {
        "model_name": MODEL,
        "litellm_params": {
            "model": f"sagemaker/{cloud.endpoint_name}",
            "sagemaker_base_url": invocations,
            "aws_region_name": cloud.region,
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
        },
    }
    config = Path(folder) / "litellm.yaml"
    config.write_text(json.dumps({"model_list": [model], "general_settings": {"master_key": KEY}}))
    (Path(folder) / "sitecustomize.py").write_text(_MEND)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(LITELLM / "bin" / "litellm"), "--config", str(config), "--port", str(port), "--host", "127.0.0.1"]
    environment = os.environ | {
        "PYTHONPATH": folder,
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
    with (Path(folder) / "litellm.log").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        _wait_for(f"http://127.0.0.1:{port}/health/liveliness")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=30)


def _wait_for(url: str, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            requests.get(url, timeout=2).raise_for_status()
        except requests.RequestException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


class Callers:
    """Three ways to the same model; each call returns its seconds, end to end."""

    def __init__(self, cloud: State, litellm_url: str) -> None:
        self._cloud = cloud
        self._session = requests.Session()
        self._litellm = litellm_url
        self._runtime: Any = cloud.deployment.client("sagemaker-runtime")
        self._auth = cloud.deployment.auth
        self.own: dict[str, list[float]] = {"LiteLLM": [], "Pilotlight": []}

    def bare(self) -> float:
        prompt = {"inputs": CHAT["messages"][0]["content"], "parameters": {"max_new_tokens": CHAT["max_tokens"]}}
        started = time.perf_counter()
        answer = self._runtime.invoke_endpoint(
            EndpointName=self._cloud.endpoint_name, Body=json.dumps(prompt), ContentType="application/json"
        )
        answer["Body"].read()
        return time.perf_counter() - started

    def ours(self) -> float:
        seconds, headers = self._chat(f"{self._cloud.api_url}/v1/chat/completions", {}, auth=self._auth)
        self.own["Pilotlight"].append(float(headers[OWN_MS]))
        return seconds

    def theirs(self) -> float:
        seconds, headers = self._chat(f"{self._litellm}/v1/chat/completions", {"Authorization": f"Bearer {KEY}"})
        self.own["LiteLLM"].append(float(headers["x-litellm-overhead-duration-ms"]))
        return seconds

    def _chat(self, url: str, headers: dict[str, str], auth: Any = None) -> tuple[float, Any]:
        started = time.perf_counter()
        response = self._session.post(url, json={"model": MODEL, **CHAT}, headers=headers, auth=auth, timeout=60)
        seconds = time.perf_counter() - started
        if response.status_code != 200:
            raise SystemExit(f"{url} answered {response.status_code}: {response.text[:2000]}")
        return seconds, response.headers


def time_the_handler(cloud: State) -> None:
    """Deploy the stopwatch around the proxy's handler, behind the alias that the API calls."""
    functions = cloud.deployment.client("lambda")
    (proxy,) = (f for f in functions.list_functions()["Functions"] if f["Handler"] == "proxy.handler.lambda_handler")
    name = {"FunctionName": proxy["FunctionName"]}
    variables = proxy["Environment"]["Variables"] | {"PYTHONPATH": str(ROOT)}
    functions.update_function_configuration(
        **name, Handler="bench.stopwatch.lambda_handler", Environment={"Variables": variables}
    )
    functions.get_waiter("function_updated_v2").wait(**name)
    version = functions.publish_version(**name)["Version"]
    (alias,) = functions.list_aliases(**name)["Aliases"]
    functions.update_alias(**name, Name=alias["Name"], FunctionVersion=version)


def slow(cloud: State, times: int) -> None:
    fault = {"fault": "slow", "times": times, "seconds": SLOW_SECONDS}
    requests.post(f"{cloud.aws_endpoint_url}/_pilot/faults", json=fault if times else {}, timeout=10).raise_for_status()


def in_turns(ways: dict[str, Call], calls: int) -> dict[str, list[float]]:
    """Seconds of each way, one call after the other, so that a busy moment hits them all."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(calls):
        for name, call in ways.items():
            taken[name].append(call())
    return taken


def table(title: str, rows: dict[str, Sequence[float]], base: str, unit: float = 1.0) -> None:
    print(f"\n{title}\n  {'':40}{'p50':>12}{'p99':>12}{'of ' + base:>28}")
    for name, values in rows.items():
        half, most = percentile(values, 0.5), percentile(values, 0.99)
        ratios = f"{half / percentile(rows[base], 0.5):.2f} × / {most / percentile(rows[base], 0.99):.2f} ×"
        print(f"  {name:40}{half * unit:9.1f} ms{most * unit:9.1f} ms{ratios:>28}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--slow-calls", type=int, default=30)
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        embedded_cloud(f"{folder}/cloud") as cloud,
        litellm(cloud, folder) as url,
    ):
        time_the_handler(cloud)
        callers = Callers(cloud, url)
        ways = {"boto3": callers.bare, "LiteLLM": callers.theirs, "Pilotlight": callers.ours}
        in_turns(ways, WARM_UP)
        quick = in_turns(ways, given.calls)
        own = {name: times[WARM_UP:] for name, times in callers.own.items()}
        slow(cloud, len(ways) * given.slow_calls)
        waited = in_turns(ways, given.slow_calls)
        slow(cloud, 0)
    table("What each took itself, the model as it is", dict(own), "LiteLLM")
    table("End to end, the model as it is", dict(quick), "boto3", 1000)
    table(f"End to end, the model {SLOW_SECONDS * 1000:.0f} ms slower", dict(waited), "boto3", 1000)


if __name__ == "__main__":
    main()
