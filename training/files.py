"""The files of a channel, and their rows by file and line."""

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from training.errors import TrainingError

PROMPTS = "prompts.jsonl"
NOT_DATA = frozenset({PROMPTS, "template.json", "run.toml"})
"""What a dataset's folder may hold beside its rows."""


def data_files(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """The folder's files of rows, by name. Hidden files and what is no data are passed over.

    Raises:
        TrainingError: there is none, or one of another kind.
    """
    allowed = " or ".join(f"*{suffix}" for suffix in suffixes)
    files = sorted(
        path for path in folder.iterdir() if path.is_file() and path.name not in NOT_DATA and path.name[0] != "."
    )
    for path in files:
        if path.suffix.lower() not in suffixes:
            raise TrainingError(f"The channel {folder.name} holds {path.name}: allowed are {allowed}.")
    if not files:
        raise TrainingError(f"The channel {folder.name} holds no data: put {allowed} there.")
    return files


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a *.jsonl file with their line numbers, empty lines left out. Raises TrainingError."""
    for number, line in lines(path):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as exc:
            raise TrainingError(f"{path.name}, line {number}, is not JSON: {exc}.") from exc
        if not isinstance(row, dict):
            raise TrainingError(f"{path.name}, line {number}, must be a JSON object, not {line.strip()[:40]}.")
        yield number, row


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a text file, numbered from 1. Raises TrainingError where it is not UTF-8."""
    with path.open("rb") as file:
        for number, content in enumerate(file, start=1):
            try:
                line = content.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as exc:
                raise TrainingError(
                    f"{path.name}, line {number}, is not UTF-8 (byte {exc.start + 1} of it): save the file as UTF-8."
                ) from exc
            yield number, line.removesuffix("\n").removesuffix("\r")


def table(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a CSV file with a header, each with the number of its last line. Raises TrainingError."""
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # a document in one field is the point of domain adaptation
    reader = csv.DictReader((line + "\n" for _, line in lines(path)), restkey=None, strict=True)
    try:
        for row in reader:
            if None in row:
                raise TrainingError(
                    f"{path.name}, line {reader.line_num}, has more fields than the header: quote texts with commas."
                )
            yield reader.line_num, dict(row)
    except csv.Error as exc:
        raise TrainingError(f"{path.name}, line {reader.line_num}, is not CSV: {exc}.") from exc
