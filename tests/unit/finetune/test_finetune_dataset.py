"""CheckDataset: every bad row is found, named by file and line, and counted; what is good is measured."""

import json
import tracemalloc
from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import count
from typing import Any

import pytest
from finetune.asked import Asked
from finetune.dataset import Report, check
from finetune.errors import BadRequest
from finetune.text import MAX_ROW_BYTES
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.finetune.bucket import DATASET, GOOD, PREFIX, Bucket, dolly, jsonl, problems_of, report_of
from training.dataset import split

LONG = " ".join(["word"] * 150)
CHAT = {"dialog": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}


class TestFormats:
    """What a dataset may be."""

    def test_rows_of_the_usual_names_need_no_template(self) -> None:
        report = report_of({"a.jsonl": GOOD, "b.jsonl": jsonl(dolly(99))})
        assert (report.format, report.problem_count, report.rows["train"]) == ("instruction", 0, 11)
        assert report.files == {"a.jsonl": len(GOOD), "b.jsonl": len(jsonl(dolly(99)))}

    def test_a_template_says_which_fields_the_rows_have(self) -> None:
        template = json.dumps({"prompt": "Q {q} {{literally}}", "completion": " {a}"}).encode()
        rows = jsonl({"q": "1", "a": "one", "more": 7}, {"q": "2", "a": "two"})
        report = report_of({"template.json": template, "rows.jsonl": rows})
        assert (report.problem_count, report.rows["train"]) == (0, 2)

    def test_dialogs_are_told_from_instructions_by_the_first_row(self) -> None:
        report = report_of({"chat.jsonl": jsonl(CHAT, CHAT)})
        assert (report.format, report.problem_count, report.rows["train"]) == ("chat", 0, 2)

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("x.csv", b'id,text\n1,"one, or\nmore"\n2,two\n'),
            ("x.csv", b"words\none\ntwo\n"),
            ("x.json", b'[{"text": "one"},\n {"text": "two"}]'),
            ("x.json", b'{"text": "one"}\n{"text": "two"}\n'),
            ("x.txt", b"one\n\n\ntwo"),
            ("x.TXT", b"one\r\ntwo\r\n"),
        ],
    )
    def test_domain_adaptation_takes_one_file_of_three_kinds(self, name: str, content: bytes) -> None:
        report = report_of({f"train/{name}": content, f"validation/{name}": content})
        assert (report.format, report.problem_count) == ("domain", 0)
        assert report.rows == {"train": 2, "validation": 2, "prompts": 0}
        assert (report.train_folder, report.has_validation) == ("train/", True)

    def test_the_hyperparameters_decide_over_the_looks(self) -> None:
        assert report_of({"a.jsonl": jsonl(CHAT)}, instruction_tuned=True).format == "instruction"
        assert report_of({"a.jsonl": GOOD}, chat_dataset="True").format == "chat"
        assert "set instruction_tuned" in problems_of({"a.jsonl": GOOD}, instruction_tuned=False)[0]

    def test_a_stages_hyperparameters_hold_where_the_run_says_nothing(self) -> None:
        report = check(Bucket({"a.jsonl": GOOD}), Asked(dataset=DATASET), defaults={"chat_dataset": True})
        assert report.format == "chat"
        with pytest.raises(BadRequest):
            check(Bucket({"a.jsonl": GOOD}), Asked(dataset=DATASET), defaults={"epochs": 1})

    def test_a_script_of_the_users_own_is_told_nothing_of_hyperparameters_that_may_mean_anything(self) -> None:
        asked = Asked(dataset=DATASET, hyperparameters={"chat_dataset": True, "whatever": 1})
        report = check(Bucket({"a.jsonl": GOOD}), asked, rules=None)
        assert (report.format, report.problem_count, report.warnings) == ("instruction", 0, ())

    def test_prompts_are_checked_and_are_no_rows(self) -> None:
        prompts = jsonl({"prompt": "Say 7.", "expected": ["7", "seven"]}, {"prompt": "Sad?", "label": "yes"})
        report = report_of({"train/a.jsonl": GOOD, "prompts.jsonl": prompts, "run.toml": b"spot = true"})
        assert (report.problem_count, report.rows["prompts"], report.has_prompts, report.beside) == (0, 2, True, ())

    def test_what_lies_beside_the_training_files_is_told(self) -> None:
        report = report_of({"a.jsonl": GOOD, "validation/b.jsonl": GOOD, "run.toml": b"", "prompts.jsonl": b""})
        assert report.beside == ("prompts.jsonl", "run.toml", "validation/")

    def test_a_folder_marker_is_no_file(self) -> None:
        assert report_of({"": b"", "train/": b"", "train/a.jsonl": GOOD}).problem_count == 0

    def test_a_report_survives_as_json(self) -> None:
        report = report_of({"a.jsonl": GOOD + b"{}\n", "prompts.jsonl": b""})
        assert Report.from_data(json.loads(json.dumps(report.to_data()))) == report


