"""Fine-tuning seen from outside: HTTP, boto3 and the `pilot` command, on the embedded cloud with a tiny model.

Every job is a real one: the project's training container as a process.
"""

import json
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pilotlight.finetune import RUN_FILE, Record

from .conftest import Cdk, LocalCloud, Pilot
from .test_promotion import Stage
from .tuning import HYPERPARAMETERS, ROWS, SETTINGS, Tuning, job_of, phase, said_at

FIRST, SECOND = "ml.g5.xlarge", "ml.g5.2xlarge"
pytestmark = pytest.mark.usefixtures("cloud")  # no fault outlives its test


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a dataset that can be learned from, as a user has it."""
    folder = tmp_path_factory.mktemp("data") / "good"
    folder.mkdir()
    (folder / "train.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    (folder / "prompts.jsonl").write_text(json.dumps({"prompt": "What?", "expected": ["Ticket"]}))
    (folder / RUN_FILE).write_text(f"min_improvement = {SETTINGS['min_improvement']}\n")
    return folder


@pytest.fixture(scope="module")
def command(up: LocalCloud, pilot: Pilot, good: Path) -> subprocess.CompletedProcess[str]:
    """`pilot finetune DATA`, followed to the run's end."""
    pairs = [f"--set={name}={value}" for name, value in HYPERPARAMETERS.items()]
    with ThreadPoolExecutor(max_workers=1) as elsewhere:
        going = elsewhere.submit(pilot, "finetune", str(good), *pairs, "--yes", "--wait", COLUMNS="300")
        while not going.done():
            Tuning(up).pass_by()
    return going.result()


@pytest.fixture(scope="module")
def tuned(up: LocalCloud, command: subprocess.CompletedProcess[str]) -> Iterator[tuple[Tuning, Record]]:
    """The command's run, which went well, and how its record ended; the configured model serves again afterwards."""
    assert command.returncode == 0, command.stdout + command.stderr
    tuning = Tuning(up)
    record = tuning.ended(tuning.runs.latest(1)[0]["id"])
    try:
        yield tuning, record
    finally:
        given = {"target": "on", "reason": "test", "by": "test", "overrides": {"ModelDataUrl": ""}}
        states = up.client("stepfunctions")
        started = states.start_execution(stateMachineArn=tuning.deployment.switch_arn, input=json.dumps(given))
        while states.describe_execution(executionArn=started["executionArn"])["status"] == "RUNNING":
            tuning.pass_by()


def test_the_command_says_what_a_run_costs_before_it_uploads_anything_and_asks(pilot: Pilot, good: Path) -> None:
    """Nobody answers: standard input is no terminal."""
    runs = pilot("finetune", "list").stdout
    asked = pilot("finetune", str(good), "--max-cost-usd", "7")
    assert asked.returncode != 0
    assert "costs" in asked.stdout
    assert "at most USD" in asked.stdout
    assert "--yes" in asked.stderr
    assert pilot("finetune", "list").stdout == runs


def test_the_command_uploads_the_dataset_and_follows_its_run_to_the_end(
    command: subprocess.CompletedProcess[str], tuned: tuple[Tuning, Record], good: Path
) -> None:
    tuning, record = tuned
    assert (record["by"], record["plan"]["hyperparameters"]["epoch"]) == ("pilot finetune", "1")
    prefix = record["asked"]["dataset"].removeprefix(f"s3://{tuning.bucket}/")
    listed = tuning.s3.list_objects_v2(Bucket=tuning.bucket, Prefix=prefix)["Contents"]
    uploaded = {entry["Key"].removeprefix(prefix): entry["Size"] for entry in listed}
    assert uploaded == {path.name: path.stat().st_size for path in good.iterdir() if path.name != RUN_FILE}
    assert "at most USD" in command.stdout
    assert f"Run {record['id']}: done" in command.stdout
    assert "Train" in command.stderr  # as it went; the quick steps may pass between two looks
    steps = ("CheckDataset", "Plan", "Train", "Evaluate", "Register", "Promote", "Smoke", "Done")
    assert [step for step in steps if step not in command.stdout] == []


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
    assert answer.json()["links"] == {}  # no console shows this cloud
    tuning.serves(record["artifact"])


