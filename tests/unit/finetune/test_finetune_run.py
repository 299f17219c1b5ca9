"""Whole runs, step by step as the state machine takes them, over fakes at the seams."""

import json
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any
from unittest.mock import Mock

import pytest
from botocore.exceptions import ClientError
from finetune.run import KIND, id_of
from finetune.steps import take

from .fakes import BASE, BUCKET, World, refused
from .runs import own_program

DATASET = f"s3://{BUCKET}/datasets/tickets/"
ORDER = ("CheckDataset", "Plan", "Train", "Evaluate", "Register", "Promote", "Smoke", "Done")
EVALUATION: dict[str, Any] = {
    "base": {"eval_loss": 3.0, "perplexity": 20.0, "prompts_passed": 0},
    "tuned": {"eval_loss": 1.5, "perplexity": 4.5, "prompts_passed": 1},
    "rows": 10,
    "prompts": [
        {
            "prompt": "Q",
            "expected": ["Ticket:"],
            "base": "x",
            "tuned": "Ticket: 1",
            "base_passed": False,
            "tuned_passed": True,
        }
    ],
    "improvement": 0.5,
}


class Story:
    """A run that the test drives as the state machine does."""

    def __init__(self, world: World, name: str = "20261124-170000-ab") -> None:
        self.world, self.name = world, name
        self.visited: list[str] = []
        self.evaluation: dict[str, Any] = EVALUATION

    def step(self, step: str, state: dict[str, Any], **more: Any) -> dict[str, Any]:
        execution = f"arn:{self.name}{'-mending' if state.get('mends') else ''}"
        event = {"step": step, "state": state, "execution": execution, **more}
        return take(event, self.world.kit(), endpoint_url=None)

    def run(self, **asked: Any) -> dict[str, Any]:
        """The record at the end."""
        state: dict[str, Any] = {"id": self.name, "given": {"asked": {"dataset": DATASET, **asked}, "by": "test"}}
        for step in ORDER:
            state = self.take(step, state)
            if state["next"] == "failed":
                return self.fail(state)
        return self.record

    def take(self, step: str, state: dict[str, Any]) -> dict[str, Any]:
        """The step, asked again while it waits; jobs leave what the container leaves."""
        for _ in range(60):
            self.visited.append(step)
            answer = self.step(step, state)
            if answer["next"] != "wait":
                return answer
            self.world.now += answer["wait_seconds"]
            self.jobs_leave_something()
        raise AssertionError(f"{step} waits for ever: {answer['message']}")

    def fail(self, state: dict[str, Any]) -> dict[str, Any]:
        self.take("Notify", self.take("Rollback", state))
        return self.record

    def jobs_leave_something(self) -> None:
        for job in self.world.sagemaker.created:
            prefix = f"{job['OutputDataConfig']['S3OutputPath']}{job['TrainingJobName']}/output/model/"
            epochs = [{"epoch": 1, "train_loss": 2.0, "eval_loss": 1.5}]
            self.world.s3.objects[f"{prefix}pilotlight/training.json"] = json.dumps({"epochs": epochs}).encode()
            self.world.s3.objects[f"{prefix}evaluation.json"] = json.dumps(self.evaluation).encode()

    @property
    def record(self) -> dict[str, Any]:
        found = self.world.ledger.get(KIND, id_of(self.name))
        assert found is not None
        return found


def said_at(record: dict[str, Any], step: str) -> str:
    return "\n".join(said["message"] for said in record["steps"] if said["name"] == step)


def begun(story: Story) -> dict[str, Any]:
    return {"id": story.name, "given": {"asked": {"dataset": DATASET}, "by": "test"}}


@pytest.fixture
def world() -> World:
    made = World()
    rows = [
        {"instruction": f"What is {n}?", "context": "", "response": f"It is {n}. Ticket: closed"} for n in range(50)
    ]
    made.s3.objects[f"{DATASET}train.jsonl"] = "\n".join(map(json.dumps, rows)).encode()
    made.s3.objects[f"{DATASET}prompts.jsonl"] = json.dumps({"prompt": "Q", "expected": ["Ticket:"]}).encode()
    return made


@pytest.fixture
def story(world: World) -> Story:
    return Story(world)


def test_a_good_dataset_ends_behind_the_api(story: Story) -> None:
    record = story.run()
    assert (record["status"], record["step"]) == ("done", "Done"), record["message"]
    assert story.world.endpoint.override == record["artifact"]
    trained, evaluated = story.world.sagemaker.created
    assert trained["ResourceConfig"]["InstanceType"] == "ml.g5.2xlarge"
    assert evaluated["HyperParameters"]["pilotlight_task"] == "evaluate"
    assert record["usd"] == pytest.approx(2 * 600 / 3600 * 2, abs=0.001)
    assert record["losses"] == {"train_loss": [[1.0, 2.0]], "eval_loss": [[1.0, 1.5]]}
    (package,) = story.world.sagemaker.packages
    assert package["ModelApprovalStatus"] == "Approved"
    lineage = package["CustomerMetadataProperties"]
    assert (lineage["dataset_sha256"], lineage["report"]) == (record["dataset"]["sha256"], record["report"])
    assert [told["Subject"] for told in story.world.sns.told] == ["Pilotlight test: a fine-tuned model serves"]


