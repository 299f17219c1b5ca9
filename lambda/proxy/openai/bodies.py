"""The response bodies of the OpenAI-compatible routes, and their error shape."""

from collections.abc import Sequence

from proxy.errors import EndpointOff, Problem, status_of
from proxy.openai.complete import Answered
from proxy.strict_json import JsonObject


def chat_body(answered: Answered, *, model: str, request_id: str, created: int) -> JsonObject:
    """A `chat.completion`. `created` is in seconds since 1970."""
    choices = [
        {
            "index": index,
            "message": {"role": "assistant", "content": choice.text, "refusal": None},
            "logprobs": None,
            "finish_reason": choice.finish_reason,
        }
        for index, choice in enumerate(answered.choices)
    ]
    head = {"id": f"chatcmpl-{request_id}", "object": "chat.completion", "created": created, "model": model}
    return head | {"choices": choices} | _accounts(answered)


def completion_body(answered: Answered, *, model: str, request_id: str, created: int) -> JsonObject:
    """A `text_completion`. `created` is in seconds since 1970."""
    choices = [
        {"index": index, "text": choice.text, "logprobs": None, "finish_reason": choice.finish_reason}
        for index, choice in enumerate(answered.choices)
    ]
    head = {"id": f"cmpl-{request_id}", "object": "text_completion", "created": created, "model": model}
    return head | {"choices": choices} | _accounts(answered)


def models_body(models: Sequence[str]) -> JsonObject:
    """Every name that `model` may be."""
    return {"object": "list", "data": [model_body(name) for name in models]}


def model_body(name: str) -> JsonObject:
    """One of them. `created` is 0: nobody here knows when a model was made."""
    return {"id": name, "object": "model", "created": 0, "owned_by": "pilotlight"}


def openai_error_body(problem: Problem) -> JsonObject:
    """The error as OpenAI's clients read it; `code` is the type that our own shape has."""
    status = status_of(problem)
    kind = "server_error" if status >= 500 else "rate_limit_error" if status == 429 else "invalid_request_error"
    return {"error": {"message": problem.message, "type": kind, "param": problem.param, "code": problem.type}}


def should_retry(problem: Problem) -> bool:
    """Whether OpenAI's client is to try again by itself, which it does on any 429 and 5xx unless told not to.

    Only where waiting helps: a generation that may have run would be paid for again, and an endpoint that is off
    stays off.
    """
    return problem.retry_after_seconds is not None and not isinstance(problem, EndpointOff)


def _accounts(answered: Answered) -> JsonObject:
    """What was used. Clients ignore a field that OpenAI does not have: it says which values are estimates."""
    usage = {
        "prompt_tokens": answered.prompt_tokens,
        "completion_tokens": answered.completion_tokens,
        "total_tokens": answered.prompt_tokens + answered.completion_tokens,
    }
    return {"usage": usage, "pilotlight": {"estimated": sorted(answered.estimated)}}