class TestFiles:
    """What is wrong with a file as a whole."""

    @pytest.mark.parametrize(
        ("files", "says"),
        [
            ({}, "there is no training file"),
            ({"run.toml": b""}, "there is no training file"),
            ({"a.jsonl": b""}, "a.jsonl: the file is empty"),
            ({"a.jsonl": b"\n"}, "a.jsonl, line 1: the line is empty"),
            ({"a.csv": b"text\n"}, "there is no row to learn from"),
            ({"a.txt": b"\n \n"}, "there is no row to learn from"),
            ({"a.jsonl": jsonl(dolly(1))}, "there is one row; at least two are needed"),
            ({"a.jsonl": GOOD, "notes.md": b"x"}, "notes.md: a dataset for instruction tuning has .jsonl files only"),
            ({"a.jsonl": GOOD, ".DS_Store": b"x"}, ".DS_Store: a dataset for"),
            ({"a.jsonl": GOOD, "old/b.jsonl": GOOD}, "old/b.jsonl: this folder has no meaning"),
            ({"a.csv": b"text\nx\ny", "b.txt": b"x\ny"}, "b.txt: the training files of a dataset for domain"),
            (
                {"a.txt": b"x\ny", "validation/b.txt": b"x", "validation/c.txt": b"x"},
                "validation/c.txt: the validation",
            ),
            (
                {"a.txt": b"x\ny", "template.json": b"{}"},
                "template.json: a dataset for domain adaptation has no template",
            ),
            ({"train/a.jsonl": GOOD, "b.jsonl": GOOD}, "b.jsonl: it lies beside train/"),
            ({"train/a.jsonl": GOOD, "template.json": b"{}"}, "template.json: it lies beside train/"),
            ({f"{n}.jsonl": GOOD for n in range(1001)}, "there are more than 1000 files"),
            ({"a.jsonl": b"\xff\xfe" + GOOD.decode().encode("utf-16-le")}, "a.jsonl, line 1: the file is UTF-16"),
            ({"a.jsonl": b"\xff\xfe\0\0" + GOOD}, "a.jsonl, line 1: the file is UTF-32"),
            ({"a.txt": b"\xfe\xff" + "x\ny".encode("utf-16-be")}, "a.txt, line 1: the file is UTF-16"),
            ({"a.txt": "x\ny".encode("utf-16-le")}, "a.txt, line 1: byte 1 is zero"),
            ({"a.csv": b"\xef\xbb\xbftext\nx\ny\n"}, "a.csv, line 1: a byte order mark stands at byte 0"),
            ({"a.json": b"\xef\xbb\xbf[]"}, "a.json, line 1: a byte order mark"),
            ({"template.json": b"[]", "a.jsonl": GOOD}, "exactly prompt and completion"),
            ({"template.json": b"{", "a.jsonl": GOOD}, "template.json: not valid JSON"),
            ({"template.json": b"\xff", "a.jsonl": GOOD}, "template.json: not valid JSON in UTF-8"),
            ({"template.json": b'{"prompt": 1, "completion": "{a}"}', "a.jsonl": GOOD}, "prompt is 1"),
            ({"template.json": b'{"prompt": "{", "completion": "{a}"}', "a.jsonl": GOOD}, "a brace is wrong"),
            ({"template.json": b'{"prompt": "{0}", "completion": "{a}"}', "a.jsonl": GOOD}, "{0} is no placeholder"),
            (
                {"template.json": b'{"prompt": "{a.b}", "completion": "{a}"}', "a.jsonl": GOOD},
                "{a.b} is no placeholder",
            ),
            ({"template.json": b'{"prompt": "{a}", "completion": "b"}', "a.jsonl": GOOD}, "completion holds no"),
        ],
    )
    def test_it_is_named(self, files: dict[str, bytes], says: str) -> None:
        [*problems] = problems_of(files)
        assert any(problem.startswith(says) or says in problem for problem in problems), problems

    def test_more_than_a_lambda_reads_is_refused(self) -> None:
        class Huge(Bucket):
            def list(self, prefix: str) -> Iterable[tuple[str, int]]:
                return [(prefix + "a.jsonl", 2**31 + 1)]

        report = check(Huge({"a.jsonl": GOOD}), Asked(dataset=DATASET))
        assert "at most 2147483648 are read" in report.problems[0].what

    @pytest.mark.parametrize(("ratio", "says"), [(0, "nothing validates"), (1, "nothing is left to learn from")])
    def test_a_split_that_leaves_one_side_empty_is_refused(self, ratio: float, says: str) -> None:
        assert says in problems_of({"a.jsonl": GOOD}, validation_split_ratio=ratio)[0]
        assert not problems_of({"a.jsonl": GOOD, "validation/b.jsonl": GOOD}, validation_split_ratio=ratio)

    @given(rows=st.integers(2, 30), ratio=st.integers(1, 100).map(lambda percent: percent / 100))
    def test_a_split_is_refused_exactly_where_the_training_would_have_no_row(self, rows: int, ratio: float) -> None:
        train, _ = split(range(rows), ratio=ratio, seed=0)
        problems = problems_of({"a.jsonl": jsonl(*map(dolly, range(rows)))}, validation_split_ratio=ratio)
        assert ([f"of {ratio:g} takes all of {rows} rows" in problem for problem in problems] == [True]) is not bool(
            train
        )