@pytest.mark.usefixtures("tuned")
def test_the_deployed_stage_is_as_the_code_says_with_the_tuned_model(cdk: Cdk) -> None:
    diff = cdk("diff --all --fail")
    assert diff.returncode == 0, diff.stdout + diff.stderr


def test_it_is_registered_with_where_it_comes_from(tuned: tuple[Tuning, Record]) -> None:
    tuning, record = tuned
    found = tuning.cloud.client("sagemaker").describe_model_package(ModelPackageName=record["package_arn"])
    assert found["ModelApprovalStatus"] == "Approved"
    assert found["CustomerMetadataProperties"]["dataset_sha256"] == record["dataset"]["sha256"]
    source = found["InferenceSpecification"]["Containers"][0]["ModelDataSource"]["S3DataSource"]
    assert source["S3Uri"] == record["artifact"]


def test_the_report_stands_beside_it(tuned: tuple[Tuning, Record]) -> None:
    tuning, record = tuned
    assert record["report"].startswith(record["artifact"].removesuffix("output/model/") + "report/")
    page = tuning.read(record["report"])
    assert ("What?" in page, "<svg" in page) == (True, True)
    assert {"base", "tuned", "expected"} <= tuning.evaluation(record)["prompts"][0].keys()


def test_the_command_shows_the_run_and_its_losses(tuned: tuple[Tuning, Record], pilot: Pilot, tmp_path: Path) -> None:
    _, record = tuned
    shown = pilot("finetune", "status", record["id"], "--png", str(tmp_path / "losses.png"))
    assert shown.returncode == 0, shown.stderr
    assert "eval loss" in shown.stdout
    assert ("s3://" in shown.stdout, "https://" in shown.stdout) == (True, False)
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
    """On rows that the base model itself has written, which the tuned one has unlearned; nobody asks for more than no
    loss of quality.
    """
    tuning, before = tuned
    (prompt,) = tuning.evaluation(before)["prompts"]
    rows = [{"instruction": f"What {n}?", "context": "", "response": prompt["base"]} for n in range(12)]
    record = tuning.ended(tuning.start("worse", attach=job_of(before), dataset=tuning.dataset("worse", rows)))
    assert (record["status"], record["step"]) == ("failed", "Evaluate"), record["message"]
    base, worse = (record["evaluation"][side]["eval_loss"] for side in ("base", "tuned"))
    assert worse > base
    assert f"the job {job_of(before)} is judged by rows that are split off" in said_at(record, "Plan")
    assert f"went from {base:.4g} to {worse:.4g} ({worse / base - 1:.1%} worse), and at least 0.0%" in record["message"]
    assert record["usd"] == next(job["usd"] for job in record["jobs"] if job["kind"] == "evaluate") > 0
    tuning.serves(before["artifact"])


def test_a_job_that_crashes_fails_the_run_and_nothing_else(tuned: tuple[Tuning, Record]) -> None:
    tuning, before = tuned
    tuning.faults({"fault": "training_crash", "times": 1, "seconds": 1})
    record = tuning.ended(tuning.posted(dataset=tuning.dataset("crash")))
    assert (record["status"], record["step"], record["by"]) == ("failed", "Train", "POST /finetunes")
    assert "AlgorithmError" in record["message"]
    assert record["usd"] > 0
    assert f"{record['message']}\n\nIt cost about USD {record['usd']:.2f}." in tuning.told(record["id"])
    tuning.serves(before["artifact"])


