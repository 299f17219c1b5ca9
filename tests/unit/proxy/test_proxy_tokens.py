"""The estimate of a text's tokens behaves like a count; tests/local/test_tokens.py sees that it is high enough."""

from common.tokens import SPECIAL_TOKENS, estimate_tokens
from hypothesis import given
from hypothesis import strategies as st

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
