"""What keeps the user's text inside a task's frame.

A model reads a delimiter as the end of an output, and a delimiter with one of the shape's labels behind it as
the next part of the frame. So these of the user's are replaced: every delimiter in a shot's output, and
elsewhere a delimiter that a label follows. All else is left as it is: a semicolon in a passage stays.

What is neither seen nor spoken (control and format characters, such as right-to-left marks) and, between
delimiter and label, white space and more delimiters, do not hide either of them; nor do their case, characters that
tokenizers take for theirs (a full-width colon, the Greek question mark), or what HTML allows in `<br />`.
Where a text ends and the frame goes on does not matter either: the prompt is looked at as a whole. Every
pattern is possessive, so the time is linear in the prompt's length.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from operator import itemgetter
from typing import NamedTuple

from proxy.tasks.hidden import GAPS, hidden, hidden_delimiter


class Origin(Enum):
    """Who wrote a piece of a prompt, and as what."""

    FRAME = "frame"
    INPUT = "input"
    OUTPUT = "output"


class Piece(NamedTuple):
    text: str
    origin: Origin


@dataclass(frozen=True)
class Guard:
    """`labels` are the shape's own, longest first. Where the next shot does not open with one of them, a
    delimiter alone is what ends a shot.
    """

    delimiter: str
    instead: str
    labels: Sequence[str]
    opens_with_label: bool

    def joined(self, pieces: Sequence[Piece]) -> str:
        """The prompt of these pieces, with the same structure whatever the user's hold."""
        pieces = [Piece(self._neutral(piece), piece.origin) for piece in pieces]
        while (safer := self._pass(pieces)) != pieces:
            # What took a delimiter's place may have completed a label: as many rounds as labels nest, which
            # is two for the shapes here.
            pieces = safer
        return "".join(piece.text for piece in pieces)

    @cached_property
    def most_added(self) -> int:
        """Tokens that a text may have more, by any count, once `instead` is where a delimiter was: none, unless that is
        longer. Of a delimiter what counts for sure is what is no letter; one that begins or ends with a letter may
        share a token with what it touches, at either end.
        """
        plain = unicodedata.normalize("NFKC", self.delimiter)
        sure = sum(not letter.isascii() or not letter.isalpha() for letter in plain)
        shared = any(letter.isascii() and letter.isalpha() for letter in (plain[0], plain[-1]))
        return max(0, len(self.instead.encode()) + 2 * shared - sure)

    def delimiters_in(self, text: str) -> int:
        return sum(1 for _ in self._delimiter.finditer(text))

    def _neutral(self, piece: Piece) -> str:
        """A piece by itself."""
        if piece.origin is Origin.OUTPUT:
            return self._without_delimiters(piece.text)
        if piece.origin is Origin.INPUT and not self.opens_with_label and self._label.search(piece.text):
            return self._without_delimiters(piece.text)  # a whole shot could be written in it
        return piece.text

    def _pass(self, pieces: Sequence[Piece]) -> list[Piece]:
        """The pieces without those of the user's delimiters that a label follows."""
        prompt = "".join(piece.text for piece in pieces)
        runs = [run.span() for run in self._delimiters.finditer(prompt) if run[1] is not None]
        safer, offset = [], 0
        for piece in pieces:
            is_frame = piece.origin is Origin.FRAME
            safer.append(piece if is_frame else Piece(self._broken(piece.text, offset, runs), piece.origin))
            offset += len(piece.text)
        return safer

    def _broken(self, text: str, offset: int, runs: Sequence[tuple[int, int]]) -> str:
        """`text`, which stands at `offset` of the prompt, without the delimiters in these spans of the prompt."""
        kept, done = [], 0
        for index in range(bisect_right(runs, offset, key=itemgetter(1)), len(runs)):
            start, end = runs[index][0] - offset, runs[index][1] - offset
            if start >= len(text):
                break
            kept += [text[done : max(start, 0)], self._without_delimiters(text[max(start, 0) : end])]
            done = end
        return "".join(kept) + text[done:]

    def _without_delimiters(self, text: str) -> str:
        return self._delimiter.sub(lambda _: self.instead, text)

    @cached_property
    def _delimiter(self) -> re.Pattern[str]:
        return re.compile(hidden_delimiter(self.delimiter))

    @cached_property
    def _label(self) -> re.Pattern[str]:
        return re.compile("|".join(map(hidden, self.labels)))

    @cached_property
    def _delimiters(self) -> re.Pattern[str]:
        """A whole run of delimiters, and an empty group 1 where a label follows. It has to match without one too,
        or each delimiter of a run would be tried by itself.
        """
        delimiter, labels = hidden_delimiter(self.delimiter), "|".join(map(hidden, self.labels))
        return re.compile(rf"{delimiter}(?:[{GAPS}]|{delimiter})*+((?={labels}))?")