@pytest.mark.parametrize("step", ["Evaluate", "Register", "Promote"])
def test_what_was_trained_for_another_model_than_the_stage_has_by_now_goes_no_further(story: Story, step: str) -> None:
    state = begun(story)
    for before in ORDER[: ORDER.index(step)]:
        state = story.take(before, state)
    deploy_another_model(story)
    failed = story.take(step, state)
    assert failed["next"] == "failed"
    record = story.fail(failed)
    assert (record["status"], story.world.endpoint.override) == ("failed", "")
    assert "s3://another/model/" in record["message"]
    assert f"--attach {story.world.sagemaker.created[0]['TrainingJobName']}" in record["message"]


def test_a_person_is_asked_all_the_same_as_nobody_hears_what_the_step_answers(story: Story) -> None:
    state = begun(story)
    for step in ORDER[: ORDER.index("Promote")]:
        state = story.take(step, state)
    deploy_another_model(story)
    assert story.step("Approve", state, **{"token": "a task token"})["next"] == "go"
    assert [told["Subject"] for told in story.world.sns.told] == [
        "Pilotlight test: a fine-tuned model waits for your approval"
    ]
    assert story.take("Promote", state)["next"] == "failed"


def deploy_another_model(story: Story) -> None:
    training = story.world.settings.training
    other = replace(training, spec=replace(training.spec, base_model="s3://another/model/"))
    story.world.settings = replace(story.world.settings, training=other)


def test_a_promotion_that_has_begun_is_seen_to_its_end_whatever_is_deployed(story: Story) -> None:
    state = begun(story)
    for step in ORDER[: ORDER.index("Promote")]:
        state = story.take(step, state)
    assert story.step("Promote", state)["next"] == "wait"
    deploy_another_model(story)
    assert story.take("Promote", state)["next"] == "go"


def test_a_script_of_the_users_own_takes_the_same_steps(story: Story) -> None:
    story.world.settings = replace(story.world.settings, training=own_program(hyperparameters={"bf16": True}))
    many = {f"a{number}": number for number in range(70)}
    record = story.run(hyperparameters={"a": '{"x": [1]}', **many})
    assert (record["status"], record["step"]) == ("done", "Done"), record["message"]
    trained, evaluated = story.world.sagemaker.created
    assert trained["HyperParameters"].items() >= {"bf16": "True", "a": '{"x": [1]}', "a69": "69"}.items()
    assert "instruction_tuned" not in trained["HyperParameters"]
    assert evaluated["HyperParameters"]["instruction_tuned"] == "True"
    (package,) = story.world.sagemaker.packages
    lineage = package["CustomerMetadataProperties"]
    assert len(lineage) == 50  # SageMaker takes no more
    assert (lineage["metric.eval_loss"], lineage["report"]) == ("1.5", record["report"])
    assert lineage["hyperparameter.a"] == "__x_: _1__"


def test_where_nothing_evaluates_the_registry_has_what_the_training_says(story: Story) -> None:
    spec = replace(story.world.settings.training.spec, evaluation_image_uri=None)
    training = replace(story.world.settings.training, spec=spec)
    story.world.settings = replace(story.world.settings, training=training)
    assert story.run()["status"] == "done"
    lineage = story.world.sagemaker.packages[0]["CustomerMetadataProperties"]
    assert (lineage["metric.training_train_loss"], lineage["metric.training_eval_loss"]) == ("2.0", "1.5")


def test_a_hyperparameter_that_sagemaker_would_refuse_ends_a_scripts_run_before_anything_is_paid_for(
    story: Story,
) -> None:
    story.world.settings = replace(story.world.settings, training=own_program())
    record = story.run(hyperparameters={"a": "x" * 2501})
    assert (record["status"], record["step"]) == ("failed", "CheckDataset")
    assert "at most 2500 characters" in record["message"]
    assert story.world.sagemaker.created == []


