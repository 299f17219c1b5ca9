"""`Idempotency-Key`: one key, one answer, also at once, also when something dies."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proxy import errors
from proxy.idempotency import KEPT_SECONDS, RESERVE_SECONDS, Entry, State, Verdict, judge
from proxy.once import GRACE_SECONDS
from proxy.timing import MAX_CREDIBLE_AGE_SECONDS

from tests.unit.proxy.fakes import START, Answer, Api, FakeAnswers, echo, event

PROMPT = {"text_inputs": "hello"}
IDENTITY = {"apiKeyId": "key-1"}


def send(
    api: Api,
    body: object = PROMPT,
    *,
    key: object = "k-1",
    identity: object = IDENTITY,
    request_id: str = "request-1",
    later: float = 0.0,
    age: float = 0.0,
    headers: dict[str, str] | None = None,
) -> Answer:
    """A call whose worker begins `later` seconds after the test's start, and `age` seconds after its arrival."""
    api.clock.elapsed = max(api.clock.elapsed, later)
    about = {
        "requestId": request_id,
        "requestTimeEpoch": (api.clock.time() - age) * 1000,
        "identity": identity,
    }
    given = {"Idempotency-Key": key} | (headers or {})
    return api.send(event("POST", "/generate", body, headers=given, requestContext=about))


def bug(_: dict[str, Any]) -> bytes:
    raise RuntimeError


class TestTheSameCallAgain:
    def test_it_gets_the_first_ones_answer_word_for_word(self, api: Api) -> None:
        first = send(api, request_id="request-1")
        again = send(api, request_id="request-2")
        assert first.status == again.status == 200
        assert again.body == first.body
        assert len(api.runtime.requests) == 1
        assert (first.headers["x-pilotlight-idempotency"], again.headers["x-pilotlight-idempotency"]) == (
            "stored",
            "replayed",
        )
        assert again.headers["x-request-id"] == "request-2"
        assert again.headers["x-pilotlight-attempts"] == "0"

    def test_also_where_its_caller_gave_both_the_same_request_id(self, api: Api) -> None:
        """On a REST API a caller can, with X-Amzn-RequestId."""
        first, again = send(api, request_id="mine"), send(api, request_id="mine")
        assert again.body == first.body
        assert len(api.runtime.requests) == 1

    @pytest.mark.parametrize(("later", "invocations"), [(KEPT_SECONDS - 1, 1), (KEPT_SECONDS + 1, 2)])
    def test_the_answer_is_kept_for_ten_minutes_of_the_events_time(
        self, api: Api, later: float, invocations: int
    ) -> None:
        """The entry is still in the table: DynamoDB removes what has expired when it likes."""
        send(api)
        send(api, later=later, request_id="request-2")
        assert len(api.runtime.requests) == invocations

    def test_another_workers_answer_is_as_good(self, api: Api) -> None:
        other = Api()
        other.answers = api.answers
        assert send(api).body == send(other, request_id="request-2").body
        assert other.runtime.requests == []

    @pytest.mark.parametrize("body", [{"text_inputs": "other"}, '{"text_inputs":  "hello"}'])
    def test_another_body_is_refused_by_name(self, api: Api, body: object) -> None:
        send(api)
        refusal = send(api, body, request_id="request-2")
        assert (refusal.status, refusal.error["type"]) == (422, "idempotency_key_reused")
        assert refusal.error["param"] == "Idempotency-Key"
        assert len(api.runtime.requests) == 1

    def test_no_caller_reads_anothers_answer(self, api: Api) -> None:
        send(api)
        assert send(api, identity={"apiKeyId": "key-2"}, request_id="request-2").status == 200
        assert len(api.runtime.requests) == 2

    def test_neither_the_key_nor_the_caller_stands_in_the_table(self, api: Api) -> None:
        send(api, key="my-secret-key")
        assert "my-secret-key" not in repr(api.answers.entries)
        assert "key-1" not in repr(api.answers.entries)


