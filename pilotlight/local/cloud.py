"""The embedded cloud from outside: start it, deploy to it with the real `cdk`, light it, stop it, forget it.

Everything that it writes lies in `.pilot/` beside `app.py` and goes with it; converted models are kept in
`.cache/`.
"""

import contextlib
import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import requests

from pilotlight.config import load
from pilotlight.deployment import ROLES, Deployment, NotDeployedError
from pilotlight.local import ACCOUNT
from pilotlight.local.processes import (
    PidFile,
    exclusive,
    port_for,
    require_disk,
    require_node,
    run,
    stop_group,
)
from pilotlight.switch import Switch

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache"
CONFIG = ROOT / "pilotlight.toml"
HOST = "127.0.0.1"
REGION = "us-east-1"
_START_SECONDS = 60.0
_STOP_SECONDS = 15.0
_WORK = "embedded-cloud"
_OWN = ("local.json", "local.new", "cloud.pid", "cloud.log", _WORK)
"""Everything that a cloud puts into its folder."""

Report = Callable[[str], None]
"""Hears what is being done now, in a short phrase."""


class CloudError(Exception):
    """The embedded cloud cannot do what was asked; the message says what to do."""


@dataclass(frozen=True)
class State:
    """What `.pilot/local.json` holds while the cloud runs."""

    api_url: str
    api_key: str
    aws_endpoint_url: str
    region: str
    endpoint_name: str
    stack_names: list[str]
    stage: str
    pid: int

    @property
    def deployment(self) -> Deployment:
        return Deployment(self.stage, self.region, self.aws_endpoint_url)


def aws_environment(aws_endpoint_url: str, stage: str, region: str = REGION) -> dict[str, str]:
    """The variables that aim the AWS CLI, boto3 and `cdk` at the embedded cloud, and `app.py` at the deployed
    stage.
    """
    return {
        "AWS_ENDPOINT_URL": aws_endpoint_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "CDK_DEFAULT_REGION": region,
        "PILOTLIGHT_TARGET": "local",
        "PILOTLIGHT_STAGE": stage,
        "NO_PROXY": f"{HOST},localhost",
        # cdk's check of the templates takes most of a synthesis, and its findings are warnings about AWS.
        "CDK_VALIDATION": "false",
    }


def contradicting_variables() -> list[str]:
    """The variables that would win over the ones above."""
    others = ["AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"]
    return others + [name for name in os.environ if name.startswith("AWS_ENDPOINT_URL_")]


