"""Hyperparameters: the whole table goes out as text, or the run is refused with name, value and what is allowed."""

from typing import Any

import pytest
from finetune.errors import BadRequest
from finetune.hyperparameters import MAX_INTEGER, Profile, complete
from hypothesis import given
from hypothesis import strategies as st

LLAMA_7B = Profile("llama-2-7b")
LLAMA_70B = Profile("llama-2-70b", {"int8_quantization": "True", "enable_fsdp": "False"}, fsdp=False)
OWN = Profile("smollm2", {"learning_rate": "0.001", "enable_fsdp": "False"}, neither=True)
FURTHER = Profile(
    "other",
    further={
        "target_modules": {"kind": "text", "default": "q_proj,v_proj"},
        "peft_type": {"kind": "text", "default": "lora", "options": ["lora", "None"]},
        "packing": {"kind": "flag", "default": "False"},
        "warmup_steps": {"kind": "integer", "default": "0", "least": 0, "most": 100},
        "offset": {"kind": "integer", "default": "0", "least": -MAX_INTEGER, "most": MAX_INTEGER},
        "weight_decay": {"kind": "number", "default": "0.0", "least": -MAX_INTEGER, "most": 1},
    },
)
"""What another training of JumpStart's may have beside the table."""

PROFILES = st.sampled_from([LLAMA_7B, LLAMA_70B, OWN, FURTHER])
VALUES = st.one_of(
    st.booleans(),
    st.integers(-3, 2000),
    st.integers(),
    st.floats(),
    st.floats(0, 1),
    st.sampled_from(
        ["True", "False", "true", "None", "-1", "1e-4", "0.5", "", "NaN", "inf", " 7 ", "٣", "1_000", "x" * 99]
    ),
    st.text(max_size=5),
)
ASKED = st.dictionaries(st.sampled_from(list(FURTHER.rules)), VALUES, max_size=4)


def outcome_of(asked: dict[str, Any], profile: Profile) -> dict[str, str] | BadRequest:
    try:
        return complete(asked, profile)
    except BadRequest as refused:
        return refused


@given(ASKED, PROFILES)
def test_what_is_accepted_is_within_the_table_and_what_is_refused_says_why(
    asked: dict[str, Any], profile: Profile
) -> None:
    outcome = outcome_of(asked, profile)
    if isinstance(outcome, BadRequest):
        assert str(outcome.param) in outcome.message
        if outcome.param in profile.rules:
            assert "must be" in outcome.message
            assert len(outcome.message) < 400
        else:
            assert "no hyperparameter" in outcome.message
        return
    completed = outcome
    assert list(completed) == list(profile.rules)
    for name, text in completed.items():
        rule = profile.rules[name]
        if rule.kind == "flag":
            assert text in ("True", "False")
        elif rule.kind == "text":
            assert text in rule.options or not rule.options
            assert len(text.splitlines()) <= 1
        elif text != rule.also:
            number = int(text) if rule.kind == "integer" else float(text)
            assert rule.least <= number <= rule.most
    assert not (completed["instruction_tuned"] == completed["chat_dataset"] == "True")
    assert not (completed["int8_quantization"] == completed["enable_fsdp"] == "True")
    if not profile.neither:
        assert completed["int8_quantization"] != completed["enable_fsdp"]
    if not profile.fsdp:
        assert completed["enable_fsdp"] == "False"


@given(ASKED, PROFILES)
def test_completing_what_is_complete_changes_nothing(asked: dict[str, Any], profile: Profile) -> None:
    completed = outcome_of(asked, profile)
    if not isinstance(completed, BadRequest):
        assert complete(completed, profile) == completed


@pytest.mark.parametrize(
    ("name", "value", "wire"),
    [
        ("epoch", 3, "3"),
        ("epoch", "1000", "1000"),
        ("learning_rate", 2e-4, "0.0002"),
        ("learning_rate", "1e-8", "1e-08"),
        ("learning_rate", 1, "1.0"),
        ("instruction_tuned", True, "True"),
        ("instruction_tuned", "true", "True"),
        ("max_input_length", -1, "-1"),
        ("max_train_samples", 1, "1"),
        ("preprocessing_num_workers", "None", "None"),
        ("preprocessing_num_workers", 4, "4"),
        ("lora_r", MAX_INTEGER, str(MAX_INTEGER)),
        ("validation_split_ratio", 0, "0.0"),
    ],
)
def test_values_go_out_as_text(name: str, value: Any, wire: str) -> None:
    assert complete({name: value}, LLAMA_7B)[name] == wire


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("epoch", 0, "an integer from 1 to 1000"),
        ("epoch", 1001, "an integer from 1 to 1000"),
        ("epoch", 1.0, "an integer from 1 to 1000"),
        ("epoch", True, "an integer from 1 to 1000"),
        ("epoch", [3], "an integer from 1 to 1000"),
        ("learning_rate", 0, "a number from 1e-08 to 1"),
        ("learning_rate", float("nan"), "a number from 1e-08 to 1"),
        ("learning_rate", "fast", "a number from 1e-08 to 1"),
        ("chat_dataset", 1, "True or False"),
        ("max_input_length", 0, "an integer of at least 1, or -1"),
        ("max_train_samples", -2, "an integer of at least 1, or -1"),
        ("preprocessing_num_workers", 0, "an integer of at least 1, or None"),
        ("lora_dropout", 1.01, "a number from 0 to 1"),
        ("seed", 0, "an integer from 1 to 1000"),
    ],
)
def test_a_value_out_of_bounds_is_refused(name: str, value: Any, allowed: str) -> None:
    with pytest.raises(BadRequest, match=f"{name} is .* must be {allowed}") as caught:
        complete({name: value}, LLAMA_7B)
    assert caught.value.param == name


