"""Templates: what a row becomes, and that nothing a row says is ever taken for a placeholder."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.errors import TrainingError
from training.templates import DOLLY, RowError, Template, read

DOLLY_FILLED = (
    "Below is an instruction that describes a task, paired with an input that provides further context. Write a"
    " response that appropriately completes the request.\n\n### Instruction:\nGo\n\n### Input:\n\n\n### Response:\n"
)


def test_dollys_template_leaves_an_empty_contexts_block_empty() -> None:
    assert DOLLY.fill({"instruction": "Go", "context": "", "response": "Gone"}) == (DOLLY_FILLED, "Gone")


@settings(deadline=None)
@given(st.text(), st.text(), st.text())
def test_what_a_row_says_stands_as_it_is(instruction: str, context: str, response: str) -> None:
    prompt, completion = DOLLY.fill({"instruction": instruction, "context": context, "response": response})

    frame = DOLLY_FILLED.replace("Go", "\0").split("\0")
    assert prompt == f"{frame[0]}{instruction}\n\n### Input:\n{context}\n\n### Response:\n"
    assert completion == response


@settings(deadline=None)
@given(
    st.dictionaries(
        st.from_regex(r"[a-z_]{1,8}", fullmatch=True), st.text() | st.integers() | st.booleans(), min_size=1
    )
)
def test_every_placeholder_is_filled_once_and_literal_braces_stay(row: dict[str, str | int | bool]) -> None:
    template = Template("{{" + "|".join(f"{{{name}}}" for name in row) + "}}", "{" + next(iter(row)) + "}")

    values = [value if isinstance(value, str) else json.dumps(value) for value in row.values()]
    assert template.fill(row) == ("{" + "|".join(values) + "}", values[0])


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"question": "Why?"}, r"\{answer\} is missing \(the row has question\)"),
        ({"question": "Why?", "answer": None}, r"\{answer\} must be text or a number, not null"),
        ({"question": "Why?", "answer": ["so"]}, 'not ."so".'),
    ],
)
def test_a_row_that_cannot_fill_it_is_refused_by_its_placeholder(row: dict[str, object], words: str) -> None:
    with pytest.raises(RowError, match=words):
        Template("Q: {question}", "{answer}").fill(row)


def _written(folder: Path, content: object) -> Path:
    (folder / "template.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


def test_the_heading_of_the_response_is_added_where_it_is_lacking_and_wanted(tmp_path: Path) -> None:
    _written(tmp_path, {"prompt": "Q: {q}", "completion": "{a}"})

    assert read(tmp_path, demarcated=True).prompt == "Q: {q}\n\n### Response:\n"
    assert read(tmp_path, demarcated=False).prompt == "Q: {q}"
    _written(tmp_path, {"prompt": "Q: {q}\n### Response:\n", "completion": "{a}"})
    assert read(tmp_path, demarcated=True).prompt == "Q: {q}\n### Response:\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is not JSON"),
        (["prompt"], "other keys"),
        ({"prompt": "{q}"}, "other keys"),
        ({"prompt": ["{q}"], "completion": "{a}"}, "something else than text"),
        ({"prompt": "{q", "completion": "{a}"}, "prompt has a brace"),
        ({"prompt": "{q.x}", "completion": "{a}"}, "prompt has a brace"),
        ({"prompt": "{q!r}", "completion": "{a}"}, "prompt has a brace"),
        ({"prompt": "{q}", "completion": "{}"}, "completion has a brace"),
        ({"prompt": "{q}", "completion": "yes"}, "completion has no placeholder"),
    ],
)
def test_a_template_that_is_none_is_refused(tmp_path: Path, content: object, words: str) -> None:
    with pytest.raises(TrainingError, match=words):
        read(_written(tmp_path, content), demarcated=True)