class Cloud:
    """One embedded cloud: this checkout's own in `.pilot/`, or another in `folder` (or PILOTLIGHT_CLOUD_FOLDER)."""

    def __init__(self, folder: Path | None = None, cache: Path = CACHE) -> None:
        folder = folder or Path(os.environ.get("PILOTLIGHT_CLOUD_FOLDER") or ROOT / ".pilot").absolute()
        self.folder = folder
        self._cache = cache
        self._lock = cache / f"{hashlib.sha256(bytes(folder)).hexdigest()[:16]}.lock"
        self._state_file = folder / "local.json"
        self._pid_file = PidFile(folder / "cloud.pid")
        self._log = folder / "cloud.log"
        self._work = folder / _WORK

    # Looking

    def state(self) -> State | None:
        """The running cloud's state; None where none runs, whatever an old folder says."""
        try:
            state = State(**json.loads(self._state_file.read_text()))
        except (OSError, ValueError, TypeError, RecursionError):
            return None
        return state if self._pid_file.holder() == state.pid else None

    def require(self) -> State:
        """The running cloud's state, or CloudError."""
        state = self.state()
        if state is None:
            raise CloudError("No embedded cloud runs here. Start one with `pilot local up`.")
        return state

    # Starting

    def up(
        self,
        *,
        stage: str = "local",
        weights: str = "smollm2",
        light: bool = True,
        port: int | None = None,
        report: Report,
    ) -> State:
        """Start, deploy and light what is not there yet; returns when the API answers. Safe to call twice."""
        with self.alone():
            state = self.state()
            if state and state.stage != stage:
                raise CloudError(
                    f"The embedded cloud runs stage {state.stage!r}, not {stage!r}. "
                    "Stop it first with `pilot local down`."
                )
            if state:
                if port and not state.aws_endpoint_url.endswith(f":{port}"):
                    raise CloudError(
                        f"The embedded cloud runs on {state.aws_endpoint_url}, not on port {port}. "
                        "Stop it first with `pilot local down`."
                    )
                state = self._redeployed(state, report)
                if light:
                    self.light(state, report)
                return state
            with _undone_by(self.stop):
                report("starting the embedded cloud")
                url = self.start(stage=stage, weights=weights, port=port)
                report("cdk bootstrap")
                self.bootstrap(url, stage)
                report("cdk deploy --all")
                state = self.deploy(url, stage)
                if light:
                    self.light(state, report)
                return state

    def _redeployed(self, state: State, report: Report) -> State:
        """The state as it is, or after another deploy where somebody has destroyed the stacks."""
        try:
            for role in ROLES:
                state.deployment.describe_stack(role)
        except NotDeployedError:
            report("cdk deploy --all")
            return self.deploy(state.aws_endpoint_url, state.stage)
        return state

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """One process at a time starts or stops this cloud; a second one waits."""
        with exclusive(self._lock):
            yield

    def start(self, *, stage: str, weights: str = "smollm2", port: int | None = None) -> str:
        """An empty cloud for `stage`; what a killed one left behind goes first. Returns its URL."""
        load(CONFIG, stage, target="local", region=REGION)  # a bad config is refused before anything starts
        require_node()
        require_disk(self.folder)
        if self.folder.exists() and not self.folder.is_dir():
            raise CloudError(f"{self.folder} is in the way: it is not a folder. Remove it and try again.")
        self.stop()
        port_for(HOST, port)  # one in use is told before what takes half a minute the first time
        self._build_weights(weights)
        return self._spawn(weights, port_for(HOST, port))

    def bootstrap(self, url: str, stage: str) -> None:
        """What `cdk deploy` needs there first."""
        self.cdk(url, stage, "bootstrap", f"aws://{ACCOUNT}/{REGION}")  # named, so that nothing has to be synthesised

    def deploy(self, url: str, stage: str) -> State:
        """Every stack of `stage` on the bootstrapped cloud at `url`; returns when the API answers. The endpoint
        stays as it is.
        """
        self.cdk(url, stage, "deploy", "--all", "--require-approval", "never")
        deployment = Deployment(stage, REGION, url)
        state = State(
            api_url=deployment.api_url,
            api_key=deployment.api_key,
            aws_endpoint_url=url,
            region=REGION,
            endpoint_name=deployment.endpoint_name,
            stack_names=deployment.stack_names,
            stage=stage,
            pid=self._pid_file.holder() or 0,
        )
        self._wait_until_answered(state)
        # In one step: nobody reads half a file.
        written = self._state_file.with_suffix(".new")
        written.write_text(json.dumps(asdict(state), indent=2) + "\n")
        written.rename(self._state_file)
        return state

    def light(self, state: State, report: Report) -> None:
        """The endpoint on, as `pilot on` does it."""
        Switch(state.deployment, report=lambda phrase: report(f"lighting the endpoint: {phrase}")).turn("on")

    def cdk(self, url: str, stage: str, *arguments: str) -> str:
        """Run the pinned `cdk` against the cloud at `url`; its output, or CloudError with the end of it."""
        command = [str(ROOT / "node_modules/.bin/cdk"), *arguments]
        command += ["--output", str(self._work / "cdk.out"), "--no-notices", "--ci", "--progress", "events"]
        environment = self._environment() | aws_environment(url, stage) | {"CDK_DISABLE_CLI_TELEMETRY": "true"}
        code, output = run(command, cwd=ROOT, environment=environment)
        if code != 0:
            raise CloudError(f"`cdk {' '.join(arguments)}` failed:\n{_tail(output)}")
        return output

    def _environment(self) -> dict[str, str]:
        """For a child: nothing of the caller's AWS, and a temporary folder that goes with the cloud."""
        scratch = self._work / "tmp"
        scratch.mkdir(parents=True, exist_ok=True)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return inherited | {
            "TMPDIR": str(scratch),
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def _build_weights(self, weights: str) -> None:
        """In a process of its own: converting a model takes a gigabyte, which the cloud would keep."""
        command = [sys.executable, "-m", "pilotlight.local.weights", weights, str(self._cache / "models")]
        code, output = run(command, cwd=ROOT, environment=self._environment())
        if code != 0:
            raise CloudError(_tail(output))

    def _spawn(self, weights: str, port: int) -> str:
        command = [sys.executable, "-m", "pilotlight.local.emulator", "--port", str(port), "--region", REGION]
        command += ["--folder", str(self._work / "aws"), "--cache", str(self._cache / "models"), "--weights", weights]
        environment = self._environment() | {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        process = self._pid_file.spawn(command, cwd=ROOT, environment=environment, log=self._log)
        url = f"http://{HOST}:{port}"
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise CloudError(f"The embedded cloud ended at its start:\n{self._last_words()}")
            with contextlib.suppress(requests.RequestException):
                if requests.get(f"{url}/_pilot/faults", timeout=2).ok:
                    return url
            time.sleep(0.1)
        raise CloudError(f"The embedded cloud did not answer within {_START_SECONDS:g} s:\n{self._last_words()}")

    def _wait_until_answered(self, state: State) -> None:
        answer = requests.get(f"{state.api_url}/endpoint", auth=state.deployment.auth, timeout=60)
        if not answer.ok:
            raise CloudError(f"The API answers {answer.status_code}: {answer.text}\n{self._last_words()}")

    def _last_words(self) -> str:
        return _tail(self._log.read_text(errors="replace"))

    # Stopping

    def down(self) -> bool:
        """Stop the cloud with all that it started, and forget it. False where there was nothing to forget."""
        with self.alone():
            return self.stop()

    def stop(self) -> bool:
        """`down` for one who is `alone` already."""
        pid = self._pid_file.holder()
        if pid:
            stop_group(pid, gone=lambda: self._pid_file.holder() is None, patience_seconds=_STOP_SECONDS)
        existed = self.folder.exists()
        for name in _OWN:  # and no more: the folder may have been named by somebody in a hurry
            entry = self.folder / name
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # somebody else's files are in it
            self.folder.rmdir()
        return existed


@contextlib.contextmanager
def _undone_by(undo: Callable[[], object]) -> Iterator[None]:
    """Undo what was half done if the body fails or is interrupted."""
    try:
        yield
    except BaseException:
        undo()
        raise


def _tail(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-25:])
