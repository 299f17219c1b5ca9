"""The retry policy: what is retried, when, and how much load it can add."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proxy.errors import (
    ConnectionFailed,
    ConnectionLost,
    DeadlineExceeded,
    EndpointMissing,
    InvocationFailed,
    ModelFailed,
    ModelNotReady,
    ModelOverloaded,
    ModelRefused,
    Problem,
    ServiceUnavailable,
    Throttled,
)
from proxy.retry import MAX_ATTEMPTS, MIN_ATTEMPT_SECONDS, GiveUp, RetryAfter, RetryBudget, decide

from tests.unit.proxy.fakes import Api, Context

TRANSIENT = [Throttled, ModelNotReady, ServiceUnavailable, ConnectionFailed]
FINAL = [
    ConnectionLost,
    DeadlineExceeded,
    EndpointMissing,
    InvocationFailed,
    ModelFailed,
    ModelOverloaded,
    ModelRefused,
]

attempts = st.integers(1, MAX_ATTEMPTS + 1)
seconds = st.floats(-5, 60)
token_counts = st.floats(0, 10)
randoms = st.floats(0, 1, exclude_max=True)


@given(st.sampled_from(FINAL), attempts, seconds, token_counts, randoms)
def test_what_may_have_been_generated_or_refused_is_never_retried(
    kind: type[Problem], attempt: int, left: float, tokens: float, random: float
) -> None:
    verdict = decide(kind("failed"), attempt=attempt, seconds_left=left, tokens=tokens, random=random)
    assert verdict is GiveUp.NOT_TRANSIENT


@given(st.sampled_from(TRANSIENT), attempts, seconds, token_counts, randoms)
def test_a_retry_is_bounded_in_number_budget_and_time(
    kind: type[Problem], attempt: int, left: float, tokens: float, random: float
) -> None:
    verdict = decide(kind("failed"), attempt=attempt, seconds_left=left, tokens=tokens, random=random)
    if isinstance(verdict, RetryAfter):
        assert attempt < MAX_ATTEMPTS
        assert tokens >= 1
        assert 0 <= verdict.seconds < 2 ** (attempt - 1)
        assert left - verdict.seconds >= MIN_ATTEMPT_SECONDS
    else:
        wait = random * 0.5 * 2 ** (attempt - 1)
        assert {
            GiveUp.LAST_ATTEMPT: attempt >= MAX_ATTEMPTS,
            GiveUp.NO_BUDGET: tokens < 1,
            GiveUp.NO_TIME: left - wait < MIN_ATTEMPT_SECONDS,
        }[verdict]


@given(st.integers(1, MAX_ATTEMPTS - 1), randoms)
def test_the_back_off_is_spread_over_the_whole_of_a_doubling_interval(attempt: int, random: float) -> None:
    verdict = decide(Throttled("failed"), attempt=attempt, seconds_left=29, tokens=1, random=random)
    assert isinstance(verdict, RetryAfter)
    assert verdict.seconds == pytest.approx(random * [0.5, 1, 2, 4][attempt - 1])


@pytest.mark.parametrize(("left", "verdict"), [(2.4, GiveUp.NO_TIME), (2.5, RetryAfter(0.45))])
def test_the_wait_itself_counts_against_the_time_left(left: float, verdict: RetryAfter | GiveUp) -> None:
    assert decide(Throttled("failed"), attempt=1, seconds_left=left, tokens=1, random=0.9) == verdict


@given(st.lists(st.booleans(), max_size=400))
def test_the_budget_adds_at_most_a_tenth_to_the_load(wants_retry: list[bool]) -> None:
    budget, retries = RetryBudget(), 0
    for requests, wanted in enumerate(wants_retry, start=1):
        budget.deposit()
        while wanted and budget.tokens >= 1:
            budget.withdraw()
            retries += 1
        assert retries <= requests / 10


def test_the_budget_pays_for_the_first_retry_after_exactly_ten_requests() -> None:
    budget = RetryBudget()
    assert budget.tokens == 0
    for _ in range(9):
        budget.deposit()
    assert budget.tokens < 1
    budget.deposit()
    assert budget.tokens == 1


def test_the_budget_is_capped_however_long_all_goes_well() -> None:
    budget = RetryBudget()
    for _ in range(1000):
        budget.deposit()
    assert budget.tokens == 10


class TestOverHttp:
    @pytest.mark.parametrize("kind", TRANSIENT)
    def test_a_transient_failure_is_ridden_out(self, api: Api, kind: type[Problem]) -> None:
        api.fill_retry_budget()
        api.runtime.script = [kind("failed")] * 4
        assert api.generate({"text_inputs": "a"}).status == 200
        assert len(api.runtime.requests) == 5
        assert api.clock.slept == [0.25, 0.5, 1, 2]

    def test_five_attempts_are_the_last(self, api: Api) -> None:
        api.fill_retry_budget()
        api.runtime.script = [Throttled("busy", retry_after_seconds=5)] * 9
        answer = api.generate({"text_inputs": "a"})
        assert (answer.status, answer.error["type"], answer.headers["Retry-After"]) == (429, "throttled", "5")
        assert len(api.runtime.requests) == 5

    def test_a_fresh_worker_retries_nothing(self, api: Api) -> None:
        api.runtime.script = [ServiceUnavailable("away")]
        assert api.generate({"text_inputs": "a"}).status == 503
        assert len(api.runtime.requests) == 1

    @pytest.mark.parametrize("kind", FINAL)
    def test_a_final_failure_is_answered_at_once(self, api: Api, kind: type[Problem]) -> None:
        api.fill_retry_budget()
        api.runtime.script = [kind("failed")]
        assert api.generate({"text_inputs": "a"}).status >= 400
        assert len(api.runtime.requests) == 1
        assert api.clock.slept == []

    def test_an_outage_adds_at_most_a_tenth_to_the_load(self, api: Api) -> None:
        api.runtime.script = [ServiceUnavailable("away")] * 1000
        for _ in range(200):
            api.generate({"text_inputs": "a"})
        assert 200 < len(api.runtime.requests) <= 220

    def test_no_attempt_is_made_without_time_to_answer(self, api: Api) -> None:
        answer = api.generate({"text_inputs": "a"}, Context(seconds=2.5))
        assert (answer.status, answer.error["type"]) == (504, "deadline_exceeded")
        assert api.runtime.requests == []

    def test_each_attempt_has_what_is_left_of_the_deadline(self, api: Api) -> None:
        api.fill_retry_budget()
        api.clock.elapsed = 0.0
        api.runtime.seconds = 5.0
        api.runtime.script = [ModelNotReady("loading")] * 9
        answer = api.generate({"text_inputs": "a"})
        assert answer.error["type"] == "model_not_ready"
        assert api.runtime.timeouts == [28, 22, 17, 11, 4]
