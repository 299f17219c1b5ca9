"""One embedded cloud for the whole session, started and stopped as a user does it: with the `pilot` command."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from botocore.exceptions import ClientError

from pilotlight.deployment import Deployment
from pilotlight.local.cloud import Cloud
from pilotlight.switch import Outcome, State, Switch

from .bare import Bare

PILOT = Path(sys.executable).with_name("pilot")
ROOT = Path(__file__).parents[2]
METER = "rate(5 minutes)"
"""Its schedule."""

Pilot = Callable[..., subprocess.CompletedProcess[str]]


def bash(script: str) -> subprocess.CompletedProcess[str]:
    """What a user's shell makes of `script` in the project's folder."""
    command = ["/usr/bin/env", "bash", "-c", script]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)


def app_of(folder: Path, lines: str) -> str:
    """The command of this project's app with another pilotlight.toml, in which the stage `local` has these lines in the
    place of its own for the same keys.
    """
    copy, app = folder / "pilotlight.toml", folder / "app.py"
    above, table, below = (ROOT / "pilotlight.toml").read_text().partition("[stages.local]")
    keys = tuple(line.partition("=")[0] for line in lines.splitlines() if line)
    kept = [line for line in below.splitlines(keepends=True) if not line.startswith(keys)]
    copy.write_text(f"{above}{table}\n{lines}\n{''.join(kept)}")
    app.write_text(
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from pathlib import Path\nimport aws_cdk as cdk\nimport app\nfrom pilotlight.config import load\n"
        f"made = cdk.App()\napp.build(made, load(Path({str(copy)!r}), 'local', target='local'))\nmade.synth()\n"
    )
    return f"{sys.executable} {app}"


class Cdk:
    """The real one, aimed at the session's cloud by `pilot local env`. What it deploys and compares is synthesised once
    for each configuration.
    """

    def __init__(self, exports: str, folder: Path) -> None:
        self._exports = exports
        self._folder = folder
        self._assemblies: dict[str, Path] = {}

    def __call__(self, arguments: str, lines: str = "") -> subprocess.CompletedProcess[str]:
        """`lines` change the stage's configuration, as `app_of` tells."""
        return self._run(f"{arguments} --app {self._assembly(lines)}")

    def _assembly(self, lines: str) -> Path:
        if lines not in self._assemblies:
            folder = self._folder / str(len(self._assemblies))
            folder.mkdir()
            app = f"--app '{app_of(folder, lines)}'" if lines else ""
            done = self._run(f"synth --quiet {app} --output {folder / 'cdk.out'}")
            assert done.returncode == 0, done.stdout + done.stderr
            self._assemblies[lines] = folder / "cdk.out"
        return self._assemblies[lines]

    def _run(self, arguments: str) -> subprocess.CompletedProcess[str]:
        return bash(f"{self._exports}\n./node_modules/.bin/cdk {arguments}")


