"""What leaves the proxy: to which web page, how large, and what of it stays in the log."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proxy import log, serve
from proxy.cors import cors_headers, origins_of
from proxy.parameters import RULES

from tests.unit.proxy.fakes import Api, event

APP = "https://app.example.com"
OTHER = "https://other.example.com"


def sent_from(origin: str | None, name: str = "origin") -> dict[str, Any]:
    return event("GET", "/endpoint") | {"headers": {} if origin is None else {name: origin}}


class TestWebPages:
    @pytest.mark.parametrize("name", ["origin", "Origin", "ORIGIN"])
    def test_a_page_of_an_allowed_origin_reads_everything(self, name: str) -> None:
        headers = cors_headers(sent_from(APP, name=name), {APP, OTHER})
        assert headers["Access-Control-Allow-Origin"] == APP
        assert headers["Access-Control-Expose-Headers"] == "*"
        assert headers["Vary"] == "Origin"
        assert "Access-Control-Allow-Credentials" not in headers

    @pytest.mark.parametrize("origin", [OTHER, "null", "", APP + "/", APP.upper(), APP + ".evil.com", "*"])
    def test_another_page_is_told_nothing_but_not_to_share_the_answer(self, origin: str) -> None:
        assert cors_headers(sent_from(origin), {APP}) == {"Vary": "Origin"}

    def test_every_page_may_read_where_every_origin_is_allowed(self) -> None:
        for sent in (sent_from(OTHER), sent_from(None)):
            assert cors_headers(sent, {"*"})["Access-Control-Allow-Origin"] == "*"

    @pytest.mark.parametrize("sent", [None, [], {"headers": None}, {"headers": "origin"}, {"headers": {"origin": 7}}])
    def test_an_event_of_another_shape_has_no_origin(self, sent: object) -> None:
        assert cors_headers(sent, {APP}) == {"Vary": "Origin"}

    def test_two_origins_are_none(self) -> None:
        sent = event("GET", "/endpoint") | {"headers": {"origin": APP, "Origin": OTHER}}
        assert "Access-Control-Allow-Origin" not in cors_headers(sent, {APP})

    def test_without_origins_no_header_is_added(self) -> None:
        assert cors_headers(sent_from(APP), origins_of({"CORS_ORIGINS": "[]"})) == {}

    @pytest.mark.parametrize("environment", [{}, {"CORS_ORIGINS": "oops"}, {"CORS_ORIGINS": "7"}])
    def test_what_cannot_be_read_allows_nobody(self, environment: dict[str, str]) -> None:
        assert not origins_of(environment)

    def test_they_stand_beside_the_answers_own_headers(self, api: Api) -> None:
        response = serve.serve(event("GET", "/endpoint"), None, proxy=lambda: api.proxy, clock=api.clock)
        more = serve.with_headers(response, {"Vary": "Origin"})
        own = response["headers"]
        assert isinstance(own, dict)
        assert {"Content-Type", "x-request-id"} <= set(own)
        assert more["headers"] == own | {"Vary": "Origin"}
        assert more["body"] == response["body"]


class TestSize:
    @given(st.text(alphabet='a"\\\n\u4e2d'))
    def test_the_measure_is_what_lambda_will_measure(self, text: str) -> None:
        """Lambda hands the whole response on as JSON, in which the body is a string between quotation marks."""
        body = json.dumps({"generated_texts": [text]})
        assert serve.bytes_in_lambda(body) == len(json.dumps(body)) - 2

    def test_an_answer_that_lambda_would_refuse_is_an_error_that_says_so(
        self, api: Api, capsys: pytest.CaptureFixture[str]
    ) -> None:
        api.runtime.model = lambda _: json.dumps({"generated_texts": ["\u4e2d" * 1_000_000]}).encode()
        answer = api.generate({"text_inputs": "hello"})
        assert (answer.status, answer.error["type"]) == (502, "answer_too_large")
        assert not [name for name in RULES if name in answer.error["message"]]  # other routes say it as well
        assert json.loads(capsys.readouterr().out)["status"] == 502


class TestPrompts:
    def test_one_is_in_the_log_only_where_it_is_asked_for(self, api: Api, capsys: pytest.CaptureFixture[str]) -> None:
        sent = event("POST", "/generate", {"text_inputs": "my secret"})
        api.send(sent)
        assert "secret" not in capsys.readouterr().out
        log.log_prompt(sent, None)
        (line,) = capsys.readouterr().out.splitlines()
        assert json.loads(line) == {"request_id": "request-1", "body": '{"text_inputs": "my secret"}'}

    @pytest.mark.parametrize("body", ["\u4e2d" * 1_000_000, "\x00" * 1_000_000, '"' * 1_000_000, "\ud800" * 1_000_000])
    def test_its_line_is_one_that_cloudwatch_takes(self, body: str, capsys: pytest.CaptureFixture[str]) -> None:
        log.log_prompt(event("POST", "/generate", body), None)
        (line,) = capsys.readouterr().out.splitlines()
        assert len(line) < 256 * 1024

    @pytest.mark.parametrize("sent", [None, [], {"body": 7}])
    def test_an_event_of_another_shape_is_no_bug(self, sent: object, capsys: pytest.CaptureFixture[str]) -> None:
        log.log_prompt(sent, None)
        assert json.loads(capsys.readouterr().out)["body"] == ""


def deployed(sent: object, **environment: str) -> tuple[dict[str, Any], str]:
    """The deployed handler's headers for one event, and its log, with this environment; nothing else is set."""
    code = (
        "import json, sys; from proxy.handler import lambda_handler; "
        "print(json.dumps(lambda_handler(json.load(sys.stdin), None)['headers']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        input=json.dumps(sent),
        capture_output=True,
        text=True,
        check=True,
    )
    *log_lines, headers = done.stdout.splitlines()
    return json.loads(headers), "\n".join(log_lines)


def test_the_deployed_handler_does_what_its_environment_says_whatever_else_is_wrong() -> None:
    """Without its other variables it answers 500, which a page should be able to read as well."""
    sent = event("POST", "/generate", {"text_inputs": "my secret"}) | {"headers": {"origin": APP}}
    headers, logged = deployed(sent, CORS_ORIGINS=json.dumps([APP]), LOG_PROMPTS="true")
    assert headers["Access-Control-Allow-Origin"] == APP
    assert "my secret" in logged
    _, logged = deployed(event("POST", "/snooze", None) | {"body": "token=still-good"}, LOG_PROMPTS="true")
    assert "still-good" not in logged
    headers, logged = deployed(sent, CORS_ORIGINS="[]", LOG_PROMPTS="false")
    assert "Access-Control-Allow-Origin" not in headers
    assert "my secret" not in logged
