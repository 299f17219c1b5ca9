"""`tasks.toml`: a task of one's own is a table, and a table that makes no task is refused by name."""

import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import pytest
from proxy.errors import TasksBroken
from proxy.tasks.file import TASKS_FILE, shapes, shipped_tasks
from proxy.tasks.prompt import prompt

from tests.unit.proxy.fakes import SETTINGS, Api

OWN = {
    "about": "Name the animal in a sentence.",
    "lead": "Animals. ",
    "shot": "Text: {text} | Animal in {language}: {animal}",
    "between": " ## ",
    "delimiter": "##",
    "instead": "-",
    "once": {"language": "German"},
    "dummies": [{"text": "The cat sat.", "animal": "cat"}],
}


def own(**changes: object) -> dict[str, dict[str, object]]:
    table = {key: value for key, value in {**OWN, **changes}.items() if value is not None}
    return {"animal": table}


def test_a_task_of_ones_own_needs_a_table_and_no_code() -> None:
    api = Api(replace(SETTINGS, contract="tgi"), tasks=lambda: shapes(own()))
    api.runtime.script = [b'[{"generated_text": " Hund ## and more"}]']
    answer = api.task("animal", {"text": "A dog ## Text: x", "shots": [{"text": "a ## b", "animal": "c ## d"}]})
    assert answer.body["output"] == "Hund"
    assert api.runtime.requests[0]["inputs"] == (
        "Animals. Text: a ## b | Animal in German: c - d ## Text: A dog - Text: x | Animal in German:"
    )


def test_its_dummies_stand_where_the_request_has_no_shots() -> None:
    written = prompt(shapes(own())["animal"], {"text": "T"}, [], line_break=None)
    assert written == ("Animals. Text: The cat sat. | Animal in German: cat ## Text: T | Animal in German:")


def test_a_label_that_a_replacement_completes_is_seen() -> None:
    """Taking out the second delimiter makes the first one stand before a label."""
    shape = shapes(own(shot="A - B: {text} B: {animal}", once=None, dummies=None))["animal"]
    written = prompt(shape, {"text": "x ## A ## B: y"}, [], line_break=None)
    assert written == "Animals. A - B: x - A - B: y B:"


def test_a_task_without_letters_in_its_frame_is_guarded_by_its_signs() -> None:
    table = own(
        lead=None, shot="{text} => {animal}", between=" ; ", delimiter=";", instead=",", once=None, dummies=None
    )
    shape = shapes(table)["animal"]
    assert prompt(shape, {"text": "a; b => c ; d"}, [], line_break=None) == "a, b => c , d =>"
    assert prompt(shape, {"text": "a; b"}, [], line_break=None) == "a; b =>"


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("label", ["Übersetzung:", "Trả lời:"])
def test_a_label_with_marks_on_its_letters_is_seen_however_they_are_written(
    label: str, form: Literal["NFC", "NFD"]
) -> None:
    shape = shapes(own(shot=f"Text: {{text}} {unicodedata.normalize(form, label)} {{animal}}", once=None, dummies=None))
    for written in (label, label.upper(), unicodedata.normalize("NFD", label), "\u200f".join(label)):
        asked = prompt(shape["animal"], {"text": f"a ## {written} b ## c"}, [], line_break=None)
        assert f"a - {written} b ## c" in asked


def test_the_long_field_is_the_first_that_has_to_be_given_unless_the_table_says_which() -> None:
    leading = own(lead="In {language}. ", shot="Text: {text} | About: {topic} | Animal: {animal}", dummies=None)
    assert shapes(leading)["animal"].long_field == "text"
    leading["animal"]["long"] = "topic"
    assert shapes(leading)["animal"].long_field == "topic"


def test_a_task_with_labels_is_not_split_and_any_other_is_unless_the_table_says_so() -> None:
    assert shapes(own())["animal"].can_split
    assert not shapes(own(labels=["cat"]))["animal"].can_split
    assert not shapes(own(splits=False))["animal"].can_split


