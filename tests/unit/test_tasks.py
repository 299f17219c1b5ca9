"""A broken `tasks.toml` is refused before anything is built, with all that is wrong in it."""

from pathlib import Path

import pytest

from pilotlight.config_errors import ConfigError
from pilotlight.tasks import check_tasks

GOOD = """
[haiku]
about = "A haiku."
shot = "Season: {season} | Haiku: {haiku}"
between = " ## "
delimiter = "##"
instead = "-"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tasks.toml"


def refused(file: Path, text: str) -> str:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        check_tasks(file)
    return str(caught.value)


def test_the_shipped_file_is_taken() -> None:
    check_tasks()


def test_a_task_of_ones_own_is_taken(file: Path) -> None:
    file.write_text(GOOD, encoding="utf-8")
    check_tasks(file)


def test_every_problem_is_told_with_task_key_value_what_is_allowed_and_what_to_do(file: Path) -> None:
    said = refused(file, GOOD.replace('" ## "', '" || "') + GOOD.replace("haiku]", "limerick]").replace('"-"', '"#"'))
    assert said.startswith(f"{file} is refused, 2 problems:\n")
    assert 'haiku.between = " || ": does not begin with the delimiter\n    allowed: "##" first' in said
    assert 'limerick.instead = "#": would be a delimiter itself' in said
    assert "fix:     correct it there" in said


def test_a_missing_key_has_no_value(file: Path) -> None:
    assert "haiku.shot: is missing\n    allowed: a string" in refused(
        file, GOOD.replace('shot = "Season: {season} | Haiku: {haiku}"\n', "")
    )


def test_a_date_where_a_string_belongs_is_quoted_as_it_was_written(file: Path) -> None:
    assert 'haiku.about = "2026-11-24": is of another kind' in refused(file, GOOD.replace('"A haiku."', "2026-11-24"))


@pytest.mark.parametrize("text", ["[haiku\n", "about\nshot", "a = 1\na = 2\n\n"])
def test_what_is_no_toml_is_refused_with_its_place(file: Path, text: str) -> None:
    assert "the file: it cannot be read" in refused(file, text)
    assert "line" in refused(file, text)


def test_a_file_that_is_not_there_is_refused(file: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        check_tasks(file)
