"""The one line of JSON that each request leaves, without the caller's text: that has its own, where it is wanted."""

import json
import traceback
from collections.abc import Container
from dataclasses import asdict, dataclass

from proxy.errors import DeadlineExceeded, EndpointOff, EndpointWaking, Problem, TooBusy, status_of
from proxy.invocations import Invocations
from proxy.metrics import embedded
from proxy.request import Request
from proxy.strict_json import JsonObject

_TOLD_BY_METRICS = ("retries", "model_was_reached", "tokens_in", "tokens_out")

MAX_PROMPT_CHARACTERS = 30_000  # in CloudWatch a line has at most 256 KiB, and an escaped character up to six bytes


@dataclass
class LogLine:
    """`proxy_ms` is what the request took less the model's time and the waits.

    `budget_ms` is None until the time budget is known, `model_latency_ms` (the last attempt's, as measured here)
    until there was an attempt. `tokens_estimated` says which of "in" and "out" the container did not (always) tell.
    `limited_by_caller`: it set a limit of its own, whose end is no failure of ours. `split_ended_by` is the type of the
    problem by which the answer, a 200, has not all parts of a text.
    """

    request_id: str
    route: str
    status: int = 200
    attempts: int = 0
    retries: int = 0
    proxy_ms: float = 0.0
    model_ms: float = 0.0
    waited_ms: float = 0.0
    budget_ms: int | None = None
    limited_by_caller: bool | None = None
    model_latency_ms: float | None = None
    model_was_reached: bool = False
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_estimated: list[str] | None = None
    idempotency: str | None = None
    gave_up: str | None = None
    split_ended_by: str | None = None
    error: str | None = None
    message: str | None = None
    cause: str | None = None
    traceback: list[str] | None = None

    def add_invocations(self, invocations: Invocations) -> None:
        self.attempts = invocations.attempts
        self.retries = invocations.retries
        self.model_ms = round(invocations.model_seconds * 1000, 1)
        self.waited_ms = round(self.waited_ms + invocations.waited_seconds * 1000, 1)
        self.model_was_reached = invocations.model_was_reached
        tally = invocations.tally
        self.tokens_in, self.tokens_out = tally.tokens_in, tally.tokens_out
        self.tokens_estimated = sorted(tally.estimated) or None
        self.gave_up = invocations.gave_up
        if invocations.attempts:
            self.model_latency_ms = round(invocations.last_attempt_seconds * 1000, 1)

    def add_answer(self, answer: JsonObject) -> None:
        """What a 200 says of a problem."""
        split = answer.get("split")
        error = split.get("error") if isinstance(split, dict) else None
        self.split_ended_by = error["type"] if isinstance(error, dict) else None

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

    def headers(self, *, elapsed_seconds: float) -> dict[str, str]:
        """What the caller is told of the time spent and the attempts made."""
        told = {
            "x-pilotlight-attempts": str(self.attempts),
            "x-pilotlight-retries": str(self.retries),
            "x-pilotlight-elapsed-ms": str(round(elapsed_seconds * 1000)),
        }
        if self.budget_ms is not None:
            told["x-pilotlight-budget-ms"] = str(self.budget_ms)
        if self.model_latency_ms is not None:
            told["x-pilotlight-model-latency-ms"] = str(round(self.model_latency_ms))
        if self.idempotency is not None:
            told["x-pilotlight-idempotency"] = self.idempotency
        return told

    def write(self, *, elapsed_seconds: float, stage: str, at_epoch: float) -> None:
        """Print the line, which is how it gets from Lambda to CloudWatch, with its metrics if it has any."""
        self.proxy_ms = round(elapsed_seconds * 1000 - self.model_ms - self.waited_ms, 1)
        known = {name: value for name, value in asdict(self).items() if value is not None}
        line = {name: value for name, value in known.items() if name not in _TOLD_BY_METRICS}
        values = self._metrics()
        print(json.dumps(line | embedded(values, stage=stage, at_epoch=at_epoch) if values else line))

    def _metrics(self) -> dict[str, float]:
        """Empty where the model was not asked and nothing failed: a poll of `GET /endpoint` should cost nothing."""
        refused = self.error == TooBusy.type
        as_asked = self.error == DeadlineExceeded.type and self.limited_by_caller
        failed = self.status >= 500 and self.error not in (EndpointOff.type, EndpointWaking.type) and not as_asked
        if not (self.attempts or refused or failed):
            return {}
        values: dict[str, float] = {
            "Attempts": self.attempts,
            "Retries": self.retries,
            "Refused": int(refused),
            "Failed": int(failed),
            "Overhead": self.proxy_ms,
        }
        if self.model_was_reached and self.model_latency_ms is not None:
            values["ModelLatency"] = self.model_latency_ms
            values["TokensIn"] = self.tokens_in
            values["TokensOut"] = self.tokens_out
        return values


def log_prompt(event: object, context: object, *, but: Container[str] = ()) -> None:
    """Print what the caller sent, where the stage's config asks for it, `but` to these paths; the id is that of the
    request's own line.
    """
    request = Request.from_event(event, context)
    if request.path not in but:
        print(json.dumps({"request_id": request.id, "body": request.body[:MAX_PROMPT_CHARACTERS]}))
