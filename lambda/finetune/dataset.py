"""CheckDataset: whether a dataset can be learned from, and what is in it. One pass over its bytes, in constant memory.

Every bad row is counted and the first 20 are named by file and line; nothing is skipped silently. Besides the row at
hand (1 MiB at most) a check holds 16 MiB, whatever the dataset's size.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from hashlib import sha256
from itertools import islice
from math import ceil
from typing import Any, Final, Protocol

from common.tokens import estimate_tokens

from finetune import rows
from finetune.asked import Asked
from finetune.findings import Findings, Problem, Refuse
from finetune.hyperparameters import RULES, Rules, Scalar, checked
from finetune.layout import File, Format, Layout, check_files, laid_out
from finetune.measures import Lengths, Repeats
from finetune.rows import DOLLY, BadRow, Template
from finetune.tables import csv_rows
from finetune.text import MAX_ROW_BYTES, json_lines, json_rows, lines

MAX_PROMPTS: Final = 200
DEFAULT_INPUT_TOKENS: Final = 1024
"""What max_input_length = -1 means, unless the model takes less."""
_HALF: Final = 0.5


class Reader(Protocol):
    """Where the dataset lies: S3, to the deployed code."""

    def list(self, prefix: str) -> Iterable[tuple[str, int]]:
        """Every key that begins with `prefix`, and its size in bytes."""
        ...

    def open(self, key: str) -> Iterator[bytes]:
        """The object's content, in chunks of at most some MiB."""
        ...


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was found. `problems` are the first of `problem_count`; with any there is nothing to train on.

    `rows` are those that were read and are good. `duplicates` is approximate (`finetune.measures.Repeats`). `sha256`
    covers names and contents of what is learned from: training files, validation files, template.
    """

    format: Format
    train_folder: str  # "train/", or empty where the files lie at the root
    beside: tuple[str, ...]  # what lies in the root with the training files and is none
    has_validation: bool
    has_prompts: bool
    files: Mapping[str, int]  # bytes by name, of all that was read
    rows: Mapping[str, int]  # "train", "validation", "prompts"
    problems: tuple[Problem, ...]
    problem_count: int
    warnings: tuple[str, ...]
    duplicates: int
    token_histogram: list[dict[str, Any]] = field(default_factory=list)
    longest_tokens: int = 0
    longest_prompt_tokens: int = 0
    longest_prompt_line: int = 0
    sha256: str

    @property
    def bytes(self) -> int:
        return sum(self.files.values())

    def to_data(self) -> dict[str, Any]:
        """As JSON: some KB at most, with at most 20 file names."""
        shown = dict(islice(self.files.items(), 20))
        data = {**asdict(self), "files": shown, "file_count": len(self.files), "bytes": self.bytes}
        data["problems"] = [problem.to_data() for problem in self.problems]
        return data

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "Report":
        """What `to_data` gave, as the next step gets it."""
        known = {name: data[name] for name in cls.__dataclass_fields__}
        known["problems"] = tuple(Problem(**problem) for problem in data["problems"])
        return cls(**{**known, "beside": tuple(data["beside"]), "warnings": tuple(data["warnings"])})


def check(
    reader: Reader, asked: Asked, *, defaults: Mapping[str, Scalar] | None = None, rules: Rules | None = RULES
) -> Report:
    """Reads the whole dataset that `asked` names. `defaults` are the stage's hyperparameters, under those asked for;
    `rules` are those of its program (`programs.rules_of`). A script's say nothing of the dataset: nobody here knows
    them.

    Raises BadRequest for hyperparameters that do not exist.
    """
    given = {} if rules is None else checked({**(defaults or {}), **asked.hyperparameters}, rules)
    return _Check(reader, asked, given, is_script=rules is None).run()


class _Check:
    def __init__(self, reader: Reader, asked: Asked, given: Mapping[str, str], *, is_script: bool) -> None:
        self.reader = reader
        self.prefix = asked.prefix
        self.given = given
        self.is_script = is_script
        self.findings = Findings()
        self.lengths = Lengths()
        self.repeats = Repeats()
        self.digest = sha256()
        self.counted = {"train": 0, "validation": 0, "prompts": 0}
        self.column: str | None = None
        self.longest_prompt = 0, 0  # estimated tokens, line

    def run(self) -> Report:
        listed = ((key.removeprefix(self.prefix), size) for key, size in self.reader.list(self.prefix))
        layout = laid_out(listed, self.findings)
        format = self._format(layout)
        check_files(layout, format, self.findings)
        template = self._template(layout.template) if format == "instruction" else DOLLY
        if template is not None:
            self._rows(layout, self._sample_of(format, template))
        self._prompts(layout.prompts)
        self._judge(layout, format)
        found = self.findings
        return Report(
            format=format,
            train_folder=layout.train_folder,
            beside=layout.beside,
            has_validation=bool(layout.validation),
            has_prompts=layout.prompts is not None,
            files={file.name: file.size for file in _read_files(layout)},
            rows=self.counted,
            problems=tuple(found.problems),
            problem_count=found.problem_count,
            warnings=tuple(found.warnings),
            duplicates=self.repeats.count,
            token_histogram=self.lengths.to_data(),
            longest_tokens=self.lengths.longest_tokens,
            longest_prompt_tokens=self.longest_prompt[0],
            longest_prompt_line=self.longest_prompt[1],
            sha256=self.digest.hexdigest(),
        )

    def _format(self, layout: Layout) -> Format:
        """As the hyperparameters say; where they say nothing, as the first row looks."""
        if self.given.get("instruction_tuned") == "True":
            return "instruction"
        if self.given.get("chat_dataset") == "True":
            return "chat"
        first = next((file for file in layout.training if file.extension == ".jsonl"), None)
        if first is None or {"instruction_tuned", "chat_dataset"} & self.given.keys():
            return "domain"
        row = next(json_lines(self._chunks(first), lambda *_: None), (0, None))[1]
        return "chat" if isinstance(row, Mapping) and "dialog" in row else "instruction"

    def _chunks(self, file: File) -> Iterator[bytes]:
        return self.reader.open(self.prefix + file.name)

    def _digested(self, file: File) -> Iterator[bytes]:
        """The chunks, on their way into the dataset's hash."""
        content = sha256()
        for chunk in self._chunks(file):
            content.update(chunk)
            yield chunk
        self.digest.update(f"{file.name}\0{content.hexdigest()}\n".encode())

    def _template(self, file: File | None) -> Template | None:
        """The dataset's, or the usual one; None where its own is none."""
        if file is None:
            return DOLLY
        try:
            if file.size > MAX_ROW_BYTES:
                raise BadRow(f"the template is {file.size} bytes long, and at most {MAX_ROW_BYTES} are read")
            return Template.parse(json.loads(b"".join(self._digested(file)).decode()))
        except (BadRow, ValueError, RecursionError) as error:
            what = str(error) if isinstance(error, BadRow) else f"not valid JSON in UTF-8: {error}"
            self.findings.add(file.name, None, what)
            return None

    def _sample_of(self, format: Format, template: Template) -> Callable[[Any], str]:
        match format:
            case "instruction":
                return partial(rows.instruction, template=template)
            case "chat":
                return rows.chat
            case "domain":
                return self._domain

    def _domain(self, row: Any) -> str:
        if self.column is None and isinstance(row, Mapping):
            self.column = rows.column_of(row)
        return rows.domain(row, self.column or "text")

    def _rows(self, layout: Layout, sample_of: Callable[[Any], str]) -> None:
        for part, files in (("train", layout.training), ("validation", layout.validation)):
            for file in files:
                if file.size:
                    self.column = None
                    self._file(file, part, sample_of)

    def _file(self, file: File, part: str, sample_of: Callable[[Any], str]) -> None:
        refuse = self.findings.of(file.name)
        cuts_off = self.given.get("max_input_length", "-1")
        for line, row in read_rows(self._digested(file), file.extension, refuse):
            try:
                text = sample_of(row)
            except BadRow as bad:
                refuse(line, str(bad))
                continue
            self.counted[part] += 1
            self.lengths.add(text, limit_tokens=_limit(cuts_off))
            if part == "train":
                self.repeats.add(text)

    def _prompts(self, file: File | None) -> None:
        if file is None:
            return
        refuse = self.findings.of(file.name)
        for line, row in json_lines(self._chunks(file), refuse):
            try:
                self.longest_prompt = max(self.longest_prompt, (estimate_tokens(rows.prompt(row)), line))
            except BadRow as bad:
                refuse(line, str(bad))
            self.counted["prompts"] += 1
            if self.counted["prompts"] > MAX_PROMPTS:
                refuse(line, f"there are more than {MAX_PROMPTS} prompts; the rest was not read")
                return

    def _judge(self, layout: Layout, format: Format) -> None:
        """What only the whole shows."""
        found = self.findings
        ratio = float(self.given.get("validation_split_ratio", RULES["validation_split_ratio"].default))
        if not found.problem_count and not self.counted["train"]:
            found.add("", None, "there is no row to learn from")
        elif not found.problem_count and not layout.validation and self.counted["train"] < 2:
            found.add("", None, "there is one row; at least two are needed, one of them for validation")
        if not layout.validation and ratio == 0:
            found.add("", None, "nothing validates: give validation/ or a validation_split_ratio above 0")
        if not layout.validation and (ratio == 1 or (not found.problem_count and self._takes_all(ratio))):
            found.add(
                "",
                None,
                f"nothing is left to learn from: a validation_split_ratio of {ratio:g} takes all of "
                f"{self.counted['train']} rows; lower it, add rows, or give validation/",
            )
        if self.repeats.count:
            found.warnings.append(f"About {self.repeats.count} rows repeat an earlier one. They are kept.")
        if not self.is_script:  # which cuts rows off where it likes
            self._judge_lengths(format)

    def _takes_all(self, ratio: float) -> bool:
        """As the training splits (training/dataset.py): the share is rounded up."""
        return ceil(round(self.counted["train"] * ratio, 9)) >= self.counted["train"]

    def _judge_lengths(self, format: Format) -> None:
        found, lengths = self.findings, self.lengths
        cuts_off = self.given.get("max_input_length", "-1")
        if lengths.over_rows and format != "domain":
            found.warnings.append(
                f"About {lengths.over_rows} rows may be longer than {_limit(cuts_off)} tokens (estimated, upwards) and "
                "would lose their ends. Raise max_input_length, or shorten them."
            )
        if cuts_off == "-1" and lengths.rows and lengths.short_rows / lengths.rows >= _HALF:
            found.warnings.append(
                f"{lengths.short_rows} of {lengths.rows} rows have at most 100 words. With max_input_length = -1 such "
                "short samples train badly: set max_input_length between 200 and 400."
            )


def read_rows(chunks: Iterator[bytes], extension: str, refuse: Refuse) -> Iterable[tuple[int, Any]]:
    """(line, row) of a file by its extension; nothing of a kind that no format has."""
    match extension:
        case ".jsonl":
            return json_lines(chunks, refuse)
        case ".json":
            return json_rows(chunks, refuse)
        case ".csv":
            return csv_rows(chunks, refuse)
        case ".txt":
            return ((line, {"text": text}) for line, text in lines(chunks, refuse) if text.strip())
        case _:
            return ()


def _limit(max_input_length: str) -> int:
    return DEFAULT_INPUT_TOKENS if max_input_length == "-1" else int(max_input_length)


def _read_files(layout: Layout) -> tuple[File, ...]:
    template = (layout.template,) if layout.template else ()
    prompts = (layout.prompts,) if layout.prompts else ()
    return (*layout.training, *layout.validation, *template, *prompts)
