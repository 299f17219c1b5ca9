"""One training job: what was asked, and how it goes."""

import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

from pilotlight.local.sagemaker import wire
from pilotlight.local.sagemaker.records import Record, now
from pilotlight.local.sagemaker.storage import Location

MAX_RUNTIME_SECONDS = 86_400
"""Unless StoppingCondition has another."""
_MESSAGES = {
    "Starting": "Starting the training job",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Interrupted": "The Spot instance was interrupted",
    "Stopping": "Stopping the training job",
    "Uploading": "Uploading generated training model",
    "Completed": "Training job completed",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
    "Failed": "Training job failed",
}
_ENDS = {"Completed": "Completed", "Stopped": "Stopped", "MaxRuntimeExceeded": "Stopped", "Failed": "Failed"}
"""The secondary statuses with which a job is over, and the status that each stands for."""
_AT_WORK = ("Starting", "Downloading", "Training", "Interrupted")


class Job:
    """Changed by the thread that runs it, read by everybody; `stop_asked` is set by StopTrainingJob."""

    def __init__(self, arn: str, request: Record) -> None:
        self.arn = arn
        self.request = request
        self.name: str = request["TrainingJobName"]
        self.status = "InProgress"
        self.stop_asked = threading.Event()
        self._lock = threading.RLock()
        self._created = self._modified = now()
        self._started: datetime | None = None
        self._ended: datetime | None = None
        self._failure: str | None = None
        self._seconds = 0
        self._transitions: list[Record] = []
        self._metrics: dict[str, Record] = {}
        self._at_end: list[Callable[[], None]] = []
        self.move("Starting")

    @property
    def is_over(self) -> bool:
        return self._ended is not None

    @property
    def artifacts(self) -> Location:
        """Where the model goes: a folder, or the archive."""
        given = self.request["OutputDataConfig"]
        name = "model/" if given.get("CompressionType") == "NONE" else "model.tar.gz"
        return Location.of(given["S3OutputPath"]).below(f"{self.name}/output/{name}")

    def move(self, secondary: str) -> None:
        """Enter a secondary status; one that is stopping does not go back to work."""
        with self._lock:
            if self.status == "Stopping" and secondary in _AT_WORK:
                return
            moment = self._modified = now()
            if self._transitions:
                self._transitions[-1]["EndTime"] = moment
            entered = {"Status": secondary, "StartTime": moment, "StatusMessage": _MESSAGES[secondary]}
            self._transitions.append(entered)
            if secondary == "Downloading" and self._started is None:
                self._started = moment
            if secondary == "Stopping":
                self.status = "Stopping"

    def end(self, secondary: str, *, seconds: int, failure: str | None = None) -> None:
        """Enter one of the last statuses, after so many seconds that are paid for; and tell who waits for it."""
        with self._lock:
            self.move(secondary)
            self._transitions[-1]["EndTime"] = self._modified
            self._ended = self._modified
            self._seconds = seconds
            self._failure = failure and failure[:1024]
            self.status = _ENDS[secondary]
            waiting, self._at_end = self._at_end, []
        for tell in waiting:
            tell()

    def at_end(self, tell: Callable[[], None]) -> None:
        """Call `tell` when the job is over; at once if it is."""
        with self._lock:
            if not self.is_over:
                self._at_end.append(tell)
                return
        tell()

    def ask_to_stop(self) -> bool:
        """False for a job that is over, or was asked already."""
        with self._lock:
            if self.is_over or self.status == "Stopping":
                return False
            self.move("Stopping")
            self.stop_asked.set()
            return True

    def measure(self, name: str, value: float) -> None:
        with self._lock:
            self._metrics[name] = {"MetricName": name, "Value": value, "Timestamp": now()}

    def describe(self) -> Record:
        """As DescribeTrainingJob answers."""
        members = wire.members("DescribeTrainingJob")
        with self._lock:
            asked = {key: value for key, value in self.request.items() if key in members}
            known: dict[str, Any] = {
                "TrainingStartTime": self._started,
                "TrainingEndTime": self._ended if self._started else None,
                "FailureReason": self._failure,
                "FinalMetricDataList": list(self._metrics.values()) or None,
            }
            times = {"TrainingTimeInSeconds": self._seconds, "BillableTimeInSeconds": self._seconds}
            return (
                asked
                | self.summary()
                | {key: value for key, value in known.items() if value is not None}
                | (times if self.is_over and self._started else {})
                | {
                    "ModelArtifacts": {"S3ModelArtifacts": str(self.artifacts)},
                    "SecondaryStatusTransitions": [dict(transition) for transition in self._transitions],
                }
            )

    def summary(self) -> Record:
        """As ListTrainingJobs answers, with one status more."""
        with self._lock:
            return {
                "TrainingJobName": self.name,
                "TrainingJobArn": self.arn,
                "CreationTime": self._created,
                "LastModifiedTime": self._modified,
                "TrainingJobStatus": self.status,
                "SecondaryStatus": self._transitions[-1]["Status"],
            } | ({"TrainingEndTime": self._ended} if self._ended and self._started else {})
