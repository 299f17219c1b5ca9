"""The model container's process, seen from outside: real processes on loopback with the tiny model."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest
from proxy.completion import Completion, Message, Sampling
from proxy.contracts import contract_named

from pilotlight.local import weights

READY_SECONDS = 180  # a few on an idle machine
DIES_SECONDS = 5


class Server:
    """A model-server process and a client for it."""

    def __init__(self, process: "subprocess.Popen[str]", port: int) -> None:
        self.process = process
        self.port = port
        self.statuses_before_ready: list[int] = []

    def request(self, method: str, path: str, body: str | None = None, **headers: str) -> tuple[int, Any]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def invoke(self, body: Any) -> tuple[int, Any]:
        content = body if isinstance(body, str) else json.dumps(body)
        return self.request("POST", "/invocations", content, **{"Content-Type": "application/json"})

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            with suppress(ConnectionError):
                status, _ = self.request("GET", "/ping")
                if status == 200:
                    return
                self.statuses_before_ready.append(status)
            time.sleep(0.02)
        pytest.fail(f"not ready within {READY_SECONDS} s, exit status {self.process.poll()}")

    def wait_until_listening(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            with suppress(ConnectionError):
                self.request("GET", "/ping")
                return
            time.sleep(0.02)
        pytest.fail(f"not listening within {READY_SECONDS} s")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(model_dir: Path, contract: str, port: int | None = None) -> Iterator[Server]:
    port = port or _free_port()
    arguments = ["--port", str(port), "--model-dir", str(model_dir), "--contract", contract]
    with subprocess.Popen(
        [sys.executable, "-m", "pilotlight.local.model_server", *arguments],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Server(process, port)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return weights.tiny(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def started(model_dir: Path) -> Iterator[dict[str, Server]]:
    """Every server that must become ready, by its role: side by side, which is faster on busy cores."""
    contracts = {"alexatm": "alexatm", "tgi": "tgi", "openai": "openai", "end of stdin": "tgi", "SIGTERM": "tgi"}
    with ExitStack() as servers:
        yield {role: servers.enter_context(running(model_dir, contract)) for role, contract in contracts.items()}


@pytest.fixture(scope="module")
def alexatm(started: dict[str, Server]) -> Server:
    started["alexatm"].wait_until_ready()
    return started["alexatm"]


@pytest.fixture(scope="module")
def tgi(started: dict[str, Server]) -> Server:
    started["tgi"].wait_until_ready()
    return started["tgi"]


@pytest.fixture(scope="module")
def openai(started: dict[str, Server]) -> Server:
    started["openai"].wait_until_ready()
    return started["openai"]


def _texts(answer: tuple[int, Any]) -> list[str]:
    status, body = answer
    assert status == 200, body
    texts: list[str] = body["generated_texts"]
    return texts


def test_ping_answers_503_while_loading_and_200_once_ready(alexatm: Server) -> None:
    assert set(alexatm.statuses_before_ready) == {503}
    assert alexatm.request("GET", "/ping")[0] == 200


def test_a_prompt_is_continued_without_being_repeated(alexatm: Server) -> None:
    (text,) = _texts(alexatm.invoke({"text_inputs": "the capital of France is"}))
    assert text
    assert "capital" not in text


def test_the_mode_switch_makes_no_difference_to_a_model_that_only_continues(alexatm: Server) -> None:
    bodies = [{"text_inputs": prefix + "the light turned"} for prefix in ("", "[CLM]", "[CLM] ")]
    plain, *switched = [_texts(alexatm.invoke(body)) for body in bodies]
    assert switched == [plain, plain]


def test_greedy_text_grows_with_max_length(alexatm: Server) -> None:
    short, long = (
        _texts(alexatm.invoke({"text_inputs": "the light", "max_length": max_length}))[0] for max_length in (10, 20)
    )
    assert long.startswith(short)
    assert len(long) > len(short)


def test_the_same_seed_gives_the_same_texts_and_another_seed_others(alexatm: Server) -> None:
    def sample(**seed: int) -> list[str]:
        return _texts(alexatm.invoke({"text_inputs": "the light", "do_sample": True, "max_length": 30, **seed}))

    assert sample(seed=7) == sample(seed=7) != sample(seed=8)
    after_a_seed = [sample(seed=7) and sample() for _ in range(2)]
    assert after_a_seed[0] != after_a_seed[1], "a seed holds for its own request only"


def test_several_sequences_are_sampled_for_one_prompt(alexatm: Server) -> None:
    body = {"text_inputs": "the light", "do_sample": True, "seed": 1, "num_return_sequences": 3}
    assert len(set(_texts(alexatm.invoke(body)))) == 3


def test_a_batch_answers_flat_in_order_each_prompt_as_if_alone(alexatm: Server) -> None:
    prompts = ["a window", "the question was the answer to the letter in the garden"]
    together = _texts(alexatm.invoke({"text_inputs": prompts, "num_beams": 2, "num_return_sequences": 2}))
    alone = [
        _texts(alexatm.invoke({"text_inputs": prompt, "num_beams": 2, "num_return_sequences": 2})) for prompt in prompts
    ]
    assert together == alone[0] + alone[1]


def test_all_ten_parameters_are_taken_at_once(alexatm: Server) -> None:
    body = {
        "text_inputs": ["a", "b"],
        "max_length": 12,
        "num_return_sequences": 2,
        "num_beams": 3,
        "no_repeat_ngram_size": 2,
        "temperature": 2,
        "early_stopping": True,
        "do_sample": True,
        "top_k": 20,
        "top_p": 0.9,
        "seed": 1,
    }
    assert len(_texts(alexatm.invoke(body))) == 4


def test_tgi_answers_one_element_a_sequence(tgi: Server) -> None:
    parameters = {"do_sample": True, "seed": 2, "num_return_sequences": 2, "max_new_tokens": 8}
    status, answer = tgi.invoke({"inputs": "the light", "parameters": parameters})
    assert status == 200
    assert [list(element) for element in answer] == [["generated_text"], ["generated_text"]]


def test_tgi_says_how_many_tokens_it_wrote_and_why_it_ended(tgi: Server) -> None:
    def details(**parameters: Any) -> tuple[str, int]:
        status, answer = tgi.invoke({"inputs": "the light", "parameters": {"details": True, **parameters}})
        assert status == 200
        return answer[0]["details"]["finish_reason"], answer[0]["details"]["generated_tokens"]

    assert details(max_new_tokens=9) == ("length", 9)
    _, answer = tgi.invoke({"inputs": "the light", "parameters": {"max_new_tokens": 9}})
    reason, tokens = details(max_new_tokens=9, stop=[answer[0]["generated_text"][:4]])
    assert (reason, tokens < 9) == ("stop_sequence", True)


def test_openai_answers_a_prompt_and_a_conversation_with_its_own_counts(openai: Server) -> None:
    status, text = openai.invoke({"prompt": "the light", "max_tokens": 5, "n": 2, "seed": 1})
    assert status == 200
    assert len({choice["text"] for choice in text["choices"]}) == 2
    assert text["usage"]["completion_tokens"] == 10
    status, chat = openai.invoke(
        {"messages": [{"role": "user", "content": "the light"}], "max_tokens": 5, "temperature": 0}
    )
    assert status == 200
    assert chat["choices"][0]["message"]["content"]
    assert chat["choices"][0]["finish_reason"] == "length"
    assert chat["usage"]["prompt_tokens"] > text["usage"]["prompt_tokens"]


@pytest.mark.parametrize("name", ["alexatm", "tgi", "openai"])
def test_what_the_proxy_sends_is_taken_and_what_comes_back_is_read(name: str, started: dict[str, Server]) -> None:
    """The two sides of each contract were written apart: the Lambda imports nothing from here."""
    started[name].wait_until_ready()
    contract = contract_named(name)
    sampling = Sampling(max_tokens=6, temperature=0.7, top_p=0.9, n=2, stop=("absent",), seed=1)
    prompts: list[str | tuple[Message, ...]] = ["the light"]
    if name == "openai":
        prompts.append((Message("system", "a"), Message("user", "b"), Message("assistant", ""), Message("user", "c")))
    for prompt in prompts:
        outcomes = []
        for body in contract.completion_requests(Completion(prompt, sampling)):
            status, answer = started[name].invoke(body)
            assert status == 200, answer
            outcomes.append(contract.outcome(answer))
        choices = [choice for outcome in outcomes for choice in outcome.choices]
        assert len({choice.text for choice in choices}) == 2
        if name != "alexatm":
            assert [choice.finish_reason for choice in choices] == ["length", "length"]
            assert sum(outcome.completion_tokens or 0 for outcome in outcomes) == 12


def test_a_stop_sequence_ends_the_text_and_is_kept_as_tgi_keeps_it(tgi: Server) -> None:
    def sample(**parameters: Any) -> str:
        sampling = {"do_sample": True, "seed": 5, "max_new_tokens": 60}
        status, answer = tgi.invoke({"inputs": "the light", "parameters": {**sampling, **parameters}})
        assert status == 200
        text: str = answer[0]["generated_text"]
        return text

    text = sample()
    stop = text[10:13]
    assert sample(stop=["not in it", stop]) == text[: text.index(stop) + len(stop)]


def test_a_stop_sequence_really_saves_the_rest_of_the_generation(tgi: Server) -> None:
    def seconds(**parameters: Any) -> float:
        started = time.monotonic()
        status, _ = tgi.invoke({"inputs": "a", "parameters": {"max_new_tokens": 600, **parameters}})
        assert status == 200
        return time.monotonic() - started

    _, answer = tgi.invoke({"inputs": "a", "parameters": {"max_new_tokens": 1}})
    assert seconds(stop=[answer[0]["generated_text"]]) < seconds() / 3


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "",
        "[]",
        '{"text_inputs": NaN}',
        "[" * 100_000,
        '{"text_inputs": "a", "unknown": 1}',
        '{"text_inputs": "\\ud800"}',
        '{"text_inputs": "a", "max_length": 1}',
        json.dumps({"text_inputs": "light " * 3000}),
    ],
    ids=lambda body: body[:40],
)
def test_an_unusable_request_gets_400_and_a_reason(alexatm: Server, body: str) -> None:
    status, answer = alexatm.invoke(body)
    assert status == 400
    assert answer["error"]


def test_only_json_is_taken(alexatm: Server) -> None:
    answer = alexatm.request("POST", "/invocations", '{"text_inputs": "a"}', **{"Content-Type": "text/plain"})
    assert answer[0] == 415


def test_an_unknown_path_gets_404(alexatm: Server) -> None:
    assert alexatm.request("GET", "/")[0] == 404
    assert alexatm.request("POST", "/ping", "{}")[0] == 404


def test_an_internal_error_gets_500_and_the_next_request_an_answer(tgi: Server) -> None:
    """So low a penalty makes logits infinite: torch cannot draw from that."""
    status, answer = tgi.invoke({"inputs": "a", "parameters": {"do_sample": True, "repetition_penalty": 1e-300}})
    assert status == 500
    assert answer["error"]
    assert tgi.invoke({"inputs": "a"})[0] == 200


def test_a_connection_is_kept_open_over_errors_and_answers(alexatm: Server) -> None:
    connection = HTTPConnection("127.0.0.1", alexatm.port, timeout=30)
    connection.connect()
    kept = connection.sock
    for body, status in (("{", 400), ('{"text_inputs": "a", "max_length": 4}', 200)):
        connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
        assert response.status == status
        assert connection.sock is kept
    connection.close()


def test_simultaneous_requests_are_all_answered_as_if_alone(alexatm: Server) -> None:
    bodies = [{"text_inputs": "the light", "do_sample": True, "seed": seed, "max_length": 20} for seed in range(6)]
    answers: dict[int, tuple[int, Any]] = {}
    threads = [
        threading.Thread(target=lambda seed, body: answers.update({seed: alexatm.invoke(body)}), args=item)
        for item in enumerate(bodies)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answers[seed] for seed in range(6)] == [alexatm.invoke(body) for body in bodies]


def _close_stdin(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.close()


ENDINGS: dict[str, Callable[["subprocess.Popen[str]"], None]] = {
    "end of stdin": _close_stdin,
    "SIGTERM": lambda process: process.send_signal(signal.SIGTERM),
    "SIGINT": lambda process: process.send_signal(signal.SIGINT),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_it_ends_at_once_while_it_loads(model_dir: Path, ending: str) -> None:
    with running(model_dir, "tgi") as server:
        server.wait_until_listening()
        ENDINGS[ending](server.process)
        server.process.wait(DIES_SECONDS)


@pytest.mark.parametrize("ending", ["end of stdin", "SIGTERM"])
def test_it_ends_at_once_while_it_generates(started: dict[str, Server], ending: str) -> None:
    server = started[ending]
    server.wait_until_ready()
    cut_off = threading.Event()

    def generate() -> None:
        try:
            server.invoke({"inputs": "a", "parameters": {"max_new_tokens": 2000}})
        except (ConnectionError, HTTPException):
            cut_off.set()

    caller = threading.Thread(target=generate)
    caller.start()
    time.sleep(0.3)  # the request is on its way, and seconds from its end
    ENDINGS[ending](server.process)
    server.process.wait(DIES_SECONDS)
    caller.join()
    assert cut_off.is_set(), "the generation had ended before the process was told to"


def test_a_folder_without_a_model_ends_the_process_with_a_reason(tmp_path: Path) -> None:
    with running(tmp_path, "tgi") as server:
        assert server.process.wait(READY_SECONDS) == 1
        assert server.process.stderr is not None
        assert str(tmp_path) in server.process.stderr.read()


def test_a_port_in_use_ends_the_process_with_a_reason(model_dir: Path, alexatm: Server) -> None:
    with running(model_dir, "tgi", port=alexatm.port) as server:
        assert server.process.wait(READY_SECONDS) == 1
        assert server.process.stderr is not None
        assert f"127.0.0.1:{alexatm.port}" in server.process.stderr.read()


def test_what_nobody_waits_for_is_not_generated_to_its_end(alexatm: Server) -> None:
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", alexatm.port)) as caller:
        body = json.dumps({"text_inputs": "light", "max_length": 2000, "no_repeat_ngram_size": 2}).encode()
        head = f"POST /invocations HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        caller.sendall(head.encode() + body)
        time.sleep(0.3)
    assert alexatm.invoke({"text_inputs": "light", "max_length": 20})[0] == 200
    assert time.monotonic() - begun < 4


def test_a_batch_that_a_small_machine_would_choke_on_is_refused(alexatm: Server) -> None:
    status, answer = alexatm.invoke({"text_inputs": ["light"] * 9, "num_beams": 8, "max_length": 20})
    assert status == 400
    assert "9 inputs" in answer["error"]
