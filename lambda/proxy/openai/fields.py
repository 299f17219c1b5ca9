"""The parameters of the OpenAI-compatible routes: what is honoured, what changes nothing, what is refused.

Each parameter that a route knows is in exactly one of three tables. One that no contract can honour may still
carry the value that asks for nothing, since clients send those; with any other it is refused by name.
"""

import json
from collections.abc import Callable, Mapping
from typing import cast

from common.shown import shown

from proxy.completion import Sampling
from proxy.errors import InvalidParameter
from proxy.openai.messages import checked_text
from proxy.parameters import MAX_SEQUENCES, MAX_TOKENS, Rule, integer
from proxy.strict_json import JsonObject

DEFAULT_CHAT_TOKENS = 256  # OpenAI sets no bound, which one time budget cannot afford
DEFAULT_COMPLETION_TOKENS = 16  # OpenAI's own
MAX_STOPS = 4

# Below it the probabilities of all but the likeliest token are 0 in any float, so it is greedy: vLLM draws the
# same line. Some clients send 1e-8 where they mean 0.
_GREEDY_BELOW = 1e-5


def _number(within: Callable[[float], bool], allowed: str, **bounds: float) -> Rule:
    def allows(value: object) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and within(value)

    return Rule(allows, allowed, {"type": "number", **bounds})


SAMPLING: Mapping[str, Rule] = {
    "max_tokens": integer(1, MAX_TOKENS),
    "temperature": _number(lambda value: 0 <= value <= 2, "a number from 0 (greedy) to 2", minimum=0, maximum=2),
    "top_p": _number(
        lambda value: 0 < value <= 1, "a number greater than 0 and at most 1", exclusiveMinimum=0, maximum=1
    ),
    "n": integer(1, MAX_SEQUENCES),
    "seed": integer(-(2**63), 2**63 - 1),
}

# About the caller and the bill, not about the text: checked and left at that.
LABELS = ("user", "safety_identifier", "prompt_cache_key")

_NEUTRAL_IN_BOTH: Mapping[str, tuple[object, ...]] = {
    "stream": (False,),
    "stream_options": (),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logit_bias": ({},),
}

NEUTRAL_IN_CHAT: Mapping[str, tuple[object, ...]] = {
    **_NEUTRAL_IN_BOTH,
    "logprobs": (False,),
    "top_logprobs": (0,),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "parallel_tool_calls": (True, False),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "audio": (),
    "prediction": (),
    "moderation": (),
    "prompt_cache_options": (),
    "prompt_cache_retention": (),
    "reasoning_effort": ("none",),
    "service_tier": ("auto", "default"),
    "store": (False,),
    "metadata": ({},),
    "verbosity": ("medium",),
    "web_search_options": (),
}

NEUTRAL_IN_COMPLETIONS: Mapping[str, tuple[object, ...]] = {
    **_NEUTRAL_IN_BOTH,
    "logprobs": (),
    "echo": (False,),
    "suffix": ("",),
}

HONOURED_IN_CHAT = ("model", "messages", "max_completion_tokens", *SAMPLING, "stop", *LABELS)
HONOURED_IN_COMPLETIONS = ("model", "prompt", "best_of", *SAMPLING, "stop", "user")


def given_fields(
    fields: JsonObject, honoured: tuple[str, ...], neutral: Mapping[str, tuple[object, ...]]
) -> JsonObject:
    """The fields that have an effect here, without those that are null, which is how clients leave one out.

    Raises InvalidParameter naming a parameter that is unknown, or whose value cannot be honoured.
    """
    for name, value in fields.items():
        if name in honoured or value is None:
            continue
        if name not in neutral:
            raise InvalidParameter(
                f"{shown(name)} is not a parameter of this route. Allowed: {', '.join(honoured)}.", param=name[:40]
            )
        if not any(_same(value, harmless) for harmless in neutral[name]):
            allowed = " or ".join(json.dumps(default) for default in (*neutral[name], None))
            raise InvalidParameter(
                f"{name} is {shown(value)}, which cannot be honoured here: leave it out, or set it to {allowed}.",
                param=name,
            )
    for name in LABELS:
        if fields.get(name) is not None and name in honoured:
            checked_text(fields[name], name)
    return {name: value for name, value in fields.items() if name in honoured and value is not None}


def check_sampling(given: JsonObject, *, default_tokens: int) -> Sampling:
    """How to sample. Raises InvalidParameter naming the parameter, its value and what is allowed."""
    for name, rule in SAMPLING.items():
        if name in given and not rule.allows(given[name]):
            raise InvalidParameter(f"{name} is {shown(given[name])}, but must be {rule.allowed}.", param=name)
    temperature = cast(float, given.get("temperature", 1))
    top_p = cast(float, given.get("top_p", 1))
    sampling = Sampling(
        max_tokens=_max_tokens(given, default_tokens),
        temperature=None if temperature < _GREEDY_BELOW else temperature,
        top_p=None if top_p == 1 else top_p,
        n=cast(int, given.get("n", 1)),
        stop=_stop(given.get("stop")),
        seed=cast(int | None, given.get("seed")),
        max_tokens_is_default="max_tokens" not in given and "max_completion_tokens" not in given,
    )
    if sampling.n > 1 and sampling.temperature is None:
        raise InvalidParameter(
            f"n is {sampling.n}, but temperature {shown(given['temperature'])} is greedy, which has only one "
            "result: set n to 1, or a higher temperature.",
            param="n",
        )
    return sampling


def _max_tokens(given: JsonObject, default: int) -> int:
    newer, older = given.get("max_completion_tokens"), given.get("max_tokens")
    rule = SAMPLING["max_tokens"]
    if newer is not None and not rule.allows(newer):
        raise InvalidParameter(
            f"max_completion_tokens is {shown(newer)}, but must be {rule.allowed}.", param="max_completion_tokens"
        )
    if newer is not None and older is not None and newer != older:
        raise InvalidParameter(
            f"max_tokens is {shown(older)} and max_completion_tokens, its newer name, is {shown(newer)}: "
            "leave one of them out.",
            param="max_tokens",
        )
    return cast(int, next(value for value in (newer, older, default) if value is not None))


def _stop(value: object) -> tuple[str, ...]:
    stops = value if isinstance(value, list) else [] if value is None else [value]
    if len(stops) > MAX_STOPS:
        raise InvalidParameter(f"stop has {len(stops)} strings, but may have {MAX_STOPS}.", param="stop")
    for index, stop in enumerate(stops):
        place = f"stop[{index}]" if isinstance(value, list) else "stop"
        if not isinstance(stop, str) or not stop:
            raise InvalidParameter(
                f"{place} is {shown(stop)}, but must be a non-empty string, or stop an array of up to {MAX_STOPS}.",
                param=place,
            )
        checked_text(stop, place)
    return tuple(stops)


def _same(value: object, harmless: object) -> bool:
    """Equality in which, unlike Python's, false is not 0."""
    return isinstance(value, bool) == isinstance(harmless, bool) and value == harmless