class TestRows:
    """What is wrong with one row."""

    @pytest.mark.parametrize(
        ("row", "says"),
        [
            (b"", "the line is empty"),
            (b"   ", "the line is empty"),
            (b"{", "not valid JSON"),
            (b'{"a": NaN}', "numbers must be finite"),
            (b"[" * 100_000, "not a row: it is nested too deeply"),
            (b'{"a": ' + b"1" * 5000 + b"}", "not valid JSON"),
            (b"[1]", "the row is an array, and must be an object"),
            (b'"text"', 'the row is "text", and must be an object'),
            (b"null", "the row is null"),
            (b'{"instruction": "x", "response": "y"}', "the row lacks context"),
            (b'{"instruction": "x", "context": null, "response": "y"}', "context is null, and must be a text"),
            (b'{"instruction": "x", "context": 7, "response": "y"}', "context is 7, and must be a text"),
            (b'{"instruction": " ", "context": "", "response": "y"}', "instruction is empty"),
            (b'{"instruction": "x", "context": "", "response": ""}', "response is empty"),
            (b'{"instruction": "x", "context": "", "response": "\\ud800"}', "half of a surrogate pair"),
            (b'{"instruction": "caf\xe9", "context": "", "response": "y"}', "(0xe9) is not UTF-8"),
            (b'{"instruction": "x\0"}', "is zero"),
            (b'"' + b"x" * MAX_ROW_BYTES + b'"', f"the row is {MAX_ROW_BYTES + 2} bytes long"),
        ],
    )
    @pytest.mark.parametrize("chunk_bytes", [5, 2**20])
    def test_a_bad_line_is_named_and_the_rest_is_read(self, row: bytes, says: str, chunk_bytes: int) -> None:
        if len(row) > 1000 and chunk_bytes < 1000:
            chunk_bytes = 4096
        content = jsonl(dolly(1)) + row + b"\n" + jsonl(dolly(3))
        report = report_of({"train/rows.jsonl": content}, chunk_bytes=chunk_bytes)
        [problem] = report.problems
        assert (problem.file, problem.line, report.problem_count) == ("train/rows.jsonl", 2, 1)
        assert says in problem.what
        assert report.rows["train"] == 2

    def test_the_byte_of_a_wrong_encoding_is_counted_from_the_files_start(self) -> None:
        content = jsonl(dolly(1)) + b'{"instruction": "caf\xe9"}\n'
        place = content.index(b"\xe9")
        assert f"line 2: byte {place} (0xe9)" in problems_of({"a.jsonl": content})[0]

    def test_a_row_that_lost_a_placeholder_is_named_with_it(self) -> None:
        template = json.dumps({"prompt": "{q}{hint}", "completion": "{a}"}).encode()
        rows = jsonl({"q": "1", "hint": "", "a": "one"}, {"q": "2", "a": "two"}, {"q": "2", "hint": "", "a": " "})
        lost, empty = problems_of({"template.json": template, "rows.jsonl": rows})
        assert "rows.jsonl, line 2: the row lacks hint; the template names q, hint, a" in lost
        assert "line 3: the completion is empty" in empty

    @pytest.mark.parametrize(
        ("dialog", "says"),
        [
            (None, "dialog is missing"),
            ("hi", 'dialog is "hi"'),
            ([], "the roles are none"),
            ([{"role": "user"}], "turn 1 of the dialog"),
            ([{"role": "user", "content": 7}], "content of turn 1 is 7"),
            ([{"role": "user", "content": "x"}], "the assistant last"),
            ([*CHAT["dialog"], CHAT["dialog"][0]], "the assistant last"),
            ([CHAT["dialog"][0], CHAT["dialog"][0]], "user and assistant in turn"),
            ([{"role": "user", "content": "x"}, {"role": "assistant", "content": " "}], "content of turn 2 is empty"),
            ([*CHAT["dialog"], {"role": "system", "content": "x"}, CHAT["dialog"][1]], "at most one system"),
        ],
    )
    def test_a_dialog_that_is_none_is_named(self, dialog: Any, says: str) -> None:
        row = {"dialog": dialog} if dialog is not None else {}
        assert says in problems_of({"a.jsonl": jsonl(CHAT, row, CHAT)}, chat_dataset=True)[0]

    def test_a_dialog_may_begin_with_a_system_turn(self) -> None:
        row = {"dialog": [{"role": "system", "content": "Be brief."}, *CHAT["dialog"]]}
        assert not problems_of({"a.jsonl": jsonl(row, row)})

    @pytest.mark.parametrize(
        ("content", "line", "says"),
        [
            (b"a,text\n1,x\n1\n2,y\n", 3, "the row has 1 fields, and the header 2"),
            (b"a,text\n1,x\n\n2,y\n", 3, "the line is empty"),
            (b'a,text\n1,"x\nx"\n1, \n2,y', 4, "text is empty"),
            (b'a,text\n1,x\n1,"never closed\n', 3, "not valid CSV in the row that begins here"),
            (b"a,text\n1,x\n1," + b"x" * 140_000 + b"\n", 3, "not valid CSV in the row that begins here: field larger"),
            (b"a,text\n1,x\n" + b'"x\n",' * 300_000 + b"y\n", 3, f"here: it is longer than {MAX_ROW_BYTES} bytes"),
            (b"text,text\nx,y\n", 1, "the header must name every column"),
            (b"text,\nx,y\n", 1, "the header must name every column"),
            (b"id;text\n1;x\n2;y\n", 1, "separate columns by commas"),
            (b"id\ttext\n1\tx\n2\ty\n", 1, "separate columns by commas"),
            (b"text\nx\ncaf\xe9\ny\n", 3, "is not UTF-8"),
        ],
    )
    def test_a_bad_row_of_a_csv_file_is_named(self, content: bytes, line: int, says: str) -> None:
        [problem] = report_of({"a.csv": content}, chunk_bytes=4096).problems
        assert (problem.line, says in problem.what) == (line, True), problem

    @pytest.mark.parametrize(
        ("content", "line", "says"),
        [
            (b'[{"text": "a"},\n\n {"text": 7},\n {"text": "b"}]', 3, "text is 7"),
            (b'[{"text": "a"}, 1, {"text": "b"}]', 1, "the row is 1"),
            (b'[{"text": "a"}, {"text": "b"}', 1, "the array has no end"),
            (b'[{"text": "a"}\n {"text": "b"}]', 2, "the array has no end"),
            (b'[{"text": "a"},\n{"text": b}]', 2, "not valid JSON in the element that begins here"),
            (b'[{"text": "a"}, {"text": "b"}]\nmore', 2, "something follows the end"),
            (b'[{"text": "a"}, {"text": "\xe9"}]', None, "byte 26 is not UTF-8"),
            (b'[{"text": "a"},\n{"text": "' + b"x" * 2 * MAX_ROW_BYTES + b'"}]', 2, "longer than"),
            (b'[{"text": "a"},\n' + b'{"a":' * 100_000, 2, "nested too deeply"),
            (b'[{"other": "a"}, {"text": "b"}]', 1, "the row lacks other"),
            (b'[{"other": "a"},\n{"text": "b", "other": "c"}]', 2, "the row has a column text, and the first row none"),
            (b'{"text": "a"}\n{"text": }\n', 2, "not valid JSON"),
        ],
    )
    @pytest.mark.parametrize("chunk_bytes", [3, 65536])
    def test_a_bad_element_of_a_json_file_is_named(
        self, content: bytes, line: int | None, says: str, chunk_bytes: int
    ) -> None:
        if len(content) > 1000 and chunk_bytes < 1000:
            chunk_bytes = 4096
        problems = report_of({"a.json": content}, chunk_bytes=chunk_bytes).problems
        assert any(problem.line == line and says in problem.what for problem in problems), problems

    @pytest.mark.parametrize(
        ("row", "says"),
        [
            ({"prompt": "x"}, "either expected"),
            ({"prompt": "x", "label": "a", "expected": ["b"]}, "either expected"),
            ({"prompt": "", "label": "a"}, "prompt is empty"),
            ({"prompt": "x", "label": ""}, "label is empty"),
            ({"prompt": "x", "expected": []}, "an array of one text or more"),
            ({"prompt": "x", "expected": "y"}, "an array of one text or more"),
            ({"prompt": "x", "expected": [7]}, "an entry of expected is 7"),
            ({"prompt": "x", "expects": ["y"]}, "expects is no key"),
            ({"label": "x"}, "prompt is null"),
        ],
    )
    def test_a_bad_prompt_is_named(self, row: Any, says: str) -> None:
        [problem] = problems_of({"train/a.jsonl": GOOD, "prompts.jsonl": jsonl(row)})
        assert problem.startswith("prompts.jsonl, line 1")
        assert says in problem

    @pytest.mark.parametrize(
        "name", ["train/prompts.jsonl", "train/.a.jsonl", "validation/prompts.jsonl", "validation/template.json"]
    )
    def test_a_file_that_the_training_passes_over_is_no_file_of_rows(self, name: str) -> None:
        problems = problems_of({"train/a.jsonl": GOOD, name: GOOD})
        assert problems[0].startswith(f"{name}: the training reads no rows from a file of this name")

    def test_of_many_bad_rows_twenty_are_shown_and_all_counted(self) -> None:
        report = report_of({"a.jsonl": jsonl(*({"n": n} for n in range(50)))}, chunk_bytes=512)
        assert ([problem.line for problem in report.problems], report.problem_count) == (list(range(1, 21)), 50)
        assert len(json.dumps(report.to_data())) < 16_000

    @given(
        st.lists(st.binary(max_size=40), max_size=6),
        st.sampled_from(["jsonl", "json", "csv", "txt"]),
        st.integers(1, 9),
    )
    def test_no_bytes_whatsoever_do_more_than_be_refused(
        self, pieces: list[bytes], kind: str, chunk_bytes: int
    ) -> None:
        content = b"\n".join(pieces)
        whole = report_of({f"a.{kind}": content}, chunk_bytes=max(1, len(content)))
        assert report_of({f"a.{kind}": content}, chunk_bytes=chunk_bytes) == whole
        assert whole.problem_count or whole.rows["train"] >= 2


