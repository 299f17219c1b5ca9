"""How the stage's training jobs and their runs are read, stopped, mended and told of."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from botocore.exceptions import ClientError
from common import describe
from common.describe import execution_status, unless_absent
from common.executions import StepFunctionsClient, execution_arn, start_once
from common.ledger import Ledger
from common.mending import mending_of

from meter.facts import Facts, Job, Run
from meter.memory import Memory
from meter.training import RUNNING, without_a_run

STAGE_TAG, RUN_TAG = "pilotlight:stage", "pilotlight:run"
# A tick has a minute: those that are left over are asked about by the next one.
MOST_ASKED = 40
_ENDED = ("SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")


class SageMakerClient(Protocol):
    """What is used of boto3's `sagemaker` client."""

    def list_training_jobs(self, **request: Any) -> Mapping[str, Any]: ...
    def list_tags(self, **request: Any) -> Mapping[str, Any]: ...
    def describe_training_job(self, **request: Any) -> Mapping[str, Any]: ...
    def stop_training_job(self, **request: Any) -> Any: ...


class SnsClient(Protocol):
    """What is used of boto3's `sns` client."""

    def publish(self, **request: Any) -> Any: ...


def jobs(client: SageMakerClient, stage: str, memory: Memory, *, month: str, first: float) -> tuple[Job, ...]:
    """Those that bill now, and those of the month that began at `first` that nobody has asked about yet."""
    named = {"NameContains": f"pilotlight-{stage}-"}
    listed = {
        item["TrainingJobName"]: item["TrainingJobArn"]
        for narrowed in (
            {"StatusEquals": "InProgress"},
            {"StatusEquals": "Stopping"},
            {"LastModifiedTimeAfter": datetime.fromtimestamp(first, UTC)},
        )
        for item in _pages(client, **named, **narrowed)
    }
    known = memory.trained if memory.month == month else {}
    unknown = [name for name in listed if name not in known]
    return tuple(_job(client, name, listed[name], stage) for name in unknown[:MOST_ASKED])


def runs(ledger: Ledger, client: describe.StepFunctionsClient, of: Iterable[Job]) -> tuple[Run, ...]:
    """The runs that say that they run, and those of these jobs."""
    records = {str(record["id"]): record for record in ledger.every("finetune")}
    wanted = {name for name, record in records.items() if record.get("status") == RUNNING}
    wanted |= {job.run for job in of if job.run in records and job.status == "InProgress"}
    return tuple(_run(client, name, records[name]) for name in sorted(wanted))


def mend(client: StepFunctionsClient, machine_arn: str, broken: Iterable[Run]) -> tuple[Run, ...]:
    """Start the mending of runs that broke off, and return those that are past it: their mending broke off as well, or
    no machine is there to do it.
    """
    return tuple(run for run in broken if not (machine_arn and _mends(client, machine_arn, run.id)))


def stop(
    sagemaker: SageMakerClient,
    sns: SnsClient,
    ledger: Ledger,
    facts: Facts,
    past_mending: Iterable[Run],
    *,
    topic: str,
    stage: str,
) -> None:
    """Stop what runs for nobody, tell a person, and close the records of runs that nothing mends, in this order: what
    fails is done again by the next tick. A person may be told twice.
    """
    stopped, closed = without_a_run(facts.jobs, facts.runs), tuple(past_mending)
    for job in stopped:
        unless_absent(lambda name=job.name: sagemaker.stop_training_job(TrainingJobName=name) or {})  # type: ignore[misc]
    if said := [*(_about_a_run(run, stage) for run in closed), *map(_about_a_job, stopped)]:
        subject = f"Pilotlight {stage}: a fine-tuning run broke off"[:99]
        sns.publish(TopicArn=topic, Subject=subject, Message="\n\n".join(said))
    for run in closed:
        record, version = ledger.entry("finetune", run.id)
        if record is not None and record.get("status") == RUNNING:
            failed = {**record, "status": "failed", "message": _about_a_run(run, stage)}
            ledger.put_if("finetune", run.id, failed, version=version)


def _mends(client: StepFunctionsClient, machine_arn: str, run: str) -> bool:
    """Whether the meter's mending of the run goes on, which was started just now if never before."""
    name = mending_of(run)
    try:
        if start_once(client, machine_arn, name, {"mend": run}):
            return True
    except ClientError as error:
        if error.response["Error"].get("Code") != "StateMachineDoesNotExist":
            raise
    return execution_status(client, execution_arn(machine_arn, name)) == "RUNNING"


def _about_a_run(run: Run, stage: str) -> str:
    return (
        f"The fine-tuning run {run.id} broke off: its execution has ended ({run.execution_status}) without saying so, "
        "and so did what was to mend it. It counts as failed, and its training jobs are stopped. Its model may still "
        f"serve, or an endpoint that it lit may still be on: see `pilot status --stage {stage}`, then `pilot off` or "
        "`pilot on`. Start the run again with `pilot finetune`."
    )


def _about_a_job(job: Job) -> str:
    return f"The training job {job.name} still ran although its run {job.run} has ended: it was told to stop."


def _pages(client: SageMakerClient, **request: Any) -> Iterator[Mapping[str, Any]]:
    answer = client.list_training_jobs(**request)
    yield from answer["TrainingJobSummaries"]
    while token := answer.get("NextToken"):
        answer = client.list_training_jobs(**request, NextToken=token)
        yield from answer["TrainingJobSummaries"]


def _job(client: SageMakerClient, name: str, arn: str, stage: str) -> Job:
    """Another stage's job, whose name begins like ours, and one that is not there any more, cost us nothing."""
    answer = unless_absent(lambda: client.list_tags(ResourceArn=arn)) or {"Tags": []}
    tags = {tag["Key"]: tag["Value"] for tag in answer["Tags"]}
    if tags.get(STAGE_TAG) != stage:
        return Job(name, ours=False)
    found = unless_absent(lambda: client.describe_training_job(TrainingJobName=name))
    if found is None:
        return Job(name, ours=False)
    used = found.get("ResourceConfig", {})
    return Job(
        name,
        status=found["TrainingJobStatus"],
        run=tags.get(RUN_TAG),
        started=_epoch(found.get("TrainingStartTime")),
        ended=_epoch(found.get("TrainingEndTime")),
        billable_seconds=found.get("BillableTimeInSeconds"),
        instance_type=used.get("InstanceType"),
        instances=used.get("InstanceCount", 1),
    )


def _run(client: describe.StepFunctionsClient, name: str, record: Mapping[str, Any]) -> Run:
    """Whose execution Step Functions does not show has not ended: a new one is not shown at once."""
    says, status = str(record.get("status")), ""
    if says == RUNNING and (arn := record.get("execution_arn")):
        status = execution_status(client, str(arn)) or ""
    return Run(name, says, status, execution_ended=status in _ENDED)


def _epoch(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
