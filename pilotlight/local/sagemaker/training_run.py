"""A training job from its instance to its last status: a real process, watched as SageMaker watches a container.

The job costs no simulated time; what is paid for and what limits it are seconds of real time.
"""

import contextlib
import math
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pilotlight.local.sagemaker.faults import Fault, Faults
from pilotlight.local.sagemaker.metrics import Sink
from pilotlight.local.sagemaker.storage import Location, Storage
from pilotlight.local.sagemaker.training_folder import Checkpoints, TrainingFolder
from pilotlight.local.sagemaker.training_job import MAX_RUNTIME_SECONDS, Job
from pilotlight.local.sagemaker.training_process import Process, Program

NAMESPACE = "/aws/sagemaker/TrainingJobs"
"""Of the metrics that are read from the logs of training jobs; their dimension is TrainingJobName."""
NO_CAPACITY = (
    "CapacityError: Unable to provision requested ML compute capacity. Please retry using a different ML instance "
    "type or after some time."
)
_GRACE_SECONDS = 120.0
"""Between SIGTERM and SIGKILL."""
_POLL_SECONDS = 0.05
_CHECKPOINT_SECONDS = 1.0

Cause = Literal["itself", "stopped", "too long", "interrupted", "crashed"]
"""Why the program ended."""


@dataclass(frozen=True)
class Machine:
    """What every job runs on."""

    program: Program
    folder: Path
    """For each job's opt/ml and its log."""
    storage: Storage
    weights: Callable[[], Path]
    """The folder of the built-in model."""
    faults: Faults
    sink: Sink
    """Where the metrics go that are read from the log."""


class _Failed(Exception):
    """The job fails; the message is its FailureReason."""


class Run:
    """One job's run."""

    def __init__(self, job: Job, machine: Machine) -> None:
        self._job = job
        self._machine = machine
        self._own = machine.folder / job.name
        self._folder = TrainingFolder(self._own / "opt/ml", job.request, machine.storage)
        self._begun: float | None = None
        self._trained_seconds = 0.0
        self._process: Process | None = None
        definitions = job.request["AlgorithmSpecification"].get("MetricDefinitions", [])
        self._metrics = [(each["Name"], re.compile(each["Regex"])) for each in definitions]

    def __call__(self) -> None:
        """Returns when the job is over, however it ends."""
        try:
            secondary, failure = self._go(), None
        except _Failed as error:
            secondary, failure = "Failed", str(error)
        except Exception as error:  # noqa: BLE001  whatever it was, the job must not stay in progress
            secondary, failure = "Failed", f"InternalServerError: {error}"
        self._folder.remove()
        paid = time.monotonic() - self._begun if self._begun is not None else 0.0
        self._job.end(secondary, seconds=math.ceil(paid), failure=failure)

    def kill(self) -> None:
        """The cloud is going down."""
        if self._process:
            self._process.kill()

    def _go(self) -> str:
        """The secondary status that it ends with. Raises _Failed."""
        request = self._job.request
        if self._machine.faults.take("training_no_capacity", instance_type=request["ResourceConfig"]["InstanceType"]):
            raise _Failed(NO_CAPACITY)
        self._begun = time.monotonic()
        cause = self._train(self._machine.faults.take("training_crash", "spot_interruption"))
        while cause == "interrupted":
            if not request.get("EnableManagedSpotTraining"):
                raise _Failed("InternalServerError: We encountered an internal error. Please try again.")
            self._job.move("Interrupted")
            self._job.move("Starting")
            cause = self._train(None)
        if cause == "too long":
            self._job.move("Stopping")
        self._job.move("Uploading")
        with _blame("ClientError: Artifact upload failed"):
            self._folder.upload_model(self._job.artifacts)
        if cause == "too long":
            return "MaxRuntimeExceeded"
        return "Stopped" if self._job.stop_asked.is_set() else "Completed"

    def _train(self, strike: Fault | None) -> Cause:
        """One instance's work: from its empty disk until the program ends."""
        self._job.move("Downloading")
        with _blame("ClientError: Data download failed"):
            self._folder.fill(self._machine.weights)
        self._job.move("Training")
        begun = time.monotonic()
        environment = {
            **self._job.request.get("Environment", {}),
            "PILOTLIGHT_ML_ROOT": str(self._folder.root),
            "TRAINING_JOB_NAME": self._job.name,
            "TRAINING_JOB_ARN": self._job.arn,
        }
        self._process = Process(self._machine.program, environment, self._own / "container.log", self._scrape)
        try:
            cause = self._watch(self._process, strike)
        finally:
            self._process.kill()
            code = self._process.finish()
            self._trained_seconds += time.monotonic() - begun
        if cause in ("itself", "crashed") and code != 0:
            said = self._folder.failure() or "the container left no reason in /opt/ml/output/failure"
            raise _Failed(f"AlgorithmError: {said}, exit code: {code}")
        return cause

    def _watch(self, process: Process, strike: Fault | None) -> Cause:
        """Returns when the process has ended, or must be killed."""
        begun, cause, kill_at, carry_at = time.monotonic(), None, math.inf, 0.0
        config = self._job.request.get("CheckpointConfig")
        target = Location.of(config["S3Uri"]) if config else None
        checkpoints = Checkpoints(self._folder.checkpoints, self._machine.storage, target)
        longest = self._job.request["StoppingCondition"].get("MaxRuntimeInSeconds", MAX_RUNTIME_SECONDS)
        limit = longest - self._trained_seconds
        while not process.has_ended() and time.monotonic() < kill_at:
            seconds = time.monotonic() - begun
            if cause is None:
                cause = self._cause_to_end(seconds, limit, strike, checkpoints if target else None)
                if cause == "crashed":
                    process.kill()
                elif cause:
                    process.terminate()
                    kill_at = time.monotonic() + _GRACE_SECONDS
            if seconds >= carry_at:
                checkpoints.carry()
                carry_at = seconds + _CHECKPOINT_SECONDS
            time.sleep(_POLL_SECONDS)
        checkpoints.carry()
        return cause or "itself"

    def _cause_to_end(
        self, seconds: float, limit: float, strike: Fault | None, checkpoints: Checkpoints | None
    ) -> Cause | None:
        if self._job.stop_asked.is_set():
            return "stopped"
        if seconds >= limit:
            return "too long"
        # Half way: when there is a first checkpoint to go on from, else after a while.
        if strike and (checkpoints.are_new() if checkpoints else seconds >= strike.seconds):
            return "crashed" if strike.kind == "training_crash" else "interrupted"
        return None

    def _scrape(self, line: str) -> None:
        """Read the job's metrics from a line of its log."""
        for name, pattern in self._metrics:
            found = pattern.search(line)
            with contextlib.suppress(ValueError, IndexError, TypeError):  # the expression found no number
                if found:
                    value = float(found[1])
                    self._job.measure(name, value)
                    self._machine.sink(name, {"TrainingJobName": self._job.name}, time.time(), [value])


@contextlib.contextmanager
def _blame(whom: str) -> Iterator[None]:
    """What S3 refuses fails the job."""
    try:
        yield
    except Exception as error:
        raise _Failed(f"{whom}: {error}") from error
