"""The one line of JSON that each request leaves, without the caller's text: that has its own, where it is wanted."""

import json
import traceback
from dataclasses import asdict, dataclass

from proxy.errors import Problem, status_of
from proxy.invocations import Invocations
from proxy.request import Request

MAX_PROMPT_CHARACTERS = 30_000  # in CloudWatch a line has at most 256 KiB, and an escaped character up to six bytes


@dataclass
class LogLine:
    """`proxy_ms` is what the request took less the model's time and the waits between attempts."""

    request_id: str
    route: str
    status: int = 200
    attempts: int = 0
    proxy_ms: float = 0.0
    model_ms: float = 0.0
    waited_ms: float = 0.0
    gave_up: str | None = None
    error: str | None = None
    message: str | None = None
    cause: str | None = None
    traceback: list[str] | None = None

    def add_invocations(self, invocations: Invocations) -> None:
        self.attempts = invocations.attempts
        self.model_ms = round(invocations.model_seconds * 1000, 1)
        self.waited_ms = round(invocations.waited_seconds * 1000, 1)
        self.gave_up = invocations.gave_up

    def add_problem(self, problem: Problem) -> None:
        """A refusal's message (4xx) may quote the caller, so only those of the other side are kept."""
        self.status = status_of(problem)
        self.error = problem.type
        if self.status >= 500:
            self.message = problem.message
            self.cause = type(problem.__cause__).__name__ if problem.__cause__ else None

    def add_crash(self, exc: Exception) -> None:
        """The exception's type and place. Its message is left out: it may quote the caller."""
        self.cause = type(exc).__name__
        self.traceback = traceback.format_tb(exc.__traceback__)

    def write(self, *, elapsed_seconds: float) -> None:
        """Print the line, which is how it gets from Lambda to CloudWatch."""
        self.proxy_ms = round(elapsed_seconds * 1000 - self.model_ms - self.waited_ms, 1)
        print(json.dumps({name: value for name, value in asdict(self).items() if value is not None}))


def log_prompt(event: object, context: object) -> None:
    """Print what the caller sent, where the stage's config asks for it; the id is that of the request's own line."""
    request = Request.from_event(event, context)
    print(json.dumps({"request_id": request.id, "body": request.body[:MAX_PROMPT_CHARACTERS]}))
