"""Hyperparameters on the wire: names, defaults and bounds of JumpStart's own table, and sentences for the rest."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.errors import TrainingError
from training.hyperparameters import Hyperparameters, read

# From SageMaker JumpStart's spec of meta-textgeneration-llama-2-7b 3.0.0, `hyperparameters` of scope `algorithm`.
SPEC: list[dict[str, Any]] = json.loads((Path(__file__).parent / "jumpstart_llama2_7b.json").read_text())[
    "hyperparameters"
]


def test_nothing_asked_gives_the_defaults_of_jumpstart() -> None:
    ours = Hyperparameters().to_data()

    assert {one["name"]: str(ours[one["name"]]) for one in SPEC} == {one["name"]: str(one["default"]) for one in SPEC}
    assert read({}) == Hyperparameters()


@pytest.mark.parametrize("one", [one for one in SPEC if "min" in one], ids=lambda one: str(one["name"]))
def test_the_bounds_are_those_of_jumpstart(one: dict[str, Any]) -> None:
    inside = [one["min"], *([one["max"]] if "max" in one else [])]
    outside = [one["min"] - 1, *([one["max"] + 1] if "max" in one else [])]

    for value in inside:
        assert read({one["name"]: str(value)}).to_data()[one["name"]] == value
    for value in outside:
        with pytest.raises(TrainingError) as refused:
            read({one["name"]: str(value)})
        assert one["name"] in str(refused.value)
        assert repr(str(value)) in str(refused.value)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"epoch": "three"}, "whole number from 1 to 1000"),
        ({"epoch": 3}, "strings"),
        ({"learning_rate": "nan"}, "number from 1e-08 to 1"),
        ({"max_train_samples": "0"}, "-1 or a whole number"),
        ({"instruction_tuned": "yes"}, "True or False"),
        ({"preprocessing_num_workers": "0"}, "None or a whole number"),
        ({"pilotlight_task": "predict"}, "train or evaluate"),
        ({"epochs": "3"}, "did you mean epoch?"),
        ({"zzz": "3"}, "known are pilotlight_task, epoch"),
        ({"instruction_tuned": "True", "chat_dataset": "True"}, "both True"),
        ({"int8_quantization": "True", "enable_fsdp": "True"}, "both True"),
    ],
)
def test_what_is_not_allowed_is_refused_with_what_is(asked: dict[str, Any], words: str) -> None:
    with pytest.raises(TrainingError) as refused:
        read(asked)
    assert words in str(refused.value)


def test_eight_bits_alone_leave_fsdp_out_and_the_platforms_own_are_passed_over() -> None:
    asked = read({"int8_quantization": "True", "sagemaker_program": "transfer_learning.py"})

    assert (asked.int8_quantization, asked.enable_fsdp) == (True, False)


@settings(deadline=None)
@given(st.sampled_from(sorted(Hyperparameters().to_data())), st.text())
def test_any_text_is_a_value_or_is_refused_in_one_sentence(name: str, text: str) -> None:
    with suppress(TrainingError):
        assert read({name: text}).to_data().keys() == Hyperparameters().to_data().keys()
