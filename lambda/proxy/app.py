"""The proxy's routes over its seams: SageMaker's runtime, AWS's control plane, the switch.

A cold start imports what `POST /generate` needs. What other requests need is imported and made by the first of them,
here and in `proxy.handler`: `bench/cold.py` measures what that spares the one and costs the others.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, cached_property
from typing import TYPE_CHECKING
from urllib.parse import unquote

from common.shown import shown

from proxy.api_document import api_document
from proxy.call import Call, Calls
from proxy.contracts import contract_named
from proxy.errors import EndpointMissing, MethodNotAllowed, RouteNotFound, ServiceUnavailable
from proxy.generate import Model
from proxy.idempotency import RESERVE_SECONDS, Key, key_of
from proxy.log import LogLine
from proxy.long_inputs import generate_any_length
from proxy.openai import MODEL_ROUTE, MODELS_PREFIX
from proxy.request import Request
from proxy.retry import MIN_ATTEMPT_SECONDS
from proxy.settings import Settings
from proxy.strict_json import JsonObject
from proxy.tasks import PREFIX as TASKS_PREFIX
from proxy.tasks import ROUTE as TASK_ROUTE
from proxy.timing import LOOK_SECONDS

if TYPE_CHECKING:
    from proxy.endpoint_routes import EndpointRoutes
    from proxy.finetunes import FineTunes
    from proxy.once import Answers, Once
    from proxy.openai.routes import OpenAIRoutes
    from proxy.tasks.shape import Shape


PAGES = SNOOZE_PAGE, APPROVAL_PAGE = "/snooze", "/approve"
GENERATE, CHAT_COMPLETIONS, COMPLETIONS = "/generate", "/v1/chat/completions", "/v1/completions"
# What a route does not begin with less time than this.
WORK_SECONDS: Mapping[tuple[str, str], float] = {
    **dict.fromkeys(
        (("POST", route) for route in (GENERATE, TASK_ROUTE, CHAT_COMPLETIONS, COMPLETIONS)), MIN_ATTEMPT_SECONDS
    ),
    **dict.fromkeys((("GET", "/endpoint"), ("POST", "/endpoint/snooze"), ("POST", SNOOZE_PAGE)), LOOK_SECONDS),
}
FINETUNES_PREFIX = "/finetunes/"
FINETUNE_ROUTE, APPROVAL_ROUTE = "/finetunes/{id}", "/finetunes/{id}/approval"


class Proxy:
    """One a worker. `endpoint`, `answers`, `tasks` and `finetunes` are called once, by the first request that needs
    them. `nonce` gives another text each time.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        calls: Calls,
        endpoint: "Callable[[], EndpointRoutes]",
        answers: "Callable[[], Answers]",
        tasks: "Callable[[], Mapping[str, Shape]]",
        finetunes: "Callable[[], FineTunes]",
        nonce: Callable[[], str] = lambda: os.urandom(16).hex(),
    ) -> None:
        self._settings = settings
        self._contract = contract_named(settings.contract)
        self._calls = calls
        self._endpoint = cache(endpoint)
        self._answers = cache(answers)
        self._tasks = cache(tasks)
        self._finetunes = cache(finetunes)
        self._nonce = nonce
        self._routes: Mapping[str, Mapping[str, Callable[[Call], JsonObject]]] = {
            GENERATE: {"POST": self._generate},
            "/endpoint": {"GET": self._report, "POST": self._turn},
            "/endpoint/snooze": {"POST": self._snooze},
            "/tasks": {"GET": self._list_tasks},
            TASK_ROUTE: {"POST": self._task},
            "/finetunes": {"POST": self._start_finetune},
            FINETUNE_ROUTE: {"GET": self._read_finetune},
            APPROVAL_ROUTE: {"POST": self._approve_finetune},
            CHAT_COMPLETIONS: {"POST": self._chat_completions},
            COMPLETIONS: {"POST": self._completions},
            "/v1/models": {"GET": lambda _: self._openai.models()},
            MODEL_ROUTE: {"GET": lambda call: self._openai.model(_model_of(call))},
            "/openapi.json": {"GET": lambda _: api_document()},
        }
        self._pages: Mapping[str, Mapping[str, Callable[[Call], str]]] = {
            SNOOZE_PAGE: {"GET": self._show_snooze_page, "POST": self._press_snooze_button},
            APPROVAL_PAGE: {"GET": self._show_approval_page, "POST": self._press_approval_button},
        }

    def answer(self, request: Request, context: object, log: LogLine) -> JsonObject:
        """The body of a 200 answer. Raises Problem for every other status; adds to the log line."""
        route, work = self._route(request)
        key = key_of(request)
        reserve = 0.0 if key is None else RESERVE_SECONDS
        call = self._begin(request, context, route, reserve_seconds=reserve)
        log.budget_ms = round(max(0.0, call.deadline.seconds_left()) * 1000)
        log.limited_by_caller = call.timeout_seconds < self._settings.integration_timeout_seconds or None
        try:
            answer = work(call) if key is None else self._once(key, call, log).answer(lambda: work(call))
            log.add_answer(answer)
            return answer
        finally:
            log.add_invocations(call.invocations)

    def page(self, request: Request, context: object) -> str:
        """The HTML behind a mail's link: a 200 answer. Raises Problem for every other status."""
        methods = self._pages[request.path]
        _check_method(request, methods)
        return methods[request.method](self._begin(request, context, request.path, reserve_seconds=0.0))

    def _begin(self, request: Request, context: object, route: str, *, reserve_seconds: float) -> Call:
        needed = WORK_SECONDS.get((request.method, route), 0)
        return self._calls.begin(request, context, route=route, work_seconds=needed, reserve_seconds=reserve_seconds)

    def _once(self, key: Key, call: Call, log: LogLine) -> "Once":
        from proxy.once import Once

        return Once(
            key,
            self._answers(),
            owner=self._nonce(),  # not the request's id: with X-Amzn-RequestId a caller can set that, twice alike
            now=call.now,
            timeout_seconds=call.timeout_seconds,
            deadline=call.deadline,
            log=log,
            trace=call.trace,
        )

    def _route(self, request: Request) -> tuple[str, Callable[[Call], JsonObject]]:
        route = _pattern(request.path)
        methods = self._routes.get(route)
        if methods is None:
            raise RouteNotFound(f"There is no {shown(request.path)}. Routes: {', '.join(self._routes)}.")
        _check_method(request, methods)
        return route, methods[request.method]

    def _generate(self, call: Call) -> JsonObject:
        fields = call.request.json_object()
        with self._saying_why(call):
            answer = generate_any_length(fields, self._model(call))
        return {**answer, **self._names(call)}

    def _list_tasks(self, call: Call) -> JsonObject:
        from proxy.tasks.routes import listed

        return {**listed(self._tasks()), **self._names(call)}

    def _task(self, call: Call) -> JsonObject:
        from proxy.tasks.routes import MAX_OBJECTS, carried_out

        fields = call.request.json_object(max_objects=MAX_OBJECTS)
        with self._saying_why(call):
            done = carried_out(
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
        fields = call.request.json_object(max_objects=self._openai.max_chat_objects)
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
            raise self._endpoint().why_missing(call.now, call.deadline) from missing
        except ServiceUnavailable as problem:
            raise self._endpoint().why_unavailable(problem, call.now, call.deadline) from problem

    @cached_property
    def _openai(self) -> "OpenAIRoutes":
        from proxy.openai.routes import OpenAIRoutes
        from proxy.openai.template import ChatTemplate

        settings = self._settings
        return OpenAIRoutes(
            models=settings.models,
            contract=self._contract,
            template=ChatTemplate.from_json(settings.chat_template) if settings.chat_template else None,
            window=settings.window,
        )

    def _report(self, call: Call) -> JsonObject:
        return {**self._endpoint().report(call.now, call.deadline), "request_id": call.request.id}

    def _turn(self, call: Call) -> JsonObject:
        return {**self._endpoint().turn(call.request.json_object(), call.now), "request_id": call.request.id}

    def _snooze(self, call: Call) -> JsonObject:
        fields = call.request.json_object()
        return {**self._endpoint().snooze(fields, call.now, call.deadline), "request_id": call.request.id}

    def _start_finetune(self, call: Call) -> JsonObject:
        fields = call.request.json_object()
        return {**self._finetunes().start(fields, call.now, call.request.id), "request_id": call.request.id}

    def _read_finetune(self, call: Call) -> JsonObject:
        return {**self._finetunes().read(_run_of(call)), "request_id": call.request.id}

    def _approve_finetune(self, call: Call) -> JsonObject:
        fields = call.request.json_object()
        return {**self._finetunes().decide(_run_of(call), fields), "request_id": call.request.id}

    def _show_snooze_page(self, call: Call) -> str:
        return self._endpoint().show_snooze_page(_token_of(call), call.now)

    def _press_snooze_button(self, call: Call) -> str:
        return self._endpoint().press_snooze_button(call.request.form_field("token"), call.now, call.deadline)

    def _show_approval_page(self, call: Call) -> str:
        return self._finetunes().show_approval_page(_token_of(call), call.now)

    def _press_approval_button(self, call: Call) -> str:
        token, decision = call.request.form_field("token"), call.request.form_field("decision")
        return self._finetunes().press_approval_button(token, decision, call.now)


def _check_method(request: Request, methods: Iterable[str]) -> None:
    if request.method not in methods:
        raise MethodNotAllowed(f"{request.path} does not take {shown(request.method)}. Allowed: {', '.join(methods)}.")


def _pattern(path: str) -> str:
    """The route that a path belongs to, if there is one of that name."""
    if path.startswith(TASKS_PREFIX):
        return TASK_ROUTE
    if path.startswith(FINETUNES_PREFIX):
        return APPROVAL_ROUTE if path.endswith("/approval") else FINETUNE_ROUTE
    if path.startswith(MODELS_PREFIX):
        return MODEL_ROUTE
    return path


def _run_of(call: Call) -> str:
    return call.request.path.removeprefix(FINETUNES_PREFIX).removesuffix("/approval")


def _model_of(call: Call) -> str:
    """A client writes the slash of a name as %2F; no name has a percent sign of its own."""
    return unquote(call.request.path.removeprefix(MODELS_PREFIX))


def _token_of(call: Call) -> str:
    """A link's; empty where it has none."""
    return call.request.query.get("token", "")
