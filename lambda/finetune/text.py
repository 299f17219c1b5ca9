"""Bytes as they come become lines, or the elements of a JSON array: never more than one of them is held.

What cannot be read is refused with its place, and the rest goes on, so that one look finds all.
"""

import codecs
import json
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, Final, NoReturn

from finetune.findings import Refuse

MAX_ROW_BYTES: Final = 1_048_576
"""A row beyond this is no sample: it is some hundred thousand tokens, and no model here takes 5,000."""

_UTF_8_MARK: Final = codecs.BOM_UTF8
_LONGEST_MARK: Final = 4
_OTHER_MARKS: Final = (  # the longer ones first: UTF-32's begins as UTF-16's does
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


def lines(chunks: Iterable[bytes], refuse: Refuse) -> Iterator[tuple[int, str]]:
    """Each line that can be read, with its number from 1, without its end. Empty ones are lines too."""
    unmarked = _without_mark(chunks, refuse)
    for number, offset, line in _split(unmarked.chunks, unmarked.skipped, refuse):
        text = _decoded(line, number, offset, refuse)
        if text is not None:
            yield number, text.removesuffix("\r")


def json_rows(chunks: Iterable[bytes], refuse: Refuse) -> Iterator[tuple[int, Any]]:
    """The values of a file of JSON: the elements of an array, or one a line. With the line that each begins in."""
    head, everything = _peeked(chunks)
    rows = _elements(everything, refuse) if head.lstrip(_UTF_8_MARK + b" \t\r\n").startswith(b"[") else None
    yield from json_lines(everything, refuse) if rows is None else rows


def json_lines(chunks: Iterable[bytes], refuse: Refuse) -> Iterator[tuple[int, Any]]:
    """One JSON value a line."""
    for number, text in lines(chunks, refuse):
        if not text.strip():
            refuse(number, "the line is empty; remove it")
            continue
        try:
            yield number, _DECODER.decode(text)
        except RecursionError:
            refuse(number, "not a row: it is nested too deeply")
        except json.JSONDecodeError as error:
            refuse(number, f"not valid JSON: {error.msg} at column {error.colno}")
        except ValueError as error:
            refuse(number, f"not valid JSON: {error}")


def _refuse_constant(literal: str) -> NoReturn:
    raise ValueError(f"it holds {literal}, and numbers must be finite")


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant)


class _Unmarked:
    """A file's chunks from behind its byte order mark on, and how many bytes that was."""

    def __init__(self, chunks: Iterable[bytes], skipped: int) -> None:
        self.chunks = chunks
        self.skipped = skipped


def _without_mark(chunks: Iterable[bytes], refuse: Refuse) -> _Unmarked:
    head, everything = _peeked(chunks)
    for mark, name in _OTHER_MARKS:
        if head.startswith(mark):
            refuse(1, f"the file is {name}, as the mark at byte 0 says; save it as UTF-8")
            return _Unmarked((), 0)
    if not head.startswith(_UTF_8_MARK):
        return _Unmarked(everything, 0)
    refuse(1, "a byte order mark stands at byte 0, which training takes for text; save the file as UTF-8 without one")
    first = next(everything)
    return _Unmarked(chain((first[len(_UTF_8_MARK) :],), everything), len(_UTF_8_MARK))


