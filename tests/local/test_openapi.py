"""The API's document against the deployed API: what schemathesis makes of it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pilotlight.deployment import Deployment

from .conftest import ROOT, LocalCloud
from .own_api import deployed_api
from .tuning import Tuning

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
SERVED = ROOT / "lambda" / "proxy" / "openapi.json"


def test_the_document_is_served(cloud: LocalCloud) -> None:
    response = cloud.call("GET", "/openapi.json")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert response.json() == json.loads(SERVED.read_text(encoding="utf-8"))


def test_it_takes_a_key_as_everything_here_does(cloud: LocalCloud) -> None:
    response = cloud.call("GET", "/openapi.json", headers={"x-api-key": ""})
    assert (response.status_code, response.json()["error"]["type"]) == (403, "forbidden")


@pytest.fixture
def run(up: LocalCloud) -> str:
    """The id of a run that has ended, for want of a dataset."""
    tuning = Tuning(up)
    run = tuning.posted(dataset=f"s3://{tuning.bucket}/datasets/nowhere/")
    assert tuning.ended(run)["status"] == "failed"
    return run


def test_schemathesis_finds_nothing(cloud: LocalCloud, run: str) -> None:
    """No 5xx, no answer outside the document, and nothing taken that the document forbids."""
    keys = Deployment(cloud.stage, cloud.region, cloud.aws_endpoint_url)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "lambda")]),
        "PILOTLIGHT_KEY": keys.api_key,
        "PILOTLIGHT_ADMIN_KEY": keys.admin_key,
        "PILOTLIGHT_MODEL": cloud.call("GET", "/endpoint").json()["model"],
        "PILOTLIGHT_RUN": run,
    }
    config = ["--config-file", str(ROOT / "tests" / "local" / "schemathesis.toml")]
    command = [str(SCHEMATHESIS), *config, "run", str(SERVED), "--url", cloud.api_url, "--no-color"]
    with unthrottled(cloud):
        found = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300
        )
    assert found.returncode == 0, found.stdout + found.stderr
    assert "Tested: 22" in found.stdout


@contextmanager
def unthrottled(cloud: LocalCloud) -> Iterator[None]:
    """Without the limits of the stage and of its usage plans: one fuzzer is faster than they allow."""
    gateway, api = cloud.client("apigateway"), deployed_api(cloud)
    stage = gateway.get_stage(restApiId=api, stageName=cloud.stage)["methodSettings"]["*/*"]
    plans = [plan for plan in gateway.get_usage_plans()["items"] if plan["apiStages"][0]["apiId"] == api]

    def limit(rate: float | None = None, burst: int | None = None) -> None:
        def patches(prefix: str, rate: float, burst: int) -> list[dict[str, str]]:
            values = {f"{prefix}/rateLimit": rate, f"{prefix}/burstLimit": burst}
            return [{"op": "replace", "path": path, "value": str(value)} for path, value in values.items()]

        of_stage = (rate or stage["throttlingRateLimit"], burst or stage["throttlingBurstLimit"])
        gateway.update_stage(
            restApiId=api, stageName=cloud.stage, patchOperations=patches("/*/*/throttling", *of_stage)
        )
        for plan in plans:
            of_plan = (rate or plan["throttle"]["rateLimit"], burst or plan["throttle"]["burstLimit"])
            gateway.update_usage_plan(usagePlanId=plan["id"], patchOperations=patches("/throttle", *of_plan))

    limit(rate=10_000, burst=5_000)
    try:
        yield
    finally:
        limit()