class TestLosses:
    """Of a program that writes nothing beside its model: CloudWatch has what its log said."""

    @pytest.fixture
    def training(self, story: Story) -> dict[str, Any]:
        """The state before Train; its job is not the project's container's."""
        story.jobs_leave_something = lambda: None  # type: ignore[method-assign]
        return story.take("Plan", story.take("CheckDataset", begun(story)))

    def log(self, story: Story, hours: int) -> None:
        """An epoch has ended every hour of so many, until now."""
        points = {story.world.now - 3600 * (hours - epoch) - 60: float(epoch) for epoch in range(1, hours + 1)}
        story.world.cloudwatch.points = {"pilotlight:train-loss": points}

    def test_epochs_are_counted_from_the_jobs_start_however_long_ago(
        self, story: Story, training: dict[str, Any]
    ) -> None:
        story.step("Train", training)
        story.world.now += 100 * 3600
        self.log(story, 100)
        story.step("Train", training)
        assert story.record["losses"] == {"train_loss": [[float(epoch), epoch] for epoch in range(1, 101)]}

    def test_they_are_read_once_more_when_the_job_has_completed(self, story: Story, training: dict[str, Any]) -> None:
        for _ in range(2):
            story.step("Train", training)
        story.world.now += 2 * 3600
        self.log(story, 2)
        assert story.step("Train", training)["next"] == "go"
        assert story.record["losses"] == {"train_loss": [[1.0, 1.0], [2.0, 2.0]]}

    def test_what_was_read_stays_where_nothing_can_be_read_any_more(
        self, story: Story, training: dict[str, Any], capsys: pytest.CaptureFixture[str]
    ) -> None:
        story.step("Train", training)
        story.world.now += 3600
        self.log(story, 1)
        story.step("Train", training)
        story.world.cloudwatch.is_allowed = False
        assert story.step("Train", training)["next"] == "go"
        assert story.record["losses"] == {"train_loss": [[1.0, 1.0]]}
        assert "AccessDenied" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (b'{"instruction": "a", "context": "", "response": "b"}\nnot json', "train.jsonl"),
        (b'{"instruction": "a", "response": "b"}', "context"),
        (b"", "problems"),
    ],
)
def test_a_bad_dataset_costs_nothing_and_says_where_it_is_bad(story: Story, file: bytes, said: str) -> None:
    story.world.s3.objects[f"{DATASET}train.jsonl"] = file
    record = story.run()
    assert (record["status"], record["step"]) == ("failed", "CheckDataset")
    assert said in record["message"]
    assert story.world.sagemaker.created == []
    assert "Nothing was paid for." in story.world.sns.told[0]["Message"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"hyperparameters": {"epoch": "0"}}, "epoch"),
        ({"hyperparameters": {"epocs": "3"}}, "did you mean epoch"),
        ({"max_cost_usd": 0.05}, "max_cost_usd"),
        ({"instance_types": ["ml.g5.48xlarge"]}, "ml.g5.48xlarge"),
    ],
)
def test_what_cannot_fit_is_refused_before_anything_is_paid_for(story: Story, asked: dict[str, Any], said: str) -> None:
    record = story.run(**asked)
    assert record["status"] == "failed"
    assert said in record["message"]
    assert story.world.sagemaker.created == []


@pytest.mark.parametrize(("budget", "warned"), [("49", True), ("50", False), (None, False)])
def test_a_ceiling_above_the_months_budget_is_warned_of(story: Story, budget: str | None, warned: bool) -> None:
    story.world.settings = replace(story.world.settings, monthly_budget_usd=Decimal(budget) if budget else None)
    state = story.take("CheckDataset", {"id": story.name, "given": {"asked": {"dataset": DATASET}, "by": "test"}})
    message = story.take("Plan", state)["message"]
    assert ("max_cost_usd is 50, and monthly_budget_usd 49:" in message) == warned


NO_CAPACITY = {
    "TrainingJobStatus": "Failed",
    "FailureReason": "CapacityError: Unable to provision requested ML compute capacity",
    "BillableTimeInSeconds": 0,
}

DAYS = {"BillableTimeInSeconds": 2 * 86_400}


def test_without_capacity_the_next_instance_type_is_tried(story: Story) -> None:
    story.world.sagemaker.script = [NO_CAPACITY]
    record = story.run()
    assert record["status"] == "done", record["message"]
    types = [job["ResourceConfig"]["InstanceType"] for job in story.world.sagemaker.created]
    assert types[:2] == ["ml.g5.2xlarge", "ml.g5.4xlarge"]


def test_without_capacity_anywhere_it_waits_and_then_goes_on(story: Story) -> None:
    story.world.sagemaker.script = [NO_CAPACITY, NO_CAPACITY]
    begun = story.world.now
    record = story.run()
    assert record["status"] == "done", record["message"]
    assert story.world.now - begun > 900


