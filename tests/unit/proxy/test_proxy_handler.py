"""Around the routes: routing, the log line, and that nothing is ever raised to Lambda."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from proxy import errors, handler
from proxy.settings import Settings

from tests.unit.proxy.fakes import Api, event

ENVIRONMENT = {
    "ENDPOINT_NAME": "pilotlight-test",
    "ENDPOINT_STACK_NAME": "pilotlight-test-endpoint",
    "MODEL": "alexatm-20b",
    "MODEL_ALIASES": "[]",
    "CONTRACT": "alexatm",
    "CHAT_TEMPLATE": "",
    "WAKE_SECONDS": "600",
    "USD_PER_HOUR": '{"ml.g4dn.12xlarge": 4.89}',
    "INTEGRATION_TIMEOUT_SECONDS": "29",
    "LEDGER_TABLE": "pilotlight-test-ledger",
    "SWITCH_ARN": "arn:aws:states:us-east-1:111122223333:stateMachine:pilotlight-test-switch",
    "IDLE_MINUTES": "60",
    "LIFETIME_HOURS": "12",
    "MONTHLY_BUDGET_USD": "",
    "SCHEDULES": "",
    "WAKE_ON_CALL": "false",
    "IDEMPOTENCY_TABLE": "answers",
    "ALWAYS_ON_USD_PER_HOUR": "4.89",
    "AWS_ACCESS_KEY_ID": "access-key",
    "AWS_SECRET_ACCESS_KEY": "secret-key",
    "AWS_DEFAULT_REGION": "us-east-1",
}


def log_line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    [line] = capsys.readouterr().out.splitlines()
    return dict(json.loads(line))


class TestRoutes:
    @pytest.mark.parametrize(
        ("method", "path"), [("GET", "/generate"), ("PUT", "/endpoint"), ("DELETE", "/generate"), ("", "/generate")]
    )
    def test_another_method_is_405(self, api: Api, method: str, path: str) -> None:
        answer = api.send(event(method, path, {"text_inputs": "a"}))
        assert (answer.status, answer.error["type"]) == (405, "method_not_allowed")

    @pytest.mark.parametrize("path", ["/", "/generate/more", "/Generate", "/v2/models"])
    def test_another_path_is_404_and_the_answer_names_the_routes(self, api: Api, path: str) -> None:
        answer = api.send(event("POST", path, {"text_inputs": "a"}))
        assert (answer.status, answer.error["type"]) == (404, "not_found")
        assert "/generate, /endpoint" in answer.error["message"]

    def test_a_base_path_of_a_custom_domain_does_not_count(self, api: Api) -> None:
        sent = event("POST", "/generate", {"text_inputs": "a"}) | {"path": "/pilotlight/generate"}
        assert api.send(sent).status == 200

    def test_a_catch_all_resource_is_routed_by_its_path(self, api: Api) -> None:
        sent = event("POST", "/generate", {"text_inputs": "a"}) | {"resource": "/{proxy+}"}
        assert api.send(sent).status == 200

    def test_every_answer_is_json_with_the_requests_id(self, api: Api) -> None:
        for answer in (api.generate({"text_inputs": "a"}), api.generate("oops"), api.endpoint()):
            assert answer.headers["Content-Type"] == "application/json"
            assert answer.headers["x-request-id"] == "request-1"

    def test_without_api_gateways_id_lambdas_own_is_used(self, api: Api) -> None:
        class Context:
            aws_request_id = "lambda-request-1"

        answer = api.send(event("GET", "/endpoint", requestContext={}), Context())
        assert answer.headers["x-request-id"] == "lambda-request-1"


class TestNothingIsRaised:
    def test_a_bug_is_500_without_its_details(self, api: Api, capsys: pytest.CaptureFixture[str]) -> None:
        def bug(request: dict[str, Any]) -> bytes:
            raise RuntimeError(request["text_inputs"])

        api.runtime.model = bug
        answer = api.generate({"text_inputs": "secret prompt"})
        assert (answer.status, answer.error["type"]) == (500, "internal_error")
        line = log_line(capsys)
        assert line["cause"] == "RuntimeError"
        assert "in bug" in line["traceback"][-1]
        assert "secret prompt" not in json.dumps(answer.body) + json.dumps(line)

    def test_an_unusable_environment_is_500(self, monkeypatch: pytest.MonkeyPatch) -> None:
        handler._proxy.cache_clear()
        monkeypatch.delenv("ENDPOINT_NAME", raising=False)
        response = handler.lambda_handler(event("GET", "/endpoint"), None)
        assert response["statusCode"] == 500

    @pytest.mark.usefixtures("wired")
    @pytest.mark.parametrize("sent", [None, {}, 5])
    def test_the_handler_answers_anything(self, sent: object, capsys: pytest.CaptureFixture[str]) -> None:
        assert handler.lambda_handler(sent, None)["statusCode"] == 404
        assert log_line(capsys)["status"] == 404


@pytest.fixture
def wired(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The environment that the API stack sets, and a worker that starts in it."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    handler._proxy.cache_clear()
    yield
    handler._proxy.cache_clear()


@pytest.mark.usefixtures("wired")
def test_the_deployed_handler_validates_by_itself() -> None:
    response = handler.lambda_handler(event("POST", "/generate", {"text_inputs": "a", "top_p": 2}), None)
    assert response["statusCode"] == 400


@pytest.mark.usefixtures("wired")
def test_the_deployed_handler_knows_the_models_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINDOW", '{"input_tokens": 20, "total_tokens": 40}')
    response = handler.lambda_handler(event("POST", "/generate", {"text_inputs": "a long text " * 20}), None)
    assert response["statusCode"] == 422
    assert "20 tokens of input, 40 of input and output" in json.loads(str(response["body"]))["error"]["message"]


@pytest.mark.usefixtures("wired")
@pytest.mark.parametrize("diverted", [True, False])
def test_the_deployed_handler_links_to_a_console_unless_its_calls_go_elsewhere(
    monkeypatch: pytest.MonkeyPatch, diverted: bool
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    if diverted:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    seen: dict[str, Any] = {}
    monkeypatch.setattr("proxy.finetunes.FineTunes", lambda *_, **given: seen.update(given))
    handler._Seams(Settings.from_environment(ENVIRONMENT)).finetunes()
    assert seen["has_console"] is not diverted


class TestLog:
    def test_one_line_a_request_with_the_times_apart(self, api: Api, capsys: pytest.CaptureFixture[str]) -> None:
        api.fill_retry_budget()
        api.clock.elapsed = 0.0
        capsys.readouterr()
        api.runtime.seconds = 2.0
        api.runtime.script = [errors.Throttled("busy")]
        api.generate({"text_inputs": "secret prompt"})
        line = log_line(capsys)
        assert line["request_id"] == "request-1"
        assert (line["route"], line["status"], line["attempts"], line["Retries"]) == ("POST /generate", 200, 2, 1)
        assert (line["proxy_ms"], line["model_ms"], line["waited_ms"]) == (0.0, 4000.0, 250.0)
        assert line["model_latency_ms"] == 2000.0
        assert line["budget_ms"] == 28_000
        assert "secret prompt" not in json.dumps(line)

    def test_a_failure_of_the_other_side_is_named(self, api: Api, capsys: pytest.CaptureFixture[str]) -> None:
        api.runtime.script = [errors.ServiceUnavailable("away")]
        api.generate({"text_inputs": "a"})
        line = log_line(capsys)
        assert (line["status"], line["error"], line["gave_up"]) == (503, "service_unavailable", "no_budget")

    def test_a_refusal_leaves_out_what_it_quotes(self, api: Api, capsys: pytest.CaptureFixture[str]) -> None:
        api.generate({"text_inputs": "a", "secret prompt": 1})
        assert "secret prompt" not in capsys.readouterr().out


def test_every_problem_has_a_status_of_its_kind() -> None:
    def kinds(kind: type[errors.Problem]) -> Iterator[type[errors.Problem]]:
        yield kind
        for child in kind.__subclasses__():
            yield from kinds(child)

    for kind in kinds(errors.Problem):
        assert f"{kind.__name__} " in (errors.__doc__ or "")
        [line] = [text for text in (errors.__doc__ or "").splitlines() if f"{kind.__name__} " in text]
        assert f" {errors.status_of(kind('failed'))}" in line
