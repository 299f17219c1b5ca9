"""Refusing at once what the model would not answer in time, on what one worker saw."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proxy.admission import (
    DOUBT,
    FORGOTTEN_SECONDS,
    FULL_DELAY_SHARE,
    LATE_SHARE,
    LEAST_DELAY_SHARE,
    MOST_REFUSALS,
    PUNCTUAL_SECONDS,
    RETRY_AFTER_SECONDS,
    RISE,
    TOLERANCE,
    Limits,
    Sighting,
    admitted_share,
    after_answer,
    after_refusal,
    after_timeout,
    tokens_of,
)
from proxy.errors import (
    ConnectionLost,
    DeadlineExceeded,
    EndpointMissing,
    ModelFailed,
    ModelOverloaded,
    ModelRefused,
    Problem,
    Throttled,
)

from tests.unit.proxy.fakes import SETTINGS, Api

BUDGET = 28.0
LIMITS = Limits(BUDGET)
LEAST_SHARE = 1 / (1 + MOST_REFUSALS)
PROMPT = {"text_inputs": "hello"}

moments = st.floats(0, 1e6)
delays = st.floats(0, 60)
left = st.floats(0.1, BUDGET)
paces = st.floats(0.001, 0.5)
tokens = st.floats(1, 2_000)


def answered(sighting: Sighting, seconds: float, *, of: float = 100.0, limits: Limits = LIMITS) -> Sighting:
    """Once `of` tokens took `seconds`."""
    return after_answer(sighting, seconds=seconds, tokens=of, now=0.0, limits=limits)


def timed_out(sighting: Sighting, *, after: float = BUDGET, limits: Limits = LIMITS) -> Sighting:
    return after_timeout(sighting, seconds=after, now=0.0, limits=limits)


def share(sighting: Sighting, *, now: float = 0.0, seconds_left: float = BUDGET) -> float:
    return admitted_share(sighting, now=now, seconds_left=seconds_left)


BUSY = timed_out(timed_out(Sighting()))


class TestTheDelay:
    @given(moments, left)
    def test_a_fresh_worker_refuses_nothing(self, now: float, seconds_left: float) -> None:
        assert share(Sighting(), now=now, seconds_left=seconds_left) == 1

    @given(delays, delays, left)
    def test_the_longer_it_is_the_fewer_are_let_through(self, one: float, other: float, seconds_left: float) -> None:
        shares = [
            share(Sighting(delay=delay, seen_at=0.0), seconds_left=seconds_left) for delay in sorted((one, other))
        ]
        assert 1 >= shares[0] >= shares[1] >= LEAST_SHARE > 0

    @given(delays, left, left)
    def test_who_has_less_time_is_let_through_less(self, delay: float, one: float, other: float) -> None:
        less, more = sorted((one, other))
        sighting = Sighting(delay=delay, seen_at=0.0)
        assert share(sighting, seconds_left=less) <= share(sighting, seconds_left=more)

    @given(left)
    def test_it_counts_as_a_share_of_the_time_left(self, seconds_left: float) -> None:
        short = Sighting(delay=0.99 * LEAST_DELAY_SHARE * seconds_left, seen_at=0.0)
        long = Sighting(delay=1.01 * FULL_DELAY_SHARE * seconds_left, seen_at=0.0)
        assert share(short, seconds_left=seconds_left) == 1
        assert share(long, seconds_left=seconds_left) == pytest.approx(LEAST_SHARE)


class TestThePace:
    @given(paces, st.lists(st.tuples(tokens, st.floats(1.0, TOLERANCE)), min_size=1, max_size=30))
    def test_a_healthy_model_is_not_refused_however_slow_it_is_and_however_long_its_answers_are(
        self, pace: float, answers: list[tuple[float, float]]
    ) -> None:
        """Its tokens may take up to `TOLERANCE` times as long in company as alone."""
        sighting = Sighting()
        for written, slower in answers:
            sighting = answered(sighting, pace * slower * written, of=written)
            assert sighting.delay <= 1e-6 * pace * written
            assert pace * (1 - 1e-9) <= sighting.pace <= pace * TOLERANCE * (1 + 1e-9)

    @given(paces, tokens, st.floats(3.0, 60.0))
    def test_a_queue_before_a_known_model_is_seen_at_once(self, pace: float, written: float, waited: float) -> None:
        calm = answered(Sighting(), pace * written, of=written)
        seen = answered(calm, waited + pace * written, of=written)
        allowed = (TOLERANCE * RISE - 1) * pace * written
        assert seen.delay >= waited - allowed - 1e-6
        assert seen.delay <= waited

    def test_one_wrong_count_does_not_set_it(self) -> None:
        calm = answered(Sighting(), 16.0, of=200)
        fooled = answered(calm, 16.0, of=400)
        assert share(answered(fooled, 16.0, of=200)) == 1

    def test_a_model_that_was_changed_for_a_slower_one_is_learnt(self) -> None:
        sighting = answered(Sighting(), 4.0)
        sighting = answered(sighting, 12.0)
        assert share(sighting) < 1
        for _ in range(30):
            sighting = answered(sighting, 12.0)
        assert share(sighting) == 1

    @given(st.floats(0, 28), st.floats(0, 28))
    def test_what_the_owner_calls_calm_is_no_delay(self, seconds: float, calm: float) -> None:
        known = answered(Sighting(), 0.1)
        seen = answered(known, seconds, limits=Limits(BUDGET, calm=calm))
        assert seen.delay == 0 or seconds > calm

    def test_what_was_read_counts_for_little(self) -> None:
        assert tokens_of(read=0, written=50) == 50
        assert tokens_of(read=2_000, written=50) == 150
        assert tokens_of(read=0, written=0) == 1


class TestTimeouts:
    @pytest.mark.parametrize("before", [Sighting(), answered(Sighting(), 16.0)], ids=["fresh", "answered"])
    def test_one_may_be_a_long_answer_and_two_in_a_row_are_a_queue(self, before: Sighting) -> None:
        once = timed_out(before)
        assert once.delay == DOUBT * BUDGET
        assert 0.3 < share(once) < 1
        assert share(timed_out(once)) == pytest.approx(LEAST_SHARE)

    def test_the_next_answer_in_good_time_ends_it(self) -> None:
        busy = timed_out(timed_out(answered(Sighting(), 16.0)))
        assert share(answered(busy, 16.0)) == 1

    @given(st.floats(0, 0.99 * LATE_SHARE * BUDGET))
    def test_a_caller_of_little_patience_tells_nothing(self, seconds: float) -> None:
        for sighting in (Sighting(), answered(Sighting(), 16.0)):
            assert timed_out(sighting, after=seconds) == sighting

    def test_they_are_no_evidence_where_everything_is_called_calm(self) -> None:
        assert timed_out(Sighting(), limits=Limits(BUDGET, calm=29.0)) == Sighting()


class TestWhoComesBack:
    @given(left, st.floats(PUNCTUAL_SECONDS[0] + 0.01, PUNCTUAL_SECONDS[1] - 0.01))
    def test_when_told_is_let_through(self, seconds_left: float, later: float) -> None:
        refused = after_refusal(BUSY, now=1.0)
        assert share(refused, now=1.0 + later, seconds_left=seconds_left) == 1

    def test_at_once_or_much_later_is_not(self) -> None:
        refused = after_refusal(BUSY, now=1.0)
        assert share(refused, now=2.0) == share(refused, now=61.0) == pytest.approx(LEAST_SHARE)

    def test_after_ten_minutes_nothing_is_held_against_anybody(self) -> None:
        assert share(BUSY, now=FORGOTTEN_SECONDS + 1) == 1

    def test_the_time_that_is_told_is_the_time_that_is_waited_for(self) -> None:
        assert PUNCTUAL_SECONDS[0] < RETRY_AFTER_SECONDS < PUNCTUAL_SECONDS[1]


class TestOverHttp:
    def calm(self, api: Api) -> None:
        api.runtime.seconds = 1.0
        assert api.generate(PROMPT).status == 200

    def overload(self, api: Api) -> None:
        """The last answer took 20 seconds of 28 rather than one, just now."""
        self.calm(api)
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

    def test_a_lone_caller_is_through_after_retry_after(self, api: Api) -> None:
        self.overload(api)
        api.clock.elapsed += int(api.generate(PROMPT).headers["Retry-After"])
        assert api.generate(PROMPT).status == 200

    def test_a_slow_model_that_is_calm_refuses_nobody(self, api: Api) -> None:
        api.runtime.seconds = 20.0
        assert [api.generate(PROMPT).status for _ in range(5)] == [200] * 5

    def test_a_caller_with_little_time_is_refused_for_a_shorter_delay(self, api: Api) -> None:
        for seconds in (0.1, 2.0):
            api.runtime.seconds = seconds
            assert api.generate(PROMPT).status == 200
        assert api.generate(PROMPT, headers={"X-Request-Timeout-Ms": "6000"}).status == 429
        assert api.generate(PROMPT).status == 200

    def test_an_owner_who_calls_it_calm_has_nothing_refused(self) -> None:
        api = Api(replace(SETTINGS, overload_latency_seconds=29))
        self.overload(api)
        assert [api.generate(PROMPT).status for _ in range(5)] == [200] * 5

    def test_a_batch_that_has_begun_is_finished(self, tgi: Api) -> None:
        tgi.runtime.seconds = 1.0
        assert tgi.generate(PROMPT).status == 200
        tgi.runtime.seconds = 12.5
        assert tgi.generate({"text_inputs": ["a", "b"]}).status == 200

    @pytest.mark.parametrize(
        "several",
        [
            {"text_inputs": ["hello"] * 64},
            PROMPT | {"num_return_sequences": 2, "do_sample": True},
            PROMPT | {"num_beams": 4},
        ],
        ids=["batch", "sequences", "beams"],
    )
    def test_several_texts_of_one_invocation_tell_nothing(self, api: Api, several: dict[str, Any]) -> None:
        self.calm(api)
        api.runtime.seconds = 15.0
        assert [api.generate(several).status for _ in range(3)] == [200] * 3
        self.calm(api)

    def test_tokens_are_counted_where_the_container_tells_them(self, tgi: Api) -> None:
        def telling(tokens: int) -> bytes:
            return b'[{"generated_text": "hi", "details": {"generated_tokens": %d}}]' % tokens

        for seconds, tokens in ((1.0, 10), (20.0, 200), (20.0, 200)):
            tgi.runtime.seconds, tgi.runtime.script = seconds, [telling(tokens)]
            assert tgi.generate(PROMPT).status == 200

    @pytest.mark.parametrize("kind", [ModelRefused, ModelOverloaded, ModelFailed])
    def test_what_a_container_says_at_once_does_not_end_an_overload(self, api: Api, kind: type[Problem]) -> None:
        self.overload(api)
        api.runtime.seconds, api.random, api.runtime.script = 0.01, 0.0, [kind("nothing was generated")]
        assert api.generate(PROMPT).error["type"] == kind.type
        api.random = 0.5
        assert api.generate(PROMPT).error["type"] == "overloaded"

    @pytest.mark.parametrize("kind", [ModelRefused, ModelOverloaded, ModelFailed, Throttled])
    def test_what_the_model_refuses_by_itself_is_no_evidence(self, api: Api, kind: type[Problem]) -> None:
        api.runtime.seconds, api.runtime.script = 27.0, [kind("busy")]
        assert api.generate(PROMPT).error["type"] == kind.type
        api.runtime.seconds = 0.1
        assert api.generate(PROMPT).status == 200

    def test_what_is_no_answer_does_not_set_the_pace(self, api: Api) -> None:
        api.runtime.seconds = 9.0
        assert api.generate(PROMPT).status == 200
        api.runtime.seconds, api.runtime.script = 0.01, [b"<html>"] * 10
        assert {api.generate(PROMPT).status for _ in range(10)} == {502}
        api.runtime.seconds = 9.0
        assert [api.generate(PROMPT).status for _ in range(2)] == [200] * 2

    def test_no_queue_outlives_its_endpoint(self, api: Api) -> None:
        self.overload(api)
        api.random, api.runtime.script = 0.0, [EndpointMissing("It is off.")]
        assert api.generate(PROMPT).status == 503
        api.random = 0.5
        assert [api.generate(PROMPT).status for _ in range(2)] == [200] * 2  # however long its first answers take

    @pytest.mark.parametrize("kind", [DeadlineExceeded, ConnectionLost])
    def test_an_answer_that_was_waited_for_in_vain_is(self, api: Api, kind: type[Problem]) -> None:
        api.runtime.seconds, api.runtime.script = 27.0, [kind("gone")]
        assert api.generate(PROMPT).error["type"] == kind.type
        assert api.generate(PROMPT).error["type"] == "overloaded"
        api.random = 0.2
        assert api.generate(PROMPT).status == 200