def test_a_killed_run_leaves_no_job_running_and_says_what_was_spent(tuned: tuple[Tuning, Record]) -> None:
    tuning, before = tuned
    run = tuning.start("killed", dataset=tuning.dataset("killed"))
    tuning.until(run, lambda record: any("TrainingStartTime" in tuning.job(job["name"]) for job in record["jobs"]))
    tuning.runs.stop(run)
    record = tuning.ended(run)
    assert "stopped" in record["message"]
    (job,) = record["jobs"]
    ended = tuning.job(job["name"])
    assert (job["status"], job["seconds"]) == ("Stopped", ended["BillableTimeInSeconds"])
    assert record["usd"] == job["usd"] > 0
    assert f"It cost about USD {record['usd']:.2f}." in tuning.told(run)
    tuning.pass_by()
    tuning.serves(before["artifact"])


def test_a_jobs_limit_follows_from_the_dollars_and_one_that_reaches_it_has_made_no_model(
    tuned: tuple[Tuning, Record],
) -> None:
    """The limit of the good run's own job is hours away: a job like it with a short one is attached."""
    tuning, before = tuned
    like, plan = tuning.job(job_of(before)), before["plan"]
    assert like["StoppingCondition"]["MaxRuntimeInSeconds"] == plan["max_runtime_seconds"]
    assert float(plan["worst_cost_usd"]) <= float(plan["max_cost_usd"])
    again = ("AlgorithmSpecification", "RoleArn", "InputDataConfig", "OutputDataConfig", "ResourceConfig")
    request = {key: like[key] for key in (*again, "HyperParameters", "Environment")}
    short = {**request, "TrainingJobName": "short", "StoppingCondition": {"MaxRuntimeInSeconds": 1}}
    tuning.cloud.client("sagemaker").create_training_job(**short)
    record = tuning.ended(tuning.start("short", attach="short"))
    assert tuning.job("short")["TrainingJobStatus"] == "Stopped"
    assert (record["status"], record["step"]) == ("failed", "Train")
    assert "Stopped" in record["message"]
    assert "MaxRuntimeExceeded" in record["message"]
    tuning.serves(before["artifact"])


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
    token = tuning.link(run)
    for _ in range(2):  # a mail scanner, and a person
        status, text = tuning.page("GET", token)
        assert (status, text.count('<form method="post">'), f"Run {run}" in text) == (200, 2, True)
        assert "Nothing was paid for." in text
    for method in ("GET", "POST"):
        assert tuning.page(method, f"{token[:-8]}AAAAAAAA", decision="approve")[0] == 403
    assert tuning.runs.record(run)["step"] == "Approve"
    assert tuning.page("POST", token, decision="reject")[0] == 200
    status, text = tuning.page("POST", token, decision="approve")
    assert (status, "used already" in text) == (409, True)
    assert_rejected(tuned, run)
    assert tuning.page("GET", token)[0] == 409


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


@pytest.fixture(scope="module")
def two(tuned: tuple[Tuning, Record]) -> tuple[Record, Record]:
    """Two runs at once: both train, and a person agrees to both in one breath, once by the mail's link.

    The first one's spot instance goes at half time; the second finds no capacity on its first instance type.
    """
    tuning, _ = tuned
    half = {"epoch": "2", "learning_rate": "1e-3"}
    tuning.faults({"fault": "spot_interruption"})
    spot = {"spot": True, "hyperparameters": half, "instance_types": [SECOND]}
    first = tuning.start("spot", dataset=tuning.dataset("spot"), approve=True, **spot)
    tuning.until(first, lambda record: bool(record["jobs"]))
    tuning.faults({"fault": "training_no_capacity", "instance_type": FIRST})
    second = tuning.start(
        "elsewhere", dataset=tuning.dataset("elsewhere"), approve=True, instance_types=[FIRST, SECOND]
    )
    runs = first, second
    for run in runs:
        tuning.waiting(run)
    status, text = tuning.page("POST", tuning.link(first), decision="approve")
    assert (status, f"Run {first} is approved: it is served next" in text) == (200, True)
    tuning.runs.decide(second, approve=True)
    return tuning.ended(first), tuning.ended(second)


