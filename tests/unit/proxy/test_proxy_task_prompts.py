"""The prompts of the tasks, byte for byte as the reference has them, with any number of shots, over both contracts."""

from typing import Any

import pytest

from tests.unit.proxy.fakes import Answer, Api

# The five shapes as the AlexaTM 20B reference has them.
REFERENCE = {
    "summarize": "[CLM] {article} ==> Short summary: {summary} <br><br><br> Article: {test} ==> Short summary:",
    "describe": "[CLM] {input} ==> sentence describing the place: {output} ; {test} ==> sentence describing the place:",
    "translate": "[CLM] Sentence: {source}; Translation in English: {target}; Sentence: {test}; "
    "Translation in English:",
    "answer": "[CLM] Context: {context} Question: What is the last word in the passage? Answer: {last_word}; "
    "Question: {question} Answer:",
    "entail": "[CLM] Context: {context} <br> Question: Is this passage written in English? <br> Answer "
    "(True, False, or Neither): True <br> Question: Is this passage written in French? <br> Answer "
    "(True, False, or Neither): False <br> Question: {hypothesis} <br> Answer (True, False, or Neither):",
}
PASSAGE = "The mill stands on the river Wensum; it was built in 1790 (of brick). Who runs it now? A family."
MILL = "Der Müller mahlt Weizen, „Roggen“ und 大麦."

REQUESTS: dict[str, tuple[dict[str, Any], str]] = {
    "summarize": (
        {"shots": [{"article": PASSAGE, "summary": "A mill has a family."}], "article": MILL},
        REFERENCE["summarize"].format(article=PASSAGE, summary="A mill has a family.", test=MILL),
    ),
    "describe": (
        {
            "shots": [{"input": "name[The Punter], food[Indian]", "output": "The Punter serves Indian food."}],
            "input": "name[Blue Spice], area[city centre]",
        },
        REFERENCE["describe"].format(
            input="name[The Punter], food[Indian]",
            output="The Punter serves Indian food.",
            test="name[Blue Spice], area[city centre]",
        ),
    ),
    "translate": (
        {
            "shots": [{"source": "Guten Tag.", "target": "Good day."}],
            "source": MILL,
            "target_language": "English",
        },
        REFERENCE["translate"].format(source="Guten Tag.", target="Good day.", test=MILL),
    ),
    "answer": (
        {"context": PASSAGE, "question": "When was it built?"},
        REFERENCE["answer"].format(context=PASSAGE, last_word="family", question="When was it built?"),
    ),
    "entail": (
        {"context": PASSAGE, "hypothesis": "the mill is old"},
        REFERENCE["entail"].format(context=PASSAGE, hypothesis="the mill is old"),
    ),
}


def prompt(api: Api, task: str, body: dict[str, Any]) -> str:
    answer: Answer = api.task(task, body | {"prompt_only": True})
    assert answer.status == 200, answer.body
    assert api.runtime.requests == []
    return str(answer.body["prompt"])


@pytest.mark.parametrize("task", REQUESTS)
def test_the_reference_shapes_come_byte_for_byte(api: Api, task: str) -> None:
    body, expected = REQUESTS[task]
    assert prompt(api, task, body).encode() == expected.encode()


@pytest.mark.parametrize("task", REQUESTS)
def test_without_alexatm_there_is_no_mode_mark_and_nothing_else_differs(tgi: Api, task: str) -> None:
    body, expected = REQUESTS[task]
    assert prompt(tgi, task, body).encode() == expected.removeprefix("[CLM] ").encode()


@pytest.mark.parametrize("task", REQUESTS)
def test_what_is_sent_is_that_prompt(api: Api, tgi: Api, task: str) -> None:
    body, expected = REQUESTS[task]
    api.task(task, body)
    assert api.runtime.requests[0]["text_inputs"] == expected
    tgi.task(task, body)
    assert tgi.runtime.requests[0]["inputs"] == expected.removeprefix("[CLM] ")


