"""Hyperparameters of a program of the user's own: whatever is let through, SageMaker takes."""

from typing import Any

import pytest
from finetune.asked import from_body, from_toml
from finetune.errors import BadRequest
from finetune.free import LONGEST_NAME, MOST, MOST_BYTES, RESERVED, checked
from finetune.hyperparameters import LONGEST_VALUE
from hypothesis import given
from hypothesis import strategies as st

from pilotlight.local.sagemaker import wire
from tests.unit.finetune.bucket import DATASET
from tests.unit.finetune.runs import ROLE

TEXTS = st.one_of(
    st.text(max_size=9),
    st.sampled_from(
        ["", "a\nb", "a\r", "\u2028", "\x85", "x" * 256, "x" * 257, "y" * 2500, "y" * 2501, "\ud800", *RESERVED]
    ),
)
VALUES = st.one_of(TEXTS, st.booleans(), st.integers(), st.floats())


def outcome_of(asked: dict[str, Any]) -> dict[str, str] | BadRequest:
    try:
        return checked(asked)
    except BadRequest as refused:
        return refused


FEW = st.dictionaries(TEXTS, VALUES, max_size=6)
MANY = st.integers(95, 101).map(lambda count: {f"a{number}": number for number in range(count)})


@given(FEW | MANY)
def test_what_is_accepted_is_what_sagemaker_takes_and_what_is_refused_says_why(asked: dict[str, Any]) -> None:
    accepted = outcome_of(asked)
    if isinstance(accepted, BadRequest):
        assert accepted.param is not None
        assert any(said in accepted.message for said in ("Leave", "Correct", "Write", "Shorten", "Put"))
        assert len(accepted.message) < 400
        return
    assert accepted.keys() == asked.keys()
    assert len(accepted) <= MOST
    assert not accepted.keys() & set(RESERVED)
    assert sum(len((name + text).encode()) for name, text in accepted.items()) <= MOST_BYTES
    for name, text in accepted.items():
        assert 1 <= len(name) <= LONGEST_NAME
        assert len(text) <= LONGEST_VALUE
        assert text == str(asked[name])
    assert checked(accepted) == accepted
    wire.request("CreateTrainingJob", {**JOB, "HyperParameters": {**dict.fromkeys(RESERVED, "x"), **accepted}})


JOB: dict[str, Any] = {
    "TrainingJobName": "job",
    "RoleArn": ROLE,
    "OutputDataConfig": {"S3OutputPath": "s3://b/models/"},
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
}


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({f"a{number}": 1 for number in range(MOST + 1)}, "hyperparameters"),
        ({f"a{number}": "é" * 2500 for number in range(20)}, "hyperparameters"),
        ({"": 1}, ""),
        ({"x" * 257: 1}, "x" * 256),
        ({"a\nb": 1}, "a\nb"),
        ({"a": "x" * 2501}, "a"),
        ({"a": "x\n"}, "a"),
        ({"a": None}, "a"),
        ({"a": [1]}, "a"),
        ({"sagemaker_program": "b.py"}, "sagemaker_program"),
        ({"sagemaker_submit_directory": "/x"}, "sagemaker_submit_directory"),
    ],
)
def test_what_sagemaker_would_refuse_is_refused_before(asked: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        checked(asked)
    assert caught.value.param == param


def test_the_limits_themselves_are_allowed() -> None:
    asked = {f"a{number}": 1 for number in range(MOST - 1)} | {"x" * LONGEST_NAME: "y" * LONGEST_VALUE}
    assert len(checked(asked)) == MOST
    assert checked({"a": True, "b": 0.5, "c": "", "d": "None", "e": '{"x": [1]}'}) == {
        "a": "True",
        "b": "0.5",
        "c": "",
        "d": "None",
        "e": '{"x": [1]}',
    }


def test_a_run_may_ask_a_script_for_what_the_table_does_not_know() -> None:
    fields = {"dataset": DATASET, "hyperparameters": {"peft_type": "lora"}}
    assert from_body(fields, None).hyperparameters == {"peft_type": "lora"}
    assert from_toml("hyperparameters = { a = 1 }", dataset=DATASET, rules=None).hyperparameters == {"a": 1}
    with pytest.raises(BadRequest, match="no hyperparameter"):
        from_body(fields)
    with pytest.raises(BadRequest):
        from_body({"dataset": DATASET, "hyperparameters": {"a": {}}}, None)
