"""What is known of one run: the ledger's entry finetune/ID, which every step reads, and writes once.

Nothing else is carried from step to step, so a run that was killed can be looked at, and put right, by its id alone.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from hashlib import sha256
from typing import Any

KIND = "finetune"

_ID = re.compile(r"[a-z0-9](-?[a-z0-9]){0,17}")

RUNNING, DONE, FAILED = "running", "done", "failed"
MOST_STEPS = 40
"""Of the log of steps; the oldest go first."""

Data = dict[str, Any]


def id_of(execution_name: str) -> str:
    """A run's id, from its execution's name: that itself where it is short enough to be part of a job's name."""
    return execution_name if _ID.fullmatch(execution_name) else f"r{sha256(execution_name.encode()).hexdigest()[:12]}"


@dataclass(frozen=True)
class Job:
    """A training job of SageMaker: `kind` train or evaluate. `seconds` are billed, None until something is known;
    `usd` is what they cost, None where the type has no known price.
    """

    name: str
    kind: str
    instance_type: str
    instance_count: int
    status: str = "InProgress"
    seconds: float | None = None
    usd: float | None = None
    failure: str = ""
    attached: bool = False
    """Started elsewhere: it is not ours to stop or to pay for."""


@dataclass(frozen=True)
class Run:
    """Times are epoch seconds.

    asked        the request, complete (finetune.asked)
    step, steps  where it is, and what was said at each step: {"name", "at", "message"}
    dataset      what CheckDataset found
    plan         what was decided before anything was paid for (finetune.plan)
    attempt      jobs that the present step has started; next_type, on which instance type the next one is, resume_at,
                 until when a lack of capacity is waited out, refused_at, since when none of them has run
    losses       by name, points of [epoch, value]
    artifact     the tuned model's S3 prefix, or its model.tar.gz; report, the evaluation's page
    promotion    {"phase", "previous", "was_on", "execution", "tries"}; the phase is asked, on trial, promoted, rolling
                 back, rolled back or settled, `previous` the override before, empty for as configured
    smoke        {"tries"} while the API does not answer, the {"prompts"} it answered, or why it {"failed"} on trial
    token        of the approval that is waited for; approval, {"until", "facts": [sentences for whoever decides]}
    """

    id: str
    execution_arn: str = ""
    by: str = ""
    begun_at: float = 0.0
    ended_at: float | None = None
    status: str = RUNNING
    step: str = ""
    steps: tuple[Data, ...] = ()
    message: str = ""
    asked: Mapping[str, Any] = field(default_factory=dict)
    dataset: Mapping[str, Any] = field(default_factory=dict)
    plan: Mapping[str, Any] = field(default_factory=dict)
    jobs: tuple[Job, ...] = ()
    attempt: int = 0
    next_type: str = ""
    resume_at: float | None = None
    refused_at: float | None = None
    losses: Mapping[str, Any] = field(default_factory=dict)
    artifact: str = ""
    report: str = ""
    evaluation: Mapping[str, Any] = field(default_factory=dict)
    package_arn: str = ""
    token: str = ""
    approval: Mapping[str, Any] = field(default_factory=dict)
    promotion: Mapping[str, Any] = field(default_factory=dict)
    smoke: Mapping[str, Any] = field(default_factory=dict)

    @property
    def usd(self) -> float:
        """What its jobs cost so far; one of unknown price counts as nothing."""
        return round(sum(job.usd or 0.0 for job in self.jobs if not job.attached), 4)

    def job(self, kind: str) -> Job | None:
        """The newest of that kind."""
        return next((job for job in reversed(self.jobs) if job.kind == kind), None)

    def with_job(self, job: Job) -> "Run":
        """The job in its place, or at the end where it is new."""
        known = any(kept.name == job.name for kept in self.jobs)
        jobs = tuple(job if kept.name == job.name else kept for kept in self.jobs)
        return replace(self, jobs=jobs if known else (*self.jobs, job))

    def saying(self, step: str, now: float, message: str) -> "Run":
        """What a person is to read of this step; said once, however often the step looks again."""
        last = self.steps[-1] if self.steps else {}
        if last.get("name") == step and last.get("message") == message:
            return replace(self, step=step)
        said = {"name": step, "at": now, "message": message}
        return replace(self, step=step, message=message, steps=(*self.steps, said)[-MOST_STEPS:])

    def silent_seconds(self, now: float) -> float:
        """How long ago something new was said of it."""
        return now - float(self.steps[-1]["at"]) if self.steps else 0.0

    def last_said(self, step: str) -> str:
        """The last message of that step; empty where it has said nothing."""
        return next((str(said["message"]) for said in reversed(self.steps) if said["name"] == step), "")

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "Run":
        known = {f.name for f in fields(cls)}
        given = {name: value for name, value in data.items() if name in known}
        given["steps"] = tuple(given.get("steps", ()))
        given["jobs"] = tuple(Job(**job) for job in given.get("jobs", ()))
        return cls(**given)

    def to_data(self) -> Data:
        return {**asdict(self), "jobs": [asdict(job) for job in self.jobs], "steps": list(self.steps), "usd": self.usd}
