"""What the policies make of an overload, in simulated time: see `bench/overload.py`."""

import pytest

from bench.overload import BATCHING, CALLERS, QUICK, SLOW, TWO_LENGTHS, goodput, play, settled
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


@pytest.mark.parametrize(
    ("model", "least"), [(SLOW, 0.6), (TWO_LENGTHS, 0.8), (BATCHING, 0.6)], ids=["slow", "two lengths", "batching"]
)
def test_a_slow_model_that_is_asked_for_twice_what_it_can_do_finds_its_way(model: Model, least: float) -> None:
    """It takes a minute or two in which answers are lost: without admission there would be none at its end."""
    for tally in play(CALLERS["proxy"], model, rate=20.0, seconds=FIVE_MINUTES, seeds=1):
        assert settled(tally, rate=20.0, seconds=FIVE_MINUTES) >= least
        assert tally.attempts <= 1.1 * tally.requests
    for tally in play(CALLERS["proxy without admission"], model, rate=20.0, seconds=FIVE_MINUTES, seeds=1):
        assert settled(tally, rate=20.0, seconds=FIVE_MINUTES) == 0


@pytest.mark.parametrize("rate", [5.0, 9.0])
@pytest.mark.parametrize("model", [SLOW, TWO_LENGTHS, BATCHING], ids=["slow", "two lengths", "batching"])
def test_a_slow_model_that_is_not_overloaded_is_hardly_refused(model: Model, rate: float) -> None:
    for tally in play(CALLERS["proxy"], model, rate=rate, seconds=FIVE_MINUTES, seeds=1):
        assert tally.refused <= 0.05 * tally.requests


def test_a_model_that_is_not_overloaded_answers_everybody() -> None:
    for tally in play(CALLERS["proxy"], QUICK, rate=8.0, seconds=FIVE_MINUTES, seeds=2):
        assert tally.refused == 0


def test_a_bound_on_concurrency_holds_against_any_load() -> None:
    for tally in play(CALLERS["proxy, 100 workers reserved"], QUICK, rate=50.0, seconds=FIVE_MINUTES, seeds=1):
        assert goodput(tally, rate=50.0, seconds=FIVE_MINUTES) >= 0.9