class TestMeasures:
    """What is said of a good dataset."""

    def test_repeated_rows_are_kept_and_told(self) -> None:
        report = report_of({"a.jsonl": jsonl(dolly(1), dolly(2), dolly(1), dolly(1))})
        assert (report.rows["train"], report.duplicates, report.problem_count) == (4, 2, 0)
        assert "About 2 rows repeat an earlier one. They are kept." in report.warnings

    def test_short_samples_need_a_max_input_length(self) -> None:
        [warning] = report_of({"a.jsonl": GOOD}).warnings
        assert "set max_input_length between 200 and 400" in warning
        assert not report_of({"a.jsonl": GOOD}, max_input_length=300).warnings
        assert not report_of({"a.jsonl": jsonl(dolly(1, response=LONG), dolly(2, response=LONG))}).warnings

    def test_rows_that_may_be_cut_off_are_told(self) -> None:
        rows = jsonl(dolly(1, response=LONG), dolly(2))
        [warning] = report_of({"a.jsonl": rows}, max_input_length=100).warnings
        assert "1 rows may be longer than 100 tokens" in warning
        assert not report_of({"a.txt": f"{LONG}\n{LONG} again\n".encode()}, max_input_length=100).warnings

    def test_every_row_is_in_one_bucket_of_the_histogram(self) -> None:
        report = report_of({"a.jsonl": jsonl(dolly(1), dolly(2, response=LONG * 10), dolly(3, response=LONG))})
        counts = {bucket["up_to"]: bucket["rows"] for bucket in report.token_histogram}
        assert sum(counts.values()) == 3
        assert counts[64] == 0
        assert report.longest_tokens > 1024

    def test_the_hash_covers_names_and_contents_of_what_is_learned(self) -> None:
        report = report_of({"a.jsonl": GOOD})
        assert report.sha256 == sha256(f"a.jsonl\0{sha256(GOOD).hexdigest()}\n".encode()).hexdigest()
        assert report_of({"a.jsonl": GOOD, "run.toml": b"spot = true"}).sha256 == report.sha256
        assert report_of({"b.jsonl": GOOD}).sha256 != report.sha256
        assert report_of({"a.jsonl": GOOD + jsonl(dolly(11))}).sha256 != report.sha256
        assert report_of({"a.jsonl": GOOD, "validation/a.jsonl": GOOD}).sha256 != report.sha256


