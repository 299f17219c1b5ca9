"""The contract `openai` as vLLM documents it: a prompt or messages in, choices with their usage out."""

from collections.abc import Mapping, Sequence
from typing import Any

from pilotlight.local.model_request import Contract, EndReason, Generation, Written
from pilotlight.local.model_rules import (
    POSITIVE_INTEGER,
    TEXT,
    Rule,
    UnusableRequestError,
    check,
    is_number,
    is_text,
)

DEFAULT_NEW_TOKENS = 16

_ROLES = ("system", "user", "assistant")
_END_REASONS: Mapping[EndReason, str] = {"end": "stop", "stop": "stop", "length": "length"}


def _is_message(value: Any) -> bool:
    if not isinstance(value, dict) or set(value) != {"role", "content"} or value["role"] not in _ROLES:
        return False
    return is_text(value["content"]) or (value["role"] == "assistant" and value["content"] == "")


def _is_stop(value: Any) -> bool:
    return is_text(value) or (isinstance(value, list) and all(map(is_text, value)))


_RULES = {
    "prompt": TEXT,
    "messages": Rule(
        "a non-empty list of messages with a role and a text",
        lambda value: isinstance(value, list) and bool(value) and all(map(_is_message, value)),
    ),
    "max_tokens": POSITIVE_INTEGER,
    "temperature": Rule("a number from 0 to 2", lambda value: is_number(value) and 0 <= value <= 2),
    "top_p": Rule("a number above 0 and at most 1", lambda value: is_number(value) and 0 < value <= 1),
    "top_k": POSITIVE_INTEGER,
    "n": POSITIVE_INTEGER,
    "stop": Rule("a non-empty string or a list of them", _is_stop),
    "seed": Rule("a signed integer of 64 bits", lambda value: type(value) is int and -(2**63) <= value < 2**63),
}


def _parse(body: Mapping[str, Any]) -> Generation:
    check(body, _RULES)
    if ("prompt" in body) == ("messages" in body):
        raise UnusableRequestError("Either prompt or messages must be given, and not both.")
    temperature, n = body.get("temperature", 1), body.get("n", 1)
    if n > 1 and temperature == 0:
        raise UnusableRequestError(f"n must be 1 when using greedy sampling, got {n}.")
    options: dict[str, Any] = {"do_sample": temperature > 0}
    if temperature > 0:
        options |= {"temperature": float(temperature), "num_return_sequences": n}
        options |= {name: body[name] for name in ("top_p", "top_k") if name in body}
    stop = body.get("stop", [])
    return Generation(
        prompts=(body["prompt"],) if "prompt" in body else (),
        messages=tuple(body.get("messages", ())),
        max_new_tokens=body.get("max_tokens", DEFAULT_NEW_TOKENS),
        seed=body.get("seed"),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        options=options,
    )


def _render(body: Mapping[str, Any], written: Sequence[Written]) -> Any:
    prompt_tokens, completion_tokens = written[0].prompt_tokens, sum(one.tokens for one in written)
    return {
        "object": "chat.completion" if "messages" in body else "text_completion",
        "choices": [
            {"index": index, "finish_reason": _END_REASONS[one.ended_by]} | _said(body, _without_stop(body, one.text))
            for index, one in enumerate(written)
        ],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
    }


def _without_stop(body: Mapping[str, Any], text: str) -> str:
    """vLLM leaves the stop string out, unlike TGI."""
    stop = body.get("stop", [])
    endings = [one for one in ([stop] if isinstance(stop, str) else stop) if text.endswith(one)]
    return text.removesuffix(max(endings, key=len, default=""))


def _said(body: Mapping[str, Any], text: str) -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": text}} if "messages" in body else {"text": text}


OPENAI = Contract(_parse, _render)