@pytest.mark.parametrize("first", [DAYS, {**NO_CAPACITY, "BillableTimeInSeconds": 2 * 86_400}], ids=["done", "broken"])
def test_what_the_training_took_is_no_waiting_for_capacity(story: Story, first: dict[str, Any]) -> None:
    """After two days of training the evaluation, or the next attempt, finds no capacity."""
    story.world.sagemaker.script = [NO_CAPACITY, first, NO_CAPACITY]
    create = story.world.sagemaker.create_training_job

    def slow(**request: Any) -> Mapping[str, Any]:
        if len(story.world.sagemaker.created) == 1:
            story.world.now += 2 * 86_400
        return create(**request)

    story.world.sagemaker.create_training_job = slow  # type: ignore[method-assign]
    record = story.run(instance_types=["ml.g5.2xlarge"], max_cost_usd=500)
    assert record["status"] == "done", record["message"]


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalFailure", "ServiceUnavailable"])
def test_what_passes_in_a_moment_is_left_to_the_state_machine_and_repeated_under_the_same_name(
    story: Story, code: str
) -> None:
    state = begun(story)
    for step in ("CheckDataset", "Plan"):
        state = story.take(step, state)
    create, names = story.world.sagemaker.create_training_job, []

    def busy_once(**request: Any) -> Mapping[str, Any]:
        names.append(request["TrainingJobName"])
        if len(names) == 1:
            raise refused(code)
        return create(**request)

    story.world.sagemaker.create_training_job = busy_once  # type: ignore[method-assign]
    with pytest.raises(ClientError, match=code):
        story.step("Train", state)
    assert story.take("Train", state)["next"] == "go"
    assert names[0] == names[1]


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ({"TrainingJobStatus": "Failed", "FailureReason": "AlgorithmError: no rows"}, "AlgorithmError: no rows"),
        ({"TrainingJobStatus": "Stopped", "SecondaryStatus": "MaxRuntimeExceeded"}, "runtime limit"),
    ],
)
def test_a_job_that_does_not_complete_leaves_the_endpoint_alone(story: Story, end: dict[str, Any], said: str) -> None:
    story.world.sagemaker.script = [end]
    record = story.run()
    assert (record["status"], record["step"]) == ("failed", "Train")
    assert said in record["message"]
    assert record["usd"] == pytest.approx(600 / 3600 * 2, abs=0.001)  # what it had cost is not forgotten
    assert story.world.states.requests == []


def test_an_evaluation_that_leaves_nothing_is_paid_for_all_the_same(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(story, "jobs_leave_something", lambda: None)
    record = story.run()
    assert (record["status"], record["step"]) == ("failed", "Evaluate")
    assert "--attach" in record["message"]
    assert [job["status"] for job in record["jobs"]] == ["Completed", "Completed"]
    assert record["usd"] == pytest.approx(2 * 600 / 3600 * 2, abs=0.001)


def test_a_job_started_elsewhere_is_planned_with_what_its_evaluation_may_cost(story: Story) -> None:
    asked = {"attach": "theirs", "dataset": DATASET}
    state = story.take("CheckDataset", {"id": story.name, "given": {"asked": asked, "by": "test"}})
    story.take("Plan", state)
    message = story.record["message"]
    assert message.startswith("The job theirs is evaluated on ml.g5.2xlarge or ml.g5.4xlarge, and nothing trained;")
    assert "at most USD 3.35." in message  # an hour and seven minutes on the dearer one


def test_where_the_evaluation_crashes_the_model_that_was_paid_for_can_be_attached(story: Story) -> None:
    state = begun(story)
    for step in ("CheckDataset", "Plan", "Train"):
        state = story.take(step, state)
    story.world.sagemaker.script = [{"TrainingJobStatus": "Failed", "FailureReason": "AlgorithmError: no memory"}]
    record = story.fail(story.take("Evaluate", state))
    assert (record["status"], record["step"]) == ("failed", "Evaluate")
    assert "no memory" in record["message"]
    assert f"pilot finetune DATA --attach {record['jobs'][0]['name']}" in record["message"]


def test_a_job_started_elsewhere_is_registered_with_its_own_hyperparameters(story: Story) -> None:
    left_at(story, f"s3://{BUCKET}/models/theirs/output/model/")
    story.world.sagemaker.jobs["theirs"]["HyperParameters"] = {"epoch": "77"}
    assert story.run(attach="theirs")["status"] == "done"
    [package] = story.world.sagemaker.packages
    lineage = package["CustomerMetadataProperties"]
    assert {name: value for name, value in lineage.items() if name.startswith("hyperparameter.")} == {
        "hyperparameter.epoch": "77"
    }
    assert lineage["evaluation_dataset"] == DATASET
    assert not {"dataset", "dataset_sha256"} & lineage.keys()


DIALOGS = json.dumps({"dialog": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]})


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"tokenizer_config.json": '{"chat_template": "{{ messages }}"}'}, ""),
        ({"tokenizer_config.json": "{}", "chat_template.jinja": "{{ messages }}"}, ""),
        ({}, "could not be seen"),
        ({"tokenizer_config.json": "no JSON"}, "could not be seen"),
    ],
)
def test_dialogs_are_learned_by_the_base_models_chat_template(story: Story, files: dict[str, str], says: str) -> None:
    story.world.s3.objects[f"{DATASET}train.jsonl"] = "\n".join([DIALOGS] * 20).encode()
    story.world.s3.objects |= {BASE + name: text.encode() for name, text in files.items()}
    record = story.run()
    assert record["status"] == "done", record["message"]
    assert ("chat template" in said_at(record, "Plan")) == bool(says)
    assert says in said_at(record, "Plan")


def test_without_one_dialogs_are_refused_before_anything_is_paid_for(story: Story) -> None:
    story.world.s3.objects[f"{DATASET}train.jsonl"] = "\n".join([DIALOGS] * 20).encode()
    story.world.s3.objects[f"{BASE}tokenizer_config.json"] = b"{}"
    record = story.run()
    assert (record["status"], record["step"], story.world.sagemaker.created) == ("failed", "Plan", [])
    assert f"the tokenizer of {BASE} has no chat template" in record["message"]


