"""The proxy's routes over its seams: SageMaker's runtime, AWS's control plane, the switch."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from common.shown import shown

from proxy import endpoint_routes, snooze_page
from proxy.admission import Limits
from proxy.api_document import api_document
from proxy.contracts import contract_named
from proxy.endpoint_routes import ControlPlane, EndpointRoutes
from proxy.errors import EndpointMissing, MethodNotAllowed, RouteNotFound, ServiceUnavailable
from proxy.idempotency import key_of
from proxy.invocations import Invocations, Runtime, Worker
from proxy.log import LogLine
from proxy.long_inputs import Model, generate_any_length
from proxy.once import RESERVE_SECONDS, Answers, Once
from proxy.openai.asked import MAX_CHAT_OBJECTS
from proxy.openai.routes import OpenAIRoutes
from proxy.request import Request
from proxy.settings import Settings
from proxy.strict_json import JsonObject
from proxy.tasks import routes as task_routes
from proxy.tasks.file import shipped_tasks
from proxy.tasks.shape import Shape
from proxy.timing import MARGIN_SECONDS, Clock, Deadline, caller_timeout, seconds_allowed


@dataclass(frozen=True)
class Call:
    """A request together with its time: `now` is the caller's, which in a simulation is not the process's."""

    request: Request
    now: datetime
    deadline: Deadline
    invocations: Invocations

    @property
    def created(self) -> int:
        """`now` in whole seconds since 1970."""
        return int(self.now.timestamp())


class Switch(endpoint_routes.Switch, snooze_page.Tokens, Protocol):
    """The seam to the switch and to the stage's ledger."""


