"""What the policies make of an overload, in simulated time: see `bench/overload.py`."""

import pytest

from bench.overload import CALLERS, QUICK, goodput, play
from bench.overload_simulation import Model

FIVE_MINUTES = 300.0


@pytest.mark.parametrize("model", [QUICK, Model("1 at once", 1), Model("40 at once", 40)], ids=lambda model: model.name)
def test_twice_the_load_that_a_model_can_serve_costs_a_tenth_of_its_answers_at_most(model: Model) -> None:
    """Ten answers a second at most, twenty requests a second, a queue without end."""
    for tally in play(CALLERS["proxy"], model, rate=20.0, seconds=FIVE_MINUTES, seeds=2):
        assert goodput(tally, rate=20.0, seconds=FIVE_MINUTES) >= 0.9
        assert tally.attempts <= 1.1 * tally.requests


def test_five_blind_attempts_bring_the_same_model_down() -> None:
    for tally in play(CALLERS["reference: five blind attempts"], QUICK, rate=20.0, seconds=FIVE_MINUTES, seeds=1):
        assert goodput(tally, rate=20.0, seconds=FIVE_MINUTES) < 0.5
        assert tally.attempts > 2 * tally.requests


def test_a_model_that_is_not_overloaded_answers_everybody() -> None:
    for tally in play(CALLERS["proxy"], QUICK, rate=8.0, seconds=FIVE_MINUTES, seeds=2):
        assert tally.refused == 0


def test_a_bound_on_concurrency_holds_against_any_load() -> None:
    for tally in play(CALLERS["proxy, 100 workers reserved"], QUICK, rate=50.0, seconds=FIVE_MINUTES, seeds=1):
        assert goodput(tally, rate=50.0, seconds=FIVE_MINUTES) >= 0.9
