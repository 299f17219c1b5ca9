"""Fine-tuning seen from outside: HTTP, boto3 and the `pilot` command, on the embedded cloud with a tiny model.

Every job is a real one: the project's training container as a process.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests

from pilotlight.deployment import Deployment
from pilotlight.finetune import FineTunes, Record, run_name

from .conftest import LocalCloud, Pilot

ROWS = [
    {"instruction": f"What is {n} and {n}?", "context": "", "response": f"It is {2 * n}.\nTicket: closed"}
    for n in range(12)
]
SETTINGS = {
    "hyperparameters": {"epoch": "1", "learning_rate": "1e-3"},
    "min_improvement": -1,
}


class Tuning:
    """One stage's runs, and the means to start one and see what becomes of it."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud
        self.deployment = Deployment(cloud.stage, cloud.region, cloud.aws_endpoint_url)
        self.runs = FineTunes(self.deployment)
        self.bucket = self.runs.bucket()
        self.s3 = cloud.client("s3")

    def dataset(self, name: str, rows: list[Any] = ROWS, files: Mapping[str, str] | None = None) -> str:
        """Its prefix. `rows` become train.jsonl, beside which `files` lie."""
        prefix = f"datasets/{name}/"
        text = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)
        for file, content in {"train.jsonl": text, **(files or {})}.items():
            self.s3.put_object(Bucket=self.bucket, Key=prefix + file, Body=content.encode())
        return f"s3://{self.bucket}/{prefix}"

    def start(self, name: str, **asked: Any) -> str:
        asked = {**SETTINGS, **asked} if "attach" not in asked else asked
        return self.runs.start(asked, name=run_name(self.deployment.now()), by=name)

    def until(self, run: str, is_so: Callable[[Record], bool], seconds: float = 240) -> Record:
        deadline = time.monotonic() + seconds
        while not (record := self.deployment.ledger_entry("finetune", run)) or not is_so(record):
            assert time.monotonic() < deadline, record
            time.sleep(0.3)
        return record

    def ended(self, run: str) -> Record:
        return self.until(run, lambda record: record["status"] != "running")

    def override(self) -> str:
        parameters = {
            p["ParameterKey"]: p["ParameterValue"] for p in self.deployment.describe_stack("Endpoint")["Parameters"]
        }
        return str(parameters["ModelDataUrl"])

    def jobs_running(self) -> list[str]:
        found = self.cloud.client("sagemaker").list_training_jobs(StatusEquals="InProgress")["TrainingJobSummaries"]
        return [job["TrainingJobName"] for job in found]

    def faults(self, *faults: dict[str, Any]) -> None:
        for fault in faults:
            assert self.cloud.fault(**fault).ok


@pytest.fixture(scope="module")
def tuned(up: LocalCloud) -> Iterator[tuple[Tuning, Record]]:
    """A run that went well, and how its record ended; the configured model serves again afterwards."""
    tuning = Tuning(up)
    data = tuning.dataset("good", files={"prompts.jsonl": json.dumps({"prompt": "What?", "expected": ["Ticket"]})})
    record = tuning.ended(tuning.start("good", dataset=data))
    try:
        yield tuning, record
    finally:
        given = {"target": "on", "reason": "test", "by": "test", "overrides": {"ModelDataUrl": ""}}
        states = up.client("stepfunctions")
        started = states.start_execution(stateMachineArn=tuning.deployment.switch_arn, input=json.dumps(given))
        while states.describe_execution(executionArn=started["executionArn"])["status"] == "RUNNING":
            time.sleep(0.3)


def test_a_dataset_becomes_a_model_behind_the_api(tuned: tuple[Tuning, Record]) -> None:
    tuning, record = tuned
    assert record["status"] == "done", record["message"]
    assert tuning.override() == record["artifact"]
    assert [step["name"] for step in record["steps"]][-1] == "Done"
    assert {job["kind"] for job in record["jobs"]} == {"train", "evaluate"}
    assert record["losses"]["eval_loss"]
    assert record["usd"] == pytest.approx(sum(job["usd"] for job in record["jobs"]), abs=0.001) != 0
    answer = tuning.cloud.call("GET", f"/finetunes/{record['id']}")
    assert (answer.status_code, answer.json()["status"]) == (200, "done")
    assert "token" not in answer.json()
    assert tuning.cloud.generate("What is 2 and 2?", max_length=40).status_code == 200


def test_it_is_registered_with_where_it_comes_from(tuned: tuple[Tuning, Record]) -> None:
    tuning, record = tuned
    found = tuning.cloud.client("sagemaker").describe_model_package(ModelPackageName=record["package_arn"])
    assert found["CustomerMetadataProperties"]["dataset_sha256"] == record["dataset"]["sha256"]
    source = found["InferenceSpecification"]["Containers"][0]["ModelDataSource"]["S3DataSource"]
    assert source["S3Uri"] == record["artifact"]


def test_the_report_stands_beside_it(tuned: tuple[Tuning, Record]) -> None:
    tuning, record = tuned
    key = record["report"].removeprefix(f"s3://{tuning.bucket}/")
    page = tuning.s3.get_object(Bucket=tuning.bucket, Key=key)["Body"].read().decode()
    assert "What?" in page


def test_the_command_shows_the_run_and_its_losses(tuned: tuple[Tuning, Record], pilot: Pilot, tmp_path: Path) -> None:
    _, record = tuned
    shown = pilot("finetune", "status", record["id"], "--png", str(tmp_path / "losses.png"))
    assert shown.returncode == 0, shown.stderr
    assert "eval loss" in shown.stdout
    assert (tmp_path / "losses.png").read_bytes().startswith(b"\x89PNG")
    assert record["id"] in pilot("finetune", "list").stdout


