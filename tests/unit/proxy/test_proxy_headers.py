"""What the caller may say about time, and what every answer says about what it took."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proxy import errors
from proxy.timing import seconds_allowed

from tests.unit.proxy.fakes import START, Answer, Api, Context, event

PROMPT = {"text_inputs": "hello"}
KEYED = {"requestId": "request-1", "identity": {"apiKeyId": "key-1"}}


def within(milliseconds: object) -> dict[str, Any]:
    return {"headers": {"x-request-timeout-ms": milliseconds}}


class TestTheCallersTimeout:
    def test_it_shortens_the_budget(self, api: Api) -> None:
        answer = api.generate(PROMPT, headers={"X-Request-Timeout-Ms": "10000"})
        assert api.runtime.timeouts == [9]
        assert answer.headers["x-pilotlight-budget-ms"] == "9000"

    def test_it_counts_from_the_requests_arrival(self, api: Api) -> None:
        sent = {"requestId": "request-1", "requestTimeEpoch": (START - 3) * 1000}
        api.generate(PROMPT, **within("10000"), requestContext=sent)
        assert api.runtime.timeouts == [6]

    @pytest.mark.parametrize("milliseconds", ["29000", "60000", "999999999"])
    def test_it_never_lengthens_it(self, api: Api, milliseconds: str) -> None:
        api.generate(PROMPT, **within(milliseconds))
        assert api.runtime.timeouts == [28]

    def test_lambdas_own_end_binds_as_well(self, api: Api) -> None:
        api.generate(PROMPT, Context(seconds=6), **within("10000"))
        assert api.runtime.timeouts == [5]

    @given(st.floats(0, 15), st.floats(0.001, 1e6), st.floats(0, 900))
    def test_the_earliest_end_binds(self, age: float, asked: float, remaining: float) -> None:
        allowed = seconds_allowed(
            request_age=age, integration_timeout=29, lambda_remaining=remaining, caller_timeout=asked
        )
        assert allowed == min(min(29, asked) - age, remaining) - 1

    @pytest.mark.parametrize(
        "value", ["", "0", "-5", "+5", "1.5", "1e3", " 5", "5s", "5000 ", "0x10", "٣", "1_000", "9" * 10, "NaN"]
    )
    def test_a_bad_value_is_refused_by_name(self, api: Api, value: str) -> None:
        refusal = api.generate(PROMPT, **within(value))
        assert (refusal.status, refusal.error["type"]) == (400, "invalid_parameter")
        assert refusal.error["param"] == "X-Request-Timeout-Ms"
        assert api.runtime.requests == []

    def test_a_bad_value_is_refused_on_every_route(self, api: Api) -> None:
        assert api.send(event("GET", "/endpoint", **within("soon"))).status == 400

    @pytest.mark.parametrize("milliseconds", ["1", "2500", "3000", "3499"])
    def test_one_that_is_too_short_for_an_attempt_is_refused_with_the_least_that_is_not(
        self, api: Api, milliseconds: str
    ) -> None:
        refusal = api.generate(PROMPT, **within(milliseconds))
        assert (refusal.status, refusal.error["param"]) == (400, "X-Request-Timeout-Ms")
        assert f"'{milliseconds}'" in refusal.error["message"]
        assert "from 3500 to" in refusal.error["message"]

    @pytest.mark.parametrize("age", [0, 0.02, 0.49])
    def test_the_least_holds_an_attempt_of_a_call_that_took_a_while_to_come(self, api: Api, age: float) -> None:
        sent = {"requestId": "request-1", "requestTimeEpoch": (START - age) * 1000}
        assert api.generate(PROMPT, **within("3500"), requestContext=sent).status == 200
        assert api.runtime.timeouts == [2]

    @pytest.mark.parametrize(
        ("method", "path", "body", "least"),
        [("POST", "/endpoint", '{"state": "off"}', 1500), ("GET", "/tasks", "", 1500), ("GET", "/endpoint", "", 6500)],
    )
    def test_what_asks_no_model_needs_no_time_for_it(
        self, api: Api, method: str, path: str, body: str, least: int
    ) -> None:
        """Who waits three seconds at most can still turn the endpoint off; a look at it may take longer."""
        assert api.send(event(method, path, body, **within(str(least)))).status == 200
        refusal = api.send(event(method, path, body, **within(str(least - 1))))
        assert (refusal.status, refusal.error["param"]) == (400, "X-Request-Timeout-Ms")
        assert f"from {least} to" in refusal.error["message"]

    def test_beside_an_idempotency_key_the_least_is_two_seconds_more(self, api: Api) -> None:
        def keyed(milliseconds: str) -> Answer:
            headers = {"x-request-timeout-ms": milliseconds, "idempotency-key": "k"}
            return api.send(event("POST", "/generate", json.dumps(PROMPT), headers=headers, requestContext=KEYED))

        refusal = keyed("5499")
        assert (refusal.status, refusal.error["param"]) == (400, "X-Request-Timeout-Ms")
        assert "from 5500 to" in refusal.error["message"]
        assert keyed("5500").status == 200

    def test_too_little_left_for_an_attempt_is_told_with_the_numbers(self, api: Api) -> None:
        sent = {"requestId": "request-1", "requestTimeEpoch": (START - 1.5) * 1000}
        refusal = api.generate(PROMPT, **within("4000"), requestContext=sent)
        assert (refusal.status, refusal.error["type"]) == (504, "deadline_exceeded")
        assert refusal.error["message"].startswith("1.5 s")
        assert "2 s" in refusal.error["message"]
        assert refusal.headers["x-pilotlight-attempts"] == "0"

    def test_a_time_that_is_over_from_the_start_is_a_budget_of_nothing(self, api: Api) -> None:
        sent = {"requestId": "request-1", "requestTimeEpoch": (START - 4) * 1000}
        answer = api.generate(PROMPT, **within("3500"), requestContext=sent)
        assert answer.headers["x-pilotlight-budget-ms"] == "0"


class TestWhatAnAnswerTells:
    def test_an_answer_tells_attempts_budget_and_times(self, api: Api) -> None:
        api.fill_retry_budget()
        api.clock.elapsed = 0.0
        api.runtime.seconds = 2.0
        api.runtime.script = [errors.Throttled("busy")]
        told = api.generate(PROMPT).headers
        assert (told["x-pilotlight-attempts"], told["x-pilotlight-retries"]) == ("2", "1")
        assert told["x-pilotlight-budget-ms"] == "28000"
        assert told["x-pilotlight-elapsed-ms"] == "4250"
        assert told["x-pilotlight-model-latency-ms"] == "2000"
        assert "x-pilotlight-idempotency" not in told

    def test_an_error_tells_them_too(self, api: Api) -> None:
        api.runtime.seconds = 3.0
        api.runtime.script = [errors.ModelFailed("broken")]
        refusal = api.generate(PROMPT)
        assert refusal.status == 502
        assert refusal.headers["x-pilotlight-attempts"] == "1"
        assert refusal.headers["x-pilotlight-elapsed-ms"] == "3000"
        assert refusal.headers["x-pilotlight-model-latency-ms"] == "3000"

    def test_a_refusal_made_no_attempt(self, api: Api) -> None:
        told = api.generate({"text_inputs": ""}).headers
        assert told["x-pilotlight-attempts"] == "0"
        assert told["x-pilotlight-budget-ms"] == "28000"
        assert "x-pilotlight-model-latency-ms" not in told

    def test_header_values_are_strings(self, api: Api) -> None:
        """API Gateway refuses the answer of a Lambda whose headers are numbers."""
        answers = (api.generate(PROMPT), api.generate("oops"), api.endpoint(), api.send(event("GET", "/nowhere")))
        assert all(isinstance(value, str) for answer in answers for value in answer.headers.values())


class TestMetrics:
    def line(self, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
        return dict(json.loads(capsys.readouterr().out.splitlines()[-1]))

    def test_they_come_with_the_log_line_in_the_embedded_format(
        self, api: Api, capsys: pytest.CaptureFixture[str]
    ) -> None:
        api.runtime.seconds = 2.0
        api.generate({"text_inputs": "a" * 400})
        line = self.line(capsys)
        [directive] = line["_aws"]["CloudWatchMetrics"]
        assert (directive["Namespace"], directive["Dimensions"]) == ("Pilotlight", [["Stage"]])
        assert line["Stage"] == "test"
        units = {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]}
        assert units["ModelLatency"] == units["Overhead"] == "Milliseconds"
        assert set(units) <= set(line)
        assert (line["Attempts"], line["Retries"], line["Refused"], line["Failed"]) == (1, 0, 0, 0)
        assert line["ModelLatency"] == 2000
        assert 100 <= line["TokensIn"] <= 120  # 400 letters and a frame
        assert line["TokensOut"] >= 100
        assert line["tokens_estimated"] == ["in", "out"]

    def test_tokens_are_the_containers_own_where_it_tells_them(
        self, vllm: Api, tgi: Api, capsys: pytest.CaptureFixture[str]
    ) -> None:
        usage = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
        vllm.runtime.model = lambda _: json.dumps({"choices": [{"text": "x" * 400}], "usage": usage}).encode()
        vllm.generate({"text_inputs": ["a" * 400, "b"]})
        line = self.line(capsys)
        assert (line["TokensIn"], line["TokensOut"]) == (14, 10)
        assert "tokens_estimated" not in line
        written = [{"generated_text": "x" * 400, "details": {"generated_tokens": 5, "finish_reason": "length"}}]
        tgi.runtime.model = lambda _: json.dumps(written).encode()
        body = {"model": "falcon-7b-instruct", "prompt": "a" * 400, "n": 2, "temperature": 1, "max_tokens": 5}
        assert tgi.send(event("POST", "/v1/completions", body)).status == 200
        line = self.line(capsys)
        assert (line["TokensIn"] > 200, line["TokensOut"], line["tokens_estimated"]) == (True, 10, ["in"])

    @pytest.mark.parametrize(
        ("answer", "out"),
        [
            ({"choices": [{"text": "x" * 400}], "usage": None}, 108),
            ({"choices": [{"text": "x" * 400}], "usage": {"completion_tokens": "5"}}, 118),
            ({"choices": [{"text": "x" * 400}], "usage": {"completion_tokens": -5}}, 118),
            (
                {"choices": [{"text": "x" * 400}], "usage": {"prompt_tokens": 10**400, "completion_tokens": 10**400}},
                320,
            ),
            (["x" * 400], 101),
        ],
    )
    def test_what_is_no_count_is_estimated(
        self, vllm: Api, capsys: pytest.CaptureFixture[str], answer: object, out: int
    ) -> None:
        vllm.runtime.script = [json.dumps(answer).encode()]
        vllm.generate(PROMPT)
        line = self.line(capsys)
        assert line["status"] != 500
        assert abs(line["TokensOut"] - out) <= 3
        assert line["tokens_estimated"] == ["in", "out"]

    def test_an_answer_that_is_no_json_has_tokens_too(self, vllm: Api, capsys: pytest.CaptureFixture[str]) -> None:
        vllm.runtime.script = [b"x" * 400]
        vllm.generate(PROMPT)
        assert self.line(capsys)["TokensOut"] == 100

    def test_their_time_is_the_events(self, api: Api, capsys: pytest.CaptureFixture[str]) -> None:
        """Simulated time is in the event only."""
        context = {"requestId": "request-1", "requestTimeEpoch": 1_900_000_000_123}
        api.generate(PROMPT, requestContext=context)
        assert self.line(capsys)["_aws"]["Timestamp"] == 1_900_000_000_123

    def test_a_call_that_does_not_ask_the_model_has_none(self, api: Api, capsys: pytest.CaptureFixture[str]) -> None:
        """A metric costs by the hour in which it has data: watching `GET /endpoint` must not make it so."""
        api.endpoint()
        assert "_aws" not in self.line(capsys)
        api.generate("oops")
        assert "_aws" not in self.line(capsys)

    @pytest.mark.parametrize(
        ("problem", "failed"),
        [(errors.ModelFailed("x"), 1), (errors.EndpointMissing("x"), 0), (errors.ModelRefused("x"), 0)],
    )
    def test_an_endpoint_that_is_off_is_no_failure(
        self, api: Api, capsys: pytest.CaptureFixture[str], problem: errors.Problem, failed: int
    ) -> None:
        api.runtime.script = [problem]
        api.generate(PROMPT)
        assert self.line(capsys)["Failed"] == failed

    @pytest.mark.parametrize(("limit_ms", "failed"), [(3_500, 0), (60_000, 1)])
    def test_the_end_of_a_callers_own_limit_is_no_failure(
        self, api: Api, capsys: pytest.CaptureFixture[str], limit_ms: int, failed: int
    ) -> None:
        api.runtime.script = [errors.DeadlineExceeded("late")]
        api.generate(PROMPT, headers={"X-Request-Timeout-Ms": str(limit_ms)})
        assert self.line(capsys)["Failed"] == failed

    def test_the_latency_of_a_throttle_is_not_the_models(self, api: Api, capsys: pytest.CaptureFixture[str]) -> None:
        api.runtime.script = [errors.Throttled("busy")]
        api.generate(PROMPT)
        line = self.line(capsys)
        assert "ModelLatency" not in line
        assert line["Attempts"] == 1

    def test_a_bug_counts_as_a_failure(self, api: Api, capsys: pytest.CaptureFixture[str]) -> None:
        def bug(_: dict[str, Any]) -> bytes:
            raise RuntimeError

        api.runtime.model = bug
        api.generate(PROMPT)
        assert self.line(capsys)["Failed"] == 1
