"""The estimate of a text's tokens is above the true number and behaves like a count."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proxy.tokens import SPECIAL_TOKENS, estimate_tokens

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"])) | st.text(alphabet="aB1 .\né")


def counted(text: str) -> int:
    return estimate_tokens(text) - SPECIAL_TOKENS


@given(TEXT, TEXT)
def test_a_longer_text_never_counts_less(first: str, second: str) -> None:
    assert counted(first + second) >= max(counted(first), counted(second))


@given(TEXT, TEXT)
def test_parts_count_at_least_as_much_as_the_whole(first: str, second: str) -> None:
    assert counted(first + second) <= counted(first) + counted(second)


@given(TEXT)
def test_each_word_counts_and_no_text_has_more_tokens_than_bytes(text: str) -> None:
    assert len(text.split()) <= counted(text) <= len(text.encode())


# Counted with SmolLM2's own tokenizer, of 49,152 entries.
@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Hello world, 123 tests", 8),
        ("THE ENDPOINT WAS TURNED OFF BECAUSE NOBODY CALLED IT FOR A WHILE", 27),
        ("今天天气很好\uff0c我们去公园散步吧。", 31),
        ("Быстрая коричневая лиса прыгает через ленивую собаку.", 45),
        (
            "L'hypothèse était intéressante, mais le résultat n'a pas été confirmé par les expériences ultérieures.",
            41,
        ),
    ],
)
def test_the_estimate_is_at_least_the_tokenizers_count_and_not_three_times_it(text: str, tokens: int) -> None:
    assert tokens <= counted(text) <= 3 * tokens