class TestTwoCallsAtOnce:
    def running(self, api: Api, *, lease_until: float) -> Callable[[], str]:
        """Another worker's call under the same key, which is at work; returns the key's id in the table."""
        probe = FakeAnswers()
        other = Api()
        other.answers = probe
        send(other)
        [(key_id, entry)] = probe.entries.items()
        api.answers.entries[key_id] = Entry(
            request=entry.request,
            owner="request-0",
            state=State.RUNNING,
            lease_until=START + lease_until,
            expires_at=START + lease_until,
        )
        return lambda: key_id

    def test_the_second_waits_for_the_firsts_answer(self, api: Api) -> None:
        key_id = self.running(api, lease_until=30)()

        def meanwhile() -> None:
            if api.clock.elapsed > 5:
                standing = api.answers.entries[key_id]
                api.answers.entries[key_id] = Entry(
                    standing.request, "request-0", State.ANSWERED, START + 30, START + 600, '{"generated_texts": ["x"]}'
                )

        api.answers.after_claim = meanwhile
        answer = send(api)
        assert (answer.status, answer.body) == (200, {"generated_texts": ["x"]})
        assert api.runtime.requests == []
        assert 5 < api.clock.elapsed < 7
        assert max(api.clock.slept) <= 1

    def test_one_with_the_firsts_request_id_waits_as_any_other(self, api: Api) -> None:
        second: list[Answer] = []

        def meanwhile(_: dict[str, Any]) -> bytes:
            api.runtime.model = echo
            second.append(send(api, request_id="mine", headers={"X-Request-Timeout-Ms": "6000"}))
            return b'{"generated_texts": ["mine"]}'

        api.runtime.model = meanwhile
        assert send(api, request_id="mine").status == 200
        assert [answer.error["type"] for answer in second] == ["idempotency_key_in_use"]
        assert len(api.runtime.requests) == 1

    def test_a_first_that_began_late_holds_its_key_as_long(self, api: Api) -> None:
        """A cold start of ten seconds: its work may last until 26 s after its arrival."""
        second: list[Answer] = []

        def meanwhile(_: dict[str, Any]) -> bytes:
            api.runtime.model = echo
            second.append(send(api, later=25, headers={"X-Request-Timeout-Ms": "5500"}))
            return b'{"generated_texts": ["mine"]}'

        api.runtime.model = meanwhile
        assert send(api, later=10, age=10).headers["x-pilotlight-idempotency"] == "stored"
        assert [answer.error["type"] for answer in second] == ["idempotency_key_in_use"]
        assert api.runtime.timeouts == [16]

    def test_the_second_takes_over_when_the_first_fails(self, api: Api) -> None:
        key_id = self.running(api, lease_until=30)()

        def meanwhile() -> None:
            if api.clock.elapsed > 3:
                api.answers.entries.pop(key_id)

        api.answers.after_claim = meanwhile
        assert send(api).status == 200
        assert len(api.runtime.requests) == 1

    def test_a_first_that_died_blocks_its_key_no_longer_than_its_own_deadline(self, api: Api) -> None:
        self.running(api, lease_until=10)
        answer = send(api)
        assert answer.status == 200
        assert 10 <= api.clock.elapsed <= 12
        assert answer.headers["x-pilotlight-idempotency"] == "stored"

    def test_a_second_whose_budget_ends_first_is_told_when_to_come_back(self, api: Api) -> None:
        self.running(api, lease_until=20)
        refusal = send(api, headers={"X-Request-Timeout-Ms": "6000"})
        assert (refusal.status, refusal.error["type"]) == (409, "idempotency_key_in_use")
        assert api.clock.elapsed <= 3
        assert 17 <= int(refusal.headers["Retry-After"]) <= 18
        assert api.runtime.requests == []

    def test_a_first_that_was_thought_dead_does_not_overwrite_the_second(self, api: Api) -> None:
        def taken_over(_: dict[str, Any]) -> bytes:
            [(key_id, entry)] = api.answers.entries.items()
            api.answers.entries[key_id] = Entry(entry.request, "request-9", State.RUNNING, START + 90, START + 90)
            return b'{"generated_texts": ["mine"]}'

        api.runtime.model = taken_over
        answer = send(api)
        assert answer.body["generated_texts"] == ["mine"]
        assert answer.headers["x-pilotlight-idempotency"] == "not-stored"
        [entry] = api.answers.entries.values()
        assert entry.owner == "request-9"


