"""Rows of a CSV file, with its header's names."""

import csv
from collections.abc import Iterable, Iterator
from typing import Final

from finetune.findings import Refuse
from finetune.text import lines

MAX_FIELD_CHARACTERS: Final = 131_072
"""Of one field: a quote that is never closed ends there."""


def csv_rows(chunks: Iterable[bytes], refuse: Refuse) -> Iterator[tuple[int, dict[str, str]]]:
    """Each row as an object, with the number of its first line. Rows of another length than the header are refused."""
    csv.field_size_limit(MAX_FIELD_CHARACTERS)  # the whole process's, and set here whatever somebody else made of it
    reader = csv.reader((f"{text}\n" for _, text in lines(chunks, refuse)), strict=True)
    begins = 1
    try:
        header = next(reader, None)
        if header is None:
            return
        if len(set(header)) < len(header) or not all(name.strip() for name in header):
            refuse(1, f"the header must name every column, each differently, and is {','.join(header)[:80]}")
        begins = reader.line_num + 1
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
            begins = reader.line_num + 1
    except csv.Error as error:
        refuse(begins, f"not valid CSV in the row that begins here: {error}; the rest of the file was not read")
