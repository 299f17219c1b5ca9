"""The proxy's estimate of a text's tokens, beside SmolLM2's own tokenizer."""

from typing import Any

import pytest
from proxy.tokens import SPECIAL_TOKENS, estimate_tokens

from pilotlight.local import weights
from pilotlight.local.cloud import CACHE

TEXTS = [
    "Hello world, 123 tests",
    "THE ENDPOINT WAS TURNED OFF BECAUSE NOBODY CALLED IT FOR A WHILE",
    "今天天气很好\uff0c我们去公园散步吧。",
    "Быстрая коричневая лиса прыгает через ленивую собаку.",
    "L'hypothèse était intéressante, mais le résultat n'a pas été confirmé par les expériences ultérieures.",
    "def turn(self, state: State) -> Outcome:\n    return Outcome(state, changed=not already)\n",
    "[CLM] Question: What is the capital of Italy? Answer: Rome; Question: What is the capital of France? Answer:",
    "It was $4.89/hour × 412.4 h = $2,016.55 (see https://example.com/issues/5?page=2#top).",
]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(weights.smollm2(CACHE / "models"))


@pytest.mark.parametrize("text", TEXTS)
def test_it_is_enough_and_not_three_times_too_much(tokenizer: Any, text: str) -> None:
    tokens = len(tokenizer(text)["input_ids"])
    assert tokens <= estimate_tokens(text) - SPECIAL_TOKENS <= 3 * tokens
