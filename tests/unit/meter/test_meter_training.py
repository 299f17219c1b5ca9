"""Training jobs: their dollars, as they run and once they are over; and those that run for nobody are stopped."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from meter.bill import month_start
from meter.facts import Job, Run
from meter.training import broken_off, usd, without_a_run

from tests.unit.meter.fakes import HOUR, INSTANCE_TYPE, MINUTE, START, USD_PER_HOUR, at
from tests.unit.meter.test_meter_dollars import DECEMBER
from tests.unit.meter.test_meter_tick import FINETUNE, SETTINGS, World, world  # noqa: F401  (a fixture)

PRICES = {INSTANCE_TYPE: USD_PER_HOUR}
NAME = "pilotlight-test-run-1"
spans = st.tuples(st.integers(0, 10**7), st.integers(0, 10**6)).map(lambda pair: (START + pair[0], START + sum(pair)))


def trained(started: float, ended: float | None = None, **more: Any) -> Job:
    fields: dict[str, Any] = {"status": "InProgress" if ended is None else "Completed", "instance_type": INSTANCE_TYPE}
    return Job(NAME, started=started, ended=ended, **fields | more)


class TestDollars:
    @given(spans, st.integers(1, 8))
    def test_every_instance_counts_for_what_lies_in_the_month(self, span: tuple[float, float], instances: int) -> None:
        """One that began in an earlier month counts from the first on."""
        job = trained(*span, instances=instances)
        first = month_start(span[1])
        share = usd(job, span[1], first, PRICES)
        seconds = span[1] - max(span[0], first)
        assert share == pytest.approx(instances * USD_PER_HOUR * seconds / HOUR)
        assert usd(job, span[1], 0.0, PRICES) >= share

    @given(spans, st.lists(st.integers(0, 10**6), min_size=2))
    def test_while_it_runs_they_only_rise(self, span: tuple[float, float], later: list[int]) -> None:
        dollars = [usd(trained(span[0]), span[0] + moment, 0.0, PRICES) for moment in sorted(later)]
        assert dollars == sorted(dollars)

    @given(spans, st.floats(0, 1))
    def test_at_its_end_what_is_billed_is_what_sagemaker_says(self, span: tuple[float, float], share: float) -> None:
        seconds = (span[1] - span[0]) * share
        job = trained(*span, billable_seconds=seconds)
        assert usd(job, span[1] + HOUR, 0.0, PRICES) == pytest.approx(USD_PER_HOUR * seconds / HOUR)

    def test_what_has_not_begun_or_has_no_price_costs_nothing(self) -> None:
        assert usd(Job(NAME, "InProgress"), START, 0.0, PRICES) == 0
        assert usd(trained(START, instance_type="ml.nonsense"), START + HOUR, 0.0, PRICES) == 0

    def test_one_over_two_months_is_split(self) -> None:
        job = trained(DECEMBER - 3 * HOUR, DECEMBER + HOUR, billable_seconds=2 * HOUR)  # spot: half of it
        assert usd(job, DECEMBER + 2 * HOUR, DECEMBER, PRICES) == pytest.approx(USD_PER_HOUR / 2)


JOBS = st.lists(st.builds(Job, st.text(min_size=1), st.sampled_from(["InProgress", "Stopping", "Completed"]),
                          st.sampled_from([None, "a", "b", "c"])))  # fmt: skip
RUNS = st.lists(
    st.builds(Run, st.sampled_from("abc"), st.sampled_from(["running", "done", "failed", "stopped"]),
              st.just(""), st.booleans()), unique_by=lambda run: run.id)  # fmt: skip


@given(JOBS, RUNS)
def test_only_a_job_in_progress_of_a_run_that_is_known_to_be_over_is_stopped(jobs: list[Job], runs: list[Run]) -> None:
    by_id = {run.id: run for run in runs}
    for job in jobs:
        run = by_id.get(job.run or "")
        over = run is not None and (run.says != "running" or run.execution_ended)
        assert (job in without_a_run(jobs, runs)) == (over and job.status == "InProgress")
    assert all(run.says == "running" and run.execution_ended for run in broken_off(runs))


@pytest.fixture
def off(world: World) -> World:  # noqa: F811
    """Nothing but training costs anything."""
    world.aws.status, world.aws.state = None, "off"
    world.tick(START)
    return world


def job(
    status: str = "InProgress", *, started: float = START, ended: float | None = None, **more: Any
) -> dict[str, Any]:
    times = {} if ended is None else {"TrainingEndTime": at(ended)}
    return {
        "TrainingJobStatus": status,
        "CreationTime": at(started - MINUTE),
        "TrainingStartTime": at(started),
        "ResourceConfig": {"InstanceType": INSTANCE_TYPE, "InstanceCount": 2},
        "Tags": {"pilotlight:stage": "test", "pilotlight:run": "run-1"},
        **times,
        **more,
    }


def dollars(world: World, hour: float) -> float:  # noqa: F811
    world.tick(START + hour * HOUR)
    return world.aws.published["DollarsThisMonth"]


class TestTick:
    def test_a_job_costs_by_the_hour_and_then_what_it_was_billed(self, off: World) -> None:
        off.aws.jobs[NAME] = job()
        assert dollars(off, 1) == pytest.approx(2 * USD_PER_HOUR, abs=1e-4)
        off.aws.jobs[NAME] = job("Completed", ended=START + 2 * HOUR, BillableTimeInSeconds=5400)
        for hour in (3, 4):
            assert dollars(off, hour) == pytest.approx(3 * USD_PER_HOUR, abs=1e-4)
        assert off.aws.described == [NAME, NAME]  # not once it is known to be over

    def test_every_page_is_read_and_anothers_job_is_asked_for_its_tag_only(self, off: World) -> None:
        for number in range(5):
            off.aws.jobs[f"pilotlight-test-run-{number}"] = job(
                "Stopped", ended=START + HOUR, BillableTimeInSeconds=3600
            )
        off.aws.jobs["pilotlight-test-two-run"] = job(Tags={"pilotlight:stage": "test-two"})
        assert dollars(off, 2) == pytest.approx(10 * USD_PER_HOUR, abs=1e-4)

    def test_a_new_month_begins_with_what_runs_in_it(self, off: World) -> None:
        off.aws.jobs["pilotlight-test-old"] = job("Completed", ended=START + HOUR, BillableTimeInSeconds=3600)
        assert dollars(off, 2) == pytest.approx(2 * USD_PER_HOUR, abs=1e-4)
        off.aws.jobs[NAME] = job(started=DECEMBER - HOUR)
        off.tick(DECEMBER + HOUR)
        assert off.aws.published["DollarsThisMonth"] == pytest.approx(2 * USD_PER_HOUR, abs=1e-4)

    @pytest.mark.parametrize("operation", ["list_training_jobs", "describe_training_job"])
    def test_what_cannot_be_read_keeps_its_last_dollars_and_leaves_no_heartbeat(
        self, off: World, operation: str
    ) -> None:
        off.aws.jobs[NAME] = job()
        assert dollars(off, 1) > 0
        off.aws.broken = {operation}
        assert "training" in off.fails(START + 2 * HOUR)
        assert off.aws.published["DollarsThisMonth"] == pytest.approx(2 * USD_PER_HOUR, abs=1e-4)
        assert "Heartbeat" not in off.aws.published

    def test_it_counts_against_the_budget(self, world: World) -> None:  # noqa: F811
        world.aws.jobs[NAME] = job()
        world.tick(START + 8 * HOUR)  # 78 for training, 78 for the endpoint
        assert [execution["name"][:10] for execution in world.aws.started] == ["off-budget"]


class TestRuns:
    ARN = "arn:aws:states:us-east-1:000000000000:execution:pilotlight-test-finetune:run-1"
    MENDING = f"{ARN}-mend"

    def record(self, world: World, status: str = "running") -> None:  # noqa: F811
        world.ledger.put("finetune", "run-1", {"id": "run-1", "status": status, "execution_arn": self.ARN, "more": 1})

    def test_a_run_that_runs_keeps_its_job(self, off: World) -> None:
        off.aws.jobs[NAME], off.aws.executions[self.ARN] = job(), "RUNNING"
        self.record(off)
        off.tick(START + HOUR)
        assert (off.aws.stopped, off.aws.told) == ([], [])

    @pytest.mark.parametrize("status", ["done", "failed", "stopped"])
    def test_a_job_that_outlives_its_run_is_stopped_and_told_once(self, off: World, status: str) -> None:
        off.aws.jobs[NAME] = job()
        self.record(off, status)
        for minute in (5, 10):
            off.tick(START + minute * MINUTE)
        assert off.aws.stopped == [NAME]
        [told] = off.aws.told
        assert NAME in told["Message"]
        assert (off.ledger.get("finetune", "run-1") or {})["status"] == status

    @pytest.mark.parametrize("ended", ["ABORTED", "TIMED_OUT", "FAILED", "SUCCEEDED"])
    def test_a_run_that_broke_off_is_mended_and_its_job_stopped_at_once(self, off: World, ended: str) -> None:
        off.aws.jobs[NAME], off.aws.executions[self.ARN] = job(), ended
        self.record(off)
        off.tick(START + 5 * MINUTE)
        off.aws.executions[self.MENDING] = "RUNNING"
        off.tick(START + 10 * MINUTE)
        [started] = off.aws.started
        assert (started["stateMachineArn"], started["name"]) == (FINETUNE, "run-1-mend")
        assert json.loads(started["input"]) == {"mend": "run-1"}
        assert off.aws.stopped == [NAME]
        assert [NAME in told["Message"] for told in off.aws.told] == [True]
        assert (off.ledger.get("finetune", "run-1") or {})["status"] == "running"  # its mending says how it ends

    @pytest.mark.parametrize("mending", ["ABORTED", "FAILED", "TIMED_OUT"])
    def test_one_whose_mending_broke_off_as_well_is_closed_and_told(self, off: World, mending: str) -> None:
        off.aws.executions[self.ARN] = "ABORTED"
        self.record(off)
        off.tick(START + 5 * MINUTE)
        assert off.aws.told == []
        off.aws.executions[self.MENDING] = mending
        for minute in (10, 15):
            off.tick(START + minute * MINUTE)
        [told] = off.aws.told
        assert all(said in told["Message"] for said in ("ABORTED", "may still be on", "pilot off"))
        record = off.ledger.get("finetune", "run-1")
        assert record is not None
        assert (record["status"], record["more"]) == ("failed", 1)
        assert record["message"] in told["Message"]

    def test_where_nothing_can_mend_it_is_closed_at_once(self, off: World) -> None:
        """The stage's model was replaced by one that cannot be fine-tuned."""
        off.settings = replace(SETTINGS, finetune_arn="")
        off.aws.executions[self.ARN] = "ABORTED"
        self.record(off)
        off.tick(START + 5 * MINUTE)
        assert (off.ledger.get("finetune", "run-1") or {})["status"] == "failed"
        assert (len(off.aws.told), off.aws.started) == (1, [])

    def test_none_is_hidden_by_many_others(self, off: World) -> None:
        for number in range(40):
            off.ledger.put("finetune", f"run-{number + 2}", {"id": f"run-{number + 2}", "status": "done"})
        off.aws.executions[self.ARN] = "ABORTED"
        self.record(off)
        off.tick(START + 5 * MINUTE)
        assert [started["name"] for started in off.aws.started] == ["run-1-mend"]

    def test_an_execution_that_is_not_shown_yet_may_well_run(self, off: World) -> None:
        off.aws.jobs[NAME] = job()
        self.record(off)
        off.tick(START + 5 * MINUTE)
        assert (off.aws.stopped, off.aws.told) == ([], [])

    def test_a_job_of_no_known_run_is_somebodys(self, off: World) -> None:
        off.aws.jobs[NAME] = job()
        off.tick(START + 5 * MINUTE)
        assert off.aws.stopped == []

    @pytest.mark.parametrize("operation", ["stop_training_job", "publish", "start_execution"])
    def test_what_fails_is_done_by_the_next_tick(self, off: World, operation: str) -> None:
        off.aws.jobs[NAME], off.aws.executions[self.ARN] = job(), "ABORTED"
        self.record(off)
        off.aws.broken = {operation}
        assert ("mending" if operation == "start_execution" else "stopping") in off.fails(START + 5 * MINUTE)
        off.aws.broken, off.aws.executions[self.MENDING] = set(), "RUNNING"
        off.tick(START + 10 * MINUTE)
        assert off.aws.stopped == [NAME]
        assert [started["name"] for started in off.aws.started] == ["run-1-mend"]