def test_a_worse_model_is_kept_and_not_served(story: Story) -> None:
    story.evaluation = {**EVALUATION, "tuned": {**EVALUATION["tuned"], "eval_loss": 3.3}, "improvement": -0.1}
    record = story.run()
    assert (record["status"], record["step"]) == ("failed", "Evaluate")
    assert "The loss on 10 unseen rows went from 3 to 3.3 (10.0% worse)" in record["message"]
    assert record["artifact"] in record["message"]
    assert "Give more rows or epochs, or lower min_improvement." in record["message"]
    assert story.world.states.requests == []


def test_a_comparison_of_a_sample_says_so(story: Story) -> None:
    story.evaluation = {**EVALUATION, "rows": 2_500, "examples": 2_499, "examples_compared": 1_000}
    record = story.run()
    told = next(step["message"] for step in record["steps"] if "unseen" in step["message"])
    assert "The loss on 1000 of 2499 unseen examples went from 3 to 1.5" in told


@pytest.mark.parametrize("text", ["x", "日本", "\x00"])
@pytest.mark.parametrize("length", [10, 400, 10_000])
def test_however_much_was_evaluated_the_record_stays_far_below_what_dynamodb_takes(
    story: Story, text: str, length: int
) -> None:
    (row,) = EVALUATION["prompts"]
    rows = [
        {**row, "prompt": f"{n} {text * length}", "base": text * length, "tuned_passed": n % 2 > 0} for n in range(200)
    ]
    story.evaluation = {**EVALUATION, "prompts": rows}
    record = story.run()
    assert record["status"] == "done", record["message"]
    assert "of 200" in said_at(record, "Evaluate")
    kept = record["evaluation"]
    assert kept["prompts_asked"] == 200
    assert [kept[name] for name in ("base", "tuned")] == [EVALUATION[name] for name in ("base", "tuned")]
    assert [prompt["prompt"][0] for prompt in kept["prompts"]] == ([] if length > 400 else list("13579"))
    assert len(json.dumps(record)) < 100_000


def test_a_model_that_answers_wrongly_through_the_api_is_taken_back(story: Story) -> None:
    story.world.endpoint.override = "s3://older/"
    story.world.api.answers = [(200, "as ever")]
    record = story.run()
    assert (record["status"], record["step"]) == ("failed", "Smoke")
    assert story.world.endpoint.override == "s3://older/"
    assert "Only 0 of 1" in record["message"]
    assert "The endpoint serves s3://older/ again" in record["message"]


def test_a_promotion_that_sagemaker_rolls_back_fails_the_run(story: Story) -> None:
    story.world.endpoint.outcomes = ["failed"]
    record = story.run()
    assert (record["status"], story.world.endpoint.override) == ("failed", "")
    assert "The switch says failed" in record["message"]


def test_a_job_that_was_started_elsewhere_is_put_behind_the_api(story: Story) -> None:
    world = story.world
    artifact = f"s3://{BUCKET}/models/theirs/output/model/"
    world.s3.objects.clear()
    left_at(story, artifact)
    state: dict[str, Any] = {"id": story.name, "given": {"asked": {"attach": "theirs"}, "by": "test"}}
    for step in ORDER:
        state = story.take(step, state)
    assert story.record["status"] == "done"
    assert (world.endpoint.override, story.record["usd"]) == (artifact, 0)


def left_at(story: Story, artifact: str) -> str:
    """The name of a job that was started elsewhere."""
    story.world.s3.objects[artifact if artifact.endswith(".tar.gz") else f"{artifact}config.json"] = bytes(10_000_000)
    story.world.sagemaker.jobs["theirs"] = {
        "ResourceConfig": {"InstanceType": "ml.p9.48xlarge", "InstanceCount": 2},
        "looks": 1,
        "end": {"TrainingJobStatus": "Completed", "ModelArtifacts": {"S3ModelArtifacts": artifact}},
    }
    return "theirs"