class TestFailures:
    @pytest.mark.parametrize(
        "problem",
        [
            errors.Throttled("busy"),
            errors.ModelFailed("broken"),
            errors.ModelRefused("no"),
            errors.DeadlineExceeded("late"),
            errors.EndpointMissing("off"),
        ],
    )
    def test_a_failure_is_not_kept(self, api: Api, problem: errors.Problem) -> None:
        api.runtime.script = [problem]
        assert send(api).status >= 400
        assert api.answers.entries == {}
        assert send(api, request_id="request-2").status == 200

    def test_a_bug_frees_the_key(self, api: Api) -> None:
        api.runtime.model = bug
        assert send(api).status == 500
        assert api.answers.entries == {}

    def test_a_generation_that_timed_out_is_issued_again_when_the_call_is(self, api: Api) -> None:
        api.runtime.seconds = 26.0
        api.runtime.script = [errors.DeadlineExceeded("late")]
        assert send(api).status == 504
        api.runtime.seconds, api.random = 1.0, 0.0  # let through, though it looks like an overload
        assert send(api, request_id="request-2", later=40).status == 200

    def test_a_connection_that_was_cut_is_retried_within_the_call(self, api: Api) -> None:
        api.fill_retry_budget()
        api.runtime.script = [errors.ConnectionLost("cut")]
        answer = send(api)
        assert (answer.status, answer.headers["x-pilotlight-attempts"]) == (200, "2")

    def test_without_a_key_it_is_not(self, api: Api) -> None:
        api.fill_retry_budget()
        api.runtime.script = [errors.ConnectionLost("cut")]
        assert api.generate(PROMPT).status == 502

    def test_a_table_out_of_reach_is_told_before_anything_is_paid_for(self, api: Api) -> None:
        api.answers.broken = {"claim"}
        refusal = send(api)
        assert (refusal.status, refusal.error["type"]) == (503, "idempotency_unavailable")
        assert refusal.headers["Retry-After"] == "1"
        assert api.runtime.requests == []

    def test_an_answer_that_could_not_be_kept_is_still_given(self, api: Api) -> None:
        api.answers.broken = {"keep"}
        answer = send(api)
        assert (answer.status, answer.headers["x-pilotlight-idempotency"]) == (200, "not-stored")

    def test_a_key_that_could_not_be_freed_hides_nothing(self, api: Api) -> None:
        api.answers.broken = {"release"}
        api.runtime.script = [errors.ModelFailed("broken")]
        assert send(api).error["type"] == "model_failed"

    def test_an_answer_too_large_to_keep_is_given_once(self, api: Api) -> None:
        api.runtime.script = [b'{"generated_texts": ["' + b"x" * 400_000 + b'"]}']
        first = send(api)
        assert (first.status, first.headers["x-pilotlight-idempotency"]) == (200, "not-stored")
        again = send(api, request_id="request-2")
        assert (again.status, again.error["type"]) == (409, "idempotency_answer_not_kept")
        assert "390000" in again.error["message"]
        assert len(api.runtime.requests) == 1

    def test_two_seconds_are_kept_back_for_the_table(self, api: Api) -> None:
        assert send(api).headers["x-pilotlight-budget-ms"] == "26000"
        assert api.runtime.timeouts == [26]