def test_of_two_runs_at_once_the_later_wins_and_none_is_lost(
    tuned: tuple[Tuning, Record], two: tuple[Record, Record]
) -> None:
    tuning, before = tuned
    earlier, later = sorted(two, key=lambda record: float(record["ended_at"]))
    assert [record["status"] for record in two] == ["done", "done"], [record["message"] for record in two]
    assert "this one waits" in said_at(later, "Promote")
    chain = [record["promotion"]["previous"] for record in (earlier, later)]
    assert chain == [before["artifact"], earlier["artifact"]]
    tuning.serves(later["artifact"])


def test_an_interrupted_job_goes_on_from_its_checkpoint(
    tuned: tuple[Tuning, Record], two: tuple[Record, Record]
) -> None:
    tuning, record = tuned[0], two[0]
    job = tuning.job(job_of(record))
    went = [transition["Status"] for transition in job["SecondaryStatusTransitions"]]
    assert went[went.index("Interrupted") :].count("Training") == 1, went
    assert job["TrainingJobStatus"] == "Completed"
    measured = tuning.cloud.client("cloudwatch").get_metric_statistics(
        Namespace="/aws/sagemaker/TrainingJobs",
        MetricName=next(m["MetricName"] for m in job["FinalMetricDataList"] if "eval-loss" in m["MetricName"]),
        Dimensions=[{"Name": "TrainingJobName", "Value": job["TrainingJobName"]}],
        StartTime=job["CreationTime"].replace(second=0, microsecond=0),
        EndTime=tuning.cloud.now(),
        Period=60,
        Statistics=["SampleCount"],
    )["Datapoints"]
    assert sum(point["SampleCount"] for point in measured) == 2  # each epoch was trained once
    assert [epoch for epoch, _ in record["losses"]["eval_loss"]] == [1, 2]
    assert f"{job['BillableTimeInSeconds']} s and about USD" in said_at(record, "Train")


def test_without_capacity_the_next_instance_type_trains(two: tuple[Record, Record]) -> None:
    jobs = [job for job in two[1]["jobs"] if job["kind"] == "train"]
    assert [(job["instance_type"], job["status"]) for job in jobs] == [(FIRST, "Failed"), (SECOND, "Completed")]
    assert not jobs[0]["usd"]


def test_who_approves_by_the_mails_link_has_approved_and_its_button_is_used(
    tuned: tuple[Tuning, Record], two: tuple[Record, Record]
) -> None:
    tuning, approved = tuned[0], two[0]["id"]
    status, text = tuning.page("POST", tuning.link(approved), decision="reject")
    assert (status, "used already" in text) == (409, True)
    assert tuning.runs.record(approved)["status"] == "done"


@pytest.mark.usefixtures("two")
def test_a_model_that_does_not_answer_through_the_api_is_taken_back(tuned: tuple[Tuning, Record]) -> None:
    tuning, other = tuned
    before = tuning.override()
    tuning.faults({"fault": "model_error_5xx", "times": 100})
    record = tuning.attached("mute", other)
    tuning.cloud.fault()
    assert (record["status"], record["step"], record["usd"]) == ("failed", "Smoke", 0)
    assert "did not answer 1 of 1 smoke prompts" in record["message"]
    assert f"The endpoint serves {before} again" in record["message"]
    assert record["message"] in tuning.told(record["id"])
    tuning.serves(before)


def mute_at_smoke(tuning: Tuning, name: str, other: Record) -> str:
    """A run whose model serves, its trial over, and gives its smoke test no answer."""
    tuning.faults({"fault": "model_error_5xx", "times": 100})
    run = tuning.start(name, attach=job_of(other))
    tuning.until(run, lambda record: (phase(record), record["step"]) == ("promoted", "Smoke"), advance=5)
    return run


@pytest.mark.usefixtures("two")
def test_a_run_that_is_killed_at_its_smoke_test_and_once_more_on_its_way_back_is_taken_back(
    tuned: tuple[Tuning, Record],
) -> None:
    """Its trial is over: only a second update takes it back, whoever asks for that."""
    tuning, other = tuned
    before = tuning.override()
    run = mute_at_smoke(tuning, "killed at smoke", other)
    assert tuning.cloud.model_data() == other["artifact"]
    tuning.runs.stop(run)
    tuning.until(run, lambda record: phase(record) == "rolling back" and tuning.endpoint_status() == "Updating")
    tuning.runs.stop(run)
    record = tuning.ended(run)
    tuning.cloud.fault()
    assert (record["step"], "it was stopped" in record["message"]) == ("Smoke", True)
    tuning.is_as_before(record, before)