class TestWhatAnAttachedJobIsJudgedBy:
    WARNING = "may have learned from some of them"

    @pytest.fixture
    def job(self, story: Story) -> str:
        """Of a run of this stage."""
        return str(story.run()["jobs"][0]["name"])

    def planned(self, world: World, **asked: Any) -> str:
        said = said_at(Story(world, "20261124-180000-cd").run(**asked), "Plan")
        assert said
        return said

    def test_rows_that_its_own_run_has_kept_unseen_are_so(self, world: World, job: str) -> None:
        assert self.WARNING not in self.planned(world, attach=job)

    @pytest.mark.parametrize("split", [{"train_data_split_seed": "1"}, {"validation_split_ratio": "0.5"}])
    def test_another_split_of_them_is_warned_of(self, world: World, story: Story, split: dict[str, str]) -> None:
        """An evaluation has the stage's own split."""
        job = story.run(hyperparameters=split)["jobs"][0]["name"]
        assert self.WARNING in self.planned(world, attach=job)

    def test_so_are_other_rows(self, world: World, job: str) -> None:
        world.s3.objects[f"{DATASET}train.jsonl"] += b"\n" + world.s3.objects[f"{DATASET}train.jsonl"]
        assert self.WARNING in self.planned(world, attach=job)

    def test_so_are_those_of_a_job_that_no_run_knows(self, world: World, story: Story) -> None:
        theirs = left_at(story, f"s3://{BUCKET}/models/theirs/output/model/")
        assert f"the job {theirs} is judged by" in self.planned(world, attach=theirs)

    def test_rows_of_their_own_are_the_users_to_know(self, world: World, job: str) -> None:
        rows = world.s3.objects.pop(f"{DATASET}train.jsonl")
        world.s3.objects |= {
            f"{DATASET}train/a.jsonl": rows,
            f"{DATASET}validation/b.jsonl": rows[:500].rpartition(b"\n")[0],
        }
        assert self.WARNING not in self.planned(world, attach=job)

    def test_a_job_of_another_model_is_named_as_such(self, world: World, story: Story, job: str) -> None:
        other = "is served in that one's container"
        assert other not in self.planned(world, attach=job)
        deploy_another_model(story)
        assert other in said_at(Story(world, "20261124-190000-ef").run(attach=job), "Plan")

    def test_a_training_keeps_its_own_unseen(self, world: World) -> None:
        assert self.WARNING not in self.planned(world)


def test_a_report_lies_beside_its_model_also_where_that_was_trained_elsewhere(story: Story) -> None:
    ours = story.run()
    assert ours["report"].startswith(ours["artifact"].removesuffix("output/model/") + "report/")
    again = Story(story.world, "20261124-180000-cd")
    record = again.run(attach=left_at(story, f"s3://{BUCKET}/models/team/theirs/output/model/"))
    assert record["status"] == "done", record["message"]
    assert record["report"].startswith(f"s3://{BUCKET}/models/team/theirs/report/")
    assert record["report"].endswith("/report.html")


def test_a_folder_that_is_called_report_is_not_one(story: Story) -> None:
    artifact = f"s3://{BUCKET}/models/report/theirs/output/model/"
    assert story.run(attach=left_at(story, artifact))["artifact"] == artifact


def attaching_from(world: World, *prefixes: str) -> None:
    world.settings = replace(world.settings, training=replace(world.settings.training, attach_from=prefixes))


@pytest.mark.parametrize(
    "artifact",
    [
        f"s3://{BUCKET}/models/theirs/output/model.tar.gz",
        "s3://sagemaker-us-east-1-111122223333/theirs/output/model.tar.gz",
        "s3://sagemaker-us-east-1-111122223333/theirs/output/model/",
        f"s3://{BUCKET}/trained/theirs/output/model/",
    ],
)
def test_a_job_from_elsewhere_is_evaluated_registered_and_served_in_either_form(story: Story, artifact: str) -> None:
    attaching_from(story.world, "s3://sagemaker-us-east-1-111122223333/", f"s3://{BUCKET}/trained/the")
    record = story.run(attach=left_at(story, artifact))
    assert record["status"] == "done", record["message"]
    assert story.world.endpoint.override == record["artifact"] == artifact
    packed = artifact.endswith(".tar.gz")
    assert f"(0.01 GB{', compressed' if packed else ''}) at {artifact}" in said_at(record, "Train")
    [evaluation], [package] = story.world.sagemaker.created, story.world.sagemaker.packages
    read = {each["ChannelName"]: each["DataSource"]["S3DataSource"] for each in evaluation["InputDataConfig"]}
    assert (read["tuned"]["S3Uri"], read["tuned"]["S3DataType"]) == (artifact, "S3Prefix")
    assert evaluation["OutputDataConfig"]["S3OutputPath"] == f"s3://{BUCKET}/models/theirs/report/"
    source = package["InferenceSpecification"]["Containers"][0]["ModelDataSource"]["S3DataSource"]
    form = ("S3Object", "Gzip") if packed else ("S3Prefix", "None")
    assert (source["S3Uri"], source["S3DataType"], source["CompressionType"]) == (artifact, *form)


@pytest.mark.parametrize(
    ("artifact", "listed", "needed"),
    [
        ("s3://theirs/job/output/model.tar.gz", (), '"s3://theirs/job/"'),
        ("s3://theirs/a/job/output/model/", ("s3://b/", "s3://theirs/ab"), '"s3://b/", "s3://theirs/ab", "s3://theirs/a/job/"'),
        (f"s3://{BUCKET}/trained/job/output/model/", (), f'"s3://{BUCKET}/trained/job/"'),
    ],
)  # fmt: skip
def test_a_model_where_the_endpoint_may_not_read_is_refused_with_what_lets_it(
    story: Story, artifact: str, listed: tuple[str, ...], needed: str
) -> None:
    attaching_from(story.world, *listed)
    record = story.run(attach=left_at(story, artifact))
    assert (record["status"], record["step"], record["usd"]) == ("failed", "Train", 0)
    assert artifact in record["message"]
    assert f"attach_from = [{needed}] in [stages.test.finetune]" in record["message"]
    assert story.world.sagemaker.created == []
    attaching_from(story.world, *(prefix.strip('"') for prefix in needed.split(", ")))
    assert Story(story.world, "20261124-180000-cd").run(attach="theirs")["status"] == "done"


