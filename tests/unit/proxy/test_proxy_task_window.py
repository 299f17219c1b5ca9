"""What a task sends stays within the window whatever the texts hold, and planning it takes next to no time."""

from dataclasses import replace
from typing import Any

import pytest
from common.tokens import estimate_tokens, most_tokens
from hypothesis import example, given, settings
from hypothesis import strategies as st
from proxy.errors import DeadlineExceeded, ModelRefused
from proxy.fit import MIN_ROOM
from proxy.tasks.file import shipped_tasks
from proxy.tasks.frame import Frame
from proxy.tasks.request import TaskRequest
from proxy.tasks.shape import Shape
from proxy.window import Window

from tests.unit.proxy.fakes import SETTINGS, Api, FakeClock
from tests.unit.proxy.test_proxy_long_tasks import LONG, REST, SHOTS, SPLIT
from tests.unit.proxy.test_proxy_task_frame import HOSTILE, PIECES, TEXTS

WINDOW = Window(input_tokens=400, total_tokens=500)
CHOICES: list[dict[str, Any]] = [{"truncate": "head"}, {"truncate": "tail"}, {"truncate": "middle"}, {"split": True}]
LONG_TEXTS = st.builds(
    lambda before, filling, times, after: f"w {before}{filling * times}{after} w",
    st.lists(PIECES, max_size=4).map("".join),
    st.lists(PIECES, min_size=1, max_size=4).map("".join),
    st.integers(100, 3000),
    st.lists(PIECES, max_size=4).map("".join),
)


def prompts_of(api: Api) -> list[str]:
    names = ("inputs", "text_inputs")
    return [next(request[name] for name in names if name in request) for request in api.runtime.requests]


@given(st.sampled_from(list(LONG)), LONG_TEXTS, st.sampled_from(CHOICES), st.sampled_from(["alexatm", "tgi"]))
@settings(max_examples=150)
@example("summarize", "w " + "<br>" * 3000 + " w", CHOICES[2], "tgi")
@example("summarize", "w " + "\n" * 3000 + " w", CHOICES[2], "alexatm")
@example("answer", "w" * 3000, CHOICES[1], "tgi")
@example("answer", "w" * 90 + " w" * 3000, CHOICES[0], "tgi")
def test_what_is_sent_stays_within_the_window(task: str, text: str, choice: dict[str, Any], contract: str) -> None:
    if "split" in choice and task not in SPLIT:
        choice = CHOICES[2]
    for shots in ([], SHOTS[task]):
        api = Api(replace(SETTINGS, contract=contract, window=WINDOW))
        answer = api.task(task, {LONG[task]: text, **REST[task], "shots": shots} | choice)
        assert answer.status in (200, 422)  # nothing but white space may be left, or too many parts be needed
        assert all(estimate_tokens(prompt) <= WINDOW.input_tokens for prompt in prompts_of(api))


OWN = Shape(  # whose replacement is longer than its delimiter, and which has its long text in every shot
    name="own",
    about="about",
    lead="About {text} ",
    shot="Asked {hint} of {text} Answer: {answer}",
    between="END Next ",
    delimiter="END",
    instead=" (stop) ",
    dummies=[{"hint": "{last word of text}", "answer": "x"}],
)
SHAPES = [*shipped_tasks().values(), OWN, replace(OWN, delimiter="|", between="| ")]


@st.composite
def frames(draw: st.DrawFn) -> tuple[Frame, str, str]:
    shape = draw(st.sampled_from(SHAPES))
    words = st.sampled_from(["END", "|", " Answer:", "Asked", "a", "EN", "Next"])
    texts = (TEXTS | st.lists(PIECES | words, min_size=1).map("".join)).filter(str.strip)
    shots = draw(st.lists(st.fixed_dictionaries(dict.fromkeys(shape.shot_fields, texts)), max_size=2))
    fields = {name: draw(texts) for name in shape.request_fields}
    request = TaskRequest(fields, shots, parameters={}, prompt_only=False, truncate=None, split=False)
    marked = draw(st.booleans())
    return Frame(shape, request, line_break="<br>" if marked else None, is_marked=marked), draw(texts), draw(texts)


@given(frames(), st.sampled_from([estimate_tokens, most_tokens]))
@settings(max_examples=300)
def test_a_prompt_never_has_more_tokens_than_planning_counts(given: tuple[Frame, str, str], by: Any) -> None:
    frame, text, more = given
    assert estimate_tokens(frame.around(text)) <= frame.tokens + frame.counted(text, by)
    whole, parts = frame.counted(text + more, by), (frame.counted(text, by), frame.counted(more, by))
    assert max(parts) <= whole <= sum(parts) - by("")


@pytest.mark.parametrize("task", LONG)
def test_of_plain_words_planning_counts_next_to_nothing_too_much(task: str) -> None:
    request = TaskRequest(REST[task] | {LONG[task]: "x"}, SHOTS[task], {}, False, None, False)
    frame = Frame(shipped_tasks()[task], request, line_break=None, is_marked=True)
    text = "The mill; the river, and what stands on it. " * 50
    assert frame.tokens + frame.counted(text, estimate_tokens) <= estimate_tokens(frame.around(text)) + MIN_ROOM


@pytest.mark.parametrize("choice", CHOICES)
def test_planning_writes_hardly_a_prompt(monkeypatch: pytest.MonkeyPatch, choice: dict[str, Any]) -> None:
    written: list[str] = []

    def counting(frame: Frame, text: str) -> str:
        written.append(text)
        return around(frame, text)

    around = Frame._around
    monkeypatch.setattr(Frame, "_around", counting)
    api = Api(replace(SETTINGS, window=WINDOW))
    body: dict[str, Any] = {"input": "The mill stands. " * 300, "shots": SHOTS["describe"], **choice}
    assert api.task("describe", body).status == 200
    assert len(written) <= 2 + len(prompts_of(api))


def test_a_split_that_is_not_planned_in_time_is_given_up_and_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second passes whenever somebody looks at the clock."""

    def hasty(clock: FakeClock) -> float:
        clock.elapsed += 1.0
        return 1000.0 + clock.elapsed

    monkeypatch.setattr(FakeClock, "monotonic", hasty)
    api = Api(replace(SETTINGS, window=WINDOW))
    refusal = api.task("describe", {"input": "The mill stands. " * 3000, "split": True})
    assert (refusal.status, refusal.error["type"]) == (504, DeadlineExceeded.type)
    assert "input was planned in parts" in refusal.error["message"]
    assert api.runtime.requests == []


@pytest.mark.parametrize("name", HOSTILE)
def test_what_fits_without_truncate_is_not_cut_with_it(name: str) -> None:
    window = Window(input_tokens=900, total_tokens=1000)
    api = Api(replace(SETTINGS, contract="tgi", window=window))
    for task, field in LONG.items():
        body = {field: HOSTILE[name], **REST[task], "shots": SHOTS[task]}
        if api.task(task, body).status == 200:
            assert api.task(task, body | {"truncate": "middle"}).body["cut"] == []


def test_a_part_that_would_be_split_further_too_late_keeps_what_was_answered() -> None:
    api = Api(replace(SETTINGS, contract="tgi", window=WINDOW), seconds=14.0)
    api.runtime.script = [b'[{"generated_text": "one"}]', ModelRefused("too long")]
    answer = api.task("describe", {"input": "The mill stands. " * 300, "split": True})
    assert (answer.status, answer.body["output"]) == (200, "one")
    assert answer.body["split"]["error"]["type"] == DeadlineExceeded.type
