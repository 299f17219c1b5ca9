"""Everything a caller can be told went wrong: one exception tree, one table of statuses, one JSON shape.

Problem                      500  a bug of ours; its details go to the log, never to the caller
├── InvalidRequest           400  the body is not what the route takes
│   ├── InvalidParameter     400  one named field of the body is wrong
│   ├── WindowExceeded       422  the text is longer than the model takes, and nobody said what to do about it
│   │   └── ContextLengthExceeded 400  the same on OpenAI's routes, the completion counted in
│   └── PayloadTooLarge      413  the body is over the bound
├── RouteNotFound            404
├── ModelNotFound            404  a model's name that this stage does not go by
├── MethodNotAllowed         405
├── LinkRefused              403  a mail's link that was not made here, or not for this
│   ├── LinkExpired          410  made here, and too old
│   ├── LinkUsed             409  used before, or nobody's word is waited for any more
│   └── NothingToSnooze      409  the endpoint is off already
├── IdempotencyConflict      409  the Idempotency-Key is taken
│   ├── KeyInUse             409  by a call that is still at work
│   ├── AnswerNotKept        409  by a call whose answer was too large to be kept
│   └── KeyReused            422  by a call that asked for something else
├── NotWaiting               409  a run of fine-tuning that waits for nobody's word
├── AnswersUnavailable       503  the table of kept answers cannot be reached
├── TooBusy                  429  refused here, before the model is asked: it would not answer in time
├── EndpointUnavailable      503  nothing is there to answer
│   ├── EndpointMissing      503  as the runtime reports it, before anyone has looked why
│   ├── EndpointOff          503  turned off: costs nothing, can be woken
│   ├── EndpointWaking       503  being created, or not yet taking calls
│   └── EndpointFailed       503  its creation failed
├── InvocationFailed         502  SageMaker refused or failed the call
│   ├── TransientFailure     503  nothing was generated and the next attempt may well succeed
│   │   ├── Throttled        429  SageMaker throttles calls to the model
│   │   ├── ModelNotReady    503  the model is still being loaded
│   │   ├── ServiceUnavailable 503  SageMaker is unavailable for the moment
│   │   └── ConnectionFailed 503  no connection came about, so nothing was sent
│   ├── ModelRefused         422  the model's container answered 4xx: the caller's to mend
│   ├── ModelOverloaded      429  the model's container answered 429
│   ├── ModelFailed          502  the model's container answered 5xx
│   ├── BadModelAnswer       502  an answer that is not what the contract says
│   ├── AnswerTooLarge       502  more than Lambda can hand back
│   └── ConnectionLost       502  cut after the request was sent
├── TasksBroken              500  tasks.toml, which is the deployer's, holds no tasks that work
├── ControlPlaneFailed       502  SageMaker or CloudFormation would not describe the endpoint
└── DeadlineExceeded         504  the time budget is spent
"""

from typing import ClassVar


class Problem(Exception):
    """Base of all. `message` is written for the caller; `param` names the field at fault, if there is one."""

    type: ClassVar[str] = "internal_error"

    def __init__(self, message: str, *, param: str | None = None, retry_after_seconds: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after_seconds = retry_after_seconds


class InvalidRequest(Problem):
    type = "invalid_request"


class InvalidParameter(InvalidRequest):
    type = "invalid_parameter"


class PayloadTooLarge(InvalidRequest):
    type = "payload_too_large"


class WindowExceeded(InvalidRequest):
    type = "window_exceeded"


class ContextLengthExceeded(WindowExceeded):
    type = "context_length_exceeded"


class RouteNotFound(Problem):
    type = "not_found"


class ModelNotFound(Problem):
    type = "model_not_found"


class MethodNotAllowed(Problem):
    type = "method_not_allowed"


class LinkRefused(Problem):
    type = "link_refused"


class LinkExpired(LinkRefused):
    type = "link_expired"


class LinkUsed(LinkRefused):
    type = "link_used"


class NothingToSnooze(LinkRefused):
    type = "nothing_to_snooze"


class IdempotencyConflict(Problem):
    type = "idempotency_conflict"


class KeyInUse(IdempotencyConflict):
    type = "idempotency_key_in_use"


class AnswerNotKept(IdempotencyConflict):
    type = "idempotency_answer_not_kept"


class KeyReused(IdempotencyConflict):
    type = "idempotency_key_reused"


class NotWaiting(Problem):
    type = "not_waiting"


class AnswersUnavailable(Problem):
    type = "idempotency_unavailable"


class TooBusy(Problem):
    type = "overloaded"


class EndpointUnavailable(Problem):
    type = "endpoint_unavailable"


class EndpointMissing(EndpointUnavailable):
    pass


class EndpointOff(EndpointUnavailable):
    type = "endpoint_off"


class EndpointWaking(EndpointUnavailable):
    type = "endpoint_waking"


class EndpointFailed(EndpointUnavailable):
    type = "endpoint_failed"


class InvocationFailed(Problem):
    type = "invocation_failed"


class TransientFailure(InvocationFailed):
    pass


class Throttled(TransientFailure):
    type = "throttled"


class ModelNotReady(TransientFailure):
    type = "model_not_ready"


class ServiceUnavailable(TransientFailure):
    type = "service_unavailable"


class ConnectionFailed(TransientFailure):
    type = "connection_failed"


class ModelRefused(InvocationFailed):
    type = "model_refused"


class ModelOverloaded(InvocationFailed):
    type = "model_overloaded"


class ModelFailed(InvocationFailed):
    type = "model_failed"


class BadModelAnswer(InvocationFailed):
    type = "bad_model_answer"


class AnswerTooLarge(InvocationFailed):
    type = "answer_too_large"


class ConnectionLost(InvocationFailed):
    type = "connection_lost"


class TasksBroken(Problem):
    type = "tasks_broken"


class ControlPlaneFailed(Problem):
    type = "control_plane_failed"


class DeadlineExceeded(Problem):
    type = "deadline_exceeded"


_STATUS: dict[type[Problem], int] = {
    Problem: 500,
    InvalidRequest: 400,
    PayloadTooLarge: 413,
    WindowExceeded: 422,
    ContextLengthExceeded: 400,
    RouteNotFound: 404,
    ModelNotFound: 404,
    MethodNotAllowed: 405,
    LinkRefused: 403,
    LinkExpired: 410,
    LinkUsed: 409,
    NothingToSnooze: 409,
    IdempotencyConflict: 409,
    KeyReused: 422,
    NotWaiting: 409,
    AnswersUnavailable: 503,
    TooBusy: 429,
    EndpointUnavailable: 503,
    InvocationFailed: 502,
    TransientFailure: 503,
    Throttled: 429,
    ModelRefused: 422,
    ModelOverloaded: 429,
    ControlPlaneFailed: 502,
    DeadlineExceeded: 504,
}


def status_of(problem: Problem) -> int:
    """The HTTP status of a problem: its own type's, else that of the nearest ancestor in the table."""
    return next(_STATUS[kind] for kind in type(problem).__mro__ if kind in _STATUS)


def error_body(problem: Problem, request_id: str) -> dict[str, dict[str, str | None]]:
    """The one error shape of the API."""
    return {
        "error": {
            "type": problem.type,
            "message": problem.message,
            "param": problem.param,
            "request_id": request_id,
        }
    }