@dataclass(frozen=True)
class LocalCloud:
    """What a caller knows of the cloud: the contents of local.json."""

    api_url: str
    api_key: str
    aws_endpoint_url: str
    region: str
    endpoint_name: str
    stack_names: list[str]
    stage: str
    pid: int

    def call(self, method: str, path: str, body: object = None, **kwargs: Any) -> requests.Response:
        """A call of the REST API with the key."""
        headers = {"x-api-key": self.api_key, "Content-Type": "application/json"} | kwargs.pop("headers", {})
        data = kwargs.pop("data", None) or (None if body is None else json.dumps(body))
        return requests.request(method, self.api_url + path, data=data, headers=headers, timeout=60, **kwargs)

    def generate(self, text: object, **parameters: Any) -> requests.Response:
        return self.call("POST", "/generate", {"text_inputs": text, **parameters})

    def invocations(self) -> list[Any]:
        found: list[Any] = requests.get(f"{self.aws_endpoint_url}/_pilot/invocations", timeout=10).json()
        return found

    def fault(self, **fault: Any) -> requests.Response:
        return requests.post(f"{self.aws_endpoint_url}/_pilot/faults", json=fault, timeout=10)

    def now(self) -> datetime:
        """The simulated time."""
        answer = requests.get(f"{self.aws_endpoint_url}/_pilot/clock", timeout=10)
        return datetime.fromisoformat(answer.json()["now"])

    def advance(self, seconds: float) -> None:
        """Let simulated time pass; returns when everything that it set off has settled."""
        url = f"{self.aws_endpoint_url}/_pilot/clock"
        answer = requests.post(url, json={"advance_seconds": seconds}, timeout=300)
        assert answer.status_code == 200, answer.text

    def turn(self, state: State, budget_usd: float | None = None) -> Outcome:
        """As `pilot on` and `pilot off` do it, but what they wait for in between comes at once."""
        deployment = Deployment(self.stage, self.region, self.aws_endpoint_url)
        return Switch(deployment, sleep=lambda _: self.advance(2)).turn(state, budget_usd=budget_usd)

    def endpoint(self) -> dict[str, Any] | None:
        """As SageMaker describes it; None where there is none."""
        try:
            found: dict[str, Any] = self.client("sagemaker").describe_endpoint(EndpointName=self.endpoint_name)
        except ClientError as error:
            if "Could not find" in str(error):
                return None
            raise
        return found

    def model_data(self) -> str:
        """The artifact that SageMaker serves, whatever the stack says."""
        return str(self.model_source()["S3Uri"])

    def model_source(self) -> dict[str, Any]:
        """Where and how that lies."""
        endpoint, sagemaker = self.endpoint(), self.client("sagemaker")
        assert endpoint
        assert endpoint["EndpointStatus"] == "InService"
        config = sagemaker.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
        model = sagemaker.describe_model(ModelName=config["ProductionVariants"][0]["ModelName"])
        source: dict[str, Any] = model["PrimaryContainer"]["ModelDataSource"]["S3DataSource"]
        return source

    @contextmanager
    def disabled(self, schedule: str = "") -> Iterator[None]:
        """Without the EventBridge rules with this schedule expression, or any: those of the alarms and of the meter."""
        events = self.client("events")
        names = [
            rule["Name"]
            for rule in events.list_rules()["Rules"]
            if not schedule or rule.get("ScheduleExpression") == schedule
        ]
        assert names
        for name in names:
            events.disable_rule(Name=name)
        try:
            yield
        finally:
            for name in names:
                events.enable_rule(Name=name)

    def drifts(self) -> dict[str, str]:
        """What drift detection finds in the endpoint stack: status by type, without what is in sync."""
        client, name = self.client("cloudformation"), f"Pilotlight-{self.stage}-Endpoint"
        detection = client.detect_stack_drift(StackName=name)["StackDriftDetectionId"]
        found = client.describe_stack_drift_detection_status(StackDriftDetectionId=detection)
        assert found["DetectionStatus"] == "DETECTION_COMPLETE", found
        resources = client.describe_stack_resource_drifts(StackName=name)["StackResourceDrifts"]
        return {
            drift["ResourceType"]: drift["StackResourceDriftStatus"]
            for drift in resources
            if drift["StackResourceDriftStatus"] != "IN_SYNC"
        }

    def client(self, service: str) -> Any:
        return boto3.client(  # type: ignore[call-overload]
            service,
            region_name=self.region,
            endpoint_url=self.aws_endpoint_url,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106  nobody checks it
        )


@pytest.fixture(scope="session")
def pilot(tmp_path_factory: pytest.TempPathFactory) -> Pilot:
    """Runs the `pilot` command against the session's own cloud."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PILOTLIGHT_"))}
    environment["PILOTLIGHT_CLOUD_FOLDER"] = str(tmp_path_factory.mktemp("cloud") / "pilot")

    def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PILOT, *arguments],
            cwd=ROOT,
            env=environment | more,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=300,
        )

    return run


@pytest.fixture(scope="session")
def up(pilot: Pilot) -> Iterator[LocalCloud]:
    """The cloud, its endpoint in service, with a tiny model for speed."""
    started = pilot("local", "up", "--weights", "tiny", "--json")
    try:
        assert started.returncode == 0, started.stdout + started.stderr
        made = LocalCloud(**json.loads(started.stdout))
        made.advance(6 * 60)  # a tick of the meter: who lights before that is watched, and taken over from at length
        yield made
    finally:
        pilot("local", "down")


@pytest.fixture(scope="session")
def cdk(up: LocalCloud, pilot: Pilot, tmp_path_factory: pytest.TempPathFactory) -> Cdk:  # noqa: ARG001  it must run
    return Cdk(pilot("local", "env").stdout, tmp_path_factory.mktemp("cdk"))


@pytest.fixture
def cloud(up: LocalCloud) -> Iterator[LocalCloud]:
    """The cloud for one test; no fault outlives it."""
    yield up
    up.fault()


@pytest.fixture(scope="module")
def on_for_the_others(up: LocalCloud) -> Iterator[None]:
    """Whoever comes next finds the endpoint as the session's cloud began."""
    yield
    up.advance(6 * 60)  # a tick of the meter: while it is silent nothing is lit
    up.turn("on")


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bare]:
    """A cloud of its own with nothing deployed, whose clock any test may advance."""
    folder = tmp_path_factory.mktemp("bare") / "pilot"
    # By a process of its own, which the cloud outlives, as it does the `pilot` command.
    start = f"from pathlib import Path; from pilotlight.local.cloud import Cloud; c = Cloud(Path({str(folder)!r}))"
    command = [sys.executable, "-c", f"{start}; print(c.start(stage='local', weights='tiny'))"]
    started = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    try:
        assert started.returncode == 0, started.stdout + started.stderr
        yield Bare(started.stdout.strip())
    finally:
        Cloud(folder).down()
