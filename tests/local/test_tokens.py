"""The proxy's estimate of a text's tokens, and its bound, beside SmolLM2's own tokenizer."""

import base64
from functools import cache
from typing import Any

import pytest
from common.tokens import SPECIAL_TOKENS, estimate_tokens, most_tokens
from hypothesis import given, settings
from hypothesis import strategies as st
from proxy.window import GAP, Side, cut, split

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


NO_LANGUAGE = {
    "random letters": "qxzvkjwpfhbgd" * 80,
    "base64": base64.b64encode(bytes(range(256)) * 4).decode(),
    "hexadecimal": bytes(range(256)).hex() * 4,
    "DNA": "acgtgcatgcta" * 80,
    "a German compound": "Donaudampfschifffahrtsgesellschaftskapitän" * 20,
    "emoji": "😀👩‍👩‍👧🎉" * 40,
    "control characters": "\x00\x1b\u200f\u202e" * 60,
    "not assigned": "\U000e0fff\u0378" * 60,
    "one word": "w" * 3000,
}


@cache
def tokenizer() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(weights.smollm2(CACHE / "models"))


def tokens_of(text: str) -> int:
    return len(tokenizer()(text)["input_ids"])


@pytest.mark.parametrize("text", TEXTS)
def test_it_is_enough_and_not_three_times_too_much(text: str) -> None:
    tokens = tokens_of(text)
    assert tokens <= estimate_tokens(text) - SPECIAL_TOKENS <= 3 * tokens


@pytest.mark.parametrize("text", [*TEXTS, *NO_LANGUAGE.values()])
def test_the_bound_is_never_too_low(text: str) -> None:
    assert tokens_of(text) <= most_tokens(text) - SPECIAL_TOKENS


ANY_TEXT = (
    st.text()
    | st.text(alphabet="qxzvkj ", max_size=200)
    | st.binary(max_size=100).map(lambda content: base64.b64encode(content).decode())
    | st.lists(st.sampled_from([*TEXTS, *NO_LANGUAGE.values()]), max_size=2).map("".join)
)


@settings(max_examples=300)
@given(ANY_TEXT)
def test_the_bound_is_never_too_low_for_any_text(text: str) -> None:
    assert tokens_of(text) <= most_tokens(text) - SPECIAL_TOKENS


@settings(max_examples=100)
@given(ANY_TEXT.filter(bool), st.integers(20, 120), st.sampled_from(list(Side)))
def test_what_is_cut_or_split_by_the_bound_fits_any_window(text: str, window: int, side: Side) -> None:
    assert tokens_of(cut(text, at_most=window, side=side, count=most_tokens).text) <= window
    for part in split(text, at_most=window, count=most_tokens):
        assert tokens_of(text[part.start : part.end]) <= window


@pytest.mark.parametrize("text", TEXTS)
def test_prose_and_code_cut_by_the_estimate_fit_and_fill_a_third_of_the_window(text: str) -> None:
    long, window = f"{text} " * 100, 500
    kept = cut(long, at_most=window, side=Side.MIDDLE, count=estimate_tokens).text
    assert GAP in kept
    assert window / 3 - 20 < tokens_of(kept) <= window
