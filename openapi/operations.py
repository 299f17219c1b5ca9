"""The operations: for each route what it takes, what it answers, and which problems can come of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from proxy.errors import (
    AnswerNotKept,
    AnswersUnavailable,
    AnswerTooLarge,
    BadModelAnswer,
    ConnectionFailed,
    ConnectionLost,
    ContextLengthExceeded,
    ControlPlaneFailed,
    DeadlineExceeded,
    EndpointFailed,
    EndpointOff,
    EndpointWaking,
    InvalidParameter,
    InvalidRequest,
    InvocationFailed,
    KeyInUse,
    KeyReused,
    LinkExpired,
    LinkRefused,
    LinkUsed,
    ModelFailed,
    ModelNotFound,
    ModelNotReady,
    ModelOverloaded,
    ModelRefused,
    NothingToSnooze,
    NotWaiting,
    PayloadTooLarge,
    Problem,
    RouteNotFound,
    ServiceUnavailable,
    TasksBroken,
    Throttled,
    TooBusy,
    WindowExceeded,
)
from proxy.tasks import PREFIX, ROUTE
from proxy.tasks.file import shipped_tasks

from openapi.tasks import task_schema
from stacks.routes import ROUTES, Route

Problems = tuple[type[Problem], ...]

_ANY: Problems = (Problem, InvalidParameter)  # that of X-Request-Timeout-Ms, for one
_BODY: Problems = (
    *_ANY,
    InvalidRequest,
    PayloadTooLarge,
    KeyInUse,
    AnswerNotKept,
    KeyReused,
    AnswersUnavailable,
)
_LOOKING: Problems = (ControlPlaneFailed, DeadlineExceeded)
_LINK: Problems = (LinkRefused, LinkExpired, LinkUsed, ControlPlaneFailed)
_ASKING: Problems = (
    *_BODY,
    EndpointOff,
    EndpointWaking,
    EndpointFailed,
    TooBusy,
    Throttled,
    ModelOverloaded,
    ModelNotReady,
    ServiceUnavailable,
    ConnectionFailed,
    ModelRefused,
    InvocationFailed,
    ModelFailed,
    BadModelAnswer,
    AnswerTooLarge,
    ConnectionLost,
    DeadlineExceeded,
)


@dataclass(frozen=True, kw_only=True)
class Operation:
    """`request` and `answer` name component schemas. A page takes a form, and answers and refuses in HTML."""

    id: str
    tag: str
    summary: str
    answer: str
    problems: Problems
    request: str | None = None
    is_page: bool = False


_SAID: Mapping[str, Operation] = {
    "POST /generate": Operation(
        id="generate",
        tag="text",
        summary="Continue one text or several.",
        request="Generation",
        answer="Generated",
        problems=(*_ASKING, WindowExceeded),
    ),
    "GET /endpoint": Operation(
        id="read_endpoint",
        tag="endpoint",
        summary="Whether it is on, what it has cost, and what turns it off next.",
        answer="EndpointReport",
        problems=(*_ANY, *_LOOKING),
    ),
    "POST /endpoint": Operation(
        id="turn_endpoint",
        tag="endpoint",
        summary="Turn it on or off; the answer does not wait for it.",
        request="Turn",
        answer="Turned",
        problems=(*_BODY, ControlPlaneFailed),
    ),
    "POST /endpoint/snooze": Operation(
        id="snooze_endpoint",
        tag="endpoint",
        summary="Leave it on though it idles, for a while from now; zero ends that.",
        request="Snooze",
        answer="Snoozed",
        problems=(*_BODY, *_LOOKING),
    ),
    "GET /tasks": Operation(
        id="list_tasks",
        tag="tasks",
        summary="The in-context tasks, and what each takes.",
        answer="Tasks",
        problems=(*_ANY, TasksBroken),
    ),
    "POST /finetunes": Operation(
        id="start_finetune",
        tag="fine-tuning",
        summary="Start a run: train on a dataset of the stage's bucket, and serve what comes of it if it is better.",
        request="FineTune",
        answer="FineTuneStarted",
        problems=(*_BODY, RouteNotFound, ControlPlaneFailed),
    ),
    "GET /finetunes/{id}": Operation(
        id="read_finetune",
        tag="fine-tuning",
        summary="Every step of a run, its losses, its jobs, what it cost.",
        answer="FineTuneRun",
        problems=(*_ANY, RouteNotFound, ControlPlaneFailed),
    ),
    "POST /finetunes/{id}/approval": Operation(
        id="approve_finetune",
        tag="fine-tuning",
        summary="Say yes or no to a model that waits for it.",
        request="FineTuneApproval",
        answer="FineTuneApproved",
        problems=(*_BODY, RouteNotFound, NotWaiting, ControlPlaneFailed),
    ),
    "POST /v1/chat/completions": Operation(
        id="create_chat_completion",
        tag="openai",
        summary="OpenAI's chat, over whichever model the stage has.",
        request="ChatCompletionRequest",
        answer="ChatCompletion",
        problems=(*_ASKING, ModelNotFound, ContextLengthExceeded),
    ),
    "POST /v1/completions": Operation(
        id="create_completion",
        tag="openai",
        summary="OpenAI's text completion, over whichever model the stage has.",
        request="CompletionRequest",
        answer="Completion",
        problems=(*_ASKING, ModelNotFound, ContextLengthExceeded),
    ),
    "GET /v1/models": Operation(
        id="list_models",
        tag="openai",
        summary="The names that the one model of the stage goes by.",
        answer="Models",
        problems=_ANY,
    ),
    "GET /v1/models/{model+}": Operation(
        id="read_model",
        tag="openai",
        summary="One of these names, if the model goes by it.",
        answer="Model",
        problems=(*_ANY, ModelNotFound),
    ),
    "GET /openapi.json": Operation(
        id="read_document",
        tag="document",
        summary="This document.",
        answer="Document",
        problems=_ANY,
    ),
    "GET /snooze": Operation(
        id="show_snooze_page",
        tag="endpoint",
        summary="The page behind the link in a mail: a button. It changes nothing.",
        answer="Page",
        problems=(*_ANY, *_LINK),
        is_page=True,
    ),
    "POST /snooze": Operation(
        id="snooze_by_mail",
        tag="endpoint",
        summary="What that button sends: leave it on for two hours, once.",
        request="SnoozeForm",
        answer="Page",
        problems=(*_ANY, *_LINK, InvalidRequest, PayloadTooLarge, NothingToSnooze, DeadlineExceeded),
        is_page=True,
    ),
    "GET /approve": Operation(
        id="show_approval_page",
        tag="fine-tuning",
        summary="The page behind the link in a mail: what speaks for a model, and two buttons. It changes nothing.",
        answer="Page",
        problems=(*_ANY, *_LINK, RouteNotFound),
        is_page=True,
    ),
    "POST /approve": Operation(
        id="approve_by_mail",
        tag="fine-tuning",
        summary="What those buttons send: a yes or a no, once.",
        request="ApprovalForm",
        answer="Page",
        problems=(*_ANY, *_LINK, InvalidRequest, PayloadTooLarge, RouteNotFound),
        is_page=True,
    ),
}


def operations() -> Iterator[tuple[Route, str, Operation]]:
    """Each with its route and its path; a task has a path of its own. Raises KeyError for a route unknown here."""
    for route in ROUTES:
        if route.path == ROUTE:
            yield from ((route, PREFIX + name, operation) for name, operation in _tasks())
        else:
            yield route, route.path.replace("+}", "}"), _SAID[str(route)]


def _tasks() -> Iterator[tuple[str, Operation]]:
    for shape in shipped_tasks().values():
        schema = task_schema(shape.name)
        yield (
            shape.name,
            Operation(
                id=f"task_{shape.name}",
                tag="tasks",
                summary=shape.about,
                request=schema,
                answer=f"{schema}Answer",
                problems=(*_ASKING, WindowExceeded, TasksBroken),
            ),
        )