@pytest.mark.usefixtures("two")
def test_one_that_somebody_turns_off_before_it_has_proven_itself_is_taken_back_in_the_dark(
    tuned: tuple[Tuning, Record], pilot: Pilot
) -> None:
    tuning, other = tuned
    before = tuning.override()
    run = mute_at_smoke(tuning, "turned off", other)
    assert pilot("off", "--yes").returncode == 0
    assert tuning.override() == other["artifact"]
    record = tuning.ended(run)
    tuning.cloud.fault()
    assert (record["status"], record["step"]) == ("failed", "Smoke")
    assert f"turned off meanwhile, and stays off: it serves {before} when it is next on" in record["message"]
    assert record["message"] in tuning.told(run)
    assert [tuning.cloud.endpoint(), tuning.override(), tuning.cloud.drifts()] == [None, before, {}]
    switched = tuning.deployment.receipts(1)[0]
    assert (switched["target"], switched["reason"]) == ("off", "manual")  # nothing was lit for it
    tuning.cloud.turn("on")
    tuning.serves(before)


@pytest.fixture(scope="class")
def ten_minutes(up: LocalCloud, cdk: Cdk) -> Iterator[None]:
    stage = Stage(up, cdk)
    stage.deploy("promotion_bake_seconds = 600")
    yield
    stage.deploy()


@pytest.mark.usefixtures("ten_minutes")
class TestOnTrial:
    """For the ten minutes that it takes on AWS the new model answers, and the old one stands by."""

    @pytest.fixture
    def spare(self, tuned: tuple[Tuning, Record], two: tuple[Record, Record]) -> Record:
        """A run whose model can be promoted, as it does not serve."""
        return next(record for record in two if record["artifact"] != tuned[0].override())

    @pytest.mark.usefixtures("two")
    def test_one_that_fails_its_smoke_test_is_what_sagemaker_goes_back_from(self, tuned: tuple[Tuning, Record]) -> None:
        tuning, other = tuned
        before = tuning.override()
        tuning.faults({"fault": "model_error_5xx", "times": 100})
        mute = tuning.attached("mute on trial", other)
        tuning.cloud.fault()
        assert mute["step"] == "Smoke"
        assert "SageMaker went back to it." in mute["message"]
        tuning.is_as_before(mute, before)

    def test_one_whose_run_is_killed_is_what_sagemaker_goes_back_from_though_it_answers(
        self, tuned: tuple[Tuning, Record], spare: Record
    ) -> None:
        tuning, before = tuned[0], tuned[0].override()
        run = tuning.start("killed on trial", attach=job_of(spare))
        tuning.until(run, lambda record: phase(record) == "on trial" and "prompts" in record["smoke"], advance=5)
        assert tuning.override() == spare["artifact"]
        tuning.runs.stop(run)
        record = tuning.ended(run)
        assert (record["step"], "it was stopped" in record["message"]) == ("Smoke", True)
        assert "SageMaker went back to it." in record["message"]  # nobody waited for the trial's end
        tuning.is_as_before(record, before)

    def test_one_that_answers_serves_once_its_trial_is_over(self, tuned: tuple[Tuning, Record], spare: Record) -> None:
        good = tuned[0].attached("good on trial", spare)
        said = [step["message"] for step in good["steps"] if step["name"] in ("Promote", "Smoke")]
        assert ["on trial" in said[1], "through the API" in said[2], said[3]] == [
            True,
            True,
            f"The endpoint serves {spare['artifact']}.",
        ]
        tuned[0].serves(spare["artifact"])


