"""The request and response shapes of the model containers that the local one stands in for.

A contract turns a request body into a `Generation` and the generated texts into a response body. Requests are
judged as strictly as the catalogued containers document them, so that a caller's mistake shows here and not
first on a paid endpoint.
"""

import re
import sys
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, NamedTuple

ALEXATM_DEFAULT_NEW_TOKENS = 50
TGI_DEFAULT_NEW_TOKENS = 20  # text-generation-inference's own default

ALEXATM_CLM_PREFIX = "[CLM]"


class UnusableRequestError(ValueError):
    """The caller asked for something the model cannot do; the message says what and what is allowed."""


MAX_ROWS = 64
"""Sequences generated side by side. 512 of them took 5.6 GB and minutes (seen)."""


@dataclass(frozen=True)
class Generation:
    """What one request asks of the model, whichever contract it came through.

    At most one of `max_length` (tokens of the longest prompt plus the output) and `max_new_tokens` (output
    only) is set. With neither the model writes up to `ALEXATM_DEFAULT_NEW_TOKENS`, fewer if its window ends.
    """

    prompts: tuple[str, ...]
    max_length: int | None = None
    max_new_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    """Keyword arguments of transformers' `generate`, under the names that the contracts share with it."""


class Contract(NamedTuple):
    """`parse` raises UnusableRequestError; `render` takes the request body and every generated text."""

    parse: Callable[[Mapping[str, Any]], Generation]
    render: Callable[[Mapping[str, Any], Sequence[str]], Any]


def new_tokens_allowed(request: Generation, input_tokens: int, window: int) -> int:
    """How many tokens the model may add to a prompt of `input_tokens` in a window of `window` tokens.

    Raises:
        UnusableRequestError: the prompt leaves no room, or more is asked for than the window holds.
    """
    if input_tokens >= window:
        raise UnusableRequestError(
            f"The input is {input_tokens} tokens long and the model's window is {window}: send a shorter text."
        )
    if request.max_length is not None:
        if request.max_length <= input_tokens:
            raise UnusableRequestError(
                f"max_length is {request.max_length}, which counts input and output, but the input alone is"
                f" {input_tokens} tokens long: raise max_length or send a shorter text."
            )
        new_tokens = request.max_length - input_tokens
    elif request.max_new_tokens is not None:
        new_tokens = request.max_new_tokens
    else:
        return min(ALEXATM_DEFAULT_NEW_TOKENS, window - input_tokens)
    if input_tokens + new_tokens > window:
        raise UnusableRequestError(
            f"The input of {input_tokens} tokens and an output of up to {new_tokens} exceed the model's"
            f" window of {window} tokens: ask for at most {window - input_tokens} new ones."
        )
    return new_tokens


_SURROGATES = re.compile("[\ud800-\udfff]")


class _Rule(NamedTuple):
    allowed: str
    holds: Callable[[Any], bool]


def _integer(value: Any, least: int) -> bool:
    return type(value) is int and value >= least  # JSON's true is an int to isinstance


def _number(value: Any) -> bool:
    """Whether it fits a finite float: JSON's 1e999 is read as infinity, and an integer may have any size."""
    return type(value) in (int, float) and abs(value) <= sys.float_info.max


def _text(value: Any) -> bool:
    """Whether it is a non-empty string that a tokenizer can read: JSON can hold half a surrogate pair."""
    return isinstance(value, str) and value != "" and not _SURROGATES.search(value)


_POSITIVE_INTEGER = _Rule("a positive integer", lambda value: _integer(value, 1))
_POSITIVE_NUMBER = _Rule("a number above 0", lambda value: _number(value) and value > 0)
_BOOLEAN = _Rule("true or false", lambda value: isinstance(value, bool))
_TEXT = _Rule("a non-empty string of valid Unicode", _text)

_SAMPLING_RULES = {
    "do_sample": _BOOLEAN,
    # beyond these, the probabilities of a softmax are infinite or all alike, and torch refuses to sample
    "temperature": _Rule("a number from 1e-5 to 1e5", lambda value: _number(value) and 1e-5 <= value <= 1e5),
    "top_k": _POSITIVE_INTEGER,
    "top_p": _Rule("a number between 0 and 1, both excluded", lambda value: _number(value) and 0 < value < 1),
    "num_return_sequences": _POSITIVE_INTEGER,
    # torch takes no seed outside 64 bits
    "seed": _Rule("an integer of 64 bits", lambda value: type(value) is int and -(2**63) <= value < 2**64),
}

_ALEXATM_RULES = {
    "text_inputs": _Rule(
        "a non-empty string of valid Unicode, or a non-empty list of them",
        lambda value: (bool(value) and all(map(_text, value))) if isinstance(value, list) else _text(value),
    ),
    "max_length": _POSITIVE_INTEGER,
    "num_beams": _POSITIVE_INTEGER,
    "no_repeat_ngram_size": _Rule("an integer above 1", lambda value: _integer(value, 2)),
    "early_stopping": _BOOLEAN,
    **_SAMPLING_RULES,
}

