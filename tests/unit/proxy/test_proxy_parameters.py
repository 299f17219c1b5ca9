"""The ten parameters: what each takes, what it refuses, and what they mean together."""

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proxy.errors import InvalidParameter
from proxy.parameters import MAX_INT32, MAX_SEQUENCES, MAX_TOKENS, RULES, check_parameters

INTEGER_RANGES = {
    "max_length": (1, MAX_TOKENS),
    "num_beams": (1, MAX_SEQUENCES),
    "no_repeat_ngram_size": (2, MAX_INT32),
    "top_k": (1, MAX_INT32),
    "seed": (-(2**63), 2**64 - 1),
}
INTEGERS = sorted(INTEGER_RANGES)
NUMBERS = ["temperature", "top_p"]
BOOLEANS = ["early_stopping", "do_sample"]


def refused(given_parameters: dict[str, Any]) -> str | None:
    """The name of the parameter refused, if one is."""
    try:
        check_parameters(given_parameters)
    except InvalidParameter as refusal:
        return refusal.param
    return None


def test_the_ten_are_those_of_the_reference() -> None:
    assert set(RULES) == {*INTEGERS, *NUMBERS, *BOOLEANS, "num_return_sequences"}
    assert len(RULES) == 10


@given(st.sampled_from(INTEGERS), st.integers() | st.integers(-3, 70))
def test_an_integer_is_taken_exactly_within_its_range(name: str, value: int) -> None:
    low, high = INTEGER_RANGES[name]
    assert refused({name: value}) == (None if low <= value <= high else name)


@pytest.mark.parametrize("name", INTEGERS)
def test_the_ends_of_a_range_belong_to_it(name: str) -> None:
    low, high = INTEGER_RANGES[name]
    assert [refused({name: value}) for value in (low - 1, low, high, high + 1)] == [name, None, None, name]


@given(st.sampled_from([*INTEGERS, "num_return_sequences"]), st.booleans() | st.floats() | st.text() | st.none())
def test_an_integer_is_no_boolean_float_string_or_null(name: str, value: object) -> None:
    assert refused({name: value}) == name


@given(st.floats() | st.integers() | st.integers(min_value=10**300))
def test_temperature_is_any_finite_number_above_zero(value: float) -> None:
    assert refused({"temperature": value}) == (None if 0 < value < sys.float_info.max else "temperature")


@given(st.floats() | st.integers() | st.floats(0, 1))
def test_top_p_lies_strictly_between_zero_and_one(value: float) -> None:
    assert refused({"top_p": value}) == (None if 0 < value < 1 else "top_p")


@given(st.sampled_from(NUMBERS), st.booleans() | st.text() | st.none() | st.lists(st.floats()))
def test_a_number_is_no_boolean_string_null_or_array(name: str, value: object) -> None:
    assert refused({name: value}) == name


@given(st.sampled_from(BOOLEANS), st.integers() | st.floats() | st.text() | st.none())
def test_a_boolean_is_true_or_false_only(name: str, value: object) -> None:
    assert refused({name: value}) == name
    assert refused({name: True}) is None
    assert refused({name: False}) is None


@given(st.integers(1, MAX_SEQUENCES), st.integers(1, MAX_SEQUENCES), st.booleans())
def test_beams_are_as_many_as_the_sequences_or_more(beams: int, sequences: int, sample: bool) -> None:
    asked = {"num_beams": beams, "num_return_sequences": sequences, "do_sample": sample}
    assert refused(asked) == (None if beams >= sequences else "num_beams")


@given(st.integers(2, MAX_SEQUENCES))
def test_several_sequences_need_sampling_or_beams(sequences: int) -> None:
    assert refused({"num_return_sequences": sequences}) == "num_return_sequences"
    assert refused({"num_return_sequences": sequences, "do_sample": False}) == "num_return_sequences"
    assert refused({"num_return_sequences": sequences, "do_sample": True}) is None
    assert refused({"num_return_sequences": sequences, "num_beams": sequences}) is None


def test_one_sequence_needs_neither() -> None:
    assert refused({"num_return_sequences": 1}) is None
    assert refused({"num_beams": 1}) is None


def test_more_sequences_than_the_bound_are_refused() -> None:
    asked = {"num_return_sequences": MAX_SEQUENCES + 1, "do_sample": True}
    assert refused(asked) == "num_return_sequences"


def test_valid_parameters_come_back_unchanged() -> None:
    asked = {"temperature": 1, "top_p": 0.5, "seed": -7, "do_sample": True, "max_length": 100}
    assert check_parameters(asked) == asked
