"""The estimate of a text's tokens, counted fast, is what its definition finds."""

import re

from common.tokens import SPECIAL_TOKENS, estimate_tokens
from hypothesis import given
from hypothesis import strategies as st

DEFINITION = re.compile(rb"[A-Z][A-Za-z]?[a-z]?|[a-z]{1,3}|[^A-Za-z ]| (?![A-Za-z])")


@given(st.text("aabbABZ .;\n1é") | st.text())
def test_it_is_the_number_of_pieces(text: str) -> None:
    pieces = DEFINITION.findall(text.encode(errors="surrogatepass"))
    assert estimate_tokens(text) == SPECIAL_TOKENS + len(pieces)