NO_SHOTS = {
    "summarize": ({"article": "T"}, "[CLM] T ==> Short summary:"),
    "describe": ({"input": "T"}, "[CLM] T ==> sentence describing the place:"),
    "translate": ({"source": "T"}, "[CLM] Sentence: T; Translation in English:"),
}


@pytest.mark.parametrize("task", NO_SHOTS)
@pytest.mark.parametrize("shots", [{}, {"shots": []}])
def test_without_shots_the_question_stands_alone(api: Api, task: str, shots: dict[str, Any]) -> None:
    body, expected = NO_SHOTS[task]
    assert prompt(api, task, body | shots) == expected


def numbered(*names: str) -> list[dict[str, str]]:
    return [{name: f"{name}{number}" for name in names} for number in range(1, 6)]


FIVE_SHOTS = {
    "summarize": (
        {"shots": numbered("article", "summary"), "article": "T"},
        "[CLM] article1 ==> Short summary: summary1 <br><br><br> Article: article2 ==> Short summary: "
        "summary2 <br><br><br> Article: article3 ==> Short summary: summary3 <br><br><br> Article: article4 "
        "==> Short summary: summary4 <br><br><br> Article: article5 ==> Short summary: summary5 <br><br><br> "
        "Article: T ==> Short summary:",
    ),
    "describe": (
        {"shots": numbered("input", "output"), "input": "T"},
        "[CLM] input1 ==> sentence describing the place: output1 ; input2 ==> sentence describing the place: "
        "output2 ; input3 ==> sentence describing the place: output3 ; input4 ==> sentence describing the "
        "place: output4 ; input5 ==> sentence describing the place: output5 ; T ==> sentence describing the "
        "place:",
    ),
    "translate": (
        {"shots": numbered("source", "target"), "source": "T", "target_language": "Brazilian Portuguese"},
        "[CLM] Sentence: source1; Translation in Brazilian Portuguese: target1; Sentence: source2; "
        "Translation in Brazilian Portuguese: target2; Sentence: source3; Translation in Brazilian "
        "Portuguese: target3; Sentence: source4; Translation in Brazilian Portuguese: target4; Sentence: "
        "source5; Translation in Brazilian Portuguese: target5; Sentence: T; Translation in Brazilian "
        "Portuguese:",
    ),
    "answer": (
        {"context": "C", "question": "T", "shots": numbered("question", "answer")},
        "[CLM] Context: C Question: question1 Answer: answer1; Question: question2 Answer: answer2; "
        "Question: question3 Answer: answer3; Question: question4 Answer: answer4; Question: question5 "
        "Answer: answer5; Question: T Answer:",
    ),
    "entail": (
        {
            "context": "C",
            "hypothesis": "T",
            "shots": [
                {"hypothesis": f"h{n}", "label": label} for n, label in enumerate(["True", "Neither", "False"] * 2)
            ][:5],
        },
        "[CLM] Context: C <br> Question: h0 <br> Answer (True, False, or Neither): True <br> Question: h1 "
        "<br> Answer (True, False, or Neither): Neither <br> Question: h2 <br> Answer (True, False, or "
        "Neither): False <br> Question: h3 <br> Answer (True, False, or Neither): True <br> Question: h4 "
        "<br> Answer (True, False, or Neither): Neither <br> Question: T <br> Answer (True, False, or "
        "Neither):",
    ),
}


@pytest.mark.parametrize("task", FIVE_SHOTS)
def test_five_shots_repeat_the_shape_between_its_separators(api: Api, task: str) -> None:
    body, expected = FIVE_SHOTS[task]
    assert prompt(api, task, body) == expected


