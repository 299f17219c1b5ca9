"""Cutting and splitting, as plans: what is kept fits, nothing else is lost, borders are those of words or sentences."""

import pytest
from common.tokens import estimate_tokens, most_tokens
from hypothesis import example, given
from hypothesis import strategies as st
from proxy.window import GAP, Count, Side, Span, cut, split

COUNTS = st.sampled_from([estimate_tokens, most_tokens])
SIDES = st.sampled_from(list(Side))
TEXTS = (
    st.lists(
        st.sampled_from(["word", " ", ". ", "\n", "a", "é", "日本。", "😀", "  ", "! ", "antidisestablishment"]),
        max_size=60,
    )
    .map("".join)
    .filter(bool)
) | st.text(min_size=1)
SENTENCES = "One is here. Two is there! Is three? Four.\nFive goes on without an end and on and on"


@given(TEXTS, st.integers(16, 80), SIDES, COUNTS)
def test_what_is_kept_fits_and_is_the_text_without_what_was_taken(
    text: str, at_most: int, side: Side, count: Count
) -> None:
    done = cut(text, at_most=at_most, side=side, count=count)
    assert count(done.text) <= at_most
    if done.taken is None:
        assert done.text == text
        return
    start, end = done.taken.start, done.taken.end
    assert 0 <= start < end <= len(text)
    assert done.text == (text[:start] + GAP + text[end:] if side is Side.MIDDLE else text[:start] + text[end:])
    assert (start == 0) if side is Side.HEAD else (end == len(text)) if side is Side.TAIL else True


@given(TEXTS, st.integers(16, 80), SIDES, COUNTS)
def test_what_fits_is_left_alone(text: str, more: int, side: Side, count: Count) -> None:
    assert cut(text, at_most=count(text) + more, side=side, count=count).taken is None


@given(TEXTS, st.integers(16, 80), SIDES)
def test_a_cut_keeps_no_less_than_half_of_what_would_fit(text: str, at_most: int, side: Side) -> None:
    done = cut(text, at_most=at_most, side=side, count=most_tokens)
    kept = len(done.text.encode())
    assert done.taken is None or kept >= (at_most - most_tokens("")) // 2 - len(GAP.encode()) - 4


@pytest.mark.parametrize(
    ("side", "letters", "kept"),
    [
        (Side.TAIL, 16, "one two three "),
        (Side.TAIL, 18, "one two three four"),
        (Side.HEAD, 17, "six seven eight"),
        (Side.HEAD, 15, "six seven eight"),
        (Side.MIDDLE, 29, f"one two {GAP}seven eight"),
    ],
)
def test_a_cut_is_made_at_a_space(side: Side, letters: int, kept: str) -> None:
    text = "one two three four five six seven eight"
    assert cut(text, at_most=most_tokens("x" * letters), side=side, count=most_tokens).text == kept


@pytest.mark.parametrize(("side", "kept"), [(Side.TAIL, "w" * 18), (Side.HEAD, "w" * 18)])
def test_a_word_that_is_too_long_is_cut_where_it_has_to_be(side: Side, kept: str) -> None:
    assert cut("w" * 100_000, at_most=20, side=side, count=most_tokens).text == kept


@given(TEXTS, st.integers(8, 80), COUNTS)
@example("日" * 50, 9, most_tokens)
def test_parts_fit_and_are_the_whole_text_in_order_but_for_white_space(text: str, at_most: int, count: Count) -> None:
    parts = list(split(text, at_most=at_most, count=count))
    end = 0
    for part in parts:
        assert text[end : part.start].strip() == ""
        assert text[part.start : part.end].strip() != ""
        assert count(text[part.start : part.end]) <= at_most
        end = part.end
    assert text[end:].strip() == ""


def test_parts_end_with_sentences_and_lines_where_these_are_near() -> None:
    parts = split(SENTENCES, at_most=most_tokens("x" * 30), count=most_tokens)
    assert [SENTENCES[part.start : part.end] for part in parts] == [
        "One is here. Two is there! ",
        "Is three? Four.\n",
        "Five goes on without an end ",
        "and on and on",
    ]


def test_a_text_that_fits_is_one_part() -> None:
    assert list(split(SENTENCES, at_most=1000, count=most_tokens)) == [Span(0, len(SENTENCES))]


def test_chinese_has_sentences_without_spaces() -> None:
    text = "今天天气很好。我们去公园散步吧。你来吗。"
    parts = split(text, at_most=most_tokens("x" * 36), count=most_tokens)
    assert [text[part.start : part.end] for part in parts] == ["今天天气很好。", "我们去公园散步吧。", "你来吗。"]


def test_a_character_that_counts_too_much_is_still_a_part() -> None:
    assert list(split("😀😀", at_most=3, count=most_tokens)) == [Span(0, 1), Span(1, 2)]