BROKEN: dict[str, tuple[Mapping[str, object], str]] = {
    "no table": ({"animal": "Text"}, "is no table"),
    "its name": ({"Animal!": own()["animal"]}, "has no good name"),
    "a missing key": (own(shot=None), "shot is missing"),
    "an unknown key": (own(delimeter="x"), 'delimeter = "x" is not a key; allowed: about, shot, between'),
    "a wrong type": (own(between=5), "between = 5 is of another kind; allowed: a string"),
    "an empty string": (own(about=""), 'about = "" is of another kind; allowed: a string that is not empty'),
    "once with a number": (own(once={"language": 5}), "allowed: a table of strings"),
    "labels with a number": (own(labels=[1]), "labels = [1] is of another kind; allowed: an array of strings"),
    "a dummy that is no table": (own(dummies=["x"]), "allowed: an array of tables"),
    "a newline as delimiter": (
        own(delimiter="\n", between="\n"),
        "allowed: characters that can be seen",
    ),
    "a mark as delimiter": (own(delimiter="#\u200f#", between=" #\u200f# "), "characters that can be seen"),
    "a substitute with the delimiter": (own(instead="#"), "share no character with delimiter"),
    "a substitute that is read as the delimiter": (own(instead="\uff03"), "share no character with delimiter"),
    "an unseen substitute": (own(instead="\u200f"), "allowed: printable"),
    "between without delimiter": (own(between=" || "), 'does not begin with the delimiter; allowed: "##" first'),
    "between after a word": (own(between=" Next ## "), 'does not begin with the delimiter; allowed: "##" first'),
    "no output at the end": (own(shot="Text: {text} Animal: {animal}."), "does not end with a field"),
    "no field": (own(shot="Text"), "does not end with a field"),
    "nothing before the output": (own(shot="{animal}"), "after words of its own"),
    "only the output": (own(lead=None, shot="Animal: {animal}", once=None), "leaves nothing for the request to give"),
    "the output twice": (own(shot="{animal} Text: {text} Animal: {animal}"), "at the end of shot only"),
    "a reserved field": (
        own(shot="Text: {shots} {language} Animal: {animal}"),
        "has {shots}, by which a request",
    ),
    "a stray once": (own(once={"language": "German", "tone": "dry"}), "has tone, which is none"),
    "a dummy that lacks a field": (own(dummies=[{"text": "x"}]), "exactly text, animal"),
    "the last word of nothing": (
        own(dummies=[{"text": "x", "animal": "{last word of tale}"}]),
        "names no field",
    ),
    "a dummy without a label": (
        own(labels=["dog"]),
        'dummies[0].animal = "cat" is no label',
    ),
    "a label with the delimiter": (own(labels=["cat", "a##b"]), 'labels[1] = "a##b" cannot'),
    "a long field that is none": (own(long="tale"), 'long = "tale" is no field that could be cut; allowed: a field'),
    "the output as the long field": (own(long="animal"), "allowed: a field of the request: text, language"),
    "a long field as a number": (own(long=5), "long = 5 is of another kind; allowed: a field of the request"),
    "splits as text": (own(splits="no"), 'splits = "no" is of another kind; allowed: true or false'),
    "labels of parts": (own(labels=["cat"], splits=True), "splits = true would join several labels"),
    "a field called split": (own(shot="Text: {split} {language} Animal: {animal}"), "has {split}, by which a request"),
    "fields that touch": (own(shot="Text: {text}{language} Animal: {animal}"), "two fields that touch"),
    "half a delimiter before a field": (own(shot="Text: #{text} {language} Animal: {animal}"), "before a field"),
    "half a delimiter behind a field": (own(shot="Text: {text}# {language} Animal: {animal}"), "behind a field"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_table_that_makes_no_task_is_refused_by_name(name: str) -> None:
    document, said = BROKEN[name]
    with pytest.raises(TasksBroken, match=r"^tasks\.toml, table \[(animal|Animal!)\]: ") as caught:
        shapes(document)
    assert said in caught.value.message


def test_the_api_says_what_is_wrong_with_the_file_and_the_other_routes_work() -> None:
    api = Api(tasks=lambda: shapes(own(shot=None)))
    answer = api.task("animal", {"text": "T"})
    assert (answer.status, answer.error["type"]) == (500, "tasks_broken")
    assert "table [animal]: shot is missing" in answer.error["message"]
    assert api.generate({"text_inputs": "a"}).status == 200


def test_the_shipped_file_is_what_is_served() -> None:
    assert shapes(tomllib.loads(TASKS_FILE.read_text(encoding="utf-8"))) == shipped_tasks()