def _peeked(chunks: Iterable[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """All chunks of a file, the first of them long enough to tell what it is; and that first one."""
    rest = iter(chunks)
    head = b""
    while len(head) < MAX_ROW_BYTES and len(head.lstrip(_UTF_8_MARK + b" \t\r\n")) < _LONGEST_MARK:
        chunk = next(rest, None)
        if chunk is None:
            break
        head += chunk
    return head, chain((head,), rest)


def _split(chunks: Iterable[bytes], offset: int, refuse: Refuse) -> Iterator[tuple[int, int, bytes]]:
    """(number, byte offset, line) of each line of at most MAX_ROW_BYTES; the longer ones are refused."""
    number = 1
    held = bytearray()
    dropped = 0  # bytes of this line that were let go because it is too long
    for chunk in chunks:
        *complete, rest = chunk.split(b"\n")
        for piece in complete:
            length = dropped + len(held) + len(piece)
            if length > MAX_ROW_BYTES:
                refuse(number, _too_long(length))
            else:
                yield number, offset, bytes(held) + piece if held else piece
            held.clear()
            dropped = 0
            offset += length + 1
            number += 1
        held += rest
        if dropped + len(held) > MAX_ROW_BYTES:
            dropped += len(held)
            held.clear()
    if dropped:
        refuse(number, _too_long(dropped + len(held)))
    elif held:
        yield number, offset, bytes(held)


def _too_long(length: int) -> str:
    return f"the row is {length} bytes long, and at most {MAX_ROW_BYTES} are read; divide it"


def _decoded(line: bytes, number: int, offset: int, refuse: Refuse) -> str | None:
    if b"\0" in line:
        refuse(number, f"byte {offset + line.index(0)} is zero, as in UTF-16 or a binary file; save it as UTF-8")
        return None
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        place = offset + error.start
        refuse(number, f"byte {place} (0x{line[error.start]:02x}) is not UTF-8; save the file as UTF-8")
        return None


def _elements(chunks: Iterable[bytes], refuse: Refuse) -> Iterator[tuple[int, Any]]:
    """The elements of the one array that a file holds, parsed one by one."""
    text = _Window(_characters(_without_mark(chunks, refuse).chunks, refuse))
    text.skip("[")
    while True:
        begins = text.peek()
        if begins in ("", "]"):
            break
        line = text.line
        try:
            yield line, text.value()
        except RecursionError:
            return refuse(line, "not a row: it is nested too deeply; the rest of the file was not read")
        except ValueError as error:
            what = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            return refuse(line, f"not valid JSON in the element that begins here: {what}; the rest was not read")
        if text.peek() not in (",", "]"):
            break
        text.skip(",")
    if text.peek() != "]":
        return refuse(text.line, "the array has no end: a comma or a closing bracket is missing")
    text.skip("]")
    if text.peek():
        refuse(text.line, "something follows the end of the array; remove it")
    return None


def _characters(chunks: Iterable[bytes], refuse: Refuse) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    offset = 0
    for chunk in chain(chunks, (b"",)):
        held = len(decoder.getstate()[0])
        try:
            yield decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            refuse(None, f"byte {offset - held + error.start} is not UTF-8; save the file as UTF-8")
            return
        offset += len(chunk)


class _Window:
    """The characters around the place where a JSON array is being read."""

    def __init__(self, pieces: Iterator[str]) -> None:
        self._pieces = pieces
        self._text = ""
        self._at = 0
        self.line = 1

    def peek(self) -> str:
        """The next character that is no white space; empty at the end."""
        while True:
            end = self._at
            while end < len(self._text) and self._text[end] in " \t\r\n":
                end += 1
            self._advance(end)
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._fill(1):
                return ""

    def skip(self, character: str) -> None:
        if self.peek() == character:
            self._advance(self._at + 1)

    def value(self) -> Any:
        """The JSON value that begins here. Raises ValueError; never holds much more than MAX_ROW_BYTES."""
        self.peek()
        while True:
            try:
                found, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError:
                if not self._more():
                    raise
                continue
            if end == len(self._text) and self._more():
                continue  # a number may go on
            self._advance(end)
            return found

    def _more(self) -> bool:
        held = len(self._text) - self._at
        if held > MAX_ROW_BYTES:
            raise ValueError(f"it is longer than {MAX_ROW_BYTES} characters, or never ends")
        return self._fill(max(held, 1))  # twice as much each time: else a long element is parsed again for every chunk

    def _fill(self, wanted: int) -> bool:
        """Whether there was more; at least `wanted` characters of it where the file has so many."""
        pieces = []
        while wanted > 0 and (piece := next(self._pieces, None)) is not None:
            pieces.append(piece)
            wanted -= len(piece)
        self._text = self._text[self._at :] + "".join(pieces)
        self._at = 0
        return any(pieces)

    def _advance(self, to: int) -> None:
        self.line += self._text.count("\n", self._at, to)
        self._at = to
