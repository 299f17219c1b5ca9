"""AWS as the proxy's function sees it, on this machine: a SageMaker and a DynamoDB that answer at once."""

import json
import multiprocessing
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path

from tests.unit.proxy.fakes import SETTINGS, echo

LAMBDA = Path(__file__).parents[1] / "lambda"


class _Aws(BaseHTTPRequestHandler):
    """Echoes what the model is asked; in its DynamoDB every write succeeds."""

    protocol_version = "HTTP/1.1"  # keeps connections, as AWS does
    wbufsize = -1  # one packet an answer, or Nagle's algorithm has the next one wait

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = b"{}" if "X-Amz-Target" in self.headers else echo(body)
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Says nothing: the report is what is read."""


def _serve(port: Connection) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Aws) as server:
        # A network's: botocore sends a long body apart, and what fits one packet waits 40 ms for the other's ACK.
        server.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1400)
        port.send(server.server_port)
        server.serve_forever()


@contextmanager
def aws() -> Iterator[dict[str, str]]:
    """The environment of a function whose AWS is a process beside this one, which shares no interpreter with it."""
    ours, its = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(its,), daemon=True)
    process.start()
    try:
        yield environment() | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{ours.recv()}"}
    finally:
        process.terminate()
        process.join()


def environment() -> dict[str, str]:
    """What the function finds in its own, so that all of its init is done."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return inherited | {
        "PYTHONPATH": str(LAMBDA),
        "AWS_LAMBDA_FUNCTION_NAME": "proxy",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "ENDPOINT_NAME": SETTINGS.endpoint_name,
        "ENDPOINT_STACK_NAME": SETTINGS.endpoint_stack_name,
        "MODEL": SETTINGS.model,
        "MODEL_ALIASES": "[]",
        "CONTRACT": SETTINGS.contract,
        "CHAT_TEMPLATE": SETTINGS.chat_template,
        "WAKE_SECONDS": str(SETTINGS.wake_seconds),
        "USD_PER_HOUR": json.dumps(SETTINGS.usd_per_hour),
        "ALWAYS_ON_USD_PER_HOUR": "null",
        "INTEGRATION_TIMEOUT_SECONDS": str(SETTINGS.integration_timeout_seconds),
        "LEDGER_TABLE": SETTINGS.ledger_table,
        "SWITCH_ARN": SETTINGS.switch_arn,
        "IDLE_MINUTES": "60",
        "LIFETIME_HOURS": "12",
        "MONTHLY_BUDGET_USD": "100",
        "WAKE_ON_CALL": "false",
        "IDEMPOTENCY_TABLE": SETTINGS.idempotency_table,
        "WINDOW": "",
        "SCHEDULES": "",
    }
