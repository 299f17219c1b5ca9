"""CloudWatch's rules for alarms: its own examples, and generated series against a second reading of its text."""

from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pilotlight.local.alarms import EXTRA_POINTS, Missing, Rule, State, next_state

TREATMENTS: list[Missing] = ["missing", "ignore", "breaching", "notBreaching"]
VALUES = {"0": 0.0, "X": 9.0, "-": None}

# The tables of the User Guide: 3 evaluation periods, an evaluation range of 5. "Retain" is the current state.
EXAMPLES = {
    3: """
        0 - X - X   OK                 OK      OK     OK
        - - - - 0   OK                 OK      OK     OK
        - - - - -   INSUFFICIENT_DATA  Retain  ALARM  OK
        0 X X - X   ALARM              ALARM   ALARM  ALARM
        - - X - -   ALARM              Retain  ALARM  OK
    """,
    2: """
        0 - X - X   ALARM              ALARM   ALARM  ALARM
        0 0 X 0 X   ALARM              ALARM   ALARM  ALARM
        0 - X - -   OK                 OK      ALARM  OK
        - - - - 0   OK                 OK      ALARM  OK
        - - - X -   ALARM              Retain  ALARM  OK
    """,
}


def documented() -> list[tuple[int, str, Missing, str]]:
    rows = [(m, line.split()) for m, table in EXAMPLES.items() for line in table.strip().splitlines()]
    return [
        (m, " ".join(words[:5]), treatment, expected)
        for m, words in rows
        for treatment, expected in zip(TREATMENTS, words[5:], strict=True)
    ]


@pytest.mark.parametrize(("needed", "points", "treatment", "expected"), documented())
@pytest.mark.parametrize("state", ["OK", "ALARM", "INSUFFICIENT_DATA"])
def test_the_user_guides_examples(needed: int, points: str, treatment: Missing, expected: str, state: State) -> None:
    rule = Rule("GreaterThanThreshold", 5.0, 3, needed, treatment)
    found = next_state(rule, [VALUES[mark] for mark in points.split()], state)
    assert found == (state if expected == "Retain" else expected)


@pytest.mark.parametrize("points", ["- - - - X", "- - - X -"])
@pytest.mark.parametrize("treatment", ["missing", "ignore"])
def test_a_first_breaching_point_does_not_raise_the_alarm_early(points: str, treatment: Missing) -> None:
    """The guide's words: the next point may be good."""
    rule = Rule("GreaterThanThreshold", 5.0, 3, 3, treatment)
    assert next_state(rule, [VALUES[mark] for mark in points.split()], "OK") == "OK"


def second_reading(rule: Rule, points: Sequence[float | None], state: State) -> State:
    """The guide's text taken sentence by sentence, newest point first, without arithmetic on counts."""
    newest_first = list(reversed(points))
    marks = ["missing" if value is None else "bad" if rule.is_breached_by(value) else "good" for value in newest_first]
    retrieved = [mark for mark in marks if mark != "missing"]

    # "… the total number of existing data points … is equal to or more than the alarm's Evaluation Periods: evaluates
    # the alarm state based on the most recent real data points"
    evaluated = retrieved[: rule.evaluation_periods]
    # "… fills in the missing data points with the result you specified … only as few times as possible"
    while rule.missing in ("breaching", "notBreaching") and len(evaluated) < rule.evaluation_periods:
        evaluated.append("bad" if rule.missing == "breaching" else "good")
    if len(evaluated) == rule.evaluation_periods:
        return "ALARM" if evaluated.count("bad") >= rule.datapoints_to_alarm else "OK"

    # "ignore – The current alarm state is maintained; missing – If all data points … are missing … INSUFFICIENT_DATA"
    if not evaluated:
        return state if rule.missing == "ignore" else "INSUFFICIENT_DATA"
    if evaluated.count("bad") >= rule.datapoints_to_alarm:
        return "ALARM"
    if "good" in evaluated:
        return "OK"
    if rule.missing == "ignore":
        return state
    # "… when the oldest available breaching datapoint … is at least as old as the value of Datapoints to Alarm, and all
    # other more recent data points are breaching or missing"
    oldest = max(age for age, mark in enumerate(marks, start=1) if mark == "bad")
    return "ALARM" if oldest >= rule.datapoints_to_alarm else "OK"


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    periods = draw(st.integers(1, 8))
    comparisons = [a + b for a in ("GreaterThan", "LessThan") for b in ("Threshold", "OrEqualToThreshold")]
    return Rule(
        draw(st.sampled_from(comparisons)),
        draw(st.integers(-2, 2)),
        periods,
        draw(st.integers(1, periods)),
        draw(st.sampled_from(TREATMENTS)),
    )


SERIES = st.lists(st.one_of(st.none(), st.integers(-3, 3).map(float)), min_size=1, max_size=40)


@settings(max_examples=1000)
@given(rules(), SERIES, st.sampled_from(["OK", "ALARM", "INSUFFICIENT_DATA"]))
@example(Rule("LessThanThreshold", 1, 13, 13, "breaching"), [1.0] + [None] * 15, "OK")
def test_whole_series_go_through_the_states_of_a_second_reading(
    rule: Rule, series: list[float | None], state: State
) -> None:
    """Minute by minute, each state the next one's current one."""
    padded = [None] * rule.evaluation_range + series
    other = state
    for end in range(rule.evaluation_range, len(padded) + 1):
        seen = padded[end - rule.evaluation_range : end]
        state, other = next_state(rule, seen, state), second_reading(rule, seen, other)
        assert state == other


@given(rules(), SERIES)
def test_complete_data_leave_nothing_to_the_treatment(rule: Rule, series: list[float | None]) -> None:
    points = [value or 0.0 for value in series][-rule.evaluation_range :]
    if len(points) < rule.evaluation_periods:
        return
    breached = sum(map(rule.is_breached_by, points[-rule.evaluation_periods :]))
    expected = "ALARM" if breached >= rule.datapoints_to_alarm else "OK"
    assert next_state(rule, points, "INSUFFICIENT_DATA") == expected


def test_silence_raises_a_breaching_alarm_only_after_the_whole_range() -> None:
    """Why a heartbeat alarm is slower than its periods say: older real points are taken instead of the gap."""
    rule = Rule("LessThanThreshold", 1, 3, 3, "breaching")
    silent = [next_state(rule, [1.0] * (5 - gap) + [None] * gap, "OK") for gap in range(6)]
    assert silent.index("ALARM") == rule.evaluation_periods + EXTRA_POINTS


def test_an_unknown_comparison_is_refused() -> None:
    with pytest.raises(ValueError, match="LessThanLowerThreshold"):
        next_state(Rule("LessThanLowerThreshold", 1, 1, 1), [1.0], "OK")