class TestTheHeader:
    @pytest.mark.parametrize("key", ["", " ", "k" * 256, "é", "a\nb", "a\x00", " k", "k "])
    def test_a_key_that_is_none_is_refused_by_name(self, api: Api, key: str) -> None:
        refusal = send(api, key=key)
        assert (refusal.status, refusal.error["param"]) == (400, "Idempotency-Key")
        assert api.runtime.requests == []
        assert api.answers.calls == []

    @pytest.mark.parametrize("key", ["k", "k" * 255, "8e03978e-40d5-43e8-bc93-6894a57f9324", '"quoted"', "a b"])
    def test_a_key_may_be_any_printable_text(self, api: Api, key: str) -> None:
        assert send(api, key=key).headers["x-pilotlight-idempotency"] == "stored"

    def test_a_caller_whom_nobody_knows_is_refused(self, api: Api) -> None:
        refusal = send(api, identity={})
        assert (refusal.status, refusal.error["param"]) == (400, "Idempotency-Key")

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ({"identity": {"userArn": "arn:1"}}, {"identity": {"userArn": "arn:2"}}),
            ({"headers": {"x-api-key": "1"}}, {"headers": {"x-api-key": "2"}}),
            ({"headers": {"Authorization": "Bearer 1"}}, {"headers": {"Authorization": "Bearer 2"}}),
        ],
    )
    def test_callers_are_told_apart_by_whatever_names_them(self, api: Api, one: Any, other: Any) -> None:
        send(api, **({"identity": {}} | one))
        assert send(api, **({"identity": {}} | other)).headers["x-pilotlight-idempotency"] == "stored"

    def test_a_call_without_it_does_not_touch_the_table(self, api: Api) -> None:
        api.generate(PROMPT)
        assert api.answers.calls == []

    def test_a_get_is_its_own_repetition(self, api: Api) -> None:
        about = {"requestId": "request-1", "identity": IDENTITY}
        answer = api.send(event("GET", "/endpoint", headers={"idempotency-key": "k"}, requestContext=about))
        assert answer.status == 200
        assert api.answers.calls == []


@given(age=st.floats(0, MAX_CREDIBLE_AGE_SECONDS), limit=st.integers(20_000, 40_000))
def test_a_call_holds_its_key_until_its_work_is_over_however_late_it_began_and_not_for_long_after(
    age: float, limit: int
) -> None:
    api = Api()
    leases: list[float] = []

    def model(request: dict[str, Any]) -> bytes:
        leases.extend(entry.lease_until for entry in api.answers.entries.values())
        return echo(request)

    api.runtime.model = model
    answer = send(api, later=age, age=age, headers={"X-Request-Timeout-Ms": str(limit)})
    deadline = START + age + int(answer.headers["x-pilotlight-budget-ms"]) / 1000
    [lease] = leases
    assert GRACE_SECONDS + RESERVE_SECONDS <= lease - deadline <= 6


hashes = st.sampled_from(["a", "b"])
entries = st.builds(
    Entry,
    request=hashes,
    owner=st.just("request-0"),
    state=st.sampled_from(State),
    lease_until=st.floats(0, 100),
    expires_at=st.floats(0, 1000),
    answer=st.just("{}"),
)


@given(entries, hashes, st.floats(0, 2000))
def test_an_answer_is_only_given_to_the_request_it_is_for_and_only_until_it_expires(
    entry: Entry, request: str, now: float
) -> None:
    verdict = judge(entry, request=request, now=now)
    if verdict is Verdict.REPLAY:
        assert entry.request == request
        assert now < entry.expires_at
        assert entry.state is State.ANSWERED


@given(entries, hashes)
def test_every_key_is_free_in_the_end(entry: Entry, request: str) -> None:
    assert judge(entry, request=request, now=1000) is Verdict.FREE


@given(entries, hashes, st.floats(0, 2000))
def test_a_call_at_work_is_waited_for_only_while_its_lease_lasts(entry: Entry, request: str, now: float) -> None:
    if judge(entry, request=request, now=now) is Verdict.WAIT:
        assert entry.state is State.RUNNING
        assert now < entry.lease_until