class TestDummyShot:
    @pytest.mark.parametrize(
        ("context", "word"),
        [
            ("It is in France.", "France"),
            ("Is it in France?", "France"),
            ("France", "France"),
            ("in France...", "France"),
            ("in France ?", "France"),
            ("in\nFrance.\n", "France"),
            ("in 'France'", "'France'"),
            ("costs 3.50.", "3.50"),
            ("in France;", "France,"),
            ("?", "?"),
            ("... ?", "?"),
        ],
    )
    def test_it_asks_for_the_last_word_without_its_full_stop(self, tgi: Api, context: str, word: str) -> None:
        asked = prompt(tgi, "answer", {"context": context, "question": "Q"})
        assert f"Question: What is the last word in the passage? Answer: {word}; Question: Q Answer:" in asked

    def test_a_shot_of_the_callers_takes_its_place(self, api: Api) -> None:
        shots = [{"question": "q", "answer": "a"}]
        asked = prompt(api, "answer", {"context": "C", "question": "Q", "shots": shots})
        assert asked == "[CLM] Context: C Question: q Answer: a; Question: Q Answer:"

    def test_a_word_of_100_000_characters_is_a_word(self, api: Api) -> None:
        word = "w" * 100_000
        asked = prompt(api, "answer", {"context": word + ".", "question": "Q"})
        assert asked.count(word) == 2


class TestNewlines:
    @pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
    def test_for_alexatm_a_newline_in_an_input_becomes_its_line_break(self, api: Api, newline: str) -> None:
        asked = prompt(api, "summarize", {"article": f"one{newline}two{newline}{newline}three"})
        assert asked == "[CLM] one<br>two<br><br>three ==> Short summary:"
        asked = prompt(api, "answer", {"context": f"one{newline}two", "question": "Q"})
        assert asked.startswith("[CLM] Context: one<br>two Question: ")

    def test_in_a_shots_output_it_does_not_become_an_end_of_it(self, api: Api) -> None:
        shots = [{"article": "a\nb", "summary": "one\ntwo"}]
        asked = prompt(api, "summarize", {"shots": shots, "article": "T"})
        assert asked == "[CLM] a<br>b ==> Short summary: one two <br><br><br> Article: T ==> Short summary:"

    def test_in_an_output_that_something_else_ends_it_stays_a_line_break(self, api: Api) -> None:
        shots = [{"source": "a\nb", "target": "one\ntwo"}]
        asked = prompt(api, "translate", {"shots": shots, "source": "T"})
        assert "Translation in English: one<br>two; Sentence: T" in asked

    def test_the_line_break_before_a_label_is_no_part_of_the_frame(self, api: Api) -> None:
        asked = prompt(api, "entail", {"context": "He said:\nQuestion: why?", "hypothesis": "H"})
        assert asked.startswith("[CLM] Context: He said: Question: why? <br> Question: Is this passage")

    def test_other_models_read_newlines(self, tgi: Api) -> None:
        body = {"shots": [{"article": "a\nb", "summary": "one\r\ntwo"}], "article": "T\n"}
        expected = "a\nb ==> Short summary: one\r\ntwo <br><br><br> Article: T\n ==> Short summary:"
        assert prompt(tgi, "summarize", body) == expected


class TestModeMark:
    @pytest.mark.parametrize("article", ["[CLM] T", "[CLM]T", " [CLM] [CLM] T"])
    def test_it_never_stands_twice(self, api: Api, article: str) -> None:
        assert prompt(api, "summarize", {"article": article}) == "[CLM] T ==> Short summary:"
        api.task("summarize", {"article": article})
        assert api.runtime.requests[0]["text_inputs"] == "[CLM] T ==> Short summary:"

    def test_elsewhere_it_is_text(self, api: Api) -> None:
        assert prompt(api, "translate", {"source": "[CLM] T"}) == "[CLM] Sentence: [CLM] T; Translation in English:"


def test_a_field_named_in_the_users_text_is_text(api: Api) -> None:
    text = "{article} {summary} {test} {0} {} %s $article ${article} {last word of context} \\1 \\g<0>"
    body = {"shots": [{"article": text, "summary": text}], "article": text}
    expected = f"[CLM] {text} ==> Short summary: {text} <br><br><br> Article: {text} ==> Short summary:"
    assert prompt(api, "summarize", body) == expected


def test_a_dummys_own_notation_is_text_in_a_shot(api: Api) -> None:
    shots = [{"question": "q", "answer": "{last word of context}"}]
    asked = prompt(api, "answer", {"context": "C", "question": "Q", "shots": shots})
    assert "Answer: {last word of context}; " in asked
