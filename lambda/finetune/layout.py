"""Which file of a dataset is what: `train/` or the root, `validation/`, and the files that have a name of their own."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, Literal

from finetune.findings import Findings

Format = Literal["instruction", "chat", "domain"]

TEMPLATE: Final = "template.json"
PROMPTS: Final = "prompts.jsonl"
RUN: Final = "run.toml"
TRAIN: Final = "train/"
VALIDATION: Final = "validation/"
MAX_FILES: Final = 1_000
MAX_BYTES: Final = 2**31
"""What one Lambda reads within its 15 minutes."""

EXTENSIONS: Final[dict[Format, tuple[str, ...]]] = {
    "instruction": (".jsonl",),
    "chat": (".jsonl",),
    "domain": (".csv", ".json", ".txt"),
}


@dataclass(frozen=True)
class File:
    """`name` is below the dataset's prefix: `train/rows.jsonl`."""

    name: str
    size: int

    @property
    def extension(self) -> str:
        stem, dot, ending = self.name.rpartition(".")
        return f".{ending.lower()}" if dot and "/" not in ending and stem else ""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """`train_folder` is `train/`, or empty where the training files lie at the root."""

    train_folder: str = ""
    training: tuple[File, ...] = ()
    validation: tuple[File, ...] = ()
    template: File | None = None
    prompts: File | None = None
    beside: tuple[str, ...] = field(default=())
    """What else lies in the training files' folder, so that SageMaker hands it to the training as well."""


def laid_out(listed: Iterable[tuple[str, int]], findings: Findings) -> Layout:
    """`listed` are names below the prefix and sizes in bytes."""
    entries = list(islice(listed, MAX_FILES + 1))
    if len(entries) > MAX_FILES:
        findings.add(
            "", None, f"there are more than {MAX_FILES} files; join them, or name a prefix that holds the dataset alone"
        )
    files = [File(name, size) for name, size in sorted(entries) if name and not name.endswith("/")]
    total = sum(file.size for file in files)
    if total > MAX_BYTES:
        findings.add(
            "", None, f"the files have {total} bytes together, and at most {MAX_BYTES} are read; take fewer rows"
        )
    by_folder: dict[str, list[File]] = {"": [], TRAIN: [], VALIDATION: []}
    for file in files:
        folder = file.name[: file.name.rfind("/") + 1]
        if folder in by_folder:
            by_folder[folder].append(file)
        else:
            findings.add(file.name, None, "this folder has no meaning; there may be train/ and validation/")
    return _sorted_out(by_folder[TRAIN], by_folder[VALIDATION], by_folder[""], findings)


def _sorted_out(train: list[File], validation: list[File], root: list[File], findings: Findings) -> Layout:
    special = {file.name: file for file in root if file.name in (TEMPLATE, PROMPTS, RUN)}
    data = [file for file in root if file.name not in special]
    folder = TRAIN if train else ""
    if train:
        for file in data:
            findings.add(file.name, None, "it lies beside train/, where the training does not look; move or remove it")
        if TEMPLATE in special:
            findings.add(TEMPLATE, None, "it lies beside train/, where the training does not look; move it into train/")
    training = [file for file in train if file.name != folder + TEMPLATE] if train else data
    template = (
        next((file for file in train if file.name == folder + TEMPLATE), None) if train else special.get(TEMPLATE)
    )
    for file in (*training, *validation):
        if file.size == 0:
            findings.add(file.name, None, "the file is empty; remove it")
        elif file.name.rpartition("/")[2].startswith((".", PROMPTS)) or file.name == VALIDATION + TEMPLATE:
            findings.add(file.name, None, "the training reads no rows from a file of this name here; move or rename it")
    if not training:
        findings.add("", None, "there is no training file; put one there, or into train/")
    beside = (
        () if train else (*(name for name in (PROMPTS, RUN) if name in special), *([VALIDATION] if validation else []))
    )
    return Layout(
        train_folder=folder,
        training=tuple(training),
        validation=tuple(validation),
        template=template,
        prompts=special.get(PROMPTS),
        beside=beside,
    )


def check_files(layout: Layout, format: Format, findings: Findings) -> None:
    """The files must be of the format's kinds, and one a folder for domain adaptation."""
    allowed = EXTENSIONS[format]
    for file in (*layout.training, *layout.validation):
        if file.extension not in allowed:
            findings.add(
                file.name, None, f"a dataset for {SAID[format]} has {_or(allowed)} files only; remove it{_hint(file)}"
            )
    if layout.template is not None and format != "instruction":
        findings.add(layout.template.name, None, f"a dataset for {SAID[format]} has no template; remove it, {_TUNED}")
    if format == "domain":
        for folder, files in (("the training", layout.training), ("the validation", layout.validation)):
            for file in files[1:]:
                what = f"{folder} files of a dataset for domain adaptation are one, and {files[0].name} is there too"
                findings.add(file.name, None, f"{what}; join them")


SAID: Final[dict[Format, str]] = {
    "instruction": "instruction tuning",
    "chat": "chats",
    "domain": "domain adaptation",
}
_TUNED: Final = "or set instruction_tuned to True"


def _or(words: Sequence[str]) -> str:
    return " or ".join(words)


def _hint(file: File) -> str:
    return f", {_TUNED} or chat_dataset" if file.extension == ".jsonl" else ""
