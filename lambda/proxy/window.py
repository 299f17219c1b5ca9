"""A model's window, and what becomes of a text that is longer: pure planning, nothing is called here.

Tokens are counted by a function that is given: `estimate_tokens`, or `most_tokens` where it must not be too
low. It may count a frame around the text, too: what it says of no text at all is in every count. All that is
needed of it is that a longer text never counts less, that parts count at least as much as their whole (that
frame counted once), and that no text has more than MAX_BYTES_PER_TOKEN times as many bytes as tokens.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import NamedTuple

MAX_BYTES_PER_TOKEN = 4

GAP = " … "  # where a middle was cut out, so that its two sides are not read as one sentence

Count = Callable[[str], int]

# Compiled by the first cut: a cold start has no use for it, and it takes most of a millisecond.
_SENTENCE_END = r"[.!?…。！？]['\"’”»)\]]*+\s++|\n++|[。！？]"  # noqa: RUF001 (as written in Chinese)


class Window(NamedTuple):
    """What a model takes, in tokens: as input, and as input and output together."""

    input_tokens: int
    total_tokens: int


class Side(StrEnum):
    """Where a text is cut."""

    HEAD = "head"
    TAIL = "tail"
    MIDDLE = "middle"


class Span(NamedTuple):
    """Characters of a text, from `start` up to but not including `end`."""

    start: int
    end: int


class Cut(NamedTuple):
    """What is left of a text, and what of it was taken out; None where all of it is left."""

    text: str
    taken: Span | None


def cut(text: str, *, at_most: int, side: Side, count: Count) -> Cut:
    """`text` shortened at `side`, at a space if one is near, until it counts no more than `at_most` tokens.

    Nothing of it may be left where `at_most` is next to nothing.
    """
    if count(text) <= at_most:
        return Cut(text, None)
    match side:
        case Side.TAIL:
            end = _prefix_end(text, at_most, count)
            return Cut(text[:end], Span(end, len(text)))
        case Side.HEAD:
            start = _suffix_start(text, at_most, count)
            return Cut(text[start:], Span(0, start))
        case Side.MIDDLE:
            half = count("") + (at_most - count(GAP)) // 2
            end, start = _prefix_end(text, half, count), _suffix_start(text, half, count)
            return Cut(text[:end] + GAP + text[start:], Span(end, start))


def split(text: str, *, at_most: int, count: Count) -> Iterator[Span]:
    """Parts of `text` in order that each count no more than `at_most` tokens, without those of white space only.

    A part ends at the last end of a sentence or a line in its second half, else at its last space, else where
    it has to. One character is a part at the least, whatever it counts.
    """
    start = 0
    while start < len(text):
        rest = text[start : start + MAX_BYTES_PER_TOKEN * max(at_most, 1)]
        longest = max(1, _longest_prefix(rest, at_most, count))
        whole = start + longest == len(text)
        end = start + (longest if whole else _sentence_end(rest, longest) or _word_end(rest, longest))
        if not text[start:end].isspace():
            yield Span(start, end)
        start = end


def room_for_input(window: Window, new_tokens: int) -> int:
    """Tokens that an input may have where the output is to have up to `new_tokens`."""
    return min(window.input_tokens, window.total_tokens - new_tokens)


def _prefix_end(text: str, at_most: int, count: Count) -> int:
    return _word_end(text, _longest_prefix(text, at_most, count))


def _suffix_start(text: str, at_most: int, count: Count) -> int:
    """The start of the longest suffix that fits, moved behind a space if one is in its first half."""
    first = max(0, len(text) - MAX_BYTES_PER_TOKEN * max(at_most, 0))
    start = bisect_left(range(first, len(text) + 1), -at_most, key=lambda index: -count(text[index:])) + first
    space = re.compile(r"\s").search(text, max(start - 1, 0), (start + len(text)) // 2)
    return space.end() if space else min(start, len(text))


def _longest_prefix(text: str, at_most: int, count: Count) -> int:
    """How many characters of `text` count no more than `at_most` tokens."""
    most = min(len(text), MAX_BYTES_PER_TOKEN * max(at_most, 0))
    return max(0, bisect_right(range(most + 1), at_most, key=lambda end: count(text[:end])) - 1)


def _word_end(text: str, longest: int) -> int:
    """The end of the last word in the first `longest` characters; all of them if that would halve them."""
    if longest >= len(text) or text[longest].isspace():
        return longest
    for end in range(longest, longest // 2, -1):
        if text[end - 1].isspace():
            return end
    return longest


def _sentence_end(text: str, longest: int) -> int | None:
    """The end of the last sentence or line that ends in the second half of the first `longest` characters."""
    ends = [end.end() for end in re.compile(_SENTENCE_END).finditer(text, longest // 2, longest)]
    return ends[-1] if ends else None
