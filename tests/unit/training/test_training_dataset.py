"""Datasets: three shapes, one split, and a sentence with file and line for every row that does not fit."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.training.jobs import Job, dolly
from training import dataset, hyperparameters
from training.errors import TrainingError
from training.layout import Layout
from training.rows import Rows


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path)  # without a model: none is needed


def _read(job: Job, **asked: str) -> Rows:
    return dataset.read(Layout(job.root), hyperparameters.read(asked), _render)


def _render(messages: list[dict[str, str]], opened: bool) -> str:
    return "".join(f"<{one['role']}>{one['content']}</>" for one in messages) + ("<assistant>" if opened else "")


@settings(deadline=None)
@given(st.integers(0, 300), st.floats(0, 1), st.integers(0, 10**6))
def test_a_split_shares_the_rows_out_in_their_order_the_same_every_time(count: int, ratio: float, seed: int) -> None:
    rows = list(range(count))
    train, validation = dataset.split(rows, ratio=ratio, seed=seed)

    assert sorted(train + validation) == rows
    assert (train, validation) == (sorted(train), sorted(validation))
    assert count * ratio - 1e-6 <= len(validation) < count * ratio + 1
    assert dataset.split(rows, ratio=ratio, seed=seed) == (train, validation)


def test_another_seed_gives_another_split_and_a_share_is_rounded_up_exactly() -> None:
    assert dataset.split(range(100), ratio=0.2, seed=0) != dataset.split(range(100), ratio=0.2, seed=1)
    assert len(dataset.split(range(100), ratio=0.07, seed=0)[1]) == 7
    assert len(dataset.split(range(101), ratio=0.07, seed=0)[1]) == 8


def test_instructions_teach_the_completion_only(job: Job) -> None:
    job.rows(*dolly(5))
    rows = _read(job, instruction_tuned="True")

    assert (len(rows.train), len(rows.validation)) == (4, 1)
    assert [segment.learned for segment in rows.train[0].segments] == [False, True]
    assert rows.train[0].segments[1].text.endswith("Call closed")


def test_a_dataset_may_bring_a_template_prompts_a_run_and_its_own_validation(job: Job) -> None:
    folder = job.channel("training")
    for name in ("train", "validation"):
        (folder / name).mkdir()
        (folder / name / "rows.jsonl").write_text(json.dumps({"q": name, "a": "so"}) + "\n")
    (folder / "template.json").write_text(json.dumps({"prompt": "Q: {q}\n### Response:\n", "completion": "{a}"}))
    (folder / "prompts.jsonl").write_text("not read here")
    (folder / "run.toml").write_text("")
    rows = _read(job, instruction_tuned="True", validation_split_ratio="1")

    assert [row.segments[0].text for row in rows.train] == ["Q: train\n### Response:\n"]
    assert [row.segments[0].text for row in rows.validation] == ["Q: validation\n### Response:\n"]


def test_numbers_of_samples_are_counted_after_the_split(job: Job) -> None:
    job.rows(*dolly(20))
    rows = _read(job, instruction_tuned="True", max_train_samples="3", max_val_samples="2")

    assert (len(rows.train), len(rows.validation)) == (3, 2)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("a.csv", 'id,text\n1,"one,\nand a half"\n2,two\n'),
        ("a.csv", 'text\n"one,\nand a half"\ntwo\n'),
        ("a.csv", 'first\n"one,\nand a half"\ntwo\n'),
        ("a.json", '[{"id": 1, "text": "one,\\nand a half"}, {"id": 2, "text": "two"}]'),
        ("a.json", '{"text": "one,\\nand a half"}\n{"text": "two"}\n'),
        ("a.json", '{"first": "one,\\nand a half", "other": 2}\n\n{"first": "two"}\n'),
        ("a.json", '{"first": "one,\\nand a half", "other": "x"}\n{"other": "y", "first": "two"}\n'),
    ],
)
def test_documents_are_the_column_text_or_the_first(job: Job, file: str, content: str) -> None:
    (job.channel("training") / file).write_text("\ufeff" + content)
    rows = _read(job, validation_split_ratio="0")

    assert [row.segments[0].text for row in rows.train] == ["one,\nand a half", "two"]
    assert rows.train[0].segments[0].learned


def test_a_text_files_lines_are_its_rows(job: Job) -> None:
    (job.channel("training") / "book.txt").write_bytes("one\r\n\n  \nzwölf\n".encode())

    assert [row.segments[0].text for row in _read(job, validation_split_ratio="0").train] == ["one", "zwölf"]


def test_a_dialog_teaches_what_the_assistant_says(job: Job) -> None:
    turns = [("system", "Be kind"), ("user", "Hi"), ("assistant", "Hello"), ("user", "Bye"), ("assistant", "Ciao")]
    job.rows({"dialog": [{"role": role, "content": content} for role, content in turns]})
    (row,) = _read(job, chat_dataset="True", validation_split_ratio="0").train

    assert [(one.learned, one.text) for one in row.segments] == [
        (False, "<system>Be kind</><user>Hi</><assistant>"),
        (True, "Hello</>"),
        (False, "<user>Bye</><assistant>"),
        (True, "Ciao</>"),
    ]


INSTRUCTIONS = {"instruction_tuned": "True"}
CHAT = {"chat_dataset": "True"}


@pytest.mark.parametrize(
    ("files", "asked", "words"),
    [
        ({}, INSTRUCTIONS, r"training holds no data: put \*\.jsonl"),
        ({"a.jsonl": b"\n"}, INSTRUCTIONS, "training holds no row"),
        ({"a.csv": b"text\nx\n"}, INSTRUCTIONS, r"holds a\.csv: allowed are \*\.jsonl"),
        (
            {"a.jsonl": b'{"instruction": "x"}'},
            INSTRUCTIONS,
            r"a\.jsonl, line 1: the placeholder \{context\} is missing",
        ),
        ({"a.jsonl": b"\n{]"}, INSTRUCTIONS, r"a\.jsonl, line 2, is not JSON"),
        ({"a.jsonl": b"[1]"}, INSTRUCTIONS, r"a\.jsonl, line 1, must be a JSON object, not \[1\]"),
        ({"a.jsonl": b'{"a": "\xff"}'}, INSTRUCTIONS, r"a\.jsonl, line 1, is not UTF-8 \(byte 8"),
        (
            {"a.jsonl": b'{"instruction": "x", "context": "", "response": " "}'},
            INSTRUCTIONS,
            "line 1: the completion is empty",
        ),
        ({"a.csv": b"text\nx\n", "b.txt": b"y"}, {}, r"holds a\.csv, b\.txt: domain adaptation takes one file"),
        ({"a.csv": b'text\n"x\n'}, {}, r"a\.csv, line 1, is not CSV"),
        ({"a.csv": b"text\nx,y\n"}, {}, "has more fields than the header"),
        ({"a.json": b'[{"text": 1}]'}, {}, r"a\.json, row 1: the text is 1, not a string"),
        ({"a.json": b"[{}]"}, {}, r"row 1, is empty: it needs the column text"),
        ({"a.json": b"[1]"}, {}, "row 1, must be a JSON object"),
        ({"a.json": b'[{"a": "x"}, {"b": "y"}]'}, {}, "row 2: the column a is missing"),
        ({"a.jsonl": b"{}"}, CHAT, "the key dialog must be a list"),
        ({"a.jsonl": b'{"dialog": [{"role": "bot", "content": "x"}]}'}, CHAT, "is no message: its role is one of"),
        ({"a.jsonl": b'{"dialog": [{"role": "user", "content": "x"}]}'}, CHAT, "the assistant has the last word"),
    ],
)
def test_what_does_not_fit_is_refused_by_file_and_line(
    job: Job, files: dict[str, bytes], asked: dict[str, str], words: str
) -> None:
    for name, content in files.items():
        (job.channel("training") / name).write_bytes(content)
    job.channel("training")

    with pytest.raises(TrainingError, match=words):
        _read(job, **asked)


def test_a_split_that_leaves_no_row_and_a_missing_channel_are_refused(job: Job) -> None:
    job.rows(*dolly(2))
    with pytest.raises(TrainingError, match="leaves none of the 2 rows"):
        _read(job, instruction_tuned="True", validation_split_ratio="1")
    with pytest.raises(TrainingError, match="no input channel training"):
        _read(Job(job.root / "elsewhere"))


def test_a_template_that_rewrites_earlier_turns_is_refused(job: Job) -> None:
    def forgetful(messages: list[dict[str, str]], opened: bool) -> str:
        return _render(messages[-2:], opened)

    turns: list[dict[str, Any]] = [{"role": role, "content": role} for role in ("user", "assistant") * 2]
    job.rows({"dialog": turns})
    with pytest.raises(TrainingError, match="give one answer a row"):
        dataset.read(Layout(job.root), hyperparameters.read(CHAT), forgetful)


def test_the_example_that_is_shipped_is_one() -> None:
    folder = Path(__file__).parents[3] / "examples" / "finetune"
    rows = [json.loads(line) for line in (folder / "train.jsonl").read_text().splitlines()]
    prompts = [json.loads(line) for line in (folder / "prompts.jsonl").read_text().splitlines()]

    assert all(row["response"].endswith("\nTicket: closed") for row in rows)
    assert not {row["instruction"] for row in rows} & {one["prompt"].split("\n")[3] for one in prompts}
    assert all(one["expected"] == ["Ticket: closed"] for one in prompts)