_TGI_RULES = {
    "inputs": _TEXT,
    "parameters": _Rule("an object", lambda value: isinstance(value, dict)),
}

_TGI_PARAMETER_RULES = {
    "max_new_tokens": _POSITIVE_INTEGER,
    "repetition_penalty": _POSITIVE_NUMBER,
    "return_full_text": _BOOLEAN,
    "stop": _Rule("a list of non-empty strings", lambda value: isinstance(value, list) and all(map(_text, value))),
    **_SAMPLING_RULES,
}


_ALEXATM_OPTIONS = _ALEXATM_RULES.keys() - {"text_inputs", "max_length", "seed"}
_TGI_OPTIONS = _TGI_PARAMETER_RULES.keys() - {"max_new_tokens", "seed", "stop", "return_full_text"}


def _check(values: Mapping[str, Any], rules: Mapping[str, _Rule], *, required: str | None = None) -> None:
    if required is not None and required not in values:
        raise UnusableRequestError(f"{required} is missing: it must be {rules[required].allowed}.")
    for name, value in values.items():
        if name not in rules:
            raise UnusableRequestError(f"{name} is unknown: allowed are {', '.join(sorted(rules))}.")
        if not rules[name].holds(value):
            raise UnusableRequestError(f"{name} must be {rules[name].allowed}, not {_shown(value)}.")


def _shown(value: Any) -> str:
    shown = ascii(value)  # a lone surrogate could not be sent back
    return shown if len(shown) <= 80 else f"{shown[:80]}…"


def _check_sequences(values: Mapping[str, Any]) -> None:
    """Greedy decoding has one answer only; several need sampling or as many beams."""
    sequences, beams = values.get("num_return_sequences", 1), values.get("num_beams", 1)
    if beams < sequences and not (beams == 1 and values.get("do_sample")):
        raise UnusableRequestError(
            f"num_return_sequences is {sequences} but num_beams is {beams}: ask for at least as many beams,"
            " or for do_sample without num_beams."
        )


def _parse_alexatm(body: Mapping[str, Any]) -> Generation:
    _check(body, _ALEXATM_RULES, required="text_inputs")
    _check_sequences(body)
    inputs = body["text_inputs"]
    return Generation(
        prompts=tuple(map(_without_clm_prefix, [inputs] if isinstance(inputs, str) else inputs)),
        max_length=body.get("max_length"),
        seed=body.get("seed"),
        options=_options(body, _ALEXATM_OPTIONS),
    )


def _without_clm_prefix(text: str) -> str:
    """`[CLM] ` switches AlexaTM from denoising to continuing text. Models that only continue must not see it.

    Without it AlexaTM would denoise, which the model here cannot: it continues the text all the same.
    """
    prompt = text.removeprefix(ALEXATM_CLM_PREFIX).removeprefix(" ") if text.startswith(ALEXATM_CLM_PREFIX) else text
    if not prompt:
        raise UnusableRequestError(f"text_inputs holds {_shown(text)}, which leaves nothing to continue.")
    return prompt


def _render_alexatm(_body: Mapping[str, Any], texts: Sequence[str]) -> Any:
    return {"generated_texts": list(texts)}


def _parse_tgi(body: Mapping[str, Any]) -> Generation:
    _check(body, _TGI_RULES, required="inputs")
    parameters = body.get("parameters", {})
    _check(parameters, _TGI_PARAMETER_RULES)
    _check_sequences(parameters)
    return Generation(
        prompts=(body["inputs"],),
        max_new_tokens=parameters.get("max_new_tokens", TGI_DEFAULT_NEW_TOKENS),
        seed=parameters.get("seed"),
        stop=tuple(parameters.get("stop", ())),
        options=_options(parameters, _TGI_OPTIONS),
    )


def _render_tgi(body: Mapping[str, Any], texts: Sequence[str]) -> Any:
    echoed = body["inputs"] if body.get("parameters", {}).get("return_full_text") else ""
    return [{"generated_text": echoed + text} for text in texts]


def check_size(request: Generation) -> None:
    """Raises UnusableRequestError for a batch that a small machine would choke on."""
    width = max(request.options.get("num_beams", 1), request.options.get("num_return_sequences", 1))
    if len(request.prompts) * width > MAX_ROWS:
        raise UnusableRequestError(
            f"{len(request.prompts)} inputs with {width} beams or sequences each are too many at once: "
            f"{MAX_ROWS} in all are allowed."
        )


def _options(parameters: Mapping[str, Any], names: Set[str]) -> dict[str, Any]:
    options = {name: value for name, value in parameters.items() if name in names}
    # transformers refuses a whole number for these, and JSON does not tell 2 from 2.0
    floats = {name: float(options[name]) for name in ("temperature", "repetition_penalty") if name in options}
    return options | floats


CONTRACTS = {
    "alexatm": Contract(_parse_alexatm, _render_alexatm),
    "tgi": Contract(_parse_tgi, _render_tgi),
}