def test_an_evaluations_report_is_no_model(story: Story) -> None:
    artifact = f"s3://{BUCKET}/models/job/report/pilotlight-test-run-e1/output/model/"
    record = story.run(attach=left_at(story, artifact))
    assert (record["status"], record["step"]) == ("failed", "Train")
    assert f"{artifact} its report" in record["message"]


@pytest.mark.parametrize("form", ["model/", "model.tar.gz"])
def test_a_model_that_is_gone_is_refused_before_anything_is_paid_for(story: Story, form: str) -> None:
    artifact = f"s3://{BUCKET}/models/theirs/output/{form}"
    left_at(story, artifact)
    story.world.s3.objects = {
        uri.replace("model.tar.gz", "model.tar.gz.old").replace("output/model/", "output/models/"): content
        for uri, content in story.world.s3.objects.items()
    }
    record = story.run(attach="theirs")
    assert (record["step"], story.world.sagemaker.created) == ("Train", [])
    assert f"left its model at {artifact}, and it is not there any more" in record["message"]


def test_a_bucket_that_does_not_let_itself_be_listed_is_named(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    attaching_from(story.world, "s3://theirs/")
    left_at(story, "s3://theirs/job/output/model/")
    listed = story.world.s3.list_objects_v2

    def list_objects(*, Bucket: str, **request: Any) -> Mapping[str, Any]:  # noqa: N803
        if Bucket == "theirs":
            raise refused("AccessDenied")
        return listed(Bucket=Bucket, **request)

    monkeypatch.setattr(story.world.s3, "list_objects_v2", list_objects)
    record = story.run(attach="theirs")
    assert (record["status"], record["step"]) == ("failed", "Train")
    assert "s3://theirs/job/output/model/, and that cannot be listed" in record["message"]


def test_a_dropped_run_toml_starts_a_run_of_the_dataset_beside_it(story: Story) -> None:
    story.world.s3.objects[f"{DATASET}run.toml"] = b'max_cost_usd = 7\n[hyperparameters]\nepoch = "2"\n'
    given = {"dropped": "datasets/tickets/run.toml", "by": "a run.toml"}
    answer = story.take("CheckDataset", {"id": story.name, "given": given})
    assert (answer["next"], story.record["asked"]["dataset"]) == ("go", DATASET)
    assert story.record["asked"]["max_cost_usd"] == 7


def test_a_dropped_run_toml_that_is_no_utf_8_is_refused_in_words(story: Story) -> None:
    story.world.s3.objects[f"{DATASET}run.toml"] = "spot = true".encode("utf-16")
    given = {"dropped": "datasets/tickets/run.toml", "sequencer": "1", "by": "test"}
    assert story.take("CheckDataset", {"id": story.name, "given": given})["next"] == "failed"
    assert "run.toml is not UTF-8" in story.record["message"]


def test_a_run_toml_that_is_told_twice_starts_one_run_and_dropped_again_another(story: Story) -> None:
    story.world.s3.objects[f"{DATASET}run.toml"] = b"max_cost_usd = 7"
    given = {"dropped": "datasets/tickets/run.toml", "sequencer": "0061", "by": "a run.toml"}
    again = {**given, "sequencer": "0062"}
    runs = [Story(story.world, name) for name in ("a", "b", "c")]
    answers = [
        run.take("CheckDataset", {"id": run.name, "given": event})["next"]
        for run, event in zip([*runs[:2], *runs], [given, given, given, given, again], strict=True)
    ]
    assert answers == ["go", "nothing", "go", "nothing", "go"]
    assert [record["id"] for record in story.world.ledger.every(KIND)] == ["a", "c"]


def test_a_run_is_there_while_its_dataset_is_read_and_says_what_broke_off(story: Story) -> None:
    state: dict[str, Any] = {"id": story.name, "given": {"asked": {"dataset": DATASET}, "by": "test"}}
    story.world.s3.list_objects_v2 = Mock(side_effect=MemoryError)  # type: ignore[method-assign]
    with pytest.raises(MemoryError):
        story.step("CheckDataset", state)
    seen = story.record
    assert (seen["status"], seen["step"], seen["message"]) == (
        "running",
        "CheckDataset",
        "What was asked for is being read.",
    )
    assert (seen["execution_arn"], seen["by"]) == (f"arn:{story.name}", "test")
    assert "CheckDataset broke off" in story.fail({"id": story.name, "mends": True})["message"]


def test_a_dataset_elsewhere_is_refused_with_the_way_here(story: Story) -> None:
    record = story.run(dataset="s3://somebody-elses/data/")
    assert "pilot finetune FOLDER" in record["message"]


class TestMending:
    """A run whose execution was killed."""

    def test_its_jobs_are_stopped_and_a_person_is_told(self, story: Story) -> None:
        state = begun(story)
        for step in ("CheckDataset", "Plan"):
            state = story.take(step, state)
        story.step("Train", state)
        record = story.fail({"id": story.name, "mends": True})
        assert story.world.sagemaker.stopped == [story.world.sagemaker.created[0]["TrainingJobName"]]
        assert record["status"] == "failed"
        assert "stopped, or ran out of time" in story.world.sns.told[0]["Message"]

    def test_what_they_cost_until_they_had_stopped_is_told_and_kept(self, story: Story) -> None:
        state = begun(story)
        for step in ("CheckDataset", "Plan"):
            state = story.take(step, state)
        story.step("Train", state)
        record = story.fail({"id": story.name, "mends": True})
        (job,) = record["jobs"]
        assert (job["status"], job["seconds"], record["usd"]) == ("Stopped", 360, 0.2)  # at USD 2 an hour
        assert "It cost about USD 0.20." in story.world.sns.told[0]["Message"]

    def test_one_that_is_never_seen_to_end_is_waited_for_a_quarter_of_an_hour(self, story: Story) -> None:
        state = begun(story)
        for step in ("CheckDataset", "Plan"):
            state = story.take(step, state)
        story.step("Train", state)
        (job,) = story.world.sagemaker.jobs.values()
        going = {"TrainingJobStatus": "Stopping"}
        story.world.sagemaker.stop_training_job = Mock(side_effect=lambda **_: job.update(end=going))  # type: ignore[method-assign]
        before = story.world.now
        record = story.fail({"id": story.name, "mends": True})
        assert (record["status"], record["jobs"][0]["status"]) == ("failed", "Stopping")
        assert 900 <= story.world.now - before < 1000

    def test_one_that_nobody_knows_holds_nothing_up(self, story: Story) -> None:
        state = begun(story)
        for step in ("CheckDataset", "Plan"):
            state = story.take(step, state)
        story.step("Train", state)
        story.world.sagemaker.jobs.clear()
        record = story.fail({"id": story.name, "mends": True})
        assert (record["status"], record["jobs"][0]["status"], record["usd"]) == ("failed", "Failed", 0)

    def test_a_model_that_was_not_smoked_is_taken_back(self, story: Story) -> None:
        state = begun(story)
        for step in ORDER[:6]:
            state = story.take(step, state)
        assert story.world.endpoint.override != ""
        record = story.fail({"id": story.name, "mends": True})
        assert (story.world.endpoint.override, record["status"]) == ("", "failed")

    def test_a_run_that_had_ended_is_left_as_it_is(self, story: Story) -> None:
        before = story.run()
        assert story.fail({"id": story.name, "mends": True})["status"] == "done" == before["status"]
        assert story.world.endpoint.override == before["artifact"]
        assert len(story.world.sns.told) == 1

    def test_a_killed_mending_of_the_meters_is_mended_as_its_run(self, story: Story) -> None:
        state = {"id": story.name, "given": {"asked": {"dataset": DATASET}, "by": "test"}}
        for step in ("CheckDataset", "Plan"):
            state = story.take(step, state)
        assert story.fail({"id": f"{story.name}-mend", "mends": True})["status"] == "failed"

    def test_it_waits_while_the_run_or_another_mending_goes_on(self, story: Story) -> None:
        state = {"id": story.name, "given": {"asked": {"dataset": DATASET}, "by": "test"}}
        story.take("CheckDataset", state)
        before = story.record
        story.world.states.running = {f"arn:{story.name}"}
        answer = story.step("Rollback", {"id": story.name, "mends": True})
        assert (answer["next"], answer["mends"], answer["wait_seconds"] > 0) == ("wait", True, True)
        assert story.record == before
        story.world.states.running = set()
        assert story.fail(answer)["status"] == "failed"

    def test_of_an_execution_that_was_no_run_nothing_is_kept_and_nobody_is_told(self, story: Story) -> None:
        state: dict[str, Any] = {"id": "3f0c9f0e-7d6a-4d4e-9d8e-0a1b2c3d4e5f", "mends": True}
        for step in ("Rollback", "Notify"):
            state = story.step(step, state)
        assert (state["mends"], list(story.world.ledger.latest(KIND, 9)), story.world.sns.told) == (True, [], [])


def test_what_fails_after_the_end_takes_no_model_back(story: Story) -> None:
    """As where the state Done ran out of its retries."""
    served = story.run()["artifact"]
    record = story.fail({"id": story.name, "failure": {"Error": "States.Timeout", "Cause": ""}})
    assert (record["status"], story.world.endpoint.override, record["step"]) == ("done", served, "Done")
    assert len(story.world.sns.told) == 1


@pytest.mark.parametrize("name", ["20261124-170000-ab", "3f0c9f0e-7d6a-4d4e-9d8e-0a1b2c3d4e5f", "A Name"])
def test_every_execution_has_an_id_that_fits_into_a_jobs_name(name: str) -> None:
    assert len(id_of(name)) <= 18
    assert id_of(id_of(name)) == id_of(name)
