"""What `make demo-finetune` takes for shown, and what it fails for."""

import json

import pytest

from pilotlight.demo_finetune import EXAMPLE, check_learned, check_never_taught, formatted
from pilotlight.finetune import FineTuneError

PROMPTS = [json.loads(line) for line in (EXAMPLE / "prompts.jsonl").read_text().splitlines()]


def test_an_answer_has_the_format_with_all_of_its_parts_only() -> None:
    whole = [" ".join(prompt["expected"]) for prompt in PROMPTS]
    assert formatted(PROMPTS, whole) == len(PROMPTS) == 10
    assert formatted(PROMPTS, [answer[:-1] for answer in whole]) == 0


def test_nothing_before_and_four_in_five_after_is_what_must_be_shown() -> None:
    check_never_taught(0, 10)
    check_learned(8, 10)


def test_a_base_model_that_knows_the_format_shows_nothing() -> None:
    with pytest.raises(FineTuneError, match=r"answered 1 of 10 prompts .* 0 were expected: change"):
        check_never_taught(1, 10)


def test_a_tuned_model_that_has_not_learned_it_fails_the_demo() -> None:
    with pytest.raises(FineTuneError, match=r"answered 7 of 10 prompts .* at least 80% were expected: raise epoch"):
        check_learned(7, 10)
