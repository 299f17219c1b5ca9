"""Refusing at once what the model would not answer in time, on what one worker saw."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proxy.admission import (
    PROBE_SHARE,
    QUIET_SECONDS,
    RETRY_AFTER_SECONDS,
    TRUST_SECONDS,
    Limits,
    Sighting,
    admitted_share,
    after_attempt,
    after_refusal,
)
from proxy.errors import ModelFailed, ModelOverloaded, ModelRefused, Problem, Throttled

from tests.unit.proxy.fakes import SETTINGS, Api

BUDGET = 28.0
LIMITS = Limits.of(BUDGET, calm=None)
PROMPT = {"text_inputs": "hello"}

moments = st.floats(0, 1e6)
latencies = st.floats(0, 60)
left = st.floats(0.1, BUDGET)


def seen(latency: float, *, at: float = 0.0) -> Sighting:
    return after_attempt(Sighting(), started=at - latency, now=at, limits=LIMITS)


def share(sighting: Sighting, *, now: float = 0.0, seconds_left: float = BUDGET) -> float:
    return admitted_share(sighting, now=now, seconds_left=seconds_left, limits=LIMITS)


@given(moments, left)
def test_a_fresh_worker_refuses_nothing(now: float, seconds_left: float) -> None:
    assert share(Sighting(), now=now, seconds_left=seconds_left) == 1


@given(st.floats(0, 0.4 * BUDGET))
def test_what_took_less_than_two_fifths_of_the_budget_refuses_nothing(latency: float) -> None:
    assert share(seen(latency)) == pytest.approx(1)


@given(latencies, latencies, left, st.floats(0, QUIET_SECONDS))
def test_the_longer_the_last_answer_took_the_fewer_are_let_through(
    one: float, other: float, seconds_left: float, later: float
) -> None:
    shorter, longer = sorted((one, other))
    shares = [share(seen(latency), now=later, seconds_left=seconds_left) for latency in (shorter, longer)]
    assert 1 >= shares[0] >= shares[1] >= PROBE_SHARE


@given(latencies, left)
def test_some_are_always_let_through_to_see_how_it_is(latency: float, seconds_left: float) -> None:
    assert share(seen(latency), seconds_left=seconds_left) >= PROBE_SHARE > 0


@given(st.floats(2.1, 28), st.floats(0.1, 2))
def test_what_takes_longer_than_is_left_is_refused_but_for_the_probes(latency: float, seconds_left: float) -> None:
    assert share(seen(latency), seconds_left=seconds_left) == PROBE_SHARE


@given(latencies, left, st.floats(QUIET_SECONDS + 0.01, 1e4))
def test_a_worker_that_was_left_alone_lets_the_next_one_through(
    latency: float, seconds_left: float, later: float
) -> None:
    assert share(seen(latency), now=later, seconds_left=seconds_left) == 1
    refused = after_refusal(seen(latency), now=0.5)
    assert share(refused, now=0.5 + later, seconds_left=seconds_left) == 1


def test_whoever_comes_back_alone_after_a_refusal_is_trusted_for_a_while() -> None:
    refused = after_refusal(seen(20.0), now=0.0)
    back = RETRY_AFTER_SECONDS
    answered = after_attempt(refused, started=back, now=back + 20.0, limits=LIMITS)
    assert share(answered, now=back + 20.1) == 1
    assert share(answered, now=back + TRUST_SECONDS - 1) == 1
    later = after_attempt(answered, started=back + TRUST_SECONDS, now=back + TRUST_SECONDS + 20, limits=LIMITS)
    assert share(later, now=back + TRUST_SECONDS + 20) == PROBE_SHARE


def test_trust_ends_with_an_answer_that_came_late() -> None:
    refused = after_refusal(seen(20.0), now=0.0)
    late = after_attempt(refused, started=10.0, now=10.0 + 0.95 * BUDGET, limits=LIMITS)
    assert share(late, now=10.1 + 0.95 * BUDGET) == PROBE_SHARE


def test_a_crowd_earns_no_trust() -> None:
    refused = after_refusal(seen(20.0), now=0.0)
    answered = after_attempt(refused, started=1.0, now=21.0, limits=LIMITS)
    assert share(answered, now=21.0) == PROBE_SHARE


class TestOverHttp:
    def overload(self, api: Api) -> None:
        """The last answer took 20 of 28 seconds, just now."""
        api.runtime.seconds = 20.0
        assert api.generate(PROMPT).status == 200
        api.runtime.requests.clear()

    def test_a_request_is_refused_at_once_and_told_when_to_come_back(self, api: Api) -> None:
        self.overload(api)
        before = api.clock.elapsed
        refusal = api.generate(PROMPT)
        assert (refusal.status, refusal.error["type"]) == (429, "overloaded")
        assert refusal.headers["Retry-After"] == str(RETRY_AFTER_SECONDS)
        assert refusal.headers["x-pilotlight-attempts"] == "0"
        assert api.clock.elapsed == before
        assert api.runtime.requests == []

    def test_a_lone_caller_of_a_slow_model_is_through_after_retry_after(self, api: Api) -> None:
        self.overload(api)
        retry_after = int(api.generate(PROMPT).headers["Retry-After"])
        api.clock.elapsed += retry_after
        assert api.generate(PROMPT).status == 200
        assert api.generate(PROMPT).status == 200

    def test_a_caller_with_little_time_is_not_sent_to_a_model_that_takes_longer(self, api: Api) -> None:
        api.runtime.seconds = 8.0
        assert api.generate(PROMPT).status == 200
        assert api.generate(PROMPT).status == 200
        assert api.generate(PROMPT, headers={"X-Request-Timeout-Ms": "6000"}).status == 429

    def test_an_owner_who_knows_the_model_as_slow_has_nothing_refused(self) -> None:
        api = Api(replace(SETTINGS, overload_latency_seconds=29))
        api.runtime.seconds = 20.0
        assert [api.generate(PROMPT).status for _ in range(5)] == [200] * 5

    def test_a_batch_that_has_begun_is_finished(self, tgi: Api) -> None:
        tgi.runtime.seconds = 12.5
        answer = tgi.generate({"text_inputs": ["a", "b"]})
        assert answer.status == 200

    @pytest.mark.parametrize("kind", [ModelRefused, ModelOverloaded, ModelFailed])
    def test_what_a_container_says_at_once_does_not_end_an_overload(self, api: Api, kind: type[Problem]) -> None:
        self.overload(api)
        api.runtime.seconds, api.random, api.runtime.script = 0.01, 0.0, [kind("nothing was generated")]
        assert api.generate(PROMPT).error["type"] == kind.type
        api.random = 0.5
        assert api.generate(PROMPT).error["type"] == "overloaded"

    def test_what_the_model_refuses_by_itself_is_no_evidence(self, api: Api) -> None:
        api.runtime.seconds = 20.0
        api.runtime.script = [Throttled("busy")]
        assert api.generate(PROMPT).error["type"] == "throttled"
        api.runtime.seconds = 0.1
        assert api.generate(PROMPT).status == 200
