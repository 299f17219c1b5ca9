"""The deadline holds the earlier of the two ends, and no clock can wedge it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proxy.timing import MARGIN_SECONDS, MAX_CREDIBLE_AGE_SECONDS, seconds_allowed

from tests.unit.proxy.fakes import START, Api, Context


@given(st.floats(0, MAX_CREDIBLE_AGE_SECONDS), st.floats(0, 900))
def test_the_earlier_end_binds(age: float, remaining: float) -> None:
    allowed = seconds_allowed(request_age=age, integration_timeout=29, lambda_remaining=remaining)
    assert allowed == min(29 - age, remaining) - MARGIN_SECONDS


@given(st.floats(allow_nan=True) | st.none())
def test_no_clock_takes_more_than_a_cold_start_from_the_budget(age: float | None) -> None:
    allowed = seconds_allowed(request_age=age, integration_timeout=29, lambda_remaining=None)
    assert 29 - MAX_CREDIBLE_AGE_SECONDS - MARGIN_SECONDS <= allowed <= 29 - MARGIN_SECONDS


@pytest.mark.parametrize(
    ("epoch", "timeout"),
    [
        (START * 1000, 28),
        ((START - 6) * 1000, 22),
        ((START - 86_400) * 1000, 28),
        ((START + 86_400) * 1000, 28),
        (0, 28),
        (-5, 28),
        (10**300, 28),
        (float("nan"), 28),
        (float("inf"), 28),
        ("now", 28),
        (True, 28),
        (None, 28),
    ],
)
def test_the_requests_own_start_counts_where_it_can_be_true(api: Api, epoch: object, timeout: int) -> None:
    context = {"requestId": "request-1", "requestTimeEpoch": epoch}
    assert api.generate({"text_inputs": "a"}, requestContext=context).status == 200
    assert api.runtime.timeouts == [timeout]


def test_lambdas_remaining_time_counts(api: Api) -> None:
    api.generate({"text_inputs": "a"}, Context(seconds=10))
    assert api.runtime.timeouts == [9]
