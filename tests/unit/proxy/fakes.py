"""What stands in at the proxy's own seams: time, SageMaker's runtime, AWS's control plane and API Gateway."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from common.facts import EndpointFacts
from common.link_token import LinkToken
from proxy.app import Proxy
from proxy.call import Calls
from proxy.endpoint import Facts
from proxy.endpoint_routes import EndpointRoutes
from proxy.errors import AnswersUnavailable, Problem
from proxy.finetunes import FineTunes
from proxy.idempotency import Entry, State, Verdict, judge
from proxy.openai.template import ChatTemplate
from proxy.serve import serve
from proxy.settings import Limits, Settings
from proxy.strict_json import JsonObject
from proxy.tasks.file import shipped_tasks
from proxy.tasks.shape import Shape
from proxy.timing import Deadline

from pilotlight.catalog import chat_templates


def template_text(name: str) -> str:
    """A template of the catalog, as the API stack hands it to the Lambda."""
    return chat_templates()[name].model_dump_json()


def template(name: str) -> ChatTemplate:
    return ChatTemplate.from_json(template_text(name))


START = 1_800_000_000.0  # an instant, in seconds since 1970
SETTINGS = Settings(
    endpoint_name="pilotlight-test",
    endpoint_stack_name="pilotlight-test-endpoint",
    model="alexatm-20b",
    model_aliases=("gpt-of-old",),
    contract="alexatm",
    chat_template=template_text("alexatm"),
    wake_seconds=600,
    usd_per_hour={"ml.g4dn.12xlarge": 4.89},
    always_on_usd_per_hour=4.89,
    integration_timeout_seconds=29,
    ledger_table="pilotlight-test-ledger",
    switch_arn="arn:aws:states:us-east-1:111122223333:stateMachine:pilotlight-test-switch",
    limits=Limits(idle_minutes=60, lifetime_hours=12, monthly_budget_usd=100),
    wake_on_call=False,
    idempotency_table="answers",
    overload_latency_seconds=0,
    finetune_arn="arn:aws:states:us-east-1:111122223333:stateMachine:pilotlight-test-finetune",
)


@dataclass
class FakeClock:
    """A clock that moves when something sleeps on it or takes time."""

    elapsed: float = 0.0
    slept: list[float] = field(default_factory=list)

    def time(self) -> float:
        return START + self.elapsed

    def monotonic(self) -> float:
        return 1000.0 + self.elapsed

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.elapsed += seconds


def echo(request: dict[str, Any]) -> bytes:
    """A model that answers as its contract says: each input, reversed, as often as it was asked for."""
    if "prompt" in request or "messages" in request:
        return json.dumps({"choices": openai_choices(request)}).encode()
    if "inputs" in request:
        return json.dumps([{"generated_text": request["inputs"][::-1]}]).encode()  # one, whatever it is asked for
    given = request["text_inputs"]
    inputs = [given] if isinstance(given, str) else given
    copies = request.get("num_return_sequences", 1)
    return json.dumps({"generated_texts": [text[::-1] for text in inputs for _ in range(copies)]}).encode()


def openai_choices(request: dict[str, Any]) -> list[dict[str, Any]]:
    text = (request["prompt"] if "prompt" in request else request["messages"][-1]["content"])[::-1]
    said = {"text": text} if "prompt" in request else {"message": {"role": "assistant", "content": text}}
    return [said] * request.get("n", 1)


@dataclass
class FakeRuntime:
    """Plays `script`, one problem or answer an attempt, and then `model`; each attempt takes `seconds`."""

    clock: FakeClock
    script: list[Problem | bytes] = field(default_factory=list)
    model: Callable[[dict[str, Any]], bytes] = echo
    seconds: float = 0.0
    requests: list[dict[str, Any]] = field(default_factory=list)
    timeouts: list[int] = field(default_factory=list)

    def invoke(self, body: bytes, *, timeout_seconds: int) -> bytes:
        self.requests.append(json.loads(body))
        self.timeouts.append(timeout_seconds)
        self.clock.elapsed += self.seconds
        if not self.script:
            return self.model(self.requests[-1])
        step = self.script.pop(0)
        if isinstance(step, Problem):
            raise step
        return step


@dataclass
class FakeControlPlane:
    known: Facts | Problem = field(default_factory=lambda: Facts(endpoint=None, variant=None, stack=None))

    def facts(self, deadline: Deadline) -> Facts:
        assert deadline.seconds_left() > 0
        if isinstance(self.known, Problem):
            raise self.known
        return self.known

    def endpoint(self, deadline: Deadline) -> EndpointFacts | None:
        return self.facts(deadline).endpoint


@dataclass
class FakeSwitch:
    """Notes what it is asked; `kept` is the ledger, by kind."""

    kept: dict[str, dict[str, Any]] = field(default_factory=dict)
    started: list[JsonObject] = field(default_factory=list)
    wakes: int = 0
    snoozed: datetime | None = None
    snoozed_by: str = ""
    key: bytes | None = b"a key"
    used: set[str] = field(default_factory=set)

    def start(self, request: JsonObject, _now: datetime) -> None:
        self.started.append(request)

    def wake(self, _now: datetime) -> None:
        self.wakes += 1

    def snooze(self, until: datetime, by: str) -> None:
        self.snoozed, self.snoozed_by = until, by

    def token_key(self) -> bytes | None:
        return self.key

    def token_is_used(self, token: LinkToken) -> bool:
        return token.nonce in self.used

    def use_token(self, token: LinkToken, _now: datetime) -> bool:
        is_fresh = token.nonce not in self.used
        self.used.add(token.nonce)
        return is_fresh

    def remembered(self, kind: str, _key: str) -> dict[str, Any]:
        return self.kept.get(kind, {})


@dataclass
class FakeRuns:
    """The state machine that fine-tunes, and what the ledger says of its runs."""

    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    started: list[dict[str, Any]] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)
    refusal: Exception | None = None
    key: str | None = "a key"

    def get(self, kind: str, key: str) -> dict[str, Any] | None:
        if kind == "secret":
            return {"key": self.key} if self.key else None
        return self.records.get(key)

    def start_execution(self, **request: Any) -> dict[str, Any]:
        if self.refusal:
            raise self.refusal
        self.started.append(request)
        return {}

    def send_task_success(self, **request: Any) -> None:
        if self.refusal:
            raise self.refusal
        self.told.append(request)

    def send_task_failure(self, **request: Any) -> None:
        self.told.append(request)


@dataclass
class FakeAnswers:
    """The table of kept answers, as strict about what is free as its conditions are."""

    entries: dict[str, Entry] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    after_claim: Callable[[], None] = lambda: None  # what other workers do meanwhile

    def claim(self, key_id: str, entry: Entry, *, now: float) -> Entry | None:
        self._called("claim")
        standing = self.entries.get(key_id)
        is_repeated = standing is not None and (standing.owner, standing.state) == (entry.owner, State.RUNNING)
        is_free = standing is None or is_repeated or judge(standing, request=entry.request, now=now) is Verdict.FREE
        if standing is not None and not is_free:
            self.after_claim()
            return standing
        self.entries[key_id] = entry
        return None

    def keep(self, key_id: str, entry: Entry) -> bool:
        self._called("keep")
        if self.entries[key_id].owner != entry.owner:
            return False
        self.entries[key_id] = entry
        return True

    def release(self, key_id: str, *, owner: str) -> None:
        self._called("release")
        if self.entries[key_id].owner == owner:
            del self.entries[key_id]

    def _called(self, method: str) -> None:
        self.calls.append(method)
        if method in self.broken:
            raise AnswersUnavailable("away", retry_after_seconds=1)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def error(self) -> dict[str, Any]:
        """The error, once its shape is the API's."""
        assert list(self.body) == ["error"]
        error = self.body["error"]
        assert list(error) == ["type", "message", "param", "request_id"]
        assert error["message"]
        assert error["request_id"] == self.headers["x-request-id"]
        return dict(error)


