"""Plan: what a run will do and cost at most, or why it is refused before anything is paid for."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from finetune import money
from finetune.asked import from_body
from finetune.dataset import Report
from finetune.errors import BadRequest
from finetune.jobs import evaluation_request, training_request
from finetune.plan import Plan, plan
from finetune.spec import Settings
from hypothesis import given
from hypothesis import strategies as st

from pilotlight.training_file import training
from tests.unit.finetune.bucket import GOOD, jsonl, report_of
from tests.unit.finetune.runs import BUCKET, NOW, ROLE, RUN_ID, own_program, planned, priced, settings_of


def refusal(settings: Settings, **asked: Any) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        planned(settings, **asked)
    return caught.value


@pytest.mark.parametrize("model", list(training().models))
def test_every_model_can_be_trained_as_it_is_shipped(model: str) -> None:
    made = planned(settings_of(model))
    assert made.hyperparameters["instruction_tuned"] == "True"
    assert made.evaluation_types
    assert made.worst_cost_usd <= made.max_cost_usd == 50
    assert Plan.from_data(json.loads(json.dumps(made.to_data()))) == made


def test_what_is_asked_for_comes_before_what_the_stage_sets() -> None:
    settings = settings_of(hyperparameters={"epoch": 2, "seed": 7}, spot=True, min_improvement=0.1)
    made = planned(
        settings, hyperparameters={"epoch": 4}, spot=False, max_cost_usd=30, instance_types=["ml.g5.48xlarge"]
    )
    assert (made.hyperparameters["epoch"], made.hyperparameters["seed"]) == ("4", "7")
    assert (made.spot, made.min_improvement, made.max_cost_usd) == (False, 0.1, Decimal(30))
    assert made.instance_types == ("ml.g5.48xlarge",)


def test_the_dataset_decides_the_format() -> None:
    report = report_of({"a.txt": b"one\ntwo\n", "validation/b.txt": b"three\n"})
    made = planned(settings_of("falcon-7b"), report)
    assert (made.hyperparameters["instruction_tuned"], made.hyperparameters["chat_dataset"]) == ("False", "False")


def test_a_job_started_elsewhere_is_evaluated_and_not_trained() -> None:
    made = planned(settings_of(), attach="my-job")
    assert (made.attach, made.max_runtime_seconds, made.evaluation_usd) == ("my-job", 0, made.max_cost_usd)
    bare = plan(from_body({"attach": "my-job"}), None, settings_of(), now=NOW, run_id=RUN_ID)
    assert (bare.dataset, bare.evaluation_types, bare.worst_cost_usd) == (None, (), Decimal(0))
    assert "no dataset" in bare.warnings[0]


@pytest.mark.parametrize("asked", [{"attach": "my-job"}, {}])
@given(ceiling=st.integers(50, 500))
def test_what_the_jobs_cost_at_most_is_what_their_limits_come_to(asked: dict[str, Any], ceiling: int) -> None:
    settings = settings_of()
    made = planned(settings, max_cost_usd=ceiling, **asked)
    where: dict[str, Any] = {"bucket": BUCKET, "role_arn": ROLE, "attempt": 1}
    spent = Decimal(0)
    if not asked:
        train = training_request(made, settings, instance_type=made.instance_types[0], spent_usd=spent, **where)
        spent = worst_of(train, settings, settings.spec.uploaded_bytes)
    requests = [
        evaluation_request(made, settings, tuned_model="s3://x/y/", instance_type=name, spent_usd=spent, **where)
        for name in made.evaluation_types
    ]
    assert made.worst_cost_usd == spent + max(worst_of(request, settings, 0) for request in requests) <= ceiling


def test_without_the_projects_container_nothing_evaluates_and_a_person_is_told() -> None:
    made = planned(settings_of(image=None))
    assert (made.evaluation_types, made.evaluation_usd) == ((), Decimal(0))
    assert any("names no image_uri" in warning for warning in made.warnings)


class TestAProgramOfTheUsersOwn:
    def test_its_memory_is_not_checked_and_a_person_is_told(self) -> None:
        made = planned(own_program(), instance_types=["ml.g4dn.xlarge"])
        assert made.instance_types == made.evaluation_types == ("ml.g4dn.xlarge",)
        assert any("is not checked" in warning for warning in made.warnings)
        assert any("may have trained with" in warning for warning in made.warnings)

    def test_nothing_is_said_of_the_memory_where_nothing_is_trained(self) -> None:
        made = planned(own_program(), attach="my-job")
        assert not any("is not checked" in warning for warning in made.warnings)

    def test_validation_rows_make_the_evaluation_fair(self) -> None:
        made = planned(own_program(), report_of({"train/a.jsonl": GOOD, "validation/a.jsonl": GOOD}))
        assert not any("may have trained with" in warning for warning in made.warnings)

    def test_without_an_image_that_evaluates_a_person_is_told(self) -> None:
        made = planned(own_program(evaluated=False))
        assert (made.evaluation_types, made.evaluation_usd) == ((), Decimal(0))
        assert "names no evaluation_image_uri" in made.warnings[-1]

    def test_files_beside_the_training_files_are_its_own_business(self) -> None:
        assert planned(own_program(), report_of({"a.jsonl": GOOD, "validation/a.jsonl": GOOD})).train_uri

    def test_its_hyperparameters_are_what_was_said_and_nothing_else(self) -> None:
        made = planned(own_program(hyperparameters={"a": 1, "b": 2}), hyperparameters={"b": 3})
        assert made.hyperparameters == {"a": "1", "b": "3"}

    def test_whatever_its_volume_holds_may_have_to_be_uploaded(self) -> None:
        assert own_program().spec.uploaded_bytes == 64 * 10**9
        with pytest.raises(BadRequest, match="Raise it"):
            planned(own_program(), max_cost_usd=2)

    def test_stage_and_run_together_may_not_have_too_many(self) -> None:
        many = {f"a{number}": 1 for number in range(60)}
        with pytest.raises(BadRequest, match="There are 120 hyperparameters"):
            planned(own_program(hyperparameters=many), hyperparameters={f"b{number}": 1 for number in range(60)})


@pytest.mark.parametrize(
    ("model", "asked", "says"),
    [
        ("llama-2-7b", {"hyperparameters": {"int8_quantization": True, "enable_fsdp": True}}, "int8_quantization"),
        ("llama-2-70b", {"hyperparameters": {"enable_fsdp": True}}, "enable_fsdp"),
        ("llama-2-7b", {"hyperparameters": {"instruction_tuned": True, "chat_dataset": True}}, "has one format"),
        ("llama-2-7b", {"hyperparameters": {"per_device_eval_batch_size": 1000}}, "per_device_eval_batch_size"),
        ("llama-2-7b", {"instance_types": ["ml.g4dn.xlarge"]}, "about 14.4 GiB free on each GPU"),
        ("llama-2-70b", {"instance_types": ["ml.g5.12xlarge"]}, "GiB free on each GPU"),
        ("llama-2-7b", {"hyperparameters": {"per_device_train_batch_size": 64}}, "Lower per_device_train_batch_size"),
        ("llama-2-7b", {"hyperparameters": {"max_input_length": 20000}}, "max_input_length"),
        ("llama-2-7b", {"instance_types": ["ml.g5.13xlarge"]}, "did you mean ml.g5.1"),
        ("llama-2-7b", {"instance_types": ["ml.g5.4xlarge"]}, "no known price"),
        ("llama-2-7b", {"max_cost_usd": 2}, "Raise it"),
        ("llama-2-7b", {"max_cost_usd": 0.01}, "Raise it"),
        ("llama-2-7b", {"instance_count": 2}, "runs on 1 instance"),
        ("smollm2-135m-instruct", {"instance_count": 2}, "Set enable_fsdp to True"),
    ],
)
def test_what_does_not_fit_is_refused(model: str, asked: dict[str, Any], says: str) -> None:
    refused = refusal(settings_of(model), **asked)
    assert says in refused.message
    assert refused.param is not None


@pytest.mark.parametrize("model", list(training().models))
def test_rows_longer_than_the_model_reads_are_refused(model: str) -> None:
    window = training().models[model].shape.window
    assert window is not None
    settings = settings_of(model, instances=priced(big="5"), instance_types=("ml.big.xlarge",))
    assert planned(settings, hyperparameters={"max_input_length": window})
    refused = refusal(settings, hyperparameters={"max_input_length": window + 1})
    assert f"reads {window} tokens at most" in refused.message


def test_only_the_projects_container_is_known_to_go_on_after_an_interruption() -> None:
    others = ((settings_of("llama-2-7b"), "JumpStart's script"), (own_program(), "your program"))
    for settings, whose in others:
        assert any(f"whether {whose} keeps checkpoints" in said for said in planned(settings, spot=True).warnings)
        assert not any("Spot" in said for said in planned(settings).warnings)
        attached = planned(replace(settings, spot=True), attach="my-job")
        assert not any("Spot" in said for said in attached.warnings)
    assert not any("Spot" in said for said in planned(settings_of("falcon-7b"), spot=True).warnings)


class TestPromptsLongerThanTheModelReads:
    """Falcon reads 2048 tokens, 96 of them for the answer."""

    @staticmethod
    def report(words: int) -> Report:
        prompt = {"prompt": "word " * words, "label": "yes"}
        return report_of({"train/a.jsonl": GOOD, "prompts.jsonl": jsonl({"prompt": "x", "label": "y"}, prompt)})

    def test_one_that_surely_does_not_fit_is_refused(self) -> None:
        with pytest.raises(BadRequest, match=r"prompts\.jsonl, line 2: .* reads 2048 at most, of which 96"):
            planned(settings_of("falcon-7b"), self.report(8000))

    @pytest.mark.parametrize(("words", "warned"), [(100, False), (2000, True)])
    def test_one_that_may_not_fit_is_warned_of(self, words: int, warned: bool) -> None:
        made = planned(settings_of("falcon-7b"), self.report(words))
        assert any("prompts.jsonl, line 2" in warning for warning in made.warnings) is warned

    def test_where_nothing_evaluates_nobody_asks_them(self) -> None:
        assert planned(settings_of("llama-2-7b", image=None), self.report(20_000))

    def test_where_the_window_is_not_known_neither_is_said(self) -> None:
        assert planned(own_program(), self.report(8000))


def test_the_projects_container_may_leave_the_four_bytes_a_parameter_that_its_base_came_in() -> None:
    spec = settings_of("falcon-7b").spec
    assert spec.uploaded_bytes == 4 * training().models["falcon-7b"].shape.parameters
    assert settings_of("llama-2-7b").spec.uploaded_bytes == 2 * training().models["llama-2-7b"].shape.parameters


def test_several_instances_share_the_model() -> None:
    made = planned(settings_of("falcon-7b"), instance_count=2, max_cost_usd=100)
    assert made.instance_count == 2


def test_a_dataset_with_problems_is_refused_with_the_first_of_them() -> None:
    report = report_of({"train/a.jsonl": GOOD + jsonl({})})
    with pytest.raises(BadRequest, match=r"1 problems\. The first: train/a\.jsonl, line 11: the row lacks"):
        planned(settings_of(), report)


def test_jumpstarts_training_sees_nothing_but_training_files() -> None:
    report = report_of({"a.jsonl": GOOD, "validation/a.jsonl": GOOD})
    with pytest.raises(BadRequest, match="into train/"):
        planned(settings_of("llama-2-7b"), report)
    assert planned(settings_of("falcon-7b"), report).validation_uri


@given(
    prices=st.lists(st.decimals("0.05", "200", places=4), min_size=1, max_size=3),
    ceiling=st.decimals("1", "500", places=2),
    costs=st.lists(st.fractions(0, 1), max_size=8),
    count=st.integers(1, 3),
)
def test_no_run_passes_its_ceiling(prices: Any, ceiling: Decimal, costs: Any, count: int) -> None:
    """Each attempt costs any part of its most, and fails; then comes the next, and at last the evaluation."""
    instances = priced(**{f"big{number}": str(usd) for number, usd in enumerate(prices)})
    settings = settings_of("falcon-7b", instances=instances, instance_types=tuple(instances))
    try:
        made = planned(settings, max_cost_usd=float(ceiling), instance_count=count)
    except BadRequest:
        return
    names, spent = list(instances), Decimal(0)
    where: dict[str, Any] = {"bucket": BUCKET, "role_arn": ROLE}
    for number, part in enumerate(costs):
        name = names[number % len(names)]
        try:
            request = training_request(made, settings, instance_type=name, attempt=number + 1, spent_usd=spent, **where)
        except BadRequest:
            break
        spent += worst_of(request, settings, settings.spec.uploaded_bytes) * part.numerator / part.denominator
        assert spent <= ceiling
    evaluated = evaluation_request(
        made,
        settings,
        tuned_model="s3://x/y/",
        instance_type=names[0],
        attempt=1,
        spent_usd=spent,
        **where,
    )
    assert spent + worst_of(evaluated, settings, 0) <= ceiling


def worst_of(request: dict[str, Any], settings: Settings, uploaded_bytes: int) -> Decimal:
    resources = request["ResourceConfig"]
    rate: Decimal = settings.instances[resources["InstanceType"]].usd_per_hour * resources["InstanceCount"]
    billed: int = request["StoppingCondition"]["MaxRuntimeInSeconds"] + money.after_limit_seconds(uploaded_bytes)
    return rate * billed / 3600