@pytest.mark.parametrize(
    ("name", "value", "wire"),
    [
        ("target_modules", "k_proj, o_proj ", "k_proj, o_proj "),
        ("target_modules", "", ""),
        ("peft_type", "None", "None"),
        ("packing", True, "True"),
        ("warmup_steps", "7", "7"),
        ("offset", -3, "-3"),
        ("weight_decay", -1, "-1.0"),
    ],
)
def test_what_only_one_model_has_goes_out_beside_the_table(name: str, value: Any, wire: str) -> None:
    assert complete({name: value, "epoch": 3}, FURTHER) == {
        **complete({"epoch": 3}, LLAMA_7B),
        **{name: said["default"] for name, said in FURTHER.further.items()},
        name: wire,
    }
    with pytest.raises(BadRequest, match="There is no hyperparameter") as caught:
        complete({name: value}, LLAMA_7B)
    assert caught.value.param == name


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("target_modules", 7, "a text of at most 2500 characters in one line"),
        ("target_modules", "q\nv", "a text of at most 2500 characters in one line"),
        ("target_modules", "x" * 2501, "a text of at most 2500 characters in one line"),
        ("peft_type", "Lora", "lora or None"),
        ("packing", "yes", "True or False"),
        ("warmup_steps", 101, "an integer from 0 to 100"),
        ("offset", 0.5, "an integer"),
        ("weight_decay", 2, "a number of at most 1"),
    ],
)
def test_what_only_one_model_has_is_held_to_its_own_bounds(name: str, value: Any, allowed: str) -> None:
    with pytest.raises(BadRequest, match=f"{name} is .* must be {allowed}\\.") as caught:
        complete({name: value}, FURTHER)
    assert caught.value.param == name


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(BadRequest, match="did you mean epoch") as caught:
        complete({"epochs": 3}, LLAMA_7B)
    assert caught.value.param == "epochs"


def test_each_size_has_its_own_defaults() -> None:
    small, large, own = (complete({}, profile) for profile in (LLAMA_7B, LLAMA_70B, OWN))
    assert (small["int8_quantization"], small["enable_fsdp"]) == ("False", "True")
    assert (large["int8_quantization"], large["enable_fsdp"]) == ("True", "False")
    assert (own["int8_quantization"], own["enable_fsdp"], own["learning_rate"]) == ("False", "False", "0.001")


@pytest.mark.parametrize(
    ("asked", "int8", "fsdp"),
    [
        ({"int8_quantization": True}, "True", "False"),
        ({"int8_quantization": False}, "False", "True"),
        ({"enable_fsdp": False}, "True", "False"),
    ],
)
def test_asking_for_one_of_two_that_exclude_each_other_moves_the_other(asked: Any, int8: str, fsdp: str) -> None:
    completed = complete(asked, LLAMA_7B)
    assert (completed["int8_quantization"], completed["enable_fsdp"]) == (int8, fsdp)


@pytest.mark.parametrize(
    ("asked", "profile", "param"),
    [
        ({"instruction_tuned": True, "chat_dataset": True}, LLAMA_7B, "chat_dataset"),
        ({"int8_quantization": True, "enable_fsdp": True}, LLAMA_7B, "int8_quantization"),
        ({"int8_quantization": False, "enable_fsdp": False}, LLAMA_7B, "int8_quantization"),
        ({"enable_fsdp": True}, LLAMA_70B, "enable_fsdp"),
        ({"int8_quantization": False}, LLAMA_70B, "int8_quantization"),
    ],
)
def test_what_excludes_each_other_is_refused_together(asked: Any, profile: Profile, param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        complete(asked, profile)
    assert caught.value.param == param


def test_the_projects_own_container_needs_neither_int8_nor_fsdp() -> None:
    assert complete({"int8_quantization": False, "enable_fsdp": False}, OWN)["enable_fsdp"] == "False"