class Endless:
    """A file of `size` bytes, made as it is read."""

    def __init__(self, name: str, size: int, chunks: Iterator[bytes]) -> None:
        self.name, self.size, self.chunks = name, size, chunks

    def list(self, prefix: str) -> Iterable[tuple[str, int]]:
        return [(prefix + self.name, self.size)]

    def open(self, key: str) -> Iterator[bytes]:
        assert key == PREFIX + self.name
        left = self.size
        for chunk in self.chunks:
            yield chunk[:left]
            left -= len(chunk)
            if left <= 0:
                return


def peak_bytes(source: Endless, **hyperparameters: Any) -> tuple[int, Report]:
    tracemalloc.start()
    try:
        report = check(source, Asked(dataset=DATASET, hyperparameters=hyperparameters))
        return tracemalloc.get_traced_memory()[1], report
    finally:
        tracemalloc.stop()


LARGE = jsonl(dolly(0, response="x" * 20_000))
MIB = 2**20


@pytest.mark.parametrize(
    ("name", "chunks"),
    [
        ("a.jsonl", lambda: (LARGE for _ in count())),
        ("a.txt", lambda: (b"x" * 65536 for _ in count())),  # one line that never ends
        ("a.csv", lambda: (b'text\n"' if n == 0 else b"x\n" * 30_000 for n in count())),  # a quote that is never closed
        ("a.csv", lambda: (b'text\n"' if n == 0 else b'x\n","' * 30_000 for n in count())),  # fields without an end
        ("a.json", lambda: (b"[" if n == 0 else b'{"text": "' + b"y" * 9_000 + b'"},' for n in count())),
        ("a.json", lambda: (b'["' if n == 0 else b"y" * 65536 for n in count())),  # a string that never ends
        ("a.jsonl", lambda: (jsonl({"n": "x" * 2_000}) * 10 for _ in count())),  # nothing but bad rows
    ],
)
def test_memory_does_not_grow_with_the_dataset(name: str, chunks: Any) -> None:
    few, many = (peak_bytes(Endless(name, size, chunks()))[0] for size in (2 * MIB, 5 * MIB))
    assert few < 64 * MIB
    assert many < few + 4 * MIB