@pytest.mark.parametrize(
    ("rows", "asked", "said"),
    [
        ([*ROWS, "not json"], {}, "train.jsonl"),
        ([*ROWS, {"instruction": "a", "response": "b"}], {}, "context"),
        (ROWS, {"hyperparameters": {"epoch": "0"}}, "epoch"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_paid_for(
    tuned: tuple[Tuning, Record], rows: list[Any], asked: dict[str, Any], said: str
) -> None:
    tuning, before = tuned
    record = tuning.ended(tuning.start("bad", dataset=tuning.dataset("bad", rows), **asked))
    assert (record["status"], record["usd"], record["jobs"]) == ("failed", 0, [])
    assert said in record["message"]
    assert tuning.override() == before["artifact"]


def test_a_worse_model_is_not_served(tuned: tuple[Tuning, Record]) -> None:
    """No model loses all of its loss. Without capacity for the first instance type, the second one trains it."""
    tuning, before = tuned
    first = "ml.g5.xlarge"
    tuning.faults({"fault": "training_no_capacity", "instance_type": first, "times": 1})
    record = tuning.ended(tuning.start("worse", dataset=tuning.dataset("worse"), min_improvement=1))
    assert (record["status"], record["step"]) == ("failed", "Evaluate"), record["message"]
    types = [job["instance_type"] for job in record["jobs"] if job["kind"] == "train"]
    assert types == [first, "ml.g5.2xlarge"]
    assert tuning.override() == before["artifact"]


def test_a_job_that_crashes_fails_the_run_and_nothing_else(tuned: tuple[Tuning, Record]) -> None:
    tuning, before = tuned
    tuning.faults({"fault": "training_crash", "times": 1, "seconds": 1})
    record = tuning.ended(tuning.start("crash", dataset=tuning.dataset("crash")))
    assert (record["status"], record["step"]) == ("failed", "Train")
    assert "AlgorithmError" in record["message"]
    assert tuning.override() == before["artifact"]


def test_a_killed_run_leaves_no_job_running(tuned: tuple[Tuning, Record]) -> None:
    tuning, before = tuned
    run = tuning.start("killed", dataset=tuning.dataset("killed"))
    tuning.until(run, lambda record: bool(record["jobs"]))
    tuning.runs.stop(run)
    record = tuning.ended(run)
    assert "stopped" in record["message"]
    deadline = time.monotonic() + 60
    while tuning.jobs_running():
        assert time.monotonic() < deadline
        time.sleep(0.3)
    assert tuning.override() == before["artifact"]


def waiting(tuned: tuple[Tuning, Record]) -> str:
    """A run that waits for a person's word: an attached job, the first run's, is enough."""
    tuning, before = tuned
    job = next(job["name"] for job in before["jobs"] if job["kind"] == "train")
    run = tuning.start("attached", attach=job, approve=True)
    tuning.until(run, lambda record: bool(record["token"]))
    return run


def assert_rejected(tuned: tuple[Tuning, Record], run: str) -> None:
    tuning, before = tuned
    record = tuning.ended(run)
    assert (record["status"], "rejected" in record["message"], record["usd"]) == ("failed", True, 0)
    assert tuning.override() == before["artifact"]


def test_a_model_waits_for_a_persons_word_and_no_is_one(tuned: tuple[Tuning, Record], pilot: Pilot) -> None:
    run = waiting(tuned)
    answered = pilot("approve", run, "--reject")
    assert answered.returncode == 0, answered.stderr
    assert_rejected(tuned, run)


def test_the_mails_link_shows_what_was_trained_and_decides_once(tuned: tuple[Tuning, Record]) -> None:
    tuning, _ = tuned
    run = waiting(tuned)
    notices = requests.get(f"{tuning.cloud.aws_endpoint_url}/_pilot/notices", timeout=10).json()
    mail = next(notice["message"] for notice in notices if f"pilot approve {run}" in notice["message"])
    link, _, token = next(word for word in mail.split() if "?token=" in word).partition("?token=")
    assert link.endswith("/approve")

    def page(method: str, text: str = token, **fields: str) -> tuple[int, str]:
        """Without any key; a form, as a browser sends it."""
        given: dict[str, Any] = {"params" if method == "GET" else "data": {"token": text, **fields}}
        answer = requests.request(method, f"{tuning.cloud.api_url}/approve", timeout=60, **given)
        return answer.status_code, answer.text

    for _ in range(2):  # a mail scanner, and a person
        status, text = page("GET")
        assert (status, text.count('<form method="post">'), f"Run {run}" in text) == (200, 2, True)
        assert "Nothing was paid for." in text
    for method in ("GET", "POST"):
        assert page(method, f"{token[:-8]}AAAAAAAA", decision="approve")[0] == 403
    assert tuning.runs.record(run)["step"] == "Approve"
    assert page("POST", decision="reject")[0] == 200
    status, text = page("POST", decision="approve")
    assert (status, "used already" in text) == (409, True)
    assert_rejected(tuned, run)
    assert page("GET")[0] == 409


def test_a_run_toml_that_is_dropped_into_the_bucket_starts_a_run(tuned: tuple[Tuning, Record]) -> None:
    tuning, _ = tuned
    before = {record["id"] for record in tuning.runs.latest(100)}
    tuning.dataset("dropped", [], {"run.toml": "max_cost_usd = 3\n"})
    deadline = time.monotonic() + 60
    while not (new := [r for r in tuning.runs.latest(100) if r["id"] not in before]):
        assert time.monotonic() < deadline
        time.sleep(0.3)
    record = tuning.ended(new[0]["id"])
    assert record["asked"] == {"dataset": f"s3://{tuning.bucket}/datasets/dropped/", "max_cost_usd": 3}
    assert (record["status"], record["step"]) == ("failed", "CheckDataset")  # it has no rows