@pytest.mark.usefixtures("two")
def test_a_promotion_that_sagemaker_takes_back_fails_the_run(tuned: tuple[Tuning, Record]) -> None:
    tuning, other = tuned
    before = tuning.override()
    tuning.faults({"fault": "update_failed"})
    record = tuning.attached("taken back", other)
    assert (record["status"], record["step"], record["usd"]) == ("failed", "Promote", 0)
    assert "serves what it served before" in record["message"]
    assert "old config" in record["message"]
    assert record["message"] in tuning.told(record["id"])
    tuning.serves(before)


def test_a_run_that_is_killed_while_the_switch_is_at_it_is_mended_and_the_one_that_waits_wins(
    tuned: tuple[Tuning, Record], two: tuple[Record, Record]
) -> None:
    tuning, other = tuned
    before = tuning.override()
    spare = next(record for record in two if record["artifact"] != before)
    second = tuning.start("waits", attach=job_of(spare), approve=True)
    tuning.waiting(second)
    first = tuning.start("killed", attach=job_of(other))
    tuning.until(first, lambda record: record["step"] == "Promote" and tuning.endpoint_status() == "Updating")
    tuning.runs.decide(second, approve=True)
    tuning.until(second, lambda record: "this one waits" in said_at(record, "Promote"))
    assert tuning.endpoint_status() == "Updating"
    tuning.runs.stop(first)
    won, killed = tuning.ended(second), tuning.ended(first)
    assert (killed["status"], killed["step"], won["status"]) == ("failed", "Promote", "done"), won["message"]
    assert f"The endpoint serves {before} again" in killed["message"]
    assert killed["message"] in tuning.told(first)
    assert won["promotion"]["previous"] == before
    tuning.serves(spare["artifact"])


def test_runs_that_wait_for_each_other_are_promoted_as_they_came_and_one_that_is_killed_meanwhile_is_passed_over(
    tuned: tuple[Tuning, Record], two: tuple[Record, Record]
) -> None:
    """Neither the order in which they were started nor that of their names is that in which they came."""
    tuning, before = tuned[0], tuned[0].override()
    serving, *others = sorted((tuned[1], *two), key=lambda record: str(record["artifact"]) != before)
    models = {"third": serving, "killed": others[0], "second": others[1], "first": others[0]}
    runs = {name: tuning.start(name, attach=job_of(model), approve=True) for name, model in models.items()}
    for run in runs.values():
        tuning.waiting(run)
    tuning.runs.decide(runs["first"], approve=True)
    tuning.until(runs["first"], lambda _: tuning.endpoint_status() == "Updating")
    for name in ("second", "killed", "third"):
        tuning.runs.decide(runs[name], approve=True)
        tuning.until(runs[name], lambda record: "this one waits" in said_at(record, "Promote"))
    assert tuning.endpoint_status() == "Updating"
    tuning.runs.stop(runs["killed"])
    third, killed, second, first = (tuning.ended(runs[name]) for name in ("third", "killed", "second", "first"))
    assert [record["status"] for record in (first, second, third)] == ["done"] * 3
    chain = [(record["promotion"]["previous"], record["artifact"]) for record in (first, second, third)]
    assert chain == [
        (before, first["artifact"]),
        (first["artifact"], second["artifact"]),
        (second["artifact"], third["artifact"]),
    ]
    assert (killed["status"], killed["step"], killed["promotion"]) == ("failed", "Promote", {})
    assert third["artifact"] == before
    tuning.is_as_before(killed, third["artifact"])


@pytest.mark.usefixtures("two")
def test_an_endpoint_that_was_off_is_off_again_with_the_tuned_model_in_place(tuned: tuple[Tuning, Record]) -> None:
    tuning, other = tuned
    tuning.cloud.turn("off")
    record = tuning.attached("from off", other)
    assert record["status"] == "done", record["message"]
    assert f"It serves the tuned model, {other['artifact']}, when it is next on" in record["message"]
    deadline = time.monotonic() + 120  # the smoke test has just called it, so a pause is waited for
    while tuning.cloud.endpoint():
        assert time.monotonic() < deadline
        tuning.pass_by()
    assert tuning.override() == other["artifact"]