class Context:
    """Lambda's context, with this many seconds left."""

    aws_request_id = "lambda-request-1"

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self._seconds * 1000)


def event(method: str, path: str, body: object = None, **fields: object) -> dict[str, Any]:
    """What API Gateway sends. A body that is no string is sent as JSON."""
    text = body if isinstance(body, str) or body is None else json.dumps(body)
    return {
        "httpMethod": method,
        "path": path,
        "resource": path,
        "headers": None,
        "body": text,
        "isBase64Encoded": False,
        "requestContext": {"requestId": "request-1", "requestTimeEpoch": int(START * 1000)},
    } | fields


class Api:
    """The proxy as its callers see it: an event in, a response out."""

    def __init__(
        self,
        settings: Settings = SETTINGS,
        *,
        seconds: float = 0.0,
        tasks: Callable[[], Mapping[str, Shape]] = shipped_tasks,
        has_console: bool = True,
    ) -> None:
        self.settings = settings
        self.clock = FakeClock()
        self.runtime = FakeRuntime(self.clock, seconds=seconds)
        self.control_plane = FakeControlPlane()
        self.switch = FakeSwitch()
        self.answers = FakeAnswers()
        self.runs = FakeRuns()
        self.traced: list[bytes] = []
        self.trace_header: str | None = None
        self.random = 0.5
        self.proxy = Proxy(
            settings,
            calls=Calls(
                settings,
                runtime=self.runtime,
                send_trace=self.traced.append,
                trace_header=lambda: self.trace_header,
                clock=self.clock,
                random=lambda: self.random,
            ),
            endpoint=lambda: EndpointRoutes(settings, control_plane=self.control_plane, switch=self.switch),
            answers=lambda: self.answers,
            tasks=tasks,
            finetunes=lambda: FineTunes(
                lambda: self.runs,
                lambda: self.runs,
                arn=settings.finetune_arn,
                kind=settings.finetune_program,
                further=settings.finetune_hyperparameters,
                has_console=has_console,
            ),
        )

    def send(self, sent: object, context: object = None) -> Answer:
        response: dict[str, Any] = serve(sent, context, proxy=lambda: self.proxy, clock=self.clock, stage="test")
        return Answer(response["statusCode"], response["headers"], json.loads(response["body"]))

    def generate(self, body: object, context: object = None, **fields: object) -> Answer:
        return self.send(event("POST", "/generate", body, **fields), context)

    def task(self, name: str, body: object, context: object = None) -> Answer:
        """As API Gateway sends it for the resource /tasks/{task}."""
        sent = event("POST", f"/tasks/{name}", body, resource="/tasks/{task}", pathParameters={"task": name})
        return self.send(sent, context)

    def endpoint(self) -> Answer:
        return self.send(event("GET", "/endpoint"))

    def fill_retry_budget(self) -> None:
        """Serve enough requests for the whole back-off to be paid for."""
        for _ in range(100):
            self.generate({"text_inputs": "warm-up"})
        self.runtime.requests.clear()
        self.runtime.timeouts.clear()


def moment(seconds_before_start: float = 0.0) -> datetime:
    return datetime.fromtimestamp(START - seconds_before_start, UTC)