class Proxy:
    """One a worker. `random` gives uniform numbers in [0, 1)."""

    def __init__(
        self,
        settings: Settings,
        *,
        runtime: Runtime,
        control_plane: ControlPlane,
        switch: Switch,
        answers: Answers,
        clock: Clock,
        random: Callable[[], float],
        tasks: Callable[[], Mapping[str, Shape]] = shipped_tasks,
    ) -> None:
        self._settings = settings
        self._contract = contract_named(settings.contract)
        self._runtime = runtime
        self._switch = switch
        self._endpoint = EndpointRoutes(settings, control_plane=control_plane, switch=switch)
        self._answers = answers
        self._clock = clock
        self._random = random
        self._tasks = tasks
        budget = settings.integration_timeout_seconds - MARGIN_SECONDS
        self._worker = Worker(Limits.of(budget, calm=settings.overload_latency_seconds))
        self._openai = OpenAIRoutes(models=settings.models, contract=self._contract, template=settings.chat_template)
        self._routes: Mapping[str, Mapping[str, Callable[[Call], JsonObject]]] = {
            "/generate": {"POST": self._generate},
            "/endpoint": {"GET": self._report, "POST": self._turn},
            "/endpoint/snooze": {"POST": self._snooze},
            "/tasks": {"GET": self._list_tasks},
            task_routes.ROUTE: {"POST": self._task},
            "/v1/chat/completions": {"POST": self._chat_completions},
            "/v1/completions": {"POST": self._completions},
            "/v1/models": {"GET": lambda _: self._openai.models()},
            "/openapi.json": {"GET": lambda _: api_document()},
        }

    def answer(self, request: Request, context: object, log: LogLine) -> JsonObject:
        """The body of a 200 answer. Raises Problem for every other status; adds to the log line."""
        route = self._route(request)
        key = key_of(request)
        call = self._begin(request, context, reserve_seconds=0.0 if key is None else RESERVE_SECONDS)
        log.budget_ms = round(call.deadline.seconds_left() * 1000)
        try:
            if key is None:
                return route(call)
            once = Once(key, self._answers, owner=request.id, now=call.now, deadline=call.deadline, log=log)
            return once.answer(lambda: route(call))
        finally:
            log.add_invocations(call.invocations)

    def page(self, request: Request, context: object) -> str:
        """The HTML behind a mail's link: a 200 answer. Raises Problem for every other status."""
        if request.method not in ("GET", "POST"):
            raise MethodNotAllowed(f"{request.path} does not take {shown(request.method)}. Allowed: GET, POST.")
        call = self._begin(request, context, reserve_seconds=0.0)
        name = self._settings.endpoint_name
        if request.method == "GET":
            token = request.query.get("token", "")
            return snooze_page.shown(token, tokens=self._switch, endpoint_name=name, now=call.now)
        return snooze_page.pressed(
            request.form_field("token"),
            lambda use: self._endpoint.snooze_by_mail(call.now, call.deadline, use=use),
            tokens=self._switch,
            endpoint_name=name,
            now=call.now,
        )

    def _route(self, request: Request) -> Callable[[Call], JsonObject]:
        methods = self._routes.get(task_routes.ROUTE if request.path.startswith(task_routes.PREFIX) else request.path)
        if methods is None:
            raise RouteNotFound(f"There is no {shown(request.path)}. Routes: {', '.join(self._routes)}.")
        if request.method not in methods:
            raise MethodNotAllowed(
                f"{request.path} does not take {shown(request.method)}. Allowed: {', '.join(methods)}."
            )
        return methods[request.method]

    def _begin(self, request: Request, context: object, *, reserve_seconds: float) -> Call:
        """`reserve_seconds` are kept back for keeping the answer of a call that may be reissued."""
        wall = self._clock.time()
        start = request.start_epoch
        allowed = seconds_allowed(
            request_age=None if start is None else wall - start,
            integration_timeout=self._settings.integration_timeout_seconds,
            lambda_remaining=_seconds_remaining(context),
            caller_timeout=caller_timeout(request.headers),
        )
        allowed -= reserve_seconds
        deadline = Deadline(at=self._clock.monotonic() + allowed, clock=self._clock)
        return Call(
            request=request,
            now=datetime.fromtimestamp(wall if start is None else start, UTC),
            deadline=deadline,
            invocations=Invocations(
                self._runtime,
                deadline=deadline,
                worker=self._worker,
                random=self._random,
                reissue=reserve_seconds > 0,
            ),
        )

    def _generate(self, call: Call) -> JsonObject:
        fields = call.request.json_object()
        with self._saying_why(call):
            answer = generate_any_length(fields, self._model(call))
        return {**answer, **self._names(call)}

    def _list_tasks(self, call: Call) -> JsonObject:
        return {**task_routes.listed(self._tasks()), **self._names(call)}

    def _task(self, call: Call) -> JsonObject:
        fields = call.request.json_object()
        with self._saying_why(call):
            done = task_routes.carried_out(
                self._tasks(),
                call.request.path,
                fields,
                contract=self._settings.contract,
                model=self._model(call),
            )
        return {**done, **self._names(call)}

    def _names(self, call: Call) -> JsonObject:
        return {"model": self._settings.model, "request_id": call.request.id}

    def _model(self, call: Call) -> Model:
        return Model(self._contract, call.invocations, self._settings.window, call.deadline)

    def _chat_completions(self, call: Call) -> JsonObject:
        fields = call.request.json_object(max_objects=MAX_CHAT_OBJECTS)
        with self._saying_why(call):
            return self._openai.chat(fields, call.invocations, request_id=call.request.id, created=call.created)

    def _completions(self, call: Call) -> JsonObject:
        fields = call.request.json_object()
        with self._saying_why(call):
            return self._openai.completions(fields, call.invocations, request_id=call.request.id, created=call.created)

    @contextmanager
    def _saying_why(self, call: Call) -> Iterator[None]:
        """Where the model cannot be reached, the problem that the caller sees says why."""
        try:
            yield
        except EndpointMissing as missing:
            raise self._endpoint.why_missing(call.now, call.deadline) from missing
        except ServiceUnavailable as problem:
            raise self._endpoint.why_unavailable(problem, call.now, call.deadline) from problem

    def _report(self, call: Call) -> JsonObject:
        return {**self._endpoint.report(call.now, call.deadline), "request_id": call.request.id}

    def _turn(self, call: Call) -> JsonObject:
        return {**self._endpoint.turn(call.request.json_object(), call.now), "request_id": call.request.id}

    def _snooze(self, call: Call) -> JsonObject:
        fields = call.request.json_object()
        return {**self._endpoint.snooze(fields, call.now, call.deadline), "request_id": call.request.id}


def _seconds_remaining(context: object) -> float | None:
    read = getattr(context, "get_remaining_time_in_millis", None)
    return read() / 1000 if callable(read) else None
