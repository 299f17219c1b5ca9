"""The three shapes of a dataset: instruction tuning, domain adaptation, chat."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from training import files, templates
from training.errors import TrainingError
from training.hyperparameters import Hyperparameters
from training.rows import Row, Segment

Render = Callable[[list[dict[str, str]], bool], str]
"""The tokenizer's chat template: messages, and whether the assistant's next turn is opened -> text."""

ROLES = ("system", "user", "assistant")
TEXT = "text"


def read(folder: Path, templates_folder: Path, hyperparameters: Hyperparameters, render: Render) -> list[Row]:
    """The rows below `folder`, whose template is in `templates_folder`.

    Raises:
        TrainingError: a file or a row is not of the shape that the hyperparameters announce, or there is no row.
    """
    if hyperparameters.instruction_tuned:
        template = templates.read(templates_folder, demarcated=hyperparameters.add_input_output_demarcation_key)
        rows = list(_instructions(folder, template))
    elif hyperparameters.chat_dataset:
        rows = list(_dialogs(folder, render))
    else:
        rows = list(_documents(folder))
    if not rows:
        raise TrainingError(f"The channel {folder.name} holds no row: its files are empty.")
    return rows


def _instructions(folder: Path, template: templates.Template) -> Iterator[Row]:
    for path in files.data_files(folder, (".jsonl",)):
        for number, row in files.json_lines(path):
            try:
                prompt, completion = template.fill(row)
            except templates.RowError as exc:
                raise TrainingError(f"{path.name}, line {number}: {exc}.") from exc
            if not completion.strip():
                raise TrainingError(
                    f"{path.name}, line {number}: the completion is empty, so there is nothing to learn."
                )
            yield Row((Segment(prompt, learned=False), Segment(completion, learned=True)))


def _dialogs(folder: Path, render: Render) -> Iterator[Row]:
    for path in files.data_files(folder, (".jsonl",)):
        for number, row in files.json_lines(path):
            where = f"{path.name}, line {number}"
            yield _dialog(_messages(row, where), where, render)


def _messages(row: Mapping[str, Any], where: str) -> list[dict[str, str]]:
    messages = row.get("dialog")
    if not isinstance(messages, list) or not messages:
        raise TrainingError(f'{where}: the key dialog must be a list of {{"role": …, "content": …}}.')
    for message in messages:
        right = isinstance(message, dict) and message.get("role") in ROLES and isinstance(message.get("content"), str)
        if not right:
            raise TrainingError(
                f"{where}: {json.dumps(message)[:60]} is no message: its role is one of"
                f" {', '.join(ROLES)}, its content is text."
            )
    if messages[-1]["role"] != "assistant":
        raise TrainingError(
            f"{where}: the dialog ends with the {messages[-1]['role']}: the assistant has the last word."
        )
    return [{"role": message["role"], "content": message["content"]} for message in messages]


def _dialog(messages: list[dict[str, str]], where: str, render: Render) -> Row:
    """The assistant's turns are learned, with the mark that ends them; the others are read."""
    segments: list[Segment] = []
    written = ""
    for index, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        for learned, text in ((False, render(messages[:index], True)), (True, render(messages[: index + 1], False))):
            if not text.startswith(written):
                raise TrainingError(
                    f"{where}: this model's chat template writes earlier turns anew with every turn, so a dialog"
                    " of several turns cannot be learned: give one answer a row."
                )
            segments.append(Segment(text[len(written) :], learned))
            written = text
    return Row(tuple(segments))


def _documents(folder: Path) -> Iterator[Row]:
    paths = files.data_files(folder, (".csv", ".json", ".txt"))
    if len(paths) > 1:
        names = ", ".join(path.name for path in paths)
        raise TrainingError(f"The channel {folder.name} holds {names}: domain adaptation takes one file a channel.")
    path = paths[0]
    if path.suffix.lower() == ".txt":
        texts: Iterator[tuple[int, Any]] = files.lines(path)
    else:
        rows = files.table(path) if path.suffix.lower() == ".csv" else _json_rows(path)
        texts = _column(rows, path)
    for number, text in texts:
        if not isinstance(text, str):
            raise TrainingError(f"{path.name}, row {number}: the text is {json.dumps(text)[:40]}, not a string.")
        if text.strip():
            yield Row((Segment(text, learned=True),))


def _column(rows: Iterator[tuple[int, dict[str, Any]]], path: Path) -> Iterator[tuple[int, Any]]:
    """The column `text` of every row, the first row's first one where that has none."""
    column = TEXT
    for at, (number, row) in enumerate(rows):
        if not row:
            raise TrainingError(f"{path.name}, row {number}, is empty: it needs the column {TEXT}.")
        if at == 0 and TEXT not in row:
            column = next(iter(row))
        if column not in row:
            raise TrainingError(f"{path.name}, row {number}: the column {column} is missing, and the first row has it.")
        yield number, row[column]


def _json_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """A JSON list of objects, numbered from 1, or one object a line."""
    content = "\n".join(line for _, line in files.lines(path))
    if not content.lstrip().startswith("["):
        yield from files.json_lines(path)
        return
    try:
        rows = json.loads(content)
    except (ValueError, RecursionError) as exc:
        raise TrainingError(f"{path.name} is not JSON: {exc}.") from exc
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise TrainingError(f"{path.name}, row {number}, must be a JSON object, not {json.dumps(row)[:40]}.")
        yield number, row
