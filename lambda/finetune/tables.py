"""Rows of a CSV file, with its header's names."""

import csv
from collections.abc import Iterable, Iterator
from typing import Final

from finetune.findings import Refuse
from finetune.text import MAX_ROW_BYTES, lines

MAX_FIELD_CHARACTERS: Final = 131_072
"""Of one field: a quote that is never closed ends there."""

_OTHER_SEPARATORS: Final = (";", "\t")
"""Of spreadsheets in some languages: every row would be learned with them, as one text."""
_SAID_SEPARATORS: Final = "semicolons or tabs"


def csv_rows(chunks: Iterable[bytes], refuse: Refuse) -> Iterator[tuple[int, dict[str, str]]]:
    """Each row as an object, with the number of its first line. Rows of another length than the header are refused."""
    csv.field_size_limit(MAX_FIELD_CHARACTERS)  # the whole process's, and set here whatever somebody else made of it
    fed = _Fed(text for _, text in lines(chunks, refuse))
    reader = csv.reader(fed, strict=True)
    begins = 1
    try:
        header = next(reader, None)
        if header is None:
            return
        if len(set(header)) < len(header) or not all(name.strip() for name in header):
            refuse(1, f"the header must name every column, each differently, and is {','.join(header)[:80]}")
        elif len(header) == 1 and any(separator in header[0] for separator in _OTHER_SEPARATORS):
            refuse(
                1, f"the header {header[0][:80]!r} is one column; separate columns by commas, not {_SAID_SEPARATORS}"
            )
        begins = fed.begin_row(reader.line_num)
        for row in reader:
            if not row:
                refuse(begins, "the line is empty; remove it")
            elif len(row) != len(header):
                refuse(
                    begins,
                    f"the row has {len(row)} fields, and the header {len(header)}; quote fields that hold commas",
                )
            else:
                yield begins, dict(zip(header, row, strict=True))
            begins = fed.begin_row(reader.line_num)
    except csv.Error as error:
        refuse(begins, f"not valid CSV in the row that begins here: {error}; the rest of the file was not read")


class _Fed:
    """Lines on their way into a reader, which holds a row until its last quote is closed: so many bytes at most."""

    def __init__(self, texts: Iterator[str]) -> None:
        self._texts = texts
        self._row_bytes = 0

    def begin_row(self, lines_read: int) -> int:
        """The number of the line that the next row begins in."""
        self._row_bytes = 0
        return lines_read + 1

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        text = next(self._texts)
        self._row_bytes += len(text) if text.isascii() else len(text.encode())
        if self._row_bytes > MAX_ROW_BYTES:
            raise csv.Error(f"it is longer than {MAX_ROW_BYTES} bytes, or a quote in it is never closed")
        return f"{text}\n"
