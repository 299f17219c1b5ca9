"""A model container's process: SageMaker's container contract on loopback, answered by a real model.

`GET /ping` answers 503 until the model is loaded and warm, then 200. `POST /invocations` takes JSON, answers
in the shape of the chosen model contract, or 400 and `{"error": …}` for a request it cannot use. The process
ends when its standard input does, so it never outlives its parent; with exit code 1 if it cannot listen or
load the model.

    python -m pilotlight.local.model_server --port 8080 --model-dir DIR --contract alexatm
"""

import argparse
import json
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from pilotlight.local import leash
from pilotlight.local.model_contracts import CONTRACTS
from pilotlight.local.model_request import Contract, Generation
from pilotlight.local.model_rules import UnusableRequestError
from pilotlight.local.weights import OFFLINE_AND_QUIET

if TYPE_CHECKING:
    from pilotlight.local.generation import TextModel

HOST = "127.0.0.1"
ANSWER_SECONDS = 60.0
"""What SageMaker gives a container to answer; nothing is generated after that."""


class ModelServer(ThreadingHTTPServer):
    """Listens at once; answers 503 while `model` is None."""

    request_queue_size = 128  # connections of a burst wait here instead of being refused

    def __init__(self, port: int, contract: Contract, *, access_log: bool) -> None:
        self.contract = contract
        self.access_log = access_log
        self.model: TextModel | None = None
        super().__init__((HOST, port), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a caller that hung up is no error of ours
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: ModelServer
    protocol_version = "HTTP/1.1"  # keeps connections alive
    disable_nagle_algorithm = True  # head and body are two writes: on a kept connection Nagle would cost 40 ms

    def do_GET(self) -> None:
        if self.path != "/ping":
            self._reply(HTTPStatus.NOT_FOUND, _error(f"{self.path} is unknown: GET answers /ping only."))
        elif self.server.model is None:
            self._reply(HTTPStatus.SERVICE_UNAVAILABLE, {"status": "loading"})
        else:
            self._reply(HTTPStatus.OK, {"status": "ready"})

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            self.close_connection = True  # where the next request would start is unknown
            self._reply(HTTPStatus.LENGTH_REQUIRED, _error("Content-Length is missing or not a number."))
            return
        body = self.rfile.read(int(length))
        if self.path != "/invocations":
            self._reply(HTTPStatus.NOT_FOUND, _error(f"{self.path} is unknown: POST answers /invocations only."))
        elif (content_type := self.headers.get_content_type()) != "application/json":
            self._reply(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                _error(f"Content-Type must be application/json, not {content_type}."),
            )
        elif self.server.model is None:
            self._reply(HTTPStatus.SERVICE_UNAVAILABLE, _error("The model is still loading."))
        else:
            until = time.monotonic() + ANSWER_SECONDS
            self._reply(
                *_invoke(
                    self.server.model,
                    self.server.contract,
                    body,
                    lambda: time.monotonic() > until or self._caller_has_gone(),
                )
            )

    def _caller_has_gone(self) -> bool:
        try:
            return not self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _reply(self, status: HTTPStatus, answer: Any) -> None:
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:  # noqa: ARG002
        if self.server.access_log:
            line = json.dumps({"method": self.command, "path": self.path, "status": int(code)})
            print(line, file=sys.stderr, flush=True)

    def log_message(self, format: str, *args: Any) -> None:
        """Silence http.server's own lines."""


def _invoke(
    model: "TextModel", contract: Contract, content: bytes, abandoned: Callable[[], bool]
) -> tuple[HTTPStatus, Any]:
    try:
        body = _json_object(content)
        written = model.generate(contract.parse(body), abandoned)
        return HTTPStatus.OK, contract.render(body, written)
    except UnusableRequestError as exc:
        return HTTPStatus.BAD_REQUEST, _error(str(exc))
    except Exception as exc:  # noqa: BLE001 - whatever one request breaks, the server answers the next
        traceback.print_exc()
        return HTTPStatus.INTERNAL_SERVER_ERROR, _error(f"{type(exc).__name__}: {exc}")


def _json_object(content: bytes) -> dict[str, Any]:
    try:
        body = json.loads(content, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as exc:  # UnicodeDecodeError is a ValueError
        raise UnusableRequestError(f"The body is not valid JSON: {exc}") from exc
    if not isinstance(body, dict):
        raise UnusableRequestError("The body must be a JSON object.")
    return body


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")


def _error(message: str) -> dict[str, str]:
    return {"error": message}


def _load(server: ModelServer, folder: Path) -> None:
    """Load the model, warm it by one token, and only then let `server` answer."""
    try:
        if not (folder / "config.json").is_file():
            raise FileNotFoundError(f"{folder / 'config.json'} is missing")
        os.environ.update(OFFLINE_AND_QUIET)
        from pilotlight.local.generation import TextModel  # noqa: PLC0415 - seconds, while /ping answers 503

        model = TextModel(folder)
        model.generate(Generation(prompts=("Hello",), max_new_tokens=1))
    except Exception as exc:  # noqa: BLE001 - any failure to load ends the process
        print(f"model server: the model in {folder} cannot be loaded: {exc}", file=sys.stderr, flush=True)
        os._exit(1)  # only this ends the process from a thread, and while another one generates
    server.model = model


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="model_server", description="Serve a model on loopback.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model-dir", type=Path, required=True, help="a Transformers model with its tokenizer")
    parser.add_argument("--contract", choices=sorted(CONTRACTS), required=True)
    parser.add_argument("--access-log", action="store_true", help="one JSON line a request on standard error")
    options = parser.parse_args(arguments)

    # The kernel's own handling ends the process at once; Python's handlers would wait for the main thread.
    for stopping in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stopping, signal.SIG_DFL)
    try:
        server = ModelServer(options.port, CONTRACTS[options.contract], access_log=options.access_log)
    except (OSError, OverflowError) as exc:
        sys.exit(f"model server: cannot listen on {HOST}:{options.port}: {exc}. Choose a free port.")
    leash.hold()
    threading.Thread(target=_load, args=(server, options.model_dir), daemon=True).start()
    server.serve_forever()


if __name__ == "__main__":
    main()
