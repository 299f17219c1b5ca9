"""Patterns that find a string however it is spelt for a tokenizer.

SentencePiece's own rule reads a text by NFKC before anything else: a full-width colon is a colon, and U+037E, which
looks like a semicolon, is one. What is neither seen nor spoken is left out, and case is no difference to a model.
Every pattern is possessive or cannot be continued in two ways, so the time is linear.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

# Control and format characters (Unicode's Cc and Cf) but for white space, variation selectors, and fillers.
UNSEEN = (
    r"\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160"
    r"\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb"
    r"\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)

# White space, with what SentencePiece takes for it (its own mark of a space, the replacement character), and unseen.
GAPS = rf"\s\u2581\ufffd{UNSEEN}"

# Where Unicode has characters that NFKC makes ASCII of. All of Unicode would take a second.
_COMPATIBLE = (
    range(0xA0, 0x2500),
    range(0x2A74, 0x2A77),
    range(0x2C7C, 0x2C7E),
    range(0x3000, 0x3400),
    range(0xA7F0, 0xA800),
    range(0xFB00, 0xFB30),
    range(0xFE10, 0xFFF0),
    range(0x10780, 0x107C0),
    range(0x1CCD6, 0x1CCFA),
    range(0x1D400, 0x1D800),
    range(0x1F100, 0x1F200),
    range(0x1FBF0, 0x1FBFA),
)


def hidden(text: str) -> str:
    """A pattern for `text` however it is spaced and spelt, and whatever unseen stands inside its words."""
    return rf"[{GAPS}]++".join(map(_word, text.split()))


def hidden_delimiter(text: str) -> str:
    """A pattern for a delimiter, which has no spaces. A tag is one with a slash or spaces at its end, too."""
    if not re.fullmatch(r"<\w+>", text):
        return hidden(text)
    return rf"{hidden(text[:-1])}(?:[{GAPS}]*+{hidden('/')})?[{GAPS}]*+{hidden('>')}"


def as_read(text: str) -> str:
    """What SentencePiece makes of a text before it looks for tokens, in small letters."""
    return unicodedata.normalize("NFKC", text).lower()


@cache
def compatible() -> Mapping[str, str]:
    """What is read as a string of ASCII in small letters, by that string."""
    found: dict[str, str] = {}
    for character in (chr(point) for points in _COMPATIBLE for point in points):
        if unicodedata.decomposition(character):
            read = as_read(character)
            if read.isascii():
                found[read] = found.get(read, "") + character
    return found


def _word(word: str) -> str:
    return _from(unicodedata.normalize("NFC", word), 0)


def _from(word: str, start: int) -> str:
    """The pattern for the rest of a word."""
    ways = []
    for taken, characters in _openings(word, start):
        end = start + taken
        rest = rf"[{UNSEEN}]*+{_from(word, end)}" if end < len(word) else ""
        ways.append(characters + rest)
    return ways[0] if len(ways) == 1 else f"(?:{'|'.join(ways)})"


def _openings(word: str, start: int) -> Iterator[tuple[int, str]]:
    """What the rest of a word may begin with: how many letters of it are read, and the pattern."""
    letter, rest = word[start], word[start:].lower()
    yield 1, _spelt(letter)
    for read in _several():
        if read[0] == rest[0] or not rest[0].isalnum():
            for taken in _letters_read(read, rest, opens=start == 0):
                yield taken, _one_of(compatible()[read])


def _spelt(letter: str) -> str:
    """A letter in either case; one with a mark may also be written as the letter and the mark behind it."""
    one = _one_of(f"{letter}{letter.lower()}{letter.upper()}" + compatible().get(letter.lower(), ""))
    parts = unicodedata.decomposition(letter.lower()[0]).split()
    if len(parts) != 2 or parts[0].startswith("<"):
        return one
    base, mark = (chr(int(part, 16)) for part in parts)
    return rf"(?:{one}|{_spelt(base)}[{UNSEEN}]*+{mark})"


@cache
def _several() -> Sequence[str]:
    """What a single character is read as that is more than one."""
    return [read for read in compatible() if len(read) > 1]


def _letters_read(read: str, rest: str, *, opens: bool) -> Iterator[int]:
    """How many letters of `rest` a character may give that is read as several: it may go on behind the last one, and
    where a mark opens the word, begin before it.
    """
    if rest.startswith(read) or read.startswith(rest):
        yield min(len(read), len(rest))
    if opens and not rest[0].isalnum():
        yield from (taken for taken in range(1, len(read)) if rest.startswith(read[-taken:]))


def _one_of(characters: str) -> str:
    several = dict.fromkeys(characters)
    return re.escape(characters[0]) if len(several) == 1 else f"[{''.join(map(re.escape, several))}]"
